//! What has been heard lately at which Lamport time, so that nothing is taken for news twice.
//!
//! Gossip brings everything several times, and a state exchange brings all of it again. Serf keeps a window of 512 times
//! (`EventBuffer`, `QueryBuffer` in `serf/config.go`); whatever is older than the window is refused unseen. Here the window
//! also shrinks when it holds too much: then its oldest times are given up, and are too old from then on, so that a flood
//! is never delivered twice either.

use std::collections::{BTreeMap, BTreeSet};

use super::clock::{Clock, LATEST};
use crate::wire::serf::LamportTime;

/// How many times back news may be.
const WINDOW: u64 = 512;

/// The window, with the clock of its kind of news.
#[derive(Clone, Debug)]
pub(super) struct Recent<Item> {
    clock: Clock,
    /// What is older is no news.
    minimum: LamportTime,
    heard: BTreeMap<LamportTime, Slot<Item>>,
    cost: usize,
    cost_max: usize,
}

#[derive(Clone, Debug)]
struct Slot<Item> {
    items: BTreeSet<Item>,
    cost: usize,
}

impl<Item: Ord> Recent<Item> {
    /// An empty window that holds items of `cost_max` together.
    pub(super) fn new(cost_max: usize) -> Self {
        Self { clock: Clock::default(), minimum: LamportTime(0), heard: BTreeMap::new(), cost: 0, cost_max }
    }

    /// The clock of this kind of news.
    pub(super) const fn clock(&self) -> Clock {
        self.clock
    }

    /// Takes a time for something that this member says.
    pub(super) fn tick(&mut self) -> LamportTime {
        self.clock.tick()
    }

    /// Others are at `time`.
    pub(super) fn witness(&mut self, time: LamportTime) {
        self.clock.witness(time);
    }

    /// What is older than `time` is no news.
    pub(super) fn ignore_before(&mut self, time: LamportTime) {
        self.minimum = self.minimum.max(time.min(LATEST));
        self.heard = self.heard.split_off(&self.minimum);
        self.cost = self.heard.values().map(|slot| slot.cost).sum();
    }

    /// Whether `item`, said at `time`, is news. It is not from then on.
    pub(super) fn is_news(&mut self, time: LamportTime, item: Item, cost: usize) -> bool {
        if time > LATEST {
            return false;
        }
        self.clock.witness(time);
        let oldest = LamportTime(self.clock.now().0.saturating_sub(WINDOW));
        if time < self.minimum.max(oldest) {
            return false;
        }
        if self.heard.first_key_value().is_some_and(|(time, _)| *time < oldest) {
            self.ignore_before(oldest);
        }
        let cost = cost.saturating_add(size_of::<Item>());
        if !self.make_room(time, cost) {
            return false;
        }
        let slot = self.heard.entry(time).or_insert_with(|| Slot { items: BTreeSet::new(), cost: 0 });
        if !slot.items.insert(item) {
            return false;
        }
        slot.cost += cost;
        self.cost += cost;
        true
    }

    /// All that is in the window, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LamportTime, &BTreeSet<Item>)> {
        self.heard.iter().map(|(time, slot)| (*time, &slot.items))
    }

    /// Gives up times that are older than `time` until `cost` fits; what is as old as `time` or newer stays.
    fn make_room(&mut self, time: LamportTime, cost: usize) -> bool {
        while self.cost.saturating_add(cost) > self.cost_max {
            match self.heard.first_key_value() {
                Some((oldest, _)) if *oldest < time => {
                    let next = LamportTime(oldest.0 + 1);
                    self.ignore_before(next);
                }
                _ => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(cost_max: usize) -> Recent<u32> {
        Recent::new(cost_max)
    }

    #[test]
    fn the_same_is_news_once() {
        let mut recent = window(1 << 20);
        assert!(recent.is_news(LamportTime(5), 1, 0));
        assert!(!recent.is_news(LamportTime(5), 1, 0));
        assert!(recent.is_news(LamportTime(5), 2, 0), "another one at the same time");
        assert!(recent.is_news(LamportTime(6), 1, 0), "the same one at another time");
    }

    #[test]
    fn what_is_older_than_the_window_is_no_news() {
        let mut recent = window(1 << 20);
        assert!(recent.is_news(LamportTime(10_000), 1, 0));
        assert!(!recent.is_news(LamportTime(10_000 - WINDOW), 2, 0));
        assert!(recent.is_news(LamportTime(10_001 - WINDOW), 2, 0));
        assert_eq!(recent.iter().count(), 2);
        assert!(recent.is_news(LamportTime(20_000), 1, 0));
        assert_eq!(recent.iter().count(), 1, "what fell out of the window is not kept");
    }

    #[test]
    fn a_flood_is_held_to_its_bound_and_nothing_comes_twice() {
        let mut recent = window(1000);
        let mut delivered = BTreeSet::new();
        for _round in 0..2 {
            for number in 0..400 {
                if recent.is_news(LamportTime(u64::from(number)), number, 16) {
                    assert!(delivered.insert(number), "{number} twice");
                }
            }
        }
        assert!(recent.cost <= 1000, "{}", recent.cost);
        assert!(delivered.len() >= 400, "{}", delivered.len());
    }

    #[test]
    fn many_at_one_time_are_held_to_the_bound_too() {
        let mut recent = window(1000);
        let news = (0..5000).filter(|number| recent.is_news(LamportTime(3), *number, 6)).count();
        assert_eq!(news, 100);
    }

    #[test]
    fn a_lie_about_the_end_of_time_is_no_news() {
        let mut recent = window(1000);
        assert!(!recent.is_news(LamportTime(u64::MAX), 1, 0));
        assert!(recent.is_news(LamportTime(1), 1, 0));
    }
}
