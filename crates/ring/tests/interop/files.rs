//! Coming back after a restart, by the snapshot.

use pontoon_ring::serf::snapshot::AfterLeave;

use crate::ours::Ours;
use crate::ring::{Ring, Secrecy, until, until_all_say};
use crate::theirs::Theirs;

async fn ours_with_snapshot(ring: &Ring, number: u8, after_leave: AfterLeave) -> Ours {
    Ours::start(ring, number, |config| {
        config.snapshot = Some(ring.path().join(format!("ours-{number}.snapshot")));
        config.after_leave = after_leave;
    })
    .await
}

async fn until_written(ring: &Ring, file: &str, line: &str) {
    let path = ring.path().join(file);
    until(&format!("`{line}` stands in {file}"), || async {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.lines().any(|written| written == line) { Ok(()) } else { Err(text) }
    })
    .await;
}

/// The same of theirs, which writes what it has noted only when it notes something more.
async fn until_written_by(theirs: &Theirs, ring: &Ring, file: &str, line: &str) {
    let path = ring.path().join(file);
    until(&format!("`{line}` stands in {file}"), || async {
        theirs.serf(&["event", "write"]).await?;
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.lines().any(|written| written == line) { Ok(()) } else { Err(text) }
    })
    .await;
}

const ALL: [(&str, &str); 2] = [("ours-2", "alive"), ("theirs-1", "alive")];

#[tokio::test]
async fn ours_finds_its_ring_again_after_a_crash_and_hears_nothing_twice() {
    let Some(ring) = Ring::new(Secrecy::Plain) else { return };
    let theirs = ring.theirs(1).await;
    let ours = ours_with_snapshot(&ring, 2, AfterLeave::StayAway).await;
    ours.joins(&ring, 1).await;
    theirs.serf(&["event", "-coalesce=false", "before"]).await.unwrap();
    until_written(&ring, "ours-2.snapshot", "event-clock: 1").await;
    until_written(&ring, "ours-2.snapshot", &format!("alive: theirs-1 {}", ring.address(1))).await;
    ours.stop().await;
    until_all_say(&[], &[&theirs], &[("ours-2", "failed"), ("theirs-1", "alive")]).await;
    let ours = ours_with_snapshot(&ring, 2, AfterLeave::StayAway).await;
    let mut events = ours.subscribe().await.unwrap();
    until_all_say(&[&ours], &[&theirs], &ALL).await;
    theirs.serf(&["event", "-coalesce=false", "after"]).await.unwrap();
    let first = crate::ours::next(&mut events, |event| match event {
        pontoon_ring::serf::Event::User(event) => Some(event.name.clone()),
        _ => None,
    });
    assert_eq!(first.await, "after");
}

#[tokio::test]
async fn theirs_finds_ours_again_after_a_crash() {
    let Some(ring) = Ring::new(Secrecy::Encrypted) else { return };
    let snapshot = format!("-snapshot={}", ring.path().join("theirs-1.snapshot").display());
    let theirs = ring.theirs_with(1, &[&snapshot]).await;
    let ours = ring.ours(2).await;
    ours.joins(&ring, 1).await;
    until_written_by(&theirs, &ring, "theirs-1.snapshot", &format!("alive: ours-2 {}", ring.address(2))).await;
    theirs.kill();
    until_all_say(&[&ours], &[], &[("ours-2", "alive"), ("theirs-1", "failed")]).await;
    let theirs = ring.theirs_with(1, &[&snapshot]).await;
    until_all_say(&[&ours], &[&theirs], &ALL).await;
}

#[tokio::test]
async fn a_snapshot_of_theirs_is_one_of_ours() {
    let Some(ring) = Ring::new(Secrecy::Plain) else { return };
    let path = ring.path().join("both.snapshot");
    let words = format!("-snapshot={}", path.display());
    let (other, theirs) = (ring.theirs(1).await, ring.theirs_with(2, &[&words]).await);
    theirs.joins(ring.address(1)).await;
    until_written_by(&theirs, &ring, "both.snapshot", &format!("alive: theirs-1 {}", ring.address(1))).await;
    theirs.kill();
    // The same member, by another program.
    let ours = Ours::start(&ring, 2, |config| {
        config.snapshot = Some(path.clone());
        config.serf.swim.name = "theirs-2".into();
    })
    .await;
    let all = [("theirs-1", "alive"), ("theirs-2", "alive")];
    until_all_say(&[&ours], &[&other], &all).await;
    ours.stop().await;
    until_all_say(&[], &[&other], &[("theirs-1", "alive"), ("theirs-2", "failed")]).await;
    let theirs = ring.theirs_with(2, &[&words]).await;
    until_all_say(&[], &[&other, &theirs], &all).await;
}

#[tokio::test]
async fn who_left_stays_away_unless_told_otherwise() {
    let Some(ring) = Ring::new(Secrecy::Plain) else { return };
    let theirs = ring.theirs(1).await;
    let gone = [("ours-2", "left"), ("theirs-1", "alive")];
    let ours = ours_with_snapshot(&ring, 2, AfterLeave::Rejoin).await;
    ours.joins(&ring, 1).await;
    until_written(&ring, "ours-2.snapshot", &format!("alive: theirs-1 {}", ring.address(1))).await;
    ours.leave().await;
    until_all_say(&[], &[&theirs], &gone).await;
    let ours = ours_with_snapshot(&ring, 2, AfterLeave::Rejoin).await;
    until_all_say(&[&ours], &[&theirs], &ALL).await;
    ours.leave().await;
    until_all_say(&[], &[&theirs], &gone).await;
    let ours = ours_with_snapshot(&ring, 2, AfterLeave::StayAway).await;
    until_written(&ring, "ours-2.snapshot", "clock: 0").await;
    assert_eq!(ours.view().await.len(), 1);
    until_all_say(&[], &[&theirs], &gone).await;
}
