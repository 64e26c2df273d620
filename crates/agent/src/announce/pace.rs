//! How often somebody may do something: some at once, and then one each interval.

use std::time::Duration;

use pontoon_ring::time::Time;

/// How much is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// In the long run one in this time...
    pub(super) interval: Duration,
    /// ... and after a rest so many at once.
    pub(super) burst: u32,
}

/// What one has taken of a pace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// When it is full again.
    full_at: Time,
}

impl Bucket {
    /// Takes one, or tells how long there is none.
    pub(super) fn take(&mut self, now: Time, pace: Pace) -> Result<(), Duration> {
        let full_at = self.full_at.max(now);
        let wait = full_at.since(now).saturating_sub(pace.interval * pace.burst.saturating_sub(1));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.full_at = full_at + pace.interval;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_come_through_at_once_and_then_one_each_interval() {
        let pace = Pace { interval: Duration::from_millis(500), burst: 10 };
        let mut bucket = Bucket::default();
        let begun = Time::after(Duration::from_hours(1));
        let taken = (0..100).take_while(|_| bucket.take(begun, pace).is_ok()).count();
        assert_eq!(taken, 10);
        assert_eq!(bucket.take(begun, pace), Err(pace.interval));
        let later =
            (1..=1000).filter(|step| bucket.take(begun + Duration::from_millis(step * 10), pace).is_ok()).count();
        assert_eq!(later, 20, "two a second, and refusals cost nothing");
        let rested = begun + Duration::from_mins(1);
        assert_eq!((0..100).filter(|_| bucket.take(rested, pace).is_ok()).count(), 10);
    }
}
