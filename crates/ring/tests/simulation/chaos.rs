//! Anything may happen, in any order; afterwards the ring is whole, and nobody saw what cannot be.

use std::time::Duration;

use pontoon_ring::simulation::{Network, Part, Slowness};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{ALWAYS, MINUTE, Ring, SECOND, check, heard_by_all, join, joining};

/// The members that join through the first two; those never crash, so that there is always a way back.
const MEMBERS: usize = 16;

#[test]
fn whatever_happens_the_ring_is_whole_afterwards() {
    check("whatever_happens", 0..15, |seed| {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let mut ring = joining(seed, MEMBERS, Network::bad(0.02));
        ring.converge(MINUTE)?;
        for _ in 0..25 {
            something_happens(&mut ring, &mut chance);
            ring.run_for(Duration::from_millis(chance.random_range(100..20_000)));
        }
        ring.heal();
        ring.set_network(Network::losing(0.01));
        for index in 0..MEMBERS {
            ring.set_deaf(index, false);
            ring.hasten(index);
            if !ring.is_running(index) {
                ring.restart(index);
                join(&mut ring, index, &[0, 1]);
            }
        }
        ring.converge(3 * MINUTE)?;
        heard_by_all(&mut ring, 0, 10 * SECOND)?;
        ring.verdict(&ALWAYS)
    });
}

fn something_happens(ring: &mut Ring, chance: &mut ChaCha8Rng) {
    let index = chance.random_range(2..MEMBERS);
    match chance.random_range(0..12) {
        0 => ring.crash(index),
        1 => ring.leave(index),
        2 => {
            ring.restart(index);
            join(ring, index, &[0, 1]);
        }
        3 => {
            ring.restart_elsewhere(index);
            join(ring, index, &[0, 1]);
        }
        4 => {
            let all: Vec<usize> = (0..MEMBERS).collect();
            let some: Vec<usize> = all.choose_multiple(chance, MEMBERS / 3).copied().collect();
            ring.part(&some);
        }
        5 | 6 => ring.heal(),
        7 => ring.set_deaf(index, chance.random()),
        8 => ring.jump(index, Duration::from_secs(chance.random_range(1..4000))),
        9 => ring.set_network(Network::bad(chance.random_range(0.0..0.2))),
        10 => {
            let part = [Part::Process, Part::ProcessTimersFirst, Part::Network];
            let slowness = Slowness {
                part: part.choose(chance).copied().unwrap_or(Part::Process),
                stopped: (SECOND, 20 * SECOND),
                running: (SECOND / 10, 2 * SECOND),
            };
            ring.slow(index, slowness);
        }
        _ => ring.announce(index, chance.random()),
    }
}
