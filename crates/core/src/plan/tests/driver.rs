//! Carries plans out on a toy cloud, in any order that they allow.

use super::toy::Toy;
use crate::observed::Observed;
use crate::plan::{Plan, Verb, ways};
use crate::run::{Outcome, Run};
use crate::spec::model::Stack;

/// Chooses among ready steps; the same seed chooses alike.
#[derive(Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

/// What disturbs a run.
#[derive(Clone, Copy)]
pub(super) enum Trouble {
    None,
    /// It is killed after so many steps.
    KilledAfter(usize),
    /// The reply of the step that comes so many steps later is lost, though it was carried out.
    LostReplyOf(usize),
}

/// Carries a plan out and returns how many steps were.
pub(super) fn drive(
    toy: &mut Toy,
    stack: &Stack,
    plan: &Plan,
    dice: &mut Dice,
    trouble: Trouble,
) -> Result<usize, String> {
    assert_eq!(plan.blocked, [], "a blocked plan is not to be run");
    let mut book = toy.look().book();
    let ways = ways(stack);
    let mut run = Run::new(plan);
    let (mut ready, mut count) = (Vec::new(), 0);
    loop {
        while let Some(step) = run.start(usize::MAX) {
            ready.push(step);
        }
        if ready.is_empty() || matches!(trouble, Trouble::KilledAfter(most) if count >= most) {
            return Ok(count);
        }
        let number = ready.swap_remove(dice.below(ready.len()));
        let step = &plan.steps[number];
        let told = |error: String| {
            let after: Vec<String> =
                step.after.iter().map(|before| format!("{before} {}", plan.steps[*before].keys[0])).collect();
            format!(
                "step {number}, {:?} {} ({}) after {after:?}: {error}\n{:?}\n{}",
                step.verb,
                step.keys[0],
                step.reason,
                step.action,
                listed(plan)
            )
        };
        let mut outcome = toy.apply(step, &mut book, &ways).map_err(told)?;
        toy.check(&stack.name).map_err(told)?;
        if matches!(trouble, Trouble::LostReplyOf(which) if which == count) {
            outcome = Outcome::Unknown("the reply was lost".to_owned());
        }
        run.finish(number, outcome);
        count += 1;
    }
}

/// What every plan must be, whatever it is for.
pub(super) fn check(plan: &Plan) {
    for (number, step) in plan.steps.iter().enumerate() {
        assert!(
            step.after.iter().all(|before| *before < number),
            "step {number} waits for a later one: {:?}",
            step.after
        );
        assert!(!step.keys.is_empty() && !step.reason.is_empty(), "{step:?}");
    }
}

/// Plans and runs until there is nothing to do, and returns how many runs that took.
pub(super) fn converge(toy: &mut Toy, stack: &Stack, dice: &mut Dice) -> Result<usize, String> {
    for runs in 0..6 {
        let plan = Plan::up(stack, &toy.look());
        check(&plan);
        if !plan.blocked.is_empty() {
            return Err(format!("blocked: {:?}", plan.blocked));
        }
        if plan.steps.is_empty() {
            complete(toy, stack)?;
            return Ok(runs);
        }
        drive(toy, stack, &plan, dice, Trouble::None)?;
    }
    Err(format!("no end of plans:\n{}", listed(&Plan::up(stack, &toy.look()))))
}

/// Whether a cloud in which there is nothing to do has just what the stack asks for.
fn complete(toy: &Toy, stack: &Stack) -> Result<(), String> {
    let seen = toy.look();
    let count = |what: &str, is: usize, should: usize| {
        if is == should { Ok(()) } else { Err(format!("{is} {what} and not {should}")) }
    };
    let hosts = stack.host_names().count();
    let containers: usize = stack.container_names().count();
    let ours = |seen: &Observed| {
        seen.ports.iter().filter(|port| port.key.as_ref().is_some_and(|key| key.stack == stack.name)).count()
    };
    count("servers", seen.servers.len(), hosts)?;
    count("ports of ours", ours(&seen), hosts + containers)?;
    count("balancers", seen.balancers.len(), stack.balancers.len())?;
    let lying = toy.machines.values().flat_map(|machine| machine.inside.containers.values());
    count("running containers", lying.filter(|container| container.running).count(), containers)?;
    let wanted = super::super::floating_ips::wanted(stack).len();
    let owned = seen.floating_ips.iter().filter(|one| one.key.is_some());
    let given: Vec<_> = super::super::floating_ips::given(stack).into_iter().map(|given| given.address).collect();
    let led = seen.floating_ips.iter().filter(|one| one.given);
    count(
        "given floating IPs that lead here",
        led.clone().filter(|one| given.contains(&one.address)).count(),
        given.len(),
    )?;
    count("floating IPs that were given once", led.filter(|one| !given.contains(&one.address)).count(), 0)?;
    count("floating IPs of ours in use", owned.filter(|one| one.port_id.is_some()).count(), wanted)
}

/// A plan as lines: verb, label, reason.
pub(super) fn listed(plan: &Plan) -> String {
    let line = |step: &crate::plan::Step| {
        let keys: Vec<String> = step.keys.iter().map(crate::key::Key::label).collect();
        format!("{:?} {}: {}\n", step.verb, keys.join(" + "), step.reason)
    };
    plan.steps.iter().map(line).collect()
}

/// A plan as short lines: verb and label of the first key.
pub(super) fn labels(plan: &Plan) -> Vec<String> {
    let verb = |verb: Verb| format!("{verb:?}").to_lowercase();
    plan.steps.iter().map(|step| format!("{} {}", verb(step.verb), step.keys[0].label())).collect()
}
