//! What goes into the state machine and what comes out of it.
//!
//! A stream is used in one way only: the side that opens it sends one message, and the other side sends at most one
//! back. So the driver needs no state of its own: it opens a stream for an [`Exchange`], and answers a
//! [`Input::Request`] with the [`Output::Reply`] of the same number, or closes it on [`Output::Close`].

use std::net::SocketAddr;

use bytes::Bytes;

use crate::time::Time;
use crate::wire::message::StreamMessage;

/// A stream that this member opened, by a number that is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// A stream that another member opened, by the driver's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// A join that somebody waits for, by a number that is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JoinId(pub u64);

/// What happens to a member.
#[derive(Debug)]
pub enum Input {
    /// Nothing but time: `Swim::wake_at` has come.
    Tick,
    /// A datagram has come, as it was on the network.
    Datagram {
        /// Where it came from.
        from: SocketAddr,
        /// Its bytes.
        bytes: Bytes,
    },
    /// Another member has opened a stream and sent its message (decrypted and decoded by the driver with
    /// [`wire`](crate::wire)).
    Request {
        /// The stream to answer on.
        stream: StreamId,
        /// Where it came from.
        from: SocketAddr,
        /// What was asked.
        message: StreamMessage,
    },
    /// An exchange that this member asked for has ended.
    Answered {
        /// Which.
        exchange: ExchangeId,
        /// The answer, `None` where none was expected.
        answer: Result<Option<StreamMessage>, Failure>,
    },
}

/// Why an exchange came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody listens there, or the way is closed.
    #[error("no connection to {to}: {reason}")]
    Unreachable {
        /// Where it should have gone.
        to: SocketAddr,
        /// The system's words.
        reason: String,
    },
    /// The deadline passed.
    #[error("no answer from {to} in time")]
    TimedOut {
        /// Who did not answer.
        to: SocketAddr,
    },
    /// The other side does not want it, or this one cannot accept what it says.
    #[error("{by} and this member do not go together: {reason}")]
    Refused {
        /// Who was asked.
        by: SocketAddr,
        /// Why.
        reason: String,
    },
    /// What came is not the protocol: another key, another label, or rubbish.
    #[error("{to} answered with something else than expected: {reason}")]
    Unintelligible {
        /// Who answered.
        to: SocketAddr,
        /// What was wrong.
        reason: String,
    },
}

/// What a member wants done.
#[derive(Debug)]
pub enum Output {
    /// Send a datagram; nobody minds if it is lost.
    Datagram {
        /// Where to.
        to: SocketAddr,
        /// Its bytes, as they go on the network.
        bytes: Bytes,
    },
    /// Open a stream, send a message, and hand what comes back to [`Input::Answered`].
    Exchange(Exchange),
    /// Answer on a stream that another member opened, and close it.
    Reply {
        /// Which.
        stream: StreamId,
        /// The answer.
        message: StreamMessage,
    },
    /// Close a stream that another member opened: there is nothing to answer.
    Close {
        /// Which.
        stream: StreamId,
    },
    /// A join has ended: at least one seed answered, or it was to try only once.
    JoinEnded {
        /// Which.
        join: JoinId,
        /// The seeds that answered.
        reached: Vec<SocketAddr>,
        /// Those that did not, and why.
        failed: Vec<(SocketAddr, Failure)>,
    },
    /// The others know that this member leaves, or there was no more time to tell them: it may be stopped.
    Left,
}

/// One message on a stream of its own.
#[derive(Debug)]
pub struct Exchange {
    /// The number to answer with.
    pub id: ExchangeId,
    /// Where to.
    pub to: SocketAddr,
    /// What to send.
    pub message: StreamMessage,
    /// Whether an answer is to be waited for.
    pub answered: bool,
    /// When to give up, connecting included.
    pub deadline: Time,
}
