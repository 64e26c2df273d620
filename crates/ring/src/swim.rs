//! Membership: who is there, found out by probing and passed on by gossip.
//!
//! SWIM with Lifeguard as memberlist speaks it. The state machine is driven by [`Input`]s at a [`Time`](crate::time::Time)
//! and hands back [`Output`]s; what rides on the membership is an [`Application`].

mod application;
mod io;

pub use application::{Application, Change, Departure, Member};
pub use io::{Exchange, ExchangeId, Failure, Input, Output, StreamId};
