//! `pontoon announce` in a container that has a socket of an agent, and in places that have none.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use pontoon_agent::announce::{Declared, Server, Settings};
use pontoon_agent::catalogue::{Container, Health, MonitoringPoint, State};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_mins(1);

/// An agent with the container `hugo-0`, whose socket is in this directory.
async fn agent(directory: &Path) -> Server {
    let container = Container {
        service: "hugo".into(),
        address: IpAddr::from([10, 0, 0, 10]),
        port: Some(8080),
        capabilities: ["blog".into()].into(),
        monitor: vec![MonitoringPoint::Http("/".to_owned())],
        says: BTreeMap::new(),
        health: Health { state: State::Passing, output: String::new() },
    };
    std::fs::create_dir(directory.join("hugo-0")).unwrap();
    let settings = Settings {
        host: "lxd0".into(),
        directory: directory.to_owned(),
        state_file: directory.join("said.json"),
        counts: std::sync::Arc::default(),
    };
    let server = Server::open(settings).await;
    server.set_containers([("hugo-0".into(), Declared { identity: "one".to_owned(), container })].into());
    let running = server.clone();
    tokio::spawn(async move { running.run().await });
    let listens = async {
        while !directory.join("hugo-0/socket").exists() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, listens).await.unwrap();
    server
}

async fn announce(socket: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pontoon"));
    command.arg("announce").args(words).env("PONTOON_ANNOUNCE_SOCKET", socket).output().await.unwrap()
}

/// What it prints for programs.
async fn told(socket: &Path, words: &[&str]) -> Value {
    let output = announce(socket, &[words, &["--json"]].concat()).await;
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error} in {output:?}"))
}

fn error(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn a_container_says_what_it_is_and_how_it_is_and_takes_it_back() {
    let directory = TempDir::new().unwrap();
    let server = agent(directory.path()).await;
    let socket = directory.path().join("hugo-0/socket");
    let said =
        announce(&socket, &["--capability", "fast", "--tcp", "9000", "--unit", "hugo.service", "--says", "version=1"]);
    let said = said.await;
    assert_eq!((said.status.code(), &*said.stdout, &*said.stderr), (Some(0), &b""[..], &b""[..]));
    let result = told(&socket, &["--state", "warning", "--output", "the queue is long", "--says", "color=red"]).await;
    assert_eq!((&result["event"], &result["outcome"]), (&json!("result"), &json!("announced")));
    assert_eq!(result["self"]["says"], json!({"color": "red", "version": "1"}));

    let shown = announce(&socket, &["--says", "color=", "--show"]).await;
    let expected = "\
container     hugo-0 of service hugo on lxd0
address       10.0.0.10, port 8080
health        warning (its own word: the queue is long)
capabilities  blog
              fast (its own)
monitor       http /
              tcp 9000 (its own)
              unit hugo.service (its own)
says          version=1 (its own)
";
    assert_eq!(String::from_utf8_lossy(&shown.stdout), expected);
    assert_eq!(told(&socket, &["--show"]).await["outcome"], "shown");

    let replaced = told(&socket, &["--clear", "--capability", "slow"]).await;
    assert_eq!(replaced["self"]["said"]["capabilities"], json!(["slow"]));
    assert_eq!(replaced["self"]["said"]["says"], json!({}));
    assert_eq!(told(&socket, &["--clear"]).await["outcome"], "cleared");
    let mut words = server.said();
    timeout(PATIENCE, words.wait_for(|words| words.is_empty())).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_the_agent_refuses_is_said_with_its_reason() {
    let directory = TempDir::new().unwrap();
    let _server = agent(directory.path()).await;
    let socket = directory.path().join("hugo-0/socket");
    let (code, text) = error(&announce(&socket, &["--capability", "two words"]).await);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("`capabilities` is not a word") && text.contains("hint: "), "{text}");
    let failed = told(&socket, &["--port", "9000"]).await;
    assert_eq!((&failed["event"], &failed["causes"]), (&json!("error"), &json!(["the file gives port 8080"])));
}

#[tokio::test]
async fn without_an_agent_it_says_what_is_missing() {
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("announce/socket");
    let (code, text) = error(&announce(&socket, &["--show"]).await);
    assert_eq!(code, 1);
    assert!(text.contains("this is no container of Pontoon's"), "{text}");
    std::fs::create_dir(socket.parent().unwrap()).unwrap();
    let (code, text) = error(&announce(&socket, &["--show"]).await);
    assert_eq!(code, 1);
    assert!(text.contains("yet") && text.contains("systemctl status pontoon-agent"), "{text}");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let (code, text) = error(&announce(&socket, &["--show"]).await);
    assert_eq!(code, 1);
    assert!(text.contains("nobody listens at"), "{text}");
}

#[tokio::test]
async fn a_command_line_that_says_nothing_is_wrong() {
    let nowhere = Path::new("/nowhere");
    for words in [&[][..], &["--output", "fine", "--show"], &["--state", "unknown"], &["--says", "version"]] {
        assert_eq!(error(&announce(nowhere, words).await).0, 64, "{words:?}");
    }
}
