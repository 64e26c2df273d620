//! Leaving: a dead message that a member sends about itself, so that nobody needs to find out (`memberlist.go`:
//! `Leave`).
//!
//! The member goes on answering and passing on until its driver stops it; [`Output::Left`] says that it may.

use super::{Application, Output, Swim, Ticket};
use crate::time::Time;
use crate::wire::message::Dead;

#[derive(Debug)]
pub(super) struct Leaving {
    /// When it goes whether or not everybody has been told.
    until: Time,
    farewell: Option<Ticket>,
    ended: bool,
}

impl Leaving {
    /// The message that is to be passed on before the member goes.
    pub(super) fn say_farewell(&mut self, ticket: Ticket) {
        self.farewell = Some(ticket);
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        (!self.ended).then_some(self.until)
    }
}

impl<A: Application> Swim<A> {
    /// Tells the others that this member goes; [`Output::Left`] follows when they have been told, when there is nobody
    /// to tell, or when the time for it is over.
    pub fn leave(&mut self, now: Time) {
        if self.leaving.is_some() {
            return;
        }
        let Some(incarnation) = self.local().map(|me| me.incarnation) else { return };
        let others = self.members.living() > 1;
        let until = if others { now + self.config.leave_timeout } else { now };
        self.leaving = Some(Leaving { until, farewell: None, ended: false });
        let name = self.config.name.clone();
        self.dead(now, &Dead { incarnation, name: name.clone(), from: name });
        self.end_leave(now);
    }

    /// Whether this member has said that it leaves.
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Ends the leave, once.
    pub(super) fn end_leave(&mut self, now: Time) {
        let Some(leaving) = self.leaving.as_mut().filter(|leaving| !leaving.ended) else { return };
        let told = leaving.farewell.is_none_or(|ticket| !self.news.is_pending(ticket));
        if told || leaving.until <= now {
            leaving.ended = true;
            self.outputs.push_back(Output::Left);
        }
    }
}
