//! `pontoon ring agent` beside the real `serf agent`: rings of fifty processes each, one after the other, in a network
//! namespace of their own.
//!
//! Both run with their defaults for a LAN and are asked over the same RPC protocol by the same client. Memory, processor
//! and network are those of a ring at rest, where nobody asks anything; a time is from the deed until the last member
//! says that it knows. Times vary with the machine, and detection also by chance: several rounds, the median counts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a benchmark may end at once")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pontoon_ring::rpc::{Body, Client, Request};

const MEMBERS: u8 = 50;
/// How long a new ring is left alone, and how long it is watched then: one exchange of states of each member at least.
const SETTLING: Duration = Duration::from_secs(45);
const AT_REST: Duration = Duration::from_mins(1);
const ROUNDS: u8 = 5;
/// As long as anything may take.
const PATIENCE: Duration = Duration::from_mins(3);
/// Set for the part that runs inside of the namespace.
const INSIDE: &str = "PONTOON_BENCH_INSIDE";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    Serf,
    Pontoon,
}

/// What was measured, by its name; each with a value for a round.
type Figures = BTreeMap<&'static str, Vec<f64>>;

fn main() {
    // `cargo test --benches` only wants to know that it can be built.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    if std::env::var_os(INSIDE).is_none() {
        go_inside();
        return;
    }
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serf = runtime.block_on(measure(Program::Serf));
    let pontoon = runtime.block_on(measure(Program::Pontoon));
    println!("\n{MEMBERS} members on one machine{:>26} {:>12} {:>8}", "serf", "pontoon ring", "ratio");
    for (name, theirs) in &serf {
        let (theirs, ours) = (median(theirs), median(&pontoon[name]));
        println!("{name:<44} {theirs:>8.2} {ours:>12.2} {:>8.2}", ours / theirs);
    }
}

/// A network of its own makes what goes over it countable, whatever else this machine does.
fn go_inside() {
    let serf = Command::new("serf").arg("version").output();
    assert!(serf.is_ok_and(|output| output.status.success()), "this needs `serf` (Debian package serf)");
    let status = Command::new("unshare")
        .args(["--net", "--user", "--map-root-user"])
        .arg(std::env::current_exe().unwrap())
        .arg("--bench")
        .env(INSIDE, "1")
        .status();
    assert!(status.expect("`unshare` of util-linux is there").success(), "the benchmark failed");
}

async fn measure(program: Program) -> Figures {
    let mut figures = Figures::new();
    let began = Instant::now();
    let mut ring = Ring::start(program).await;
    ring.until_all_see("alive", ".*", usize::from(MEMBERS)).await;
    note(&mut figures, "s  until all fifty know each other", began.elapsed().as_secs_f64());
    at_rest(&ring, &mut figures).await;
    for round in 0..ROUNDS {
        note(&mut figures, "s  until all have an event", ring.event(round).await);
        note(&mut figures, "s  until all know a new tag", ring.tag(round).await);
        let newcomer = MEMBERS + 1 + round;
        note(&mut figures, "s  until all know a new member", ring.join(newcomer).await);
        note(&mut figures, "s  until all know that it was killed", ring.kill(newcomer).await);
        note(&mut figures, "load average of the machine", load());
    }
    figures
}

async fn at_rest(ring: &Ring, figures: &mut Figures) {
    tokio::time::sleep(SETTLING).await;
    let (busy, sent) = (ring.processor_seconds(), bytes_sent());
    tokio::time::sleep(AT_REST).await;
    let (busy, sent) = (ring.processor_seconds() - busy, bytes_sent() - sent);
    let for_each = 1.0 / f64::from(MEMBERS) / AT_REST.as_secs_f64();
    note(figures, "ms of processor per second and member", busy * 1000.0 * for_each);
    note(figures, "bytes sent per second and member", sent * for_each);
    let fields = [
        ("MB resident per member", "Rss:"),
        ("MB per member, shared pages divided", "Pss:"),
        ("MB per member that is not shared", "Anonymous:"),
    ];
    for (name, field) in fields {
        note(figures, name, ring.memory(field) / f64::from(MEMBERS));
    }
}

fn note(figures: &mut Figures, name: &'static str, value: f64) {
    eprintln!("{name:<44} {value:>8.3}");
    figures.entry(name).or_default().push(value);
}

/// A running ring.
struct Ring {
    program: Program,
    agents: BTreeMap<u8, Agent>,
}

struct Agent {
    process: Child,
    client: Client,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Ring {
    async fn start(program: Program) -> Self {
        let mut ring = Self { program, agents: BTreeMap::new() };
        for number in 1..=MEMBERS {
            let agent = ring.begin(number).await;
            ring.agents.insert(number, agent);
        }
        ring
    }

    /// Starts a member, which joins by the first one.
    async fn begin(&self, number: u8) -> Agent {
        let process = command(self.program, number).spawn().unwrap();
        let began = Instant::now();
        loop {
            match Client::connect(rpc(number), None).await {
                Ok(client) => return Agent { process, client },
                Err(error) => assert!(began.elapsed() < PATIENCE, "{number} does not answer: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until each member says that so many are in a state, of those whose name and tags fit.
    async fn until_all_see(&mut self, status: &str, name: &str, count: usize) {
        self.until_all(count, || Request::MembersFiltered {
            tags: BTreeMap::new(),
            status: status.to_owned(),
            name: name.to_owned(),
        })
        .await;
    }

    async fn until_all(&mut self, count: usize, request: impl Fn() -> Request) {
        let began = Instant::now();
        for (number, agent) in &mut self.agents {
            // Who was not asked yet knows no later by that: the time is that of the last one.
            loop {
                let (_, body) = agent.client.call(request()).await.unwrap();
                let Some(Body::Members(members)) = body else { panic!("no members") };
                if members.len() == count {
                    break;
                }
                assert!(began.elapsed() < PATIENCE, "{number} knows {} of {count}", members.len());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn event(&mut self, round: u8) -> f64 {
        let name = format!("bench{round}");
        let mut streams = BTreeMap::new();
        for (number, agent) in &mut self.agents {
            let (sequence, _) = agent.client.call(Request::Stream { kind: format!("user:{name}") }).await.unwrap();
            streams.insert(*number, sequence);
        }
        let began = Instant::now();
        let event = Request::Event { name, payload: Bytes::from_static(b"now"), coalesce: false };
        self.agents.get_mut(&1).unwrap().client.call(event).await.unwrap();
        for agent in self.agents.values_mut() {
            tokio::time::timeout(PATIENCE, agent.client.record()).await.expect("the event comes").unwrap();
        }
        let took = began.elapsed().as_secs_f64();
        for (number, agent) in &mut self.agents {
            agent.client.call(Request::Stop { sequence: streams[number] }).await.unwrap();
        }
        took
    }

    async fn tag(&mut self, round: u8) -> f64 {
        let tags = BTreeMap::from([("round".to_owned(), round.to_string())]);
        let began = Instant::now();
        let change = Request::Tags { set: tags.clone(), delete: vec![] };
        // Serf's agent answers when it has told everybody; whether they know is asked at once.
        let mut teller = Client::connect(rpc(1), None).await.unwrap();
        let telling = tokio::spawn(async move { teller.call(change).await.map(|_| ()) });
        self.until_all(1, || Request::MembersFiltered {
            tags: tags.clone(),
            status: String::new(),
            name: String::new(),
        })
        .await;
        let took = began.elapsed().as_secs_f64();
        telling.await.unwrap().unwrap();
        took
    }

    async fn join(&mut self, number: u8) -> f64 {
        let began = Instant::now();
        let agent = self.begin(number).await;
        self.until_all_see("alive", &format!("m{number}"), 1).await;
        let took = began.elapsed().as_secs_f64();
        self.agents.insert(number, agent);
        took
    }

    async fn kill(&mut self, number: u8) -> f64 {
        let began = Instant::now();
        drop(self.agents.remove(&number));
        self.until_all_see("failed", &format!("m{number}"), 1).await;
        began.elapsed().as_secs_f64()
    }

    /// What all processes have computed.
    fn processor_seconds(&self) -> f64 {
        // Linux counts in hundredths.
        self.processes().map(|process| ticks(process) / 100.0).sum()
    }

    /// What all processes hold, in MB, by a field of the kernel's summary.
    fn memory(&self, field: &str) -> f64 {
        let of = |process: u32| -> f64 {
            let summary = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
            let line = summary.lines().find(|line| line.starts_with(field)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0 / 1e6
        };
        self.processes().map(of).sum()
    }

    fn processes(&self) -> impl Iterator<Item = u32> + '_ {
        self.agents.values().map(|agent| agent.process.id())
    }
}

fn command(program: Program, number: u8) -> Command {
    let (member, rpc) = (address(number, 7946).to_string(), rpc(number).to_string());
    let seed = address(1, 7946).to_string();
    let name = format!("m{number}");
    let mut command = match program {
        Program::Serf => {
            let mut command = Command::new("serf");
            command.arg("agent").arg(format!("-node={name}")).arg(format!("-bind={member}"));
            command.arg(format!("-rpc-addr={rpc}")).args((number > 1).then(|| format!("-join={seed}")));
            command
        }
        Program::Pontoon => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_pontoon"));
            command.args(["ring", "agent", "--name", &name, "--bind", &member, "--rpc", &rpc]);
            command.args((number > 1).then_some(["--join", &seed]).into_iter().flatten());
            command
        }
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn address(number: u8, port: u16) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 1, number), port).into()
}

fn rpc(number: u8) -> SocketAddr {
    address(number, 7373)
}

/// The hundredths of a second that a process has computed, in user mode and for it in the kernel.
fn ticks(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name in brackets may have spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
}

/// What went over the loopback interface, with the headers of IP.
fn bytes_sent() -> f64 {
    let devices = std::fs::read_to_string("/proc/net/dev").unwrap();
    let line = devices.lines().find(|line| line.trim_start().starts_with("lo:")).unwrap();
    line.split_whitespace().nth(9).unwrap().parse().unwrap()
}

/// How many processes wanted to run in the last minute, other people's among them: what the times are worth.
fn load() -> f64 {
    let averages = std::fs::read_to_string("/proc/loadavg").unwrap();
    averages.split_whitespace().next().unwrap().parse().unwrap()
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
