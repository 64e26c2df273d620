#![allow(clippy::unwrap_used, clippy::panic)]

mod hostile;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use pontoon_ring::time::Time;
use serde_json::{Value, json};

use super::book::{Act, Book, Kept};
use super::refusal::Refusal;
use super::{Declared, Said, merge};
use crate::catalogue::limits::content_fits;
use crate::catalogue::{Container, Health, MonitoringPoint, Name, State};

/// What the file and the host say of a container whose service has this port.
fn declared(identity: &str, port: Option<u16>) -> Declared {
    let container = Container {
        service: "hugo".into(),
        address: IpAddr::from([10, 0, 0, 10]),
        port,
        capabilities: BTreeSet::from(["blog".into()]),
        monitor: vec![MonitoringPoint::Http("/".to_owned())],
        says: BTreeMap::new(),
        health: Health { state: State::Passing, output: String::new() },
    };
    Declared { identity: identity.to_owned(), container }
}

fn both() -> BTreeMap<Name, Declared> {
    [("hugo-0".into(), declared("one", Some(8080))), ("hugo-1".into(), declared("two", Some(8080)))].into()
}

/// A book in which `hugo-0` and `hugo-1` are here.
fn book() -> Book {
    let mut book = Book::new("lxd0".into(), BTreeMap::new());
    book.set(Time::ZERO, both());
    book
}

/// `hugo-0` says this, and nothing else.
fn put(book: &mut Book, body: &Value) -> Result<(), Refusal> {
    book.act(Time::ZERO, "hugo-0", "one", Act::Replace(body.to_string().as_bytes()))
}

/// What is to be written down since the last time.
fn to_keep(book: &mut Book) -> Option<BTreeMap<Name, Kept>> {
    let (changes, kept) = book.unsaved()?;
    book.set_saved(changes);
    Some(kept)
}

fn document(book: &Book) -> Value {
    book.document("hugo-0", "one").unwrap()
}

fn refused(container: Declared, body: &str) -> (u16, String) {
    let mut book = Book::new("lxd0".into(), BTreeMap::new());
    book.set(Time::ZERO, [("hugo-0".into(), container)].into());
    let refusal = book.act(Time::ZERO, "hugo-0", "one", Act::Replace(body.as_bytes())).unwrap_err();
    assert!(!refusal.hint().is_empty());
    assert!(book.news().is_none(), "what is refused changes nothing");
    (refusal.status(), refusal.to_string())
}

#[test]
fn a_container_adds_to_what_the_file_says_of_it() {
    let mut book = book();
    let said = json!({
        "capabilities": ["fast"],
        "monitor": [{"tcp": 9000}, {"http": "/"}, {"metrics": "/metrics"}, {"unit": "hugo.service"}, "cloud-init", {"tcp": 9000}],
        "says": {"version": "1.2"},
        "health": {"state": "warning", "output": "the queue is long"},
    });
    put(&mut book, &said).unwrap();
    let all = document(&book);
    assert_eq!(all["capabilities"], json!(["blog", "fast"]));
    let points = json!([{"http": "/"}, {"tcp": 9000}, {"metrics": "/metrics"}, {"unit": "hugo.service"}, "cloud-init"]);
    assert_eq!(all["monitor"], points, "each once, and the file's first");
    assert_eq!(all["says"], json!({"version": "1.2"}));
    assert_eq!(all["health"], json!({"state": "warning", "output": "its own word: the queue is long"}));
    assert_eq!(all["declared"]["capabilities"], json!(["blog"]));
    assert_eq!(all["said"]["capabilities"], json!(["fast"]));
    assert_eq!((&all["host"], &all["container"], &all["port"]), (&json!("lxd0"), &json!("hugo-0"), &json!(8080)));
    let words = book.news().unwrap();
    assert_eq!(words.keys().collect::<Vec<_>>(), [&Name::from("hugo-0")], "of the other one nothing is said");
    assert!(book.news().is_none(), "it is told once");
}

#[test]
fn null_takes_back_and_what_is_not_named_stays() {
    let mut book = book();
    put(&mut book, &json!({"capabilities": ["fast"], "says": {"version": "1", "color": "red"}})).unwrap();
    let change = json!({"capabilities": null, "says": {"version": "2", "color": null}});
    book.act(Time::ZERO, "hugo-0", "one", Act::Merge(change.to_string().as_bytes())).unwrap();
    assert_eq!(document(&book)["said"]["says"], json!({"version": "2"}));
    assert_eq!(document(&book)["capabilities"], json!(["blog"]));
    book.act(Time::ZERO, "hugo-0", "one", Act::Health(br#"{"state": "critical", "output": "full"}"#)).unwrap();
    assert_eq!(document(&book)["said"]["says"], json!({"version": "2"}));
    assert_eq!(document(&book)["health"]["state"], "critical");
    book.act(Time::ZERO, "hugo-0", "one", Act::Forget).unwrap();
    assert_eq!(document(&book)["health"]["state"], "passing");
    assert!(book.news().unwrap().is_empty());
}

#[test]
fn a_port_is_its_own_word_only_where_the_file_gives_none() {
    let mut book = Book::new("lxd0".into(), BTreeMap::new());
    book.set(Time::ZERO, [("hugo-0".into(), declared("one", None))].into());
    put(&mut book, &json!({"port": 9000, "monitor": [{"http": "/ready"}]})).unwrap();
    assert_eq!(document(&book)["port"], 9000);
    book.set(Time::ZERO, both());
    assert_eq!(document(&book)["port"], 8080, "the file has got one since");
    assert_eq!(refused(declared("one", Some(8080)), r#"{"port": 9000}"#), (422, "the file gives port 8080".to_owned()));
    put(&mut book, &json!({"port": 8080})).unwrap();
}

#[test]
fn no_word_makes_a_failing_check_good() {
    let health = |state: State, output: &str| Health { state, output: output.to_owned() };
    let told = |checks: Health, own: Health| {
        let declared = Container { health: checks, ..declared("one", None).container };
        merge(&declared, &Said { health: Some(own), ..Said::default() }).health
    };
    let failing = health(State::Critical, "http /: 500");
    assert_eq!(told(failing.clone(), health(State::Passing, "never better")), failing);
    assert_eq!(told(failing.clone(), health(State::Critical, "disk")), failing);
    let passing = || health(State::Passing, "");
    assert_eq!(told(passing(), health(State::Critical, "disk")), health(State::Critical, "its own word: disk"));
    assert_eq!(told(passing(), health(State::Passing, "warm")), health(State::Passing, "its own word: warm"));
    assert_eq!(told(passing(), passing()), passing());
}

#[test]
fn what_cannot_be_said_is_refused_with_the_reason() {
    let long = "x".repeat(257);
    let many: Vec<String> = (0..32).map(|number| format!("word-{number}")).collect();
    let points: Vec<Value> = (1..=9).map(|port| json!({ "tcp": port })).collect();
    let texts: BTreeMap<String, &str> = (0..16).map(|number| (format!("text-{number}"), &long[..256])).collect();
    let cases: [(Value, &str); 21] = [
        (json!([]), "no object"),
        (json!({"capability": ["x"]}), "unknown field `capability`"),
        (json!({"address": "10.0.0.99"}), "`address` is the host's word"),
        (json!({"name": "hugo-1"}), "`name` is the host's word"),
        (json!({"service": "db"}), "`service` is the host's word"),
        (json!({"capabilities": ["two words"]}), "`capabilities` is not a word"),
        (json!({"capabilities": many}), "33 capabilities, and 32 is the most"),
        (json!({"monitor": points}), "9 monitoring points of its own, and 8 is the most"),
        (json!({"monitor": [{"exec": ["id"]}]}), "`exec` is for the file alone"),
        (json!({"monitor": [{"tcp": 1}, {"http": "x"}]}), "`monitor[1].http` is not a path"),
        (json!({"monitor": [{"http": "/\r\nHost: x"}]}), "`monitor[0].http` is not a path"),
        (json!({"monitor": [{"metrics": "/é"}]}), "`monitor[0].metrics` is not a path"),
        (json!({"monitor": [{"unit": "--help"}]}), "`monitor[0].unit` is not the name of a systemd unit"),
        (json!({"monitor": [{"tcp": 0}]}), "`monitor[0].tcp` is not a port"),
        (json!({"monitor": [{"tcp": 65536}]}), "cannot be said"),
        (json!({"says": {"version": long}}), "`says.version` has 257 bytes, and 256 is the most"),
        (json!({"says": {"version": "1\n2"}}), "`says.version` is not a text of one line"),
        (json!({"says": texts}), "more than 4000 bytes"),
        (json!({"health": {"state": "unknown"}}), "unknown variant `unknown`"),
        (json!({"health": {"state": "passing", "ttl": 0}}), "`health.ttl` is not a number of seconds"),
        (json!({"health": {"output": "fine"}}), "missing field `state`"),
    ];
    for (body, part) in cases {
        let (status, error) = refused(declared("one", Some(8080)), &body.to_string());
        assert_eq!(status, 422, "{error}");
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(refused(declared("one", None), "{").0, 400);
    let (status, error) = refused(declared("one", None), r#"{"monitor": [{"http": "/up"}]}"#);
    assert_eq!((status, &*error), (422, "`/up` has no port: neither the file nor the container gives one"));
}

#[test]
fn a_long_output_is_cut_and_has_one_line() {
    let mut book = book();
    let output = format!("  line\n\u{1b}[31m{}", "é".repeat(200));
    put(&mut book, &json!({"health": {"state": "critical", "output": output}})).unwrap();
    let document = document(&book);
    let told = document["said"]["health"]["output"].as_str().unwrap();
    assert!(told.starts_with("line  [31mé") && told.len() <= 256, "{told}");
}

/// What the host says, with so many more words in it than fit beside others.
fn grown() -> Container {
    let words = (0..31).map(|number| format!("{:x<60}-{number}", "word").into());
    let says = (0..4).map(|number| (format!("text-{number}"), "x".repeat(256)));
    Container { capabilities: words.collect(), says: says.collect(), ..declared("one", None).container }
}

#[test]
fn where_the_file_has_grown_what_still_fits_is_announced_and_how_it_is_always() {
    let declared = grown();
    assert!(content_fits(&declared));
    let said = Said {
        port: Some(9000),
        capabilities: ["a".into(), "b".into()].into(),
        monitor: vec![MonitoringPoint::Tcp(1)],
        says: [("long".to_owned(), "x".repeat(256)), ("short".to_owned(), "x".to_owned())].into(),
        health: Some(Health { state: State::Critical, output: "\"".repeat(256) }),
    };
    let merged = merge(&declared, &said);
    assert!(content_fits(&merged));
    assert_eq!(merged.health.state, State::Critical);
    assert_eq!(merged.port, Some(9000));
    assert!(merged.capabilities.is_superset(&declared.capabilities));
    assert_eq!(merged.capabilities.len(), 32, "one more is the most");
}

#[test]
fn a_container_about_which_the_file_says_much_can_tell_how_it_is() {
    let mut book = Book::new("lxd0".into(), BTreeMap::new());
    let much = Declared { identity: "one".to_owned(), container: grown() };
    book.set(Time::ZERO, [("hugo-0".into(), much)].into());
    put(&mut book, &json!({"health": {"state": "critical", "output": "x".repeat(256)}})).unwrap();
    assert_eq!(document(&book)["health"]["state"], "critical");
}
