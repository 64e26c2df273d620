//! Rings of more than a few.

use bytes::Bytes;

use pontoon_ring::serf::{Coalesce, Event};

use crate::ours::{Ours, next};
use crate::ring::{Ring, Secrecy, until_all_say};
use crate::theirs::Theirs;

fn expected(ours: &[Ours], theirs: &[Theirs]) -> Vec<(String, String)> {
    let names = ours.iter().map(|member| member.name().to_string());
    names.chain(theirs.iter().map(|agent| agent.name().to_owned())).map(|name| (name, "alive".to_owned())).collect()
}

async fn until_all_agree(ours: &[Ours], theirs: &[Theirs], expected: &[(String, String)]) {
    let expected: Vec<(&str, &str)> = expected.iter().map(|(name, status)| (name.as_str(), status.as_str())).collect();
    let (ours, theirs) = (ours.iter().collect::<Vec<_>>(), theirs.iter().collect::<Vec<_>>());
    until_all_say(&ours, &theirs, &expected).await;
}

async fn three_of_ours_and_three_of_theirs_agree(secrecy: Secrecy) {
    let Some(ring) = Ring::new(secrecy) else { return };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 1..=3 {
        theirs.push(ring.theirs(number).await);
        ours.push(ring.ours(number + 10).await);
    }
    // A chain: each joins by the one before, of the other kind.
    for number in 1..=3 {
        ours[usize::from(number) - 1].joins(&ring, number).await;
        if number < 3 {
            theirs[usize::from(number)].joins(ring.address(number + 10)).await;
        }
    }
    let mut all = expected(&ours, &theirs);
    until_all_agree(&ours, &theirs, &all).await;
    let mut events = ours[2].subscribe().await.unwrap();
    ours[0].user_event("six", Bytes::new(), Coalesce::Forbidden).await.unwrap();
    for agent in &theirs {
        agent.hears(|event| event.starts_with("user six")).await;
    }
    let name = |event: &Event| if let Event::User(event) = event { Some(event.name.clone()) } else { None };
    assert_eq!(next(&mut events, name).await, "six");
    // One of each goes in each way.
    let gone = [("ours-11", "left"), ("ours-12", "failed"), ("theirs-1", "left"), ("theirs-2", "failed")];
    ours.remove(0).leave().await;
    ours.remove(0).stop().await;
    theirs.remove(0).serf(&["leave"]).await.unwrap();
    theirs.remove(0).kill();
    for (name, status) in gone {
        all.retain(|(member, _)| member != name);
        all.push((name.to_owned(), status.to_owned()));
    }
    until_all_agree(&ours, &theirs, &all).await;
}

#[tokio::test]
async fn three_of_ours_and_three_of_theirs_agree_on_all_that_happens_in_the_open() {
    three_of_ours_and_three_of_theirs_agree(Secrecy::Plain).await;
}

#[tokio::test]
async fn three_of_ours_and_three_of_theirs_agree_on_all_that_happens_encrypted() {
    three_of_ours_and_three_of_theirs_agree(Secrecy::Encrypted).await;
}

async fn thirty_of_ours_and_two_of_theirs(secrecy: Secrecy) {
    let Some(ring) = Ring::new(secrecy) else { return };
    let theirs = vec![ring.theirs(1).await, ring.theirs(2).await];
    theirs[1].joins(ring.address(1)).await;
    let mut ours = Vec::new();
    for number in 11..=40 {
        let seed = ring.address(if number % 2 == 0 { 1 } else { 2 });
        ours.push(Ours::start(&ring, number, |config| config.seeds = vec![seed]).await);
    }
    let mut all = expected(&ours, &theirs);
    until_all_agree(&ours, &theirs, &all).await;
    theirs[0].serf(&["event", "-coalesce=false", "all", "of you"]).await.unwrap();
    ours[7].user_event("us too", Bytes::new(), Coalesce::Forbidden).await.unwrap();
    for agent in &theirs {
        agent.hears(|event| event == "user all of you").await;
        agent.hears(|event| event.starts_with("user us too")).await;
    }
    let killed = ours.pop().unwrap();
    killed.stop().await;
    all.retain(|(name, _)| *name != **killed.name());
    all.push((killed.name().to_string(), "failed".to_owned()));
    until_all_agree(&ours, &theirs, &all).await;
}

#[tokio::test]
async fn thirty_of_ours_and_two_of_theirs_are_one_ring_in_the_open() {
    thirty_of_ours_and_two_of_theirs(Secrecy::Plain).await;
}

#[tokio::test]
async fn thirty_of_ours_and_two_of_theirs_are_one_ring_encrypted() {
    thirty_of_ours_and_two_of_theirs(Secrecy::Encrypted).await;
}
