//! `pontoon agent run` as systemd runs it: the program itself, its files, its signals, and an engine behind a unix socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Path as Segments, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::broadcast;

/// As long as anything may take on a busy machine before it counts as not happening.
const PATIENCE: Duration = Duration::from_mins(1);

/// An address of this process alone.
fn address(number: u8) -> Ipv4Addr {
    let network = std::process::id().wrapping_mul(7) % (40 * 256);
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 180, 0, 0)) + network * 256 + u32::from(number))
}

/// The part of LXD's API that the agent uses, on a unix socket.
#[derive(Clone)]
struct Engine {
    instances: Arc<Mutex<Value>>,
    events: broadcast::Sender<String>,
    unit: Arc<Mutex<&'static str>>,
}

impl Engine {
    fn serve(runtime: &Runtime, socket: PathBuf) -> Self {
        let engine = Self {
            instances: Arc::new(Mutex::new(json!([]))),
            events: broadcast::Sender::new(16),
            unit: Arc::new(Mutex::new("active")),
        };
        let router = Router::new()
            .route("/1.0/instances", get(async |State(engine): State<Self>| sync(&engine.instances.lock().unwrap())))
            .route("/1.0/instances/{name}/exec", post(exec))
            .route("/1.0/operations/{id}/wait", get(wait))
            .route("/1.0/instances/{name}/logs/{log}", get(output).delete(async || sync(&Value::Null)))
            .route("/1.0/events", any(events))
            .with_state(engine.clone());
        runtime.spawn(async move {
            let listener = tokio::net::UnixListener::bind(socket).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        engine
    }

    /// What it has from now on, with the event that says so.
    fn set(&self, instances: Value, action: &str) {
        *self.instances.lock().unwrap() = instances;
        let event = json!({"type": "lifecycle", "timestamp": "2026-01-01T00:00:00Z",
            "metadata": {"action": action, "source": "/1.0/instances/hugo-0"}});
        let _ = self.events.send(event.to_string());
    }
}

fn sync(metadata: &Value) -> Json<Value> {
    Json(json!({"type": "sync", "status": "Success", "status_code": 200, "metadata": metadata}))
}

async fn exec(Json(request): Json<Value>) -> Json<Value> {
    assert_eq!(request["command"], json!(["systemctl", "is-active", "--", "hugo.service"]));
    let operation = json!({"id": "1", "class": "task", "status_code": 103});
    Json(json!({"type": "async", "operation": "/1.0/operations/1", "metadata": operation}))
}

async fn wait(State(engine): State<Engine>) -> Json<Value> {
    let code = if *engine.unit.lock().unwrap() == "active" { 0 } else { 3 };
    sync(&json!({"id": "1", "class": "task", "status": "Success", "status_code": 200, "metadata": {
        "return": code, "output": {"1": "/1.0/instances/hugo-0/logs/out", "2": "/1.0/instances/hugo-0/logs/err"}}}))
}

async fn output(State(engine): State<Engine>, Segments((_, log)): Segments<(String, String)>) -> String {
    if log == "out" { format!("{}\n", engine.unit.lock().unwrap()) } else { String::new() }
}

async fn events(State(engine): State<Engine>, upgrade: WebSocketUpgrade) -> Response {
    let mut told = engine.events.subscribe();
    upgrade.on_upgrade(async move |mut socket| {
        while let Ok(event) = told.recv().await {
            if socket.send(Message::Text(event.into())).await.is_err() {
                return;
            }
        }
    })
}

/// A container as the engine lists it.
fn instance(name: &str, status: u16, uuid: &str, announce: &Value) -> Value {
    json!({"name": name, "status_code": status, "type": "container", "profiles": ["default", "hugo"],
        "config": {"volatile.uuid": uuid}, "expanded_config": {
            "user.pontoon.key": format!("pontoon:blog:container/{name}"),
            "user.pontoon.address": address(100).to_string(),
            "user.pontoon.announce": announce.to_string()}})
}

/// The agent's process, which ends with the test.
struct Agent {
    process: Child,
    directory: TempDir,
    notices: UnixDatagram,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pontoon"));
    command.args(["agent", "run", "--config"]).arg(directory.join("agent.json")).env_remove("PONTOON_LOG");
    command
}

impl Agent {
    fn start(directory: TempDir, socket: &Path) -> Self {
        let path = |name: &str| directory.path().join(name);
        let settings = json!({
            "stack": "blog", "host": "lxd0", "networks": ["127.0.0.0/8"], "address": address(1),
            "engine_sockets": [path("not-there"), socket], "state": path("state"), "announce": path("announce"),
            "picture": path("stack.json"), "seeds": path("seeds"),
        });
        fs::write(path("agent.json"), settings.to_string()).unwrap();
        fs::create_dir(path("state")).unwrap();
        fs::write(path("state/keyring"), "[\"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\"]").unwrap();
        let notices = UnixDatagram::bind(path("notify")).unwrap();
        notices.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let process = command(directory.path())
            .env("NOTIFY_SOCKET", path("notify"))
            .env("JOURNAL_STREAM", "8:1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let agent = Self { process, directory, notices };
        agent.hears("READY=1");
        agent
    }

    /// Waits until systemd would have heard this.
    fn hears(&self, words: &str) {
        loop {
            let mut buffer = [0; 512];
            let length = self
                .notices
                .recv(&mut buffer)
                .unwrap_or_else(|error| panic!("{error} before {words}:\n{}", self.log()));
            if String::from_utf8_lossy(&buffer[..length]) == words {
                return;
            }
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// What a verb prints that asks it.
    fn asked(words: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pontoon"));
        let asked =
            command.arg("agent").args(words).args(["--http", &format!("{}:8500", address(1))]).output().unwrap();
        String::from_utf8(asked.stdout).unwrap()
    }

    fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "not seen: {what}\n{}\n{}", Self::asked(&["catalogue"]), self.log());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// How many addresses it gives for `hugo.service`.
    fn answers() -> usize {
        let name = b"\x04hugo\x07service\x04blog\x08internal\x00";
        let question = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], name, &[0, 1, 0, 1]].concat();
        let socket = UdpSocket::bind((address(1), 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send_to(&question, (address(1), 8600)).unwrap();
        let mut answer = [0; 512];
        socket.recv(&mut answer).expect("DNS answers");
        usize::from(u16::from_be_bytes([answer[6], answer[7]]))
    }
}

/// A service that answers HTTP.
fn service() {
    let listener = TcpListener::bind((address(100), 8080)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
}

#[test]
fn an_agent_tells_what_the_engine_of_its_host_runs_and_ends_as_it_is_told() {
    let runtime = Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("lxd.socket");
    let engine = Engine::serve(&runtime, socket.clone());
    service();
    let announce =
        json!({"capabilities": ["blog"], "monitor": [{"http": "/"}, {"unit": "hugo.service"}], "port": 8080});
    let agent = &mut Agent::start(directory, &socket);

    *engine.unit.lock().unwrap() = "failed";
    let (first, second) = (instance("hugo-0", 103, "1", &announce), instance("hugo-0", 103, "2", &announce));
    engine.set(json!([first, instance("hugo-1", 102, "3", &announce)]), "instance-started");
    agent.until("its unit failed", || Agent::asked(&["services", "hugo"]).contains("hugo.service is failed"));
    assert_eq!(Agent::answers(), 0);

    // Another container takes its place, which is looked at anew.
    *engine.unit.lock().unwrap() = "active";
    engine.set(json!([second]), "instance-started");
    agent.until("it serves", || Agent::answers() == 1);
    let services: Value = serde_json::from_str(&Agent::asked(&["services", "--json"])).unwrap();
    assert_eq!(services, json!({"event": "services", "services": [{"service": "hugo", "copies": 1, "serving": 1}]}));
    let line = Agent::asked(&["catalogue"]);
    let at = SocketAddr::new(IpAddr::V4(address(100)), 8080);
    assert!(line.contains(&format!("hugo-0     hugo     lxd0  {at}")) && line.contains("passing  blog"), "{line}");
    assert!(Agent::asked(&["members"]).contains("lxd0"));

    engine.set(json!([instance("hugo-0", 102, "2", &announce)]), "instance-stopped");
    agent.until("it is gone", || Agent::asked(&["catalogue"]).is_empty());

    agent.signal(Signal::HUP);
    agent.hears("RELOADING=1");
    agent.hears("READY=1");
    agent.signal(Signal::TERM);
    agent.hears("STOPPING=1");
    assert_eq!(agent.process.wait().unwrap().code(), Some(0), "{}", agent.log());
    let log = agent.log();
    assert!(log.lines().all(|line| line.starts_with('<')) && log.contains("<6>runs here"), "{log}");
    let snapshot = fs::read_to_string(agent.directory.path().join("state/snapshot")).unwrap();
    assert!(snapshot.ends_with("leave\n"), "{snapshot}");
}

#[test]
fn settings_that_are_wrong_are_said_with_their_line_and_field() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("agent.json"), "{\n\"stack\": \"blog\",\n\"host\": 5}").unwrap();
    let ended = command(directory.path()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("agent.json`, line 3: `host`: invalid type: integer `5`"), "{said}");
    assert!(said.contains("hint: "), "{said}");
    assert_eq!(ended.status.code(), Some(3));
    let nowhere = Command::new(env!("CARGO_BIN_EXE_pontoon")).args(["agent", "run", "--config", "/nowhere"]).output();
    assert!(String::from_utf8_lossy(&nowhere.unwrap().stderr).contains("cannot read `/nowhere`"));
}

#[test]
fn where_no_agent_answers_it_is_said_so() {
    let asked = Command::new(env!("CARGO_BIN_EXE_pontoon"))
        .args(["agent", "members", "--http", &format!("{}:8500", address(77))])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(said.contains("no agent answers at") && said.contains("hint: "), "{said}");
    assert_eq!(asked.status.code(), Some(1));
}
