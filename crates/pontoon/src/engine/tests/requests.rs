//! What takes minutes on a real cloud is not asked for again and again.

use std::time::Duration;

use super::fixture::{Bench, example};

/// How often something of the cloud was asked for, by the end of its path.
fn asked(bench: &Bench, is_it: impl Fn(&str) -> bool) -> usize {
    bench.cloud.world().requests().iter().filter(|one| is_it(&one.path)).count()
}

#[tokio::test]
async fn a_slow_boot_is_watched_without_asking_the_cloud() {
    let bench = Bench::with(|config| {
        config.delays.guest_boot = Duration::from_millis(1500);
        config.delays.balancer = Duration::from_millis(300);
    })
    .await;
    bench.built(&example("blog", &[])).await;
    let consoles = asked(&bench, |path| path.ends_with("/action"));
    assert!(consoles <= 2, "once early, once when its sshd listens; it was {consoles} times");
    let balancers = asked(&bench, |path| {
        path.split_once("/loadbalancers/").is_some_and(|(_, id)| !id.is_empty() && !id.contains('/'))
    });
    assert_eq!(balancers, 1, "it is there long before its members serve");
}
