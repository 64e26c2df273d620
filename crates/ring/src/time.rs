//! Time as the pure parts know it: what has passed since a beginning that only the driver knows.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment: the time since the driver's beginning. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(Duration);

impl Time {
    /// The beginning.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment that is `elapsed` after the beginning.
    pub const fn after(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// What has passed since the beginning.
    pub const fn elapsed(self) -> Duration {
        self.0
    }

    /// What has passed since `earlier`; nothing where that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}

impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}
