//! Changing the key of a whole ring.

use pontoon_ring::serf::KeyChange;
use pontoon_ring::wire::keyring::Key;

use crate::ours::Ours;
use crate::ring::{Ring, Secrecy, until_all_say};
use crate::theirs::Theirs;

fn key(byte: u8) -> Key {
    Key::from_bytes(&[byte; 32]).unwrap()
}

async fn four(ring: &Ring) -> ([Ours; 2], [Theirs; 2]) {
    let theirs = [ring.theirs(1).await, ring.theirs(3).await];
    let with_file = |number: u8| {
        let path = ring.path().join(format!("ours-{number}.keys"));
        Ours::start(ring, number, |config| config.keyring_file = Some(path))
    };
    let ours = [with_file(2).await, with_file(4).await];
    theirs[1].joins(ring.address(1)).await;
    for member in &ours {
        member.joins(ring, 1).await;
    }
    all_are_there(&ours, &theirs).await;
    (ours, theirs)
}

async fn all_are_there(ours: &[Ours; 2], theirs: &[Theirs; 2]) {
    let all = ["ours-2", "ours-4", "theirs-1", "theirs-3"].map(|name| (name, "alive"));
    until_all_say(&[&ours[0], &ours[1]], &[&theirs[0], &theirs[1]], &all).await;
}

#[tokio::test]
async fn ours_changes_the_key_of_all() {
    let Some(ring) = Ring::new(Secrecy::Encrypted) else { return };
    let (ours, theirs) = four(&ring).await;
    for change in [KeyChange::Install(key(9)), KeyChange::Use(key(9)), KeyChange::Remove(key(7))] {
        let report = ours[0].change_keys(change.clone(), 0).await.unwrap();
        assert!(report.is_complete() && report.members == 4, "{change:?}: {report:?}");
    }
    let listed = ours[1].change_keys(KeyChange::List, 0).await.unwrap();
    assert!(listed.is_complete(), "{listed:?}");
    assert_eq!(listed.keys.into_iter().collect::<Vec<_>>(), [(key(9).to_base64(), 4)]);
    let printed = theirs[0].serf(&["keys", "-list"]).await.unwrap();
    assert!(printed.contains(&key(9).to_base64()) && !printed.contains(&key(7).to_base64()), "{printed}");
    for member in &ours {
        let path = ring.path().join(format!("{}.keys", member.name()));
        crate::ring::until("the keys are in the file", || async {
            let file = pontoon_ring::driver::read_keyring(&path).await.map_err(|error| error.to_string())?;
            if file.keys().eq([&key(9)]) { Ok(()) } else { Err(format!("{file:?}")) }
        })
        .await;
    }
    all_are_there(&ours, &theirs).await;
}

#[tokio::test]
async fn theirs_changes_the_key_of_all() {
    let Some(ring) = Ring::new(Secrecy::Encrypted) else { return };
    let (ours, theirs) = four(&ring).await;
    for (verb, byte) in [("-install", 9), ("-use", 9), ("-remove", 7)] {
        let printed = theirs[0].serf(&["keys", &format!("{verb}={}", key(byte).to_base64())]).await;
        assert!(printed.is_ok(), "{printed:?}\n{}", theirs[0].log());
    }
    let listed = ours[0].change_keys(KeyChange::List, 0).await.unwrap();
    assert_eq!(listed.keys.into_iter().collect::<Vec<_>>(), [(key(9).to_base64(), 4)]);
    all_are_there(&ours, &theirs).await;
}

#[tokio::test]
async fn a_key_in_use_cannot_be_removed_and_each_member_says_so() {
    let Some(ring) = Ring::new(Secrecy::Encrypted) else { return };
    let (ours, theirs) = four(&ring).await;
    let report = ours[0].change_keys(KeyChange::Remove(key(7)), 0).await.unwrap();
    assert_eq!((report.members, report.responses, report.errors), (4, 4, 4), "{report:?}");
    assert_eq!(report.messages["ours-4"].to_lowercase(), report.messages["theirs-1"].to_lowercase());
    let printed = theirs[0].serf(&["keys", &format!("-remove={}", key(7).to_base64())]).await.unwrap_err();
    assert!(printed.contains("ours-2") && printed.contains("theirs-3"), "{printed}");
}
