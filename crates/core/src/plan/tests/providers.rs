//! Octavias that differ: by the version of their API, by what carries their load balancers, and dead ones.

use super::driver::{Dice, converge, labels, listed};
use super::files::blog;
use super::tenancy::tenancy;
use super::toy::Toy;
use crate::key::Kind;
use crate::observed::*;
use crate::plan::{Action, BalancerParts, Plan, Write};
use crate::spec::model::{AttachChoice, Attachment, Stack};

/// The walk-through's stack, whose balancer admits only some.
fn restricted() -> Stack {
    let mut stack = blog();
    stack.balancers["web"].allow = vec!["198.51.100.0/24".parse().unwrap()];
    stack
}

fn octavia(version: (u32, u32), providers: &[&str]) -> Observed {
    let mut cloud = tenancy();
    cloud.capabilities.balancer_api = Some(version);
    cloud.capabilities.balancer_providers = providers.iter().map(|name| (*name).to_owned()).collect();
    cloud
}

fn created(plan: &Plan) -> (&BalancerParts, Write) {
    let created = plan.steps.iter().find_map(|step| match &step.action {
        Action::CreateBalancer { parts, write } => Some((parts.as_ref(), *write)),
        _ => None,
    });
    created.unwrap()
}

#[test]
fn a_vip_is_guarded_by_what_the_octavia_at_hand_can_do() {
    for (version, group, cidrs) in [((2, 29), true, 0), ((2, 26), false, 1)] {
        let plan = Plan::up(&restricted(), &octavia(version, &[]));
        assert_eq!(labels(&plan).contains(&"create security-group/vip-web".to_owned()), group, "{version:?}");
        let (parts, _) = created(&plan);
        assert_eq!((!parts.security_groups.is_empty(), parts.listener.allowed_cidrs.len()), (group, cidrs));
        assert_eq!(plan.blocked, []);
    }
}

#[test]
fn before_allowed_cidrs_nothing_guards_a_vip_so_only_everybody_may_be_admitted() {
    let cloud = octavia((2, 10), &["amphora", "octavia"]);
    let plan = Plan::up(&restricted(), &cloud);
    assert_eq!(plan.blocked.len(), 1, "{:?}", plan.blocked);
    assert_eq!(plan.blocked[0].subject, "balancer `web`");
    assert!(plan.blocked[0].reason.contains("Octavia's API 2.10 has no `allowed_cidrs` (2.12)"), "{:?}", plan.blocked);
    assert!(plan.blocked[0].hint.contains("leave `allow` out"), "{:?}", plan.blocked);
    let plan = Plan::up(&blog(), &cloud);
    assert_eq!(plan.blocked, []);
    assert!(!labels(&plan).iter().any(|label| label.contains("vip-web") && label.contains("group")));
}

#[test]
fn a_cloud_that_learns_to_guard_vips_by_groups_is_followed_in_place() {
    let stack = restricted();
    let mut toy = Toy::new(tenancy());
    toy.cloud.capabilities.balancer_api = Some((2, 26));
    converge(&mut toy, &stack, &mut Dice(1)).unwrap();
    toy.cloud.capabilities.balancer_api = Some((2, 29));
    assert_eq!(Plan::up(&stack, &toy.look()).destructive().count(), 0);
    assert_eq!(converge(&mut toy, &stack, &mut Dice(1)), Ok(1));
}

#[test]
fn where_ovn_is_all_there_is_http_becomes_tcp_and_the_plan_says_so() {
    let plan = Plan::up(&restricted(), &octavia((2, 29), &["ovn"]));
    assert_eq!(plan.blocked, []);
    let (parts, write) = created(&plan);
    assert_eq!((parts.listener.protocol, parts.pool.protocol, parts.pool.algorithm), ("TCP", "TCP", "SOURCE_IP_PORT"));
    assert_eq!((parts.monitor.kind, parts.monitor.path.as_deref()), ("TCP", None));
    assert!(parts.listener.allowed_cidrs.is_empty() && parts.security_groups.is_empty());
    assert_eq!(write, Write::Part);
    assert_eq!(
        plan.notes,
        ["the provider `ovn` of balancer `web` knows no more: TCP in place of HTTP, SOURCE_IP_PORT in place of \
          ROUND_ROBIN, a monitor that connects in place of one that asks for /"]
    );
    // Clients keep their addresses, so the hosts' groups admit whom the file admits.
    let admitted = plan.steps.iter().find_map(|step| match &step.action {
        Action::CreateRules { group, admits } if group.name == "hosts-lxd" => Some(admits),
        _ => None,
    });
    assert!(admitted.unwrap().contains(&Admits::TcpFrom(8080, "198.51.100.0/24".parse().unwrap())));
    let mut toy = Toy::new(octavia((2, 29), &["ovn"]));
    assert_eq!(converge(&mut toy, &restricted(), &mut Dice(1)), Ok(1));
}

#[test]
fn with_ovn_and_without_security_groups_an_allow_cannot_be_kept() {
    let mut stack = restricted();
    stack.network.attach = AttachChoice::Only(Attachment::Open);
    let plan = Plan::up(&stack, &octavia((2, 29), &["ovn"]));
    assert_eq!(plan.blocked.len(), 1, "{:?}", plan.blocked);
    assert!(plan.blocked[0].reason.contains("attachment `open` switches them off"), "{:?}", plan.blocked);
}

#[test]
fn a_provider_is_chosen_by_the_file_or_left_to_octavia() {
    let cloud = octavia((2, 29), &["amphora", "octavia", "ovn"]);
    let plan = Plan::up(&blog(), &cloud);
    assert_eq!((&created(&plan).0.provider, created(&plan).0.listener.protocol), (&None, "HTTP"));
    let mut stack = blog();
    stack.balancers["web"].provider = Some("ovn".to_owned());
    let plan = Plan::up(&stack, &cloud);
    assert_eq!((created(&plan).0.provider.as_deref(), created(&plan).0.listener.protocol), (Some("ovn"), "TCP"));
    stack.balancers["web"].provider = Some("f5".to_owned());
    let plan = Plan::up(&stack, &cloud);
    assert_eq!(plan.blocked[0].reason, "Octavia has no provider `f5` here, but amphora, octavia, ovn");
}

#[test]
fn another_provider_needs_another_balancer_and_another_name_of_the_same_one_does_not() {
    let mut toy = Toy::new(octavia((2, 29), &["amphora", "octavia", "ovn"]));
    converge(&mut toy, &blog(), &mut Dice(1)).unwrap();
    let mut stack = blog();
    stack.balancers["web"].provider = Some("octavia".to_owned());
    assert!(Plan::up(&stack, &toy.look()).is_empty());
    stack.balancers["web"].provider = Some("ovn".to_owned());
    let plan = Plan::up(&stack, &toy.look());
    let replaced = plan.steps.iter().find(|step| step.keys[0].label() == "balancer/web").unwrap();
    assert!(replaced.reason.contains("its provider is `amphora` and the file says `ovn`"), "{}", listed(&plan));
    assert_eq!(converge(&mut toy, &stack, &mut Dice(1)), Ok(1));
    // With the name gone from the file, the one that is there stays.
    assert!(Plan::up(&blog(), &toy.look()).is_empty());
}

#[test]
fn a_dead_octavia_is_a_note_where_the_file_has_no_balancers_and_what_it_may_use_stays() {
    let mut toy = Toy::new(tenancy());
    converge(&mut toy, &blog(), &mut Dice(1)).unwrap();
    let mut stack = blog();
    stack.balancers.clear();
    toy.cloud.balancers.clear();
    toy.cloud.capabilities.balancers_unseen = Some("503".to_owned());
    let plan = Plan::up(&stack, &toy.look());
    assert_eq!(plan.blocked, []);
    assert!(plan.notes[0].contains("could not be looked at (503)"), "{:?}", plan.notes);
    let group = |plan: &Plan| {
        plan.steps.iter().any(|step| step.keys[0].kind == Kind::SecurityGroup && step.keys[0].name == "vip-web")
    };
    assert!(!group(&plan), "{}", listed(&plan));
    let down = Plan::down("blog", &toy.look());
    assert!(!group(&down) && down.notes[0].contains("could not be looked at (503)"), "{}", listed(&down));
    toy.cloud.capabilities.balancers_unseen = None;
    assert!(group(&Plan::up(&stack, &toy.look())));
}

#[test]
fn who_meets_the_port_of_a_refused_balancer_is_told_how_it_goes_away() {
    let mut cloud = tenancy();
    cloud.ports.push(Port {
        id: "forgotten".to_owned(),
        name: "octavia-lb-5f1c".to_owned(),
        device_owner: "Octavia".to_owned(),
        device_id: "lb-5f1c".to_owned(),
        addresses: vec![blog().balancers["web"].address.unwrap()],
        ..Port::default()
    });
    let plan = Plan::up(&blog(), &cloud);
    let [blocked] = &plan.blocked[..] else { panic!("{}", listed(&plan)) };
    assert_eq!(blocked.subject, "address 192.168.0.200");
    for command in ["openstack loadbalancer show 5f1c", "openstack port delete forgotten"] {
        assert!(blocked.hint.contains(command), "{blocked:?}");
    }
}
