//! The table of members: who is known, in the order in which they are probed.
//!
//! It keeps what the rules decide and decides nothing but whom chance chooses. The order is random and new at each
//! round, and whoever is new gets a random place in it, so that the time until a failure is found has a bound.

use std::time::Duration;

use indexmap::IndexMap;
use rand::Rng;

use super::Member;
use crate::time::Time;
use crate::wire::message::Name;

#[derive(Debug, Default)]
pub(super) struct Members {
    table: IndexMap<Name, Member>,
    /// How many of them live.
    living: usize,
}

impl Members {
    pub(super) fn get(&self, name: &str) -> Option<&Member> {
        self.table.get(name)
    }

    /// By its place in the order.
    pub(super) fn at(&self, index: usize) -> Option<&Member> {
        self.table.get_index(index).map(|(_, member)| member)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> + Clone {
        self.table.values()
    }

    /// How many are known, those who went among them.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many live, this member among them.
    pub(super) fn living(&self) -> usize {
        self.living
    }

    /// Keeps what has become of a member; a new one gets a random place in the order.
    pub(super) fn put(&mut self, member: Member, chance: &mut impl Rng) {
        let lives = member.lives();
        let before = if let Some(known) = self.table.get_mut(&member.name) {
            std::mem::replace(known, member).lives()
        } else {
            let (last, _) = self.table.insert_full(member.name.clone(), member);
            self.table.swap_indices(last, chance.random_range(0..=last));
            false
        };
        match (before, lives) {
            (false, true) => self.living += 1,
            (true, false) => self.living -= 1,
            _ => {}
        }
    }

    /// Forgets those who went so long ago, and puts the others into a new order.
    pub(super) fn new_round(&mut self, now: Time, remembered: Duration, chance: &mut impl Rng) {
        self.table.retain(|_, member| member.lives() || now.since(member.since) <= remembered);
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
