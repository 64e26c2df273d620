//! Queries and keys.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::stage::{Stage, plain_ring, ring};
use crate::serf::{Acks, Answer, Error, KeyChange, QueryId, Question, Tags};
use crate::simulation::Network;
use crate::wire::keyring::{Key, Keyring};

const MINUTE: Duration = Duration::from_mins(1);

fn ask(stage: &mut Stage, index: usize, question: Question) -> QueryId {
    stage.act(index, |actor, now| actor.serf.query(now, question)).unwrap().unwrap()
}

fn all_answer(stage: &mut Stage) {
    for index in 0..stage.size() {
        stage.act(index, |actor, _| actor.answer = Some(Bytes::from(format!("from {index}"))));
    }
}

/// Who acked and who answered, each once.
fn heard(stage: &Stage, index: usize, query: QueryId) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut acks, mut responses) = (BTreeSet::new(), BTreeSet::new());
    for (_, answer) in stage.machine(index).unwrap().answers.iter().filter(|(id, _)| *id == query) {
        let is_first = match answer {
            Answer::Ack { from } => acks.insert(from.to_string()),
            Answer::Response { from, .. } => responses.insert(from.to_string()),
        };
        assert!(is_first, "twice: {answer:?}");
    }
    (acks, responses)
}

fn question() -> Question {
    Question { name: "load".to_owned(), acks: Acks::Wanted, ..Question::default() }
}

fn has_ended(stage: &Stage, index: usize, query: QueryId) -> bool {
    stage.machine(index).unwrap().ended.contains(&query)
}

#[test]
fn all_answer_once_and_then_it_is_over() {
    let mut stage = ring(2, 20, Network { duplicates: 0.2, ..Network::default() }, |_, _, _| {});
    all_answer(&mut stage);
    let query = ask(&mut stage, 3, question());
    let took = stage.run_until(MINUTE, |stage| has_ended(stage, 3, query)).expect("it ends");
    let (acks, responses) = heard(&stage, 3, query);
    assert_eq!((acks.len(), responses.len()), (20, 20));
    // 16 gossip intervals for each power of ten of members.
    let expected = Duration::from_millis(200) * 16 * 2;
    assert!(took.abs_diff(expected) < Duration::from_millis(200), "{took:?}");
}

#[test]
fn a_question_is_for_those_whom_all_filters_name() {
    let mut stage = ring(2, 10, Network::default(), |index, config, _| {
        let role = if index % 2 == 0 { "web" } else { "db" };
        config.tags = Tags::from([("role".to_owned(), role.to_owned())]);
    });
    all_answer(&mut stage);
    let names = vec!["m1".into(), "m2".into(), "m4".into()];
    let tags = Tags::from([("role".to_owned(), "^w.b$".to_owned())]);
    let query = ask(&mut stage, 9, Question { names, tags, ..question() });
    stage.run_until(MINUTE, |stage| has_ended(stage, 9, query)).expect("it ends");
    let (acks, responses) = heard(&stage, 9, query);
    let expected = BTreeSet::from(["m2".to_owned(), "m4".to_owned()]);
    assert_eq!((&acks, &responses), (&expected, &expected));
    assert!(stage.machine(1).unwrap().queries().is_empty(), "who is not meant is not told");
}

#[test]
fn answers_that_also_go_by_way_of_others_survive_loss() {
    let count = |relay_factor: u8| {
        let mut stage = ring(4, 20, Network::default(), |_, _, _| {});
        all_answer(&mut stage);
        stage.set_network(Network::losing(0.3));
        let timeout = Some(Duration::from_secs(10));
        let query = ask(&mut stage, 0, Question { relay_factor, timeout, ..question() });
        stage.run_until(MINUTE, |stage| has_ended(stage, 0, query)).expect("it ends");
        heard(&stage, 0, query).1.len()
    };
    let (alone, relayed) = (count(0), count(4));
    assert!(alone < 18 && relayed >= 19, "{alone} of 20 without relays, {relayed} with them");
}

#[test]
fn an_answer_that_is_too_late_or_given_twice_is_refused() {
    let mut stage = plain_ring(2);
    let query = ask(&mut stage, 0, Question { timeout: Some(Duration::from_secs(2)), ..question() });
    stage.run_for(Duration::from_secs(1));
    let asked = stage.machine(1).unwrap().queries()[0].id;
    let respond = |stage: &mut Stage| {
        stage.act(1, |actor, now| actor.serf.respond(now, asked, Bytes::from_static(b"yes"))).unwrap()
    };
    assert_eq!(respond(&mut stage), Ok(()));
    assert_eq!(respond(&mut stage), Err(Error::QueryOver));
    let second = ask(&mut stage, 0, Question { timeout: Some(Duration::from_secs(2)), ..question() });
    stage.run_for(Duration::from_secs(3));
    let asked = stage.machine(1).unwrap().queries()[1].id;
    let late = stage.act(1, |actor, now| actor.serf.respond(now, asked, Bytes::new())).unwrap();
    assert_eq!(late, Err(Error::QueryOver));
    assert_eq!(heard(&stage, 0, query).1.len(), 1);
    assert_eq!(heard(&stage, 0, second).1.len(), 0);
}

fn key(byte: u8) -> Key {
    Key::from_bytes(&[byte; 32]).unwrap()
}

fn encrypted_ring(members: usize) -> Stage {
    ring(3, members, Network::default(), |_, _, layers| layers.keyring = Some(Keyring::new(key(1))))
}

fn change(stage: &mut Stage, change: &KeyChange) -> crate::serf::KeyReport {
    let before = stage.machine(0).unwrap().reports.len();
    stage.act(0, |actor, now| actor.serf.change_keys(now, change, 0)).unwrap().unwrap();
    stage.run_until(MINUTE, |stage| stage.machine(0).unwrap().reports.len() > before).expect("a report comes");
    stage.machine(0).unwrap().reports.last().unwrap().clone()
}

#[test]
fn the_key_of_a_ring_is_changed_in_three_rounds_and_nobody_is_lost() {
    let mut stage = encrypted_ring(9);
    for round in [KeyChange::Install(key(2)), KeyChange::Use(key(2)), KeyChange::Remove(key(1))] {
        let report = change(&mut stage, &round);
        assert!(report.is_complete() && report.responses == 9, "{round:?}: {report:?}");
    }
    let report = change(&mut stage, &KeyChange::List);
    assert_eq!(report.keys.into_iter().collect::<Vec<_>>(), [(key(2).to_base64(), 9)]);
    assert_eq!(report.primary_keys.into_iter().collect::<Vec<_>>(), [(key(2).to_base64(), 9)]);
    stage.run_for(MINUTE * 2);
    assert!(stage.is_converged());
}

#[test]
fn each_member_says_why_it_does_not_change_its_keys() {
    let mut stage = encrypted_ring(3);
    let report = change(&mut stage, &KeyChange::Use(key(9)));
    assert_eq!((report.responses, report.errors), (3, 3));
    assert_eq!(report.messages["m2"], "requested key is not in the keyring");
    let mut stage = plain_ring(3);
    let report = change(&mut stage, &KeyChange::Install(key(9)));
    assert_eq!(report.messages["m1"], "No keyring to modify (encryption not enabled)");
}

#[test]
fn a_list_of_keys_that_is_too_long_for_an_answer_says_so() {
    let mut stage = ring(3, 2, Network::default(), |_, _, layers| {
        let mut keyring = Keyring::new(key(1));
        (2..60).for_each(|byte| keyring.add(key(byte)).unwrap());
        layers.keyring = Some(keyring);
    });
    let report = change(&mut stage, &KeyChange::List);
    assert!(report.is_complete(), "{report:?}");
    let listed = report.keys.len();
    assert!((10..30).contains(&listed), "{listed}");
    assert_eq!(report.messages["m1"], format!("truncated key list response, showing first {listed} of 59 keys"));
}
