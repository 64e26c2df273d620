//! The plug is pulled at every request, before and after the cloud applied it; the next run finishes the work, with
//! nothing left over and nothing twice.

use std::sync::Arc;

use pontoon_core::spec::model::Stack;
use pontoon_sim::Console;
use pontoon_sim::world::faults::{Effect, Fault, When};
use tokio::sync::Notify;

use super::fixture::{Bench, example};
use crate::event::RunOutcome;

/// How many requests `up` of a stack makes on a cloud that nobody disturbs, and what it leaves behind.
async fn undisturbed(stack: &Stack, console: Console) -> (u64, Vec<String>) {
    let bench = Bench::with(|config| config.console = console).await;
    let report = bench.up(stack).await;
    assert_eq!(report.outcome, RunOutcome::Converged, "{report:?}");
    (bench.cloud.world().request_count(), bench.traces(&stack.name))
}

/// Kills an `up` at its request number `ordinal`, runs it again, and compares with what an undisturbed one leaves.
async fn killed_at(stack: &Stack, console: Console, ordinal: u64, effect: Effect, expected: &[String]) {
    let bench = Bench::with(|config| config.console = console).await;
    let before = bench.cloud.world().snapshot();
    let case = format!("killed at request {ordinal}, {effect:?}");

    // The process dies when the connection breaks: the future is dropped where it stands.
    bench.cloud.world().add_fault(Fault { when: When::Ordinal(ordinal), then: effect, count: 1 });
    let dead = Arc::new(Notify::new());
    let dying = dead.clone();
    bench.watch(move |attempt| {
        if attempt.status.is_none() {
            dying.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = dead.notified() => {}
        _ = bench.up(stack) => {}
    }
    bench.watch(|_| {});
    bench.cloud.world().clear_faults();

    let report = bench.up(stack).await;
    assert!(matches!(report.outcome, RunOutcome::Converged | RunOutcome::Unchanged), "{case}: {report:?}");
    let plan = bench.plan(stack).await;
    assert!(plan.is_empty(), "{case}: {:?} {:?}", plan.steps, plan.blocked);
    assert_eq!(bench.traces(&stack.name), expected, "{case}");

    let report = bench.down(&stack.name).await;
    assert_eq!(report.outcome, RunOutcome::Removed, "{case}: {report:?}");
    assert_eq!(bench.traces(&stack.name), Vec::<String>::new(), "{case}");
    for kind in ["networks", "subnets", "routers", "security_groups", "keypairs"] {
        assert_eq!(count(&before, kind), count(&bench.cloud.world().snapshot(), kind), "{case}: {kind}");
    }
}

fn count(world: &serde_json::Value, kind: &str) -> Option<usize> {
    world.get(kind).map(|all| all.as_object().map_or_else(|| all.as_array().map_or(0, Vec::len), serde_json::Map::len))
}

/// Kills an `up` of a stack at each of its requests in turn.
pub(super) async fn killed_at_each(stack: &Stack, console: Console, effect: Effect) {
    let (requests, expected) = undisturbed(stack, console).await;
    for ordinal in 1..=requests {
        killed_at(stack, console, ordinal, effect.clone(), &expected).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_up_killed_before_any_of_its_requests_is_finished_by_the_next_one() {
    killed_at_each(&example("blog", &[]), Console::Shown, Effect::CloseBeforeHandling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_up_killed_after_any_of_its_requests_was_applied_is_finished_by_the_next_one() {
    killed_at_each(&example("blog", &[]), Console::Shown, Effect::CloseAfterHandling).await;
}
