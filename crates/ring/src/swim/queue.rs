//! A queue of messages that are to reach everybody by gossip, each repeated a limited number of times (`queue.go`).
//!
//! Those sent least often go first, among them the largest that fits, so that datagrams are filled well. A message with
//! a name replaces the one before it of that name: what it says is newer. The queue is bounded: the message that has
//! been sent most often gives way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::suspicion::{decimal_logarithm, natural_logarithm};
use crate::wire::message::Name;

/// The natural logarithm of a thousand.
const MISSED_ONCE_IN_A_THOUSAND: f64 = 7.0;

/// A message of a [`Queue`], for asking whether it still has to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What waits to be gossiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backlog {
    /// Nothing.
    Empty,
    /// Messages that were all sent before.
    Repeats,
    /// Some that were not.
    News,
}

/// Messages to be gossiped.
#[derive(Debug)]
pub struct Queue {
    /// A message is sent so often, times the logarithm of the number of members, or more: see [`transmissions`].
    multiplier: u32,
    capacity: usize,
    messages: BTreeMap<Rank, Queued>,
    named: BTreeMap<Name, Rank>,
    pending: BTreeSet<Ticket>,
    tickets: u64,
}

/// The order of sending: how often it was sent, its length (long ones first), its age (young ones first).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    sent: u32,
    length: Reverse<usize>,
    ticket: Reverse<Ticket>,
}

#[derive(Debug)]
struct Queued {
    name: Option<Name>,
    message: Bytes,
}

impl Queue {
    /// At most `capacity` messages.
    pub fn new(multiplier: u32, capacity: usize) -> Self {
        Self {
            multiplier,
            capacity,
            messages: BTreeMap::new(),
            named: BTreeMap::new(),
            pending: BTreeSet::new(),
            tickets: 0,
        }
    }

    /// Adds a message, in place of the one of the same name.
    pub fn push(&mut self, name: Option<Name>, message: Bytes) -> Ticket {
        if let Some(rank) = name.as_ref().and_then(|name| self.named.get(name).copied()) {
            self.remove(rank);
        }
        while self.messages.len() >= self.capacity.max(1) {
            let Some(rank) = self.messages.last_key_value().map(|(rank, _)| *rank) else { break };
            self.remove(rank);
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let rank = Rank { sent: 0, length: Reverse(message.len()), ticket: Reverse(ticket) };
        self.insert(rank, Queued { name, message });
        ticket
    }

    /// Messages for one datagram: each costs `overhead` bytes beside its own, together at most `limit`. Each counts as
    /// sent by this, and is gone after its last time.
    pub fn take(&mut self, overhead: usize, limit: usize, members: usize) -> Vec<Bytes> {
        let times = transmissions(self.multiplier, members);
        let mut free = limit;
        let mut taken = Vec::new();
        let mut again = Vec::new();
        let mut sent = 0;
        while let Some(room) = free.checked_sub(overhead).filter(|room| *room > 0) {
            // The longest that fits, of those sent so often.
            let from = Rank { sent, length: Reverse(room), ticket: Reverse(Ticket(u64::MAX)) };
            let Some((&rank, _)) = self.messages.range(from..).next() else { break };
            if rank.sent > sent {
                // Some of the next ones may be too long; they are looked for at their own length.
                sent = rank.sent;
                continue;
            }
            let Some(queued) = self.remove(rank) else { break };
            free = room - queued.message.len();
            taken.push(queued.message.clone());
            if rank.sent + 1 < times {
                again.push((Rank { sent: rank.sent + 1, ..rank }, queued));
            }
        }
        for (rank, queued) in again {
            self.insert(rank, queued);
        }
        taken
    }

    /// Whether a message still has to be sent: neither often enough yet, nor replaced.
    pub fn is_pending(&self, ticket: Ticket) -> bool {
        self.pending.contains(&ticket)
    }

    /// What there is to be sent.
    pub fn backlog(&self) -> Backlog {
        match self.messages.first_key_value() {
            None => Backlog::Empty,
            Some((rank, _)) if rank.sent == 0 => Backlog::News,
            Some(_) => Backlog::Repeats,
        }
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn insert(&mut self, rank: Rank, queued: Queued) {
        self.pending.insert(rank.ticket.0);
        if let Some(name) = &queued.name {
            self.named.insert(name.clone(), rank);
        }
        self.messages.insert(rank, queued);
    }

    fn remove(&mut self, rank: Rank) -> Option<Queued> {
        let queued = self.messages.remove(&rank)?;
        self.pending.remove(&rank.ticket.0);
        if let Some(name) = &queued.name {
            self.named.remove(name);
        }
        Some(queued)
    }
}

/// How often a message is sent in a ring of so many members.
///
/// If each member sends it k times to others by chance, a share of e⁻ᵏ of them hears nothing; so with a ln n + 7 of
/// them one message in a thousand misses somebody. memberlist's own count (`retransmitLimit`) is a step at each power
/// of ten, and far below that just before one: of 9 members it misses one in every twentieth message, of 99 in every
/// fortieth. The larger one counts, but no other member hears it more often than `multiplier` times from each, so that
/// two members that part do not tell each other the same for seconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a logarithm of a count is small")]
pub(super) fn transmissions(multiplier: u32, members: usize) -> u32 {
    let theirs = multiplier.saturating_mul(decimal_logarithm(members.saturating_add(1)).ceil() as u32);
    let enough = (natural_logarithm(members) + MISSED_ONCE_IN_A_THOUSAND).ceil() as u32;
    let others = u32::try_from(members.saturating_sub(1)).unwrap_or(u32::MAX);
    theirs.max(enough.min(multiplier.saturating_mul(others)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Bytes {
        vec![7; length].into()
    }

    fn lengths(taken: &[Bytes]) -> Vec<usize> {
        taken.iter().map(Bytes::len).collect()
    }

    #[test]
    fn a_message_is_sent_as_often_as_the_ring_needs_and_then_is_gone() {
        let mut queue = Queue::new(4, 100);
        let ticket = queue.push(None, message(10));
        for _ in 0..12 {
            assert!(queue.is_pending(ticket));
            assert_eq!(queue.take(2, 100, 99).len(), 1);
        }
        assert!(!queue.is_pending(ticket) && queue.is_empty());
        assert!(queue.take(2, 100, 99).is_empty());
    }

    #[test]
    fn a_message_is_sent_as_often_as_memberlist_sends_it_and_more_where_that_would_miss_somebody() {
        let often = |multiplier| [1, 2, 3, 5, 9, 10, 99, 100, 999, 1000, 10_000].map(|n| transmissions(multiplier, n));
        assert_eq!(often(4), [4, 4, 8, 9, 10, 10, 12, 12, 14, 16, 20]);
        assert_eq!(often(2), [2, 2, 4, 8, 10, 10, 12, 12, 14, 14, 17]);
    }

    #[test]
    fn the_least_sent_go_first_and_the_rest_of_the_room_is_filled() {
        let mut queue = Queue::new(4, 100);
        queue.push(None, message(50));
        assert_eq!(lengths(&queue.take(2, 100, 9)), [50]);
        queue.push(None, message(20));
        queue.push(None, message(30));
        assert_eq!(lengths(&queue.take(2, 60, 9)), [30, 20]);
        assert_eq!(lengths(&queue.take(2, 60, 9)), [50]);
        assert_eq!(lengths(&queue.take(2, 40, 9)), [30]);
    }

    #[test]
    fn what_does_not_fit_waits_and_blocks_nobody() {
        let mut queue = Queue::new(4, 100);
        queue.push(None, message(500));
        queue.push(None, message(10));
        assert_eq!(lengths(&queue.take(2, 100, 9)), [10]);
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn newer_news_of_a_name_replaces_the_older() {
        let mut queue = Queue::new(4, 100);
        let old = queue.push(Some("a".into()), message(10));
        let other = queue.push(Some("b".into()), message(11));
        let new = queue.push(Some("a".into()), message(12));
        assert!(!queue.is_pending(old) && queue.is_pending(other) && queue.is_pending(new));
        assert_eq!(lengths(&queue.take(2, 100, 9)), [12, 11]);
    }

    #[test]
    fn a_full_queue_gives_up_what_was_sent_most_often() {
        let mut queue = Queue::new(4, 2);
        let first = queue.push(None, message(10));
        queue.take(2, 100, 9);
        let second = queue.push(None, message(10));
        let third = queue.push(None, message(10));
        assert_eq!(queue.len(), 2);
        assert!(!queue.is_pending(first) && queue.is_pending(second) && queue.is_pending(third));
    }
}
