//! The thin part around [`Serf`] that has sockets, a clock, files and chance.
//!
//! ```text
//!   Handle ── commands ──▶ ┌ member: one task ───────┐ ──▶ datagrams
//!   Handle ◀── answers ─── │  Serf; nothing else     │ ──▶ snapshot, keyring: one task, in this order
//!   Subscription ◀ events ─│  decides anything       │
//!   datagrams ───────────▶ └─────────────────────────┘
//!                             ▲ what came  │ what to send
//!                          streams: a task each, with a deadline and a share of the memory
//! ```
//!
//! The member's task never waits for a listener, a file or a stream: listeners that are slow lose the oldest events and
//! are told how many, files have their own task, streams have tasks and deadlines. When the last [`Handle`] is dropped
//! the member ends as if it had been killed; [`Handle::leave`] is how it says goodbye.

mod files;
mod handle;
mod keyring;
mod member;
mod sockets;
mod streams;
mod subscription;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use rand::TryRngCore;
use rand::rngs::OsRng;
use tokio::sync::{mpsc, watch};

pub use handle::{Answers, Error, Handle, Joined};
pub use keyring::{KeyringError, read_keyring};
pub use subscription::{Notice, Subscription};

use files::Files;
use member::Member;
use sockets::Sockets;

use crate::serf::snapshot::AfterLeave;
use crate::serf::{self, Replay, Serf, Snapshot};
use crate::swim::Persistence;
use crate::time::Time;
use crate::wire::Layers;

/// How many commands may wait for the member.
const COMMANDS_MAX: usize = 64;

/// What a member is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// How it behaves. `serf.swim.address` is where others reach it; a port of 0 there stands for the one that it
    /// listens on.
    pub serf: serf::Config,
    /// Where it listens, for datagrams and streams. A port of 0 stands for any that is free.
    pub bind: SocketAddr,
    /// Label, keys, compression.
    pub layers: Layers,
    /// Members that it joins, for ever if need be.
    pub seeds: Vec<SocketAddr>,
    /// Whether user events from before it joined `seeds` are told.
    pub replay: Replay,
    /// The file by which it finds its ring again.
    pub snapshot: Option<PathBuf>,
    /// Whether it goes back after it has left.
    pub after_leave: AfterLeave,
    /// Where to keep the keys when they are changed for the whole ring. Read it with [`read_keyring`].
    pub keyring_file: Option<PathBuf>,
}

impl Config {
    /// A member that listens where others reach it, keeps no files and joins nobody.
    pub fn new(serf: serf::Config) -> Self {
        Self {
            bind: serf.swim.address,
            serf,
            layers: Layers::default(),
            seeds: Vec::new(),
            replay: Replay::No,
            snapshot: None,
            after_leave: AfterLeave::StayAway,
            keyring_file: None,
        }
    }
}

/// Why a member could not be started. Nothing is left behind, then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is somebody else's, or in use.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The snapshot cannot be read.
    #[error("cannot read the snapshot `{}`", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The member cannot behave as it is told to.
    #[error(transparent)]
    Serf(#[from] serf::Error),
    /// The system has no chance to give.
    #[error("the system's source of randomness fails")]
    Randomness {
        /// The system's words.
        source: rand::rand_core::OsError,
    },
}

/// How a member ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It left, and the others know.
    Left,
    /// It was stopped, without a word to the others.
    Stopped,
    /// Another member has its name, and the ring knows that one.
    ConflictLost,
}

/// Starts a member on the current tokio runtime.
pub async fn start(mut config: Config) -> Result<Handle, StartError> {
    let sockets =
        Sockets::bind(config.bind).await.map_err(|source| StartError::Listen { address: config.bind, source })?;
    if config.serf.swim.address.port() == 0 {
        config.serf.swim.address.set_port(sockets.address.port());
    }
    let snapshot = match &config.snapshot {
        None => None,
        Some(path) => Some(read_snapshot(path, config.after_leave).await?),
    };
    let mut seed = [0; 32];
    let mut nonces = [0; 32];
    for bytes in [&mut seed, &mut nonces] {
        OsRng.try_fill_bytes(bytes).map_err(|source| StartError::Randomness { source })?;
    }
    let (name, address) = (config.serf.swim.name.clone(), config.serf.swim.address);
    let mut serf = Serf::new(config.serf, config.layers, snapshot, seed, Time::ZERO)?;
    if !config.seeds.is_empty() {
        serf.join(Time::ZERO, config.seeds, Persistence::UntilReached, config.replay)?;
    }
    let files = Files::start(config.snapshot, config.keyring_file);
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let (ended, end) = watch::channel(None);
    let member = Member::new(serf, sockets, files, nonces, inbox);
    tokio::spawn(async move {
        let reason = member.run().await;
        ended.send_replace(Some(reason));
    });
    Ok(Handle::new(name, address, commands, end))
}

/// The addresses that `text` stands for: an address or a name, with a port or with `default_port`.
pub async fn resolve(text: &str, default_port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        return Ok(vec![SocketAddr::new(ip, default_port)]);
    }
    let found: Vec<SocketAddr> = if text.contains(':') {
        tokio::net::lookup_host(text).await?.collect()
    } else {
        tokio::net::lookup_host((text, default_port)).await?.collect()
    };
    Ok(found)
}

async fn read_snapshot(path: &std::path::Path, after_leave: AfterLeave) -> Result<Snapshot, StartError> {
    match files::read_at_most(path, serf::snapshot::SIZE_MAX).await {
        Ok(bytes) => Ok(Snapshot::read(&bytes, after_leave)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Snapshot::default()),
        Err(source) => Err(StartError::Snapshot { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests;
