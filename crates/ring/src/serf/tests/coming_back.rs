//! Restarts of members that keep a snapshot.

use std::time::Duration;

use super::stage::{Stage, stage_with_files};
use crate::serf::snapshot::AfterLeave;
use crate::simulation::Machine as _;

const MINUTE: Duration = Duration::from_mins(1);

fn ring(members: usize, after_leave: AfterLeave) -> (Stage, super::stage::Files) {
    let (mut stage, files) = stage_with_files(1, after_leave);
    for index in 0..members {
        stage.start();
        if index > 0 {
            let seed = stage.address(0).unwrap();
            stage.act(index, |actor, now| actor.join(now, vec![seed]));
        }
    }
    stage.converge(MINUTE).unwrap();
    // What was noted is written twice a second.
    stage.run_for(Duration::from_secs(1));
    (stage, files)
}

#[test]
fn a_member_that_crashed_finds_its_ring_and_is_told_nothing_twice() {
    let (mut stage, _files) = ring(5, AfterLeave::StayAway);
    stage.announce(1, 7);
    stage.deliver_to_all(7, MINUTE).unwrap();
    stage.run_for(Duration::from_secs(1));
    stage.restart(4);
    stage.converge(MINUTE).unwrap();
    stage.announce(1, 8);
    stage.deliver_to_all(8, MINUTE).unwrap();
    let heard: Vec<_> = stage.machine(4).unwrap().user_events().iter().map(|event| event.payload.clone()).collect();
    assert_eq!(heard, ["8"]);
}

#[test]
fn a_ring_that_lost_its_power_comes_together_again_in_any_order() {
    let (mut stage, _files) = ring(6, AfterLeave::StayAway);
    for index in 0..6 {
        stage.crash(index);
    }
    stage.restart(3);
    stage.run_for(MINUTE * 2);
    for index in [5, 1, 0, 4, 2] {
        stage.restart(index);
        stage.run_for(Duration::from_secs(20));
    }
    stage.converge(MINUTE * 2).unwrap();
}

#[test]
fn a_member_that_left_stays_away_unless_it_is_to_come_back() {
    for (after_leave, comes_back) in [(AfterLeave::StayAway, false), (AfterLeave::Rejoin, true)] {
        let (mut stage, files) = ring(4, after_leave);
        stage.leave(2);
        stage.run_for(MINUTE);
        assert!(files.borrow()[&2].borrow().ends_with("leave\n"));
        stage.restart(2);
        stage.run_for(MINUTE * 2);
        assert_eq!(stage.machine(2).unwrap().living() > 1, comes_back, "{after_leave:?}");
        let status = if comes_back { "alive" } else { "left" };
        assert_eq!(stage.machine(0).unwrap().statuses()["m2"], status);
    }
}

#[test]
fn what_others_forgot_meanwhile_is_forgotten_in_the_file_too() {
    let (mut stage, files) = ring(4, AfterLeave::StayAway);
    stage.crash(1);
    stage.run_for(MINUTE);
    assert!(files.borrow()[&0].borrow().contains("not-alive: m1\n"));
}
