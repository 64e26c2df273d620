//! Lamport's clock: it orders what members say, without anybody's wall clock.

use crate::wire::serf::LamportTime;

/// The latest time that is believed. No honest ring gets there in centuries of a million events a second; beyond it lie
/// only lies, and a clock that followed them could not go on.
pub(super) const LATEST: LamportTime = LamportTime(1 << 62);

/// One clock. Its time is that of the next thing that this member says, and greater than all that it has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock(u64);

impl Default for Clock {
    /// One: zero stands for "never" in what members tell each other.
    fn default() -> Self {
        Self(1)
    }
}

impl Clock {
    /// The time of what is said next.
    pub(super) const fn now(self) -> LamportTime {
        LamportTime(self.0)
    }

    /// Takes the time for something that is said, and moves on.
    pub(super) fn tick(&mut self) -> LamportTime {
        let taken = self.now();
        self.0 = self.0.saturating_add(1).min(LATEST.0);
        taken
    }

    /// Somebody said something at `heard`.
    pub(super) fn witness(&mut self, heard: LamportTime) {
        if heard <= LATEST && heard.0 >= self.0 {
            self.0 = heard.0.saturating_add(1).min(LATEST.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_always_ahead_of_what_was_heard() {
        let mut clock = Clock::default();
        clock.witness(LamportTime(41));
        assert_eq!(clock.tick(), LamportTime(42));
        clock.witness(LamportTime(7));
        assert_eq!(clock.now(), LamportTime(43), "an older time moved it");
    }

    #[test]
    fn a_lie_about_the_end_of_time_does_not_stop_it() {
        let mut clock = Clock::default();
        clock.witness(LamportTime(u64::MAX));
        assert_eq!(clock.tick(), LamportTime(1));
        assert_eq!(clock.tick(), LamportTime(2));
    }
}
