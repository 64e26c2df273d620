//! A member as Serf tells of it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::wire::message::{Name, Versions};
pub use crate::wire::tags::Tags;

/// Whether a member is there (`MemberStatus` in `serf/serf.go`, with its numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Status {
    /// It is there.
    Alive = 1,
    /// It has said that it leaves, and is not gone yet.
    Leaving = 2,
    /// It has left.
    Left = 3,
    /// It does not answer.
    Failed = 4,
}

impl Status {
    /// Serf's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Leaving => "leaving",
            Self::Left => "left",
            Self::Failed => "failed",
        }
    }

    /// Whether it still answers.
    pub const fn is_there(self) -> bool {
        matches!(self, Self::Alive | Self::Leaving)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub name: Name,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it says of itself.
    pub tags: Arc<Tags>,
    /// Whether it is there.
    pub status: Status,
    /// The protocol versions that it speaks.
    pub versions: Versions,
}
