//! Coming, going, and what members say of themselves.

use serde_json::json;

use pontoon_ring::serf::Prune;

use crate::ours::tags;
use crate::ring::{Ring, Secrecy, until, until_all_say};

async fn each_joins_the_other(ring: Option<Ring>) {
    let Some(ring) = ring else { return };
    let (theirs, ours) = (ring.theirs(1).await, ring.ours(2).await);
    ours.joins(&ring, 1).await;
    let (second, third) = (ring.theirs(3).await, ring.ours(4).await);
    second.joins(ring.address(2)).await;
    third.joins(&ring, 2).await;
    let all = ["ours-2", "ours-4", "theirs-1", "theirs-3"].map(|name| (name, "alive"));
    until_all_say(&[&ours, &third], &[&theirs, &second], &all).await;
}

#[tokio::test]
async fn each_joins_the_other_in_the_open() {
    each_joins_the_other(Ring::new(Secrecy::Plain)).await;
}

#[tokio::test]
async fn each_joins_the_other_encrypted() {
    each_joins_the_other(Ring::new(Secrecy::Encrypted)).await;
}

#[tokio::test]
async fn each_joins_the_other_on_ipv6() {
    each_joins_the_other(Ring::on_ipv6(Secrecy::Encrypted)).await;
}

#[tokio::test]
async fn who_has_no_key_or_another_one_does_not_come_in() {
    let Some(mut ring) = Ring::new(Secrecy::Encrypted) else { return };
    let theirs = ring.theirs(1).await;
    ring.key = None;
    let plain = ring.ours(2).await;
    let (once, replay) = (pontoon_ring::swim::Persistence::Once, pontoon_ring::serf::Replay::No);
    assert_eq!(plain.join(vec![ring.address(1)], once, replay).await.unwrap().reached, []);
    ring.key = Some(pontoon_ring::wire::keyring::Key::from_bytes(&[8; 32]).unwrap());
    let stranger = ring.ours(3).await;
    assert_eq!(stranger.join(vec![ring.address(1)], once, replay).await.unwrap().reached, []);
    assert!(theirs.serf(&["join", &ring.address(3).to_string()]).await.is_err());
    until_all_say(&[], &[&theirs], &[("theirs-1", "alive")]).await;
}

#[tokio::test]
async fn tags_are_known_to_the_other_and_may_change() {
    let Some(ring) = Ring::new(Secrecy::Plain) else { return };
    let theirs = ring.theirs_with(1, &["-tag", "role=db", "-tag", "rack=7"]).await;
    let ours = crate::ours::Ours::start(&ring, 2, |config| config.serf.tags = tags(&[("role", "web")])).await;
    ours.joins(&ring, 1).await;
    let theirs_say = |expected: serde_json::Value| {
        let theirs = &theirs;
        async move {
            until("theirs know our tags", || async {
                let known = theirs.tags_of("ours-2").await?;
                if known == expected { Ok(()) } else { Err(known.to_string()) }
            })
            .await;
        }
    };
    let ours_say = |expected: pontoon_ring::serf::Tags| {
        let ours = &ours;
        async move {
            until("ours knows their tags", || async {
                let known = ours.tags_of("theirs-1").await;
                if known.as_ref() == Some(&expected) { Ok(()) } else { Err(format!("{known:?}")) }
            })
            .await;
        }
    };
    theirs_say(json!({"role": "web"})).await;
    ours_say(tags(&[("role", "db"), ("rack", "7")])).await;
    ours.set_tags(tags(&[("zone", "ä")]), vec!["role".to_owned()]).await.unwrap();
    theirs.serf(&["tags", "-set", "rack=8", "-delete", "role"]).await.unwrap();
    theirs_say(json!({"zone": "ä"})).await;
    ours_say(tags(&[("rack", "8")])).await;
    theirs.hears(|event| event.contains("zone=ä")).await;
}

async fn whoever_leaves_has_left(secrecy: Secrecy) {
    let Some(ring) = Ring::new(secrecy) else { return };
    let (theirs, second) = (ring.theirs(1).await, ring.theirs(3).await);
    let (ours, third) = (ring.ours(2).await, ring.ours(4).await);
    for member in [&ours, &third] {
        member.joins(&ring, 1).await;
    }
    second.joins(ring.address(1)).await;
    let all = ["ours-2", "ours-4", "theirs-1", "theirs-3"].map(|name| (name, "alive"));
    until_all_say(&[&ours, &third], &[&theirs, &second], &all).await;
    second.serf(&["leave"]).await.unwrap();
    third.leave().await;
    let all = [("ours-2", "alive"), ("ours-4", "left"), ("theirs-1", "alive"), ("theirs-3", "left")];
    until_all_say(&[&ours], &[&theirs], &all).await;
}

#[tokio::test]
async fn whoever_leaves_has_left_in_the_open() {
    whoever_leaves_has_left(Secrecy::Plain).await;
}

#[tokio::test]
async fn whoever_leaves_has_left_encrypted() {
    whoever_leaves_has_left(Secrecy::Encrypted).await;
}

#[tokio::test]
async fn whoever_is_killed_has_failed_and_can_be_told_to_have_left() {
    let Some(ring) = Ring::new(Secrecy::Plain) else { return };
    let (theirs, second) = (ring.theirs(1).await, ring.theirs(3).await);
    let (ours, third) = (ring.ours(2).await, ring.ours(4).await);
    for member in [&ours, &third] {
        member.joins(&ring, 1).await;
    }
    second.joins(ring.address(1)).await;
    let all = ["ours-2", "ours-4", "theirs-1", "theirs-3"].map(|name| (name, "alive"));
    until_all_say(&[&ours, &third], &[&theirs, &second], &all).await;
    second.kill();
    third.stop().await;
    let all = [("ours-2", "alive"), ("ours-4", "failed"), ("theirs-1", "alive"), ("theirs-3", "failed")];
    until_all_say(&[&ours], &[&theirs], &all).await;
    ours.force_leave("theirs-3", Prune::No).await.unwrap();
    theirs.serf(&["force-leave", "ours-4"]).await.unwrap();
    let all = [("ours-2", "alive"), ("ours-4", "left"), ("theirs-1", "alive"), ("theirs-3", "left")];
    until_all_say(&[&ours], &[&theirs], &all).await;
    ours.force_leave("theirs-3", Prune::Yes).await.unwrap();
    theirs.serf(&["force-leave", "-prune", "ours-4"]).await.unwrap();
    until_all_say(&[&ours], &[&theirs], &[("ours-2", "alive"), ("theirs-1", "alive")]).await;
}
