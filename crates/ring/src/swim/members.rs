//! The table of members: who is known, in the order in which they are probed.
//!
//! It keeps what the rules decide and decides nothing but whom chance chooses. The order is random and new at each
//! round, and whoever is new gets a random place in it, so that the time until a failure is found has a bound.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use indexmap::IndexSet;
use rand::Rng;

use super::Member;
use crate::time::Time;

#[derive(Debug, Default)]
pub(super) struct Members {
    table: IndexSet<ByName>,
    /// How many of them live.
    living: usize,
}

/// A member that is found by its name. In a ring of thousands a table has as many of them for each member, so that
/// the name is not kept a second time beside it.
#[derive(Debug)]
struct ByName(Member);

impl Members {
    pub(super) fn get(&self, name: &str) -> Option<&Member> {
        self.table.get(name).map(|ByName(member)| member)
    }

    /// By its place in the order.
    pub(super) fn at(&self, index: usize) -> Option<&Member> {
        self.table.get_index(index).map(|ByName(member)| member)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> + Clone {
        self.table.iter().map(|ByName(member)| member)
    }

    /// How many are known, those who went among them.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many live, this member among them.
    pub(super) fn living(&self) -> usize {
        self.living
    }

    /// Makes room for so many more, and no more than that.
    pub(super) fn reserve(&mut self, more: usize) {
        self.table.reserve_exact(more);
    }

    /// Keeps what has become of a member; a new one gets a random place in the order.
    pub(super) fn put(&mut self, member: Member, chance: &mut impl Rng) {
        let lives = member.lives();
        let (place, before) = self.table.replace_full(ByName(member));
        if before.is_none() {
            self.table.swap_indices(place, chance.random_range(0..=place));
        }
        match (before.is_some_and(|ByName(member)| member.lives()), lives) {
            (false, true) => self.living += 1,
            (true, false) => self.living -= 1,
            _ => {}
        }
    }

    /// Forgets those who went so long ago, and puts the others into a new order.
    pub(super) fn new_round(&mut self, now: Time, remembered: Duration, chance: &mut impl Rng) {
        self.table.retain(|ByName(member)| member.lives() || now.since(member.since) <= remembered);
        for last in (1..self.table.len()).rev() {
            self.table.swap_indices(last, chance.random_range(0..=last));
        }
    }

    /// Up to `count` different members, by chance, among those that suit.
    pub(super) fn choose(&self, count: usize, chance: &mut impl Rng, suits: impl Fn(&Member) -> bool) -> Vec<Member> {
        let mut chosen: Vec<Member> = Vec::with_capacity(count);
        let length = self.table.len();
        if length == 0 {
            return chosen;
        }
        let try_at = |index: usize, chosen: &mut Vec<Member>| {
            if let Some(member) = self.at(index).filter(|member| suits(member))
                && !chosen.iter().any(|other| other.name == member.name)
            {
                chosen.push(member.clone());
            }
        };
        // In a large ring most suit, and a few draws do.
        let draws = if length > 3 * count { 4 * count } else { 0 };
        for _ in 0..draws {
            if chosen.len() < count {
                try_at(chance.random_range(0..length), &mut chosen);
            }
        }
        // Else all are looked at, from a random one on.
        let (mut step, mut index) = (0, chance.random_range(0..length));
        while chosen.len() < count && step < length {
            try_at(index, &mut chosen);
            index = (index + 1) % length;
            step += 1;
        }
        chosen
    }
}

impl Borrow<str> for ByName {
    fn borrow(&self) -> &str {
        &self.0.name
    }
}

impl Hash for ByName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        str::hash(&self.0.name, state);
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for ByName {}
