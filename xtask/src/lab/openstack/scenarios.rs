//! What Pontoon is held to on the OpenStack lab: `cargo xtask lab openstack test [SCENARIO…]`.
//!
//! Each scenario brings its stack up, does something to it, and says what must be true then. Some hand their stack on to
//! the next one, because a guest takes minutes to boot under emulation. Where a stack is taken away, the tenancy is
//! compared with what it was, list by list.

mod agents;
mod mending;
mod whole;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::stage::{Lists, Stage, differences, say};

/// One thing that must hold.
struct Scenario {
    name: &'static str,
    what: &'static str,
    play: fn(&mut Stage) -> Result<(), String>,
    /// The stack that it leaves, and what becomes of it.
    leaves: Option<(&'static str, Then)>,
}

/// What becomes of a stack after a scenario.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It is taken away.
    TakeAway,
    /// The next scenario begins with it, where one is to be played.
    HandOn,
}

const BLOG: &str = "examples/blog";
const SHOP: &str = "examples/shop";
/// The blog without its balancer, which the scenarios of [`mending`] write.
const MENDED: &str = "target/lab/mended";

const SCENARIOS: [Scenario; 8] = [
    Scenario {
        name: "stranger",
        what: "who may not set pairs on a shared network is told so before anything is written",
        play: whole::stranger,
        leaves: None,
    },
    Scenario {
        name: "blog",
        what: "a website in a container answers at a floating IP, the agent knows it, and a second `up` does nothing",
        play: whole::blog,
        leaves: Some((BLOG, Then::TakeAway)),
    },
    Scenario {
        name: "killed",
        what: "an `up` that was killed half-way is ended by the next one",
        play: mending::killed,
        leaves: Some((MENDED, Then::HandOn)),
    },
    Scenario {
        name: "pair",
        what: "a pair that somebody took away is named as what drops packets, and set again",
        play: mending::pair,
        leaves: Some((MENDED, Then::HandOn)),
    },
    Scenario {
        name: "container",
        what: "a container is replaced when its user-data changes",
        play: mending::container,
        leaves: Some((MENDED, Then::HandOn)),
    },
    Scenario {
        name: "host",
        what: "a server that somebody deleted is built again, with its container",
        play: mending::host,
        leaves: Some((MENDED, Then::TakeAway)),
    },
    Scenario {
        name: "shop",
        what: "three services on two hosts, one behind the other's ssh, behind two balancers; their agents are one ring",
        play: whole::shop,
        leaves: Some((SHOP, Then::HandOn)),
    },
    Scenario {
        name: "scale",
        what: "a service gets a container more and one less, and its balancer follows",
        play: whole::scale,
        leaves: Some((SHOP, Then::TakeAway)),
    },
];

/// How a scenario ended.
struct Played {
    name: &'static str,
    result: Result<(), String>,
    took: Duration,
    requests: u64,
}

/// Plays the scenarios of the given names, or all, and prints a table.
pub(super) fn play(root: &Path, names: &[String]) -> Result<(), String> {
    let wanted: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| names.is_empty() || names.iter().any(|name| name == scenario.name))
        .collect();
    if let Some(unknown) = names.iter().find(|name| !wanted.iter().any(|scenario| scenario.name == **name)) {
        let known: Vec<String> =
            SCENARIOS.iter().map(|scenario| format!("  {:<10}{}", scenario.name, scenario.what)).collect();
        return Err(format!("there is no scenario `{unknown}`; there are:\n{}", known.join("\n")));
    }
    let mut stage = Stage::open(root)?;
    let before = stage.lists()?;
    let mut played = Vec::new();
    for (index, scenario) in wanted.iter().enumerate() {
        let stack = scenario.leaves.map(|(stack, _)| stack);
        let goes_on = wanted.get(index + 1).is_some_and(|next| next.leaves.map(|(stack, _)| stack) == stack);
        let hands_on = goes_on && scenario.leaves.is_some_and(|(_, then)| then == Then::HandOn);
        played.push(play_one(&mut stage, scenario, &before, stack.filter(|_| !hands_on)));
    }
    say(&table(&played));
    match played.iter().filter(|scenario| scenario.result.is_err()).count() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} scenarios failed", played.len())),
    }
}

/// Plays a scenario, and then takes the given stack away.
fn play_one(stage: &mut Stage, scenario: &Scenario, before: &Lists, taken_away: Option<&str>) -> Played {
    say(&format!("\n{}: {}", scenario.name, scenario.what));
    let begun = Instant::now();
    let mut result = (scenario.play)(stage);
    tell(&result);
    if let Some(stack) = taken_away {
        let left = down(stage, stack).and_then(|()| as_it_was(before, &stage.lists()?));
        tell(&left);
        result = result.and(left);
    }
    Played { name: scenario.name, result, took: begun.elapsed(), requests: stage.take_requests() }
}

fn tell(result: &Result<(), String>) {
    if let Err(message) = result {
        say(&format!("  FAILED: {message}"));
    }
}

fn down(stage: &mut Stage, stack: &str) -> Result<(), String> {
    let down = stage.pontoon(&["down", stack, "--cloud", "lab", "--yes"])?;
    must(matches!(down.outcome(), "removed" | "unchanged"), || format!("down ended as {}", down.outcome()))
}

/// The tenancy is as it was, list by list.
fn as_it_was(before: &Lists, after: &Lists) -> Result<(), String> {
    let differences = differences(before, after);
    if differences.is_empty() {
        let count: usize = after.values().map(Vec::len).sum();
        say(&format!("  the tenancy is as it was: {} lists, {count} lines", after.len()));
        return Ok(());
    }
    Err(format!("the tenancy is not as it was:\n{}", differences.join("\n")))
}

fn table(played: &[Played]) -> String {
    let mut lines = vec![format!("\n{:<10} {:>9} {:>9}  result", "scenario", "wall s", "requests")];
    lines.extend(played.iter().map(|Played { name, result, took, requests }| {
        let result = result.as_ref().err().map_or("holds", |message| message.lines().next().unwrap_or("failed"));
        format!("{name:<10} {:>9.1} {requests:>9}  {result}", took.as_secs_f64())
    }));
    lines.join("\n")
}

/// `pontoon doctor` finds that packets to all containers get lost there; where it is `None`, that they get through.
fn lost_at(stage: &mut Stage, stack: &str, layer: Option<&str>) -> Result<(), String> {
    let doctor = stage.pontoon(&["doctor", "-C", stack, "--cloud", "lab"])?;
    let paths: Vec<&Value> = doctor.listed("paths").collect();
    must(!paths.is_empty(), || "doctor knows no way to any container".to_owned())?;
    for path in paths {
        let culprit = path["culprit"].as_str();
        must(culprit == layer, || format!("doctor blames {culprit:?}: {path:#}"))?;
    }
    let found = layer.map_or_else(|| "get through".to_owned(), |layer| format!("get lost at {layer}"));
    say(&format!("  packets {found}, says doctor"));
    must(doctor.exit == Some(i32::from(layer.is_some())), || format!("doctor ended with {:?}", doctor.exit))
}

/// An error unless the condition holds.
fn must(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
