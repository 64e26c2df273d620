//! Clients that others wrote: the Debian packages `prometheus` and `python3-consul`, and an agent.

use std::process::Stdio;
use std::time::{Duration, Instant};

use pontoon_agent::catalogue::MonitoringPoint;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use crate::stage::{PATIENCE, Service, address, serving, started, web};

/// Debian's own Python, which sees Debian's packages.
const PYTHON: &str = "/usr/bin/python3";

/// Whether a program is there. Where it is not, a test says that it shows nothing; in CI that is a failure.
fn is_there(program: &str, harmless: &[&str], package: &str) -> bool {
    let mut probe = std::process::Command::new(program);
    let there = probe.args(harmless).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|it| it.success());
    if !there {
        assert!(
            std::env::var_os("CI").is_none(),
            "`{package}` is not installed; CI is set, so nothing may be left out"
        );
        eprintln!("SKIPPED: `{package}` is not installed");
    }
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_finds_the_services_and_reads_their_numbers() {
    if !is_there("prometheus", &["--version"], "prometheus") {
        return;
    }
    let (hosts, mut agents) = started(2).await;
    let _service = Service::start(200).await;
    hosts[1].engine.run("web-0", web(200, &[MonitoringPoint::Metrics("/numbers".to_owned())]));
    agents[0].until("it serves", |view| serving(view) == 1).await;

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("prometheus.yml");
    let (asked, port) = (agents[0].address, 9090);
    // Debian's is built without `consul_sd_configs`.
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: stack\n  http_sd_configs:\n  \
         - {{url: 'http://{asked}:8500/v1/prometheus/targets', refresh_interval: 1s}}\n",
    );
    std::fs::write(&file, config).unwrap();
    let here = address(90);
    let mut prometheus = Command::new("prometheus");
    prometheus.arg(format!("--config.file={}", file.display())).arg(format!("--web.listen-address={here}:{port}"));
    prometheus.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
    let prometheus = prometheus.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();

    let target = format!("{}:8080", address(200));
    let began = Instant::now();
    let found = loop {
        let found = targets(&format!("{here}:{port}")).await.unwrap_or_default();
        let mut all = found["data"]["activeTargets"].as_array().into_iter().flatten();
        if let Some(up) = all.find(|one| one["health"] == "up") {
            break up.clone();
        }
        assert!(began.elapsed() < PATIENCE, "it does not find them: {found}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(found["scrapeUrl"], format!("http://{target}/numbers"));
    let labels = &found["labels"];
    assert_eq!((&labels["service"], &labels["container"]), (&"web".into(), &"web-0".into()));
    assert_eq!((&labels["host"], &labels["capability"]), (&"lxd2".into(), &",blog,".into()));
    drop(prometheus);
}

/// What Prometheus scrapes; nothing while it does not answer.
async fn targets(at: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(at).await.ok()?;
    stream.write_all(b"GET /api/v1/targets HTTP/1.0\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.ok()?.ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// Prints a line for each change of the healthy copies of `web`, beginning with how it is.
const WATCH: &str = r#"
import consul, json, sys
agent = consul.Consul(host=sys.argv[1], port=8500)
print(json.dumps({"datacenters": agent.catalog.datacenters(), "services": agent.catalog.services()[1],
    "nodes": [node["Node"] for node in agent.catalog.nodes()[1]], "leader": agent.status.leader(),
    "datacenter": agent.agent.self()["Config"]["Datacenter"]}), flush=True)
index = None
while True:
    index, found = agent.health.service("web", index=index, wait="60s", passing=True)
    print(json.dumps([one["Service"] for one in found]), flush=True)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn python_consul_reads_the_catalogue_and_is_told_of_changes_as_they_come() {
    if !is_there(PYTHON, &["-c", "import consul"], "python3-consul") {
        return;
    }
    let (hosts, mut agents) = started(2).await;
    hosts[0].engine.run("web-0", web(200, &[]));
    agents[1].until("it serves", |view| serving(view) == 1).await;

    let mut python = Command::new(PYTHON);
    python.args(["-c", WATCH, &agents[1].address.to_string()]).stdout(Stdio::piped()).kill_on_drop(true);
    let mut python = python.spawn().unwrap();
    let mut lines = BufReader::new(python.stdout.take().unwrap()).lines();
    let all = next(&mut lines).await;
    assert_eq!(all["datacenters"], serde_json::json!(["demo"]));
    assert_eq!(all["datacenter"], "demo");
    assert_eq!(all["services"], serde_json::json!({"web": ["blog"]}));
    assert_eq!(all["nodes"], serde_json::json!(["lxd1", "lxd2"]));
    assert!(all["leader"].as_str().is_some_and(|leader| !leader.is_empty()));
    let copies = |found: &Value| {
        let all = found.as_array().unwrap().iter();
        all.map(|one| (one["ID"].as_str().unwrap().to_owned(), one["Port"].clone())).collect::<Vec<_>>()
    };
    let port = Value::from(8080);
    assert_eq!(copies(&next(&mut lines).await), [("web-0".to_owned(), port.clone())]);

    // It waits at the agent now, and is answered when there is something new.
    hosts[1].engine.run("web-1", web(201, &[]));
    let two = [("web-0".to_owned(), port.clone()), ("web-1".to_owned(), port.clone())];
    while copies(&next(&mut lines).await) != two {}
    hosts[0].engine.stop("web-0");
    while copies(&next(&mut lines).await) != two[1..] {}
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = timeout(PATIENCE, lines.next_line()).await.expect("it prints a line").unwrap();
    serde_json::from_str(&line.expect("it goes on")).unwrap()
}
