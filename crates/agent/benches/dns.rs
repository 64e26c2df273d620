//! The agent's DNS beside dnsmasq, unbound and knot: the same names, the same questions, one core each, in a network
//! namespace of its own.
//!
//! The main column is how many answers a server gives for a second of its own processor time, which holds also on a
//! machine that is busy with other things. Each server is bound to one core and `dnsperf`, which asks, to another. Rounds
//! are interleaved, and the median counts. Latency is that of a thousand questions a second, at which nobody has to queue.
//!
//! A name has as many records with all servers as with ours: eight addresses, four targets.
//!
//! `cargo bench -p pontoon-agent --bench dns -- pontoon knot` measures these alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a benchmark may end at once")]

#[path = "dns/load.rs"]
mod load;
#[path = "measured/mod.rs"]
mod measured;
#[path = "dns/peers.rs"]
mod peers;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use pontoon_agent::catalogue::View;
use pontoon_agent::dns::{Server, Zone};
use pontoon_agent::door::Door;
use pontoon_agent::sockets::Sockets;
use tokio::sync::watch;

use load::{Kind, Measured};
use measured::{Stack, median};
use peers::{Peer, Running};

const STACK: Stack = Stack { hosts: 100, services: 1000, copies: 10 };
const ZONE: &str = "bench.internal";
const ROUNDS: usize = 3;
/// Set for the part that runs inside of the namespace, and for our server.
const ROLE: &str = "PONTOON_BENCH_ROLE";

fn main() {
    // `cargo test --benches` only wants to know that it can be built.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    match std::env::var(ROLE).as_deref() {
        Ok("server") => serve(),
        Ok(_) => measure(),
        Err(_) => go_inside(),
    }
}

/// A network of its own, where nobody else listens and asks.
fn go_inside() {
    for (program, package) in Peer::PROGRAMS.into_iter().chain([("dnsperf", "dnsperf"), ("taskset", "util-linux")]) {
        let found = Command::new("which").arg(program).output();
        assert!(found.is_ok_and(|found| found.status.success()), "this needs `{program}` (Debian package {package})");
    }
    let status = Command::new("unshare")
        .args(["--net", "--user", "--map-root-user"])
        .arg(std::env::current_exe().unwrap())
        .args(std::env::args().skip(1))
        .env(ROLE, "inside")
        .status();
    assert!(status.expect("`unshare` of util-linux is there").success(), "the benchmark failed");
}

/// Our server alone, as an agent runs it.
fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let networks = || vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.0/8".parse().unwrap()];
        let zone = Zone::new(ZONE, Stack::host_name(STACK.hosts).as_str().into(), networks()).unwrap();
        let (_views, watched) = watch::channel(Arc::new(View::new(1, STACK.views())));
        let server = Server::bind(&[Peer::Pontoon.address()], &mut Sockets::default()).unwrap();
        server.run(zone, Door::new(networks(), 64, 16), watched, Arc::default(), 1).await;
    });
}

fn measure() {
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
    let directory = tempfile::tempdir().unwrap();
    let questions = load::write_questions(directory.path());
    let named = |peer: &Peer| std::env::args().any(|argument| argument == peer.name());
    let all = !Peer::ALL.iter().any(named);
    let peers = Peer::ALL.into_iter().filter(|peer| all || named(peer));
    let mut running: Vec<Running> = peers.map(|peer| Running::start(peer, directory.path())).collect();
    let mut found: BTreeMap<(Kind, Peer), Vec<Measured>> = BTreeMap::new();
    for round in 1..=ROUNDS {
        for kind in Kind::ALL {
            for server in &mut running {
                eprintln!("round {round} of {ROUNDS}: {} of {}", kind.name(), server.peer.name());
                let measured = load::measure(server, &questions[&kind]);
                found.entry((kind, server.peer)).or_default().push(measured);
            }
        }
    }
    print(&found);
}

fn print(found: &BTreeMap<(Kind, Peer), Vec<Measured>>) {
    println!(
        "\n{:<34} {:<8} {:>14} {:>12} {:>9} {:>9} {:>7} {:>10} {:>10}",
        "questions", "server", "a second of", "answers a", "p50", "p99", "bytes", "beside", "beside"
    );
    println!(
        "{:<34} {:<8} {:>14} {:>12} {:>9} {:>9} {:>7} {:>10} {:>10}",
        "", "", "its processor", "second", "us", "us", "", "dnsmasq", "knot"
    );
    for kind in Kind::ALL {
        let of =
            |peer: Peer, what: fn(&Measured) -> f64| median(found.get(&(kind, peer)).into_iter().flatten().map(what));
        let worth = |peer: Peer| of(peer, |measured| measured.each_processor_second);
        let mut name = kind.name();
        for peer in Peer::ALL.into_iter().filter(|peer| found.contains_key(&(kind, *peer))) {
            println!(
                "{:<34} {:<8} {:>14.0} {:>12.0} {:>9.0} {:>9.0} {:>7.0} {:>10} {:>10}",
                std::mem::take(&mut name),
                peer.name(),
                worth(peer),
                of(peer, |measured| measured.each_second),
                of(peer, |measured| measured.latency_median * 1e6),
                of(peer, |measured| measured.latency_99 * 1e6),
                of(peer, |measured| measured.bytes),
                beside(worth(peer) / worth(Peer::Dnsmasq)),
                beside(worth(peer) / worth(Peer::Knot)),
            );
        }
    }
}

/// A ratio; nothing where there is nobody to be beside.
fn beside(ratio: f64) -> String {
    if ratio.is_nan() { String::new() } else { format!("{ratio:.2}") }
}
