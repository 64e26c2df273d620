//! What is refused, and what floods and lies cost.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::stage::plain_ring;
use crate::serf::{Acks, Coalesce, Config, Error, Question, Serf, Tags};
use crate::swim::{self, Application as _};
use crate::time::Time;
use crate::wire::Layers;
use crate::wire::serf::{
    self as messages, Filter, Join, LamportTime, Leave, Query, QueryFlags, Relay, SerfMessage, UserEvent,
};

fn member() -> Serf {
    let config = Config::new(swim::Config::lan("p1", ([127, 0, 0, 1], 7946).into()));
    let mut member = Serf::new(config, Layers::default(), None, [1; 32], Time::ZERO).unwrap();
    outputs(&mut member);
    member
}

fn outputs(member: &mut Serf) -> usize {
    std::iter::from_fn(|| member.poll()).count()
}

fn tell(member: &mut Serf, message: &SerfMessage) {
    member.gossip_mut().message(Time::ZERO, &messages::encode(message));
    member.settle(Time::ZERO);
}

#[test]
fn what_is_too_large_to_be_passed_on_is_refused() {
    let mut member = member();
    let now = Time::ZERO;
    let large = |size: usize| Bytes::from(vec![0; size]);
    let event = member.user_event(now, "event", large(508), Coalesce::Forbidden);
    assert_eq!(event.unwrap_err().to_string(), "a user event of 543 bytes is too large: 512 is the most");
    assert_eq!(member.user_event(now, "event", large(460), Coalesce::Forbidden), Ok(()));
    let query = member.query(now, Question { payload: large(1020), ..Question::default() });
    assert!(matches!(query, Err(Error::QueryTooLarge { limit: 1024, .. })), "{query:?}");
    let tags = Tags::from([("role".to_owned(), "x".repeat(510))]);
    assert!(matches!(member.set_tags(now, tags), Err(Error::TagsTooLarge { .. })));
    let expression = Question { tags: Tags::from([("role".to_owned(), "(".to_owned())]), ..Question::default() };
    assert_eq!(member.query(now, expression).unwrap_err().to_string(), "`(` is not a regular expression");
    assert_eq!(
        member.force_leave(now, "p9", crate::serf::Prune::No).unwrap_err().to_string(),
        "there is no member `p9`"
    );
}

#[test]
fn who_has_left_does_nothing_more() {
    let mut member = member();
    member.leave(Time::ZERO);
    assert_eq!(member.user_event(Time::ZERO, "event", Bytes::new(), Coalesce::Forbidden), Err(Error::Left));
    assert_eq!(member.query(Time::ZERO, Question::default()), Err(Error::Left));
    assert_eq!(member.set_tags(Time::ZERO, Tags::new()), Err(Error::Left));
}

#[test]
fn a_flood_of_queries_of_ones_own_is_refused() {
    let mut member = member();
    let refused = (0..5000).filter(|_| member.query(Time::ZERO, Question::default()).is_err()).count();
    assert_eq!(refused, 5000 - 1024);
}

#[test]
fn a_flood_of_all_that_can_be_said_keeps_within_its_bounds() {
    let mut member = member();
    let mut chance = ChaCha8Rng::seed_from_u64(3);
    for number in 0..12_000_u64 {
        let time = LamportTime(chance.random_range(0..3) * (number / 10));
        let name = number.to_string();
        let message = match number % 4 {
            0 => SerfMessage::UserEvent(UserEvent { time, name, payload: vec![0; 500].into(), coalesce: false }),
            1 => SerfMessage::Join(Join { time, name: name.into() }),
            2 => SerfMessage::Leave(Leave { time, name: name.into(), prune: true }),
            _ => SerfMessage::Query(Query {
                time,
                id: chance.random(),
                address: ([127, 0, 0, 9], 1).into(),
                source: None,
                filters: vec![],
                flags: QueryFlags { ack: true, no_broadcast: false },
                relay_factor: 255,
                timeout: Duration::MAX,
                name,
                payload: Bytes::new(),
            }),
        };
        tell(&mut member, &message);
        outputs(&mut member);
    }
    let gossip = member.gossip();
    assert!(gossip.waiting.len() <= 1024, "{}", gossip.waiting.len());
    for queue in [&gossip.event_queue, &gossip.query_queue, &gossip.intent_queue] {
        assert!(queue.len() <= 4096, "{}", queue.len());
    }
    let state = member.gossip_mut().local_state(false);
    assert!(state.len() < 6 * 1024 * 1024, "{}", state.len());
    assert_eq!(member.members().count(), 1);
}

#[test]
fn one_lie_about_the_time_does_not_make_a_member_deaf() {
    let mut stage = plain_ring(3);
    stage.act(1, |actor, _| {
        let time = LamportTime(u64::MAX);
        let event = UserEvent { time, name: "lie".to_owned(), payload: Bytes::new(), coalesce: false };
        tell(&mut actor.serf, &SerfMessage::UserEvent(event));
        tell(&mut actor.serf, &SerfMessage::Join(Join { time, name: "m0".into() }));
        tell(&mut actor.serf, &SerfMessage::Leave(Leave { time, name: "m0".into(), prune: true }));
    });
    stage.announce(0, 5);
    stage.deliver_to_all(5, Duration::from_mins(1)).unwrap();
    assert_eq!(stage.machine(1).unwrap().statuses()["m0"], "alive");
    assert_eq!(stage.machine(1).unwrap().user_events().len(), 1);
}

#[test]
fn an_expression_that_nobody_can_compile_is_for_nobody() {
    let mut member = member();
    for (id, expression) in ["(".to_owned(), "a{1000}{1000}{1000}".to_owned(), "(".repeat(900)].into_iter().enumerate()
    {
        tell(
            &mut member,
            &SerfMessage::Query(Query {
                time: LamportTime(1),
                id: u32::try_from(id).unwrap(),
                address: ([127, 0, 0, 9], 1).into(),
                source: None,
                filters: vec![Filter::Tag { tag: "role".to_owned(), expression }],
                flags: QueryFlags { ack: true, no_broadcast: false },
                relay_factor: 0,
                timeout: Duration::from_secs(1),
                name: "q".to_owned(),
                payload: Bytes::new(),
            }),
        );
    }
    assert_eq!(outputs(&mut member), 0);
}

#[test]
fn a_relay_of_a_relay_goes_one_step_and_no_further() {
    let mut member = member();
    let to = ([127, 0, 0, 2], 7946).into();
    let inner =
        messages::encode(&SerfMessage::Relay(Relay { to, name: "p2".into(), message: Bytes::from_static(b"x") }));
    tell(&mut member, &SerfMessage::Relay(Relay { to, name: "p2".into(), message: inner }));
    assert_eq!(outputs(&mut member), 1);
}

#[test]
fn an_ack_is_given_by_who_is_asked_and_not_told_what_it_is() {
    let mut stage = plain_ring(2);
    let question = Question { name: "_serf_ping".to_owned(), acks: Acks::Wanted, ..Question::default() };
    stage.act(0, |actor, now| actor.serf.query(now, question)).unwrap().unwrap();
    stage.run_for(Duration::from_secs(5));
    assert_eq!(stage.machine(0).unwrap().answers.len(), 2);
    assert!(stage.machine(1).unwrap().queries().is_empty());
}

/// What lines of snapshots are made of, right and wrong.
const WORDS: [&str; 12] = [
    "alive: ",
    "not-alive: ",
    "clock: ",
    "query-clock: ",
    "leave",
    "\n",
    " ",
    "a b",
    "127.0.0.1:7946",
    "7",
    "\u{0}",
    "#",
];

proptest! {
    #[test]
    fn no_message_makes_a_member_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..12_u8) {
        let mut member = member();
        member.gossip_mut().message(Time::ZERO, &bytes);
        let typed = [&[kind][..], &bytes].concat();
        member.gossip_mut().message(Time::ZERO, &typed);
        member.gossip_mut().merge_remote_state(Time::ZERO, &typed, true);
        member.settle(Time::ZERO);
        outputs(&mut member);
    }

    #[test]
    fn no_snapshot_makes_it_panic(words in prop::collection::vec(0..WORDS.len(), 0..60)) {
        let text: String = words.into_iter().map(|word| WORDS[word]).collect();
        let snapshot = crate::serf::Snapshot::read(text.as_bytes(), crate::serf::snapshot::AfterLeave::StayAway);
        let again = crate::serf::Snapshot::read(snapshot.text().as_bytes(), crate::serf::snapshot::AfterLeave::StayAway);
        prop_assert_eq!(snapshot, again);
    }
}
