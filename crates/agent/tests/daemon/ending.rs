//! Agents that go, and come back.

use std::time::{Duration, Instant};

use pontoon_agent::catalogue::{HostState, MonitoringPoint, State, View};
use pontoon_agent::daemon::RingPace;
use serde_json::json;

use crate::stage::{At, Host, PATIENCE, Service, alive, serving, started, started_at, state, web};

/// The number of the start of an agent, as another one knows it.
fn epoch(view: &View, host: &str) -> u64 {
    view.hosts.get(host).unwrap().part.version.epoch
}

#[tokio::test(flavor = "multi_thread")]
async fn the_containers_of_a_host_that_is_killed_are_no_answers_until_it_is_back() {
    let (hosts, mut agents) = started(3).await;
    hosts[2].engine.run("web-0", web(200, &[]));
    let before = agents[0].until("it serves", |view| serving(view) == 1).await;
    hosts[2].until_snapshot_names(2).await;
    agents.pop().unwrap().daemon.stop().await;
    for agent in &mut agents {
        let view = agent.until("its host fails", |view| serving(view) == 0).await;
        assert_eq!(state(&view, "web-0"), Some(State::Unknown), "it is known, and not said to be gone");
        assert_eq!(agent.dns("web.service").await, [] as [std::net::IpAddr; 0]);
    }
    // It finds the ring by its snapshot: its seeds are gone.
    std::fs::write(hosts[2].directory.path().join("seeds"), "").unwrap();
    let mut again = hosts[2].start().await;
    for agent in &mut agents {
        // It is there as soon as the ring says so, and says what it has a moment later: what was known of it counts until then.
        let version = |view: &pontoon_agent::catalogue::View| view.hosts.get("lxd3").unwrap().part.version;
        agent.until("it is back", |view| serving(view) == 1 && version(view) > version(&before)).await;
    }
    again.until("it knows the others", |view| alive(view) == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_leaves_has_left_at_once_and_may_come_back() {
    let (hosts, mut agents) = started(3).await;
    hosts[2].engine.run("web-0", web(200, &[]));
    agents[0].until("it serves", |view| serving(view) == 1).await;
    agents.pop().unwrap().daemon.leave().await;
    for agent in &mut agents {
        agent
            .until("it has left", |view| view.hosts.get("lxd3").is_some_and(|host| host.state == HostState::Left))
            .await;
        assert_eq!(agent.dns("web.service").await, [] as [std::net::IpAddr; 0]);
    }
    let _again = hosts[2].start().await;
    for agent in &mut agents {
        agent.until("it is back", |view| serving(view) == 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_say_of_containers_that_are_well_that_nothing_is_known_of_them() {
    let (hosts, mut agents) = started(2).await;
    let _service = Service::start(200).await;
    hosts[1].engine.run("web-0", web(200, &[MonitoringPoint::Http("/".to_owned())]));
    let before = agents[0].until("it serves", |view| serving(view) == 1).await;
    let watching = agents[0].views.clone();
    agents.pop().unwrap().daemon.stop().await;
    let again = hosts[1].start().await;
    let after = agents[0].until("another start", |view| epoch(view, "lxd2") > epoch(&before, "lxd2")).await;
    assert_eq!(state(&after, "web-0"), Some(State::Passing), "the first that is heard of it");
    drop((again, watching));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_another_key_joins_nobody() {
    let (_hosts, mut agents) = started(2).await;
    let stranger = Host::new(9, &[1, 2]);
    stranger.set_key("YW5vdGhlciBrZXksIGFuZCBub3QgdGhlIHJpbmcncyE=");
    stranger.engine.run("web-9", web(209, &[]));
    let mut daemon = stranger.try_start().await.unwrap();
    assert_eq!(daemon.join().await, 0);
    let mut views = daemon.views();
    let own = views.wait_for(|view| view.hosts.len() == 1).await.unwrap().clone();
    assert_eq!(alive(&own), 1);
    // Those who do know each other hear of others meanwhile, and of this one nothing.
    let third = Host::new(3, &[1]).start().await;
    let view = agents[0].until("a third host", |view| alive(view) == 3).await;
    assert!(!view.hosts.contains_key("lxd9"));
    drop((third, daemon));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_while_an_agent_comes_back_waits_and_is_told_of_all_hosts() {
    let (hosts, mut agents) = started(3).await;
    hosts[0].engine.run("web-0", web(200, &[]));
    for agent in &mut agents {
        agent.until("it serves", |view| serving(view) == 1).await;
    }
    agents.pop().unwrap().daemon.stop().await;
    let mut daemon = hosts[2].try_start().await.unwrap();
    let at = At(daemon.address());
    let asked = tokio::spawn(async move { (at.dns("web.service").await, at.http("/v1/services/web").await) });
    daemon.join().await;
    let (addresses, answer) = asked.await.unwrap();
    assert_eq!(addresses, [crate::stage::address(200)]);
    assert_eq!(answer["instances"][0]["container"], "web-0");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_all_come_back_at_once_answer_when_they_know_all_that_the_picture_names() {
    let (mut hosts, agents) = started(3).await;
    hosts[2].engine.run("web-0", web(200, &[]));
    let picture = json!({"hosts": {"lxd1": {}, "lxd2": {}, "lxd3": {}}}).to_string();
    for host in &mut hosts {
        host.gather = PATIENCE;
        std::fs::write(host.directory.path().join("stack.json"), &picture).unwrap();
        std::fs::write(host.directory.path().join("seeds"), crate::stage::address(2).to_string()).unwrap();
    }
    for agent in agents {
        agent.daemon.stop().await;
    }
    let mut first = hosts[0].try_start().await.unwrap();
    let (at, mut views) = (At(first.address()), first.views());
    let asked = tokio::spawn(async move { at.http("/v1/services/web").await });
    let joining = tokio::spawn(async move {
        first.join().await;
        first
    });
    let second = hosts[1].try_start().await.unwrap();
    // It could answer now, and there would be something missing.
    views.wait_for(|view| view.hosts.contains_key("lxd2")).await.unwrap();
    let third = hosts[2].start().await;
    assert_eq!(asked.await.unwrap()["instances"][0]["container"], "web-0");
    drop((joining.await.unwrap(), second, third));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_host_of_a_stack_that_has_grown_waits_for_the_others_though_no_seed_names_them() {
    let (mut hosts, mut agents) = started(2).await;
    hosts[1].engine.run("web-0", web(200, &[]));
    agents[0].until("it serves", |view| serving(view) == 1).await;
    hosts[0].until_snapshot_names(1).await;
    hosts[0].gather = PATIENCE;
    let picture = json!({"hosts": {"lxd1": {}, "lxd2": {}}}).to_string();
    std::fs::write(hosts[0].directory.path().join("stack.json"), picture).unwrap();
    agents.remove(0).daemon.stop().await;
    let mut daemon = hosts[0].try_start().await.unwrap();
    let at = At(daemon.address());
    let asked = tokio::spawn(async move { at.http("/v1/services/web").await });
    daemon.join().await;
    assert_eq!(asked.await.unwrap()["instances"][0]["container"], "web-0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_while_the_engine_is_slow_leaves_what_was_known_until_all_is_looked_at() {
    let (mut hosts, mut agents) = started_at(RingPace::Lan, 2).await;
    hosts[1].engine.looks(State::Passing);
    hosts[1].engine.run("web-0", web(200, &[MonitoringPoint::Unit("web.service".to_owned())]));
    let before = agents[0].until("it serves", |view| serving(view) == 1).await;
    agents.pop().unwrap().daemon.stop().await;

    hosts[1].engine.hang(true);
    (hosts[1].gather, hosts[1].looks) = (Duration::from_millis(50), PATIENCE);
    let mut daemon = hosts[1].try_start().await.unwrap();
    let (at, mut views, own) = (At(daemon.address()), daemon.views(), daemon.views());
    let asked = tokio::spawn(async move { at.http("/v1/services/web").await });
    let joining = tokio::spawn(async move {
        daemon.join().await;
        daemon
    });
    views.wait_for(|view| alive(view) == 2).await.unwrap();
    // A host that comes now hears of both, and asks both.
    let third = Host { ring: RingPace::Lan, gather: Duration::from_millis(500), ..Host::new(3, &[1]) }.start().await;
    assert_eq!(serving(&agents[0].views.borrow()), 1, "the other one knows what it knew");
    assert!(own.borrow().container("web-0").next().is_none(), "nothing is said before");

    hosts[1].engine.hang(false);
    let after = agents[0].until("another start", |view| epoch(view, "lxd2") > epoch(&before, "lxd2")).await;
    assert_eq!(state(&after, "web-0"), Some(State::Passing), "the first that is heard of it");
    assert_eq!(asked.await.unwrap()["instances"][0]["state"], "passing");
    drop((joining.await.unwrap(), third));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_hangs_does_not_keep_its_host_silent_for_ever() {
    let hung = Host { gather: Duration::from_millis(50), looks: Duration::from_millis(100), ..Host::new(1, &[]) };
    hung.engine.hang(true);
    hung.engine.run("web-0", web(200, &[MonitoringPoint::Unit("web.service".to_owned())]));
    hung.engine.run("web-1", web(201, &[]));
    let agent = hung.start().await;
    let view = agent.views.borrow().clone();
    assert_eq!((state(&view, "web-0"), state(&view, "web-1")), (Some(State::Unknown), Some(State::Passing)));
}

/// A client that is cut off while it waits takes that for an error, and rests before it asks again.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_change_when_an_agent_ends_is_answered_once_more() {
    let host = Host::new(1, &[]);
    let agent = host.start().await;
    let known = At(agent.address).asks("/v1/catalog/services", "close").await.answer().await;
    let index = known.header("x-consul-index").unwrap();
    let path = format!("/v1/catalog/services?index={index}&wait=10m");
    let waiting = At(agent.address).asks(&path, "keep-alive").await;
    let listening = At(agent.address).asks("/v1/changes", "keep-alive").await;
    let began = Instant::now();
    while !agent.text("/metrics").await.contains("\npontoon_http_waiting 2\n") {
        assert!(began.elapsed() < PATIENCE, "they wait");
    }
    agent.daemon.stop().await;
    let answer = waiting.answer().await;
    assert!(answer.head.starts_with("HTTP/1.1 200"), "{answer:?}");
    assert_eq!((answer.header("connection"), &answer.body), (Some("close"), &known.body));
    assert!(answer.header("x-consul-index").is_some(), "{answer:?}");
    let listened = listening.answer().await;
    assert!(listened.body.ends_with("0\r\n\r\n"), "the stream has an end, and is not cut: {listened:?}");
}
