//! What is made anew: hosts that nobody can enter or whose cloud-init failed, containers that were never finished.

use super::driver::{Dice, Trouble, converge, drive, labels, listed};
use super::files::blog;
use super::tenancy::tenancy;
use super::toy::Toy;
use crate::observed::*;
use crate::plan::{Action, HostKeySource, Plan, Step, Verb};
use crate::spec::model::{AttachChoice, Attachment, HostKeyChoice, Stack};

/// A cloud that shows no consoles.
fn silent() -> Toy {
    let mut toy = Toy::new(tenancy());
    toy.shows_consoles = false;
    toy
}

/// Such a cloud, on which one run of the stack was made.
fn after_one_run(stack: &Stack) -> Toy {
    let mut toy = silent();
    let plan = Plan::up(stack, &toy.look());
    drive(&mut toy, stack, &plan, &mut Dice(1), Trouble::None).unwrap();
    toy
}

fn with(host_key: HostKeyChoice) -> Stack {
    let mut stack = blog();
    stack.hosts["lxd"].host_key = host_key;
    stack
}

/// Where the keys of the servers that a plan boots come from.
fn host_keys(plan: &Plan) -> Vec<HostKeySource> {
    let key = |step: &Step| match &step.action {
        Action::CreateServer { host_key, .. } => Some(*host_key),
        _ => None,
    };
    plan.steps.iter().filter_map(key).collect()
}

#[test]
fn a_host_that_shows_no_console_is_replaced_by_one_that_is_given_its_key() {
    let stack = blog();
    let mut toy = after_one_run(&stack);
    let plan = Plan::up(&stack, &toy.look());
    let of_the_host = ["wait balancer/web", "replace host/lxd0", "create host/lxd0", "wait host/lxd0"];
    assert_eq!(labels(&plan)[..4], of_the_host, "{}", listed(&plan));
    assert!(plan.steps[1].reason.contains("Nova shows no console (403)"), "{}", plan.steps[1].reason);
    assert_eq!(host_keys(&plan), [HostKeySource::Injected]);
    assert!(labels(&plan).contains(&"create container/hugo-0".to_owned()), "what comes on it is in the same plan");
    assert_eq!(converge(&mut toy, &stack, &mut Dice(2)), Ok(1));
}

#[test]
fn where_one_host_was_given_its_key_the_next_one_is_at_once() {
    let mut stack = blog();
    let mut toy = after_one_run(&stack);
    converge(&mut toy, &stack, &mut Dice(3)).unwrap();
    stack.hosts["lxd"].count = 2;
    let plan = Plan::up(&stack, &toy.look());
    assert_eq!(plan.destructive().count(), 0, "{}", listed(&plan));
    assert_eq!(host_keys(&plan), [HostKeySource::Injected]);
    assert_eq!(converge(&mut toy, &stack, &mut Dice(4)), Ok(1));
}

#[test]
fn the_file_can_have_every_key_given_or_none() {
    let injected = Plan::up(&with(HostKeyChoice::Injected), &tenancy());
    assert_eq!(host_keys(&injected), [HostKeySource::Injected]);
    let mut toy = silent();
    assert_eq!(converge(&mut toy, &with(HostKeyChoice::Injected), &mut Dice(5)), Ok(1), "nothing is made twice");

    let stack = with(HostKeyChoice::Console);
    let toy = after_one_run(&stack);
    let plan = Plan::up(&stack, &toy.look());
    let [blocked] = &plan.blocked[..] else { panic!("{}", listed(&plan)) };
    assert_eq!(blocked.subject, "host `lxd0`");
    assert!(blocked.hint.contains("`host_key: auto` of `hosts.lxd`"), "{blocked:?}");
}

#[test]
fn a_host_whose_cloud_init_failed_is_replaced_and_what_goes_with_it_is_said() {
    for (containers, said) in [
        (None, "its engine does not answer: whatever lies on it goes with it"),
        (Some(vec![]), "no container lies on it"),
        (Some(vec!["hugo-0".to_owned()]), "with it go its containers hugo-0, and all that is in them"),
    ] {
        let mut toy = Toy::new(tenancy());
        converge(&mut toy, &blog(), &mut Dice(6)).unwrap();
        let machine = toy.machines.values_mut().next().unwrap();
        machine.failed = Some(HostFailure {
            errors: "module `scripts_user`: it said no".to_owned(),
            log: "E: no such package\n".to_owned(),
            containers: containers.map(|names| names.into_iter().collect()),
        });
        let plan = Plan::up(&blog(), &toy.look());
        let replace = &plan.steps[0];
        assert_eq!((replace.verb, replace.keys[0].label().as_str()), (Verb::Replace, "host/lxd0"), "{}", listed(&plan));
        assert!(replace.reason.starts_with("its cloud-init failed: module `scripts_user`"), "{}", replace.reason);
        assert!(replace.reason.contains("E: no such package") && replace.reason.ends_with(said), "{}", replace.reason);
        assert_eq!(converge(&mut toy, &blog(), &mut Dice(7)), Ok(1));
    }
}

#[test]
fn no_container_starts_before_the_failed_host_of_its_old_copy_is_gone() {
    let mut stack = blog();
    stack.hosts["lxd"].count = 2;
    stack.services["hugo"].replicas = 2;
    // Without port security no pair that is taken away would keep the old copy's packets back.
    stack.network.attach = AttachChoice::Only(Attachment::Open);
    let mut toy = Toy::new(tenancy());
    converge(&mut toy, &stack, &mut Dice(8)).unwrap();
    let failing = toy.cloud.servers.iter().find(|server| server.key.name == "lxd0").unwrap().id.clone();
    toy.machines.get_mut(&failing).unwrap().failed = Some(HostFailure::default());
    let plan = Plan::up(&stack, &toy.look());
    let gone = plan.steps.iter().position(|step| matches!(step.action, Action::DeleteServer { .. })).unwrap();
    let starts: Vec<usize> = (0..plan.steps.len())
        .filter(|number| matches!(plan.steps[*number].action, Action::StartContainer { .. }))
        .collect();
    assert!(!starts.is_empty() && starts.iter().all(|start| follows(&plan, *start, gone)), "{}", listed(&plan));
    assert_eq!(converge(&mut toy, &stack, &mut Dice(9)), Ok(1));
}

/// Whether a step comes after another one, directly or not.
fn follows(plan: &Plan, step: usize, other: usize) -> bool {
    plan.steps[step].after.iter().any(|before| *before == other || follows(plan, *before, other))
}

#[test]
fn a_container_whose_creation_was_interrupted_is_made_again() {
    let mut toy = Toy::new(tenancy());
    converge(&mut toy, &blog(), &mut Dice(1)).unwrap();
    let container = toy.host("lxd0").unwrap().inside.containers.get_mut("hugo-0").unwrap();
    (container.whole, container.running) = (false, false);
    let plan = Plan::up(&blog(), &toy.look());
    let gone = plan.steps.iter().find(|step| matches!(step.action, Action::DeleteContainer { .. })).unwrap();
    assert!(gone.reason.contains("its creation was interrupted: it has no disk to start from"), "{}", gone.reason);
    converge(&mut toy, &blog(), &mut Dice(1)).unwrap();
    assert!(toy.host("lxd0").unwrap().inside.containers["hugo-0"].whole);
}
