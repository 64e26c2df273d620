//! What holds for every stack and every history. The toy cloud refuses what a real one would, and what must never be:
//! an address open on two ports, two containers at one address, a container that starts before its packets can pass.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::driver::{Dice, Trouble, check, converge, drive, listed};
use super::files::{changes, shapes};
use super::tenancy::tenancy;
use super::toy::Toy;
use crate::key::{Key, Kind};
use crate::observed::*;
use crate::plan::{Plan, Verb};
use crate::spec::model::Stack;

/// So many cases, or `PONTOON_CASES` times as many for a long search.
fn config(cases: u32) -> ProptestConfig {
    let times: u32 = option_env!("PONTOON_CASES").and_then(|text| text.parse().ok()).unwrap_or(1);
    ProptestConfig { cases: cases * times, failure_persistence: None, ..ProptestConfig::default() }
}

/// A cloud on which the stack can live, or nothing: too many containers for the pairs of its hosts.
fn cloud_for(stack: &Stack) -> Option<Toy> {
    let toy = Toy::new(tenancy());
    let plan = Plan::up(stack, &toy.look());
    if plan.blocked.iter().any(|blocked| blocked.reason.contains("find no room")) { None } else { Some(toy) }
}

/// What somebody else does to what is the stack's: pairs on its ports, containers on its hosts.
fn meddle(toy: &mut Toy) {
    let pair = Pair { mac: "00:00:5e:00:01:01".to_owned(), address: "198.18.0.1".to_owned() };
    let ours = |port: &&mut Port| port.key.as_ref().is_some_and(|key| key.stack == "blog" && key.kind == Kind::Port);
    for port in toy.cloud.ports.iter_mut().filter(ours).filter(|port| port.port_security && port.pairs.len() < 10) {
        port.pairs.insert(pair.clone());
        port.revision = port.revision.map(|revision| revision + 1);
    }
    for machine in toy.machines.values_mut().filter(|machine| machine.ready) {
        machine.inside.foreign.insert("pet".to_owned());
        machine.inside.profiles.insert("default".to_owned(), Profile::default());
    }
}

/// A second one of whatever carries a key, as two writers at once would leave behind.
fn twins(toy: &mut Toy, which: u8) {
    let id = toy.id("twin");
    let address = toy.free_address().unwrap();
    let ours = |port: &&Port, kind| port.key.as_ref().is_some_and(|key| key.stack == "blog" && key.kind == kind);
    match which {
        0 => {
            if let Some(group) = toy.cloud.security_groups.first().cloned() {
                toy.cloud.security_groups.push(SecurityGroup { id, ..group });
            }
        }
        1 => {
            if let Some(port) = toy.cloud.ports.iter().find(|port| ours(port, Kind::Reservation)).cloned() {
                toy.cloud.ports.push(Port { id, addresses: vec![address], ..port });
            }
        }
        2 => {
            if let Some(port) = toy.cloud.ports.iter().find(|port| ours(port, Kind::Port)).cloned() {
                let bare = Port { id, addresses: vec![address], key: port.key, name: port.name, ..Port::default() };
                toy.cloud.ports.push(bare);
            }
        }
        3 => {
            if let Some(one) = toy.cloud.floating_ips.iter().find(|one| one.key.is_some()).cloned() {
                let address = Ipv4Addr::new(203, 0, 113, 199);
                toy.cloud.floating_ips.push(FloatingIp { id, address, port_id: None, key: one.key, given: false });
            }
        }
        4 => {
            if let Some(one) = toy.cloud.server_groups.first().cloned() {
                toy.cloud.server_groups.push(ServerGroup { id, ..one });
            }
        }
        5 => {
            if let Some(one) = toy.cloud.servers.first().cloned() {
                toy.cloud.servers.push(Server { id, status: "ERROR".to_owned(), ..one });
            }
        }
        _ => {
            if let Some(one) = toy.cloud.balancers.first().cloned() {
                let port = toy.id("twin");
                toy.cloud.ports.push(Port {
                    id: port.clone(),
                    addresses: vec![address],
                    device_owner: "Octavia".to_owned(),
                    device_id: "lb".to_owned(),
                    security_groups: one.vip_security_groups.clone(),
                    ..Port::default()
                });
                toy.cloud.balancers.push(Balancer { id, vip: Some(address), vip_port_id: port, ..one });
            }
        }
    }
}

fn nothing_of_ours(toy: &Toy) -> bool {
    let ours = |key: &Option<Key>| key.as_ref().is_some_and(|key| key.stack == "blog");
    let cloud = &toy.cloud;
    !cloud.ports.iter().any(|port| ours(&port.key) || port.device_owner == "Octavia")
        && !cloud.floating_ips.iter().any(|one| ours(&one.key))
        && cloud.servers.is_empty()
        && cloud.security_groups.is_empty()
        && cloud.server_groups.is_empty()
        && cloud.balancers.is_empty()
        && cloud.networks[0].subnets[0].pools == tenancy().networks[0].subnets[0].pools
        && cloud.networks[0].subnets[0].pools_before.is_none()
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn up_from_nothing_needs_one_run_and_then_there_is_nothing_to_do(shape in shapes(), seed in any::<u64>(), api in 0_usize..4) {
        let stack = shape.stack();
        let Some(mut toy) = cloud_for(&stack) else { return Ok(()) };
        toy.cloud.capabilities.balancer_api = Some([(2, 10), (2, 26), (2, 29), (2, 30)][api]);
        if api == 3 {
            toy.cloud.capabilities.balancer_providers.insert("ovn".to_owned());
        }
        let foreign = toy.foreign("blog");
        prop_assert_eq!(converge(&mut toy, &stack, &mut Dice(seed)), Ok(1));
        prop_assert_eq!(toy.foreign("blog"), foreign);
    }

    #[test]
    fn where_graphs_stick_balancers_are_built_by_pieces_and_never_tried_whole_again(shape in shapes(), seed in any::<u64>()) {
        let stack = shape.stack();
        let Some(mut toy) = cloud_for(&stack) else { return Ok(()) };
        toy.graphs_stick = true;
        let runs = converge(&mut toy, &stack, &mut Dice(seed)).map_err(TestCaseError::fail)?;
        prop_assert!(runs <= 2, "{} runs", runs);
        prop_assert!(toy.cloud.balancers.iter().all(|one| one.by_pieces));
    }

    #[test]
    fn where_nova_shows_no_consoles_hosts_are_made_again_once(shape in shapes(), seed in any::<u64>()) {
        let stack = shape.stack();
        let Some(mut toy) = cloud_for(&stack) else { return Ok(()) };
        toy.shows_consoles = false;
        let runs = converge(&mut toy, &stack, &mut Dice(seed)).map_err(TestCaseError::fail)?;
        prop_assert!(runs <= 2, "{} runs", runs);
        prop_assert!(toy.cloud.servers.iter().all(|server| server.host_key_injected));
    }

    #[test]
    fn down_leaves_nothing_of_ours_and_touches_nothing_else(shape in shapes(), seed in any::<u64>(), killed in 0_usize..60, twin in 0_u8..12) {
        let stack = shape.stack();
        let Some(mut toy) = cloud_for(&stack) else { return Ok(()) };
        let foreign = toy.foreign("blog");
        let mut dice = Dice(seed);
        let plan = Plan::up(&stack, &toy.look());
        drive(&mut toy, &stack, &plan, &mut dice, Trouble::KilledAfter(killed)).map_err(TestCaseError::fail)?;
        twins(&mut toy, twin);
        let down = Plan::down("blog", &toy.look());
        check(&down);
        drive(&mut toy, &stack, &down, &mut dice, Trouble::None).map_err(TestCaseError::fail)?;
        prop_assert!(nothing_of_ours(&toy), "{:#?}", toy.cloud);
        prop_assert_eq!(toy.foreign("blog"), foreign);
        prop_assert!(Plan::down("blog", &toy.look()).is_empty());
    }
}

proptest! {
    #![proptest_config(config(12))]

    #[test]
    fn up_killed_anywhere_converges_without_orphans_and_without_destroying_anything(shape in shapes(), seed in any::<u64>()) {
        let stack = shape.stack();
        let Some(fresh) = cloud_for(&stack) else { return Ok(()) };
        let plan = Plan::up(&stack, &fresh.look());
        for most in 0..plan.steps.len() {
            for trouble in [Trouble::KilledAfter(most), Trouble::LostReplyOf(most)] {
                let (mut toy, mut dice) = (fresh.clone(), Dice(seed.wrapping_add(most as u64)));
                drive(&mut toy, &stack, &plan, &mut dice, trouble).map_err(TestCaseError::fail)?;
                let again = Plan::up(&stack, &toy.look());
                prop_assert_eq!(again.destructive().count(), 0, "{}", listed(&again));
                converge(&mut toy, &stack, &mut dice).map_err(|error| TestCaseError::fail(format!("after {most}: {error}")))?;
            }
        }
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn twins_go_and_nothing_else_does(shape in shapes(), seed in any::<u64>(), twin in 0_u8..7) {
        let stack = shape.stack();
        let Some(mut toy) = cloud_for(&stack) else { return Ok(()) };
        let mut dice = Dice(seed);
        converge(&mut toy, &stack, &mut dice).map_err(TestCaseError::fail)?;
        twins(&mut toy, twin);
        converge(&mut toy, &stack, &mut dice).map_err(TestCaseError::fail)?;
        prop_assert_eq!(toy.cloud.security_groups.iter().map(|group| &group.key).collect::<BTreeSet<_>>().len(), toy.cloud.security_groups.len());
    }

    #[test]
    fn any_change_of_the_file_converges_and_leaves_what_is_others_as_it_is(
        (before, after) in changes(),
        seed in any::<u64>(),
        killed in 0_usize..80,
    ) {
        let (before, after) = (before.stack(), after.stack());
        let (Some(mut toy), Some(_)) = (cloud_for(&before), cloud_for(&after)) else { return Ok(()) };
        toy.free_from = (180, -1);
        let mut dice = Dice(seed);
        converge(&mut toy, &before, &mut dice).map_err(TestCaseError::fail)?;
        if seed % 2 == 0 {
            meddle(&mut toy);
        }
        let plan = Plan::up(&after, &toy.look());
        check(&plan);
        if !plan.blocked.is_empty() {
            return Ok(()); // a person has to decide; what that may be is in the scenarios
        }
        let wanted: BTreeSet<String> = after.host_names().map(|(host, _)| host).collect();
        let gone: Vec<String> = toy.cloud.servers.iter().filter(|one| !wanted.contains(&one.key.name)).map(|one| one.id.clone()).collect();
        let foreign = |toy: &Toy| {
            let mut stays = toy.clone();
            stays.machines.retain(|id, _| !gone.contains(id));
            stays.cloud.ports.retain(|port| port.key.as_ref().is_none_or(|key| key.kind != Kind::Port || key.stack != "blog" || wanted.contains(&key.name)));
            stays.foreign("blog")
        };
        let was = foreign(&toy);
        for step in plan.steps.iter().filter(|step| step.verb == Verb::Replace) {
            let remade = plan.steps.iter().any(|later| later.verb == Verb::Create && later.keys[0].kind == step.keys[0].kind);
            prop_assert!(remade, "{:?} is not made anew\n{}", step.keys, listed(&plan));
        }
        drive(&mut toy, &after, &plan, &mut dice, Trouble::KilledAfter(killed)).map_err(TestCaseError::fail)?;
        prop_assert_eq!(foreign(&toy), was.clone());
        let runs = converge(&mut toy, &after, &mut dice).map_err(TestCaseError::fail)?;
        prop_assert!(runs <= 2, "{} runs", runs);
        prop_assert_eq!(foreign(&toy), was);
    }
}
