//! What one can ask of a running member.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::End;
use super::subscription::Subscription;
use crate::serf::{
    self, Answer, Coalesce, KeyChange, KeyReport, Member, Prune, QueryId, Question, Replay, Stats, Tags,
};
use crate::swim::{Failure, Persistence};
use crate::wire::coordinate::Coordinate;
use crate::wire::keyring::Keyring;
use crate::wire::message::Name;

/// A running member. Clones of it speak to the same one; every method may be dropped while it waits, and what it asked
/// for is then done or not, but never by half.
#[derive(Clone, Debug)]
pub struct Handle {
    name: Name,
    address: SocketAddr,
    commands: mpsc::Sender<Command>,
    end: watch::Receiver<Option<End>>,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The member does not run any more.
    #[error("the member `{name}` does not run any more")]
    Ended {
        /// Which.
        name: Name,
    },
    /// The member will not do it.
    #[error(transparent)]
    Refused(#[from] serf::Error),
}

/// What came of a join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// The seeds that answered.
    pub reached: Vec<SocketAddr>,
    /// Those that did not, and why.
    pub failed: Vec<(SocketAddr, Failure)>,
}

/// The answers to a query, as they come.
#[derive(Debug)]
pub struct Answers(pub(super) mpsc::UnboundedReceiver<Answer>);

impl Answers {
    /// The next one; `None` when the time of the query is over.
    pub async fn next(&mut self) -> Option<Answer> {
        self.0.recv().await
    }
}

/// Where the answer to a command goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, serf::Error>>;

/// What a handle asks of the member's task.
#[derive(Debug)]
pub(super) enum Command {
    Members(Reply<Vec<Member>>),
    Stats(Reply<Stats>),
    Keyring(Reply<Option<Keyring>>),
    Coordinate(String, Reply<Option<Coordinate>>),
    Subscribe(Reply<Subscription>),
    UserEvent { name: String, payload: Bytes, coalesce: Coalesce, reply: Reply<()> },
    Query(Question, Reply<Answers>),
    Respond(QueryId, Bytes, Reply<()>),
    ChangeKeys { change: KeyChange, relay_factor: u8, reply: Reply<KeyReport> },
    SetTags { set: Tags, delete: Vec<String>, reply: Reply<()> },
    Join { seeds: Vec<SocketAddr>, persistence: Persistence, replay: Replay, reply: Reply<Joined> },
    ForceLeave { name: String, prune: Prune, reply: Reply<()> },
    Leave,
    Stop,
}

impl Handle {
    pub(super) const fn new(
        name: Name,
        address: SocketAddr,
        commands: mpsc::Sender<Command>,
        end: watch::Receiver<Option<End>>,
    ) -> Self {
        Self { name, address, commands, end }
    }

    /// Who it is.
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Where others reach it.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// All members that it knows, by name.
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        self.ask(Command::Members).await
    }

    /// What there is to say about it to an operator.
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.ask(Command::Stats).await
    }

    /// The keys that it holds now, for what else is to be sealed between the members; nothing where it has none.
    pub async fn keyring(&self) -> Result<Option<Keyring>, Error> {
        self.ask(Command::Keyring).await
    }

    /// Where a member lies: this one, or another that has answered a ping of it.
    pub async fn coordinate(&self, name: &str) -> Result<Option<Coordinate>, Error> {
        self.ask(|reply| Command::Coordinate(name.to_owned(), reply)).await
    }

    /// Listens to what happens from now on.
    pub async fn subscribe(&self) -> Result<Subscription, Error> {
        self.ask(Command::Subscribe).await
    }

    /// Says something to all.
    pub async fn user_event(&self, name: &str, payload: Bytes, coalesce: Coalesce) -> Result<(), Error> {
        let name = name.to_owned();
        self.ask(|reply| Command::UserEvent { name, payload, coalesce, reply }).await
    }

    /// Asks the ring.
    pub async fn query(&self, question: Question) -> Result<Answers, Error> {
        self.ask(|reply| Command::Query(question, reply)).await
    }

    /// Answers an [`Event::Query`](serf::Event::Query).
    pub async fn respond(&self, query: QueryId, payload: Bytes) -> Result<(), Error> {
        self.ask(|reply| Command::Respond(query, payload, reply)).await
    }

    /// Asks each member to change its keys, and waits until all have answered or the time for it is over.
    pub async fn change_keys(&self, change: KeyChange, relay_factor: u8) -> Result<KeyReport, Error> {
        self.ask(|reply| Command::ChangeKeys { change, relay_factor, reply }).await
    }

    /// Says something else of this member: `delete` goes first, then `set` comes.
    pub async fn set_tags(&self, set: Tags, delete: Vec<String>) -> Result<(), Error> {
        self.ask(|reply| Command::SetTags { set, delete, reply }).await
    }

    /// Joins the ring of whoever answers at one of the addresses, and waits for the end of it.
    pub async fn join(
        &self,
        seeds: Vec<SocketAddr>,
        persistence: Persistence,
        replay: Replay,
    ) -> Result<Joined, Error> {
        self.ask(|reply| Command::Join { seeds, persistence, replay, reply }).await
    }

    /// Says for a member that does not answer that it has left.
    pub async fn force_leave(&self, name: &str, prune: Prune) -> Result<(), Error> {
        let name = name.to_owned();
        self.ask(|reply| Command::ForceLeave { name, prune, reply }).await
    }

    /// Leaves the ring, and waits until the others know and the member has ended. It leaves even where this is dropped.
    pub async fn leave(&self) {
        // Where nobody takes it, the member has ended already.
        let _ = self.commands.send(Command::Leave).await;
        self.ended().await;
    }

    /// Ends the member at once, without a word to the others, and waits until its sockets are free.
    pub async fn stop(&self) {
        let _ = self.commands.send(Command::Stop).await;
        self.ended().await;
    }

    /// Waits until the member has ended.
    pub async fn ended(&self) -> End {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(end) => end.unwrap_or(End::Stopped),
            // Its task is gone without a word, with its runtime.
            Err(_) => End::Stopped,
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let ended = || Error::Ended { name: self.name.clone() };
        self.commands.send(command(reply)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?.map_err(Error::Refused)
    }
}
