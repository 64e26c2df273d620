//! The named checks: what must come about, and what nobody may ever see.
//!
//! The referee knows what is true and hears of every change that a member believes in.

use std::fmt;
use std::time::Duration;

use super::machine::{index as index_of, name};
use super::{Announces, Machine, Simulation, Table};
use crate::swim::{Change, Departure};
use crate::time::Time;

/// A rule that holds for every ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// All that run know all that run, and nobody else.
    Converges,
    /// Whoever saw a member go that does not run sees it come again only with an incarnation that is newer than the one
    /// that went: it refuted that, and went later. No late message brings anybody back.
    NoResurrection,
    /// A member's incarnation grows as long as it lives, for everybody that hears of it.
    IncarnationGrows,
    /// No member dies for another one that runs, answers in time and can be reached.
    NoFalseDeath,
    /// What is said to all is heard by all.
    EventuallyDelivered,
}

/// A check that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which check.
    pub check: Check,
    /// When.
    pub at: Time,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} does not hold at {:.3} s: {}", self.check, self.at.elapsed().as_secs_f64(), self.what)
    }
}

/// A member that another one took for dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// Who believes it.
    pub by: usize,
    /// Who is said to be dead.
    pub of: usize,
    /// When it was believed.
    pub at: Time,
    /// Whether it was taken to have failed or to have left.
    pub how: Departure,
}

/// After a partition or a pause ends, this long no death is called false: a suspicion may still have been running, and
/// its news may still be passed on.
const GRACE: Duration = Duration::from_secs(90);

/// So many violations are kept: more tell nothing new.
const KEPT: usize = 20;

#[derive(Default)]
pub(super) struct Referee {
    violations: Vec<Violation>,
    false_deaths: Vec<Death>,
    true_deaths: Vec<Death>,
    /// When a member crashed or left.
    gone: Table<usize, Time>,
    /// Those that are slow; with the time, those that were until then.
    slow: Table<usize, Option<Time>>,
    parted: bool,
    healed: Option<Time>,
    /// What a member has seen go: in which lives of both, and which incarnation.
    seen_going: Table<(usize, usize), (u32, u32, u32)>,
    /// The newest incarnation that a member has seen of another, with the lives of both.
    incarnations: Table<(usize, usize), (u32, u32, u32)>,
}

impl Referee {
    pub(super) fn went(&mut self, index: usize, now: Time) {
        self.gone.insert(index, now);
    }

    pub(super) fn slowed(&mut self, index: usize) {
        self.slow.insert(index, None);
    }

    pub(super) fn recovered(&mut self, index: usize, now: Time) {
        self.slow.insert(index, Some(now));
    }

    pub(super) fn parted(&mut self) {
        self.parted = true;
    }

    pub(super) fn healed(&mut self, now: Time) {
        self.parted = false;
        self.healed = Some(now);
    }

    fn violated(&mut self, check: Check, at: Time, what: String) {
        if self.violations.len() < KEPT {
            self.violations.push(Violation { check, at, what });
        }
    }

    /// Whether there is a reason to take a running member for dead.
    fn excused(&self, index: usize, now: Time) -> bool {
        let recent = |time: Option<Time>| time.is_some_and(|time| now.since(time) < GRACE);
        let slow = self.slow.get(&index).is_some_and(|until| until.is_none() || recent(*until));
        slow || self.parted || recent(self.healed)
    }
}

impl<M: Machine> Simulation<M> {
    /// Whether these checks held all the time.
    pub fn verdict(&self, checks: &[Check]) -> Result<(), Violation> {
        let broken = self.referee.violations.iter().find(|violation| checks.contains(&violation.check));
        broken.map_or(Ok(()), |violation| Err(violation.clone()))
    }

    /// Deaths that members believed in though the dead one ran, could be reached, and was not slow.
    pub fn false_deaths(&self) -> &[Death] {
        &self.referee.false_deaths
    }

    /// Deaths that were true.
    pub fn true_deaths(&self) -> &[Death] {
        &self.referee.true_deaths
    }

    /// Waits until all that run know all that run on their side of a partition, and nobody else; how long it took.
    pub fn converge(&mut self, limit: Duration) -> Result<Duration, Violation> {
        match self.run_until(limit, Self::is_converged) {
            Some(time) => Ok(time),
            None => Err(Violation { check: Check::Converges, at: self.now, what: self.difference() }),
        }
    }

    /// Whether all that run know all that run on their side of a partition, and nobody else.
    pub fn is_converged(&self) -> bool {
        let mut sides: Table<u32, Vec<usize>> = Table::new();
        for index in self.running() {
            sides.entry(self.side(index)).or_default().push(index);
        }
        let all_count = sides.values().all(|side| {
            side.iter().all(|index| self.machine(*index).is_some_and(|machine| machine.living() == side.len()))
        });
        // Looking at each pair is worth it only where the numbers are right.
        all_count
            && sides.values().all(|side| {
                let names: Vec<_> = side.iter().map(|index| name(*index)).collect();
                side.iter().all(|index| {
                    self.machine(*index).is_some_and(|machine| {
                        names.iter().all(|name| machine.member(name).is_some_and(crate::swim::Member::lives))
                    })
                })
            })
    }

    /// A few words on who does not know whom.
    fn difference(&self) -> String {
        let mut lines = Vec::new();
        for index in self.running() {
            let Some(machine) = self.machine(index) else { continue };
            let expected = self.running().filter(|other| self.side(*other) == self.side(index));
            let missing: Vec<_> = expected
                .map(name)
                .filter(|name| machine.member(name).is_none_or(|member| !member.lives()))
                .take(5)
                .collect();
            let living = machine.living();
            if !missing.is_empty() {
                lines.push(format!("{} knows {living} members and misses {}", name(index), missing.join(", ")));
            }
        }
        let running = self.running().count();
        if lines.is_empty() {
            return format!("of {running} running members each knows all, and some know others besides");
        }
        let total = lines.len();
        lines.truncate(5);
        format!("of {running} running members {total} miss others: {}", lines.join("; "))
    }

    /// A member believes in a change.
    pub(super) fn judge(&mut self, by: usize, change: &Change) {
        match change {
            Change::Gone(member, departure) => {
                let Some(of) = index_of(&member.name).filter(|of| *of != by) else { return };
                self.judge_departure(by, of, *departure, member.incarnation);
            }
            Change::Joined(member) => {
                let Some(of) = index_of(&member.name) else { return };
                self.judge_arrival(by, of, member.incarnation);
                self.judge_incarnation(by, of, member.incarnation);
            }
            Change::Updated(member) => {
                if let Some(of) = index_of(&member.name) {
                    self.judge_incarnation(by, of, member.incarnation);
                }
            }
            Change::Conflict { .. } => {}
        }
    }

    /// Looks at the incarnation that each member has for itself.
    pub(super) fn check_incarnations(&mut self) {
        for index in 0..self.members.len() {
            if let Some(said) = self.machine(index).and_then(Machine::introduces_itself) {
                self.judge_incarnation(index, index, said.incarnation);
            }
        }
    }

    fn judge_departure(&mut self, by: usize, of: usize, departure: Departure, incarnation: u32) {
        let (own, others) = self.lives(by, of);
        self.referee.seen_going.insert((by, of), (own, others, incarnation));
        let death = Death { by, of, at: self.now, how: departure };
        if !self.is_running(of) {
            self.referee.true_deaths.push(death);
        } else if departure == Departure::Failed && !self.referee.excused(of, self.now) {
            self.referee.false_deaths.push(death);
            let what = format!("{} takes {} for dead, which runs and can be reached", name(by), name(of));
            self.referee.violated(Check::NoFalseDeath, self.now, what);
        }
    }

    fn judge_arrival(&mut self, by: usize, of: usize, incarnation: u32) {
        if self.is_running(of) {
            return;
        }
        let lives = self.lives(by, of);
        let gone = self.referee.seen_going.get(&(by, of)).filter(|(own, others, _)| (*own, *others) == lives);
        if let Some((_, _, gone)) = gone.copied().filter(|gone| incarnation <= gone.2) {
            let (by, of) = (name(by), name(of));
            let what = format!("{by} saw {of} go with incarnation {gone}, and come again with {incarnation}");
            self.referee.violated(Check::NoResurrection, self.now, what);
        }
    }

    fn judge_incarnation(&mut self, by: usize, of: usize, incarnation: u32) {
        let (own, others) = self.lives(by, of);
        let seen = (own, others, incarnation);
        let before = self.referee.incarnations.insert((by, of), seen);
        if let Some((_, _, older)) = before.filter(|before| (before.0, before.1) == (own, others))
            && incarnation < older
        {
            let (by, of) = (name(by), name(of));
            let what = format!("{by} saw the incarnation of {of} go from {older} back to {incarnation}");
            self.referee.violated(Check::IncarnationGrows, self.now, what);
        }
    }

    fn lives(&self, by: usize, of: usize) -> (u32, u32) {
        let life = |index: usize| self.members.get(index).map_or(0, |member| member.life);
        (life(by), life(of))
    }
}

impl<M: Announces> Simulation<M> {
    /// Lets a member say a number to all.
    pub fn announce(&mut self, index: usize, number: u64) {
        self.act(index, |machine, now| machine.announce(now, number));
    }

    /// Waits until all that run have heard a number; how long it took.
    pub fn deliver_to_all(&mut self, number: u64, limit: Duration) -> Result<Duration, Violation> {
        let heard = |simulation: &Self, index: usize| {
            simulation.machine(index).is_some_and(|machine| machine.has_heard(number))
        };
        let everybody = |simulation: &Self| simulation.running().all(|index| heard(simulation, index));
        self.run_until(limit, everybody).ok_or_else(|| {
            let deaf = self.running().filter(|index| !heard(self, *index)).count();
            let what = format!("{deaf} of {} have not heard {number}", self.running().count());
            Violation { check: Check::EventuallyDelivered, at: self.now, what }
        })
    }
}
