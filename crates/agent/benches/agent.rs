//! What an agent costs its host while nothing happens, and what a change costs it.
//!
//! An agent here is a catalogue, DNS and HTTP in a process of its own, which knows the whole stack. Its memory is as the
//! kernel counts it when it has begun, and again when each container has changed once. A view is what all answers are
//! made from: there is a new one for each change.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a benchmark may end at once")]

mod measured;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pontoon_agent::catalogue::{
    Catalogue, Config, Container, HostView, Mark, Name, Output, Pace, Part, State, Version, View,
};
use pontoon_agent::door::Door;
use pontoon_agent::sockets::Sockets;
use pontoon_agent::{dns, http};
use pontoon_ring::time::Time;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use measured::{Process, Stack, thread_seconds};

const STACK: Stack = Stack { hosts: 1000, services: 10_000, copies: 1 };
const LARGE: Stack = Stack { hosts: 1000, services: 10_000, copies: 10 };
const AT_REST: Duration = Duration::from_secs(20);
const CHANGES: u32 = 500;
/// Set for the process that is measured.
const ROLE: &str = "PONTOON_BENCH_ROLE";

fn main() {
    // `cargo test --benches` only wants to know that it can be built.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    if std::env::var_os(ROLE).is_some() {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(run());
        return;
    }
    memory();
    for stack in [STACK, LARGE] {
        views(stack);
    }
}

fn memory() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--bench").env(ROLE, "agent").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut agent = Process::start(&mut command);
    let mut said = BufReader::new(agent.0.stdout.take().unwrap());
    println!("an agent that knows {} hosts, {} services", STACK.hosts, STACK.services);
    println!("{:<44} {:>12} {:>12} {:>14}", "", "resident MiB", "of its own", "ms a second");
    for what in ["when it has begun", "when each container has changed once"] {
        wait(&mut said);
        let before = agent.processor_seconds();
        std::thread::park_timeout(AT_REST);
        let busy = (agent.processor_seconds() - before) * 1000.0 / AT_REST.as_secs_f64();
        let (resident, own) = (agent.memory("Rss:"), agent.memory("Anonymous:"));
        println!("{what:<44} {resident:>12.1} {own:>12.1} {busy:>14.2}");
        agent.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

/// Until the agent says that it is ready.
fn wait(said: &mut BufReader<ChildStdout>) {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
}

/// The agent. It says when it is ready, and goes on when it reads a line.
async fn run() {
    let clock = Instant::now();
    let now = || Time::after(clock.elapsed());
    let config =
        Config { name: "here".into(), address: [127, 0, 0, 1].into(), epoch: 1, seed: [1; 32], pace: Pace::default() };
    let mut catalogue = Catalogue::new(config, now());
    let (views, watched) = watch::channel(Arc::new(View::default()));
    let networks = || vec!["10.0.0.0/8".parse().unwrap()];
    let zone = dns::Zone::new("bench.internal", "here".into(), networks()).unwrap();
    let address = |port: u16| SocketAddr::from(([127, 77, 0, 1], port));
    let server = dns::Server::bind(&[address(8600)], &mut Sockets::default()).unwrap();
    tokio::spawn(server.run(zone, Door::new(networks(), 64, 16), watched.clone(), Arc::default(), 1));
    let (_drawn, pictures) = watch::channel(Arc::default());
    let settings = http::Settings {
        datacenter: "bench".to_owned(),
        here: "here".into(),
        door: Door::new(networks(), 64, 16),
        waiters: Door::new(networks(), 64, 16),
        run: 1,
        began: clock,
        pictures,
        counts: Arc::default(),
        other_doors: [].into(),
        end: CancellationToken::new(),
    };
    tokio::spawn(http::Server::bind(&[address(8500)], &mut Sockets::default()).unwrap().run(settings, watched));

    for change in 1..=2 {
        for number in 0..STACK.hosts {
            let host = STACK.host(number);
            let part = if change == 1 { Part::clone(&host.part) } else { ill(&host.part) };
            let version = Version { epoch: 1, change };
            catalogue.acquaint(now(), &host.name, host.address, Mark { version, seal: 1 }, &part);
        }
        let view = loop {
            catalogue.handle(now(), pontoon_agent::catalogue::Input::Tick);
            let published = std::iter::from_fn(|| catalogue.poll()).find_map(|output| match output {
                Output::Publish(view) if view.hosts.len() > 1 => Some(view),
                _ => None,
            });
            if let Some(view) = published {
                break view;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        views.send_replace(view);
        println!("ready");
        // Reading stands still, as an agent does that has nothing to do: its servers have threads of their own.
        tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
    }
}

fn ill(part: &Part) -> Part {
    let change = |(name, container): (&Name, &Arc<Container>)| {
        let mut container = Container::clone(container);
        container.health.state = State::Critical;
        (name.clone(), Arc::new(container))
    };
    Part { version: part.version, containers: part.containers.iter().map(change).collect() }
}

/// What a view costs: made whole, and after another.
fn views(stack: Stack) {
    let mut hosts: BTreeMap<Name, Arc<HostView>> =
        stack.views().into_iter().map(|host| (host.name.clone(), host)).collect();
    let began = thread_seconds();
    let mut view = View::new(1, hosts.values().cloned());
    let whole = thread_seconds() - began;
    let mut took = 0.0;
    for change in 0..CHANGES {
        let name: Name = Stack::host_name(change * 7 % stack.hosts).as_str().into();
        let host = hosts.get_mut(&name).unwrap();
        let mut part = Part::clone(&host.part);
        let container = part.containers.values_mut().next().unwrap();
        let mut changed = Container::clone(container);
        changed.health.state = State::Critical;
        *container = Arc::new(changed);
        *host = Arc::new(HostView { part: Arc::new(part), ..HostView::clone(host) });
        let began = thread_seconds();
        view = black_box(view.next(u64::from(change) + 2, hosts.values().cloned()));
        took += thread_seconds() - began;
    }
    println!(
        "a view of {} containers on {} hosts: {:.0} ms of processor made whole, {:.2} ms after a change of one",
        stack.services * stack.copies,
        stack.hosts,
        whole * 1e3,
        took / f64::from(CHANGES) * 1e3
    );
}
