//! The queries that this member has asked and that still wait for answers.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::event::{Answer, QueryId};
use super::keys::KeyReport;
use crate::time::Time;
use crate::wire::message::Name;
use crate::wire::serf::{Filter, LamportTime, QueryResponse};

/// How many may wait at once.
const OPEN_MAX: usize = 1024;

/// What is done with the answers.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// Whoever asked gets them as they come.
    Answers,
    /// They are counted: which of two members of this name does the ring know?
    Conflict(Votes),
    /// They are collected until all have answered.
    Keys(KeyReport),
}

/// What the ring says about a name that two members have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Votes {
    pub(super) all: usize,
    pub(super) for_this_member: usize,
}

impl Votes {
    /// Whether this member is the one to go. Where nobody else is there to vote, nobody goes; Serf lets both go then.
    pub(super) const fn are_lost(self) -> bool {
        self.all > 0 && self.for_this_member < self.all / 2 + 1
    }
}

/// A query whose answers can be counted: who has not answered at half time is asked again, by himself. Gossip reaches
/// everybody only nearly always, and nothing else brings a query.
#[derive(Clone, Debug)]
pub(super) struct Reminder {
    pub(super) at: Time,
    /// The query as it went out.
    pub(super) message: Bytes,
    /// Whom it is for.
    pub(super) filters: Vec<Filter>,
}

/// One query.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) id: QueryId,
    pub(super) deadline: Time,
    pub(super) purpose: Purpose,
    reminder: Option<Reminder>,
    acks: BTreeSet<Name>,
    responses: BTreeSet<Name>,
    /// How many of each kind are taken at most; more are invented.
    answers_max: usize,
}

impl Open {
    /// Whether a member has been heard of.
    pub(super) fn has_heard(&self, name: &Name) -> bool {
        self.acks.contains(name) || self.responses.contains(name)
    }
}

/// All of them, by what their answers carry.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(BTreeMap<(LamportTime, u32), Open>);

impl Asked {
    /// Whether another query may be asked.
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < OPEN_MAX
    }

    /// Whether the ring is being asked about this member's name.
    pub(super) fn is_voting(&self) -> bool {
        self.0.values().any(|open| matches!(open.purpose, Purpose::Conflict(_)))
    }

    /// Waits for answers to the query of this time and number, of a ring of `members`.
    pub(super) fn open(
        &mut self,
        key: (LamportTime, u32),
        id: QueryId,
        deadline: Time,
        purpose: Purpose,
        reminder: Option<Reminder>,
        members: usize,
    ) {
        // Members may come while it is open.
        let answers_max = members.saturating_mul(2).saturating_add(64);
        let (acks, responses) = (BTreeSet::new(), BTreeSet::new());
        self.0.insert(key, Open { id, deadline, purpose, reminder, acks, responses, answers_max });
    }

    /// An answer has come: the query that it belongs to, unless that is over or the answer has come before.
    pub(super) fn hear(&mut self, now: Time, response: QueryResponse) -> Option<(&mut Open, Answer)> {
        let open = self.0.get_mut(&(response.time, response.id)).filter(|open| open.deadline >= now)?;
        let seen = if response.flags.ack { &mut open.acks } else { &mut open.responses };
        if seen.len() >= open.answers_max || !seen.insert(response.from.clone()) {
            return None;
        }
        let answer = if response.flags.ack {
            Answer::Ack { from: response.from }
        } else {
            Answer::Response { from: response.from, payload: response.payload }
        };
        Some((open, answer))
    }

    /// When the next query is over or somebody is to be reminded.
    pub(super) fn wake_at(&self) -> Option<Time> {
        let due = |open: &Open| open.reminder.as_ref().map_or(open.deadline, |reminder| reminder.at.min(open.deadline));
        self.0.values().map(due).min()
    }

    /// The reminders that are due, each once.
    pub(super) fn take_reminders(&mut self, now: Time) -> Vec<(Reminder, &Open)> {
        let due = self.0.values_mut().filter_map(|open| {
            let reminder = open.reminder.take_if(|reminder| reminder.at <= now)?;
            Some((reminder, &*open))
        });
        due.collect()
    }

    /// The queries that are over: their time is, or everybody has answered whose answer was waited for.
    pub(super) fn take_over(&mut self, now: Time) -> Vec<Open> {
        let is_over = |open: &Open| {
            open.deadline <= now || matches!(&open.purpose, Purpose::Keys(report) if report.responses >= report.members)
        };
        let over: Vec<_> = self.0.iter().filter(|(_, open)| is_over(open)).map(|(key, _)| *key).collect();
        over.iter().filter_map(|key| self.0.remove(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_most_of_the_ring_does_not_know_goes_and_a_tie_lets_both_go() {
        let lost = |for_this_member, all| Votes { all, for_this_member }.are_lost();
        assert!(!lost(2, 3) && lost(1, 3) && lost(2, 4) && lost(0, 1));
        assert!(!lost(0, 0), "nobody voted");
    }
}
