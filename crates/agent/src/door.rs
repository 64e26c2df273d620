//! Who may come in, and how many of them at once.
//!
//! An agent answers the stack's own networks and nobody else. Of those, one that is broken or hostile must not keep the
//! others out: whatever waits (a connection, a blocking query, a stream) takes a seat, seats are counted, and one address
//! gets only some of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::counts::Count;

/// The networks that are let in, and the seats that there are for them.
#[derive(Debug)]
pub struct Door {
    networks: Vec<IpNet>,
    seats: usize,
    seats_each: usize,
    taken: Mutex<Taken>,
    /// How many came from outside of the networks.
    pub outside: Count,
    /// How many found no seat.
    pub full: Count,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    each: BTreeMap<IpAddr, usize>,
}

/// A place inside; it is given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    door: Arc<Door>,
    from: IpAddr,
}

impl Door {
    /// A door for these networks, with `seats` for all of them together and `seats_each` for one address.
    pub fn new(networks: Vec<IpNet>, seats: usize, seats_each: usize) -> Arc<Self> {
        let (outside, full) = Default::default();
        Arc::new(Self { networks, seats, seats_each, taken: Mutex::default(), outside, full })
    }

    /// Whether this address is let in at all.
    pub fn admits(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        self.networks.iter().any(|network| network.contains(&from))
    }

    /// A seat for this address; none where it is not let in, or where all are taken.
    pub fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Seat> {
        let from = from.to_canonical();
        if !self.admits(from) {
            self.outside.one();
            return None;
        }
        let mut taken = self.taken();
        let its_own = taken.each.get(&from).copied().unwrap_or(0);
        if taken.all >= self.seats || its_own >= self.seats_each {
            self.full.one();
            return None;
        }
        taken.all += 1;
        taken.each.insert(from, its_own + 1);
        drop(taken);
        Some(Seat { door: Arc::clone(self), from })
    }

    /// How many seats are taken.
    pub fn taken_seats(&self) -> usize {
        self.taken().all
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.door.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(its_own) = taken.each.get_mut(&self.from) {
            *its_own -= 1;
            if *its_own == 0 {
                taken.each.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_networks_that_are_named_come_in_however_the_address_is_written() {
        let door = Door::new(vec!["10.0.0.0/24".parse().unwrap()], 4, 4);
        assert!(door.admits(address("10.0.0.9")));
        assert!(door.admits(address("::ffff:10.0.0.9")));
        assert!(!door.admits(address("10.0.1.9")));
        assert!(door.enter(address("10.0.1.9")).is_none());
        assert_eq!((door.outside.get(), door.full.get()), (1, 0));
    }

    #[test]
    fn one_address_cannot_take_all_seats_and_a_seat_that_is_left_is_free() {
        let door = Door::new(vec!["10.0.0.0/24".parse().unwrap()], 3, 2);
        let (greedy, other) = (address("10.0.0.1"), address("10.0.0.2"));
        let first = door.enter(greedy).unwrap();
        let _second = door.enter(greedy).unwrap();
        assert!(door.enter(greedy).is_none());
        let _third = door.enter(other).unwrap();
        assert!(door.enter(other).is_none(), "three are three");
        assert_eq!((door.outside.get(), door.full.get()), (0, 2));
        drop(first);
        assert!(door.enter(other).is_some());
    }
}
