//! Rings hold together while packets are lost, cut off and heard by nobody.

use pontoon_ring::simulation::{Check, Network, ring};

use super::{ALWAYS, AND_NO_FALSE_DEATH, MINUTE, SECOND, check, heard_by_all, joining};

#[test]
fn at_ten_percent_loss_nobody_dies_and_everybody_hears() {
    check("at_ten_percent_loss", 0..2, |seed| {
        let mut ring = ring(seed, 200, Network::losing(0.1), |_| {});
        ring.run_for(20 * SECOND);
        heard_by_all(&mut ring, 7, 5 * SECOND)?;
        ring.run_for(MINUTE);
        ring.verdict(&AND_NO_FALSE_DEATH)
    });
}

#[test]
fn at_twenty_percent_loss_nobody_dies_and_everybody_hears() {
    check("at_twenty_percent_loss", 0..2, |seed| {
        let mut ring = ring(seed, 100, Network::losing(0.2), |_| {});
        ring.run_for(20 * SECOND);
        heard_by_all(&mut ring, 7, 10 * SECOND)?;
        ring.run_for(MINUTE);
        ring.verdict(&AND_NO_FALSE_DEATH)
    });
}

#[test]
fn a_short_partition_heals() {
    check("a_short_partition", 0..4, |seed| {
        let mut ring = joining(seed, 30, Network::bad(0.05));
        ring.converge(30 * SECOND)?;
        ring.part(&[0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
        ring.run_for(15 * SECOND);
        ring.heal();
        ring.converge(2 * MINUTE)?;
        ring.verdict(&ALWAYS)
    });
}

#[test]
fn halves_that_forgot_each_other_find_together_by_their_seeds() {
    check("halves_that_forgot", 0..2, |seed| {
        let mut ring = joining(seed, 20, Network::bad(0.05));
        ring.converge(30 * SECOND)?;
        // The seeds are 0 and 1, one on either side.
        ring.part(&[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
        ring.converge(2 * MINUTE)?;
        ring.run_for(12 * MINUTE);
        ring.heal();
        ring.converge(2 * MINUTE)?;
        heard_by_all(&mut ring, 7, 10 * SECOND)?;
        ring.verdict(&ALWAYS)
    });
}

#[test]
fn members_cut_off_alone_come_back_by_themselves() {
    check("members_cut_off_alone", 0..4, |seed| {
        let mut ring = joining(seed, 12, Network::bad(0.05));
        ring.converge(30 * SECOND)?;
        ring.part(&[5]);
        ring.part(&[6]);
        ring.converge(2 * MINUTE)?;
        ring.run_for(12 * MINUTE);
        ring.heal();
        ring.converge(2 * MINUTE)?;
        ring.verdict(&ALWAYS)
    });
}

#[test]
fn a_member_that_no_datagram_reaches_is_kept_alive_by_streams() {
    check("a_member_that_no_datagram", 0..3, |seed| {
        let mut ring = joining(seed, 15, Network::default());
        ring.converge(30 * SECOND)?;
        ring.set_deaf(4, true);
        ring.run_for(3 * MINUTE);
        ring.verdict(&[Check::NoFalseDeath])
    });
}
