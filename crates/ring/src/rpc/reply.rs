//! What an agent answers.

mod codec;

use std::collections::BTreeMap;

use bytes::Bytes;

pub use codec::{decode, encode};

use super::request::Request;
use crate::wire::coordinate::Coordinate;
use crate::wire::serf::{LamportTime, MemberRecord};
use crate::wire::tags::Tags;

/// The most bytes that one reply may have: the members of a very large ring.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// An answer, or one record of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The number of the request.
    pub sequence: u64,
    /// Why it was not done; empty where it was.
    pub error: String,
    /// What there is to tell.
    pub body: Option<Body>,
}

/// What a reply tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// The members that were asked for.
    Members(Vec<Member>),
    /// How many addresses answered.
    Joined(u64),
    /// What members did with a key.
    Keys(Keys),
    /// Names and values by subject.
    Stats(BTreeMap<String, Tags>),
    /// Where a member lies, where that is known.
    Coordinate(Option<Coordinate>),
    /// Something has happened.
    Event(Event),
    /// Something came back to a query.
    Answer(Answer),
    /// The agent has logged a line.
    Log(String),
}

/// A member, as clients are told of it: `alive`, `leaving`, `left` or `failed`.
pub type Member = MemberRecord<String>;

/// What members did with a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// What members had to say: mostly why they could not.
    pub messages: BTreeMap<String, String>,
    /// How many members have which key, where they were asked.
    pub keys: BTreeMap<String, u64>,
    /// How many members there were.
    pub members: u64,
    /// How many could not.
    pub errors: u64,
    /// How many have answered.
    pub responses: u64,
}

/// Something has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Members have come, changed or gone.
    Members {
        /// `member-join`, `member-leave`, `member-failed`, `member-update` or `member-reap`.
        kind: String,
        /// Which.
        members: Vec<Member>,
    },
    /// Somebody said something to all.
    User {
        /// When.
        time: LamportTime,
        /// What it is called.
        name: String,
        /// What came with it.
        payload: Bytes,
        /// Whether a later one may take its place.
        coalesce: bool,
    },
    /// Somebody asks something.
    Query {
        /// The number to answer with.
        id: u64,
        /// When.
        time: LamportTime,
        /// What it is called.
        name: String,
        /// What came with it.
        payload: Bytes,
    },
}

/// Something came back to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A member has got it.
    Ack {
        /// Which.
        from: String,
    },
    /// A member answers.
    Response {
        /// Which.
        from: String,
        /// What it says.
        payload: Bytes,
    },
    /// The time for answers is over; nothing more comes.
    Done,
}

/// What follows the head of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Nothing,
    /// [`Body::Members`].
    Members,
    /// [`Body::Joined`].
    Joined,
    /// [`Body::Keys`].
    Keys,
    /// [`Body::Stats`].
    Stats,
    /// [`Body::Coordinate`].
    Coordinate,
    /// [`Body::Event`].
    Event,
    /// [`Body::Answer`].
    Answer,
    /// [`Body::Log`].
    Log,
}

impl Expected {
    /// What the first reply to a request has.
    pub const fn first(request: &Request) -> Self {
        match request {
            Request::Members | Request::MembersFiltered { .. } => Self::Members,
            Request::Join { .. } => Self::Joined,
            Request::InstallKey(_) | Request::UseKey(_) | Request::RemoveKey(_) | Request::ListKeys => Self::Keys,
            Request::Stats => Self::Stats,
            Request::GetCoordinate { .. } => Self::Coordinate,
            _ => Self::Nothing,
        }
    }

    /// What all further replies have; `None` where there are none.
    pub const fn further(request: &Request) -> Option<Self> {
        match request {
            Request::Stream { .. } => Some(Self::Event),
            Request::Monitor { .. } => Some(Self::Log),
            Request::Query(_) => Some(Self::Answer),
            _ => None,
        }
    }
}
