//! The messages as bytes.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::catalogue::wire::Content;

fn mark(change: u64) -> Mark {
    Mark { version: Version { epoch: 1_790_000_000, change }, seal: 7 }
}

fn shared(of: &[(&str, u8)]) -> BTreeMap<Name, Arc<Container>> {
    containers(of).into_iter().map(|(name, container)| (name, Arc::new(container))).collect()
}

fn step(change: Change) -> Step {
    Step { before: mark(1), after: mark(2), change }
}

#[test]
fn a_new_container_and_its_health_fit_into_an_announcement() {
    let change = Change::between(&shared(&[]), &shared(&[("web-0", 1)]));
    let said = Announcement::new(name("a-host-with-a-long-name"), mark(2), Some(step(change)));
    let read = Announcement::decode(&said.clone().encode()).unwrap();
    assert_eq!(read, said, "nothing had to be left out");

    let mut ill = shared(&[("web-0", 1)]);
    let health = Health { state: State::Critical, output: "x".repeat(150) };
    ill.insert(name("web-0"), Arc::new(Container { health, ..web(ip(1)) }));
    let change = Change::between(&shared(&[("web-0", 1)]), &ill);
    assert!(change.put.is_empty(), "of health nothing else is said");
    let said = Announcement::new(name("lxd0"), mark(2), Some(step(change)));
    assert!(Announcement::decode(&said.encode()).unwrap().step.is_some());
}

#[test]
fn what_does_not_fit_is_announced_without_the_change() {
    let change = Change::between(&shared(&[]), &shared(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]));
    let bytes = Announcement::new(name("lxd0"), mark(2), Some(step(change))).encode();
    assert!(bytes.len() <= limits::ANNOUNCEMENT_MAX);
    assert_eq!(Announcement::decode(&bytes).unwrap().step, None);
}

#[test]
fn answers_come_back_as_they_were() {
    let whole = shared(&[("web-0", 1), ("web-1", 2)]);
    let steps = vec![step(Change::between(&shared(&[("web-0", 1)]), &whole))];
    for (content, body) in [
        (Content::Nothing, Bytes::new()),
        (Content::Whole(whole.clone()), wire::encode(&whole)),
        (Content::Whole(BTreeMap::new()), Bytes::from_static(b"{}")),
        (Content::Steps(steps.clone()), wire::encode(&steps)),
    ] {
        let read = Answer::decode(&Answer::around(5, mark(2), &body)).unwrap();
        assert_eq!(read, Answer { id: 5, mark: mark(2), content });
    }
}

#[test]
fn a_message_of_another_version_is_named_so() {
    let error = Announcement::decode(br#"{"v":2,"o":"lxd0","m":[1,1,1]}"#).unwrap_err();
    assert_eq!(error.to_string(), "a message of version 2, and this agent reads 1");
    assert!(matches!(Announcement::decode(&[b' '; 1000]), Err(wire::Error::TooLong { bytes: 1000, .. })));
    let deep = [b'['; 400];
    assert!(matches!(Announcement::decode(&deep), Err(wire::Error::Rubbish(_))));
}

#[test]
fn a_change_that_was_not_made_for_a_state_is_not_applied_to_it() {
    let state = shared(&[("web-0", 1)]);
    let gone = Change { gone: vec![name("web-9")], ..Change::default() };
    assert_eq!(gone.apply(&state), None);
    let health = BTreeMap::from([(name("web-9"), Health { state: State::Passing, output: String::new() })]);
    assert_eq!(Change { health, ..Change::default() }.apply(&state), None);
    let put = shared(&[("not a name", 1)]);
    assert_eq!(Change { put, ..Change::default() }.apply(&state), None);
}

fn any_state() -> impl Strategy<Value = BTreeMap<Name, Arc<Container>>> {
    let container = (0_u8..3, 0_u8..3).prop_map(|(address, output)| {
        let health = Health { state: State::Warning, output: output.to_string() };
        Arc::new(Container { health, ..web(ip(address)) })
    });
    prop::collection::btree_map("[a-d]".prop_map(|text| name(&text)), container, 0..5)
}

proptest! {
    #[test]
    fn a_change_leads_from_one_state_to_the_other(before in any_state(), after in any_state()) {
        let change = Change::between(&before, &after);
        prop_assert_eq!(change.apply(&before), Some(after.clone()));
        prop_assert_eq!(change.is_empty(), before == after);
    }

    #[test]
    fn no_bytes_upset_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let _ = Announcement::decode(&bytes);
        let _ = Ask::decode(&bytes);
        let _ = Answer::decode(&bytes);
    }

    #[test]
    fn no_spoilt_message_upsets_a_catalogue(place in 0_usize..200, byte in any::<u8>(), which in 0_u8..2) {
        let change = Change::between(&shared(&[]), &shared(&[("web-0", 1)]));
        let said = Announcement::new(name("lxd1"), mark(2), Some(step(change))).encode();
        let mut bytes = said.to_vec();
        if let Some(there) = bytes.get_mut(place) {
            *there = byte;
        }
        let config = Config { name: name("lxd0"), address: ip(9), epoch: 1, seed: [0; 32], pace: Pace::default() };
        let mut catalogue = Catalogue::new(config, Time::ZERO);
        let host = name("lxd1");
        catalogue.acquaint(Time::ZERO, &host, ip(1), mark(1), &Part::default());
        let bytes = Bytes::from(bytes);
        let input = if which == 0 { Input::Announced(bytes) } else { Input::Tagged { host, bytes } };
        catalogue.handle(Time::ZERO, input);
    }
}
