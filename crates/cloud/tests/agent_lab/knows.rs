//! What every agent knows, and how it is asked for.

use serde_json::{Value, json};

use crate::lab::machine;
use crate::town::{HOSTS, SERVICES, STACK, address_of, container, host_of, in_town};

#[test]
fn every_agent_knows_every_service_with_its_address_capabilities_and_monitoring_points() {
    in_town(async |town| {
        for agent in town.agents() {
            let hosts = agent.hosts().await.unwrap();
            assert_eq!(hosts.keys().collect::<Vec<_>>(), HOSTS);
            assert!(hosts.values().all(|host| host["state"] == "alive"), "{hosts:?}");
            let containers = agent.containers().await.unwrap();
            assert_eq!(containers.len(), SERVICES.len());
            for service in SERVICES {
                let known = &containers[&container(service)];
                assert_eq!(known["service"], service);
                assert_eq!(known["host"], host_of(service));
                assert_eq!(known["address"], address_of(service).to_string());
                assert_eq!(known["port"], 8080);
                assert_eq!(known["capabilities"], json!([format!("has-{service}"), "town"]));
                assert!(known["monitor"].as_array().unwrap().contains(&json!({"http": "/"})), "{known}");
            }
            assert!(contains(&containers["stats-0"]["monitor"], &json!({"metrics": "/metrics"})));
            assert!(contains(&containers["queue-0"]["monitor"], &json!({"tcp": 8080})));
            assert!(contains(&containers["jobs-0"]["monitor"], &json!({"unit": "page.service"})));
            assert!(contains(&containers["login-0"]["monitor"], &json!("cloud-init")));
            let command = json!({"exec": ["test", "-e", "/srv/index.html"]});
            assert!(contains(&containers["docs-0"]["monitor"], &command));
        }
    });
}

#[test]
fn names_are_answered_by_every_agent_and_by_the_dnsmasq_that_containers_ask() {
    in_town(async |town| {
        for agent in town.agents() {
            for service in SERVICES {
                let name = format!("{service}.service.{STACK}.internal");
                let address = address_of(service).to_string();
                assert_eq!(agent.dig(&[&name]).await.unwrap(), [address.as_str()]);
                assert_eq!(agent.dig_through_dnsmasq(&[&name]).await.unwrap(), [address.as_str()]);
                let name = format!("{service}-0.container.{STACK}.internal.");
                assert_eq!(agent.dig(&["-x", &address]).await.unwrap(), [name.as_str()]);
                // A host's dnsmasq has names of its own for those that it gave their addresses.
                let own = format!("{service}-0.{STACK}.internal.");
                let reverse = agent.dig_through_dnsmasq(&["-x", &address]).await.unwrap();
                let is_here = agent.address == town.agent(host_of(service)).address;
                assert_eq!(reverse, [if is_here { own } else { name }]);
            }
            let located = agent.dig_through_dnsmasq(&[&format!("_shop._tcp.{STACK}.internal"), "SRV"]).await.unwrap();
            let target = format!(" 8080 shop-0.container.{STACK}.internal.");
            assert!(matches!(&located[..], [one] if one.ends_with(&target)), "{located:?}");
            let everybody = agent.dig(&[&format!("town.capability.{STACK}.internal")]).await.unwrap();
            assert_eq!(everybody.len(), 8, "as many as fit into an answer");
            let nobody = agent.dig(&[&format!("nobody.service.{STACK}.internal")]).await.unwrap();
            assert_eq!(nobody, Vec::<String>::new());
        }
    });
}

#[test]
fn a_container_finds_the_others_by_name_and_gets_their_pages() {
    in_town(async |town| {
        // On another host each.
        for (asker, asked) in [("web", "blog"), ("blog", "shop"), ("shop", "web")] {
            let name = format!("{asked}.service.{STACK}.internal");
            let command = ["curl", "--silent", "--show-error", &format!("http://{name}:8080/")];
            let page = town.stack.run_in(host_of(asker), &container(asker), &command).await;
            assert_eq!(page.trim(), format!("the page of {asked}"));
            let address = address_of(asked).to_string();
            let known = ["getent", "hosts", &address];
            let known = town.stack.run_in(host_of(asker), &container(asker), &known).await;
            assert!(known.contains(&format!("{asked}-0.container.{STACK}.internal")), "{known}");
        }
    });
}

#[test]
fn clients_of_consul_and_prometheus_are_answered_in_their_own_words() {
    in_town(async |town| {
        for agent in town.agents() {
            assert_eq!(agent.json("/v1/catalog/datacenters").await.unwrap(), json!([STACK]));
            let services = agent.json("/v1/catalog/services").await.unwrap();
            assert_eq!(services["mail"], json!(["has-mail", "town"]));
            let mail = agent.json("/v1/health/service/mail?passing").await.unwrap();
            let service = &mail[0]["Service"];
            assert_eq!((&service["Address"], &service["Port"]), (&json!(address_of("mail").to_string()), &json!(8080)));
            assert_eq!(mail[0]["Node"]["Node"], host_of("mail"));
            let targets = agent.json("/v1/prometheus/targets").await.unwrap();
            assert_eq!(targets[0]["targets"], json!([format!("{}:8080", address_of("stats"))]));
        }
    });
}

#[test]
fn agents_have_no_rights_but_the_one_to_ask_the_engine() {
    in_town(async |_| {
        for host in HOSTS {
            let run = |command: &str| machine("run", host, &["sh", "-c", command]);
            assert_eq!(run("systemctl is-active pontoon-agent").trim(), "active");
            assert_eq!(run("systemctl is-enabled pontoon-agent").trim(), "enabled");
            let process = run("systemctl show --property MainPID --value pontoon-agent");
            let status = run(&format!("cat /proc/{}/status", process.trim()));
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
            };
            for set in ["CapEff:", "CapPrm:", "CapBnd:", "CapAmb:"] {
                assert_eq!(field(set), "0000000000000000", "{set}");
            }
            assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".to_owned(), "2".to_owned()));
            let user = run("id -u pontoon-agent");
            assert_eq!(field("Uid:").split(' ').next(), Some(user.trim()));
            // Whoever has the key is of the ring.
            let key = run("stat --format '%U %a' /var/lib/pontoon/agent /var/lib/pontoon/agent/keyring");
            assert_eq!(key, "pontoon-agent 700\npontoon-agent 600\n");
        }
    });
}

fn contains(list: &Value, one: &Value) -> bool {
    list.as_array().is_some_and(|list| list.contains(one))
}
