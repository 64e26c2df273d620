//! What rides on the membership, and what it is told and asked.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Backlog, Failure};
use crate::time::Time;
use crate::wire::message::{Alive, State};

/// A member as this member knows it: what it said of itself, and what became of it.
///
/// What it said is read through it: `member.name`, `member.address`, `member.meta`, `member.incarnation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The last thing that it said of itself. Its incarnation is the newest that anybody spoke of.
    pub said: Arc<Alive>,
    /// Whether it is there.
    pub state: State,
    /// When it came to be in this state.
    pub since: Time,
}

impl Member {
    /// Whether it is there, as far as anybody could prove the contrary.
    pub fn lives(&self) -> bool {
        matches!(self.state, State::Alive | State::Suspect)
    }
}

impl Deref for Member {
    type Target = Alive;

    fn deref(&self) -> &Alive {
        &self.said
    }
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
    /// A member is there that was not. The first one is this member itself.
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

    /// What there is to ride on a datagram; while there is nothing, nobody is woken for it.
    fn backlog(&self) -> Backlog;

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

    /// A state exchange with somebody came to nothing. It is tried again with others; this is for whoever reads logs.
    fn exchange_failed(&mut self, _now: Time, _failure: &Failure) {}
}
