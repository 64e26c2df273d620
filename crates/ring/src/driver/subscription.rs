//! Listening to what happens in the ring.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::serf::Event;

/// How many events wait for a slow listener.
pub(super) const EVENTS_MAX: usize = 2048;

/// Events, from when it was made. A listener that is too slow loses the oldest ones and holds up nobody.
#[derive(Debug)]
pub struct Subscription(pub(super) broadcast::Receiver<Arc<Event>>);

/// What a listener is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Something has happened.
    Event(Arc<Event>),
    /// It was too slow, and this many events are lost to it.
    Missed(u64),
}

impl Subscription {
    /// The next event; `None` when the member has ended. May be dropped while it waits, without losing anything.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.0.recv().await {
            Ok(event) => Some(Notice::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Notice::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}
