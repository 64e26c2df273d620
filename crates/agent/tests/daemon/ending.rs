//! Agents that go, and come back.

use pontoon_agent::catalogue::{HostState, MonitoringPoint, State};

use crate::stage::{At, Host, Service, alive, serving, started, state, web};

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
    let epoch = |view: &pontoon_agent::catalogue::View| view.hosts.get("lxd2").unwrap().part.version.epoch;
    let after = agents[0].until("another start", |view| epoch(view) > epoch(&before)).await;
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
