//! Whole rings in virtual time: what must come about whatever happens, and what must never be seen.
//!
//! Each test runs from several seeds; a failure prints the command that runs the one again that failed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chaos;
mod detection;
mod forming;
mod gossip;
mod losing;
mod returning;

use std::net::SocketAddr;
use std::time::Duration;

use pontoon_ring::simulation::{Check, Machine, Network, Simulation, Talk, Violation, each_seed, swim};
use pontoon_ring::swim::Swim;

type Ring = Simulation<Swim<Talk>>;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// What holds whatever happens.
const ALWAYS: [Check; 2] = [Check::NoResurrection, Check::IncarnationGrows];

/// What holds where nobody is slow and nothing is cut off.
const AND_NO_FALSE_DEATH: [Check; 3] = [Check::NoResurrection, Check::IncarnationGrows, Check::NoFalseDeath];

/// Runs a scenario from each seed.
fn check(test: &str, seeds: std::ops::Range<u64>, scenario: impl Fn(u64) -> Result<(), Violation>) {
    if let Err(message) = each_seed(test, seeds, scenario) {
        panic!("{message}");
    }
}

/// The address of a member that never moved.
fn address(ring: &Ring, index: usize) -> SocketAddr {
    ring.address(index).unwrap()
}

/// Lets a member join through others.
fn join(ring: &mut Ring, index: usize, seeds: &[usize]) {
    let seeds = seeds.iter().map(|seed| address(ring, *seed)).collect();
    ring.act(index, |machine, now| Machine::join(machine, now, seeds));
}

/// A ring whose members all join through the first two.
fn joining(seed: u64, members: usize, network: Network) -> Ring {
    let mut ring = swim(seed, network, |_| {});
    for _ in 0..members {
        ring.start();
    }
    for index in 0..members {
        join(&mut ring, index, &[0, 1]);
    }
    ring
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| {
        let mut ring = joining(seed, 20, Network::bad(0.05));
        ring.run_for(5 * SECOND);
        ring.announce(3, 42);
        ring.crash(4);
        ring.part(&[5, 6, 7]);
        ring.run_for(20 * SECOND);
        ring.heal();
        ring.restart(4);
        join(&mut ring, 4, &[0]);
        ring.run_for(20 * SECOND);
        (ring.trace(), ring.traffic())
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}

#[test]
fn a_failure_says_what_does_not_hold_and_how_to_see_it_again() {
    let message = each_seed("a_failure", 7..9, |seed| {
        let mut ring = joining(seed, 5, Network::default());
        ring.converge(30 * SECOND)?;
        ring.crash(3);
        ring.converge(SECOND).map(drop)
    });
    let message = message.unwrap_err();
    assert!(message.starts_with("seed 7: Converges does not hold at "), "{message}");
    assert!(message.ends_with("again: RING_SEED=7 cargo nextest run -p pontoon-ring a_failure"), "{message}");
}

/// Says something in a ring, and waits until all have heard it.
fn heard_by_all(ring: &mut Ring, by: usize, limit: Duration) -> Result<Duration, Violation> {
    let number = ring.now().elapsed().as_nanos().try_into().unwrap();
    ring.announce(by, number);
    ring.deliver_to_all(number, limit)
}
