mod the_dead;
mod versions;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::simulation::Talk;
use crate::wire::keyring::{Key, Keyring};
use crate::wire::message::{
    Ack, Dead, IndirectPing, Kind, MemberState, Nack, Ping, PushPull, Source, StreamMessage, Suspect, Versions, encode,
};
use crate::wire::{Compression, Label, Layers};

type Tested = Swim<Talk>;

fn address(last: u8) -> SocketAddr {
    ([127, 0, 0, last], 7946).into()
}

fn at(milliseconds: u64) -> Time {
    Time::after(Duration::from_millis(milliseconds))
}

fn config() -> Config {
    Config::lan("me", address(1))
}

fn start(config: Config) -> Tested {
    let layers = Layers { compression: Compression::Off, ..Layers::default() };
    Swim::new(config, Talk::new(4), layers, [7; 32], Time::ZERO).unwrap()
}

/// A member called `me` that knows `a`, `b`, … at 127.0.0.10 and following, and has nothing more to say about them.
fn in_ring_of(others: u8) -> Tested {
    let mut swim = start(config());
    let all: Vec<_> = (0..others).map(|index| Arc::new(alive(&letter(index), 1, 10 + index))).collect();
    swim.acquaint(Time::ZERO, &all);
    swim.news = Queue::new(4, 100);
    swim.application_mut().take_changes();
    swim
}

fn letter(index: u8) -> String {
    char::from(b'a' + index).to_string()
}

fn alive(name: &str, incarnation: u32, last: u8) -> Alive {
    let versions = Versions::default();
    Alive { incarnation, name: name.into(), address: address(last), meta: Bytes::new(), versions }
}

fn suspect(name: &str, incarnation: u32, from: &str) -> Message {
    Message::Suspect(Suspect { incarnation, name: name.into(), from: from.into() })
}

fn dead(name: &str, incarnation: u32, from: &str) -> Message {
    Message::Dead(Dead { incarnation, name: name.into(), from: from.into() })
}

fn hear(swim: &mut Tested, now: Time, from: u8, message: &Message) {
    swim.handle(now, Input::Datagram { from: address(from), bytes: encode(message) });
}

/// All that it wants done.
fn outputs(swim: &mut Tested) -> Vec<Output> {
    std::iter::from_fn(|| swim.poll()).collect()
}

/// The messages that it sends, and to whom.
fn sent(swim: &mut Tested) -> Vec<(SocketAddr, Message)> {
    let layers = swim.layers().clone();
    let datagrams = outputs(swim).into_iter().filter_map(|output| match output {
        Output::Datagram { to, bytes } => Some((to, packet::open(&layers, &bytes).unwrap().messages)),
        _ => None,
    });
    datagrams.flat_map(|(to, messages)| messages.into_iter().map(move |message| (to, message))).collect()
}

/// Ticks at each waking until a time; what was sent.
fn run_until(swim: &mut Tested, end: Time) -> Vec<(SocketAddr, Message)> {
    let mut all = sent(swim);
    while let Some(wake) = swim.wake_at().filter(|wake| *wake <= end) {
        swim.handle(wake, Input::Tick);
        all.extend(sent(swim));
    }
    all
}

fn changes(swim: &mut Tested) -> Vec<Change> {
    swim.application_mut().take_changes()
}

#[test]
fn a_ping_is_answered_where_the_asker_listens_and_only_by_the_one_that_is_meant() {
    let mut swim = in_ring_of(1);
    let ping = |target: &str| {
        let source = Some(Source { name: "a".into(), address: address(10) });
        Message::Ping(Ping { sequence: 5, target: target.into(), source })
    };
    hear(&mut swim, at(0), 99, &ping("me"));
    let answer = Message::Ack(Ack { sequence: 5, payload: Bytes::new() });
    assert_eq!(sent(&mut swim), [(address(10), answer)]);
    hear(&mut swim, at(0), 99, &ping("somebody else"));
    assert_eq!(sent(&mut swim), []);
}

#[test]
fn whoever_answers_nobody_is_asked_by_others_and_by_stream_and_then_suspected() {
    let mut swim = in_ring_of(6);
    let (mut helpers, mut streams, mut pings) = (0, 0, 0);
    let deadline = at(2100);
    while swim.wake_at().unwrap() <= deadline && swim.counters().failed_probes == 0 {
        let now = swim.wake_at().unwrap();
        swim.handle(now, Input::Tick);
        for output in outputs(&mut swim) {
            match output {
                Output::Datagram { bytes, .. } => match packet::open(swim.layers(), &bytes).unwrap().messages[0] {
                    Message::Ping(_) => pings += 1,
                    Message::IndirectPing(IndirectPing { nack: true, .. }) => helpers += 1,
                    _ => {}
                },
                Output::Exchange(Exchange { message: StreamMessage::Ping(_), .. }) => streams += 1,
                _ => {}
            }
        }
    }
    assert_eq!((helpers, streams), (3, 1));
    assert!(pings >= 2, "it is pinged again: {pings}");
    assert_eq!(swim.members().filter(|member| member.state == State::Suspect).count(), 1);
    // Nobody sent a nack: that speaks against this member.
    assert_eq!(swim.health(), 3);
}

#[test]
fn nacks_and_streams_that_answer_clear_this_member_and_the_other() {
    let mut swim = in_ring_of(6);
    let mut sequence = None;
    while sequence.is_none() {
        let now = swim.wake_at().unwrap();
        swim.handle(now, Input::Tick);
        for output in outputs(&mut swim) {
            if let Output::Exchange(Exchange { id, message: StreamMessage::Ping(ping), .. }) = output {
                sequence = Some((now, id, ping.sequence));
            }
        }
    }
    let (now, exchange, sequence) = sequence.unwrap();
    for helper in 10..16 {
        hear(&mut swim, now, helper, &Message::Nack(Nack { sequence }));
    }
    let answer = StreamMessage::Ack(Ack { sequence, payload: Bytes::new() });
    swim.handle(now, Input::Answered { exchange, answer: Ok(Some(answer)) });
    assert_eq!((swim.health(), swim.counters().failed_probes), (0, 0));
    assert!(swim.members().all(|member| member.state == State::Alive));
}

#[test]
fn a_ping_for_another_member_is_passed_on_and_so_is_its_answer_or_its_absence() {
    let mut swim = in_ring_of(2);
    let request = Message::IndirectPing(IndirectPing {
        sequence: 77,
        target: "b".into(),
        address: address(11),
        nack: true,
        source: Some(Source { name: "a".into(), address: address(10) }),
    });
    hear(&mut swim, at(0), 10, &request);
    let own = match &sent(&mut swim)[..] {
        [(to, Message::Ping(ping))] if *to == address(11) && &*ping.target == "b" => ping.sequence,
        other => panic!("{other:?}"),
    };
    hear(&mut swim, at(10), 11, &Message::Ack(Ack { sequence: own, payload: "own business".into() }));
    assert_eq!(sent(&mut swim), [(address(10), Message::Ack(Ack { sequence: 77, payload: Bytes::new() }))]);

    hear(&mut swim, at(20), 10, &request);
    sent(&mut swim);
    let later = run_until(&mut swim, at(600));
    assert!(later.contains(&(address(10), Message::Nack(Nack { sequence: 77 }))), "{later:?}");
}

#[test]
fn whoever_is_suspected_refutes_to_all_and_to_the_accuser_at_once() {
    let mut swim = in_ring_of(2);
    hear(&mut swim, at(0), 11, &suspect("me", 6, "a"));
    let refutation = Message::Alive(alive("me", 7, 1));
    assert_eq!(sent(&mut swim), [(address(10), refutation.clone())]);
    let told: Vec<_> = run_until(&mut swim, at(0)).into_iter().map(|(to, message)| (to.port(), message)).collect();
    assert_eq!(told, [(7946, refutation.clone()), (7946, refutation)]);
    // An old accusation is answered to the accuser alone, and changes nothing.
    hear(&mut swim, at(1), 11, &dead("me", 3, "b"));
    assert_eq!(sent(&mut swim), [(address(11), Message::Alive(alive("me", 7, 1)))]);
    assert_eq!(swim.local().unwrap().incarnation, 7);
}

#[test]
fn the_higher_incarnation_is_right_and_at_the_same_one_the_worse_news() {
    let mut swim = in_ring_of(5);
    let state = |swim: &Tested| (swim.member("a").unwrap().state, swim.member("a").unwrap().incarnation);
    hear(&mut swim, at(0), 11, &suspect("a", 0, "b"));
    assert_eq!(state(&swim), (State::Alive, 1));
    hear(&mut swim, at(0), 11, &suspect("a", 1, "b"));
    assert_eq!(state(&swim), (State::Suspect, 1));
    hear(&mut swim, at(0), 10, &Message::Alive(alive("a", 1, 10)));
    assert_eq!(state(&swim), (State::Suspect, 1));
    hear(&mut swim, at(0), 10, &Message::Alive(alive("a", 2, 10)));
    assert_eq!(state(&swim), (State::Alive, 2));
    hear(&mut swim, at(0), 11, &dead("a", 2, "b"));
    assert_eq!(state(&swim), (State::Dead, 2));
    hear(&mut swim, at(0), 10, &Message::Alive(alive("a", 2, 10)));
    assert_eq!(state(&swim), (State::Dead, 2));
    hear(&mut swim, at(0), 10, &Message::Alive(alive("a", 3, 10)));
    assert_eq!(state(&swim), (State::Alive, 3));
    hear(&mut swim, at(0), 10, &dead("a", 3, "a"));
    assert_eq!(state(&swim), (State::Left, 3));
    let seen: Vec<_> = changes(&mut swim)
        .into_iter()
        .map(|change| match change {
            Change::Joined(_) => "joined",
            Change::Gone(_, Departure::Failed) => "failed",
            Change::Gone(_, Departure::Left) => "left",
            _ => "else",
        })
        .collect();
    assert_eq!(seen, ["failed", "joined", "left"]);
}

#[test]
fn a_name_moves_to_another_address_only_after_its_holder_has_gone_for_long() {
    let mut swim = in_ring_of(3);
    let elsewhere = Message::Alive(alive("a", 9, 99));
    hear(&mut swim, at(0), 99, &elsewhere);
    assert!(matches!(&changes(&mut swim)[..], [Change::Conflict { claimant, .. }] if *claimant == address(99)));
    hear(&mut swim, at(0), 11, &dead("a", 9, "b"));
    hear(&mut swim, at(29_000), 99, &elsewhere);
    assert_eq!(swim.member("a").unwrap().address, address(10));
    hear(&mut swim, at(31_000), 99, &elsewhere);
    assert_eq!(swim.member("a").unwrap().address, address(99));
    // Whoever left has given its name up.
    hear(&mut swim, at(31_000), 99, &dead("b", 1, "b"));
    hear(&mut swim, at(31_000), 99, &Message::Alive(alive("b", 1, 98)));
    assert_eq!(swim.member("b").unwrap().address, address(98));
}

#[test]
fn somebody_thought_dead_that_shows_itself_is_told_so() {
    let mut swim = in_ring_of(3);
    hear(&mut swim, at(0), 11, &dead("a", 4, "b"));
    sent(&mut swim);
    let source = Some(Source { name: "a".into(), address: address(10) });
    hear(&mut swim, at(5), 10, &Message::Ping(Ping { sequence: 1, target: "me".into(), source }));
    assert!(sent(&mut swim).contains(&(address(10), dead("a", 4, "me"))));
    // A minute later it comes as a new member, which knows nothing of its former life.
    hear(&mut swim, at(60_000), 10, &Message::Alive(alive("a", 1, 10)));
    assert_eq!(sent(&mut swim), [(address(10), dead("a", 4, "me"))]);
}

#[test]
fn whoever_leaves_says_so_itself_and_ends_when_that_is_told() {
    let mut swim = in_ring_of(2);
    swim.leave(at(0));
    let mut told = Vec::new();
    let mut ended = None;
    while ended.is_none() {
        let now = swim.wake_at().unwrap();
        swim.handle(now, Input::Tick);
        for output in outputs(&mut swim) {
            match output {
                Output::Datagram { bytes, .. } => {
                    told.extend(packet::open(swim.layers(), &bytes).unwrap().messages);
                }
                Output::Left => ended = Some(now),
                _ => {}
            }
        }
    }
    assert!(told.iter().filter(|message| **message == dead("me", 1, "me")).count() >= 4, "{told:?}");
    assert!(ended.unwrap() < at(2000));
    // What others still believe brings it back no more.
    hear(&mut swim, at(2000), 10, &Message::Alive(alive("me", 1, 1)));
    assert_eq!(swim.local().unwrap().state, State::Left);
}

#[test]
fn whoever_is_alone_has_left_at_once() {
    let mut swim = start(config());
    swim.leave(at(5));
    assert!(matches!(&outputs(&mut swim)[..], [Output::Left]));
}

#[test]
fn a_join_ends_with_who_answered_and_who_did_not() {
    let mut swim = start(config());
    let join = swim.join(at(0), vec![address(20), address(21), address(1)], Persistence::Once);
    let asked: Vec<_> = outputs(&mut swim)
        .into_iter()
        .filter_map(|output| match output {
            Output::Exchange(exchange) => Some((exchange.id, exchange.to)),
            _ => None,
        })
        .collect();
    assert_eq!(asked.iter().map(|(_, to)| *to).collect::<Vec<_>>(), [address(20), address(21)]);
    let member = alive("a", 3, 20);
    let state = MemberState {
        name: member.name,
        address: member.address,
        meta: Bytes::new(),
        incarnation: 3,
        state: State::Alive,
        versions: member.versions,
    };
    let answer = StreamMessage::PushPull(PushPull { join: false, members: vec![state], user_state: Bytes::new() });
    swim.handle(at(9), Input::Answered { exchange: asked[0].0, answer: Ok(Some(answer)) });
    let failure = Failure::TimedOut { to: address(21) };
    swim.handle(at(10), Input::Answered { exchange: asked[1].0, answer: Err(failure.clone()) });
    let ended = outputs(&mut swim).into_iter().find_map(|output| match output {
        Output::JoinEnded { join, reached, failed } => Some((join, reached, failed)),
        _ => None,
    });
    assert_eq!(ended.unwrap(), (join, vec![address(20)], vec![(address(21), failure)]));
    assert_eq!(swim.member("a").unwrap().incarnation, 3);
}

#[test]
fn a_ring_that_speaks_another_protocol_is_not_joined() {
    let mut swim = in_ring_of(1);
    let versions = Versions { protocol_min: 6, protocol_max: 9, protocol: 6, ..Versions::default() };
    let state = MemberState {
        name: "new".into(),
        address: address(20),
        meta: Bytes::new(),
        incarnation: 1,
        state: State::Alive,
        versions,
    };
    let message = StreamMessage::PushPull(PushPull { join: true, members: vec![state], user_state: Bytes::new() });
    swim.handle(at(0), Input::Request { stream: StreamId(1), from: address(20), message });
    assert!(swim.member("new").is_none());
    assert!(matches!(&outputs(&mut swim)[..], [Output::Reply { stream: StreamId(1), .. }]));
}

#[test]
fn no_datagram_is_larger_than_configured_whatever_there_is_to_say() {
    for datagram_size in [1200, 1400] {
        let key = Key::from_bytes(&[3; 32]).unwrap();
        let layers = Layers {
            label: Label::new("the-label-of-a-ring").unwrap(),
            keyring: Some(Keyring::new(key)),
            compression: Compression::Off,
            ..Layers::default()
        };
        let config = Config { datagram_size, ..config() };
        let mut swim = Swim::new(config, Talk::new(4), layers, [7; 32], Time::ZERO).unwrap();
        for index in 0..200_u8 {
            let said =
                Alive { meta: vec![index; usize::from(index) * 2].into(), ..alive(&format!("m{index}"), 1, index) };
            swim.alive(at(0), said, Origin::Gossip);
            swim.application_mut().hear(index.into());
        }
        let mut sizes = Vec::new();
        for _ in 0..200 {
            let now = swim.wake_at().unwrap();
            swim.handle(now, Input::Tick);
            sizes.extend(outputs(&mut swim).into_iter().filter_map(|output| match output {
                Output::Datagram { bytes, .. } => Some(bytes.len()),
                _ => None,
            }));
        }
        let largest = sizes.iter().copied().max().unwrap();
        assert!(largest <= datagram_size, "{largest}");
        assert!(largest > datagram_size - 100, "datagrams are filled: {largest}");
    }
}

#[test]
fn a_flood_of_names_ends_at_the_configured_number() {
    let mut swim = start(Config { max_members: 50, ..config() });
    for index in 0..1000_u32 {
        hear(&mut swim, at(0), 9, &Message::Alive(alive(&format!("liar-{index}"), 1, 9)));
    }
    assert_eq!(swim.members().count(), 50);
    assert!(swim.news.len() <= 50);
}

#[test]
fn a_flood_of_requests_for_pings_is_passed_on_only_so_far() {
    let mut swim = in_ring_of(1);
    for sequence in 0..5000 {
        let request = IndirectPing {
            sequence,
            target: "victim".into(),
            address: address(66),
            nack: true,
            source: Some(Source { name: "a".into(), address: address(10) }),
        };
        hear(&mut swim, at(0), 10, &Message::IndirectPing(request));
    }
    assert_eq!(sent(&mut swim).len(), 512);
}

#[test]
fn whoever_gains_and_loses_members_for_ever_forgets_them() {
    let mut swim = in_ring_of(1);
    for minute in 0..60_u64 {
        let now = at(minute * 60_000);
        let name = format!("passer-by-{minute}");
        hear(&mut swim, now, 9, &Message::Alive(alive(&name, 1, 9)));
        hear(&mut swim, now, 9, &dead(&name, 1, &name));
        run_until(&mut swim, at(minute * 60_000 + 59_000));
    }
    let count = swim.members().count();
    assert!(count < 20, "{count}");
}

#[test]
fn members_of_both_families_of_addresses_know_each_other() {
    let mut swim = in_ring_of(1);
    let v6: SocketAddr = "[2001:db8::5]:7946".parse().unwrap();
    hear(&mut swim, at(0), 10, &Message::Alive(Alive { address: v6, ..alive("six", 1, 0) }));
    assert_eq!(swim.member("six").unwrap().address, v6);
    assert!(run_until(&mut swim, at(3000)).iter().any(|(to, _)| *to == v6));
}

#[test]
fn what_a_member_says_of_itself_has_a_bound() {
    let mut swim = start(config());
    swim.application_mut().meta = vec![0; 513].into();
    assert!(matches!(swim.update_meta(at(0)), Err(ConfigError::Meta { bytes: 513, .. })));
    swim.application_mut().meta = vec![0; 512].into();
    swim.update_meta(at(0)).unwrap();
    assert_eq!((swim.local().unwrap().meta.len(), swim.local().unwrap().incarnation), (512, 2));
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let refused = |config: Config| Swim::new(config, Talk::new(4), Layers::default(), [7; 32], Time::ZERO).err();
    assert!(matches!(refused(Config::lan("", address(1))), Some(ConfigError::Name { .. })));
    let nowhere = ([0, 0, 0, 0], 7946).into();
    assert!(matches!(refused(Config::lan("me", nowhere)), Some(ConfigError::Address { .. })));
    let small = Config { datagram_size: 500, ..config() };
    assert!(matches!(refused(small), Some(ConfigError::Datagram { bytes: 500 })));
}

/// How often it wakes in ten seconds from then on.
fn wakings(swim: &mut Tested, from: u64) -> usize {
    run_until(swim, at(from));
    let mut count = 0;
    while let Some(wake) = swim.wake_at().filter(|wake| *wake <= at(from + 10_000)) {
        swim.handle(wake, Input::Tick);
        count += 1;
    }
    count
}

#[test]
fn a_member_alone_in_quiet_sleeps_between_probes() {
    let mut swim = start(config());
    let wakings = wakings(&mut swim, 10_000);
    assert!(wakings <= 12, "{wakings}");
}

#[test]
fn a_member_alone_among_the_dead_is_not_woken_by_news_that_nobody_hears() {
    let mut swim = in_ring_of(2);
    for name in ["a", "b"] {
        hear(&mut swim, at(0), 66, &dead(name, 1, "c"));
    }
    let wakings = wakings(&mut swim, 60_000);
    assert!(wakings <= 12, "{wakings}");
}

/// Messages as a liar may send them: sound in form, about few names, with any numbers.
fn any_message() -> impl Strategy<Value = Message> {
    let name = || prop_oneof![Just("me"), Just("a"), Just("b"), Just("new"), Just("")].prop_map(Name::from);
    let number = || prop_oneof![0..4_u32, Just(u32::MAX), any::<u32>()];
    let any_address = || (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from);
    let source =
        move || proptest::option::of((name(), any_address()).prop_map(|(name, address)| Source { name, address }));
    prop_oneof![
        (number(), name(), source())
            .prop_map(|(sequence, target, source)| { Message::Ping(Ping { sequence, target, source }) }),
        (number(), name(), any_address(), any::<bool>(), source()).prop_map(
            |(sequence, target, address, nack, source)| {
                Message::IndirectPing(IndirectPing { sequence, target, address, nack, source })
            }
        ),
        (number(), name(), name())
            .prop_map(|(incarnation, name, from)| { Message::Suspect(Suspect { incarnation, name, from }) }),
        (number(), name(), name()).prop_map(|(incarnation, name, from)| Message::Dead(Dead {
            incarnation,
            name,
            from
        })),
        (number(), name(), any_address(), any::<[u8; 6]>()).prop_map(|(incarnation, name, address, versions)| {
            let versions = Versions::from_bytes(&versions);
            Message::Alive(Alive { incarnation, name, address, meta: Bytes::new(), versions })
        }),
        number().prop_map(|sequence| Message::Nack(Nack { sequence })),
        number().prop_map(|sequence| Message::Ack(Ack { sequence, payload: Bytes::new() })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_lie_ends_a_member_or_takes_its_name(lies in proptest::collection::vec((any_message(), 0..3000_u64), 1..60)) {
        let mut swim = in_ring_of(4);
        let mut now = Time::ZERO;
        let mut incarnation = 1;
        for (lie, wait) in lies {
            now = now + Duration::from_millis(wait);
            hear(&mut swim, now, 66, &lie);
            let sent = run_until(&mut swim, now);
            prop_assert!(sent.len() < 500);
            let me = swim.local().unwrap();
            prop_assert_eq!(me.state, State::Alive);
            prop_assert_eq!(me.address, address(1));
            prop_assert!(me.incarnation >= incarnation);
            incarnation = me.incarnation;
        }
        prop_assert!(swim.members().count() <= 6);
    }

    #[test]
    fn rubbish_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let mut swim = in_ring_of(2);
        swim.handle(at(0), Input::Datagram { from: address(66), bytes: bytes.into() });
        prop_assert!(outputs(&mut swim).len() < 300);
    }
}
