//! The plug is pulled at every request and at every command on a host, before and after it was applied; the next run
//! finishes the work, with nothing left over and nothing twice.

use std::sync::Arc;
use std::time::Duration;

use pontoon_core::spec::model::Stack;
use pontoon_sim::Console;
use pontoon_sim::world::faults::{Effect, Fault, When};
use tokio::sync::Notify;

use super::fixture::{Bench, example};
use crate::event::RunOutcome;

/// How much `up` of a stack asks for on a cloud that nobody disturbs, and what it leaves behind.
struct Undisturbed {
    requests: u64,
    /// Commands on its hosts.
    commands: u64,
    left: Vec<String>,
}

async fn undisturbed(stack: &Stack, console: Console) -> Undisturbed {
    let bench = Bench::with(|config| config.console = console).await;
    let report = bench.up(stack).await;
    assert_eq!(report.outcome, RunOutcome::Converged, "{report:?}");
    let world = bench.cloud.world();
    Undisturbed { requests: world.request_count(), commands: world.command_count(), left: bench.traces(&stack.name) }
}

/// Kills an `up` where the fault meets it: the future is dropped where it stands.
async fn kill(bench: &Bench, stack: &Stack, fault: Fault) {
    let at_command = matches!(fault.when, When::Command(_));
    bench.cloud.world().add_fault(fault);
    let dead = Arc::new(Notify::new());
    let dying = dead.clone();
    bench.watch(move |attempt| {
        if attempt.status.is_none() {
            dying.notify_one();
        }
    });
    // Whoever waits for a command is told nothing more.
    let unheard = async {
        while !(at_command && bench.cloud.world().faults_are_used_up()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        () = dead.notified() => {}
        () = unheard => {}
        _ = bench.up(stack) => {}
    }
    bench.watch(|_| {});
    bench.cloud.world().clear_faults();
}

/// Kills an `up`, runs it again, and compares with what an undisturbed one leaves.
async fn killed_at(stack: &Stack, console: Console, when: When, effect: Effect, expected: &[String]) {
    let bench = Bench::with(|config| config.console = console).await;
    let before = bench.cloud.world().snapshot();
    let case = format!("killed at {when:?}, {effect:?}");
    kill(&bench, stack, Fault { when, then: effect, count: 1 }).await;

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
    let Undisturbed { requests, left, .. } = undisturbed(stack, console).await;
    for ordinal in 1..=requests {
        killed_at(stack, console, When::Ordinal(ordinal), effect.clone(), &left).await;
    }
}

/// Kills an `up` of a stack at each of the commands that it has hosts run.
async fn killed_at_each_command(stack: &Stack, effect: Effect) {
    let Undisturbed { commands, left, .. } = undisturbed(stack, Console::Shown).await;
    for ordinal in 1..=commands {
        killed_at(stack, Console::Shown, When::Command(ordinal), effect.clone(), &left).await;
    }
}

/// Kills upgrades of a stack's agents, one at each of its commands on the host, and shows that the next `up` ends it: the
/// agent runs with the program that lies there.
async fn upgrade_killed_at_each_command(effect: Effect) {
    let (bench, stack) = (Bench::new().await, example("blog", &[]));
    bench.built(&stack).await;
    let before = bench.cloud.world().command_count();
    bench.gives_agents("2");
    bench.built(&stack).await;
    let commands = bench.cloud.world().command_count() - before;
    for ordinal in 1..=commands {
        let case = format!("killed at command {ordinal}, {effect:?}");
        let program = bench.gives_agents(&format!("3.{ordinal}"));
        let when = When::Command(bench.cloud.world().command_count() + ordinal);
        kill(&bench, &stack, Fault { when, then: effect.clone(), count: 1 }).await;
        let report = bench.up(&stack).await;
        assert!(matches!(report.outcome, RunOutcome::Converged | RunOutcome::Unchanged), "{case}: {report:?}");
        assert_eq!(bench.agent_runs().as_deref(), Some(program.as_str()), "{case}");
        let plan = bench.plan(&stack).await;
        assert!(plan.is_empty(), "{case}: {:?}", plan.steps);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_up_killed_before_any_of_its_commands_is_finished_by_the_next_one() {
    killed_at_each_command(&example("blog", &[]), Effect::CloseBeforeHandling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_of_agents_killed_before_any_of_its_commands_is_finished_by_the_next_one() {
    upgrade_killed_at_each_command(Effect::CloseBeforeHandling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_up_killed_after_any_of_its_commands_was_applied_is_finished_by_the_next_one() {
    killed_at_each_command(&example("blog", &[]), Effect::CloseAfterHandling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_of_agents_killed_after_any_of_its_commands_was_applied_is_finished_by_the_next_one() {
    upgrade_killed_at_each_command(Effect::CloseAfterHandling).await;
}
