//! What an agent wants before it starts, and who else is in its ring.

use std::net::SocketAddr;

use pontoon_agent::daemon::StartError;
use pontoon_ring::driver::{self, read_keyring};
use pontoon_ring::rpc::{Body, Client, Request};
use pontoon_ring::wire::Layers;
use pontoon_ring::{serf, swim};

use crate::stage::{Host, address, alive, started};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_it_does_not_start_and_says_where_one_belongs() {
    let host = Host::new(1, &[]);
    let file = host.state().join("keyring");
    std::fs::remove_file(&file).unwrap();
    let error = host.try_start().await.unwrap_err();
    assert!(matches!(error, StartError::Keyring(_)));
    let hint = error.hint().unwrap();
    assert!(hint.contains("pontoon up") && hint.contains(&file.display().to_string()), "{hint}");
    std::fs::write(&file, "a key").unwrap();
    assert!(host.try_start().await.unwrap_err().hint().unwrap().contains("JSON list"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_at_one_address_are_one_too_many() {
    let host = Host::new(1, &[]);
    let _agent = host.start().await;
    let error = host.try_start().await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen for other hosts on `{}:7947`", address(1)));
    assert!(error.hint().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_read_again_and_a_broken_one_changes_nothing_but_what_is_said_of_it() {
    let host = Host::new(1, &[]);
    let file = host.directory.path().join("stack.json");
    std::fs::write(&file, "{").unwrap();
    let agent = host.start().await;
    assert!(agent.http("/v1/picture").await["error"].as_str().unwrap().contains("stack.json"));
    std::fs::write(&file, "{\"network\": \"default\"}").unwrap();
    agent.daemon.reload().unwrap();
    assert_eq!(agent.http("/v1/picture").await["network"], "default");
    std::fs::write(&file, "[").unwrap();
    assert!(agent.daemon.reload().is_err());
    let picture = agent.daemon.pictures().borrow().clone();
    assert_eq!((picture.network.as_deref(), picture.error.is_some()), (Some("default"), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_no_hosts_of_the_stack_are_none_and_the_ring_can_be_asked() {
    let (hosts, mut agents) = started(2).await;
    let keys = read_keyring(&hosts[0].state().join("keyring")).await.unwrap();
    let at = SocketAddr::new(address(77), 7946);
    let mut config = driver::Config::new(serf::Config::new(swim::Config::local("laptop", at)));
    config.layers = Layers { keyring: Some(keys), ..Layers::default() };
    config.seeds = vec![SocketAddr::new(address(1), 7946)];
    let laptop = driver::start(config).await.unwrap();
    let mut client = Client::connect(SocketAddr::new(address(2), 7373), None).await.unwrap();
    let began = std::time::Instant::now();
    while !matches!(client.call(Request::Members).await.unwrap(), (_, Some(Body::Members(known))) if known.len() == 3) {
        assert!(began.elapsed() < crate::stage::PATIENCE, "the laptop is a member");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // Whoever comes after it is known, so it was not overlooked.
    let third = Host::new(3, &[2]).start().await;
    for agent in &mut agents {
        let view = agent.until("a third host", |view| alive(view) == 3).await;
        assert!(!view.hosts.contains_key("laptop"));
    }
    drop((laptop, third));
}
