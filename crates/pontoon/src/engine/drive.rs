//! One plan, carried out: as many steps at once as are ready and allowed.

use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use pontoon_core::plan::Plan;
use pontoon_core::run::{Outcome, Run, State};

use super::{Engine, chain};
use crate::event::Event;

/// How a carried-out plan ended.
pub(super) struct Driven {
    pub(super) run: Run,
    /// What failed, each with its resource; the first hint that any of them has.
    pub(super) failures: Vec<String>,
    pub(super) hint: Option<String>,
    /// Steps whose outcome only another look can tell.
    pub(super) unknown: Vec<String>,
}

/// Carries `plan` out. A cancelled `stop` lets running steps end and starts no more.
pub(super) async fn drive(engine: &Engine<'_>, plan: &Plan) -> Driven {
    let mut run = Run::new(plan);
    let mut running = FuturesUnordered::new();
    let mut driven = Driven { run: Run::new(&Plan::default()), failures: Vec::new(), hint: None, unknown: Vec::new() };
    let mut stopping = false;
    loop {
        while let Some(number) = run.start(engine.at_once) {
            running.push(perform(engine, plan, number));
        }
        if running.is_empty() {
            break;
        }
        tokio::select! {
            () = engine.stop.cancelled(), if !stopping => {
                stopping = true;
                run.stop();
                let text = format!("stopping: {} running steps are waited for, nothing new begins", running.len());
                engine.sink.event(&Event::Note { text: &text });
            }
            Some((number, outcome, hint)) = running.next() => {
                let label = plan.steps.get(number).and_then(|step| step.keys.first()).map(pontoon_core::key::Key::label);
                let label = label.unwrap_or_default();
                match &outcome {
                    Outcome::Failed(reason) => driven.failures.push(format!("{label}: {reason}")),
                    Outcome::Unknown(reason) => driven.unknown.push(format!("{label}: {reason}")),
                    Outcome::Done => {}
                }
                driven.hint = driven.hint.or(hint);
                run.finish(number, outcome);
            }
        }
    }
    driven.run = run;
    driven
}

async fn perform(engine: &Engine<'_>, plan: &Plan, number: usize) -> (usize, Outcome, Option<String>) {
    let Some(step) = plan.steps.get(number) else { return (number, Outcome::Done, None) };
    let begun = Instant::now();
    engine.sink.event(&Event::StepStarted { step: number, plan });
    let between_looks = tokio::sync::Notify::new();
    let waiting = |what: String| {
        if engine.stop.is_cancelled() {
            between_looks.notify_one();
        }
        engine.sink.event(&Event::StepWaiting { step: number, plan, what: &what, elapsed: begun.elapsed() });
    };
    let performed = Box::pin(engine.site.perform(step, &waiting));
    // A stop does not wait for a wait, be it a whole step or the end of one: what is waited for goes on in the cloud by
    // itself.
    let (outcome, hint) = tokio::select! {
        result = performed => match result {
            Ok(()) => (Outcome::Done, None),
            Err(error) if error.is_unknown() => (Outcome::Unknown(chain(&error)), error.hint()),
            Err(error) => (Outcome::Failed(chain(&error)), error.hint()),
        },
        () = engine.stop.cancelled(), if step.verb == pontoon_core::plan::Verb::Wait => {
            (Outcome::Unknown("stopped while it was waited for".to_owned()), None)
        }
        () = between_looks.notified() => (Outcome::Unknown("stopped while it was waited for".to_owned()), None),
    };
    engine.sink.event(&Event::StepEnded { step: number, plan, outcome: &outcome, elapsed: begun.elapsed() });
    (number, outcome, hint)
}

impl Driven {
    /// Whether anything at all was done.
    pub(super) fn progressed(&self) -> bool {
        self.run.states().contains(&State::Ended(Outcome::Done))
    }
}
