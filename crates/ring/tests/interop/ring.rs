//! A test's own loopback network, and how it waits.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pontoon_ring::wire::keyring::Key;
use tempfile::TempDir;

use crate::ours::Ours;
use crate::theirs::{Theirs, Words};

/// As long as anything may take on a busy machine before it counts as not happening.
const PATIENCE: Duration = Duration::from_mins(1);

/// What one member says about all: status by name.
pub(crate) type View = BTreeMap<String, String>;

/// The members of one test.
pub(crate) struct Ring {
    network: u32,
    family: Family,
    pub(crate) key: Option<Key>,
    pub(crate) directory: TempDir,
}

/// Whether a ring is encrypted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Secrecy {
    Plain,
    Encrypted,
}

#[derive(Clone, Copy)]
enum Family {
    /// An address for each member.
    V4,
    /// A port for each member of the only loopback address that there is.
    V6 { first_port: u16 },
}

impl Ring {
    /// An empty one on IPv6; nothing where the program is missing or the machine has none.
    pub(crate) fn on_ipv6(secrecy: Secrecy) -> Option<Self> {
        if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
            eprintln!("LEFT OUT: there is no IPv6 on this machine, so this test shows nothing");
            return None;
        }
        // Below the ports that systems give away by themselves.
        let first_port = 10_000 + u16::try_from(std::process::id() % 2500).unwrap() * 8;
        Some(Self { family: Family::V6 { first_port }, ..Self::new(secrecy)? })
    }

    /// An empty one; nothing where the program is missing.
    pub(crate) fn new(secrecy: Secrecy) -> Option<Self> {
        if !is_installed() {
            assert!(std::env::var_os("CI").is_none(), "`serf` is not installed; CI is set, so nothing may be left out");
            eprintln!("LEFT OUT: `serf` is not installed (Debian package serf), so this test shows nothing");
            return None;
        }
        let key = match secrecy {
            Secrecy::Plain => None,
            Secrecy::Encrypted => Some(Key::from_bytes(&[7; 32]).unwrap()),
        };
        Some(Self { network: network(), family: Family::V4, key, directory: TempDir::new().unwrap() })
    }

    /// The address of the member of a number from 1 to 254; on IPv6 to 7.
    pub(crate) fn address(&self, number: u8) -> SocketAddr {
        match self.family {
            Family::V4 => self.at(number, 7946),
            Family::V6 { first_port } => (Ipv6Addr::LOCALHOST, first_port + u16::from(number)).into(),
        }
    }

    /// Where an agent of theirs is asked by its own command line.
    pub(crate) fn rpc(&self, number: u8) -> SocketAddr {
        self.at(number, 7373)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// One of ours, alone.
    pub(crate) async fn ours(&self, number: u8) -> Ours {
        Ours::start(self, number, |_| {}).await
    }

    /// One of theirs, alone.
    pub(crate) async fn theirs(&self, number: u8) -> Theirs {
        Theirs::start(self, number, &[]).await
    }

    /// One of theirs, with words on its command line.
    pub(crate) async fn theirs_with(&self, number: u8, words: Words<'_>) -> Theirs {
        Theirs::start(self, number, words).await
    }

    fn at(&self, number: u8, port: u16) -> SocketAddr {
        (Ipv4Addr::from(self.network + u32::from(number)), port).into()
    }
}

/// Asks again until `look` finds what it looks for; what it found instead is told if that never happens.
pub(crate) async fn until<T, Look>(what: &str, mut look: impl FnMut() -> Look) -> T
where
    Look: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(instead) => assert!(Instant::now() < deadline, "never happened: {what}; instead: {instead}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until every member of the ring says `expected` of all.
pub(crate) async fn until_all_say(ours: &[&Ours], theirs: &[&Theirs], expected: &[(&str, &str)]) {
    let expected: View = expected.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect();
    for member in ours {
        until(&format!("{} says {expected:?}", member.name()), || async {
            let view = member.view().await;
            if view == expected { Ok(()) } else { Err(format!("{view:?}")) }
        })
        .await;
    }
    for member in theirs {
        until(&format!("{} says {expected:?}", member.name()), || async {
            let view = member.view().await?;
            if view == expected { Ok(()) } else { Err(format!("{view:?}\n{}", member.log())) }
        })
        .await;
    }
}

fn is_installed() -> bool {
    Command::new("serf").arg("version").output().is_ok_and(|output| output.status.success())
}

/// The first address of a /24 that no test beside this one has. Process ids of tests that run at the same moment lie
/// close together; a few rings fit between two of them.
fn network() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id().wrapping_mul(7).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (60 * 256);
    u32::from(Ipv4Addr::new(127, 10, 0, 0)) + number * 256
}
