//! What comes out of a member.

use std::net::SocketAddr;

use super::event::{Answer, Event, QueryId};
use super::keys::KeyReport;
use super::snapshot;
use crate::swim::{self, Failure, JoinId};

/// What a member wants done, or tells.
#[derive(Debug)]
pub enum Output {
    /// Send something; never [`swim::Output::JoinEnded`] or [`swim::Output::Left`], which stand here themselves.
    Network(swim::Output),
    /// Something has happened in the ring.
    Event(Event),
    /// An answer to a query of this member.
    Answer {
        /// Which query.
        query: QueryId,
        /// The answer.
        answer: Answer,
    },
    /// The time of a query of this member is over.
    QueryEnded {
        /// Which.
        query: QueryId,
    },
    /// What came of a change of keys that this member asked for.
    KeysChanged {
        /// Which.
        query: QueryId,
        /// What came of it.
        report: KeyReport,
    },
    /// This member's own keys are others now: a file of them is to be written.
    KeyringChanged,
    /// A join has ended.
    JoinEnded {
        /// Which.
        join: JoinId,
        /// The seeds that answered.
        reached: Vec<SocketAddr>,
        /// Those that did not, and why.
        failed: Vec<(SocketAddr, Failure)>,
    },
    /// The file by which this member finds its ring again is to be changed.
    Snapshot(snapshot::Write),
    /// The ring knows another member by this name: this one should end, without a word.
    ConflictLost,
    /// The others know that this member has left: it should end.
    Left,
}

/// What a member has to say about itself to an operator (`Stats` in `serf/serf.go`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Members that are known, in whatever state.
    pub members: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that left.
    pub left: usize,
    /// 0 where this member is well; more, the slower it finds itself.
    pub health_score: u32,
    /// The clock of intents.
    pub member_time: u64,
    /// The clock of user events.
    pub event_time: u64,
    /// The clock of queries.
    pub query_time: u64,
    /// Intents that wait to be sent.
    pub intent_queue: usize,
    /// User events that wait to be sent.
    pub event_queue: usize,
    /// Queries that wait to be sent.
    pub query_queue: usize,
    /// Whether there are keys.
    pub is_encrypted: bool,
    /// How often the coordinate began anew.
    pub coordinate_resets: u64,
}
