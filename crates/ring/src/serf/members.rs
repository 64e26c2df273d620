//! The members as Serf sees them: the membership's word on who answers, and the members' own word on who leaves.
//!
//! ```text
//!               joins                    says that it leaves              is gone
//!   (unknown) ────────▶ alive ─────────────────────────────▶ leaving ───────────────▶ left
//!                        │ ▲ ◀──── says later that it has joined ──┘                    ▲
//!                is gone │ │ joins                                                      │ somebody says for it
//!                        ▼ │                                                            │ that it left
//!                       failed ─────────────────────────────────────────────────────────┘
//! ```
//!
//! From `left` and `failed` a member comes back to `alive` when it joins again, and is forgotten after a day.
//!
//! Two sources meet here that may arrive in any order. Each intent carries a Lamport time, and only a later one counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Change, Event};
use super::intents::{Intent, Intents};
use super::member::{Member, Status, Tags};
use crate::swim::{self, Departure};
use crate::time::Time;
use crate::wire::message::Name;
use crate::wire::serf::LamportTime;
use crate::wire::tags;

/// One member, and when it last said whether it is there.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) member: Member,
    /// The time of its last intent.
    pub(super) status_time: LamportTime,
    /// When it went, where it has left or failed.
    gone: Option<Time>,
    /// When it is to be forgotten whatever its status, where somebody asked for that.
    prune: Option<Time>,
}

/// What an intent came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is news, to be passed on.
    News,
    /// It was known.
    Old,
    /// It says that this member leaves, which is not so: to be contradicted.
    Wrong,
}

/// Whether a member that is gone is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prune {
    /// It is remembered as left.
    #[default]
    No,
    /// It is forgotten at once.
    Yes,
}

/// How many members are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// All that are known.
    pub(super) known: usize,
    /// Those that answer.
    pub(super) there: usize,
    /// Those that failed.
    pub(super) failed: usize,
    /// Those that left.
    pub(super) left: usize,
}

/// All of them, with the intents about others that may come.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    entries: BTreeMap<Name, Entry>,
    intents: Intents,
    /// What there is to tell since it was last asked.
    pub(super) events: Vec<Event>,
}

impl Members {
    /// A member by its name.
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// All of them, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// How many are in which state.
    pub(super) fn count(&self) -> Count {
        let mut count = Count { known: self.entries.len(), ..Count::default() };
        for entry in self.entries.values() {
            match entry.member.status {
                Status::Alive | Status::Leaving => count.there += 1,
                Status::Failed => count.failed += 1,
                Status::Left => count.left += 1,
            }
        }
        count
    }

    /// The membership has found a member, or found it again.
    pub(super) fn joined(&mut self, found: &swim::Member) {
        let intent = if self.entries.contains_key(&found.name) { None } else { self.intents.take(&found.name) };
        let entry = self.entries.entry(found.name.clone()).or_insert_with(|| Entry {
            member: told(found),
            status_time: intent.map_or(LamportTime(0), |(_, time)| time),
            gone: None,
            prune: None,
        });
        entry.member = told(found);
        if let Some((Intent::Leave, _)) = intent {
            entry.member.status = Status::Leaving;
        }
        entry.gone = None;
        entry.prune = None;
        self.events.push(Event::about(Change::Joined, &entry.member));
    }

    /// A member says something else of itself.
    pub(super) fn updated(&mut self, found: &swim::Member) {
        if let Some(entry) = self.entries.get_mut(&found.name) {
            entry.member = Member { status: entry.member.status, ..told(found) };
            self.events.push(Event::about(Change::Updated, &entry.member));
        }
    }

    /// A member does not answer any more, or has told the membership that it goes.
    pub(super) fn gone(&mut self, now: Time, name: &Name, departure: Departure) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        let (status, change) = match (entry.member.status, departure) {
            (Status::Leaving, _) | (Status::Alive, Departure::Left) => (Status::Left, Change::Left),
            (Status::Alive, Departure::Failed) => (Status::Failed, Change::Failed),
            (Status::Left | Status::Failed, _) => return,
        };
        entry.member.status = status;
        entry.gone = Some(now);
        self.events.push(Event::about(change, &entry.member));
    }

    /// A member has said that it joined.
    pub(super) fn join_intent(&mut self, now: Time, name: &Name, time: LamportTime) -> Heard {
        let Some(entry) = self.entries.get_mut(name) else {
            return news(self.intents.hear(now, name, Intent::Join, time));
        };
        if time <= entry.status_time {
            return Heard::Old;
        }
        entry.status_time = time;
        if entry.member.status == Status::Leaving {
            // It takes its word back: the intent to leave was from before its restart.
            entry.member.status = Status::Alive;
            entry.prune = None;
        }
        Heard::News
    }

    /// Somebody has said that a member leaves or has left. `staying` is this member, where it does not leave.
    /// `prune_at` is when the member is to be forgotten, where that was asked for and it is not gone before.
    pub(super) fn leave_intent(
        &mut self,
        now: Time,
        name: &Name,
        time: LamportTime,
        staying: Option<&Name>,
        prune_at: Option<Time>,
    ) -> Heard {
        let Some(entry) = self.entries.get_mut(name) else {
            return news(self.intents.hear(now, name, Intent::Leave, time));
        };
        if time <= entry.status_time {
            return Heard::Old;
        }
        if staying == Some(name) {
            return Heard::Wrong;
        }
        entry.status_time = time;
        match entry.member.status {
            Status::Alive => {
                entry.member.status = Status::Leaving;
                entry.prune = prune_at;
            }
            Status::Failed => {
                entry.member.status = Status::Left;
                self.events.push(Event::about(Change::Left, &entry.member));
                entry.prune = prune_at.map(|_| now);
            }
            Status::Leaving => entry.prune = prune_at.or(entry.prune),
            Status::Left => entry.prune = prune_at.map(|_| now).or(entry.prune),
        }
        Heard::News
    }

    /// Another member, whose last intent of `name` is of `time`, has it that it left.
    ///
    /// Serf takes that for an intent of one later, each time that states are exchanged, and so may outrun what is said of
    /// the member next. Here it counts as it is; where it is nothing new, it only decides what became of one who failed.
    pub(super) fn left_elsewhere(
        &mut self,
        now: Time,
        name: &Name,
        time: LamportTime,
        staying: Option<&Name>,
    ) -> Heard {
        match self.entries.get_mut(name) {
            Some(entry) if entry.member.status == Status::Left => Heard::Old,
            Some(entry) if entry.member.status == Status::Failed && entry.status_time == time => {
                entry.member.status = Status::Left;
                self.events.push(Event::about(Change::Left, &entry.member));
                Heard::News
            }
            _ => self.leave_intent(now, name, time, staying, None),
        }
    }

    /// Forgets the members that were gone for too long or are to be pruned, and old intents. The names of the forgotten.
    pub(super) fn reap(&mut self, now: Time, ages: Ages) -> Vec<Name> {
        self.intents.expire(now, ages.intents);
        let is_over = |entry: &Entry| {
            let age = entry.gone.map(|gone| now.since(gone)).unwrap_or_default();
            entry.prune.is_some_and(|prune| prune <= now)
                || entry.member.status == Status::Failed && age > ages.failed
                || entry.member.status == Status::Left && age > ages.left
        };
        let over: Vec<Name> =
            self.entries.values().filter(|entry| is_over(entry)).map(|entry| entry.member.name.clone()).collect();
        for name in &over {
            if let Some(entry) = self.entries.remove(name) {
                self.events.push(Event::about(Change::Reaped, &entry.member));
            }
        }
        over
    }

    /// When the next member is to be pruned.
    pub(super) fn next_prune(&self) -> Option<Time> {
        self.entries.values().filter_map(|entry| entry.prune).min()
    }
}

/// After how long what is forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    pub(super) failed: Duration,
    pub(super) left: Duration,
    pub(super) intents: Duration,
}

fn told(found: &swim::Member) -> Member {
    Member {
        name: found.name.clone(),
        address: found.address,
        // Tags that cannot be read are none: the member is there all the same.
        tags: Arc::new(tags::decode(&found.meta).unwrap_or_else(|_| Tags::new())),
        status: Status::Alive,
        versions: found.versions,
    }
}

const fn news(is_news: bool) -> Heard {
    if is_news { Heard::News } else { Heard::Old }
}

#[cfg(test)]
mod tests;
