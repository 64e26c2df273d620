//! What an agent is asked.

mod codec;

use std::time::Duration;

use bytes::Bytes;

pub use codec::{decode, encode};

use crate::wire::tags::Tags;

/// The most bytes that one request may have.
pub const MAX_BYTES: usize = 256 * 1024;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Always first.
    Handshake {
        /// The version of the protocol: [`VERSION`](super::VERSION).
        version: u64,
    },
    /// The key that the agent wants from its clients.
    Auth(Secret),
    /// Say something to all.
    Event {
        /// What it is called.
        name: String,
        /// What comes with it.
        payload: Bytes,
        /// Whether a later one of the same name may take its place.
        coalesce: bool,
    },
    /// Say that a member has left that does not answer.
    ForceLeave {
        /// Which.
        name: String,
        /// Whether to forget it at once.
        prune: bool,
    },
    /// Join a ring by its members.
    Join {
        /// Their addresses.
        existing: Vec<String>,
        /// Whether to tell events from before.
        replay: bool,
    },
    /// All members.
    Members,
    /// Some of them. Each value is a regular expression for the whole.
    MembersFiltered {
        /// By their tags.
        tags: Tags,
        /// By their state, empty for any.
        status: String,
        /// By their name, empty for any.
        name: String,
    },
    /// Tell what happens from now on.
    Stream {
        /// What: `*`, or words such as `member-join,user:deploy,query`.
        kind: String,
    },
    /// Tell what the agent logs from now on.
    Monitor {
        /// Lines of this level or above.
        level: String,
    },
    /// End a stream.
    Stop {
        /// The number of the request that began it.
        sequence: u64,
    },
    /// Leave the ring and end.
    Leave,
    /// Have all members decrypt with a key, in base64.
    InstallKey(Secret),
    /// Have all members encrypt with a key.
    UseKey(Secret),
    /// Have all members forget a key.
    RemoveKey(Secret),
    /// Ask all members for their keys.
    ListKeys,
    /// Change what this member says of itself.
    Tags {
        /// Tags to set.
        set: Tags,
        /// Tags to take away.
        delete: Vec<String>,
    },
    /// Ask the ring.
    Query(Query),
    /// Answer a query that a stream told of.
    Respond {
        /// The number that the stream told.
        id: u64,
        /// The answer.
        payload: Bytes,
    },
    /// What there is to say about the agent.
    Stats,
    /// Where a member lies.
    GetCoordinate {
        /// Which.
        name: String,
    },
}

/// A query, as a client asks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only these members; all where there is none.
    pub names: Vec<String>,
    /// Only members whose tags match these expressions.
    pub tags: Tags,
    /// Whether members are to say at once that it has come.
    pub ack: bool,
    /// By how many other members an answer comes too.
    pub relay_factor: u8,
    /// How long to wait; zero for what the agent finds right.
    pub timeout: Duration,
    /// What it is called.
    pub name: String,
    /// What comes with it.
    pub payload: Bytes,
}

/// Text that is not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// What came from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A request.
    Request(Request),
    /// A command that is not known. Where the next request begins is not known either.
    Unknown(String),
}

impl Request {
    /// The word for it.
    pub const fn command(&self) -> &'static str {
        match self {
            Self::Handshake { .. } => "handshake",
            Self::Auth(_) => "auth",
            Self::Event { .. } => "event",
            Self::ForceLeave { .. } => "force-leave",
            Self::Join { .. } => "join",
            Self::Members => "members",
            Self::MembersFiltered { .. } => "members-filtered",
            Self::Stream { .. } => "stream",
            Self::Monitor { .. } => "monitor",
            Self::Stop { .. } => "stop",
            Self::Leave => "leave",
            Self::InstallKey(_) => "install-key",
            Self::UseKey(_) => "use-key",
            Self::RemoveKey(_) => "remove-key",
            Self::ListKeys => "list-keys",
            Self::Tags { .. } => "tags",
            Self::Query(_) => "query",
            Self::Respond { .. } => "respond",
            Self::Stats => "stats",
            Self::GetCoordinate { .. } => "get-coordinate",
        }
    }
}
