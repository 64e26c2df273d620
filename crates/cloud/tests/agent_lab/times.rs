//! How long it takes from an event to the last agent's answer: `cargo xtask bench agents`, which is no test.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::asking::Agent;
use crate::lab::{LIMIT, machine};
use crate::town::{Town, address_of, container, host_of, in_town};

/// Between two looks of one agent's answer: times are longer by half of this.
const PAUSE: Duration = Duration::from_millis(5);
/// A container may say something new twice a second.
const REST: Duration = Duration::from_millis(1100);

#[test]
#[ignore = "it measures, and takes half an hour"]
fn from_an_event_to_the_last_answer() {
    in_town(async |town| {
        let tries: usize = std::env::var("PONTOON_BENCH_TRIES").map_or(30, |text| text.parse().unwrap());
        println!("load average {}; {tries} tries each; seconds", load().trim());
        println!("| from an event until the last agent's answer | min | median | max |\n|---|---|---|---|");
        let (mut announced, mut changed) = (Vec::new(), Vec::new());
        for _ in 0..tries {
            announced.push(announce(town).await);
            changed.push(change(town).await);
            say(town, "DELETE", &json!(null)).await;
            all_answer(&town.agents(), "mail", |known| known["says"] == json!({})).await;
            tokio::time::sleep(REST).await;
        }
        tell("a container says what it can", announced);
        tell("it says something else", changed);
        let mut failed = Vec::new();
        for _ in 0..tries {
            failed.push(check(town).await);
        }
        tell("its port closes (1 s between looks, two in a row)", failed);
        let (mut cut, mut healed) = (Vec::new(), Vec::new());
        for _ in 0..tries {
            cut.push(cut_off(town).await);
            healed.push(heal(town).await);
            town.is_well().await;
        }
        tell("its host is cut off", cut);
        tell("its host is back: all agents agree", healed);
        let mut killed = Vec::new();
        for _ in 0..tries {
            killed.push(kill(town).await);
            machine("start", "lxd2", &[]);
            town.is_well().await;
        }
        tell("its host loses its power", killed);
        println!("load average {}", load().trim());
    });
}

async fn announce(town: &Town) -> Duration {
    let begun = Instant::now();
    say(town, "PUT", &json!({"capabilities": ["measured"]})).await;
    all_answer(&town.agents(), "mail", |known| known["capabilities"].to_string().contains("measured")).await;
    begun.elapsed()
}

async fn change(town: &Town) -> Duration {
    let begun = Instant::now();
    say(town, "PATCH", &json!({"says": {"version": "2"}})).await;
    all_answer(&town.agents(), "mail", |known| known["says"]["version"] == "2").await;
    begun.elapsed()
}

/// From the moment when the port is closed.
async fn check(town: &Town) -> Duration {
    let (host, name) = (host_of("index"), container("index"));
    let stop = town.stack.run_in(host, &name, &["systemctl", "stop", "page.service"]);
    let closed = async {
        let address = (address_of("index"), 8080);
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(PAUSE).await;
        }
        Instant::now()
    };
    let (_, begun) = tokio::join!(stop, closed);
    all_answer(&town.agents(), "index", |known| known["serves"] == false).await;
    let took = begun.elapsed();
    town.stack.run_in(host, &name, &["systemctl", "start", "page.service"]).await;
    town.is_well().await;
    took
}

async fn cut_off(town: &Town) -> Duration {
    let begun = Instant::now();
    machine("cut-off", "lxd1", &[]);
    all_answer(&[town.agent("lxd0"), town.agent("lxd2")], "blog", |known| known["serves"] == false).await;
    begun.elapsed()
}

async fn heal(town: &Town) -> Duration {
    let begun = Instant::now();
    machine("connect", "lxd1", &[]);
    join_all(["web", "blog", "shop"].map(async |service| {
        all_answer(&town.agents(), service, |known| known["serves"] == true).await;
    }))
    .await;
    begun.elapsed()
}

async fn kill(town: &Town) -> Duration {
    let begun = Instant::now();
    machine("stop", "lxd2", &[]);
    all_answer(&[town.agent("lxd0"), town.agent("lxd1")], "shop", |known| known["serves"] == false).await;
    begun.elapsed()
}

/// Waits until what each agent answers of a service is so.
async fn all_answer(agents: &[Agent], service: &str, is_so: impl Fn(&Value) -> bool) {
    let path = format!("/v1/services/{service}");
    let begun = Instant::now();
    let each = agents.iter().map(async |agent| {
        while !agent.json(&path).await.is_ok_and(|answer| is_so(&answer["instances"][0])) {
            assert!(begun.elapsed() < LIMIT, "{} does not come to say so of {service}", agent.address);
            tokio::time::sleep(PAUSE).await;
        }
    });
    join_all(each).await;
}

/// Speaks for the container of `mail`, at its socket as its host sees it: a command in the container would take longer
/// than what is measured.
async fn say(town: &Town, method: &str, said: &Value) {
    let pid = town.lab.fact(host_of("mail"), "pid");
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let root = PathBuf::from(format!("/proc/{}/root", children.trim()));
    let socket = root.join("var/lib/pontoon/announce").join(container("mail")).join("socket");
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let body = said.to_string();
    let head = format!("{method} /v1/self HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n");
    let request = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
    let (first, middle, last) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    println!("| {what} | {} | {} | {} |", seconds(first), seconds(middle), seconds(last));
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default()
}
