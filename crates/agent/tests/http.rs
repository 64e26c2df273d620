//! The HTTP server on real sockets, asked as clients ask it; python-consul among them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pontoon_agent::catalogue::{Container, Health, HostState, HostView, MonitoringPoint, Part, State, View};
use pontoon_agent::door::Door;
use pontoon_agent::http::{Server, Settings};
use pontoon_agent::picture::Picture;
use pontoon_agent::sockets::Sockets;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything takes on a machine that has much to do.
const PATIENCE: Duration = Duration::from_mins(1);

struct Running {
    address: SocketAddr,
    views: watch::Sender<Arc<View>>,
    pictures: watch::Sender<Arc<Picture>>,
}

fn start() -> Running {
    let server = Server::bind(&["127.0.0.1:0".parse().unwrap()], &mut Sockets::default()).unwrap();
    let address = *server.addresses().first().unwrap();
    let networks = vec!["127.0.0.0/16".parse().unwrap()];
    let (pictures, drawn) = watch::channel(Arc::default());
    let settings = Settings {
        datacenter: "demo".to_owned(),
        here: "lxd0".into(),
        door: Door::new(networks.clone(), 16, 8),
        waiters: Door::new(networks, 8, 2),
        run: 77,
        began: Instant::now(),
        pictures: drawn,
        counts: Arc::default(),
        other_doors: [].into(),
        end: CancellationToken::new(),
    };
    let (views, watched) = watch::channel(Arc::new(view(5, State::Passing)));
    tokio::spawn(server.run(settings, watched));
    Running { address, views, pictures }
}

fn view(index: u64, state: State) -> View {
    let container = Container {
        service: "hugo".into(),
        address: IpAddr::from([10, 0, 0, 10]),
        port: Some(80),
        capabilities: ["blog".into()].into(),
        monitor: vec![MonitoringPoint::Metrics("/metrics".to_owned())],
        says: [].into(),
        health: Health { state, output: String::new() },
    };
    let host = HostView {
        name: "lxd0".into(),
        address: IpAddr::from([10, 0, 0, 2]),
        state: HostState::Alive,
        round_trip: None,
        part: Arc::new(Part { containers: [("hugo-0".into(), container.into())].into(), ..Part::default() }),
        stale_since: None,
    };
    View::new(index, [Arc::new(host)])
}

async fn send(address: SocketAddr, method: &str, path: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Status and headers, in lower case, and the body.
async fn read(mut stream: TcpStream) -> (String, String) {
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("an answer in time").unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    (head.to_lowercase(), body.to_owned())
}

async fn get(address: SocketAddr, path: &str) -> (String, Value) {
    let (head, body) = read(send(address, "GET", path, "").await).await;
    (head, serde_json::from_str(&body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_page_of_somebody_elses_that_has_its_name_lead_here_reads_nothing() {
    let running = start();
    for (host, status) in [("evil.example", "421"), ("127.0.0.1:8500", "200"), ("lxd0.host.demo.internal", "200")] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let request = format!("GET /v1/catalogue HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (head, body) = read(stream).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{host}: {head}");
        assert_eq!(body.contains("hugo"), status == "200", "{host}: {body}");
    }
}

#[tokio::test]
async fn every_path_is_answered_and_none_can_be_written() {
    let running = start();
    for path in [
        "/",
        "/page/page.js",
        "/v1/picture",
        "/v1/members",
        "/v1/catalogue",
        "/v1/services/hugo",
        "/v1/health",
        "/v1/prometheus/targets",
        "/metrics",
        "/v1/status/leader",
        "/v1/agent/self",
        "/v1/catalog/datacenters",
        "/v1/catalog/nodes",
        "/v1/catalog/services?dc=demo&stale=",
        "/v1/catalog/service/hugo?tag=blog",
        "/v1/catalog/node/lxd0",
        "/v1/health/service/hugo?passing",
        "/v1/health/node/lxd0",
        "/v1/health/state/any",
        "/v1/health/checks/hugo",
    ] {
        let (head, body) = read(send(running.address, "GET", path, "").await).await;
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        assert!(body.len() > 2, "{path}: {body}");
        for method in ["POST", "PUT", "DELETE"] {
            let (head, _) = read(send(running.address, method, path, "").await).await;
            assert!(head.starts_with("http/1.1 405") && head.contains("allow: get, head"), "{method} {path}: {head}");
        }
    }
    for (path, status) in [
        ("/v1/services/nobody", "404"),
        ("/page/other.js", "404"),
        ("/v1/changes?last=x", "400"),
        ("/v1/kv/x", "404"),
        ("/v1/kv/a/b?index=1", "404"),
        ("/v1/catalog/services?ns=other", "400"),
        ("/v1/catalog/services?ns=default&partition=", "200"),
        ("/v1/catalog/services?peer=elsewhere", "400"),
        ("/v1/catalog/nodes?dc=elsewhere", "500"),
        ("/v1/catalog/nodes?index=x", "400"),
        ("/v1/health/service/hugo?filter=Service.Port%20==%2080", "400"),
        ("/v1/catalog/nodes?index=1&wait=soon", "400"),
    ] {
        let (head, _) = get(running.address, path).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{path}: {head}");
    }
}

#[tokio::test]
async fn a_blocking_query_wakes_on_a_new_view() {
    let running = start();
    let (head, before) = get(running.address, "/v1/health/service/hugo").await;
    assert!(head.contains("x-consul-knownleader: true"), "{head}");
    let first = index(&head);
    let path = format!("/v1/health/service/hugo?index={first}&wait=5m");
    let waiting = tokio::spawn(read(send(running.address, "GET", &path, "").await));
    waits(&running, 1).await;
    assert!(!waiting.is_finished());
    running.views.send_replace(Arc::new(view(6, State::Critical)));
    let (head, after) = waiting.await.unwrap();
    assert_eq!(index(&head), first + 1);
    assert_ne!(before.to_string(), after);
    assert!(after.contains("\"critical\""), "{after}");
}

/// By which a client asks for what comes after.
fn index(head: &str) -> u64 {
    let index = head.lines().find_map(|line| line.strip_prefix("x-consul-index: "));
    index.expect("an index").parse().expect("a number")
}

/// It would go on with what it had from there, for as long as it waits.
#[tokio::test]
async fn who_was_answered_by_another_agent_or_an_earlier_run_is_answered_at_once() {
    let (before, now) = (start(), start());
    let (head, _) = get(before.address, "/v1/catalog/services").await;
    let (head, services) = get(now.address, &format!("/v1/catalog/services?index={}&wait=10m", index(&head))).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(services.to_string(), r#"{"hugo":["blog"]}"#);
}

#[tokio::test]
async fn nothing_has_meta_of_nodes_or_keys_and_who_waits_for_them_waits() {
    let running = start();
    for path in ["/v1/catalog/services?node-meta=rack:a", "/v1/health/service/hugo?node-meta=rack:a"] {
        let (head, document) = get(running.address, path).await;
        assert!(head.starts_with("http/1.1 200") && document.to_string().len() == 2, "{path}: {head} {document}");
    }
    let (head, _) = get(running.address, "/v1/kv/a/b").await;
    let _waiting = send(running.address, "GET", &format!("/v1/kv/a/b?index={}", index(&head)), "").await;
    waits(&running, 1).await;
}

/// Until this many requests wait.
async fn waits(running: &Running, expected: usize) {
    let wanted = format!("pontoon_http_waiting {expected}\n");
    let reached = async {
        while !read(send(running.address, "GET", "/metrics", "").await).await.1.contains(&wanted) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("there never were {expected} that wait"));
}

#[tokio::test]
async fn one_address_cannot_take_all_places_to_wait_and_is_still_answered() {
    let running = start();
    let (head, _) = get(running.address, "/v1/catalog/services").await;
    let blocking = format!("/v1/catalog/services?index={}", index(&head));
    let mut held = Vec::new();
    for expected in 1..=2 {
        held.push(send(running.address, "GET", &blocking, "").await);
        waits(&running, expected).await;
    }
    // Without a place it is told what there is, before the ten minutes are over that others wait.
    let (head, services) = get(running.address, &blocking).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(services.to_string(), r#"{"hugo":["blog"]}"#);
    let (head, _) = get(running.address, "/v1/changes").await;
    assert!(head.starts_with("http/1.1 429"), "{head}");
    drop(held);
    waits(&running, 0).await;
}

/// The next event of a stream: its id, its type and its data.
async fn event(lines: &mut tokio::io::Lines<BufReader<TcpStream>>) -> (String, String, String) {
    let (mut id, mut kind, mut data) = (String::new(), String::new(), String::new());
    while data.is_empty() {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("an event in time").unwrap().expect("more lines");
        for (prefix, value) in [("id: ", &mut id), ("event: ", &mut kind), ("data: ", &mut data)] {
            if let Some(found) = line.strip_prefix(prefix) {
                found.clone_into(value);
            }
        }
    }
    (id, kind, data)
}

#[tokio::test]
async fn the_stream_has_one_event_a_change_and_can_be_resumed() {
    let running = start();
    let mut lines = BufReader::new(send(running.address, "GET", "/v1/changes", "").await).lines();
    let (begin, kind, _) = event(&mut lines).await;
    assert_eq!((begin.as_str(), kind.as_str()), ("77-0", "at"));
    // A view in which nothing else is different is no event: the next one is that of the view after it.
    running.views.send_replace(Arc::new(view(6, State::Passing)));
    let mut seen = Vec::new();
    for (index, state, word) in [(7, State::Critical, "critical"), (8, State::Passing, "passing")] {
        running.views.send_replace(Arc::new(view(index, state)));
        let (id, kind, data) = event(&mut lines).await;
        let data: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(
            (kind.as_str(), data["container"].as_str(), data["state"].as_str()),
            ("change", Some("hugo-0"), Some(word))
        );
        seen.push(id);
    }
    assert_eq!(seen, ["77-1", "77-2"]);

    let resumed = send(running.address, "GET", "/v1/changes", "Last-Event-ID: 77-1\r\n").await;
    let (id, kind, data) = event(&mut BufReader::new(resumed).lines()).await;
    assert_eq!((id.as_str(), kind.as_str()), ("77-2", "change"));
    assert!(data.contains("\"passing\""), "{data}");
    drop(lines);
    let of_another_run = send(running.address, "GET", "/v1/changes", "Last-Event-ID: 76-1\r\n").await;
    let (id, kind, _) = event(&mut BufReader::new(of_another_run).lines()).await;
    assert_eq!((id.as_str(), kind.as_str()), ("77-2", "reset"));
}

#[tokio::test]
async fn who_comes_late_gets_the_last_changes_with_their_times_and_hears_of_another_picture() {
    let running = start();
    let mut first = BufReader::new(send(running.address, "GET", "/v1/changes", "").await).lines();
    event(&mut first).await;
    for (index, state) in [(6, State::Critical), (7, State::Passing), (8, State::Warning)] {
        running.views.send_replace(Arc::new(view(index, state)));
        event(&mut first).await;
    }
    drop(first);
    let mut late = BufReader::new(send(running.address, "GET", "/v1/changes?last=2", "").await).lines();
    let (id, kind, _) = event(&mut late).await;
    assert_eq!((id.as_str(), kind.as_str()), ("77-1", "at"));
    for state in ["passing", "warning"] {
        let (_, _, data) = event(&mut late).await;
        let data: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(data["state"], state);
        let seen = std::time::UNIX_EPOCH + Duration::from_millis(data["unix_ms"].as_u64().unwrap());
        assert!(seen.elapsed().unwrap() < PATIENCE, "{data}");
    }
    running
        .pictures
        .send_modify(|picture| *picture = Picture { error: Some("bad".to_owned()), ..Picture::default() }.into());
    let (_, kind, data) = event(&mut late).await;
    assert!(kind == "change" && data.contains("\"kind\":\"picture\""), "{data}");
    assert_eq!(get(running.address, "/v1/picture").await.1["error"], "bad");
    // More than there are is all of them.
    let all = send(running.address, "GET", "/v1/changes?last=4000", "").await;
    assert_eq!(event(&mut BufReader::new(all).lines()).await.0, "77-0");
}

#[tokio::test]
async fn the_catalogue_is_sent_once_for_each_view() {
    let running = start();
    let (head, body) = get(running.address, "/v1/catalogue").await;
    assert_eq!((&body["stack"], &body["here"]), (&Value::from("demo"), &Value::from("lxd0")));
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_uppercase();
    let (head, body) =
        read(send(running.address, "GET", "/v1/catalogue", &format!("If-None-Match: {tag}\r\n")).await).await;
    assert!(head.starts_with("http/1.1 304") && body.is_empty(), "{head}");
    running.views.send_replace(Arc::new(view(6, State::Passing)));
    let (head, _) =
        read(send(running.address, "GET", "/v1/catalogue", &format!("If-None-Match: {tag}\r\n")).await).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

#[tokio::test]
async fn who_is_outside_the_networks_is_hung_up_on() {
    let running = start();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.77.0.1:0".parse().unwrap()).unwrap();
    let mut stream = socket.connect(running.address).await.unwrap();
    let mut byte = [0];
    let read = timeout(PATIENCE, stream.read(&mut byte)).await.expect("hung up on");
    assert!(matches!(read, Ok(0) | Err(_)));
}

/// What python-consul prints; nothing where it cannot be had.
async fn python_consul(script: String) -> Option<String> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-consul");
    let ran = tokio::task::spawn_blocking(move || {
        let python = root.join("bin/python");
        let is_there =
            || Command::new(&python).args(["-c", "import consul"]).output().is_ok_and(|out| out.status.success());
        if !is_there() {
            let made = Command::new("python3").args(["-m", "venv"]).arg(&root).output();
            let pip = ["-m", "pip", "install", "--quiet", "python-consul==1.1.0"];
            if !made.is_ok_and(|out| out.status.success())
                || Command::new(&python).args(pip).output().is_err()
                || !is_there()
            {
                return None;
            }
        }
        Some(Command::new(&python).args(["-c", &script]).output().unwrap())
    });
    let output = ran.await.unwrap();
    if output.is_none() {
        eprintln!("LEFT OUT: python-consul cannot be installed from PyPI, so this test shows nothing");
    }
    let output = output?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn python_consul_finds_services_and_waits_for_changes() {
    let running = start();
    let script = format!(
        "import consul\n\
         c = consul.Consul(host='127.0.0.1', port={})\n\
         print(c.status.leader(), c.catalog.datacenters(), c.agent.self()['Config']['Datacenter'])\n\
         index, services = c.catalog.services()\n\
         print(services)\n\
         index, entries = c.health.service('hugo', passing=True, tag='blog')\n\
         print([(e['Service']['Address'], e['Service']['Port'], e['Checks'][1]['Status']) for e in entries])\n\
         print(c.catalog.node('lxd0')[1]['Node']['Address'], len(c.health.state('any')[1]))\n\
         print(c.health.service('hugo', index=index, wait='1s')[0] == index)\n",
        running.address.port()
    );
    let Some(printed) = python_consul(script).await else { return };
    let expected = "10.0.0.2:8300 ['demo'] demo\n\
        {'hugo': ['blog']}\n\
        [('10.0.0.10', 80, 'passing')]\n\
        10.0.0.2 2\n\
        True\n";
    assert_eq!(printed, expected);
}
