//! Who is no host: members of the ring that run the Debian package `serf`, and whoever asks from another network.

use std::process::Stdio;

use tokio::process::Command;

use crate::asking::until;
use crate::lab::machine;
use crate::town::{HOSTS, in_town};

/// Where it is: the router's address, which is this process's own.
const ADDRESS: &str = "192.168.0.1";

#[test]
fn an_agent_of_serf_that_has_the_key_joins_and_is_no_host() {
    if std::process::Command::new("serf").arg("version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "the package `serf` is not installed");
        eprintln!("SKIPPED: the package `serf` is not installed");
        return;
    }
    in_town(async |town| {
        let directory = tempfile::tempdir().unwrap();
        let keyring = directory.path().join("keyring");
        std::fs::write(&keyring, machine("run", "lxd0", &["cat", "/var/lib/pontoon/agent/keyring"])).unwrap();
        let mut serf = Command::new("serf");
        serf.args(["agent", "-node", "laptop", "-bind", ADDRESS, "-rpc-addr", "127.0.0.1:7374", "-keyring-file"]);
        serf.arg(&keyring).args(["-join", &town.agent("lxd1").address.to_string()]);
        let mut serf = serf.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();

        let everybody = until("serf to see all hosts", async || {
            let text = members("127.0.0.1:7374").await?;
            if HOSTS.iter().all(|host| is_there(&text, host)) { Ok(text) } else { Err(text) }
        })
        .await;
        assert!(is_there(&everybody, "laptop"));
        for host in HOSTS {
            // The same by our own program, on each host.
            until("the host to see serf", async || {
                let text = machine("run", host, &["/var/lib/pontoon/bin/pontoon", "ring", "members"]);
                if text.lines().any(|line| line.contains("laptop") && line.contains("alive")) {
                    Ok(())
                } else {
                    Err(text)
                }
            })
            .await;
        }
        for agent in town.agents() {
            assert_eq!(agent.hosts().await.unwrap().keys().collect::<Vec<_>>(), HOSTS);
        }
        // It leaves.
        let left = Command::new("serf").args(["leave", "-rpc-addr", "127.0.0.1:7374"]).status().await.unwrap();
        assert!(left.success());
        serf.wait().await.unwrap();
        until("the hosts to know", async || {
            let text = machine("run", "lxd2", &["/var/lib/pontoon/bin/pontoon", "ring", "members"]);
            if text.lines().any(|line| line.contains("laptop") && line.contains("left")) { Ok(()) } else { Err(text) }
        })
        .await;
    });
}

#[test]
fn serf_asks_an_agent_by_its_rpc() {
    if std::process::Command::new("serf").arg("version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "the package `serf` is not installed");
        return;
    }
    in_town(async |town| {
        // The port listens on the host's own loopback address, so the program is run in the host's network.
        let lan = std::env::var("PONTOON_LAB_LXD").unwrap();
        let mut serf = Command::new("ip");
        serf.args(["netns", "exec", &format!("pontoon-{lan}-lxd0"), "serf", "members", "-rpc-addr", "127.0.0.1:7373"]);
        let output = serf.output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        for host in HOSTS {
            assert!(is_there(&text, host), "{text}{}", String::from_utf8_lossy(&output.stderr));
            assert!(text.contains(&town.agent(host).address.to_string()), "{text}");
        }
    });
}

async fn members(rpc: &str) -> Result<String, String> {
    let output = Command::new("serf").args(["members", "-rpc-addr", rpc]).output().await;
    let output = output.map_err(|error| format!("serf: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Whether `serf members` says that it is alive.
fn is_there(text: &str, name: &str) -> bool {
    text.lines().any(|line| line.split_whitespace().next() == Some(name) && line.contains("alive"))
}

/// An address of no network of the stack's, from which this process can ask: an answer would find its way back to it.
const ELSEWHERE: &str = "198.51.100.9";

#[test]
fn who_asks_from_another_network_is_answered_by_no_server_of_a_host() {
    in_town(async |town| {
        let address = |verb: &'static str| async move {
            let entry = format!("{ELSEWHERE}/32");
            Command::new("ip").args(["address", verb, &entry, "dev", "lo"]).status().await.unwrap().success()
        };
        assert!(address("add").await);
        let mut answers = Vec::new();
        let agent = town.agent("lxd0");
        for port in [8600, 53] {
            for carrier in ["+notcp", "+tcp"] {
                for source in [ADDRESS, ELSEWHERE] {
                    let answer = agent.dig_at(port, &["-b", source, carrier, "lxd0.host.lab.internal"]).await;
                    answers.push((source, format!("{port} {carrier}: {answer:?}"), answer.is_ok()));
                }
            }
        }
        assert!(address("delete").await);
        for (source, answer, is_answered) in answers {
            assert_eq!(is_answered, source == ADDRESS, "{source} {answer}");
        }
    });
}
