//! Containers that are replaced one after another. The toy cloud counts at every step how many of them answer.

use std::net::Ipv4Addr;

use super::driver::{Dice, Trouble, converge, drive, listed};
use super::files::blog;
use super::tenancy::tenancy;
use super::toy::Toy;
use crate::plan::{Action, PROVEN, Plan, Verb};
use crate::spec::model::{AttachChoice, Attachment, Stack};

/// The walk-through's stack with so many containers on so many hosts.
fn site(replicas: u32, hosts: u32) -> Stack {
    let mut stack = blog();
    stack.hosts["lxd"].count = hosts;
    stack.services["hugo"].replicas = replicas;
    stack.services["hugo"].address = None;
    stack
}

fn told(mut stack: Stack, user_data: &str) -> Stack {
    stack.services["hugo"].user_data = Some(format!("#cloud-config\npackages: [{user_data}]\n"));
    stack
}

fn up(stack: &Stack) -> Toy {
    let mut toy = Toy::new(tenancy());
    converge(&mut toy, stack, &mut Dice(1)).unwrap();
    toy
}

/// Makes `stack` true in runs that are killed now and then, while so many containers have to answer at every step.
fn roll(mut toy: Toy, stack: &Stack, serving: usize) {
    toy.serving = serving;
    let steps = Plan::up(stack, &toy.look()).steps.len();
    for killed in (0..=steps).step_by(3) {
        for trouble in [Trouble::KilledAfter(killed), Trouble::LostReplyOf(killed)] {
            let (mut toy, mut dice) = (toy.clone(), Dice(killed as u64));
            let plan = Plan::up(stack, &toy.look());
            drive(&mut toy, stack, &plan, &mut dice, trouble).unwrap();
            converge(&mut toy, stack, &mut dice).unwrap();
        }
    }
}

/// Whether a step comes after another one, however many are in between.
fn follows(plan: &Plan, later: usize, earlier: usize) -> bool {
    plan.steps[later].after.iter().any(|before| *before == earlier || follows(plan, *before, earlier))
}

fn numbers(plan: &Plan, is: impl Fn(&Action) -> bool) -> Vec<usize> {
    plan.steps.iter().enumerate().filter(|(_, step)| is(&step.action)).map(|(number, _)| number).collect()
}

#[test]
fn each_replica_is_well_and_online_again_before_the_next_one_goes() {
    let toy = up(&site(3, 2));
    let plan = Plan::up(&told(site(3, 2), "git"), &toy.look());
    let gone = numbers(&plan, |action| matches!(action, Action::DeleteContainer { .. }));
    let proven = numbers(&plan, |action| matches!(action, Action::AwaitContainer { .. }));
    let online = numbers(&plan, |action| matches!(action, Action::AwaitMember { .. }));
    assert_eq!((gone.len(), proven.len(), online.len()), (3, 3, 3), "{}", listed(&plan));
    for turn in 0..2 {
        assert!(follows(&plan, online[turn], proven[turn]), "{}", listed(&plan));
        assert!(follows(&plan, gone[turn + 1], online[turn]), "{}", listed(&plan));
    }
    for profile in numbers(&plan, |action| matches!(action, Action::PutProfile { .. })) {
        assert!(gone.iter().any(|gone| follows(&plan, *gone, profile)));
    }
    assert_eq!(
        plan.steps[gone[1]].reason,
        "its user_data changed, which only a new container takes up; when `hugo-0` is well again"
    );
    assert!(plan.notes[0].contains("the 3 containers of `hugo` are replaced one after another"), "{:?}", plan.notes);
}

#[test]
fn two_of_three_answer_at_every_step_of_a_change() {
    let toy = up(&site(3, 1));
    roll(toy.clone(), &told(site(3, 1), "git"), 2);
    let mut image = site(3, 1);
    image.services["hugo"].image =
        crate::spec::model::ContainerImage::File { path: "a.tar".to_owned(), fingerprint: "ab".to_owned() };
    roll(toy, &image, 2);
}

#[test]
fn two_of_three_answer_at_every_step_of_a_move_to_other_addresses() {
    for attach in [AttachChoice::Auto, AttachChoice::Only(Attachment::PairIp), AttachChoice::Only(Attachment::Open)] {
        let mut stack = site(3, 1);
        stack.network.attach = attach;
        let toy = up(&stack);
        let mut moved = stack.clone();
        moved.network.containers = "192.168.0.150-192.168.0.159".parse().unwrap();
        roll(toy.clone(), &moved, 2);
        // One of them only, and with another user-data besides.
        stack.services["hugo"].address = Some(Ipv4Addr::new(192, 168, 0, 150));
        roll(toy, &told(stack, "git"), 2);
    }
}

#[test]
fn a_service_that_grows_and_changes_grows_first() {
    let toy = up(&site(2, 2));
    let plan = Plan::up(&told(site(3, 2), "git"), &toy.look());
    let proven = numbers(&plan, |action| matches!(action, Action::AwaitContainer { name, .. } if name == "hugo-2"));
    for gone in numbers(&plan, |action| matches!(action, Action::DeleteContainer { .. })) {
        assert!(follows(&plan, gone, proven[0]), "{}", listed(&plan));
    }
    roll(toy, &told(site(3, 2), "git"), 1);
}

#[test]
fn a_first_up_makes_all_of_them_at_once() {
    let plan = Plan::up(&site(3, 1), &tenancy());
    let made = numbers(&plan, |action| matches!(action, Action::CreateContainer { .. }));
    let proven = numbers(&plan, |action| matches!(action, Action::AwaitContainer { .. }));
    assert!(made.iter().all(|made| proven.iter().all(|proven| !follows(&plan, *made, *proven))), "{}", listed(&plan));
}

/// A cloud on which the first container was replaced by one that is broken, and taken out of the pool for that.
fn broken(stack: &Stack) -> Toy {
    let mut toy = up(&site(3, 1));
    let plan = Plan::up(stack, &toy.look());
    let proof = numbers(&plan, |action| matches!(action, Action::AwaitContainer { .. }))[0];
    drive(&mut toy, stack, &plan, &mut Dice(1), Trouble::KilledAfter(proof)).unwrap();
    let machine = toy.machines.values_mut().next().unwrap();
    assert!(!machine.inside.containers["hugo-0"].config.contains_key(PROVEN), "{}", listed(&plan));
    toy
}

#[test]
fn a_broken_replica_holds_back_the_others_in_the_next_run_too() {
    let bad = told(site(3, 1), "nonsense");
    let toy = broken(&bad);
    let plan = Plan::up(&bad, &toy.look());
    let proof = numbers(&plan, |action| matches!(action, Action::AwaitContainer { name, .. } if name == "hugo-0"))[0];
    let others = numbers(&plan, |action| {
        matches!(action, Action::DeleteContainer { .. } | Action::SetMembers { .. } | Action::CreateContainer { .. })
    });
    assert!(!others.is_empty());
    assert!(others.iter().all(|other| follows(&plan, *other, proof)), "{}", listed(&plan));
}

#[test]
fn with_a_file_put_right_the_broken_replica_is_the_first_to_be_replaced() {
    let toy = broken(&told(site(3, 1), "nonsense"));
    let right = told(site(3, 1), "sense");
    let plan = Plan::up(&right, &toy.look());
    let gone: Vec<&str> =
        plan.steps.iter().filter(|step| step.verb == Verb::Replace).map(|step| step.keys[0].name.as_str()).collect();
    assert_eq!(gone, ["hugo-0", "hugo-1", "hugo-2"]);
    roll(toy, &right, 2);

    // Another one than the first.
    let mut toy = up(&site(3, 1));
    let machine = toy.machines.values_mut().next().unwrap();
    machine.inside.containers.get_mut("hugo-2").unwrap().running = false;
    let plan = Plan::up(&right, &toy.look());
    let gone: Vec<&str> =
        plan.steps.iter().filter(|step| step.verb == Verb::Replace).map(|step| step.keys[0].name.as_str()).collect();
    assert_eq!(gone, ["hugo-2", "hugo-0", "hugo-1"]);
}

#[test]
fn another_way_onto_the_network_is_taken_by_all_at_once_and_the_plan_says_what_that_means() {
    let mut toy = up(&site(3, 1));
    let mut stack = site(3, 1);
    stack.network.attach = AttachChoice::Only(Attachment::PairIp);
    let plan = Plan::up(&stack, &toy.look());
    assert!(
        plan.notes.iter().any(|note| note.contains("3 containers of `hugo` are replaced at once")),
        "{:?}",
        plan.notes
    );
    converge(&mut toy, &stack, &mut Dice(2)).unwrap();
}
