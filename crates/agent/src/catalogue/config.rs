//! How a catalogue behaves.

use std::net::IpAddr;
use std::time::Duration;

use super::model::Name;

/// What a catalogue has to be told at its beginning.
#[derive(Clone, Debug)]
pub struct Config {
    /// This host, by its name in the ring.
    pub name: Name,
    /// Where its agent listens.
    pub address: IpAddr,
    /// Greater than at the last start, such as the seconds of the clock. Where it is not, others notice by the seals.
    pub epoch: u64,
    /// All of its chance. It has to come from the system's source of randomness: seals are worth something only while
    /// nobody can guess the next.
    pub seed: [u8; 32],
    /// When it does what.
    pub pace: Pace,
}

/// When a catalogue does what.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Versions of the own part are at least that far apart.
    pub version_interval: Duration,
    /// So are the member's tags, which cost the ring more.
    pub tag_interval: Duration,
    /// How long changes are gathered for one view.
    pub view_wait: Duration,
    /// A host that is known is asked only after a time of chance of up to this for each host, since all others may miss
    /// the same...
    pub ask_spread_each: Duration,
    /// ... and of at most this.
    pub ask_spread_max: Duration,
    /// The same host is not asked again before, and not answered...
    pub ask_interval: Duration,
    /// ... and where asking is in vain, up to this.
    pub ask_interval_max: Duration,
    /// How long an answer may take.
    pub ask_timeout: Duration,
    /// So many hosts are asked at once.
    pub asks_open_max: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            version_interval: Duration::from_millis(200),
            tag_interval: Duration::from_secs(10),
            view_wait: Duration::from_millis(20),
            ask_spread_each: Duration::from_micros(500),
            ask_spread_max: Duration::from_millis(500),
            ask_interval: Duration::from_millis(250),
            ask_interval_max: Duration::from_secs(15),
            ask_timeout: Duration::from_secs(2),
            asks_open_max: 32,
        }
    }
}
