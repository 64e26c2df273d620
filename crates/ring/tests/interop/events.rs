//! What is said to all, and asked of all.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use pontoon_ring::driver::{Handle, Subscription};
use pontoon_ring::serf::{Acks, Answer, Coalesce, Event, Query, Question, UserEvent};

use crate::ours::{Ours, next, tags};
use crate::ring::{Ring, Secrecy, until_all_say};
use crate::theirs::Theirs;

/// Two of each, who all know each other.
async fn four(ring: &Ring) -> ([Ours; 2], [Theirs; 2]) {
    let theirs = [ring.theirs(1).await, ring.theirs_with(3, &["-tag", "role=db"]).await];
    let ours =
        [ring.ours(2).await, Ours::start(ring, 4, |config| config.serf.tags = tags(&[("role", "db-replica")])).await];
    theirs[1].joins(ring.address(1)).await;
    for member in &ours {
        member.joins(ring, 1).await;
    }
    let all = ["ours-2", "ours-4", "theirs-1", "theirs-3"].map(|name| (name, "alive"));
    until_all_say(&[&ours[0], &ours[1]], &[&theirs[0], &theirs[1]], &all).await;
    (ours, theirs)
}

async fn next_user_event(events: &mut Subscription) -> UserEvent {
    next(events, |event| match event {
        Event::User(event) => Some(event.clone()),
        _ => None,
    })
    .await
}

async fn next_query(events: &mut Subscription) -> Query {
    next(events, |event| match event {
        Event::Query(query) => Some(query.clone()),
        _ => None,
    })
    .await
}

async fn what_one_says_all_hear(secrecy: Secrecy) {
    let Some(ring) = Ring::new(secrecy) else { return };
    let (ours, theirs) = four(&ring).await;
    let mut events = [ours[0].subscribe().await.unwrap(), ours[1].subscribe().await.unwrap()];
    theirs[0].serf(&["event", "-coalesce=false", "deploy", "version 7"]).await.unwrap();
    for events in &mut events {
        let heard = next_user_event(events).await;
        assert_eq!((heard.name.as_str(), &heard.payload[..]), ("deploy", &b"version 7"[..]));
        assert_eq!(heard.coalesce, Coalesce::Forbidden);
    }
    ours[0].user_event("restart", Bytes::from_static(b"now"), Coalesce::Forbidden).await.unwrap();
    for agent in &theirs {
        agent.hears(|event| event == "user restart now").await;
    }
    for events in &mut events {
        assert_eq!(next_user_event(events).await.name, "restart");
    }
}

#[tokio::test]
async fn what_one_says_all_hear_in_the_open() {
    what_one_says_all_hear(Secrecy::Plain).await;
}

#[tokio::test]
async fn what_one_says_all_hear_encrypted() {
    what_one_says_all_hear(Secrecy::Encrypted).await;
}

#[tokio::test]
async fn an_event_comes_once_however_often_it_is_passed_on() {
    let Some(ring) = Ring::new(Secrecy::Plain) else { return };
    let (ours, theirs) = four(&ring).await;
    let mut events = ours[1].subscribe().await.unwrap();
    for number in 0..20 {
        ours[0].user_event("count", Bytes::from(number.to_string()), Coalesce::Forbidden).await.unwrap();
    }
    theirs[0].serf(&["event", "-coalesce=false", "end"]).await.unwrap();
    let mut heard = Vec::new();
    let mut has_ended = false;
    while heard.len() < 20 || !has_ended {
        let event = next_user_event(&mut events).await;
        if event.name == "end" {
            has_ended = true;
        } else {
            heard.push(String::from_utf8(event.payload.to_vec()).unwrap());
        }
    }
    let once: BTreeSet<String> = heard.iter().cloned().collect();
    assert_eq!((heard.len(), once.len()), (20, 20));
    theirs[1].hears(|event| event.starts_with("user end")).await;
    let counted = |agent: &Theirs| agent.events().iter().filter(|event| event.starts_with("user count")).count();
    crate::ring::until("theirs hear all of them", || async {
        if counted(&theirs[1]) == 20 { Ok(()) } else { Err(format!("{:?}", theirs[1].events())) }
    })
    .await;
}

/// Asks from one of ours: who acked and who answered what.
async fn asked(member: &Ours, question: Question) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
    let (mut acks, mut responses) = (BTreeSet::new(), BTreeSet::new());
    let mut answers = member.query(question).await.unwrap();
    while let Some(answer) = answers.next().await {
        match answer {
            Answer::Ack { from } => assert!(acks.insert(from.to_string()), "{from} acked twice"),
            Answer::Response { from, payload } => {
                let said = String::from_utf8(payload.to_vec()).unwrap();
                assert!(responses.insert((from.to_string(), said)), "{from} answered twice");
            }
        }
    }
    (acks, responses)
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

fn load() -> Question {
    Question {
        name: "load".to_owned(),
        payload: Bytes::from_static(b"now?"),
        acks: Acks::Wanted,
        timeout: Some(Duration::from_secs(4)),
        ..Question::default()
    }
}

/// Lets one of ours answer each query.
fn answering(member: &Ours, mut events: Subscription) -> tokio::task::JoinHandle<()> {
    let handle = Handle::clone(member);
    tokio::spawn(async move {
        loop {
            let query = next_query(&mut events).await;
            let said = format!("{} heard {}", handle.name(), String::from_utf8_lossy(&query.payload));
            handle.respond(query.id, said.into()).await.unwrap();
        }
    })
}

async fn a_question_is_answered_by_all(secrecy: Secrecy) {
    let Some(ring) = Ring::new(secrecy) else { return };
    let (ours, theirs) = four(&ring).await;
    let answering = answering(&ours[1], ours[1].subscribe().await.unwrap());
    let (acks, responses) = asked(&ours[0], load()).await;
    assert_eq!(acks, names(&["ours-2", "ours-4", "theirs-1", "theirs-3"]));
    let said = |name: &str| (name.to_owned(), format!("{name} heard now?"));
    assert_eq!(responses, BTreeSet::from([said("ours-4"), said("theirs-1"), said("theirs-3")]));
    let printed = theirs[0].serf(&["query", "-timeout=4s", "-format=json", "load", "you?"]).await.unwrap();
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let acks: BTreeSet<String> =
        printed["Acks"].as_array().unwrap().iter().map(|ack| ack.as_str().unwrap().to_owned()).collect();
    assert_eq!(acks, names(&["ours-2", "ours-4", "theirs-1", "theirs-3"]));
    assert_eq!(printed["Responses"]["ours-4"], "ours-4 heard you?");
    assert_eq!(printed["Responses"]["theirs-3"], "theirs-3 heard you?");
    answering.abort();
}

#[tokio::test]
async fn a_question_is_answered_by_all_in_the_open() {
    a_question_is_answered_by_all(Secrecy::Plain).await;
}

#[tokio::test]
async fn a_question_is_answered_by_all_encrypted() {
    a_question_is_answered_by_all(Secrecy::Encrypted).await;
}

#[tokio::test]
async fn a_question_goes_only_to_those_whom_it_is_for() {
    let Some(ring) = Ring::new(Secrecy::Plain) else { return };
    let (ours, theirs) = four(&ring).await;
    let (acks, _) = asked(&ours[0], Question { tags: tags(&[("role", "^db")]), ..load() }).await;
    assert_eq!(acks, names(&["ours-4", "theirs-3"]));
    let (acks, _) = asked(&ours[0], Question { names: vec!["theirs-1".into()], ..load() }).await;
    assert_eq!(acks, names(&["theirs-1"]));
    let by_tag = ["query", "-timeout=4s", "-format=json", "-tag", "role=db-.*", "load"];
    let printed = theirs[0].serf(&by_tag).await.unwrap();
    assert!(printed.contains("ours-4") && !printed.contains("ours-2") && !printed.contains("theirs-3"), "{printed}");
    let by_name = ["query", "-timeout=4s", "-format=json", "-node", "ours-2", "load"];
    let printed = theirs[0].serf(&by_name).await.unwrap();
    assert!(printed.contains("ours-2") && !printed.contains("ours-4"), "{printed}");
}

#[tokio::test]
async fn answers_come_by_way_of_others_too_and_count_once() {
    let Some(ring) = Ring::new(Secrecy::Plain) else { return };
    let (ours, theirs) = four(&ring).await;
    let answering = answering(&ours[1], ours[1].subscribe().await.unwrap());
    let (acks, responses) = asked(&ours[0], Question { relay_factor: 3, ..load() }).await;
    assert_eq!(acks.len(), 4, "{acks:?}");
    assert_eq!(responses.len(), 3, "{responses:?}");
    let asked = ["query", "-timeout=4s", "-format=json", "-relay-factor=3", "load", "you?"];
    let printed = theirs[0].serf(&asked).await.unwrap();
    assert!(printed.contains("ours-4 heard you?"), "{printed}");
    answering.abort();
}
