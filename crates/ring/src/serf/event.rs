//! What a member tells those who listen to it.

use bytes::Bytes;

use super::member::Member;
use crate::time::Time;
use crate::wire::message::Name;
use crate::wire::serf::LamportTime;

/// Something has happened in the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Members have come, changed or gone. Several at once only where they are coalesced.
    Members {
        /// What happened to them.
        change: Change,
        /// As they are now.
        members: Vec<Member>,
    },
    /// Somebody has said something to all.
    User(UserEvent),
    /// Somebody asks something; the answer goes by `Serf::respond`.
    Query(Query),
}

impl Event {
    /// An event about one member.
    pub(super) fn about(change: Change, member: &Member) -> Self {
        Self::Members { change, members: vec![member.clone()] }
    }
}

/// What happened to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It has come, or come back.
    Joined,
    /// It has left.
    Left,
    /// It does not answer any more.
    Failed,
    /// It says something else of itself.
    Updated,
    /// It was gone for so long that it is forgotten now.
    Reaped,
}

impl Change {
    /// Serf's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "member-join",
            Self::Left => "member-leave",
            Self::Failed => "member-failed",
            Self::Updated => "member-update",
            Self::Reaped => "member-reap",
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Something that was said to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// When, by the clock of events.
    pub time: LamportTime,
    /// What.
    pub name: String,
    /// Whatever belongs to it.
    pub payload: Bytes,
    /// Whether several of one name may be told as the last of them.
    pub coalesce: Coalesce,
}

/// Whether several user events of one name that come close together may be told as the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coalesce {
    /// The last one is enough.
    Allowed,
    /// Each one counts.
    Forbidden,
}

/// A query, by a number that is never used twice: one of another member that waits for an answer, or one of this member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// Something that this member is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The number to answer with.
    pub id: QueryId,
    /// When, by the clock of queries.
    pub time: LamportTime,
    /// What.
    pub name: String,
    /// Whatever belongs to it.
    pub payload: Bytes,
    /// Who asks, where he said so.
    pub source: Option<Name>,
    /// Until when an answer is of use.
    pub deadline: Time,
}

/// What comes back to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A member has got it.
    Ack {
        /// Which.
        from: Name,
    },
    /// A member answers.
    Response {
        /// Which.
        from: Name,
        /// What it says.
        payload: Bytes,
    },
}
