use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::wire::message::{Alive, State, Versions};

const AGES: Ages =
    Ages { failed: Duration::from_hours(24), left: Duration::from_hours(24), intents: Duration::from_mins(5) };

fn found(name: &str) -> swim::Member {
    let said = Alive {
        incarnation: 1,
        name: name.into(),
        address: ([127, 0, 0, 1], 7946).into(),
        meta: Bytes::new(),
        versions: Versions::default(),
    };
    swim::Member { said: Arc::new(said), state: State::Alive, since: Time::ZERO }
}

/// A ring of this name alone.
fn ring(name: &str) -> Members {
    let mut members = Members::default();
    members.joined(&found(name));
    members.events.clear();
    members
}

fn leave(members: &mut Members, name: &str, time: u64) -> Heard {
    members.leave_intent(Time::ZERO, &name.into(), LamportTime(time), None, None)
}

fn join(members: &mut Members, name: &str, time: u64) -> Heard {
    members.join_intent(Time::ZERO, &name.into(), LamportTime(time))
}

fn status(members: &Members, name: &str) -> Option<Status> {
    members.get(name).map(|entry| entry.member.status)
}

fn changes(members: &mut Members) -> Vec<Change> {
    let change = |event| match event {
        Event::Members { change, .. } => Some(change),
        _ => None,
    };
    std::mem::take(&mut members.events).into_iter().filter_map(change).collect()
}

#[test]
fn who_said_that_it_leaves_has_left_and_who_did_not_has_failed() {
    let mut members = ring("p1");
    members.joined(&found("p2"));
    assert_eq!(leave(&mut members, "p1", 5), Heard::News);
    assert_eq!(status(&members, "p1"), Some(Status::Leaving));
    members.gone(Time::ZERO, &"p1".into(), Departure::Failed);
    members.gone(Time::ZERO, &"p2".into(), Departure::Failed);
    assert_eq!(status(&members, "p1"), Some(Status::Left));
    assert_eq!(status(&members, "p2"), Some(Status::Failed));
    assert_eq!(changes(&mut members), [Change::Joined, Change::Left, Change::Failed]);
}

#[test]
fn an_old_intent_changes_nothing() {
    let mut members = ring("p1");
    assert_eq!(join(&mut members, "p1", 7), Heard::News);
    assert_eq!(leave(&mut members, "p1", 7), Heard::Old);
    assert_eq!(status(&members, "p1"), Some(Status::Alive));
}

#[test]
fn a_member_that_came_back_takes_its_leave_back() {
    let mut members = ring("p1");
    leave(&mut members, "p1", 5);
    assert_eq!(join(&mut members, "p1", 6), Heard::News);
    assert_eq!(status(&members, "p1"), Some(Status::Alive));
}

#[test]
fn an_intent_that_arrives_before_its_member_is_applied_when_it_comes() {
    let mut members = ring("p1");
    assert_eq!(leave(&mut members, "p2", 9), Heard::News);
    members.joined(&found("p2"));
    assert_eq!(status(&members, "p2"), Some(Status::Leaving));
    assert_eq!(join(&mut members, "p2", 9), Heard::Old, "its time counts from then on");
}

#[test]
fn a_member_does_not_let_others_say_that_it_leaves() {
    let mut members = ring("p1");
    let me = "p1".into();
    assert_eq!(members.leave_intent(Time::ZERO, &me, LamportTime(5), Some(&me), None), Heard::Wrong);
    assert_eq!(status(&members, "p1"), Some(Status::Alive));
}

#[test]
fn a_failed_member_leaves_on_somebodys_word_and_is_pruned_if_asked() {
    let mut members = ring("p1");
    members.gone(Time::ZERO, &"p1".into(), Departure::Failed);
    assert_eq!(leave(&mut members, "p1", 5), Heard::News);
    assert_eq!(status(&members, "p1"), Some(Status::Left));
    let later = Time::after(Duration::from_secs(6));
    members.leave_intent(Time::ZERO, &"p1".into(), LamportTime(6), None, Some(later));
    assert_eq!(members.reap(Time::ZERO, AGES), ["p1".into()], "it is gone already: no need to wait");
    assert_eq!(changes(&mut members), [Change::Failed, Change::Left, Change::Reaped]);
}

#[test]
fn a_member_that_is_there_gets_time_to_go_before_it_is_pruned() {
    let mut members = ring("p1");
    let later = Time::after(Duration::from_secs(6));
    members.leave_intent(Time::ZERO, &"p1".into(), LamportTime(6), None, Some(later));
    assert!(members.reap(Time::ZERO, AGES).is_empty());
    assert_eq!(members.next_prune(), Some(later));
    assert_eq!(members.reap(later, AGES), ["p1".into()]);
}

#[test]
fn a_member_that_failed_is_forgotten_after_a_day_and_not_before() {
    let mut members = ring("p1");
    members.gone(Time::after(Duration::from_secs(10)), &"p1".into(), Departure::Failed);
    let day = Duration::from_hours(24);
    assert!(members.reap(Time::after(day), AGES).is_empty());
    assert_eq!(members.reap(Time::after(day + Duration::from_secs(11)), AGES), ["p1".into()]);
    assert_eq!(members.count(), Count::default());
}

#[test]
fn what_another_member_knows_of_a_leave_decides_what_became_of_one_who_failed() {
    let mut members = ring("p1");
    join(&mut members, "p1", 4);
    let elsewhere =
        |members: &mut Members, time| members.left_elsewhere(Time::ZERO, &"p1".into(), LamportTime(time), None);
    assert_eq!(elsewhere(&mut members, 4), Heard::Old, "it has joined at 4, and is there");
    members.gone(Time::ZERO, &"p1".into(), Departure::Failed);
    assert_eq!(elsewhere(&mut members, 3), Heard::Old, "that was before it joined again");
    assert_eq!(elsewhere(&mut members, 4), Heard::News);
    assert_eq!(status(&members, "p1"), Some(Status::Left));
    assert_eq!(leave(&mut members, "p1", 5), Heard::News, "what is said next is not outrun");
}
