#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::blocking::{Numbering, Wait, WaitError, at_once, changed, wait};
use super::changes::{Change, between};
use super::consul::Consul;
use super::own::Teller;
use super::parameters::Parameters;
use super::{own, prometheus};
use crate::catalogue::{Container, Health, HostState, HostView, MonitoringPoint, Part, State, View};
use crate::counts::Counts;
use crate::dns::numbers::Code;
use crate::door::Door;

/// `hugo-0`, passing, with capabilities, and `hugo-1`, in this state, without; on one host.
fn view(index: u64, second: State, host: HostState) -> View {
    let container = |number: u8, state: State| Container {
        service: "hugo".into(),
        address: IpAddr::from([10, 0, 0, 10 + number]),
        port: Some(8080),
        capabilities: if number == 0 { BTreeSet::from(["blog".into(), "fast".into()]) } else { BTreeSet::new() },
        monitor: vec![MonitoringPoint::Metrics("/metrics".to_owned()), MonitoringPoint::Tcp(8080)],
        says: [("version".to_owned(), "1.2".to_owned())].into(),
        health: Health { state, output: "said so".to_owned() },
    };
    let containers =
        [("hugo-0".into(), container(0, State::Passing).into()), ("hugo-1".into(), container(1, second).into())];
    let host = HostView {
        name: "lxd0".into(),
        address: IpAddr::from([10, 0, 0, 2]),
        state: host,
        round_trip: Some(Duration::from_micros(1500)),
        part: Arc::new(Part { containers: containers.into(), ..Part::default() }),
        stale_since: None,
    };
    View::new(index, [Arc::new(host)])
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    Parameters(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

fn ids(document: &Value) -> Vec<&str> {
    document.as_array().unwrap().iter().map(|entry| entry["Service"]["ID"].as_str().unwrap()).collect()
}

#[test]
fn consul_gives_each_instance_with_its_node_and_its_checks() {
    let view = view(7, State::Critical, HostState::Alive);
    let consul = Consul { datacenter: "demo", view: &view };
    assert_eq!(consul.services(), json!({ "hugo": ["blog", "fast"] }));
    let entries = consul.health_of_service("hugo", &Parameters::default());
    assert_eq!(ids(&entries), ["hugo-0", "hugo-1"]);
    let first = &entries[0];
    assert_eq!(first["Node"]["Node"], "lxd0");
    assert_eq!(first["Node"]["Datacenter"], "demo");
    assert_eq!(first["Service"]["Address"], "10.0.0.10");
    assert_eq!(first["Service"]["Port"], 8080);
    assert_eq!(first["Service"]["Meta"], json!({ "version": "1.2" }));
    let statuses = |entry: &Value| {
        entry["Checks"].as_array().unwrap().iter().map(|check| check["Status"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(statuses(first), ["passing", "passing"]);
    assert_eq!(statuses(&entries[1]), ["passing", "critical"]);
    let listed = consul.service("hugo", &Parameters::default());
    assert_eq!(listed[1]["ServiceID"], "hugo-1");
    assert_eq!(listed[1]["ServiceName"], "hugo");
    assert_eq!(listed[1]["Address"], "10.0.0.2");
    assert_eq!(listed[1]["ServiceAddress"], "10.0.0.11");
    assert_eq!(consul.one_node("nobody"), Value::Null);
    assert_eq!(consul.one_node("lxd0")["Services"]["hugo-0"]["Service"], "hugo");
}

#[test]
fn consul_filters_by_health_and_tags() {
    let view = view(7, State::Warning, HostState::Alive);
    let consul = Consul { datacenter: "demo", view: &view };
    let found = |pairs: &[(&str, &str)]| {
        ids(&consul.health_of_service("hugo", &parameters(pairs))).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found(&[("passing", "")]), ["hugo-0"], "a warning does not pass");
    assert_eq!(found(&[("passing", "false")]).len(), 2);
    assert_eq!(found(&[("tag", "blog"), ("tag", "fast")]), ["hugo-0"]);
    assert!(found(&[("tag", "blog"), ("tag", "slow")]).is_empty());
    let count = |state: &str| consul.checks_in_state(state).as_array().unwrap().len();
    assert_eq!((count("any"), count("passing"), count("warning"), count("critical")), (3, 2, 1, 0));
}

#[test]
fn a_host_that_is_gone_is_critical_with_all_on_it_and_one_that_left_is_not_listed() {
    let failed = view(7, State::Passing, HostState::Failed);
    let consul = Consul { datacenter: "demo", view: &failed };
    assert_eq!(consul.checks_in_state("critical").as_array().unwrap().len(), 3);
    assert!(ids(&consul.health_of_service("hugo", &parameters(&[("passing", "1")]))).is_empty());
    let left = view(7, State::Passing, HostState::Left);
    let consul = Consul { datacenter: "demo", view: &left };
    assert_eq!((consul.nodes(), consul.services()), (json!([]), json!({})));
    assert_eq!(consul.health_of_service("hugo", &Parameters::default()), json!([]));
}

#[test]
fn prometheus_is_told_where_metrics_are_and_whose() {
    let groups = prometheus::targets(&view(7, State::Critical, HostState::Alive));
    assert_eq!(groups.as_array().unwrap().len(), 2, "the ill one is watched too");
    let expected = json!({
        "targets": ["10.0.0.10:8080"],
        "labels": {
            "__metrics_path__": "/metrics",
            "service": "hugo",
            "container": "hugo-0",
            "host": "lxd0",
            "capability": ",blog,fast,",
        },
    });
    assert_eq!(groups[0], expected);
    assert_eq!(groups[1]["labels"]["capability"], "");
    let counts = Counts::default();
    counts.dns.answers(Code::NxDomain).one();
    counts.announce.refuse("too-often");
    let door = Door::new(vec!["10.0.0.0/24".parse().unwrap()], 1, 1);
    let (_seat, none) = (door.enter([10, 0, 0, 1].into()), door.enter([10, 0, 0, 2].into()));
    assert!(none.is_none());
    let doors = [(prometheus::WAITING, &*door)].into();
    let text = prometheus::metrics(&view(7, State::Critical, HostState::Alive), &counts, &doors);
    for line in [
        "pontoon_catalogue_index 7\n",
        "pontoon_catalogue_hosts{state=\"alive\"} 1\n",
        "pontoon_catalogue_containers{state=\"critical\"} 1\n",
        "pontoon_http_waiting 1\n",
        "pontoon_connections_refused_total{door=\"http-waiting\",reason=\"full\"} 1\n",
        "pontoon_dns_answers_total{code=\"NXDOMAIN\"} 1\n",
        "pontoon_dns_answers_total{code=\"NOERROR\"} 0\n",
        "pontoon_announce_refused_total{reason=\"too-often\"} 1\n",
        "# TYPE pontoon_checks_total counter\n",
        "# TYPE pontoon_catalogue_services gauge\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn our_own_words_say_who_serves_and_who_does_not() {
    let view = view(7, State::Critical, HostState::Alive);
    let teller = Teller { stack: "demo", here: &"lxd0".into(), now: Duration::from_secs(90) };
    let members = own::members(&view, &teller);
    assert_eq!(members["members"][0]["round_trip_ms"], 1.5);
    assert_eq!(
        (&members["stack"], &members["here"], &members["now_seconds"]),
        (&json!("demo"), &json!("lxd0"), &json!(90))
    );
    let service = own::service(&view, "hugo").unwrap();
    assert_eq!((&service["instances"][0]["serves"], &service["instances"][1]["serves"]), (&json!(true), &json!(false)));
    assert!(own::service(&view, "nobody").is_none());
    let health = own::health(&view);
    assert_eq!((&health["passing"], &health["critical"]), (&json!(1), &json!(1)));
    assert_eq!(health["troubles"][0]["container"], "hugo-1");
    assert_eq!(own::catalogue(&view, &teller)["hosts"][0]["containers"].as_array().unwrap().len(), 2);
}

#[test]
fn only_what_differs_is_a_change() {
    let well = view(1, State::Passing, HostState::Alive);
    assert!(between(&well, &view(2, State::Passing, HostState::Alive)).is_empty());
    let changes = between(&well, &view(2, State::Critical, HostState::Alive));
    let [Change::Container { container, state, was, .. }] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((&**container, *state, *was), ("hugo-1", Some(State::Critical), Some(State::Passing)));
    let lost = between(&well, &view(2, State::Passing, HostState::Failed));
    assert_eq!(lost.len(), 3, "the host, and both of its containers: {lost:?}");
    let gone = between(&well, &View::default());
    assert!(gone.iter().all(|change| match change {
        Change::Host { state, .. } => state.is_none(),
        Change::Container { state, .. } => state.is_none(),
        Change::Picture => false,
    }));
    assert_eq!(gone.len(), 3);
}

#[test]
fn a_query_waits_for_as_long_as_consul_would() {
    let at_most = |pairs: &[(&str, &str)]| wait(&parameters(pairs)).map(|wait| wait.map(|wait| wait.at_most.as_secs()));
    assert_eq!(at_most(&[]), Ok(None));
    assert_eq!(at_most(&[("index", "0"), ("wait", "1s")]), Ok(None));
    assert_eq!(at_most(&[("index", "3")]), Ok(Some(300)));
    assert_eq!(at_most(&[("index", "3"), ("wait", "120000ms")]), Ok(Some(120)));
    assert_eq!(at_most(&[("index", "3"), ("wait", "24h")]), Ok(Some(600)));
    assert_eq!(at_most(&[("index", "x")]), Err(WaitError::Index("x".to_owned())));
    assert_eq!(at_most(&[("wait", "soon")]), Err(WaitError::Time("soon".to_owned())));
}

#[tokio::test]
async fn a_query_is_held_back_until_its_own_answer_differs() {
    let document = |view: &View| Consul { datacenter: "demo", view }.health_of_service("hugo", &Parameters::default());
    let (views, mut watched) = watch::channel(Arc::new(view(5, State::Passing, HostState::Alive)));
    let short = Wait { index: 5, at_most: Duration::from_millis(64) };
    let begun = Instant::now();
    assert_eq!(changed(&mut watched, short, Numbering::default(), document).await.index, 5);
    assert!(begun.elapsed() >= short.at_most, "{:?}", begun.elapsed());

    // An hour, which this test does not last.
    let wait = Wait { index: 5, at_most: Duration::from_hours(1) };
    for index in [4, 6] {
        changed(&mut watched, Wait { index, ..wait }, Numbering::default(), document).await;
    }

    let waiting = tokio::spawn(async move { changed(&mut watched, wait, Numbering::default(), document).await });
    tokio::task::yield_now().await;
    views.send_replace(Arc::new(view(6, State::Passing, HostState::Alive)));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished(), "the view is another, the answer is not");
    views.send_replace(Arc::new(view(7, State::Critical, HostState::Alive)));
    let answer = waiting.await.unwrap();
    assert_eq!(answer.index, 7);
    assert_eq!(answer.document[1]["Checks"][1]["Status"], "critical");
}

#[test]
fn no_index_is_of_two_runs_or_of_two_agents() {
    let indices = |run, chance| {
        let index = |number| {
            let view = view(number, State::Passing, HostState::Alive);
            at_once(&view, Numbering::new(run, chance), |_| Value::Null).index
        };
        index(1)..=index(500_000)
    };
    let run = 1_795_810_513;
    assert!(indices(run, u64::MAX).end() < indices(run + 1, 0).start(), "a second later");
    assert_ne!(indices(run, 7).start(), indices(run, 8).start(), "two agents, the same second, the same view");
    assert!(*indices(u64::from(u32::MAX), u64::MAX).end() < 1 << 53, "numbers of JavaScript hold it");
}
