//! What members say of themselves and to all.

use std::time::Duration;

use bytes::Bytes;

use super::stage::{Stage, plain_ring, ring};
use crate::serf::{Change, Coalesce, Prune, Replay, Tags, Window};
use crate::simulation::{Machine as _, Network, each_seed};
use crate::swim::Persistence;
use crate::wire::serf::LamportTime;

const MINUTE: Duration = Duration::from_mins(1);

fn tags(all: &[(&str, &str)]) -> Tags {
    all.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect()
}

fn all_say(stage: &Stage, name: &str, status: &str) -> bool {
    stage.running().all(|index| stage.machine(index).unwrap().statuses().get(name).map(String::as_str) == Some(status))
}

#[test]
fn what_one_says_all_hear_once_whatever_the_network_does() {
    each_seed("what_one_says_all_hear_once", 1..=4, |seed| {
        let mut stage = ring(seed, 20, Network::bad(0.2), |_, _, _| {});
        for number in 0..10 {
            stage.announce(usize::try_from(number).unwrap(), number);
        }
        for number in 0..10 {
            stage.deliver_to_all(number, MINUTE * 5)?;
        }
        stage.run_for(MINUTE);
        for index in stage.running() {
            assert_eq!(stage.machine(index).unwrap().user_events().len(), 10, "member {index}, seed {seed}");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn two_halves_hear_of_each_other_what_they_said_while_apart() {
    let mut stage = plain_ring(10);
    stage.part(&[0, 1, 2, 3, 4]);
    stage.run_for(MINUTE * 2);
    stage.announce(0, 7);
    stage.announce(9, 8);
    stage.act(9, |actor, now| actor.serf.set_tags(now, tags(&[("half", "second")]))).unwrap().unwrap();
    stage.run_for(MINUTE);
    stage.heal();
    for number in [7, 8] {
        stage.deliver_to_all(number, MINUTE * 10).unwrap();
    }
    let half = tags(&[("half", "second")]);
    stage
        .run_until(MINUTE * 10, |stage| {
            stage.running().all(|index| stage.machine(index).unwrap().tags_of("m9") == half)
        })
        .expect("all know the tags of the other half");
}

#[test]
fn a_tag_that_changes_is_known_to_all() {
    let mut stage = ring(3, 15, Network::losing(0.1), |index, config, _| {
        config.tags = tags(&[("number", &index.to_string())]);
    });
    assert_eq!(stage.machine(3).unwrap().tags_of("m14"), tags(&[("number", "14")]));
    stage.act(14, |actor, now| actor.serf.set_tags(now, tags(&[("role", "web")]))).unwrap().unwrap();
    let expected = tags(&[("role", "web")]);
    stage
        .run_until(MINUTE * 2, |stage| {
            stage.running().all(|index| stage.machine(index).unwrap().tags_of("m14") == expected)
        })
        .expect("all know the new tags");
    assert!(stage.machine(0).unwrap().changes_of("m14").contains(&Change::Updated));
}

#[test]
fn who_leaves_has_left_for_all_and_nobody_takes_it_for_failed() {
    each_seed("who_leaves_has_left_for_all", 1..=20, |seed| {
        let mut stage = ring(seed, 12, Network::losing(0.05), |_, _, _| {});
        stage.leave(5);
        stage.run_until(MINUTE * 2, |stage| all_say(stage, "m5", "left")).expect("all say that it left");
        stage.run_until(MINUTE, |stage| stage.machine(5).unwrap().has_left).expect("it may end");
        for index in stage.running() {
            assert!(!stage.machine(index).unwrap().changes_of("m5").contains(&Change::Failed), "{index}, seed {seed}");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn who_leaves_alone_is_gone_at_once() {
    let mut stage = plain_ring(1);
    stage.leave(0);
    stage.run_until(Duration::from_millis(200), |stage| stage.machine(0).unwrap().has_left).expect("it has left");
}

#[test]
fn who_crashed_has_failed_comes_back_and_is_alive() {
    let mut stage = plain_ring(8);
    stage.crash(3);
    stage.run_until(MINUTE, |stage| all_say(stage, "m3", "failed")).expect("all say that it failed");
    stage.restart(3);
    stage.run_until(MINUTE * 3, |stage| all_say(stage, "m3", "alive")).expect("somebody tries to reach it again");
}

#[test]
fn somebody_says_for_the_failed_that_it_left_and_it_is_pruned() {
    let mut stage = plain_ring(6);
    stage.crash(3);
    stage.run_until(MINUTE, |stage| all_say(stage, "m3", "failed")).expect("all say that it failed");
    stage.act(0, |actor, now| actor.serf.force_leave(now, "m3", Prune::No)).unwrap().unwrap();
    stage.run_until(MINUTE, |stage| all_say(stage, "m3", "left")).expect("all say that it left");
    stage.act(1, |actor, now| actor.serf.force_leave(now, "m3", Prune::Yes)).unwrap().unwrap();
    let is_forgotten =
        |stage: &Stage| stage.running().all(|index| !stage.machine(index).unwrap().statuses().contains_key("m3"));
    stage.run_until(MINUTE, is_forgotten).expect("all have forgotten it");
    stage.run_for(MINUTE * 2);
    assert!(is_forgotten(&stage), "it came back");
}

#[test]
fn who_left_is_pruned_by_those_too_that_count_its_leave_as_later() {
    let mut stage = plain_ring(3);
    stage.crash(2);
    stage.run_until(MINUTE, |stage| all_say(stage, "m2", "failed")).expect("all say that it failed");
    stage.act(0, |actor, now| actor.serf.force_leave(now, "m2", Prune::No)).unwrap().unwrap();
    stage.run_until(MINUTE, |stage| all_say(stage, "m2", "left")).expect("all say that it left");
    // What an agent of Serf makes of a state in which a member has left.
    stage.act(1, |actor, now| {
        let members = &mut actor.serf.gossip_mut().members;
        let time = LamportTime(members.get("m2").unwrap().status_time.0 + 1);
        members.leave_intent(now, &"m2".into(), time, None, None);
    });
    stage.act(0, |actor, now| actor.serf.force_leave(now, "m2", Prune::Yes)).unwrap().unwrap();
    let is_forgotten =
        |stage: &Stage| stage.running().all(|index| !stage.machine(index).unwrap().statuses().contains_key("m2"));
    stage.run_until(MINUTE, is_forgotten).expect("all have forgotten it");
}

#[test]
fn a_lie_that_a_member_leaves_is_contradicted() {
    let mut stage = plain_ring(6);
    stage.act(0, |actor, now| actor.serf.force_leave(now, "m3", Prune::No)).unwrap().unwrap();
    stage.run_for(Duration::from_millis(50));
    stage.run_until(MINUTE, |stage| all_say(stage, "m3", "alive")).expect("it says that it is there");
}

#[test]
fn the_failed_and_the_left_are_forgotten_after_their_time() {
    let mut stage = ring(5, 5, Network::default(), |_, config, _| {
        config.reconnect_timeout = MINUTE * 3;
        config.tombstone_timeout = MINUTE * 5;
    });
    stage.crash(1);
    stage.leave(2);
    stage.run_for(MINUTE);
    stage.crash(2);
    let known = |stage: &Stage, name: &str| stage.machine(0).unwrap().statuses().contains_key(name);
    assert!(known(&stage, "m1") && known(&stage, "m2"));
    stage.run_for(MINUTE * 3);
    assert!(!known(&stage, "m1") && known(&stage, "m2"));
    stage.run_for(MINUTE * 3);
    assert!(!known(&stage, "m2"));
    assert_eq!(stage.machine(0).unwrap().changes_of("m1").last(), Some(&Change::Reaped));
}

#[test]
fn who_joins_hears_what_was_said_before_only_if_it_wants_to() {
    let mut stage = plain_ring(4);
    stage.announce(0, 1);
    stage.deliver_to_all(1, MINUTE).unwrap();
    // Nobody repeats it any more: what a newcomer hears by gossip is no matter of what it asks for.
    stage.run_for(MINUTE);
    let seed = stage.address(0).unwrap();
    for (index, replay) in [(4, Replay::No), (5, Replay::Yes)] {
        assert_eq!(stage.start(), index);
        stage.act(index, |actor, now| actor.serf.join(now, vec![seed], Persistence::Once, replay)).unwrap().unwrap();
    }
    stage.converge(MINUTE).unwrap();
    stage.announce(1, 2);
    stage.deliver_to_all(2, MINUTE).unwrap();
    stage.run_for(MINUTE * 2);
    let heard = |index: usize| stage.machine(index).unwrap().user_events().len();
    assert_eq!((heard(4), heard(5)), (1, 2));
}

#[test]
fn members_that_come_together_are_told_together() {
    const WINDOW: Window = Window { period: Duration::from_secs(5), quiescent: Duration::from_secs(2) };
    let stage = ring(1, 12, Network::default(), |_, config, _| config.coalesce_members = Some(WINDOW));
    let mut stage = stage;
    stage.run_for(MINUTE);
    assert!(stage.machine(0).unwrap().events.len() < 4, "{:?}", stage.machine(0).unwrap().events);
    assert_eq!(stage.machine(0).unwrap().changes_of("m11"), [Change::Joined]);
}

#[test]
fn of_many_that_may_be_told_as_one_the_last_is_told() {
    const WINDOW: Window = Window { period: Duration::from_secs(5), quiescent: Duration::from_secs(2) };
    let mut stage = ring(1, 5, Network::default(), |_, config, _| config.coalesce_user_events = Some(WINDOW));
    for number in 0..5 {
        let payload = Bytes::from(number.to_string());
        stage.act(0, |actor, now| actor.serf.user_event(now, "deploy", payload, Coalesce::Allowed)).unwrap().unwrap();
    }
    stage.run_for(MINUTE);
    for index in stage.running() {
        let told = stage.machine(index).unwrap().user_events();
        assert_eq!(told.iter().map(|event| &event.payload[..]).collect::<Vec<_>>(), [b"4"]);
    }
}

#[test]
fn members_find_out_how_far_they_are_from_each_other() {
    let far = Network { latency: (Duration::from_millis(40), Duration::from_millis(44)), ..Network::default() };
    let mut stage = ring(1, 6, far, |_, _, _| {});
    stage.run_for(MINUTE * 10);
    let serf = &stage.machine(0).unwrap().serf;
    let (here, there) = (serf.coordinate("m0").unwrap(), serf.coordinate("m5").unwrap());
    let round_trip = crate::serf::vivaldi::round_trip(here, there).unwrap();
    let (least, most) = (Duration::from_millis(60), Duration::from_millis(110));
    assert!((least..most).contains(&round_trip), "{round_trip:?}");
    assert!(serf.coordinate("nobody").is_none());
}

#[test]
fn of_two_members_with_one_name_the_ring_keeps_the_one_that_it_knows() {
    let mut stage = ring(1, 6, Network::default(), |index, config, _| {
        if index == 6 {
            config.swim.name = "m2".into();
        }
    });
    stage.start();
    let seed = stage.address(0).unwrap();
    stage.act(6, |actor, now| actor.join(now, vec![seed]));
    stage.run_until(MINUTE, |stage| stage.machine(6).unwrap().has_lost).expect("the other one finds out");
    assert!(!stage.machine(2).unwrap().has_lost, "the first one lost");
}
