//! What rides on the membership, and what it is told and asked.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::time::Time;
use crate::wire::message::{Alive, Name, State, Versions};

/// A member as this member knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub name: Name,
    /// Where it listens, for datagrams and streams alike.
    pub address: SocketAddr,
    /// What the application says of it.
    pub meta: Bytes,
    /// The protocol versions that it speaks.
    pub versions: Versions,
    /// Its incarnation.
    pub incarnation: u32,
    /// Whether it is there.
    pub state: State,
    /// When it came to be in this state.
    pub since: Time,
}

/// How a member went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It said that it leaves.
    Left,
    /// It did not answer and did not refute.
    Failed,
}

/// A change of the membership, told in the order in which this member came to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A member is there that was not.
    Joined(Member),
    /// A member is not there any more.
    Gone(Member, Departure),
    /// A member says something else of itself.
    Updated(Member),
    /// Somebody else says that he has the name of a member; the first holder keeps it.
    Conflict {
        /// The member that holds the name.
        existing: Member,
        /// Where the other one listens.
        claimant: SocketAddr,
    },
}

/// What rides on the membership. Every call is made by the state machine while it handles an input; none may wait.
///
/// (memberlist's delegates: `Delegate`, `EventDelegate`, `ConflictDelegate`, `MergeDelegate`, `AliveDelegate`,
/// `PingDelegate`.)
pub trait Application {
    /// What this member says of itself: at most 512 bytes, asked when the member starts and after
    /// `Swim::update_meta`.
    fn meta(&self) -> Bytes;

    /// Messages to ride on a datagram that is going out: each costs `overhead` bytes beside its own, and together they
    /// may be at most `limit`. `members` is how many there are, for how often each is to be repeated.
    fn broadcasts(&mut self, overhead: usize, limit: usize, members: usize) -> Vec<Bytes>;

    /// A message of another member's application has come.
    fn message(&mut self, now: Time, message: &[u8]);

    /// What to add to the state that another member is about to get.
    fn local_state(&mut self, join: bool) -> Bytes;

    /// What another member added to its state. `join` where either side joins by it.
    fn merge_remote_state(&mut self, now: Time, state: &[u8], join: bool);

    /// Whether somebody may be a member; the error is a reason in words.
    fn admit(&self, candidate: &Alive) -> Result<(), String>;

    /// What to add to the answer to a ping.
    fn ack_payload(&mut self) -> Bytes;

    /// A ping was answered directly, after `round_trip`.
    fn ping_answered(&mut self, now: Time, member: &Member, round_trip: Duration, payload: &[u8]);

    /// The membership has changed.
    fn changed(&mut self, now: Time, change: Change);
}
