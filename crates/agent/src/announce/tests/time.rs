//! What time does: how long a word holds, how often one may change it, and whose it is afterwards.

use std::time::Duration;

use super::*;

fn at(seconds: u64) -> Time {
    Time::after(Duration::from_secs(seconds))
}

fn act(book: &mut Book, seconds: u64, act: Act<'_>) -> Result<(), Refusal> {
    book.act(at(seconds), "hugo-0", "one", act)
}

/// How it is at this time, by what was told last.
fn told(book: &mut Book, seconds: u64) -> Option<Health> {
    book.lapse(at(seconds));
    book.news().and_then(|words| words.get("hugo-0")?.health.clone())
}

const WARM: &[u8] = br#"{"state": "passing", "output": "warm", "ttl": 30}"#;

#[test]
fn a_health_that_is_not_renewed_in_time_becomes_critical() {
    let mut book = book();
    act(&mut book, 0, Act::Health(WARM)).unwrap();
    assert_eq!(told(&mut book, 0).unwrap().state, State::Passing);
    act(&mut book, 20, Act::Health(WARM)).unwrap();
    assert_eq!(book.lapses_at(), Some(at(50)), "renewed");
    assert!(told(&mut book, 49).is_none(), "a renewal is no news");
    let late = told(&mut book, 50).unwrap();
    let output = "not renewed in 30 s; its last word was passing: warm".to_owned();
    assert_eq!(late, Health { state: State::Critical, output });
    assert_eq!(document(&book)["said"]["health"]["late"], true);
    assert!(told(&mut book, 500).is_none(), "once");

    act(&mut book, 600, Act::Merge(br#"{"says": {"version": "1"}}"#)).unwrap();
    assert_eq!(told(&mut book, 600).unwrap().state, State::Critical, "that was no word of its health");
    act(&mut book, 610, Act::Merge(br#"{"health": {"state": "passing"}}"#)).unwrap();
    assert_eq!(told(&mut book, 610).unwrap().state, State::Passing);
    assert_eq!(book.lapses_at(), Some(at(640)));
    act(&mut book, 611, Act::Replace(b"{}")).unwrap();
    assert_eq!(book.lapses_at(), None);
}

#[test]
fn a_container_that_changes_its_mind_too_often_is_told_when_it_may_again() {
    let mut book = book();
    let taken = (0..50).filter(|_| act(&mut book, 0, Act::Forget).is_ok()).count();
    assert_eq!(taken, 10);
    let refusal = act(&mut book, 0, Act::Health(WARM)).unwrap_err();
    assert_eq!((refusal.status(), refusal.retry_after()), (429, Some(1)));
    book.act(at(0), "hugo-1", "two", Act::Health(WARM)).unwrap();
    act(&mut book, 1, Act::Health(WARM)).unwrap();
}

#[test]
fn what_was_said_outlives_the_agent_and_not_the_container() {
    let mut before = book();
    act(&mut before, 0, Act::Replace(br#"{"says": {"version": "1"}, "health": {"state": "passing", "ttl": 30}}"#))
        .unwrap();
    let kept = to_keep(&mut before).unwrap();
    assert!(to_keep(&mut before).is_none(), "it is written once");
    act(&mut before, 10, Act::Health(br#"{"state": "passing", "ttl": 30}"#)).unwrap();
    assert!(to_keep(&mut before).is_none(), "a renewal need not be written");

    let mut after = Book::new("lxd0".into(), kept.clone());
    assert!(after.news().is_none(), "nobody is known to be here yet");
    after.set(at(5), both());
    assert_eq!(document(&after)["says"], json!({"version": "1"}));
    assert_eq!(after.news().unwrap().len(), 1);
    assert_eq!(after.lapses_at(), Some(at(35)), "it could not renew while nobody listened");

    let mut replaced = Book::new("lxd0".into(), kept.clone());
    replaced.set(at(0), [("hugo-0".into(), declared("another", Some(8080)))].into());
    assert_eq!(replaced.document("hugo-0", "another").unwrap()["says"], json!({}));
    assert_eq!(to_keep(&mut replaced), Some(BTreeMap::new()));

    after.set(at(6), [("hugo-0".into(), declared("another", Some(8080)))].into());
    assert!(after.news().unwrap().is_empty());
    assert_eq!(after.act(at(6), "hugo-0", "one", Act::Forget).unwrap_err().status(), 410, "who is replaced is silent");
    after.set(at(7), BTreeMap::new());
    assert_eq!(after.document("hugo-0", "another").unwrap_err().status(), 410);
}

#[test]
fn a_health_that_was_late_before_a_restart_is_late_after_it() {
    let mut before = book();
    act(&mut before, 0, Act::Health(WARM)).unwrap();
    before.lapse(at(30));
    let mut after = Book::new("lxd0".into(), to_keep(&mut before).unwrap());
    after.set(at(0), both());
    assert_eq!(told(&mut after, 0).unwrap().state, State::Critical);
    act(&mut after, 1, Act::Health(WARM)).unwrap();
    assert_eq!(told(&mut after, 1).unwrap().state, State::Passing);
}

#[test]
fn what_the_host_says_anew_changes_nothing_of_what_was_said() {
    let mut book = book();
    act(&mut book, 0, Act::Health(WARM)).unwrap();
    assert!(book.news().is_some() && book.is_moved());
    let mut ill = both();
    for declared in ill.values_mut() {
        declared.container.health.state = State::Critical;
    }
    book.set(at(1), ill);
    assert!(book.news().is_none() && !book.is_moved());
    assert_eq!(document(&book)["health"]["state"], "critical");
    assert_eq!(book.lapses_at(), Some(at(30)));
}
