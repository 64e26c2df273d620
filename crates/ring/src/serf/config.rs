//! How a member behaves. The defaults are those of Serf's library (`serf/config.go`).

use std::time::Duration;

use super::member::Tags;
use crate::swim;

/// All that may be chosen.
#[derive(Clone, Debug)]
pub struct Config {
    /// The membership's part: name, address, intervals.
    pub swim: swim::Config,
    /// What this member says of itself.
    pub tags: Tags,
    /// How many bytes a user event may have, name and payload together, and again when it is encoded. At most 9 KiB.
    pub user_event_size: usize,
    /// How many bytes an encoded query may have.
    pub query_size: usize,
    /// How many bytes an encoded answer may have.
    pub response_size: usize,
    /// A query without a timeout waits this many gossip intervals for each power of ten of members.
    pub query_timeout_mult: u32,
    /// How often old members are looked for.
    pub reap_interval: Duration,
    /// How often a failed member is tried again.
    pub reconnect_interval: Duration,
    /// After how long a failed member is forgotten.
    pub reconnect_timeout: Duration,
    /// After how long a member that left is forgotten.
    pub tombstone_timeout: Duration,
    /// After how long an intent about a member that never came is forgotten.
    pub recent_intent_timeout: Duration,
    /// How long leaving waits until the others are told.
    pub broadcast_timeout: Duration,
    /// How long a member that has left stays on the network, for the last datagrams.
    pub leave_propagate_delay: Duration,
    /// Whether member events that come close together are told as one.
    pub coalesce_members: Option<Window>,
    /// Whether user events that allow it are told as one.
    pub coalesce_user_events: Option<Window>,
    /// What to do when another member has this member's name.
    pub conflicts: Conflicts,
    /// Whether to find out where the members lie.
    pub coordinates: Coordinates,
}

impl Config {
    /// The defaults, for a member whose membership behaves as `swim` says.
    pub fn new(swim: swim::Config) -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            swim,
            tags: Tags::new(),
            user_event_size: 512,
            query_size: 1024,
            response_size: 1024,
            query_timeout_mult: 16,
            reap_interval: Duration::from_secs(15),
            reconnect_interval: Duration::from_secs(30),
            reconnect_timeout: DAY,
            tombstone_timeout: DAY,
            recent_intent_timeout: Duration::from_mins(5),
            broadcast_timeout: Duration::from_secs(5),
            leave_propagate_delay: Duration::from_secs(1),
            coalesce_members: None,
            coalesce_user_events: None,
            conflicts: Conflicts::Resolve,
            coordinates: Coordinates::Measure,
        }
    }
}

/// How long events are held back to be told together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// At most so long after the first.
    pub period: Duration,
    /// And no longer than this after the last.
    pub quiescent: Duration,
}

/// What to do when another member has this member's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflicts {
    /// Ask the ring which of the two it knows, and end where that is the other one.
    Resolve,
    /// Go on.
    Endure,
}

/// Whether to find out where the members lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// Each answer to a ping carries a coordinate and is a measurement.
    Measure,
    /// Answers carry nothing.
    Off,
}
