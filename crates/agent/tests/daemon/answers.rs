//! What is announced on one host, and answered on the others.

use std::time::{Duration, Instant};

use pontoon_agent::catalogue::{MonitoringPoint, State, View};
use pontoon_agent::daemon::RingPace;

use crate::stage::{Service, address, serving, started, started_at, state, web};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_containers_of_one_host_announce_all_hosts_answer() {
    let (hosts, mut agents) = started(3).await;
    hosts[2].engine.run("web-0", web(200, &[]));
    hosts[1].engine.run("web-1", web(201, &[]));
    for agent in &mut agents {
        agent.until("two copies", |view| serving(view) == 2).await;
        assert_eq!(agent.dns("web.service").await, [address(200), address(201)]);
        assert_eq!(agent.dns("web-0.container").await, [address(200)]);
        let answer = agent.http("/v1/services/web").await;
        assert_eq!(answer["instances"][1]["host"], "lxd3", "{answer}");
    }

    let mut other = web(200, &[]);
    other.announced.capabilities.insert("search".into());
    hosts[2].engine.run("web-0", other);
    for agent in &mut agents {
        agent.until("a new capability", |view| view.capability("search").count() == 1).await;
        assert_eq!(agent.dns("search.capability").await, [address(200)]);
    }

    hosts[2].engine.stop("web-0");
    for agent in &mut agents {
        agent.until("one copy", |view| view.service("web").count() == 1).await;
        assert_eq!(agent.dns("web-0.container").await, [] as [std::net::IpAddr; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_takes_less_than_moments() {
    let (hosts, mut agents) = started_at(RingPace::Lan, 3).await;
    let mut took = Vec::new();
    for number in 0..20_u8 {
        let name = format!("web-{number}");
        let began = Instant::now();
        hosts[2].engine.run(&name, web(100 + number, &[]));
        for agent in &mut agents {
            agent.until("another copy", |view| view.container(&name).count() == 1).await;
        }
        took.push(began.elapsed());
        // The engine is looked at only so often, and so is the catalogue told; the next one finds both at rest.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    took.sort();
    eprintln!("from the engine to the views of all: median {:?}, longest {:?}", took[10], took[19]);
    // Whatever the machine does meanwhile, it is gossip and not the next exchange of states that brings it.
    assert!(took[10] < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_check_fails_is_no_answer_until_it_recovers() {
    let (hosts, mut agents) = started(3).await;
    let points = [MonitoringPoint::Http("/".to_owned()), MonitoringPoint::Tcp(8080)];
    hosts[0].engine.run("web-0", web(200, &points));
    agents[2].until("it fails from the beginning", |view| state(view, "web-0") == Some(State::Critical)).await;
    assert_eq!(agents[2].dns("web.service").await, [] as [std::net::IpAddr; 0]);

    for _ in 0..2 {
        let service = Service::start(200).await;
        for agent in &mut agents {
            agent.until("it serves", |view| serving(view) == 1).await;
            assert_eq!(agent.dns("web.service").await, [address(200)]);
        }
        service.end().await;
        for agent in &mut agents {
            agent.until("it fails", |view| state(view, "web-0") == Some(State::Critical)).await;
            assert_eq!(agent.dns("web.service").await, [] as [std::net::IpAddr; 0]);
        }
        let health = agents[1].http("/v1/health").await;
        assert_eq!(health["critical"], 1);
        assert!(health["troubles"][0]["output"].as_str().unwrap().contains("refused"), "{health}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_sees_inside_of_a_container_counts_too() {
    let (hosts, mut agents) = started(2).await;
    hosts[0].engine.looks(State::Passing);
    hosts[0].engine.run("web-0", web(200, &[MonitoringPoint::Unit("hugo.service".to_owned())]));
    agents[1].until("it is well", |view| state(view, "web-0") == Some(State::Passing)).await;
    hosts[0].engine.looks(State::Critical);
    agents[1].until("it is not", |view| state(view, "web-0") == Some(State::Critical)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_containers_of_an_engine_that_is_silent_for_long_are_unknown() {
    let (hosts, mut agents) = started(2).await;
    hosts[0].engine.run("web-0", web(200, &[]));
    agents[1].until("it serves", |view| serving(view) == 1).await;
    hosts[0].engine.fall_silent();
    agents[1].until("it is unknown", |view| state(view, "web-0") == Some(State::Unknown)).await;
    let answer = agents[1].http("/v1/services/web").await;
    assert_eq!(answer["instances"][0]["output"], "the engine does not answer: it is being updated");
    hosts[0].engine.speak();
    agents[1].until("it serves again", |view| serving(view) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_container_says_of_itself_all_hosts_answer_and_a_restart_does_not_forget_it() {
    let (hosts, mut agents) = started(2).await;
    hosts[1].engine.run("web-0", web(200, &[]));
    agents[0].until("it serves", |view| serving(view) == 1).await;
    hosts[1].says("web-0", r#"{"capabilities": ["search"], "says": {"version": "1.2"}}"#).await;
    let before = agents[0].until("what it says", |view| view.capability("search").count() == 1).await;
    assert_eq!(agents[0].dns("search.capability").await, [address(200)]);
    assert_eq!(agents[0].http("/v1/services/web").await["instances"][0]["says"], serde_json::json!({"version": "1.2"}));

    agents.pop().unwrap().daemon.stop().await;
    let again = hosts[1].start().await;
    let epoch = |view: &View| view.hosts.get("lxd2").unwrap().part.version.epoch;
    let after = agents[0].until("another start", |view| epoch(view) > epoch(&before)).await;
    assert_eq!(after.capability("search").count(), 1, "the first that is heard of it");
    drop(again);
}
