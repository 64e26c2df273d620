//! Leaving: first Serf's intent has to reach the others, then the membership's own word, then the last datagrams.
//!
//! ```text
//!   saying ── told, or no time left ──▶ telling ── told, or no time left ──▶ lingering ── a second ──▶ gone
//! ```
//!
//! The order matters: who hears that a member is gone before it hears that it wanted to, takes it for failed.

use super::{Gossip, Output, Serf};
use crate::swim::Ticket;
use crate::time::Time;

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaving {
    /// The intent rides on gossip.
    Saying { ticket: Ticket, until: Time },
    /// There is nobody to tell it to.
    Alone,
    /// The membership says it.
    Telling { lingers: bool },
    /// Everything is said; what is on its way may arrive.
    Lingering { until: Time },
    /// It may end.
    Gone,
}

impl Leaving {
    pub(super) const fn alone() -> Self {
        Self::Alone
    }

    pub(super) const fn saying(ticket: Ticket, until: Time) -> Self {
        Self::Saying { ticket, until }
    }

    pub(super) const fn wake_at(&self) -> Option<Time> {
        match self {
            Self::Saying { until, .. } | Self::Lingering { until } => Some(*until),
            Self::Alone | Self::Telling { .. } | Self::Gone => None,
        }
    }
}

impl Serf {
    /// Takes the next step, where it is time for it.
    pub(super) fn go_on_leaving(&mut self, now: Time) {
        match self.leaving {
            Some(Leaving::Saying { ticket, until }) if until <= now || !is_waiting(self.gossip(), ticket) => {
                self.leaving = Some(Leaving::Telling { lingers: true });
                self.swim.leave(now);
            }
            Some(Leaving::Alone) => {
                self.leaving = Some(Leaving::Telling { lingers: false });
                self.swim.leave(now);
            }
            Some(Leaving::Lingering { until }) if until <= now => self.is_gone(),
            _ => {}
        }
    }

    /// The membership has told everybody.
    pub(super) fn goodbye_was_said(&mut self, now: Time) {
        match self.leaving {
            Some(Leaving::Telling { lingers: true }) => {
                self.leaving = Some(Leaving::Lingering { until: now + self.config().leave_propagate_delay });
            }
            _ => self.is_gone(),
        }
    }

    fn is_gone(&mut self) {
        self.leaving = Some(Leaving::Gone);
        self.outputs.push_back(Output::Left);
    }
}

fn is_waiting(gossip: &Gossip, ticket: Ticket) -> bool {
    gossip.intent_queue.is_pending(ticket)
}
