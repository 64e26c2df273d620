//! Agents on hosts: what each is given, and that all of them have one key.

use std::collections::BTreeSet;

use super::driver::{Dice, Trouble, converge, drive, labels, listed};
use super::files::{blog, fourteen};
use super::tenancy::tenancy;
use super::toy::Toy;
use crate::observed::*;
use crate::plan::{Action, KeySource, Plan, Step, Then};
use crate::render;
use crate::spec::model::{Install, Stack};

fn program(sha256: &str) -> AgentProgram {
    AgentProgram::Here { sha256: sha256.to_owned(), bytes: 1, version: "1.2.3".to_owned() }
}

fn cloud() -> Toy {
    let mut toy = Toy::new(tenancy());
    toy.cloud.agent_program = Some(program("p1"));
    toy
}

fn up(stack: &Stack) -> Toy {
    let mut toy = cloud();
    converge(&mut toy, stack, &mut Dice(1)).unwrap();
    toy
}

fn steps(toy: &Toy, stack: &Stack) -> Vec<Step> {
    let plan = Plan::up(stack, &toy.look());
    plan.steps.into_iter().filter(|step| matches!(step.action, Action::PutAgent { .. })).collect()
}

fn agents(toy: &mut Toy) -> Vec<&mut Agent> {
    toy.machines.values_mut().map(|machine| &mut machine.inside.agent).collect()
}

fn keys(toy: &mut Toy) -> BTreeSet<String> {
    agents(toy).into_iter().filter_map(|agent| agent.ring_key.clone()).collect()
}

#[test]
fn a_new_host_gets_program_settings_unit_picture_and_a_key_that_is_drawn() {
    let steps = steps(&cloud(), &blog());
    let Action::PutAgent { host, program, files, key, then, .. } = &steps[0].action else { panic!("{steps:?}") };
    assert_eq!((steps.len(), host.as_str(), program.as_deref()), (1, "lxd0", Some("p1")));
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, [render::AGENT_SETTINGS, render::AGENT_UNIT, render::AGENT_PICTURE]);
    assert_eq!((key, *then), (&Some(KeySource::Drawn), Then::Restart));
    assert!(steps[0].reason.contains("pontoon 1.2.3"), "{}", steps[0].reason);
}

#[test]
fn containers_wait_for_no_agent() {
    let plan = Plan::up(&blog(), &cloud().look());
    let agent = plan.steps.iter().position(|step| matches!(step.action, Action::PutAgent { .. })).unwrap();
    assert!(plan.steps.iter().all(|step| !step.after.contains(&agent)), "{}", listed(&plan));
}

#[test]
fn what_is_known_only_afterwards_reaches_the_page_with_the_second_look_and_restarts_nobody() {
    let mut toy = cloud();
    let first = Plan::up(&blog(), &toy.look());
    drive(&mut toy, &blog(), &first, &mut Dice(1), Trouble::None).unwrap();
    let second = Plan::up(&blog(), &toy.look());
    assert_eq!(labels(&second), ["change agent/lxd0"]);
    let Action::PutAgent { program: None, files, key: None, then: Then::Reload, .. } = &second.steps[0].action else {
        panic!("{:?}", second.steps[0].action)
    };
    assert!(files[0].content.contains("\"floating_ip\": \"203.0.113."), "{}", files[0].content);
}

#[test]
fn another_program_is_pushed_and_an_agent_that_does_not_run_is_started() {
    let mut toy = up(&fourteen(2));
    toy.cloud.agent_program = Some(program("p2"));
    agents(&mut toy)[1].running = false;
    let all = steps(&toy, &fourteen(2));
    assert_eq!(all.len(), 2);
    assert!(all[1].reason.contains("the program is another one"), "{}", all[1].reason);
    assert!(all.iter().any(|step| step.reason.contains("it does not run")));
    converge(&mut toy, &fourteen(2), &mut Dice(1)).unwrap();
    assert!(agents(&mut toy).iter().all(|agent| agent.running && agent.program.as_deref() == Some("p2")));
}

#[test]
fn an_agent_that_an_earlier_run_changed_and_did_not_restart_is_restarted() {
    let mut toy = up(&blog());
    agents(&mut toy)[0].unfinished = true;
    let all = steps(&toy, &blog());
    assert!(all[0].reason.contains("an earlier run did not get to restart it"), "{}", all[0].reason);
    assert!(matches!(&all[0].action, Action::PutAgent { files, then: Then::Restart, .. } if files.is_empty()));
    converge(&mut toy, &blog(), &mut Dice(1)).unwrap();
    assert_eq!(steps(&toy, &blog()).len(), 0);
}

#[test]
fn agents_that_run_are_restarted_one_after_another_and_others_wait_for_nobody() {
    let stack = fourteen(4);
    let mut toy = up(&stack);
    toy.cloud.agent_program = Some(program("p2"));
    toy.host("lxd1").unwrap().inside.agent.running = false;
    let plan = Plan::up(&stack, &toy.look());
    let before = |host: &str| {
        let is_its = |step: &&Step| matches!(&step.action, Action::PutAgent { host: of, .. } if of == host);
        let step = plan.steps.iter().find(is_its).unwrap();
        step.after.iter().map(|number| plan.steps[*number].keys[0].label()).collect::<Vec<_>>()
    };
    assert_eq!(
        ["lxd0", "lxd1", "lxd2", "lxd3"].map(before),
        [vec![], vec![], vec!["agent/lxd0".to_owned()], vec!["agent/lxd2".to_owned()]]
    );
    // On new hosts nobody has an answer to lose.
    let first = Plan::up(&stack, &cloud().look());
    let is_agent = |step: &Step| matches!(step.action, Action::PutAgent { .. });
    for step in first.steps.iter().filter(|step| is_agent(step)) {
        assert!(!step.after.iter().any(|number| is_agent(&first.steps[*number])), "{}", listed(&first));
    }
}

#[test]
fn a_host_that_comes_later_gets_the_key_that_the_others_have() {
    let mut toy = up(&fourteen(2));
    for agent in agents(&mut toy) {
        agent.ring_key = Some("theirs".to_owned());
    }
    converge(&mut toy, &fourteen(3), &mut Dice(1)).unwrap();
    assert_eq!(keys(&mut toy), BTreeSet::from(["theirs".to_owned()]));
}

#[test]
fn one_host_with_another_key_gets_that_of_the_others() {
    let mut toy = up(&fourteen(3));
    agents(&mut toy)[0].ring_key = Some("left from a change that it missed".to_owned());
    let all = steps(&toy, &fourteen(3));
    assert_eq!(all.len(), 1);
    assert!(all[0].reason.contains("it has not the key of the ring"), "{}", all[0].reason);
    converge(&mut toy, &fourteen(3), &mut Dice(1)).unwrap();
    assert_eq!(keys(&mut toy).len(), 1);
}

#[test]
fn no_key_is_drawn_while_a_host_that_may_have_one_does_not_answer() {
    let toy = up(&fourteen(2));
    let mut seen = toy.look();
    seen.hosts.insert("lxd0".to_owned(), HostView::Unreachable("no route".to_owned()));
    let Some(HostView::Ready(inside)) = seen.hosts.get_mut("lxd1") else { panic!() };
    inside.agent = Agent::NONE;
    let plan = Plan::up(&fourteen(2), &seen);
    assert!(!plan.steps.iter().any(|step| matches!(step.action, Action::PutAgent { .. })), "{}", listed(&plan));
}

#[test]
fn a_run_that_is_killed_anywhere_leaves_no_two_rings() {
    let stack = fourteen(3);
    for seed in 0..2 {
        for most in (0..80).step_by(3) {
            let mut toy = cloud();
            let plan = Plan::up(&stack, &toy.look());
            drive(&mut toy, &stack, &plan, &mut Dice(seed), Trouble::KilledAfter(most)).unwrap();
            for agent in agents(&mut toy).into_iter().filter(|agent| agent.ring_key.is_some()) {
                agent.ring_key = Some(format!("drawn by the run that was killed after {most}"));
            }
            converge(&mut toy, &stack, &mut Dice(seed)).unwrap();
            assert_eq!(keys(&mut toy).len(), 1, "killed after {most}, seed {seed}");
        }
    }
}

#[test]
fn who_has_no_program_to_give_says_so_and_leaves_agents_alone() {
    let mut toy = up(&blog());
    toy.cloud.agent_program = Some(AgentProgram::Missing("this is no Linux".to_owned()));
    let plan = Plan::up(&blog(), &toy.look());
    assert!(plan.is_empty(), "{}", listed(&plan));
    assert_eq!(plan.notes, ["hosts get no agent from here: this is no Linux"]);
}

#[test]
fn a_file_that_wants_no_agents_has_them_taken_away_and_their_ports_closed() {
    let mut toy = up(&fourteen(2));
    let mut stack = fourteen(2);
    stack.agent.install = Install::No;
    let plan = Plan::up(&stack, &toy.look());
    assert_eq!(plan.steps.iter().filter(|step| matches!(step.action, Action::RemoveAgent { .. })).count(), 2);
    converge(&mut toy, &stack, &mut Dice(1)).unwrap();
    assert!(agents(&mut toy).iter().all(|agent| **agent == Agent::NONE));
    let admits: Vec<&Admits> =
        toy.cloud.security_groups.iter().flat_map(|group| &group.rules).map(|rule| &rule.admits).collect();
    assert!(!admits.iter().any(|admits| matches!(admits, Admits::UdpFrom(..))), "{admits:?}");
}

#[test]
fn the_ring_is_open_to_the_subnet_where_there_are_other_hosts_and_else_to_whom_the_file_names() {
    let rules = |stack: &Stack| {
        let plan = Plan::up(stack, &cloud().look());
        let of = |step: &Step| match &step.action {
            Action::CreateRules { admits, .. } => admits.clone(),
            _ => Vec::new(),
        };
        plan.steps.iter().flat_map(of).filter(|admits| matches!(admits, Admits::UdpFrom(..))).collect::<Vec<_>>()
    };
    let from = |text: &str| Admits::UdpFrom(render::RING_PORT, text.parse().unwrap());
    assert_eq!(rules(&blog()), []);
    assert_eq!(rules(&fourteen(2)), [from("192.168.0.0/24")]);
    let mut stack = blog();
    stack.agent.ring_from = vec!["198.51.100.7/32".parse().unwrap()];
    assert_eq!(rules(&stack), [from("198.51.100.7/32")]);
}
