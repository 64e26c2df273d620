#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::*;
use crate::serf::{Acks, Answer, Coalesce, Event, KeyChange, Question, Status, Tags};
use crate::swim;
use crate::wire::keyring::{Key, Keyring};

const PATIENCE: Duration = Duration::from_secs(30);

fn config(name: &str) -> Config {
    config_at(name, (Ipv4Addr::LOCALHOST, 0).into())
}

/// An address that no test beside this one takes while nobody listens there.
fn own_address() -> SocketAddr {
    (Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 9, 0, 0)) + std::process::id() % 0xffff), 7946).into()
}

fn config_at(name: &str, address: SocketAddr) -> Config {
    Config::new(serf::Config::new(swim::Config::local(name, address)))
}

async fn started(name: &str) -> Handle {
    start(config(name)).await.unwrap()
}

/// Two that know each other.
async fn pair() -> (Handle, Handle) {
    let (one, other) = (started("one").await, started("other").await);
    assert_eq!(joins(&other, &one).await.reached, [one.address()]);
    until_all_know(&[&one, &other], 2).await;
    (one, other)
}

async fn joins(one: &Handle, other: &Handle) -> Joined {
    one.join(vec![other.address()], Persistence::Once, Replay::No).await.unwrap()
}

/// Waits until each knows so many that are alive.
async fn until_all_know(members: &[&Handle], count: usize) {
    let waiting = async {
        for member in members {
            while member.members().await.unwrap().iter().filter(|known| known.status == Status::Alive).count() != count
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    timeout(PATIENCE, waiting).await.expect("all know each other");
}

async fn next_user_event(events: &mut Subscription) -> String {
    let waiting = async {
        loop {
            if let Notice::Event(event) = events.next().await.expect("the member runs")
                && let Event::User(event) = &*event
            {
                return event.name.clone();
            }
        }
    };
    timeout(PATIENCE, waiting).await.expect("an event comes")
}

#[tokio::test]
async fn two_members_talk_and_one_leaves() {
    let (one, other) = pair().await;
    let mut events = other.subscribe().await.unwrap();
    one.user_event("deploy", Bytes::new(), Coalesce::Forbidden).await.unwrap();
    assert_eq!(next_user_event(&mut events).await, "deploy");
    let tags = Tags::from([("role".to_owned(), "web".to_owned())]);
    one.set_tags(tags.clone(), vec![]).await.unwrap();
    let mut answers = other.query(Question { acks: Acks::Wanted, ..Question::default() }).await.unwrap();
    let mut acks = Vec::new();
    while let Some(answer) = timeout(PATIENCE, answers.next()).await.expect("it ends") {
        if let Answer::Ack { from } = answer {
            acks.push(from.to_string());
        }
    }
    acks.sort();
    assert_eq!(acks, ["one", "other"]);
    one.leave().await;
    assert_eq!(one.ended().await, End::Left);
    let known = other.members().await.unwrap();
    let known: Vec<_> = known.iter().map(|member| (&*member.name, member.status, &*member.tags)).collect();
    assert_eq!(known, [("one", Status::Left, &tags), ("other", Status::Alive, &Tags::new())]);
    assert_eq!(one.members().await.unwrap_err().to_string(), "the member `one` does not run any more");
}

#[tokio::test]
async fn a_slow_listener_loses_the_oldest_events_is_told_so_and_holds_up_nobody() {
    let member = started("one").await;
    let mut slow = member.subscribe().await.unwrap();
    let all = subscription::EVENTS_MAX + 100;
    for number in 0..all {
        member.user_event(&number.to_string(), Bytes::new(), Coalesce::Forbidden).await.unwrap();
    }
    assert_eq!(slow.next().await, Some(Notice::Missed(100)));
    assert_eq!(next_user_event(&mut slow).await, "100");
}

#[tokio::test]
async fn who_stops_waiting_leaves_nothing_behind() {
    let (one, other) = pair().await;
    for _ in 0..200 {
        let question = Question { timeout: Some(Duration::from_millis(50)), ..Question::default() };
        let _ = timeout(Duration::ZERO, one.query(question)).await;
        let _ = timeout(Duration::ZERO, one.members()).await;
        let _ = timeout(Duration::ZERO, joins(&one, &other)).await;
        let _ = timeout(Duration::ZERO, one.subscribe()).await;
    }
    let mut events = other.subscribe().await.unwrap();
    one.user_event("still", Bytes::new(), Coalesce::Forbidden).await.unwrap();
    assert_eq!(next_user_event(&mut events).await, "still");
    // It leaves though nobody waits for it.
    let _ = timeout(Duration::from_millis(1), one.leave()).await;
    assert_eq!(timeout(PATIENCE, one.ended()).await.unwrap(), End::Left);
}

#[tokio::test]
async fn a_member_ends_with_its_last_handle_and_its_address_is_free() {
    let member = start(config_at("one", own_address())).await.unwrap();
    let mut events = member.subscribe().await.unwrap();
    drop(member);
    let silence = async { while events.next().await.is_some() {} };
    timeout(PATIENCE, silence).await.expect("it ends");
    start(config_at("two", own_address())).await.unwrap().stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_said_so() {
    let member = started("one").await;
    let mut second = config("two");
    second.bind = member.address();
    let error = start(second).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on `{}`", member.address()));
}

#[tokio::test]
async fn silent_slow_and_rubbish_streams_keep_nobody_out() {
    let member = started("one").await;
    let mut held = Vec::new();
    for number in 0..600_usize {
        let mut stream = TcpStream::connect(member.address()).await.unwrap();
        match number % 3 {
            // A state exchange that announces more than will ever come.
            0 => stream.write_all(b"\x06\x83\xa5Nodes\xcd\xff\xff\xa4Join\xc3").await.unwrap(),
            1 => stream.write_all(&[0xff; 100]).await.unwrap(),
            _ => {}
        }
        held.push(stream);
    }
    let other = started("other").await;
    let joined = timeout(Duration::from_secs(5), joins(&other, &member)).await.expect("it is served at once");
    assert_eq!(joined.reached, [member.address()]);
    // The oldest silent one had to go.
    let mut byte = [0];
    assert!(matches!(held.get_mut(2).unwrap().read(&mut byte).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn large_messages_that_never_end_are_held_to_a_bound_together() {
    let member = started("one").await;
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(member.address()).await.unwrap();
        // 16 MB are announced, and 15 MB come.
        stream.write_all(b"\x08\x81\xaaUserMsgLen\xce\x01\x00\x00\x00").await.unwrap();
        if stream.write_all(&vec![0; 15_000_000]).await.is_ok() {
            held.push(stream);
        }
    }
    assert!((3..=5).contains(&held.len()), "{} streams hold 15 MB each", held.len());
    drop(held);
    let other = started("other").await;
    assert_eq!(joins(&other, &member).await.reached, [member.address()]);
}

#[tokio::test]
async fn a_flood_of_rubbish_datagrams_stops_nothing() {
    let (one, other) = pair().await;
    let flood = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    for number in 0..20_000_u32 {
        let length = usize::try_from(number % 1400).unwrap();
        let _ = flood.send_to(&vec![number.to_le_bytes()[0]; length], one.address()).await;
    }
    let mut events = one.subscribe().await.unwrap();
    other.user_event("through", Bytes::new(), Coalesce::Forbidden).await.unwrap();
    assert_eq!(next_user_event(&mut events).await, "through");
}

#[tokio::test]
async fn seeds_that_are_not_there_yet_are_tried_until_they_are() {
    let mut early = config("early");
    early.seeds = vec![own_address()];
    let early = start(early).await.unwrap();
    let late = start(config_at("late", own_address())).await.unwrap();
    until_all_know(&[&early, &late], 2).await;
}

#[tokio::test]
async fn keys_that_the_ring_changes_are_kept_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    let key = |byte| Key::from_bytes(&[byte; 32]).unwrap();
    let mut encrypted = config("one");
    encrypted.layers.keyring = Some(Keyring::new(key(1)));
    encrypted.keyring_file = Some(path.clone());
    let member = start(encrypted).await.unwrap();
    for change in [KeyChange::Install(key(2)), KeyChange::Use(key(2))] {
        assert!(member.change_keys(change, 0).await.unwrap().is_complete());
    }
    assert_eq!(member.keyring().await.unwrap().unwrap().primary(), &key(2), "what else is sealed uses the new one");
    member.stop().await;
    assert_eq!(read_keyring(&path).await.unwrap().keys().collect::<Vec<_>>(), [&key(2), &key(1)]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "others could read the keys");
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_is_said_so_and_one_that_is_not_there_is_begun() {
    let directory = tempfile::tempdir().unwrap();
    let mut broken = config("one");
    broken.snapshot = Some(directory.path().to_owned());
    assert!(matches!(start(broken).await, Err(StartError::Snapshot { .. })));
    let mut fresh = config("one");
    let path = directory.path().join("ring.snapshot");
    fresh.snapshot = Some(path.clone());
    let member = start(fresh).await.unwrap();
    member.leave().await;
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("alive: one 127.0.0.1:") && text.ends_with("leave\n"), "{text}");
}

#[tokio::test]
async fn names_and_addresses_are_resolved() {
    let resolved = |text: &'static str| async move { resolve(text, 7946).await.unwrap() };
    assert_eq!(resolved("127.0.0.5").await, ["127.0.0.5:7946".parse().unwrap()]);
    assert_eq!(resolved("127.0.0.5:1").await, ["127.0.0.5:1".parse().unwrap()]);
    assert_eq!(resolved("::1").await, ["[::1]:7946".parse().unwrap()]);
    assert_eq!(resolved("[::1]:1").await, ["[::1]:1".parse().unwrap()]);
    assert!(resolved("localhost:7").await.iter().all(|address| address.port() == 7 && address.ip().is_loopback()));
}
