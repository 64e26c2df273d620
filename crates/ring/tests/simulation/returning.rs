//! Members go and come back.

use pontoon_ring::simulation::Network;
use pontoon_ring::swim::Departure;

use super::{ALWAYS, AND_NO_FALSE_DEATH, MINUTE, SECOND, check, join, joining};

#[test]
fn whoever_leaves_is_known_to_have_left_and_not_to_have_failed() {
    check("whoever_leaves", 0..4, |seed| {
        let mut ring = joining(seed, 20, Network::bad(0.1));
        ring.converge(30 * SECOND)?;
        ring.leave(3);
        ring.converge(5 * SECOND)?;
        ring.crash(3);
        ring.run_for(MINUTE);
        assert!(ring.true_deaths().iter().all(|death| death.of == 3 && death.how == Departure::Left));
        ring.verdict(&AND_NO_FALSE_DEATH)
    });
}

#[test]
fn whoever_died_stays_dead_though_a_sleeper_still_knows_it() {
    check("whoever_died_stays_dead", 0..4, |seed| {
        let mut ring = joining(seed, 20, Network::bad(0.05));
        ring.converge(30 * SECOND)?;
        ring.stop_for(4, 3 * MINUTE);
        ring.run_for(SECOND);
        ring.crash(9);
        ring.leave(10);
        // The sleeper wakes when all others have forgotten to speak of the dead.
        ring.run_for(6 * MINUTE);
        ring.converge(MINUTE)?;
        ring.verdict(&ALWAYS)
    });
}

#[test]
fn a_member_that_restarts_is_back_within_seconds() {
    for down in [SECOND, 40 * SECOND, 15 * MINUTE] {
        check("a_member_that_restarts", 0..3, |seed| {
            let mut ring = joining(seed, 20, Network::bad(0.05));
            ring.converge(30 * SECOND)?;
            ring.crash(3);
            ring.run_for(down);
            ring.restart(3);
            join(&mut ring, 3, &[0, 1]);
            ring.run_for(15 * SECOND);
            ring.converge(SECOND)?;
            ring.run_for(MINUTE);
            ring.converge(SECOND)?;
            ring.verdict(&ALWAYS)
        });
    }
}

#[test]
fn a_member_that_left_is_back_within_seconds() {
    check("a_member_that_left", 0..3, |seed| {
        let mut ring = joining(seed, 20, Network::bad(0.05));
        ring.converge(30 * SECOND)?;
        ring.leave(3);
        ring.run_for(20 * SECOND);
        ring.restart_elsewhere(3);
        join(&mut ring, 3, &[0, 1]);
        ring.converge(15 * SECOND)?;
        ring.verdict(&ALWAYS)
    });
}

#[test]
fn a_member_may_come_back_at_another_address_when_its_death_is_old_enough() {
    check("at_another_address", 0..3, |seed| {
        let mut ring = joining(seed, 20, Network::bad(0.05));
        ring.converge(30 * SECOND)?;
        ring.crash(3);
        ring.run_for(10 * SECOND);
        ring.restart_elsewhere(3);
        join(&mut ring, 3, &[0, 1]);
        ring.converge(2 * MINUTE)?;
        let moved = super::address(&ring, 3);
        assert!(ring.running().all(|index| ring.machine(index).unwrap().member("m3").unwrap().address == moved));
        ring.verdict(&ALWAYS)
    });
}

#[test]
fn everybody_restarting_one_after_the_other_disturbs_nobody() {
    check("everybody_restarting", 0..2, |seed| {
        let mut ring = joining(seed, 12, Network::bad(0.02));
        ring.converge(30 * SECOND)?;
        for index in 0..12 {
            ring.leave(index);
            ring.run_for(3 * SECOND);
            ring.restart(index);
            join(&mut ring, index, &[0, 1, 2]);
            ring.run_for(5 * SECOND);
        }
        ring.converge(30 * SECOND)?;
        assert_eq!(ring.machine(5).unwrap().living(), 12);
        ring.verdict(&AND_NO_FALSE_DEATH)
    });
}
