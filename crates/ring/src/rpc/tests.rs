//! Requests and replies as the real program and its clients write them, and as chance does.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::reply::{self, Answer, Body, Event, Expected, Reply};
use super::request::{self, Asked, Query, Request, Secret};
use crate::wire::tests::captures;

/// The requests that a client sent on one connection, with their numbers and bytes.
fn requests(mut bytes: &[u8]) -> Vec<(u64, Request, Vec<u8>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (sequence, asked, length) = request::decode(bytes).unwrap();
        let Asked::Request(request) = asked else { panic!("not known: {asked:?}") };
        all.push((sequence, request, bytes[..length].to_vec()));
        bytes = &bytes[length..];
    }
    all
}

/// What the agent answered to these, with the bytes.
fn replies(mut bytes: &[u8], requests: &[(u64, Request, Vec<u8>)]) -> Vec<(Reply, Vec<u8>)> {
    let mut all: Vec<(Reply, Vec<u8>)> = Vec::new();
    while !bytes.is_empty() {
        let expected = |sequence| {
            let request = requests.iter().find(|request| request.0 == sequence).map(|request| &request.1).unwrap();
            let is_first = all.iter().all(|(reply, _)| reply.sequence != sequence);
            if is_first { Expected::first(request) } else { Expected::further(request).unwrap() }
        };
        let (reply, length) = reply::decode(bytes, expected).unwrap();
        all.push((reply, bytes[..length].to_vec()));
        bytes = &bytes[length..];
    }
    all
}

#[test]
fn every_conversation_of_the_real_program_is_understood_and_written_byte_for_byte() {
    let (mut commands, mut bodies) = (Vec::new(), Vec::new());
    for recording in [captures::plain(), captures::encrypted()] {
        for (asked, answered) in recording.all("rpc-request").iter().zip(recording.all("rpc-reply")) {
            let asked = requests(asked);
            for (sequence, request, bytes) in &asked {
                commands.push(request.command());
                // The program's own ping has no filter of tags, which it writes as nil.
                if !matches!(request, Request::Query(query) if query.name == "_serf_ping") {
                    assert_eq!(request::encode(*sequence, request), bytes, "{request:?}");
                }
            }
            for (reply, bytes) in replies(&answered, &asked) {
                // The program writes maps in any order.
                let mut sorted = [reply::encode(&reply).to_vec(), bytes];
                for bytes in &mut sorted {
                    bytes.sort_unstable();
                }
                // And no keys as nil or as an empty map, by what was asked.
                if !matches!(&reply.body, Some(Body::Keys(keys)) if keys.keys.is_empty()) {
                    assert_eq!(sorted[0], sorted[1], "{reply:?}");
                }
                bodies.extend(reply.body);
            }
        }
    }
    for command in [
        "handshake",
        "event",
        "force-leave",
        "join",
        "members",
        "members-filtered",
        "stream",
        "monitor",
        "leave",
        "install-key",
        "use-key",
        "list-keys",
        "tags",
        "query",
        "stats",
        "get-coordinate",
    ] {
        assert!(commands.contains(&command), "`{command}` was not recorded");
    }
    let has = |what: fn(&Body) -> bool| bodies.iter().any(what);
    assert!(has(|body| matches!(body, Body::Members(members) if members.len() == 3)));
    assert!(has(|body| matches!(body, Body::Keys(keys) if keys.keys.len() == 2)));
    assert!(has(|body| matches!(body, Body::Coordinate(Some(coordinate)) if coordinate.vector.len() == 8)));
    assert!(has(|body| matches!(body, Body::Event(Event::Members { kind, .. }) if kind == "member-leave")));
    assert!(has(|body| matches!(body, Body::Event(Event::User { name, .. }) if name == "deploy")));
    assert!(has(|body| matches!(body, Body::Event(Event::Query { .. }))));
    assert!(has(|body| matches!(body, Body::Answer(Answer::Response { payload, .. }) if payload == "an answer\n")));
    assert!(has(|body| matches!(body, Body::Log(line) if line.contains("EventMemberJoin"))));
}

#[test]
fn a_request_is_waited_for_until_it_is_whole() {
    let bytes = request::encode(7, &Request::Stream { kind: "*".to_owned() });
    for length in 0..bytes.len() {
        assert!(matches!(request::decode(&bytes[..length]), Err(crate::wire::Error::Truncated(_))));
    }
    assert_eq!(request::decode(&bytes).unwrap().2, bytes.len());
}

#[test]
fn a_command_that_is_not_known_is_told_by_its_name() {
    let (sequence, asked, _) = request::decode(b"\x82\xa7Command\xa6reboot\xa3Seq\x05").unwrap();
    assert_eq!((sequence, asked), (5, Asked::Unknown("reboot".to_owned())));
}

#[test]
fn keys_are_not_shown_by_accident() {
    assert_eq!(format!("{:?}", Request::Auth(Secret("hush".to_owned()))), "Auth(Secret(…))");
}

fn any_request() -> impl Strategy<Value = Request> {
    let text = || ".{0,50}";
    let payload = || vec(any::<u8>(), 0..300).prop_map(bytes::Bytes::from);
    let tags = || btree_map(".{0,10}", ".{0,40}", 0..8);
    prop_oneof![
        Just(Request::Members),
        Just(Request::Stats),
        (0..9_u64).prop_map(|version| Request::Handshake { version }),
        text().prop_map(|key| Request::Auth(Secret(key))),
        text().prop_map(|key| Request::RemoveKey(Secret(key))),
        (text(), payload(), any::<bool>()).prop_map(|(name, payload, coalesce)| Request::Event {
            name,
            payload,
            coalesce
        }),
        (vec(text(), 0..4), any::<bool>()).prop_map(|(existing, replay)| Request::Join { existing, replay }),
        (tags(), text(), text()).prop_map(|(tags, status, name)| Request::MembersFiltered { tags, status, name }),
        (tags(), vec(text(), 0..4)).prop_map(|(set, delete)| Request::Tags { set, delete }),
        (any::<u64>(), payload()).prop_map(|(id, payload)| Request::Respond { id, payload }),
        (vec(text(), 0..4), tags(), any::<bool>(), any::<u8>(), text(), payload()).prop_map(
            |(names, tags, ack, relay_factor, name, payload)| {
                let timeout = std::time::Duration::from_millis(1500);
                Request::Query(Query { names, tags, ack, relay_factor, timeout, name, payload })
            }
        ),
    ]
}

proptest! {
    #[test]
    fn a_request_comes_back(sequence: u64, request in any_request(), more in vec(any::<u8>(), 0..20)) {
        let bytes = request::encode(sequence, &request);
        let decoded = request::decode(&[&bytes[..], &more].concat()).unwrap();
        prop_assert_eq!(decoded, (sequence, Asked::Request(request), bytes.len()));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300), at: prop::sample::Index, request in any_request()) {
        let _ = request::decode(&bytes);
        let mut changed = request::encode(1, &request).to_vec();
        let at = at.index(changed.len());
        changed[at] = bytes.first().copied().unwrap_or_default();
        let _ = request::decode(&changed);
        for expected in [Expected::Members, Expected::Keys, Expected::Stats, Expected::Event, Expected::Answer] {
            let _ = reply::decode(&bytes, |_| expected);
            let _ = reply::decode(&[&b"\x80"[..], &bytes].concat(), |_| expected);
        }
    }
}
