//! The sockets of containers on a real file system, used well and badly.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pontoon_agent::announce::{Declared, Server, Settings, Words};
use pontoon_agent::catalogue::{Container, Health, Name, State};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything takes on a machine that has much to do.
const PATIENCE: Duration = Duration::from_mins(1);

struct Host {
    directory: TempDir,
    server: Server,
    running: JoinHandle<()>,
}

impl Host {
    /// A host with `hugo-0` and `hugo-1`.
    async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        for name in ["hugo-0", "hugo-1"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let host = Self::of(directory).await;
        host.server.set_containers(containers(&[("hugo-0", "one"), ("hugo-1", "two")]));
        host.listens("hugo-0").await;
        host.listens("hugo-1").await;
        host
    }

    /// A host of which only the directory is there.
    async fn of(directory: TempDir) -> Self {
        let settings = Settings {
            host: "lxd0".into(),
            directory: directory.path().to_owned(),
            state_file: directory.path().join("said"),
            counts: Arc::default(),
        };
        let server = Server::open(settings).await;
        let running = tokio::spawn({
            let server = server.clone();
            async move { server.run().await }
        });
        Self { directory, server, running }
    }

    /// Its agent dies and another one is started.
    async fn restart(self) -> Self {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
        self.server.save().await;
        Self::of(self.directory).await
    }

    fn socket(&self, container: &str) -> PathBuf {
        self.directory.path().join(container).join("socket")
    }

    async fn listens(&self, container: &str) {
        until("it listens", async || UnixStream::connect(self.socket(container)).await.is_ok()).await;
    }

    async fn ask(&self, container: &str, method: &str, path: &str, body: &str) -> (String, Value) {
        ask(&self.socket(container), method, path, body).await
    }

    /// Until what is said is so.
    async fn hears(&self, is_so: impl FnMut(&Arc<Words>) -> bool) -> Arc<Words> {
        let mut said = self.server.said();
        let heard = timeout(PATIENCE, said.wait_for(is_so)).await.expect("it is heard in time").unwrap();
        Arc::clone(&heard)
    }
}

fn containers(all: &[(&str, &str)]) -> BTreeMap<Name, Declared> {
    let container = Container {
        service: "hugo".into(),
        address: IpAddr::from([10, 0, 0, 10]),
        port: Some(8080),
        capabilities: BTreeSet::from(["blog".into()]),
        monitor: Vec::new(),
        says: BTreeMap::new(),
        health: Health { state: State::Passing, output: String::new() },
    };
    let declared = |identity: &str| Declared { identity: identity.to_owned(), container: container.clone() };
    all.iter().map(|(name, identity)| ((*name).into(), declared(identity))).collect()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let reached = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{what}: not within a minute"));
}

async fn send(socket: &Path, bytes: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Status and headers, in lower case, and the body. The server hangs up by itself.
async fn read(mut stream: UnixStream) -> (String, Value) {
    let mut bytes = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an answer in time");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?} {end:?}"));
    (head.to_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

async fn ask(socket: &Path, method: &str, path: &str, body: &str) -> (String, Value) {
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: agent\r\nContent-Length: {length}\r\n\r\n{body}");
    read(send(socket, request.as_bytes()).await).await
}

#[tokio::test]
async fn a_container_says_something_asks_what_is_said_and_takes_it_back() {
    let host = Host::start().await;
    assert_eq!(fs::metadata(host.socket("hugo-0")).unwrap().permissions().mode() & 0o777, 0o666);
    let said = r#"{"capabilities": ["fast"], "says": {"version": "1"}}"#;
    let (head, all) = host.ask("hugo-0", "PUT", "/v1/self", said).await;
    assert!(head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
    assert_eq!(all["capabilities"], json!(["blog", "fast"]));
    host.ask("hugo-0", "PATCH", "/v1/self", r#"{"says": {"version": "2"}}"#).await;
    let health = r#"{"state": "critical", "output": "full"}"#;
    host.ask("hugo-0", "PUT", "/v1/self/health", health).await;
    let words = host.hears(|words| words.get("hugo-0").is_some_and(|said| said.health.is_some())).await;
    assert_eq!(words["hugo-0"].says["version"], "2");
    let (_, all) = host.ask("hugo-0", "GET", "/v1/self", "").await;
    assert_eq!(all["health"]["output"], "its own word: full");
    host.ask("hugo-0", "DELETE", "/v1/self", "").await;
    host.hears(|words| words.is_empty()).await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_what_to_do() {
    let host = Host::start().await;
    let long = format!("{{\"says\": {{\"x\": \"{}\"}}}}", "x".repeat(17_000));
    for (method, path, body, status) in [
        ("GET", "/v1/other", "", "404"),
        ("PUT", "/", "", "404"),
        ("POST", "/v1/self", "{}", "405"),
        ("GET", "/v1/self/health", "", "405"),
        ("PUT", "/v1/self", "{", "400"),
        ("PUT", "/v1/self", "\u{0}", "400"),
        ("PUT", "/v1/self", &long, "413"),
        ("PUT", "/v1/self", r#"{"address": "10.0.0.99"}"#, "422"),
        ("PATCH", "/v1/self", r#"{"monitor": [{"exec": ["id"]}]}"#, "422"),
    ] {
        let (head, answer) = host.ask("hugo-0", method, path, body).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{method} {path} {body:.40}: {head}");
        assert!(answer["error"].is_string() && answer["hint"].is_string(), "{answer}");
        assert_eq!(status == "405", head.contains("allow: "), "{head}");
    }
    let mut last = String::new();
    until("it changes too often", async || {
        last = host.ask("hugo-0", "DELETE", "/v1/self", "").await.0;
        last.starts_with("http/1.1 429")
    })
    .await;
    assert!(last.contains("retry-after: 1"), "{last}");
    assert!(host.server.said().borrow().is_empty());
}

#[tokio::test]
async fn what_one_container_says_is_not_said_of_another() {
    let host = Host::start().await;
    host.ask("hugo-0", "PUT", "/v1/self", r#"{"says": {"who": "zero"}}"#).await;
    host.ask("hugo-1", "PUT", "/v1/self", r#"{"says": {"who": "one"}}"#).await;
    let words = host.hears(|words| words.len() == 2).await;
    assert_eq!((&*words["hugo-0"].says["who"], &*words["hugo-1"].says["who"]), ("zero", "one"));
    host.ask("hugo-1", "DELETE", "/v1/self", "").await;
    let (_, all) = host.ask("hugo-0", "GET", "/v1/self?container=hugo-1", "").await;
    assert_eq!((&all["container"], &all["says"]["who"]), (&json!("hugo-0"), &json!("zero")));
}

#[tokio::test]
async fn a_restart_keeps_what_was_said_and_a_new_container_has_said_nothing() {
    let host = Host::start().await;
    host.ask("hugo-0", "PUT", "/v1/self", r#"{"says": {"version": "1"}}"#).await;
    host.ask("hugo-1", "PUT", "/v1/self", r#"{"says": {"version": "1"}}"#).await;
    let host = host.restart().await;
    assert!(host.server.said().borrow().is_empty(), "nobody is known to be here yet");
    host.server.set_containers(containers(&[("hugo-0", "one"), ("hugo-1", "another")]));
    let words = host.hears(|words| !words.is_empty()).await;
    assert_eq!(words.keys().map(|name| &**name).collect::<Vec<_>>(), ["hugo-0"]);
    host.listens("hugo-1").await;
    assert_eq!(host.ask("hugo-1", "GET", "/v1/self", "").await.1["says"], json!({}));

    // The socket is another one too: who has opened the old one speaks for nobody, if he is let in at all.
    let mut old = UnixStream::connect(host.socket("hugo-0")).await.unwrap();
    host.server.set_containers(containers(&[("hugo-0", "later"), ("hugo-1", "another")]));
    host.hears(|words| words.is_empty()).await;
    let _ = old.write_all(b"DELETE /v1/self HTTP/1.1\r\nHost: agent\r\n\r\n").await;
    let mut answer = String::new();
    let _ = timeout(PATIENCE, old.read_to_string(&mut answer)).await.expect("it is answered or hung up on");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 410"), "{answer}");

    host.server.set_containers(BTreeMap::new());
    until("the sockets are gone", async || !host.socket("hugo-0").exists() && !host.socket("hugo-1").exists()).await;
}

#[tokio::test]
async fn a_file_that_is_rubbish_is_as_good_as_none() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("said"), b"{\"hugo-0\": 7").unwrap();
    fs::create_dir(directory.path().join("hugo-0")).unwrap();
    let host = Host::of(directory).await;
    host.server.set_containers(containers(&[("hugo-0", "one")]));
    host.listens("hugo-0").await;
    host.ask("hugo-0", "PUT", "/v1/self", r#"{"says": {"version": "1"}}"#).await;
    let file = host.directory.path().join("said");
    until("it is written", async || fs::read_to_string(&file).is_ok_and(|text| text.contains("version"))).await;
}

#[tokio::test]
async fn a_directory_may_come_later_and_go_and_come_again() {
    let directory = TempDir::new().unwrap();
    let host = Host::of(directory).await;
    host.server.set_containers(containers(&[("hugo-0", "one"), ("../hugo-1", "two")]));
    let its_own = host.directory.path().join("hugo-0");
    for _ in 0..2 {
        fs::create_dir(&its_own).unwrap();
        // A dead agent has left this: nobody listens there.
        drop(std::os::unix::net::UnixListener::bind(host.socket("hugo-0")).unwrap());
        host.listens("hugo-0").await;
        assert_eq!(host.ask("hugo-0", "GET", "/v1/self", "").await.1["container"], "hugo-0");
        assert_eq!(fs::read_dir(&its_own).unwrap().count(), 1, "nothing but the socket is left there");
        fs::remove_dir_all(&its_own).unwrap();
    }
    // What is no socket is somebody's, and stays.
    fs::create_dir(&its_own).unwrap();
    fs::write(host.socket("hugo-0"), b"mine").unwrap();
    // Longer than it takes to look again.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(fs::read(host.socket("hugo-0")).unwrap(), b"mine");
    fs::remove_file(host.socket("hugo-0")).unwrap();
    host.listens("hugo-0").await;
}

#[tokio::test]
async fn a_health_that_is_not_renewed_becomes_critical_by_itself() {
    let host = Host::start().await;
    host.ask("hugo-0", "PUT", "/v1/self/health", r#"{"state": "passing", "ttl": 1}"#).await;
    let is = |state: State| {
        move |words: &Arc<Words>| {
            words.get("hugo-0").is_some_and(|said| said.health.as_ref().is_some_and(|health| health.state == state))
        }
    };
    host.hears(is(State::Passing)).await;
    let words = host.hears(is(State::Critical)).await;
    assert_eq!(words["hugo-0"].health.as_ref().unwrap().output, "not renewed in 1 s; its last word was passing");
    host.ask("hugo-0", "PUT", "/v1/self/health", r#"{"state": "passing"}"#).await;
    host.hears(is(State::Passing)).await;
}

/// The answer of `hugo-1`, which is well whatever `hugo-0` does.
async fn other_is_answered(host: &Host) {
    let (head, _) = host.ask("hugo-1", "GET", "/v1/self", "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

#[tokio::test]
async fn a_thousand_connections_take_four_seats_and_others_are_answered() {
    let host = Host::start().await;
    let socket = host.socket("hugo-0");
    let mut held = Vec::new();
    for _ in 0..1000 {
        // When the queue is full the kernel refuses.
        if let Ok(mut stream) = UnixStream::connect(&socket).await {
            let _ = stream.write_all(b"GET /v1/self HTTP/1.1\r\nHost: ").await;
            held.push(stream);
        }
    }
    assert!((5..100).contains(&held.len()), "four are let in, and some wait: {}", held.len());
    other_is_answered(&host).await;
    // Whoever does not come to an end is hung up on, and then the next are let in.
    let mut first = held.remove(0);
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, first.read_to_end(&mut bytes)).await.expect("it is hung up on in time");
    assert!(bytes.is_empty());
    drop(held);
    host.listens("hugo-0").await;
    assert!(host.ask("hugo-0", "GET", "/v1/self", "").await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn a_flood_of_requests_is_slow_to_itself_alone() {
    let host = Host::start().await;
    let socket = host.socket("hugo-0");
    let flood = tokio::spawn(async move {
        loop {
            let request = b"PUT /v1/self HTTP/1.1\r\nHost: agent\r\nContent-Length: 2\r\n\r\n{}".repeat(100);
            if let Ok(mut stream) = UnixStream::connect(&socket).await {
                let _ = stream.write_all(&request).await;
                let mut bytes = Vec::new();
                let _ = stream.read_to_end(&mut bytes).await;
                let answers = String::from_utf8_lossy(&bytes).matches("HTTP/1.1").count();
                assert!(answers <= 1, "a connection is for one request: {answers}");
            }
        }
    });
    for _ in 0..20 {
        other_is_answered(&host).await;
    }
    assert!(!flood.is_finished());
    flood.abort();
}

#[tokio::test]
async fn a_body_or_a_head_without_end_is_cut_off() {
    let host = Host::start().await;
    let socket = host.socket("hugo-0");
    let endless = |head: &'static str, part: &'static [u8]| {
        let socket = socket.clone();
        async move {
            let mut stream = send(&socket, head.as_bytes()).await;
            let mut sent = 0_usize;
            while stream.write_all(part).await.is_ok() {
                sent += part.len();
                assert!(sent < 64 << 20, "it is read without end");
            }
            sent
        }
    };
    let part = &[b'x'; 4096];
    let chunk = b"400\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    for (head, part) in [
        ("PUT /v1/self HTTP/1.1\r\nHost: agent\r\nContent-Length: 1000000000\r\n\r\n", &part[..]),
        ("PUT /v1/self HTTP/1.1\r\nHost: agent\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk[..]),
        ("PUT /v1/self HTTP/1.1\r\nX: ", &part[..]),
        ("PUT /", &part[..]),
    ] {
        timeout(PATIENCE, endless(head, part)).await.expect("it is hung up on");
        other_is_answered(&host).await;
    }
    // A body of which the end never comes.
    let mut half = send(&socket, b"PUT /v1/self HTTP/1.1\r\nHost: agent\r\nContent-Length: 100\r\n\r\n{").await;
    let _ = timeout(PATIENCE, half.read_to_end(&mut Vec::new())).await.expect("it is hung up on");
    // Half a connection: it has said all that it will.
    let mut shut = UnixStream::connect(&socket).await.unwrap();
    shut.shutdown().await.unwrap();
    let _ = timeout(PATIENCE, shut.read_to_end(&mut Vec::new())).await.expect("it is hung up on");
    assert!(host.server.said().borrow().is_empty());
    assert!(host.ask("hugo-0", "GET", "/v1/self", "").await.0.starts_with("http/1.1 200"));
}

/// Whether curl is there; where it is not, the test that needs it says so.
fn curl_is_there() -> bool {
    let is_there = std::process::Command::new("curl").arg("--version").output().is_ok_and(|said| said.status.success());
    if !is_there {
        assert!(std::env::var_os("CI").is_none(), "`curl` is not installed; CI is set, so nothing may be left out");
        eprintln!("LEFT OUT: `curl` is not installed, so this test shows nothing");
    }
    is_there
}

#[tokio::test]
async fn curl_says_something_in_the_form_that_the_documentation_has() {
    if !curl_is_there() {
        return;
    }
    let host = Host::start().await;
    let curl = async |words: &[&str]| {
        let socket = host.socket("hugo-0");
        let mut command = tokio::process::Command::new("curl");
        command.args(["-sS", "--fail-with-body", "--max-time", "60", "--unix-socket"]).arg(socket).args(words);
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let said = r#"{"capabilities": ["search"], "says": {"version": "1.2"}}"#;
    let all = curl(&["-X", "PUT", "http://agent/v1/self", "-d", said]).await;
    assert_eq!(all["capabilities"], json!(["blog", "search"]));
    let health = r#"{"state": "warning", "ttl": 30}"#;
    assert_eq!(curl(&["-X", "PUT", "http://agent/v1/self/health", "-d", health]).await["health"]["state"], "warning");
    assert_eq!(curl(&["http://agent/v1/self"]).await["says"], json!({"version": "1.2"}));
    assert_eq!(curl(&["-X", "DELETE", "http://agent/v1/self"]).await["says"], json!({}));
}
