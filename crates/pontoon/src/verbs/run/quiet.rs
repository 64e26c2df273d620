//! Turns of which there is nothing to tell are not told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::event::{Event, Report, RunOutcome, Sink};
use crate::show;

/// Hands on the events of turns in which something is to be done, and how a turn ended where that is news.
pub(super) struct Quiet<'a> {
    inner: &'a dyn Sink,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether the first event was handed on.
    begun: bool,
    /// Whether this turn is told; nothing until its first plan is there.
    told: Option<bool>,
    /// The last plan that was told and did not come to its end.
    unfinished: Option<String>,
    /// How the last turn ended.
    ended: Option<Ended>,
}

/// How a turn ended, as far as it is news when it changes.
#[derive(PartialEq)]
struct Ended {
    /// The stack is as the file says, since long or by this very turn.
    well: bool,
    outcome: Option<RunOutcome>,
    failures: Vec<String>,
}

impl Ended {
    fn of(report: &Report) -> Self {
        let well = matches!(report.outcome, RunOutcome::Converged | RunOutcome::Unchanged);
        Self { well, outcome: (!well).then_some(report.outcome), failures: report.failures.clone() }
    }
}

impl<'a> Quiet<'a> {
    pub(super) fn new(inner: &'a dyn Sink) -> Self {
        Self { inner, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Quiet<'_> {
    fn event(&self, event: &Event<'_>) {
        if self.state().takes(event) {
            self.inner.event(event);
        }
    }
}

impl State {
    /// Whether this is to be told.
    fn takes(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Cloud { .. } => !std::mem::replace(&mut self.begun, true),
            Event::Plan { view, .. } if self.told.is_none() => {
                let plan = view.plan;
                let text =
                    (!plan.steps.is_empty() || !plan.blocked.is_empty()).then(|| show::plan::json(view).to_string());
                let is_news = text.is_some() && text != self.unfinished;
                self.unfinished = text;
                *self.told.insert(is_news)
            }
            Event::Result(report) => {
                let ended = Ended::of(report);
                if ended.well {
                    self.unfinished = None;
                }
                let is_news = self.ended.as_ref() != Some(&ended);
                self.ended = Some(ended);
                self.told.take() == Some(true) || is_news
            }
            _ => self.told == Some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pontoon_core::key::{Key, Kind};
    use pontoon_core::plan::{Action, Plan, Step, Verb};

    use super::*;
    use crate::event::{PlanView, Purpose};

    /// Writes down what it is told, in a word each.
    #[derive(Default)]
    struct Words(Mutex<Vec<&'static str>>);

    impl Sink for Words {
        fn event(&self, event: &Event<'_>) {
            let word = match event {
                Event::Cloud { .. } => "cloud",
                Event::Observing => "observing",
                Event::Plan { .. } => "plan",
                Event::Note { .. } => "note",
                Event::Result(report) if report.outcome == RunOutcome::Failed => "failed",
                Event::Result(_) => "result",
                _ => "step",
            };
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(word);
        }
    }

    impl Words {
        fn taken(&self) -> Vec<&'static str> {
            std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    fn plan(steps: usize) -> Plan {
        let step = |number: usize| Step {
            keys: vec![Key::new("blog", Kind::Host, format!("lxd{number}"))],
            verb: Verb::Create,
            reason: String::new(),
            after: Vec::new(),
            action: Action::DeletePort { id: String::new() },
        };
        Plan { steps: (0..steps).map(step).collect(), ..Plan::default() }
    }

    fn report(outcome: RunOutcome, failures: &[&str]) -> Report {
        Report {
            outcome,
            endpoints: Vec::new(),
            requests: 18,
            elapsed: Duration::ZERO,
            failures: failures.iter().map(|text| (*text).to_owned()).collect(),
            hint: None,
        }
    }

    /// One turn with these plans, one a look.
    fn turn(quiet: &Quiet<'_>, plans: &[Plan], report: &Report) {
        quiet.event(&Event::Cloud { stack: "blog", name: "mine", simulated: false, endpoint: None });
        for (round, plan) in plans.iter().enumerate() {
            quiet.event(&Event::Observing);
            let view = PlanView {
                plan,
                purpose: Purpose::Up,
                stack: "blog",
                cloud: "mine",
                simulated: false,
                described: None,
            };
            quiet.event(&Event::Plan { view, round });
            if !plan.steps.is_empty() && report.outcome != RunOutcome::Refused {
                quiet.event(&Event::StepStarted { step: 0, plan });
            }
        }
        quiet.event(&Event::Result(report));
    }

    #[test]
    fn what_is_done_is_told_and_that_nothing_was_to_be_done_only_once() {
        let words = Words::default();
        let quiet = Quiet::new(&words);
        let (unchanged, converged) = (report(RunOutcome::Unchanged, &[]), report(RunOutcome::Converged, &[]));
        turn(&quiet, &[plan(0)], &unchanged);
        assert_eq!(words.taken(), ["cloud", "result"]);
        turn(&quiet, &[plan(0)], &unchanged);
        assert!(words.taken().is_empty());
        turn(&quiet, &[plan(1), plan(0)], &converged);
        assert_eq!(words.taken(), ["plan", "step", "observing", "plan", "result"]);
        turn(&quiet, &[plan(0)], &unchanged);
        assert!(words.taken().is_empty(), "it is as well as it was");
        turn(&quiet, &[plan(1), plan(0)], &converged);
        assert_eq!(words.taken(), ["plan", "step", "observing", "plan", "result"], "the same again is done again");
    }

    #[test]
    fn what_goes_wrong_in_the_same_way_again_is_not_told_again() {
        let words = Words::default();
        let quiet = Quiet::new(&words);
        let (refused, failed) = (report(RunOutcome::Refused, &[]), report(RunOutcome::Failed, &["no quota"]));
        turn(&quiet, &[plan(1)], &refused);
        assert_eq!(words.taken(), ["cloud", "plan", "result"]);
        turn(&quiet, &[plan(1)], &refused);
        assert!(words.taken().is_empty());
        turn(&quiet, &[plan(2)], &failed);
        assert_eq!(words.taken(), ["plan", "step", "failed"], "another plan");
        turn(&quiet, &[plan(2)], &failed);
        assert!(words.taken().is_empty());
        turn(&quiet, &[plan(2)], &report(RunOutcome::Failed, &["no host"]));
        assert_eq!(words.taken(), ["failed"], "another failure");
        turn(&quiet, &[plan(0)], &report(RunOutcome::Unchanged, &[]));
        assert_eq!(words.taken(), ["result"], "well again");
        turn(&quiet, &[], &report(RunOutcome::Failed, &["looking at the cloud"]));
        assert_eq!(words.taken(), ["failed"]);
    }
}
