//! A member's own health, guessed from how its probes go (`awareness.go`).
//!
//! It knows no other member. A failed probe may be the other side's fault or its own; the score counts what speaks for
//! its own, and slows it down.

use std::time::Duration;

/// From 0, well, to one less than the largest multiplier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awareness {
    score: u32,
    max: u32,
}

impl Awareness {
    /// `multiplier` is how many times slower it may become.
    pub(super) fn new(multiplier: u32) -> Self {
        Self { score: 0, max: multiplier.saturating_sub(1) }
    }

    /// Something went well.
    pub(super) fn better(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// So many things went badly.
    pub(super) fn worse(&mut self, signs: u32) {
        self.score = self.score.saturating_add(signs).min(self.max);
    }

    pub(super) fn score(self) -> u32 {
        self.score
    }

    /// How long something takes that takes `time` in health.
    pub(super) fn scale(self, time: Duration) -> Duration {
        time.saturating_mul(self.score.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_slows_down_by_what_goes_badly_and_recovers_one_by_one() {
        let mut awareness = Awareness::new(8);
        awareness.worse(3);
        assert_eq!(awareness.scale(Duration::from_secs(1)), Duration::from_secs(4));
        awareness.worse(100);
        assert_eq!(awareness.scale(Duration::from_secs(1)), Duration::from_secs(8));
        for _ in 0..20 {
            awareness.better();
        }
        assert_eq!(awareness.score(), 0);
    }
}
