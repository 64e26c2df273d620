//! Serf's messages, which ride on the membership: in user messages, in state exchanges and in answers to queries.
//!
//! One byte says which message it is, then comes a msgpack map. Source: `messages.go` in Serf. How messages are passed
//! on, and what they change, is not known here.

mod codec;
mod filter;
mod record;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

pub use codec::{decode, encode};
pub use filter::Filter;
pub use record::MemberRecord;

use super::message::Name;

/// A moment of a Lamport clock: it only says what came before what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportTime(pub u64);

/// A message of Serf.
#[derive(Clone, Debug, PartialEq)]
pub enum SerfMessage {
    /// See [`Leave`].
    Leave(Leave),
    /// See [`Join`].
    Join(Join),
    /// See [`PushPull`].
    PushPull(PushPull),
    /// See [`UserEvent`].
    UserEvent(UserEvent),
    /// See [`Query`].
    Query(Query),
    /// See [`QueryResponse`].
    QueryResponse(QueryResponse),
    /// What a member knows of the name that two claim; in the payload of a [`QueryResponse`]. `None` where it knows
    /// nobody of that name.
    ConflictResponse(Option<MemberRecord>),
    /// What to do with a key; in the payload of a [`Query`].
    KeyRequest(KeyRequest),
    /// What was done; in the payload of a [`QueryResponse`].
    KeyResponse(KeyResponse),
    /// See [`Relay`].
    Relay(Relay),
}

/// "This member leaves", or, of one that has failed, "do not wait for it".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    /// When it was said.
    pub time: LamportTime,
    /// Who leaves.
    pub name: Name,
    /// Whether to forget it at once.
    pub prune: bool,
}

/// "This member has joined."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// When it was said.
    pub time: LamportTime,
    /// Who has joined.
    pub name: Name,
}

/// What Serf adds to a state exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushPull {
    /// The sender's clock of joins and leaves.
    pub time: LamportTime,
    /// When each member's last join or leave was said.
    pub status_times: BTreeMap<Name, LamportTime>,
    /// Who has left.
    pub left: Vec<Name>,
    /// The sender's clock of user events.
    pub event_time: LamportTime,
    /// The events that it remembers.
    pub events: Vec<EventsAt>,
    /// The sender's clock of queries.
    pub query_time: LamportTime,
}

/// The events of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsAt {
    /// The moment.
    pub time: LamportTime,
    /// Name and payload of each.
    pub events: Vec<(String, Bytes)>,
}

/// Something that a user tells the whole ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// When it was said.
    pub time: LamportTime,
    /// What it is called.
    pub name: String,
    /// What comes with it.
    pub payload: Bytes,
    /// Whether a later one of the same name may take its place (`CC`).
    pub coalesce: bool,
}

/// Something that a user asks the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// When it was asked.
    pub time: LamportTime,
    /// A number by chance: time and id together are the query's own.
    pub id: u32,
    /// Where the answers go.
    pub address: SocketAddr,
    /// Who asks. Members of protocol versions before 5 do not say it.
    pub source: Option<Name>,
    /// Who is meant: whoever all of these fit.
    pub filters: Vec<Filter>,
    /// How it is to be treated.
    pub flags: QueryFlags,
    /// By how many other members an answer is to be sent as well.
    pub relay_factor: u8,
    /// How long the asker waits.
    pub timeout: Duration,
    /// What it is called.
    pub name: String,
    /// What comes with it.
    pub payload: Bytes,
}

/// How a query or an answer to it is to be treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryFlags {
    /// Of a query: whoever is meant is to say at once that it has come. Of an answer: it says that.
    pub ack: bool,
    /// It is not to be passed on.
    pub no_broadcast: bool,
}

/// An answer to a query, or an ack of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryResponse {
    /// When the query was asked.
    pub time: LamportTime,
    /// The query's number.
    pub id: u32,
    /// Who answers.
    pub from: Name,
    /// Whether it is an ack.
    pub flags: QueryFlags,
    /// The answer.
    pub payload: Bytes,
}

/// The key that is to be installed, used or removed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// Its bytes.
    pub key: Bytes,
}

impl std::fmt::Debug for KeyRequest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "KeyRequest({} bytes)", self.key.len())
    }
}

/// What a member did with a key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyResponse {
    /// Whether it did what was asked.
    pub result: bool,
    /// Why not, or what else is to be said.
    pub message: String,
    /// Where keys were asked for: all that it has, in base64.
    pub keys: Vec<String>,
    /// And the one that encrypts. Older programs do not say it.
    pub primary_key: String,
}

impl std::fmt::Debug for KeyResponse {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "KeyResponse({}, {:?}, {} keys)", self.result, self.message, self.keys.len())
    }
}

/// A message that is to be passed on to another member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Where to.
    pub to: SocketAddr,
    /// Who listens there; empty where the sender does not know.
    pub name: Name,
    /// What is to be sent there, as a user message.
    pub message: Bytes,
}
