//! The agent as a process: everything that waits, joined.
//!
//! ```text
//!  engine ──▶ watch ──Seen──▶ own ◀──Words── announce: the containers' sockets
//!    ▲     what runs here     │ │ ▲ ──Declared──▶
//!    └───────────looks────────┘ │ └─outcomes── looks: a task each, dropped when their time is over
//!                               │
//!                             Ours: containers, and how they are
//!                               ▼                                            ┌─▶ dns
//!  other hosts ──Asked──▶ ┌── link ───┐ ──View: one state, published whole ──┤
//!     ▲    exchange       │ Catalogue │                                      └─▶ http
//!     └───asks, answers───│ decides   │ ──events, the tag──▶ ring ◀──▶ other members
//!                         └───────────┘ ◀──members, events──  │ ▲
//!                                                       rpc ──┘ └── keyring, snapshot
//! ```
//!
//! Between two tasks there is a value of which only the newest counts (`watch`), or a queue with a bound whose writer can
//! wait; nobody waits for who is slow. What comes from the engine and from the membership only wakes: what is done then
//! follows from reading all of it. Each task ends with the [`Daemon`].
//!
//! A start: the files are read and all sockets bound, so that a mistake is said by name and nothing is begun; then the
//! containers are looked at, so that what the host says first is how they are; then it joins the ring, before it is missed,
//! even if not all were looked at: until they are, nobody is told of them, and the others keep what they know. When the
//! others have told what they have, it begins to answer. None of this is waited for without end. An end: it leaves the ring,
//! which the others are told, answers once more whoever waits for a change by HTTP, and only then goes.
//!
//! Signals, and which engine it is, are the matter of whoever starts this.

mod address;
mod checks;
mod engine;
mod epoch;
mod exchange;
mod farewell;
mod link;
pub mod notify;
mod own;
mod pace;
mod settings;
mod start;
mod watch;

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pontoon_ring::driver::{End, Handle};
use pontoon_ring::serf::Replay;
use pontoon_ring::swim::Persistence;
use tokio::sync::watch as channel;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::announce;
use crate::catalogue::View;
use crate::picture::{self, Picture, PictureError};
use link::Known;

pub use address::AddressError;
pub use engine::{Announced, Engine, Running, Silence};
pub use epoch::EpochError;
pub use pace::{Pace, RingPace};
pub use settings::{DEFAULT_PATH, Settings, SettingsError};
pub use start::{StartError, start};

/// How long those may take to read who are answered at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// A running agent. When it is dropped, it ends as if it had been killed.
#[derive(Debug)]
pub struct Daemon {
    ring: Handle,
    seeds: Vec<SocketAddr>,
    pace: Pace,
    address: IpAddr,
    http: Vec<SocketAddr>,
    /// The containers' sockets; what was said there is kept at the end.
    voices: announce::Server,
    picture_file: PathBuf,
    pictures: channel::Sender<Arc<Picture>>,
    views: channel::Receiver<Arc<View>>,
    /// How much of the stack the view has.
    known: channel::Receiver<Known>,
    /// Whether questions are answered.
    opened: channel::Sender<bool>,
    /// What answers HTTP, and what ends it.
    answering: JoinSet<()>,
    end: CancellationToken,
    /// All else that runs; it ends with this.
    tasks: JoinSet<()>,
}

impl Daemon {
    /// The member of the ring.
    pub const fn ring(&self) -> &Handle {
        &self.ring
    }

    /// Where others reach it.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Where it answers HTTP.
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    /// What it knows, as it changes.
    pub fn views(&self) -> channel::Receiver<Arc<View>> {
        self.views.clone()
    }

    /// What the stack should look like, as it was read last.
    pub fn pictures(&self) -> channel::Receiver<Arc<Picture>> {
        self.pictures.subscribe()
    }

    /// Asks each seed once, for a moment at most; those that do not answer are asked again, for ever if need be. Returns
    /// how many answered. From then on questions are answered: whoever asks a host whose agent is restarted waits for a
    /// moment, and is not told that there is nobody else.
    pub async fn join(&mut self) -> usize {
        let reached = self.join_ring().await;
        // It has an end of its own.
        let _ = self.known.wait_for(|known| known.own).await;
        // Those that do not answer yet may be restarted at the same moment. A host that was the first of its stack has no
        // seed but itself, and finds the ring by those that it knew.
        let has_others =
            self.pictures.borrow().hosts.len() > 1 || self.seeds.iter().any(|seed| seed.ip() != self.address);
        if has_others && timeout(self.pace.gather, self.known.wait_for(|known| known.others)).await.is_err() {
            let awaited = self.known.borrow().awaited.join(", ");
            tracing::warn!(awaited, waited = ?self.pace.gather, "not all hosts have told what they have; it is answered without");
        }
        self.opened.send_replace(true);
        reached
    }

    async fn join_ring(&mut self) -> usize {
        if self.seeds.is_empty() {
            return 0;
        }
        let once = self.ring.join(self.seeds.clone(), Persistence::Once, Replay::No);
        let reached = match timeout(self.pace.seeds, once).await {
            Ok(Ok(joined)) => {
                for (seed, failure) in &joined.failed {
                    tracing::warn!(%seed, %failure, "a seed does not answer, or has other keys");
                }
                joined.reached.len()
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot join the ring");
                0
            }
            Err(_) => {
                tracing::warn!(waited = ?self.pace.seeds, "not all seeds have answered yet");
                0
            }
        };
        // From here on the member remembers them: it asks again while it is alone, and where a ring may have parted.
        let (ring, seeds) = (self.ring.clone(), self.seeds.clone());
        self.tasks.spawn(async move {
            // It says nothing new: who answers is told by the membership.
            let _ = ring.join(seeds, Persistence::UntilReached, Replay::No).await;
        });
        reached
    }

    /// Reads the picture of the stack again. Where that fails, the last good one stays.
    pub fn reload(&self) -> Result<(), PictureError> {
        picture::renew(&self.picture_file, &self.pictures)
    }

    /// Leaves the ring and ends; where that takes too long, it ends without.
    pub async fn leave(mut self) {
        if timeout(self.pace.leave, self.ring.leave()).await.is_err() {
            tracing::warn!(waited = ?self.pace.leave, "leaving the ring takes too long; it will look like a failure");
            self.ring.stop().await;
        }
        self.end().await;
    }

    /// Ends without a word: the others see it fail, unless it is back before they do.
    pub async fn stop(mut self) {
        self.ring.stop().await;
        self.end().await;
    }

    async fn end(&mut self) {
        self.end.cancel();
        let answered = async { while self.answering.join_next().await.is_some() {} };
        if *self.opened.borrow() && timeout(LAST_ANSWERS, answered).await.is_err() {
            tracing::debug!(waited = ?LAST_ANSWERS, "not all have read their last answer");
        }
        self.tasks.shutdown().await;
        self.voices.save().await;
    }

    /// Waits until its member has ended, by whomever.
    pub async fn ended(&self) -> End {
        self.ring.ended().await
    }
}

/// Waits for a moment that may never come.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
