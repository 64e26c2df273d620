//! How often an agent does what. A host's agent has the defaults; tests have less patience.

use std::net::SocketAddr;
use std::time::Duration;

use pontoon_ring::swim;

use crate::catalogue;
use crate::health;

/// When an agent does what.
#[derive(Clone, Debug)]
pub struct Pace {
    /// How patient the ring's members are with each other.
    pub ring: RingPace,
    /// When the catalogue does what.
    pub catalogue: catalogue::Pace,
    /// How checks behave that are made from the host: paths and ports.
    pub outside: health::Settings,
    /// How those behave that the engine makes in the container. Each costs it several requests and a process.
    pub inside: health::Settings,
    /// The engine is asked this often what runs, whether or not it says that something has changed...
    pub poll: Duration,
    /// ... and at most this often.
    pub poll_least: Duration,
    /// How long one answer of the engine may take, and how long it is waited for at most before it is asked again after
    /// it did not answer.
    pub engine_answer: Duration,
    /// After so long without an answer of the engine its containers are unknown. It is longer than an engine takes that
    /// is restarted or updated, for its containers run on meanwhile.
    pub engine_silence: Duration,
    /// How long a host waits with joining the ring for its containers to be looked at once: whoever is away for longer has
    /// failed. And how long the other hosts may take to tell what they have, before it answers questions.
    pub gather: Duration,
    /// How long the containers may take to be looked at once before the host says what it has, to others and to whoever
    /// asks: what it says first should not be that nothing is known of them. It is longer than a look by the engine that
    /// hangs.
    pub looks: Duration,
    /// How long the seeds may take to answer before the agent counts as started; it goes on trying.
    pub seeds: Duration,
    /// How long leaving the ring may take.
    pub leave: Duration,
    /// How often the membership is read whole, and the way to each host measured.
    pub survey: Duration,
}

/// How patient members are with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingPace {
    /// Members in one network.
    Lan,
    /// Members on one machine.
    Local,
}

impl Default for Pace {
    fn default() -> Self {
        let inside =
            health::Settings { interval: Duration::from_secs(15), timeout: Duration::from_secs(10), rise: 1, fall: 2 };
        Self {
            ring: RingPace::Lan,
            catalogue: catalogue::Pace::default(),
            outside: health::Settings::default(),
            inside,
            poll: Duration::from_secs(30),
            poll_least: Duration::from_millis(250),
            engine_answer: Duration::from_secs(10),
            engine_silence: Duration::from_secs(30),
            gather: Duration::from_secs(3),
            looks: Duration::from_secs(15),
            seeds: Duration::from_secs(5),
            leave: Duration::from_secs(10),
            survey: Duration::from_secs(10),
        }
    }
}

impl RingPace {
    /// The membership of this member at this pace.
    pub(super) fn config(self, name: &str, address: SocketAddr) -> swim::Config {
        match self {
            Self::Lan => swim::Config::lan(name, address),
            Self::Local => swim::Config::local(name, address),
        }
    }
}
