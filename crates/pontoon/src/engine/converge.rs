//! `up`: look, plan, do, until the plan is empty; then prove it.

use std::collections::BTreeSet;

use pontoon_cloud::site::SiteError;
use pontoon_core::key::Key;
use pontoon_core::observed::Observed;
use pontoon_core::plan::{Plan, Verb};
use pontoon_core::spec::model::Stack;

use super::drive::drive;
use super::lease::Lease;
use super::{Answer, Engine};
use crate::event::{Event, PlanView, Purpose, Report, RunOutcome};

/// How many looks that bring nothing are made in a row before giving up.
const FRUITLESS_ROUNDS: usize = 3;

/// What a stack's cloud looks like and what is to be done about it.
pub(crate) async fn planned(engine: &Engine<'_>, stack: &Stack) -> Result<(Observed, Plan), SiteError> {
    engine.sink.event(&Event::Observing);
    let mut seen = Box::pin(engine.site.observe(stack)).await?;
    let mut plan = Plan::up(stack, &seen);
    // Quotas matter only to what makes something, and most looks find nothing to make.
    if plan.blocked.is_empty() && plan.steps.iter().any(|step| step.verb == Verb::Create) {
        seen.quotas = engine.site.quotas(&seen.capabilities.project_id, !stack.balancers.is_empty()).await?;
        plan = Plan::up(stack, &seen);
    }
    Ok((seen, plan))
}

/// Brings the cloud to where `stack` wants it.
pub(crate) async fn converge(engine: &Engine<'_>, stack: &Stack) -> Report {
    let mut lease: Option<Lease> = None;
    let report = rounds(engine, stack, &mut lease).await;
    super::lease::end(engine, lease).await;
    // Counted last, so that giving the lease back counts as well.
    Report { requests: engine.requests(), elapsed: engine.begun.elapsed(), ..report }
}

async fn rounds(engine: &Engine<'_>, stack: &Stack, lease: &mut Option<Lease>) -> Report {
    let again = "pontoon up";
    let mut made: BTreeSet<Key> = BTreeSet::new();
    let mut fruitless = 0;
    let mut before: Option<Plan> = None;
    for round in 0.. {
        let (_, plan) = match planned(engine, stack).await {
            Ok(planned) => planned,
            Err(error) if error.is_unknown() && fruitless < FRUITLESS_ROUNDS && !engine.stop.is_cancelled() => {
                fruitless += 1;
                continue;
            }
            Err(error) => return engine.failed_by("looking at the cloud", &error),
        };
        engine.sink.event(&Event::Plan { view: view(engine, stack, &plan), round });
        if !plan.blocked.is_empty() {
            return engine.report(RunOutcome::Blocked);
        }
        if plan.steps.is_empty() {
            break;
        }
        if engine.stop.is_cancelled() {
            return engine.stopped(again);
        }
        // What this very run made may be made again without asking.
        let asks = plan.destructive().any(|step| step.keys.iter().any(|key| !made.contains(key)));
        if asks && let Some(report) = refused(engine, &plan) {
            return report;
        }
        if lease.is_none() {
            match Lease::take(engine).await {
                Ok(taken) => *lease = Some(taken),
                Err(error) => return engine.failed(vec![error.to_string()], error.hint()),
            }
        }
        made.extend(plan.steps.iter().filter(|step| step.verb == Verb::Create).flat_map(|step| step.keys.clone()));
        let driven = drive(engine, &plan).await;
        if let Some(report) = super::lease::lost(engine, lease.as_ref()) {
            return report;
        }
        if engine.stop.is_cancelled() {
            return engine.stopped(again);
        }
        if !driven.failures.is_empty() {
            return engine.failed(driven.failures, driven.hint);
        }
        // What was done and is to be done again has brought nothing either: somebody undoes it, or the cloud forgets it.
        let repeated = before.as_ref().is_some_and(|before| is_again(&plan, before));
        fruitless = if driven.progressed() && !repeated { 0 } else { fruitless + 1 };
        if fruitless >= FRUITLESS_ROUNDS {
            return if driven.unknown.is_empty() {
                undone(engine, &plan)
            } else {
                engine.failed(driven.unknown, driven.hint)
            };
        }
        before = Some(plan);
    }
    match super::prove::prove(engine, stack).await {
        Ok(endpoints) => {
            let outcome = if lease.is_some() { RunOutcome::Converged } else { RunOutcome::Unchanged };
            Report { endpoints, ..engine.report(outcome) }
        }
        Err(super::prove::Unproven::Stopped) => {
            super::lease::lost(engine, lease.as_ref()).unwrap_or_else(|| engine.stopped(again))
        }
        Err(super::prove::Unproven::Because(reason, hint)) => engine.failed(vec![reason], hint),
    }
}

/// Whether a plan wants the same of the same resources as the one before it.
fn is_again(plan: &Plan, before: &Plan) -> bool {
    let wanted = |plan: &Plan| plan.steps.iter().map(|step| (step.verb, step.keys.clone())).collect::<Vec<_>>();
    wanted(plan) == wanted(before)
}

fn undone(engine: &Engine<'_>, plan: &Plan) -> Report {
    let undone = plan.steps.iter().filter_map(|step| Some((step.keys.first()?.label(), &step.reason)));
    let failures =
        undone.map(|(label, reason)| format!("{label}: done again and again, and each time the cloud says: {reason}"));
    let hint = "somebody else may be changing it, or the cloud does not keep what it is told";
    engine.failed(failures.collect(), Some(hint.to_owned()))
}

fn refused(engine: &Engine<'_>, plan: &Plan) -> Option<Report> {
    let hint = match engine.consent.given(plan) {
        Answer::Yes => return None,
        Answer::No => "nothing was changed".to_owned(),
        Answer::Nobody => "nothing was changed: nobody is there to ask, and `--yes` was not given".to_owned(),
    };
    Some(Report { hint: Some(hint), ..engine.report(RunOutcome::Refused) })
}

pub(super) fn view<'a>(engine: &'a Engine<'_>, stack: &'a Stack, plan: &'a Plan) -> PlanView<'a> {
    PlanView {
        plan,
        purpose: Purpose::Up,
        stack: &stack.name,
        cloud: engine.cloud,
        simulated: engine.simulated,
        described: Some(stack),
    }
}
