//! Joining: exchanges with addresses that somebody named, as long as it takes.
//!
//! A ring whose members all failed to join must not stay apart because somebody started a second too early, and two
//! halves of a ring that forgot each other must find together again. So seeds that were to be reached for ever are
//! remembered: they are asked again while this member is alone, and now and then while no living member has their
//! address. (memberlist leaves both to whoever uses it.)

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;
use rand::seq::IndexedRandom;

use super::exchange::Purpose;
use super::{Application, Failure, JoinId, Output, Swim, some_of};
use crate::time::Time;

/// So many seeds of a join are asked at once.
const AT_ONCE: usize = 4;

/// So many joins run at once, and so many seeds each has or are remembered, at most.
const JOINS: usize = 64;
const SEEDS: usize = 1024;

/// How long a join waits before it tries again, at first and at most.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long a join lasts that reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Each seed is asked once.
    Once,
    /// Until one answers, and again whenever this member is alone.
    UntilReached,
}

#[derive(Debug, Default)]
pub(super) struct Joins {
    last: u64,
    running: BTreeMap<JoinId, Join>,
    /// Those to be asked for ever.
    remembered: Vec<SocketAddr>,
    /// When a member that is alone asks one of them.
    knock_at: Option<Time>,
    /// How long it waits after that.
    knock_wait: Duration,
}

#[derive(Debug)]
struct Join {
    seeds: Vec<SocketAddr>,
    persistence: Persistence,
    /// Those of this round that were not asked yet.
    waiting: VecDeque<SocketAddr>,
    asked: usize,
    reached: Vec<SocketAddr>,
    failed: Vec<(SocketAddr, Failure)>,
    /// When the next round begins.
    retry_at: Option<Time>,
    wait: Duration,
}

impl Joins {
    pub(super) fn deadline(&self) -> Option<Time> {
        self.running.values().filter_map(|join| join.retry_at).chain(self.knock_at).min()
    }
}

impl<A: Application> Swim<A> {
    /// Joins the ring of whoever answers at one of the addresses; [`Output::JoinEnded`] tells the end.
    pub fn join(&mut self, now: Time, mut seeds: Vec<SocketAddr>, persistence: Persistence) -> JoinId {
        self.joins.last += 1;
        let id = JoinId(self.joins.last);
        // Lists of seeds are often the same for all members, each of them among them.
        seeds.retain(|seed| *seed != self.config.address);
        seeds.truncate(SEEDS);
        if persistence == Persistence::UntilReached {
            for seed in &seeds {
                if self.joins.remembered.len() < SEEDS && !self.joins.remembered.contains(seed) {
                    self.joins.remembered.push(*seed);
                }
            }
        }
        if seeds.is_empty() || self.joins.running.len() >= JOINS {
            self.outputs.push_back(Output::JoinEnded { join: id, reached: Vec::new(), failed: Vec::new() });
            return id;
        }
        let join = Join {
            waiting: seeds.iter().copied().collect(),
            seeds,
            persistence,
            asked: 0,
            reached: Vec::new(),
            failed: Vec::new(),
            retry_at: None,
            wait: FIRST_WAIT,
        };
        self.joins.running.insert(id, join);
        self.ask_seeds(now, id);
        id
    }

    /// Begins the next rounds that are due.
    pub(super) fn retry_joins(&mut self, now: Time) {
        if self.leaving.is_some() {
            // Whoever waits for a join is told that there is none any more.
            for (join, Join { reached, failed, .. }) in std::mem::take(&mut self.joins.running) {
                self.outputs.push_back(Output::JoinEnded { join, reached, failed });
            }
            self.joins.knock_at = None;
        }
        let due: Vec<JoinId> = self
            .joins
            .running
            .iter()
            .filter(|(_, join)| join.retry_at.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            if let Some(join) = self.joins.running.get_mut(&id) {
                join.retry_at = None;
                join.failed.clear();
                join.waiting = join.seeds.iter().copied().collect();
            }
            self.ask_seeds(now, id);
        }
        self.knock(now);
    }

    /// A seed has answered, or did not.
    pub(super) fn seed_answered(&mut self, now: Time, id: JoinId, seed: SocketAddr, outcome: Result<(), Failure>) {
        let Some(join) = self.joins.running.get_mut(&id) else { return };
        join.asked = join.asked.saturating_sub(1);
        match outcome {
            Ok(()) => {
                join.reached.push(seed);
                self.push_pull_soon(now);
            }
            Err(failure) => join.failed.push((seed, failure)),
        }
        self.ask_seeds(now, id);
    }

    /// Now and then a seed is asked at which no living member is: there may be a whole ring that forgot this one.
    pub(super) fn knock_at_missing_seeds(&mut self, now: Time) {
        let missing: Vec<SocketAddr> = self
            .joins
            .remembered
            .iter()
            .filter(|seed| !self.members.iter().any(|member| member.lives() && member.address == **seed))
            .copied()
            .collect();
        if let Some(seed) = missing.choose(&mut self.chance) {
            self.open_push_pull(*seed, false, now, Purpose::PushPull { with: *seed, join: false });
        }
    }

    /// Whether nobody else lives: then seeds are asked again soon.
    pub(super) fn knock_if_alone(&mut self, now: Time) {
        let alone = self.members.living() <= 1 && self.leaving.is_none();
        if alone && self.joins.knock_at.is_none() && !self.joins.remembered.is_empty() {
            self.joins.knock_wait = FIRST_WAIT;
            self.joins.knock_at = Some(now + some_of(FIRST_WAIT, &mut self.chance));
        }
    }

    fn knock(&mut self, now: Time) {
        if self.joins.knock_at.is_none_or(|at| at > now) {
            return;
        }
        if self.members.living() > 1 || self.leaving.is_some() {
            self.joins.knock_at = None;
            return;
        }
        self.joins.knock_at = Some(now + self.joins.knock_wait);
        self.joins.knock_wait = (self.joins.knock_wait * 2).min(LONGEST_WAIT);
        if let Some(seed) = self.joins.remembered.choose(&mut self.chance).copied() {
            self.open_push_pull(seed, true, now, Purpose::PushPull { with: seed, join: true });
        }
    }

    /// Asks the next seeds of a join; at the end of a round, ends the join or waits.
    fn ask_seeds(&mut self, now: Time, id: JoinId) {
        while let Some(seed) = self.next_seed(id) {
            if !self.open_push_pull(seed, true, now, Purpose::Join { join: id, seed })
                && let Some(join) = self.joins.running.get_mut(&id)
            {
                // Too many streams are open; the next round will do.
                join.asked -= 1;
                join.waiting.clear();
            }
        }
        let chance = &mut self.chance;
        let Some(join) = self.joins.running.get_mut(&id).filter(|join| join.asked == 0) else { return };
        if join.reached.is_empty() && join.persistence == Persistence::UntilReached {
            if join.retry_at.is_none() {
                join.retry_at = Some(now + join.wait.mul_f64(chance.random_range(0.5..1.0)));
                join.wait = (join.wait * 2).min(LONGEST_WAIT);
            }
        } else if let Some(join) = self.joins.running.remove(&id) {
            let Join { reached, failed, .. } = join;
            self.outputs.push_back(Output::JoinEnded { join: id, reached, failed });
        }
    }

    fn next_seed(&mut self, id: JoinId) -> Option<SocketAddr> {
        let join = self.joins.running.get_mut(&id).filter(|join| join.asked < AT_ONCE)?;
        let seed = join.waiting.pop_front()?;
        join.asked += 1;
        Some(seed)
    }
}
