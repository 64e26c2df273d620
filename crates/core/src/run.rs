//! The run: a plan being carried out, as a state machine.
//!
//! ```text
//! waiting ──start──▶ running ──finish──▶ done | failed | unknown
//!    └── a step it comes after ended otherwise than done, or the run was stopped ──▶ skipped
//! ```
//!
//! [`Run::start`] hands out steps whose predecessors are done, [`Run::finish`] takes back how they ended. Whoever drives
//! it decides only how many run at once. One failed step does not end a run: what does not depend on it goes on, so that
//! a single look at the report names everything that went wrong. A step whose reply was lost is *unknown*: it may have
//! been applied, so nothing that depends on it is tried, and it is not repeated; the next look at the cloud tells.

use std::collections::BTreeSet;

use crate::plan::Plan;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Done,
    /// Not, and nothing was changed, or what was changed will be seen on the next look. With the whole error text.
    Failed(String),
    /// The reply was lost: it may have been applied.
    Unknown(String),
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// For others, or for its turn.
    Waiting,
    /// Handed out.
    Running,
    /// Ended.
    Ended(Outcome),
    /// Never started.
    Skipped,
}

/// A plan being carried out.
#[derive(Clone, Debug)]
pub struct Run {
    states: Vec<State>,
    /// For each step: how many predecessors are not done yet.
    open: Vec<usize>,
    /// For each step: the steps that come after it.
    followers: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    running: usize,
}

impl Run {
    /// A run of which nothing has started.
    pub fn new(plan: &Plan) -> Self {
        let count = plan.steps.len();
        let mut followers = vec![Vec::new(); count];
        let mut open = vec![0; count];
        for (number, step) in plan.steps.iter().enumerate() {
            for before in &step.after {
                if let (Some(list), Some(open)) = (followers.get_mut(*before), open.get_mut(number)) {
                    list.push(number);
                    *open += 1;
                }
            }
        }
        let ready = open.iter().enumerate().filter(|(_, open)| **open == 0).map(|(number, _)| number).collect();
        Self { states: vec![State::Waiting; count], open, followers, ready, running: 0 }
    }

    /// The next step that may start now, if fewer than `at_once` are running: the lowest, so that runs are alike.
    pub fn start(&mut self, at_once: usize) -> Option<usize> {
        if self.running >= at_once {
            return None;
        }
        let step = self.ready.pop_first()?;
        self.set(step, State::Running);
        self.running += 1;
        Some(step)
    }

    /// Takes back how a running step ended. A step that was not running is left as it is.
    pub fn finish(&mut self, step: usize, outcome: Outcome) {
        if self.states.get(step) != Some(&State::Running) {
            return;
        }
        self.running -= 1;
        let done = outcome == Outcome::Done;
        self.set(step, State::Ended(outcome));
        if done {
            for follower in self.followers.get(step).cloned().unwrap_or_default() {
                if let Some(open) = self.open.get_mut(follower) {
                    *open -= 1;
                    if *open == 0 && self.states.get(follower) == Some(&State::Waiting) {
                        self.ready.insert(follower);
                    }
                }
            }
        } else {
            self.skip_after(step);
        }
    }

    /// Starts nothing more; what runs may end.
    pub fn stop(&mut self) {
        self.ready.clear();
        for state in &mut self.states {
            if *state == State::Waiting {
                *state = State::Skipped;
            }
        }
    }

    /// Whether nothing runs and nothing more will start.
    pub fn is_over(&self) -> bool {
        self.running == 0 && self.ready.is_empty()
    }

    /// Whether every step ended well.
    pub fn all_done(&self) -> bool {
        self.states.iter().all(|state| *state == State::Ended(Outcome::Done))
    }

    /// Where every step stands, in the order of the plan.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    fn set(&mut self, step: usize, state: State) {
        if let Some(slot) = self.states.get_mut(step) {
            *slot = state;
        }
    }

    fn skip_after(&mut self, step: usize) {
        let mut skipping = self.followers.get(step).cloned().unwrap_or_default();
        while let Some(next) = skipping.pop() {
            if self.states.get(next) == Some(&State::Waiting) {
                self.set(next, State::Skipped);
                self.ready.remove(&next);
                skipping.extend(self.followers.get(next).into_iter().flatten().copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Key, Kind};
    use crate::plan::{Action, Step, Verb};

    /// A plan of steps with these predecessors.
    fn plan(after: &[&[usize]]) -> Plan {
        let step = |after: &&[usize]| Step {
            keys: vec![Key::new("blog", Kind::Port, "x")],
            verb: Verb::Delete,
            reason: String::new(),
            after: after.to_vec(),
            action: Action::DeletePort { id: String::new() },
        };
        Plan { steps: after.iter().map(step).collect(), ..Plan::default() }
    }

    #[test]
    fn a_step_starts_only_when_all_before_it_are_done() {
        let mut run = Run::new(&plan(&[&[], &[], &[0, 1]]));
        assert_eq!((run.start(8), run.start(8), run.start(8)), (Some(0), Some(1), None));
        run.finish(1, Outcome::Done);
        assert_eq!(run.start(8), None);
        run.finish(0, Outcome::Done);
        assert_eq!(run.start(8), Some(2));
        run.finish(2, Outcome::Done);
        assert!(run.is_over() && run.all_done());
    }

    #[test]
    fn a_failed_step_takes_its_followers_with_it_and_nothing_else() {
        let mut run = Run::new(&plan(&[&[], &[0], &[1], &[]]));
        assert_eq!(run.start(1), Some(0));
        run.finish(0, Outcome::Failed("refused".to_owned()));
        assert_eq!(run.start(1), Some(3));
        run.finish(3, Outcome::Done);
        assert!(run.is_over() && !run.all_done());
        assert_eq!(run.states()[1..3], [State::Skipped, State::Skipped]);
    }

    #[test]
    fn a_lost_reply_holds_back_what_depends_on_it() {
        let mut run = Run::new(&plan(&[&[], &[0]]));
        run.start(8);
        run.finish(0, Outcome::Unknown("connection closed".to_owned()));
        assert!(run.is_over());
        assert_eq!(run.states()[1], State::Skipped);
    }

    #[test]
    fn a_stopped_run_lets_running_steps_end_and_starts_none() {
        let mut run = Run::new(&plan(&[&[], &[], &[0]]));
        run.start(1);
        run.stop();
        assert_eq!(run.start(8), None);
        assert!(!run.is_over());
        run.finish(0, Outcome::Done);
        assert!(run.is_over() && !run.all_done());
        assert_eq!(run.states()[1..3], [State::Skipped, State::Skipped]);
    }

    #[test]
    fn no_more_steps_run_at_once_than_allowed() {
        let mut run = Run::new(&plan(&[&[], &[], &[]]));
        assert_eq!((run.start(2), run.start(2), run.start(2)), (Some(0), Some(1), None));
    }
}
