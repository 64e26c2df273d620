//! `pontoon ring` as a user of the program sees it: an agent, asked by our own verbs and by the real `serf`, and a real
//! agent, asked by our verbs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pontoon_ring::rpc::{Client, Request};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// As long as anything may take on a busy machine before it counts as not happening.
const PATIENCE: Duration = Duration::from_mins(1);

const KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";
const NEXT_KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Ng==";

/// One test's loopback network: the address of the member of a number, and where that member is asked.
fn member(number: u8) -> String {
    format!("{}:7946", host(number))
}

fn rpc(number: u8) -> String {
    format!("{}:7373", host(number))
}

fn host(number: u8) -> Ipv4Addr {
    // A test has a thread of its own, or even a process.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NETWORK: u32 =
            std::process::id().wrapping_mul(7).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (40 * 256);
    }
    let network = NETWORK.with(|network| *network);
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 80, 0, 0)) + network * 256 + u32::from(number))
}

/// A process that ends with the test.
struct Agent {
    process: Child,
    lines: Receiver<Value>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Agent {
    /// One of ours, `p` and the number, once it can be asked.
    fn ours(number: u8, words: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_pontoon"))
            .args(["ring", "agent", "--json", "--profile", "local", "--name", &format!("p{number}")])
            .args(["--bind", &member(number), "--rpc", &rpc(number)])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (told, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = told.send(serde_json::from_str(&line).unwrap());
            }
        });
        let agent = Self { process, lines };
        assert_eq!(agent.hears("ready", |_| true)["name"], format!("p{number}"));
        agent
    }

    /// A real one, `s` and the number, once it can be asked. It answers queries called `ask`.
    fn theirs(number: u8, directory: &Path, words: &[&str]) -> Self {
        let log = fs::File::create(directory.join(format!("s{number}.log"))).unwrap();
        let process = Command::new("serf")
            .args(["agent", "-profile=local", "-event-handler=query:ask=printf 'an answer'"])
            .args([format!("-node=s{number}"), format!("-bind={}", member(number))])
            .arg(format!("-rpc-addr={}", rpc(number)))
            .args(words)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let agent = Self { process, lines: channel().1 };
        until("the agent answers", || serf(number, &["members"]).status.success());
        agent
    }

    /// The next event of this kind that is the one.
    fn hears(&self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|error| panic!("{error} before an event `{kind}`"));
            if line["event"] == kind && is_it(&line) {
                return line;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// What a verb of ours prints when it asks the agent of a number.
fn ring(number: u8, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pontoon"));
    command.arg("ring").args(words).args(["--rpc", &rpc(number)]).output().unwrap()
}

/// The last object that a verb of ours prints for programs.
fn told(number: u8, words: &[&str]) -> Value {
    let output = ring(number, &[words, &["--json"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// What the real program prints when it asks the agent of a number.
fn serf(number: u8, words: &[&str]) -> Output {
    Command::new("serf").arg(words[0]).arg(format!("-rpc-addr={}", rpc(number))).args(&words[1..]).output().unwrap()
}

fn text(output: &Output) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    text
}

/// Name and state of each member as an agent tells it.
fn view(number: u8) -> Vec<(String, String)> {
    let members = told(number, &["members"]);
    let word = |member: &Value, field: &str| member[field].as_str().unwrap_or_default().to_owned();
    let members = members["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|member| (word(member, "name"), word(member, "status"))).collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
}

/// Whether the real program is there; where it is not, the tests that need it say so.
fn serf_is_there() -> bool {
    let is_there = Command::new("serf").arg("version").output().is_ok_and(|output| output.status.success());
    if !is_there {
        assert!(std::env::var_os("CI").is_none(), "`serf` is not installed; CI is set, so nothing may be left out");
        eprintln!("LEFT OUT: `serf` is not installed (Debian package serf), so this test shows nothing");
    }
    is_there
}

#[test]
fn two_agents_meet_speak_and_part() {
    let one = Agent::ours(1, &["--tag", "role=web"]);
    let mut two = Agent::ours(2, &["--join", &member(1)]);
    one.hears("member-join", |event| event["members"][0]["name"] == "p2");
    until("both know both", || view(2) == pairs(&[("p1", "alive"), ("p2", "alive")]));
    assert_eq!(text(&ring(2, &["members", "--tag", "role=web"])), format!("p1  {}  alive  role=web\n", member(1)));

    text(&ring(1, &["event", "deploy", "v1"]));
    assert_eq!(two.hears("user", |event| event["name"] == "deploy")["payload"], "v1");

    text(&ring(2, &["tags", "--set", "color=red"]));
    one.hears("member-update", |event| event["members"][0]["tags"] == json!({"color": "red"}));

    let asked = told(1, &["query", "anybody", "--timeout", "1"]);
    assert_eq!(asked, json!({"event": "result", "outcome": "asked", "acks": 2, "responses": 0}));

    two.signal(Signal::INT);
    two.hears("result", |event| event["outcome"] == "left");
    assert_eq!(two.exit_code(), Some(0));
    one.hears("member-leave", |event| event["members"][0]["name"] == "p2");
}

#[test]
fn an_agent_that_is_terminated_says_nothing_and_finds_its_ring_again() {
    let directory = TempDir::new().unwrap();
    let snapshot = directory.path().join("snapshot");
    let snapshot = snapshot.to_str().unwrap();
    let one = Agent::ours(1, &[]);
    let mut two = Agent::ours(2, &["--join", &member(1), "--snapshot", snapshot]);
    two.hears("member-join", |event| event["members"][0]["name"] == "p1");
    until("the snapshot names the other", || {
        fs::read_to_string(snapshot).is_ok_and(|text| text.contains("alive: p1 "))
    });
    two.signal(Signal::TERM);
    assert_eq!(two.exit_code(), Some(0));
    one.hears("member-failed", |event| event["members"][0]["name"] == "p2");
    let _two = Agent::ours(2, &["--snapshot", snapshot]);
    one.hears("member-join", |event| event["members"][0]["name"] == "p2");
}

#[test]
fn an_agent_whose_output_nobody_reads_goes_on() {
    let process = Command::new(env!("CARGO_BIN_EXE_pontoon"))
        .args(["ring", "agent", "--json", "--name", "p1", "--bind", &member(1), "--rpc", &rpc(1)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It holds the reading end of the pipe.
    let _one = Agent { process, lines: channel().1 };
    until("the agent answers", || ring(1, &["members"]).status.success());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let flood = async {
        let mut client = Client::connect(rpc(1).parse().unwrap(), None).await.unwrap();
        // More than a pipe and the waiting events take.
        for number in 0..3000 {
            let event = Request::Event { name: number.to_string(), payload: vec![7; 450].into(), coalesce: false };
            client.call(event).await.unwrap();
        }
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, flood).await }).expect("the agent goes on answering");
    assert!(text(&ring(1, &["members"])).starts_with("p1  "));
}

#[test]
fn a_client_needs_the_key_that_the_agent_wants() {
    let directory = TempDir::new().unwrap();
    let [right, wrong] = ["right", "wrong"].map(|name| {
        let path = directory.path().join(name);
        fs::write(&path, format!("{name}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let _one = Agent::ours(1, &["--rpc-auth-file", &right]);
    let refused = ring(1, &["members"]);
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("Authentication required") && error.contains("--rpc-auth-file"), "{error}");
    assert_eq!(ring(1, &["members", "--rpc-auth-file", &wrong]).status.code(), Some(1));
    assert!(text(&ring(1, &["members", "--rpc-auth-file", &right])).starts_with("p1  "));
}

#[test]
fn what_cannot_be_is_said_before_anything_starts() {
    let cases: [(&[&str], i32, &str); 5] = [
        (&["--bind", "0.0.0.0:7946"], 64, "--advertise"),
        (&["--bind", &member(1), "--key", "short"], 1, "openssl rand"),
        (&["--bind", &member(1), "--key-file", "/nowhere"], 1, "cannot read `/nowhere`"),
        (&["--bind", &member(1), "--tag", "role"], 64, "NAME=VALUE"),
        (&["--bind", "192.0.2.1:7946"], 1, "192.0.2.1"),
    ];
    for (words, code, part) in cases {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pontoon"));
        let output = command.args(["ring", "agent", "--name", "p1"]).args(words).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(part), "{error}");
    }
    let nobody = ring(9, &["members"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("pontoon ring agent --rpc"));
}

#[test]
fn the_real_program_asks_our_agent() {
    if !serf_is_there() {
        return;
    }
    let directory = TempDir::new().unwrap();
    let key = directory.path().join("ring.key");
    let keyring = directory.path().join("s2.keys");
    fs::write(&key, format!("{KEY}\n")).unwrap();
    fs::write(&keyring, format!("[\"{KEY}\"]")).unwrap();
    let mut one = Agent::ours(1, &["--tag", "role=web", "--key-file", key.to_str().unwrap()]);
    let _two = Agent::theirs(2, directory.path(), &[&format!("-keyring-file={}", keyring.display())]);

    assert!(text(&serf(1, &["join", &member(2)])).contains("by contacting 1 nodes"));
    until("the real program sees both", || text(&serf(1, &["members", "-status=alive"])).lines().count() == 2);
    assert!(text(&serf(1, &["members", "-tag", "role=w.b"])).starts_with("p1 "));

    let mut monitor = Command::new("serf")
        .args(["monitor", &format!("-rpc-addr={}", rpc(1)), "-log-level=info"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (told, heard) = channel();
    let lines = BufReader::new(monitor.stdout.take().unwrap()).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| told.send(line)));
    let mut seen = Vec::new();
    until("the real program monitors ours", || {
        text(&serf(1, &["event", "deploy", "v1"]));
        seen.extend(heard.try_iter());
        ["Name: \"deploy\"", "[INFO] agent: Received event: user-event: deploy"]
            .iter()
            .all(|part| seen.iter().any(|line: &String| line.contains(part)))
    });
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    one.hears("user", |event| event["name"] == "deploy" && event["payload"] == "v1");

    let asked = text(&serf(1, &["query", "-timeout=2s", "ask", "hello"]));
    for part in ["Ack from 'p1'", "Ack from 's2'", "Response from 's2': an answer"] {
        assert!(asked.contains(part), "{asked}");
    }
    text(&serf(1, &["tags", "-set", "color=red", "-delete", "role"]));
    until("the tags are changed", || text(&serf(2, &["members", "-name=p1"])).contains("color=red"));

    for change in [&["-install", NEXT_KEY], &["-use", NEXT_KEY], &["-remove", KEY]] {
        text(&serf(1, &[&["keys"], &change[..]].concat()));
    }
    let keys = text(&serf(1, &["keys", "-list"]));
    assert!(keys.contains(NEXT_KEY) && !keys.contains(KEY) && keys.contains("[2/2]"), "{keys}");
    assert!(fs::read_to_string(&key).unwrap().contains(NEXT_KEY), "the key file is kept up to date");

    let info = text(&serf(1, &["info"]));
    for part in ["name = p1", "encrypted = true", "members = 2", "color = red"] {
        assert!(info.contains(part), "{info}");
    }
    until("a round trip is known", || serf(1, &["rtt", "p1", "s2"]).status.success());
    assert!(text(&serf(1, &["reachability"])).contains("Successfully contacted all live nodes"));

    assert!(text(&serf(1, &["leave"])).contains("Graceful leave complete"));
    one.hears("result", |event| event["outcome"] == "left");
    assert_eq!(one.exit_code(), Some(0));
    until("the others know", || text(&serf(2, &["members", "-name=p1"])).contains("left"));
}

#[test]
fn our_verbs_ask_a_real_agent() {
    if !serf_is_there() {
        return;
    }
    let directory = TempDir::new().unwrap();
    let [keyring, next] = [("s2.keys", format!("[\"{KEY}\"]")), ("next", NEXT_KEY.to_owned())].map(|(name, text)| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let one = Agent::ours(1, &["--key", KEY]);
    let _two = Agent::theirs(2, directory.path(), &[&format!("-keyring-file={keyring}"), "-tag=role=db"]);

    assert_eq!(told(2, &["join", &member(1)]), json!({"event": "result", "outcome": "joined", "reached": 1}));
    until("both know both", || view(2) == pairs(&[("p1", "alive"), ("s2", "alive")]));
    assert_eq!(text(&ring(2, &["members", "--tag", "role=d."])), format!("s2  {}  alive  role=db\n", member(2)));

    let mut monitor = Command::new(env!("CARGO_BIN_EXE_pontoon"))
        .args(["ring", "monitor", "--json", "--log", "info", "--rpc", &rpc(2)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(monitor.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(lines.next().unwrap(), r#"{"event":"listening"}"#);
    text(&ring(2, &["event", "deploy", "v1"]));
    one.hears("user", |event| event["name"] == "deploy" && event["payload"] == "v1");
    assert!(lines.any(|line| line.contains(r#""event":"user","name":"deploy""#)));
    kill_process(Pid::from_child(&monitor), Signal::INT).unwrap();
    assert_eq!(monitor.wait().unwrap().code(), Some(0));

    let asked = String::from_utf8(ring(2, &["query", "ask", "--timeout", "2", "--json"]).stdout).unwrap();
    for part in [r#""from":"s2","payload":"an answer""#, r#""acks":2,"responses":1"#] {
        assert!(asked.contains(part), "{asked}");
    }
    text(&ring(2, &["tags", "--set", "color=red", "--delete", "role"]));
    one.hears("member-update", |event| event["members"][0]["tags"] == json!({"color": "red"}));

    text(&ring(2, &["keys", "--install", &format!("@{next}")]));
    text(&ring(2, &["keys", "--use", NEXT_KEY]));
    let refused = ring(2, &["keys", "--remove", NEXT_KEY]);
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("p1: removing the primary key is not allowed"), "{error}");
    text(&ring(2, &["keys", "--remove", KEY]));
    let keys = told(2, &["keys", "--list"]);
    assert_eq!(keys["keys"], json!([{"key": NEXT_KEY, "members": 2}]));

    drop(one);
    until("the other is missed", || view(2).contains(&("p1".to_owned(), "failed".to_owned())));
    text(&ring(2, &["leave", "--force", "p1"]));
    until("it counts as left", || view(2).contains(&("p1".to_owned(), "left".to_owned())));
    assert_eq!(told(2, &["leave"]), json!({"event": "result", "outcome": "left"}));
}
