//! When to look, and what the looks mean.
//!
//! ```text
//!                     first outcome
//!        unknown ───────────────────────▶ whatever it says
//!                       `rise` good ones in a row
//!        critical, unknown ─────────────▶ passing, warning
//!                       `fall` critical ones in a row
//!        passing, warning, unknown ─────▶ critical
//!                       `fall` in a row that could not look
//!        passing, warning, critical ────▶ unknown
//!
//!        passing ◀──────────────────────▶ warning       with the next outcome
//! ```

use std::time::Duration;

use pontoon_ring::time::Time;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::cut;
use crate::catalogue::{Health, State};

/// How a check behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From the beginning of one look to that of the next, more or less a tenth: checks that began together drift
    /// apart. A look that takes longer puts off the next.
    pub interval: Duration,
    /// How long a look may take; a longer one is critical.
    pub timeout: Duration,
    /// How many good outcomes in a row end a bad state; 0 is as good as 1.
    pub rise: u32,
    /// How many bad outcomes in a row end a good one; 0 is as good as 1.
    pub fall: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), timeout: Duration::from_secs(2), rise: 2, fall: 3 }
    }
}

/// What came of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it is; unknown where one could not look.
    pub state: State,
    /// Why, in words for people. It should be the same as long as nothing is different: each new one is announced.
    pub output: String,
}

/// One look, by a number that is never used twice in a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run(pub u64);

/// What happens to a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing but time.
    Tick,
    /// A look has ended. One that was given up counts for nothing.
    Ended(Run, Outcome),
}

/// One check of one container.
#[derive(Clone, Debug)]
pub struct Check {
    settings: Settings,
    chance: ChaCha8Rng,
    health: Health,
    /// Whether any look has ended.
    looked: bool,
    next: Time,
    runs: u64,
    running: Option<(Run, Time)>,
    /// What the last outcomes in a row said against the present state, and how many they were.
    against: Option<(Kind, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Good,
    Bad,
    Unseen,
}

impl Check {
    /// A check that has not looked yet. Its first look is due within the first tenth of the interval.
    pub fn new(settings: Settings, seed: u64, now: Time) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let next = now + settings.interval.mul_f64(0.1 * chance.random::<f64>());
        let health = Health { state: State::Unknown, output: "no check has ended yet".to_owned() };
        Self { settings, chance, health, looked: false, next, runs: 0, running: None, against: None }
    }

    /// How it is.
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// Behaves otherwise from the next look on.
    pub const fn adjust(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Whether any look has ended, so that the health says something.
    pub const fn has_looked(&self) -> bool {
        self.looked
    }

    /// Whether a look was begun and has not ended.
    pub const fn is_looking(&self) -> bool {
        self.running.is_some()
    }

    /// Something has happened. Where a look is due, it is to be begun, and its outcome to be handed in; a look that
    /// was begun before and has not ended may be dropped.
    pub fn handle(&mut self, now: Time, event: Event) -> Option<Run> {
        match event {
            Event::Tick => self.give_up(now),
            Event::Ended(run, outcome) if self.running.is_some_and(|(running, _)| running == run) => {
                self.running = None;
                self.take(&outcome);
            }
            Event::Ended(..) => {}
        }
        if self.running.is_some() || now < self.next {
            return None;
        }
        self.runs += 1;
        let run = Run(self.runs);
        self.running = Some((run, now + self.settings.timeout));
        self.next = now + self.settings.interval.mul_f64(0.9 + 0.2 * self.chance.random::<f64>());
        Some(run)
    }

    /// When [`Event::Tick`] is due.
    pub fn wake_at(&self) -> Time {
        self.running.map_or(self.next, |(_, deadline)| deadline)
    }

    fn give_up(&mut self, now: Time) {
        if self.running.is_some_and(|(_, deadline)| deadline <= now) {
            self.running = None;
            let output = format!("no answer in {:?}", self.settings.timeout);
            self.take(&Outcome { state: State::Critical, output });
        }
    }

    fn take(&mut self, outcome: &Outcome) {
        let kind = kind(outcome.state);
        let first = !std::mem::replace(&mut self.looked, true);
        if !first && kind != self::kind(self.health.state) {
            let needed = if kind == Kind::Good { self.settings.rise } else { self.settings.fall };
            let count = match self.against {
                Some((same, count)) if same == kind => count.saturating_add(1),
                _ => 1,
            };
            if count < needed {
                self.against = Some((kind, count));
                return;
            }
        }
        self.against = None;
        self.health = Health { state: outcome.state, output: cut(&outcome.output).to_owned() };
    }
}

const fn kind(state: State) -> Kind {
    match state {
        State::Passing | State::Warning => Kind::Good,
        State::Critical => Kind::Bad,
        State::Unknown => Kind::Unseen,
    }
}
