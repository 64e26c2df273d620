//! Finding the ring again after a restart, by the members that the snapshot names.
//!
//! A few are asked at a time, for one that answers knows all the others. When none did, they are asked again later, for
//! ever: a whole ring that lost its power comes back in any order.

use std::net::SocketAddr;
use std::time::Duration;

use crate::swim::JoinId;
use crate::time::Time;

/// How many are asked at a time.
const AT_ONCE: usize = 3;

/// The members to be asked, in an order by chance, so that not everybody asks the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Rejoin {
    known: Vec<SocketAddr>,
    next: usize,
    asking: Option<JoinId>,
    due: Option<Time>,
}

impl Rejoin {
    /// Asks these, from `now` on.
    pub(super) fn new(known: Vec<SocketAddr>, now: Time) -> Self {
        let due = (!known.is_empty()).then_some(now);
        Self { known, next: 0, asking: None, due }
    }

    /// When the next are to be asked.
    pub(super) const fn wake_at(&self) -> Option<Time> {
        self.due
    }

    /// Those to be asked now; say by [`Rejoin::asked`] how that is called.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Vec<SocketAddr>> {
        self.due.filter(|due| *due <= now)?;
        self.due = None;
        let some: Vec<SocketAddr> = self.known.iter().skip(self.next).take(AT_ONCE).copied().collect();
        self.next += some.len();
        Some(some)
    }

    /// They are being asked.
    pub(super) const fn asked(&mut self, join: JoinId) {
        self.asking = Some(join);
    }

    /// A join has ended. Whether it was one of these, and reached somebody.
    pub(super) fn ended(&mut self, now: Time, join: JoinId, has_reached: bool, pause: Duration) -> bool {
        if self.asking != Some(join) {
            return false;
        }
        self.asking = None;
        if has_reached {
            self.known.clear();
        } else if self.next < self.known.len() {
            self.due = Some(now);
        } else {
            self.next = 0;
            self.due = Some(now + pause);
        }
        has_reached
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PAUSE: Duration = Duration::from_secs(30);

    fn address(number: u8) -> SocketAddr {
        ([127, 0, 0, number], 7946).into()
    }

    #[test]
    fn a_few_are_asked_at_a_time_until_one_answers() {
        let mut rejoin = Rejoin::new((1..=5).map(address).collect(), Time::ZERO);
        let first = rejoin.take_due(Time::ZERO).unwrap();
        assert_eq!(first, [address(1), address(2), address(3)]);
        rejoin.asked(JoinId(1));
        assert_eq!(rejoin.take_due(Time::ZERO), None, "others wait for their answer");
        assert!(!rejoin.ended(Time::ZERO, JoinId(1), false, PAUSE));
        assert_eq!(rejoin.take_due(Time::ZERO).unwrap(), [address(4), address(5)]);
        rejoin.asked(JoinId(2));
        assert!(!rejoin.ended(Time::ZERO, JoinId(7), true, PAUSE), "somebody else's join");
        assert!(rejoin.ended(Time::ZERO, JoinId(2), true, PAUSE));
        assert_eq!(rejoin.wake_at(), None);
    }

    #[test]
    fn where_nobody_answers_all_are_asked_again_later() {
        let mut rejoin = Rejoin::new(vec![address(1)], Time::ZERO);
        rejoin.take_due(Time::ZERO).unwrap();
        rejoin.asked(JoinId(1));
        rejoin.ended(Time::ZERO, JoinId(1), false, PAUSE);
        assert_eq!(rejoin.wake_at(), Some(Time::after(PAUSE)));
        assert_eq!(rejoin.take_due(Time::after(PAUSE)).unwrap(), [address(1)]);
    }
}
