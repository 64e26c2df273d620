//! `down`: everything that carries a key of the stack goes, and nothing else.

use pontoon_core::plan::Plan;

use super::drive::drive;
use super::lease::Lease;
use super::{Answer, Engine};
use crate::event::{Event, PlanView, Purpose, Report, RunOutcome};

/// Looks that are made before giving up: what was lost in one is found by the next.
const MOST_ROUNDS: usize = 4;

/// Takes the stack away.
pub(crate) async fn remove(engine: &Engine<'_>) -> Report {
    let mut lease: Option<Lease> = None;
    let report = rounds(engine, &mut lease).await;
    super::lease::end(engine, lease).await;
    Report { requests: engine.requests(), elapsed: engine.begun.elapsed(), ..report }
}

async fn rounds(engine: &Engine<'_>, lease: &mut Option<Lease>) -> Report {
    let stack = engine.site.stack().to_owned();
    let mut left = Vec::new();
    for round in 0..MOST_ROUNDS {
        engine.sink.event(&Event::Observing);
        let seen = match Box::pin(engine.site.observe_remains()).await {
            Ok(seen) => seen,
            // A service that stumbled is looked at again.
            Err(error) if error.is_unknown() && round + 1 < MOST_ROUNDS && !engine.stop.is_cancelled() => continue,
            Err(error) => return engine.failed_by("looking at the cloud", &error),
        };
        let plan = Plan::down(&stack, &seen);
        let view = PlanView {
            plan: &plan,
            purpose: Purpose::Down,
            stack: &stack,
            cloud: engine.cloud,
            simulated: engine.simulated,
            described: None,
        };
        engine.sink.event(&Event::Plan { view, round });
        if let (Some(reason), true) = (&seen.capabilities.balancers_unseen, plan.steps.is_empty()) {
            return engine.failed(
                vec![format!("whether load balancers of the stack are left is not known: {reason}")],
                Some("run `pontoon down` again when Octavia answers".to_owned()),
            );
        }
        if plan.steps.is_empty() {
            return engine.report(if lease.is_none() { RunOutcome::Unchanged } else { RunOutcome::Removed });
        }
        if lease.is_none() {
            match engine.consent.given(&plan) {
                Answer::Yes => {}
                Answer::No => return engine.report(RunOutcome::Refused),
                Answer::Nobody => {
                    let hint = Some("nobody is there to ask: give `--yes`".to_owned());
                    return Report { hint, ..engine.report(RunOutcome::Refused) };
                }
            }
        }
        if engine.stop.is_cancelled() {
            return engine.stopped("pontoon down");
        }
        if lease.is_none() {
            match Lease::take(engine).await {
                Ok(taken) => *lease = Some(taken),
                Err(error) => return engine.failed(vec![error.to_string()], error.hint()),
            }
        }
        let driven = drive(engine, &plan).await;
        if let Some(report) = super::lease::lost(engine, lease.as_ref()) {
            return report;
        }
        if engine.stop.is_cancelled() {
            return engine.stopped("pontoon down");
        }
        if !driven.failures.is_empty() {
            return engine.failed(driven.failures, driven.hint);
        }
        left = driven.unknown;
        if left.is_empty() {
            let keys = plan.steps.iter().filter_map(|step| step.keys.first());
            left.extend(
                keys.map(|key| format!("{}: taken away, and perhaps made again by somebody else", key.label())),
            );
        }
    }
    engine.failed(left, Some("run `pontoon down` again".to_owned()))
}
