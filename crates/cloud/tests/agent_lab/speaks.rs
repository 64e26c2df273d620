//! What containers say of themselves, through the sockets that their hosts give them.

use serde_json::json;

use crate::asking::until;
use crate::lab::machine;
use crate::town::{STACK, Town, container, host_of, in_town};

/// What the program prints, or curl, in the container of a service.
async fn run(town: &Town, service: &str, command: &[&str]) -> String {
    town.stack.run_in(host_of(service), &container(service), command).await
}

#[test]
fn what_a_container_says_by_curl_is_known_everywhere_until_it_takes_it_back() {
    in_town(async |town| {
        let put = |body: &'static str| async move {
            let socket = ["--unix-socket", "/dev/pontoon/announce/socket", "http://agent/v1/self"];
            let command = [&["curl", "--silent", "--show-error", "--fail", "-X", "PUT", "-d", body], &socket[..]];
            run(town, "search", &command.concat()).await
        };
        put(r#"{"capabilities": ["finds"], "says": {"version": "1.2"}, "monitor": [{"metrics": "/numbers"}]}"#).await;
        for agent in town.agents() {
            let known = until("what was said", async || {
                let known = agent.container("search-0").await?;
                if known["says"] == json!({"version": "1.2"}) { Ok(known) } else { Err(known.to_string()) }
            });
            let known = known.await;
            assert_eq!(known["capabilities"], json!(["finds", "has-search", "town"]));
            assert!(known["monitor"].as_array().unwrap().contains(&json!({"metrics": "/numbers"})));
            let found = agent.dig(&[&format!("finds.capability.{STACK}.internal")]).await.unwrap();
            assert_eq!(found, [known["address"].as_str().unwrap()]);
        }
        put(r#"{"says": {"version": "1.3"}}"#).await;
        for agent in town.agents() {
            until("the change", async || {
                let known = agent.container("search-0").await?;
                let as_said =
                    known["says"]["version"] == "1.3" && known["capabilities"] == json!(["has-search", "town"]);
                if as_said { Ok(()) } else { Err(known.to_string()) }
            })
            .await;
        }
        put("{}").await;
        for agent in town.agents() {
            until("silence", async || {
                let known = agent.container("search-0").await?;
                if known["says"] == json!({}) { Ok(()) } else { Err(known.to_string()) }
            })
            .await;
        }
    });
}

#[test]
fn the_program_that_the_host_shows_its_containers_speaks_for_them() {
    in_town(async |town| {
        let announce = ["/dev/pontoon/bin/pontoon", "announce"];
        // By any user of the container, not root alone.
        let as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let unwell = ["--state", "warning", "--output", "the queue is long", "--ttl", "60"];
        run(town, "queue", &[&as_nobody[..], &announce, &["--capability", "waits"], &unwell].concat()).await;
        for agent in town.agents() {
            until("a warning", async || {
                let known = agent.container("queue-0").await?;
                let as_said =
                    known["state"] == "warning" && known["output"].as_str().unwrap().contains("the queue is long");
                if as_said && known["capabilities"] == json!(["has-queue", "town", "waits"]) {
                    Ok(())
                } else {
                    Err(known.to_string())
                }
            })
            .await;
        }
        let shown = run(town, "queue", &[&announce[..], &["--show"]].concat()).await;
        assert!(shown.contains("waits"), "{shown}");
        run(town, "queue", &[&announce[..], &["--clear"]].concat()).await;
    });
}

#[test]
fn what_was_said_outlasts_a_kill_of_the_agent() {
    in_town(async |town| {
        let announce = ["/dev/pontoon/bin/pontoon", "announce"];
        run(town, "cache", &[&announce[..], &["--says", "colour=green"]].concat()).await;
        machine("run", host_of("cache"), &["systemctl", "kill", "--kill-who=main", "-s", "KILL", "pontoon-agent"]);
        for agent in town.agents() {
            until("the agent to be back with what was said", async || {
                let known = agent.container("cache-0").await?;
                if known["says"]["colour"] == "green" && known["serves"] == true {
                    Ok(())
                } else {
                    Err(known.to_string())
                }
            })
            .await;
        }
        // And the socket is another one, at the same place.
        until("the socket", async || {
            let command = [&announce[..], &["--clear"]].concat();
            let output = town.stack.try_in(host_of("cache"), "cache-0", &command).await;
            if output.code == 0 { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
        })
        .await;
    });
}

#[test]
fn a_container_has_its_own_socket_and_no_way_to_another() {
    in_town(async |town| {
        assert_eq!(
            run(town, "web", &["ls", "/dev/pontoon", "/dev/pontoon/announce"]).await,
            "/dev/pontoon:\nannounce\nbin\n\n/dev/pontoon/announce:\nsocket\n"
        );
        for command in [
            "touch /dev/pontoon/announce/mine",
            "rm /dev/pontoon/announce/socket",
            "chmod 700 /dev/pontoon/announce",
            "touch /dev/pontoon/bin/mine",
            "mount -o remount,rw,bind /dev/pontoon/announce",
            "mount -o remount,rw,bind /dev/pontoon/bin",
        ] {
            let output = town.stack.try_in(host_of("web"), "web-0", &["sh", "-c", command]).await;
            assert_ne!(output.code, 0, "{command}");
        }
        // Neither by the network: the agent's other doors only read, and those of the ring want its key.
        let address = town.agent(host_of("web")).address;
        for (port, refused) in [(8500, false), (7373, true)] {
            let url = format!("http://{address}:{port}/v1/self");
            let command = [
                "curl",
                "--silent",
                "--max-time",
                "5",
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_code}",
                "-X",
                "PUT",
                "-d",
                "{}",
                &url,
            ];
            let output = town.stack.try_in(host_of("web"), "web-0", &command).await;
            let code = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.code != 0, refused, "{port}: {code}");
            assert!(code == "000" || code.starts_with('4'), "{port}: {code}");
        }
    });
}
