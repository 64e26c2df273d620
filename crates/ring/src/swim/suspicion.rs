//! How long a suspected member has to refute (`suspicion.go`).
//!
//! A suspicion begins with the longest time. Each other member that suspects the same by itself shortens it, the first
//! ones the most; as soon as enough have, it lasts the shortest time. So a single member that is slow itself can hardly
//! have anybody declared dead, and a real death is known as soon as ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Config;
use crate::time::Time;
use crate::wire::message::Name;

/// The times of a suspicion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    shortest: Duration,
    longest: Duration,
    /// So many confirmations make it the shortest; with none expected it is that from the beginning.
    confirmations: usize,
}

impl Limits {
    /// In a ring of so many members.
    pub(super) fn new(config: &Config, members: usize) -> Self {
        let scale = decimal_logarithm(members).max(1.0);
        let shortest = config.probe_interval.saturating_mul(config.suspicion_multiplier).mul_f64(scale);
        // No phase relation to the others' probes is known: two probe intervals are allowed for.
        let wanted = usize::try_from(config.suspicion_multiplier.saturating_sub(2)).unwrap_or(0);
        // Neither the suspect nor this member itself can confirm.
        let confirmations = if members.saturating_sub(2) < wanted { 0 } else { wanted };
        Self { shortest, longest: shortest.saturating_mul(config.suspicion_max_multiplier), confirmations }
    }

    /// What plain SWIM does.
    pub(super) fn without_confirmations(self) -> Self {
        Self { confirmations: 0, ..self }
    }

    fn after(&self, confirmations: usize) -> Duration {
        if self.confirmations == 0 {
            return self.shortest;
        }
        let share = natural_logarithm(confirmations + 1) / natural_logarithm(self.confirmations + 1);
        let shortened = self.longest.saturating_sub(self.longest.saturating_sub(self.shortest).mul_f64(share.min(1.0)));
        shortened.max(self.shortest)
    }
}

/// All suspicions of a member.
#[derive(Debug, Default)]
pub(super) struct Suspicions {
    by_name: BTreeMap<Name, Suspicion>,
    by_deadline: BTreeSet<(Time, Name)>,
}

#[derive(Debug)]
struct Suspicion {
    began: Time,
    limits: Limits,
    /// Whoever suspects, the first one included: at most one more than the confirmations that are wanted.
    by: Vec<Name>,
    deadline: Time,
}

impl Suspicions {
    /// `from` suspects `name`.
    pub(super) fn begin(&mut self, now: Time, name: Name, from: Name, limits: Limits) {
        let deadline = now + limits.after(0);
        self.end(&name);
        self.by_deadline.insert((deadline, name.clone()));
        self.by_name.insert(name, Suspicion { began: now, limits, by: vec![from], deadline });
    }

    /// Another one suspects `name` too. `None` where nobody did before; else whether this is news.
    pub(super) fn confirm(&mut self, name: &Name, from: &Name) -> Option<bool> {
        let suspicion = self.by_name.get_mut(name)?;
        if suspicion.by.len() > suspicion.limits.confirmations || suspicion.by.contains(from) {
            return Some(false);
        }
        suspicion.by.push(from.clone());
        let deadline = suspicion.began + suspicion.limits.after(suspicion.by.len() - 1);
        self.by_deadline.remove(&(suspicion.deadline, name.clone()));
        self.by_deadline.insert((deadline, name.clone()));
        suspicion.deadline = deadline;
        Some(true)
    }

    /// It is over, one way or the other.
    pub(super) fn end(&mut self, name: &Name) {
        if let Some(suspicion) = self.by_name.remove(name) {
            self.by_deadline.remove(&(suspicion.deadline, name.clone()));
        }
    }

    /// When the next one's time is over.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// One whose time is over; it ends by this.
    pub(super) fn expired(&mut self, now: Time) -> Option<Name> {
        let (_, name) = self.by_deadline.first().filter(|(deadline, _)| *deadline <= now)?.clone();
        self.end(&name);
        Some(name)
    }

    /// Gives all of them more time.
    pub(super) fn postpone(&mut self, by: Duration) {
        self.by_deadline.clear();
        for (name, suspicion) in &mut self.by_name {
            suspicion.began = suspicion.began + by;
            suspicion.deadline = suspicion.deadline + by;
            self.by_deadline.insert((suspicion.deadline, name.clone()));
        }
    }
}

/// Of the number of members; rings are far smaller than what a float counts exactly.
#[expect(clippy::cast_precision_loss, reason = "a ring has far fewer members than 2^52")]
pub(super) fn decimal_logarithm(members: usize) -> f64 {
    (members.max(1) as f64).log10()
}

#[expect(clippy::cast_precision_loss, reason = "confirmations are few")]
fn natural_logarithm(number: usize) -> f64 {
    (number as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(members: usize) -> Limits {
        Limits::new(&Config::lan("a", ([127, 0, 0, 1], 7946).into()), members)
    }

    fn deadline_after(confirming: &[&str]) -> Duration {
        let mut suspicions = Suspicions::default();
        suspicions.begin(Time::ZERO, "x".into(), "a".into(), limits(10));
        for name in confirming {
            suspicions.confirm(&"x".into(), &(*name).into());
        }
        suspicions.deadline().unwrap().elapsed()
    }

    #[test]
    fn each_independent_confirmation_shortens_a_suspicion_and_the_first_the_most() {
        let seconds = Duration::from_secs;
        assert_eq!(deadline_after(&[]), seconds(24));
        let after_one = deadline_after(&["b"]);
        assert!(after_one < seconds(12) && after_one > seconds(11), "{after_one:?}");
        assert_eq!(deadline_after(&["b", "c"]), seconds(4));
        assert_eq!(deadline_after(&["b", "c", "d"]), seconds(4));
    }

    #[test]
    fn whoever_repeats_himself_confirms_nothing() {
        assert_eq!(deadline_after(&["a"]), deadline_after(&[]));
        assert_eq!(deadline_after(&["b", "b"]), deadline_after(&["b"]));
    }

    #[test]
    fn a_ring_too_small_for_confirmations_expects_none() {
        assert_eq!(limits(3).after(0), Duration::from_secs(4));
    }

    #[test]
    fn an_ended_suspicion_never_expires() {
        let mut suspicions = Suspicions::default();
        suspicions.begin(Time::ZERO, "x".into(), "a".into(), limits(3));
        suspicions.end(&"x".into());
        assert_eq!(suspicions.expired(Time::after(Duration::from_mins(1))), None);
        assert_eq!(suspicions.deadline(), None);
    }
}
