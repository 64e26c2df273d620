//! What is said to all reaches all by gossip, without the exchanges that would bring it later.

use pontoon_ring::simulation::{Announces, Network, ring};

use super::{MINUTE, SECOND};

#[test]
fn gossip_alone_lets_nobody_of_a_small_ring_miss_what_is_said() {
    for members in [3, 5, 9] {
        let mut ring = ring(1, members, Network::losing(0.02), |config| config.push_pull_interval = 1000 * MINUTE);
        let mut missed = 0;
        for (number, by) in (0..300).zip((0..members).cycle()) {
            ring.announce(by, number);
            ring.run_for(2 * SECOND);
            missed += u32::from(ring.running().any(|other| !ring.machine(other).unwrap().has_heard(number)));
        }
        assert!(missed <= 1, "{missed} of 300 events missed one of {members} members");
    }
}
