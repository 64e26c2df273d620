//! Rings in virtual time: what failure detection, gossip and joining do at a given size and loss.
//!
//! Times are virtual and the same on each machine, as all of it follows from the seeds; only the last column, how long
//! the simulation took, is of this one. Three ways of detection are compared: plain SWIM, which is our own code with
//! everything of Lifeguard switched off, Lifeguard as memberlist has it, and ours. `-- loss` after the command runs one
//! part alone: `slow`, `detection`, `loss`, `joining`, `gossip`,
//! `sizes`. The ring of 10,000 needs six gigabytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a benchmark may end at once")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pontoon_ring::simulation::{Announces, Machine, Network, Part, Simulation, Slowness, Talk, ring, swim};
use pontoon_ring::swim::{Detection, Swim};

type Ring = Simulation<Swim<Talk>>;

const SECOND: Duration = Duration::from_secs(1);
const SEEDS: u64 = 5;
const LOSS_SEEDS: u64 = 3;
/// How many are said to count those that miss somebody.
const EVENTS: u64 = 1000;
const WAYS: [(&str, Detection); 3] =
    [("plain SWIM", Detection::Swim), ("Lifeguard", Detection::Lifeguard), ("ours", Detection::Careful)];

fn main() {
    // `cargo test --benches` only wants to know that it can be built.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let parts: [(&str, fn()); 6] = [
        ("slow", slow_members),
        ("detection", detection),
        ("loss", loss),
        ("joining", joining),
        ("gossip", gossip),
        ("sizes", sizes),
    ];
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (_, part) in parts.iter().filter(|(name, _)| chosen.is_empty() || chosen.iter().any(|other| other == name)) {
        part();
    }
}

/// Lifeguard's case. A false death is one that one member believes in; a victim is counted once a run.
fn slow_members() {
    println!("\n128 members, some of which stand still now and then; {SEEDS} runs of two minutes together");
    println!("{:<34} {:<12} {:>12} {:>9} {:>9}", "slow", "", "false deaths", "victims", "took");
    for (slow, least, most) in [(4, 2, 6), (4, 4, 16), (16, 4, 16), (4, 12, 32), (16, 12, 32)] {
        for (name, detection) in WAYS {
            let began = Instant::now();
            let (mut deaths, mut victims) = (0, 0);
            for seed in 0..SEEDS {
                let mut ring = ring(seed, 128, Network::default(), move |config| config.detection = detection);
                for index in 0..slow {
                    let slowness = Slowness {
                        part: Part::Network,
                        stopped: (least * SECOND, most * SECOND),
                        running: (SECOND / 10, SECOND),
                    };
                    ring.slow(index * 7, slowness);
                }
                ring.run_for(120 * SECOND);
                deaths += ring.false_deaths().len();
                victims += ring.false_deaths().iter().map(|death| death.of).collect::<BTreeSet<_>>().len();
            }
            let which = format!("{slow} members, {least} to {most} s at a time");
            println!("{which:<34} {name:<12} {deaths:>12} {victims:>9} {:>9}", seconds(began.elapsed()));
        }
    }
}

/// How long a crash goes unknown, in a ring without other trouble.
fn detection() {
    println!("\ntime until all know of a crash, means of {} runs", 4 * SEEDS);
    println!("{:<12} {:>12} {:>12} {:>12}", "members", WAYS[0].0, WAYS[1].0, WAYS[2].0);
    for members in [10, 128, 500] {
        let times = WAYS.map(|(_, detection)| {
            let runs = (0..4 * SEEDS).map(|seed| {
                let mut ring = ring(seed, members, Network::default(), move |config| config.detection = detection);
                ring.run_for(5 * SECOND);
                crash_known(&mut ring, 3)
            });
            runs.sum::<Duration>() / 20
        });
        println!("{members:<12} {:>12} {:>12} {:>12}", seconds(times[0]), seconds(times[1]), seconds(times[2]));
    }
}

/// Loss alone: nobody fails, and whoever is taken for dead is taken so falsely.
fn loss() {
    println!(
        "\n200 members at loss, two minutes; {LOSS_SEEDS} runs: false deaths together, the longest time, mean traffic"
    );
    println!(
        "{:<8} {:<12} {:>12} {:>15} {:>14} {:>12} {:>9}",
        "loss", "", "false deaths", "event to all", "datagrams/s", "bytes/s", "took"
    );
    for percent in [0, 2, 10, 20] {
        for (name, detection) in WAYS {
            let began = Instant::now();
            let (mut deaths, mut longest, mut traffic) = (0, Some(Duration::ZERO), (0, 0));
            for seed in 0..LOSS_SEEDS {
                let network = Network::losing(f64::from(percent) / 100.0);
                let mut ring = ring(seed, 200, network, move |config| config.detection = detection);
                ring.run_for(60 * SECOND);
                ring.announce(7, 1);
                let heard = ring.deliver_to_all(1, 60 * SECOND).ok();
                longest = longest.zip(heard).map(|(longest, heard)| longest.max(heard));
                ring.run_for(60 * SECOND);
                deaths += ring.false_deaths().len();
                traffic = (traffic.0 + ring.traffic().datagrams, traffic.1 + ring.traffic().bytes);
            }
            let per = |total: u64| total / (LOSS_SEEDS * 200 * 120);
            println!(
                "{:<8} {name:<12} {deaths:>12} {:>15} {:>14} {:>12} {:>9}",
                format!("{percent} %"),
                longest.map_or_else(|| "not in 60 s".to_owned(), seconds),
                per(traffic.0),
                per(traffic.1),
                seconds(began.elapsed())
            );
        }
    }
}

/// All start at once and join through one.
fn joining() {
    println!("\nall join at once through one member, at 2 % loss: until all know all");
    println!("{:<12} {:>12} {:>18} {:>9}", "members", "time", "bytes per member", "took");
    for members in [50, 200, 500, 1000] {
        let began = Instant::now();
        let mut ring = swim(1, Network::losing(0.02), |_| {});
        for _ in 0..members {
            ring.start();
        }
        let seed = ring.address(0).unwrap();
        for index in 1..members {
            ring.act(index, |machine, now| Machine::join(machine, now, vec![seed]));
        }
        let time = ring.converge(300 * SECOND).map_or_else(|violation| violation.to_string(), seconds);
        let bytes = ring.traffic().bytes / members as u64;
        println!("{members:<12} {time:>12} {bytes:>18} {:>9}", seconds(began.elapsed()));
    }
}

/// How often gossip alone misses somebody, and what an event costs: what is sent beyond that of a quiet ring.
fn gossip() {
    println!("\n1,000 events: how many missed somebody for three seconds, and what each cost");
    println!("{:<12} {:>14} {:>14} {:>20} {:>9}", "members", "at no loss", "at 2 % loss", "bytes per member", "took");
    for members in [3, 5, 9, 20, 50, 99, 200] {
        let began = Instant::now();
        let (mut quiet, mut telling) = (0, 0);
        let missed = [0.0, 0.02].map(|loss| {
            let mut ring = ring(1, members, Network::losing(loss), |_| {});
            let mut missed = 0;
            for (number, by) in (0..EVENTS).zip((0..members).cycle()) {
                quiet += bytes_in_three_seconds(&mut ring);
                ring.announce(by, number);
                telling += bytes_in_three_seconds(&mut ring);
                missed += u32::from(ring.running().any(|other| !ring.machine(other).unwrap().has_heard(number)));
            }
            missed
        });
        let each = telling.saturating_sub(quiet) / (2 * EVENTS * members as u64);
        println!("{members:<12} {:>14} {:>14} {each:>20} {:>9}", missed[0], missed[1], seconds(began.elapsed()));
    }
}

/// Rings that have been there for long, at 1 % loss.
fn sizes() {
    println!("\nrings of all sizes at 1 % loss: an event and a crash until all know, traffic at rest");
    println!(
        "{:<12} {:>14} {:>14} {:>14} {:>12} {:>9}",
        "members", "event to all", "crash to all", "datagrams/s", "bytes/s", "took"
    );
    for members in [5, 50, 500, 1000, 10_000] {
        let began = Instant::now();
        let mut ring = ring(1, members, Network::losing(0.01), |_| {});
        ring.run_for(10 * SECOND);
        let traffic = ring.traffic();
        ring.act(1, |machine, now| machine.announce(now, 1));
        let event = ring.deliver_to_all(1, 60 * SECOND).map_or_else(|violation| violation.to_string(), seconds);
        let crash = crash_known(&mut ring, 3);
        let per = |total: u64| total / (10 * members as u64);
        println!(
            "{members:<12} {event:>14} {:>14} {:>14} {:>12} {:>9}",
            seconds(crash),
            per(traffic.datagrams),
            per(traffic.bytes),
            seconds(began.elapsed())
        );
    }
}

fn bytes_in_three_seconds(ring: &mut Ring) -> u64 {
    let before = ring.traffic().bytes;
    ring.run_for(3 * SECOND);
    ring.traffic().bytes - before
}

/// Crashes a member, and waits until nobody counts it among the living.
fn crash_known(ring: &mut Ring, index: usize) -> Duration {
    ring.crash(index);
    let left = ring.size() - 1;
    let known = |ring: &Ring| ring.running().all(|other| ring.machine(other).unwrap().living() == left);
    ring.run_until(180 * SECOND, known).expect("a crash is found within three minutes")
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
