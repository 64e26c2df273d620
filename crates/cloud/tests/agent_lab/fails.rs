//! What becomes of answers when something fails, and when it is well again.

use std::time::Duration;

use pontoon_cloud::lxd::StateAction;
use serde_json::{Value, json};

use crate::asking::{Agent, until};
use crate::lab::{LIMIT, machine};
use crate::town::{HOSTS, SERVICES, STACK, Town, address_of, all_serve, host_of, in_town, program};

/// Waits until an agent gives an address for a service, or none any more.
async fn given(agent: Agent, service: &str, wanted: bool) {
    let name = format!("{service}.service.{STACK}.internal");
    until(&format!("`{service}` to be given by {}: {wanted}", agent.address), async || {
        let found = agent.dig(&[&name]).await?;
        if found.is_empty() == wanted { Err(format!("{found:?}")) } else { Ok(()) }
    })
    .await;
}

async fn given_by_all(town: &Town, service: &str, wanted: bool) {
    for agent in town.agents() {
        given(agent, service, wanted).await;
    }
}

#[test]
fn a_service_that_does_not_answer_leaves_the_answers_and_comes_back_with_it() {
    in_town(async |town| {
        let stop = |verb: &'static str| async move {
            town.stack.run_in(host_of("index"), "index-0", &["systemctl", verb, "page.service"]).await
        };
        stop("stop").await;
        given_by_all(town, "index", false).await;
        for agent in town.agents() {
            let known = agent.container("index-0").await.unwrap();
            assert_eq!(known["state"], "critical", "{known}");
            let health = agent.json("/v1/health").await.unwrap();
            assert_eq!(health["critical"], 1, "{health}");
        }
        stop("start").await;
        given_by_all(town, "index", true).await;
    });
}

#[test]
fn a_container_that_is_stopped_or_deleted_is_announced_no_more_until_it_runs_again() {
    in_town(async |town| {
        let engine = town.stack.engine_of(host_of("login")).await;
        engine.set_instance_state("login-0", StateAction::ForceStop, LIMIT).await.unwrap();
        for agent in town.agents() {
            until("it to be gone", async || {
                let containers = agent.containers().await?;
                if containers.contains_key("login-0") { Err("it is known".to_owned()) } else { Ok(()) }
            })
            .await;
        }
        given_by_all(town, "login", false).await;
        engine.set_instance_state("login-0", StateAction::Start, LIMIT).await.unwrap();
        given_by_all(town, "login", true).await;

        // What was said goes with the container.
        let say = ["/dev/pontoon/bin/pontoon", "announce", "--says", "age=old"];
        town.stack.run_in(host_of("login"), "login-0", &say).await;
        until("what it says", async || {
            let known = town.agent(HOSTS[0]).container("login-0").await?;
            if known["says"]["age"] == "old" { Ok(()) } else { Err(known.to_string()) }
        })
        .await;
        engine.set_instance_state("login-0", StateAction::ForceStop, LIMIT).await.unwrap();
        engine.delete_instance("login-0", LIMIT).await.unwrap();
        given_by_all(town, "login", false).await;
        town.stack.up().await;
        given_by_all(town, "login", true).await;
        for agent in town.agents() {
            assert_eq!(agent.container("login-0").await.unwrap()["says"], json!({}));
        }
    });
}

#[test]
fn services_of_a_host_that_lost_its_power_leave_the_answers_and_come_back_with_it() {
    in_town(async |town| {
        machine("stop", "lxd2", &[]);
        let others = [town.agent("lxd0"), town.agent("lxd1")];
        for agent in others {
            for service in SERVICES {
                given(agent, service, host_of(service) != "lxd2").await;
            }
            let hosts = agent.hosts().await.unwrap();
            assert_eq!(hosts["lxd2"]["state"], "failed", "{hosts:?}");
            // Known, with the last word of it, and not served.
            let shop = agent.container("shop-0").await.unwrap();
            assert_eq!((&shop["state"], &shop["serves"]), (&json!("unknown"), &json!(false)));
        }
        machine("start", "lxd2", &[]);
        town.is_well().await;
    });
}

#[test]
fn a_host_that_is_cut_off_goes_on_answering_and_says_how_old_its_answers_are() {
    in_town(async |town| {
        machine("cut-off", "lxd1", &[]);
        for agent in [town.agent("lxd0"), town.agent("lxd2")] {
            for service in SERVICES {
                given(agent, service, host_of(service) != "lxd1").await;
            }
        }
        let alone = until("the cut-off host to know that it is alone", async || {
            let catalogue = asked_on("lxd1", "/v1/catalogue");
            let hosts = catalogue["hosts"].as_array().unwrap();
            let alone = hosts.iter().all(|host| (host["state"] == "alive") == (host["host"] == "lxd1"));
            if alone { Ok(hosts.clone()) } else { Err(catalogue.to_string()) }
        })
        .await;
        for host in alone {
            assert_eq!(host["stale_since_seconds"].is_number(), host["host"] != "lxd1", "{host}");
            assert_eq!(host["containers"].as_array().unwrap().len(), 4, "the last word of each is known");
        }
        // Its containers find each other, and nobody whom they could not reach.
        let find = |name: &str| {
            let script = format!("lxc exec mail-0 -- getent hosts {name}.service.{STACK}.internal || true");
            machine("run", "lxd1", &["sh", "-c", &script])
        };
        assert!(find("blog").contains(&address_of("blog").to_string()));
        assert_eq!(find("web"), "");

        machine("connect", "lxd1", &[]);
        town.is_well().await;
        for agent in town.agents() {
            let hosts = agent.hosts().await.unwrap();
            assert!(hosts.values().all(|host| host["stale_since_seconds"].is_null()), "{hosts:?}");
        }
    });
}

/// What the agent of a host answers to whoever is on that host, which may be cut off.
fn asked_on(host: &str, path: &str) -> Value {
    let url = format!("http://127.0.0.1:8500{path}");
    let script = format!("import urllib.request as u; print(u.urlopen('{url}', timeout=5).read().decode())");
    serde_json::from_str(&machine("run", host, &["python3", "-c", &script])).unwrap()
}

#[test]
fn an_agent_is_upgraded_by_the_next_plan_while_everything_stays_in_the_answers() {
    in_town(async |town| {
        // The same program with something behind its end, which no loader reads.
        let mut content = std::fs::read(program()).unwrap();
        content.push(b'\n');
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pontoon");
        std::fs::write(&path, content).unwrap();
        let upgraded = town.with_agent(&path).await;
        let steps: Vec<String> = upgraded.plan().await.iter().map(|step| step.reason.clone()).collect();
        assert_eq!(steps.len(), 3, "{steps:?}");
        assert!(steps.iter().all(|reason| reason.starts_with("the program is another one")), "{steps:?}");

        let watching = async {
            loop {
                for agent in town.agents() {
                    // The one that is restarted right now does not answer, and is asked again.
                    if let Ok(containers) = agent.containers().await {
                        all_serve(&containers).unwrap_or_else(|missing| panic!("{}: {missing}", agent.address));
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = upgraded.up() => {}
            () = watching => {}
        }
        // And back, so that the next test finds what it would have brought.
        town.stack.up().await;
    });
}

/// Whoever asks for a name asks again after five seconds, so a question that is lost is a page that hangs.
#[test]
fn a_question_that_comes_while_an_agent_restarts_waits_for_its_answer() {
    in_town(async |town| {
        let asked = town.agent("lxd1");
        let name = format!("web.service.{STACK}.internal");
        let wanted = vec![address_of("web").to_string()];
        // dnsmasq may remember for a while that somebody was not there.
        until("the name", async || {
            let found = asked.dig_through_dnsmasq(&[&name]).await?;
            if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
        let restarts = tokio::task::spawn_blocking(|| {
            machine("run", "lxd1", &["systemctl", "restart", "pontoon-agent"]);
            machine("run", "lxd1", &["systemctl", "kill", "--signal=SIGKILL", "pontoon-agent"]);
            // Which ends when the next one is ready.
            machine("run", "lxd1", &["systemctl", "restart", "pontoon-agent"]);
        });
        // At any moment one question is on its way, to either server.
        let ask = async |port| {
            let mut answers = 0;
            while !restarts.is_finished() {
                assert_eq!(asked.dig_once(port, &[&name]).await.as_ref(), Ok(&wanted), "after {answers} answers");
                answers += 1;
            }
            answers
        };
        let (agent, dnsmasq) = tokio::join!(ask(8600), ask(53));
        restarts.await.unwrap();
        assert!(agent > 3 && dnsmasq > 3, "{agent} and {dnsmasq} questions show nothing");
    });
}
