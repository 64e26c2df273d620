//! How long a suspected member has to refute (`suspicion.go`).
//!
//! A suspicion begins with the longest time. Each other member that suspects the same by itself shortens it, the first
//! ones the most; as soon as enough have, it lasts the shortest time. So a single member that is slow itself can hardly
//! have anybody declared dead, and a real death is known as soon as ever.
//!
//! Whoever missed the refutation would still declare a death. So a careful member asks the suspect itself before the
//! time is over (memberlist does not): that costs no time, and a datagram or two to a dead address.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Config, Detection};
use crate::time::Time;
use crate::wire::message::Name;

/// How often a suspect is asked before its time is over: datagrams may be lost.
const WARNINGS: u32 = 2;

/// The times of a suspicion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    shortest: Duration,
    longest: Duration,
    /// So many confirmations make it the shortest; with none expected it is that from the beginning.
    confirmations: usize,
    /// So often the suspect is asked before the end, at this distance.
    warnings: u32,
    distance: Duration,
}

/// What is due of a suspicion.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The suspect is to be asked once more.
    Warning(Name),
    /// Its time is over; the suspicion has ended.
    End(Name),
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
        Self {
            shortest,
            longest: shortest.saturating_mul(config.suspicion_max_multiplier),
            confirmations: if config.detection >= Detection::Lifeguard { confirmations } else { 0 },
            warnings: if config.detection >= Detection::Careful { WARNINGS } else { 0 },
            distance: config.probe_timeout,
        }
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
    /// When something is due of each.
    by_time: BTreeSet<(Time, Name)>,
}

#[derive(Debug)]
struct Suspicion {
    began: Time,
    limits: Limits,
    /// Whoever suspects, the first one included: at most one more than the confirmations that are wanted.
    by: Vec<Name>,
    deadline: Time,
    /// How many warnings are left.
    warnings: u32,
}

impl Suspicion {
    /// When something is due.
    fn due(&self) -> Time {
        let before = self.limits.distance.saturating_mul(self.warnings);
        Time::after(self.deadline.elapsed().saturating_sub(before))
    }
}

impl Suspicions {
    /// `from` suspects `name`.
    pub(super) fn begin(&mut self, now: Time, name: Name, from: Name, limits: Limits) {
        let deadline = now + limits.after(0);
        self.end(&name);
        let suspicion = Suspicion { began: now, limits, by: vec![from], deadline, warnings: limits.warnings };
        self.by_time.insert((suspicion.due(), name.clone()));
        self.by_name.insert(name, suspicion);
    }

    /// Another one suspects `name` too. `None` where nobody did before; else whether this is news.
    pub(super) fn confirm(&mut self, name: &Name, from: &Name) -> Option<bool> {
        let suspicion = self.by_name.get_mut(name)?;
        if suspicion.by.len() > suspicion.limits.confirmations || suspicion.by.contains(from) {
            return Some(false);
        }
        suspicion.by.push(from.clone());
        self.by_time.remove(&(suspicion.due(), name.clone()));
        suspicion.deadline = suspicion.began + suspicion.limits.after(suspicion.by.len() - 1);
        self.by_time.insert((suspicion.due(), name.clone()));
        Some(true)
    }

    /// It is over, one way or the other.
    pub(super) fn end(&mut self, name: &Name) {
        if let Some(suspicion) = self.by_name.remove(name) {
            self.by_time.remove(&(suspicion.due(), name.clone()));
        }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.by_time.first().map(|(time, _)| *time)
    }

    /// Something that is due; it counts as done by this.
    pub(super) fn due(&mut self, now: Time) -> Option<Due> {
        let (time, name) = self.by_time.first().filter(|(time, _)| *time <= now)?.clone();
        let Some(suspicion) = self.by_name.get_mut(&name).filter(|suspicion| suspicion.warnings > 0) else {
            self.end(&name);
            return Some(Due::End(name));
        };
        self.by_time.remove(&(time, name.clone()));
        // A confirmation may have brought the end near: there is still time to answer.
        suspicion.deadline = suspicion.deadline.max(now + suspicion.limits.distance * suspicion.warnings);
        suspicion.warnings -= 1;
        self.by_time.insert((suspicion.due(), name.clone()));
        Some(Due::Warning(name))
    }

    /// Gives all of them more time.
    pub(super) fn postpone(&mut self, by: Duration) {
        self.by_time.clear();
        for (name, suspicion) in &mut self.by_name {
            suspicion.began = suspicion.began + by;
            suspicion.deadline = suspicion.deadline + by;
            self.by_time.insert((suspicion.due(), name.clone()));
        }
    }
}

/// Of the number of members; rings are far smaller than what a float counts exactly.
#[expect(clippy::cast_precision_loss, reason = "a ring has far fewer members than 2^52")]
pub(super) fn decimal_logarithm(members: usize) -> f64 {
    (members.max(1) as f64).log10()
}

#[expect(clippy::cast_precision_loss, reason = "confirmations and members are far fewer than 2^52")]
pub(super) fn natural_logarithm(number: usize) -> f64 {
    (number.max(1) as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(members: usize) -> Limits {
        let config = Config::lan("a", ([127, 0, 0, 1], 7946).into());
        Limits::new(&Config { detection: Detection::Lifeguard, ..config }, members)
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
        assert_eq!(suspicions.due(Time::after(Duration::from_mins(1))), None);
        assert_eq!(suspicions.deadline(), None);
    }

    #[test]
    fn a_suspect_is_asked_twice_before_the_end_and_has_time_to_answer() {
        let at = |milliseconds| Time::after(Duration::from_millis(milliseconds));
        let name = Name::from("x");
        let mut suspicions = Suspicions::default();
        let limits = Limits::new(&Config::lan("a", ([127, 0, 0, 1], 7946).into()), 10);
        suspicions.begin(Time::ZERO, name.clone(), "a".into(), limits);
        suspicions.confirm(&name, &"b".into());
        suspicions.confirm(&name, &"c".into());
        assert_eq!(suspicions.deadline(), Some(at(3000)));
        assert_eq!(suspicions.due(at(2999)), None);
        assert_eq!(suspicions.due(at(3200)), Some(Due::Warning(name.clone())));
        assert_eq!(suspicions.due(at(3300)), None);
        assert_eq!(suspicions.due(at(3700)), Some(Due::Warning(name.clone())));
        assert_eq!(suspicions.due(at(4199)), None);
        assert_eq!(suspicions.due(at(4200)), Some(Due::End(name)));
    }
}
