//! Cases that a user may meet, each with what the plan says about it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::driver::{Dice, Trouble, converge, drive, labels, listed};
use super::files::{balancer, blog, fourteen, group, service};
use super::tenancy::tenancy;
use super::toy::Toy;
use crate::key::Kind;
use crate::observed::*;
use crate::plan::{Action, Blocked, Claim, Plan, Verb, Write};
use crate::spec::model::{AttachChoice, Attachment, FloatingIp as Wanted, Limits, Stack};

/// A cloud on which the stack is up.
fn up(stack: &Stack) -> Toy {
    let mut toy = Toy::new(tenancy());
    converge(&mut toy, stack, &mut Dice(1)).unwrap();
    toy
}

fn plan(toy: &Toy, stack: &Stack) -> Plan {
    Plan::up(stack, &toy.look())
}

/// What stands in the way when the cloud is this one.
fn blocked(stack: &Stack, change: impl FnOnce(&mut Observed)) -> Vec<Blocked> {
    let mut cloud = tenancy();
    change(&mut cloud);
    Plan::up(stack, &cloud).blocked
}

fn reasons(blocked: &[Blocked]) -> String {
    let lines: Vec<String> =
        blocked.iter().map(|one| format!("{}: {}; {}", one.subject, one.reason, one.hint)).collect();
    lines.join("\n")
}

fn steps_on<'a>(plan: &'a Plan, label: &str) -> Vec<&'a crate::plan::Step> {
    plan.steps.iter().filter(|step| step.keys[0].label() == label).collect()
}

#[test]
fn the_walk_through_from_nothing() {
    assert_eq!(
        labels(&Plan::up(&blog(), &tenancy())),
        [
            "create security-group/hosts-lxd",
            "create rule/hosts-lxd",
            "create security-group/vip-web",
            "create rule/vip-web",
            "create reservation/hugo-0",
            "create balancer/web",
            "create floating-ip/vip-web",
            "create port/lxd0",
            "create floating-ip/host-lxd0",
            "create host/lxd0",
            "wait host/lxd0",
            "create profile/lxd0/hugo",
            "create image/lxd0/images.example-24.04",
            "create dhcp-host/lxd0/hugo-0",
            "create container/hugo-0",
            "change container/hugo-0",
            "wait container/hugo-0",
            "wait balancer/web",
        ]
    );
}

#[test]
fn octavia_is_asked_about_a_new_balancer_when_its_members_serve() {
    let plan = Plan::up(&blog(), &tenancy());
    let wait = plan.steps.iter().find(|step| matches!(step.action, Action::AwaitBalancer { .. })).unwrap();
    let before = wait.after.iter().filter_map(|number| plan.steps.get(*number));
    assert!(before.into_iter().any(|step| matches!(step.action, Action::AwaitContainer { .. })), "{}", listed(&plan));
}

#[test]
fn what_a_first_up_waits_for_is_the_boot_and_not_the_balancer() {
    let plan = Plan::up(&blog(), &tenancy());
    let boot = plan.steps.iter().position(|step| matches!(step.action, Action::CreateServer { .. })).unwrap();
    let mut before = vec![boot];
    while let Some(next) = before.pop() {
        assert_ne!(plan.steps[next].verb, Verb::Wait, "{}", listed(&plan));
        before.extend(&plan.steps[next].after);
    }
}

#[test]
fn an_address_that_neutrons_dhcp_port_holds_is_found_before_the_first_write() {
    let blocked = blocked(&blog(), |cloud| cloud.ports[1].addresses = vec![Ipv4Addr::new(192, 168, 0, 100)]);
    assert_eq!(blocked.len(), 1);
    assert_eq!(blocked[0].subject, "address 192.168.0.100");
    assert!(blocked[0].reason.contains("Neutron's own DHCP port (id `dhcp`"), "{}", blocked[0].reason);
    assert!(blocked[0].hint.contains("dhcp_pool"));
}

#[test]
fn an_address_that_another_stack_or_a_vm_holds_names_them() {
    for (port, holder) in [(2, "server `compute:nova`"), (4, "stack `other`")] {
        let blocked = blocked(&blog(), |cloud| cloud.ports[port].addresses = vec![Ipv4Addr::new(192, 168, 0, 200)]);
        assert!(reasons(&blocked).contains(holder), "{}", reasons(&blocked));
    }
}

#[test]
fn fourteen_containers_find_no_room_on_one_host_and_the_limit_and_the_count_are_named() {
    let blocked = blocked(&fourteen(1), |_| ());
    assert_eq!(blocked.len(), 1);
    assert!(blocked[0].reason.contains("4 containers find no room: a port takes 10"), "{}", blocked[0].reason);
    assert!(blocked[0].hint.contains("`hosts.lxd.count` to 2"), "{}", blocked[0].hint);
}

#[test]
fn fourteen_containers_are_packed_seven_and_seven_on_two_hosts() {
    let plan = Plan::up(&fourteen(2), &tenancy());
    let on = |host: &str| plan.places.iter().filter(|place| place.host == host).count();
    assert_eq!((plan.blocked.len(), on("lxd0"), on("lxd1")), (0, 7, 7));
}

#[test]
fn containers_stay_where_they_are_when_a_host_is_added() {
    let mut toy = up(&blog());
    let mut stack = blog();
    stack.hosts["lxd"].count = 2;
    assert_eq!(plan(&toy, &stack).destructive().count(), 0);
    assert_eq!(converge(&mut toy, &stack, &mut Dice(2)), Ok(1));
}

#[test]
fn a_network_of_another_project_is_refused_because_only_its_owner_may_set_pairs() {
    let blocked = blocked(&blog(), |cloud| cloud.networks[0].project_id = "provider".to_owned());
    assert!(reasons(&blocked).contains("network `default`: it belongs to another project"), "{}", reasons(&blocked));
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let blocked = blocked(&blog(), |cloud| {
        cloud.catalogue = Catalogue::default();
        cloud.external.clear();
        cloud.capabilities.balancer_api = None;
        cloud.quotas.0.insert("instances".to_owned(), Quota { limit: 1, used: 1 });
    });
    let subjects: Vec<&str> = blocked.iter().map(|one| one.subject.as_str()).collect();
    assert_eq!(
        subjects,
        [
            "load balancers",
            "external network `external`",
            "image `Ubuntu 24.04`",
            "flavor `dc1.2x4.40`",
            "key `datacentred`",
            "quota `instances`",
        ]
    );
}

#[test]
fn a_short_quota_says_how_much_is_needed_and_how_much_is_left() {
    let quotas = |limit, used| BTreeMap::from([("port".to_owned(), Quota { limit, used })]);
    let short = blocked(&blog(), |cloud| cloud.quotas = Quotas(quotas(10, 8)));
    assert!(reasons(&short).contains("quota `port`: the plan makes 3, and 2 of 10 are left"), "{}", reasons(&short));
    assert_eq!(blocked(&blog(), |cloud| cloud.quotas = Quotas(quotas(-1, 8))), []);
}

#[test]
fn what_a_failed_server_uses_counts_as_free_for_its_successor() {
    let mut toy = up(&blog());
    "ERROR".clone_into(&mut toy.cloud.servers[0].status);
    for (resource, limit) in [("instances", 1), ("cores", 2), ("ram", 4096)] {
        toy.cloud.quotas.0.insert(resource.to_owned(), Quota { limit, used: limit });
    }
    assert_eq!(plan(&toy, &blog()).blocked, []);
}

#[test]
fn of_two_networks_of_one_name_the_own_one_is_meant_and_two_own_ones_are_refused() {
    let twice = |cloud: &mut Observed, owner: &str| {
        let network = Network { id: "second".to_owned(), project_id: owner.to_owned(), ..cloud.networks[0].clone() };
        cloud.networks.push(network);
    };
    assert_eq!(blocked(&blog(), |cloud| twice(cloud, "provider")), []);
    let ambiguous = blocked(&blog(), |cloud| twice(cloud, "project"));
    assert!(reasons(&ambiguous).contains("2 networks have this name: net-default, second"), "{}", reasons(&ambiguous));
}

#[test]
fn a_balancer_in_error_is_replaced_and_its_floating_ip_comes_along() {
    let mut toy = up(&blog());
    toy.cloud.balancers[0].state = Provisioning::Error;
    let plan = plan(&toy, &blog());
    assert_eq!(
        labels(&plan),
        ["replace balancer/web", "create balancer/web", "change floating-ip/vip-web", "wait balancer/web"]
    );
    assert!(plan.steps[0].reason.contains("ERROR"));
    assert_eq!(converge(&mut toy, &blog(), &mut Dice(3)), Ok(1));
}

#[test]
fn a_balancer_whose_listener_is_stuck_is_rebuilt_piece_by_piece() {
    let mut toy = up(&blog());
    toy.cloud.balancers[0].listeners[0].state = Provisioning::Stuck("PENDING_CREATE".to_owned());
    let plan = plan(&toy, &blog());
    assert!(plan.steps[0].reason.contains("its listener stays PENDING_CREATE though the load balancer is ACTIVE"));
    assert!(plan.steps.iter().any(|step| matches!(step.action, Action::CreateBalancer { write: Write::Part, .. })));
    assert_eq!(
        labels(&plan)[1..],
        [
            "create balancer/web",
            "wait balancer/web",
            "create pool/web",
            "change members/web",
            "create monitor/web",
            "create listener/web",
            "change floating-ip/vip-web",
        ]
    );
}

#[test]
fn a_pair_removed_behind_our_back_is_set_again_and_the_plan_says_why() {
    let mut toy = up(&blog());
    let port = toy
        .cloud
        .ports
        .iter_mut()
        .find(|port| port.name == "lxd0" && port.mac.is_some() && !port.device_id.is_empty())
        .unwrap();
    port.pairs.clear();
    let plan = plan(&toy, &blog());
    assert_eq!(labels(&plan), ["change pairs/lxd0"], "{}", listed(&plan));
    assert!(
        plan.steps[0].reason.contains("port security drops packets of 192.168.0.100 (00:16:3e:"),
        "{}",
        listed(&plan)
    );
    assert!(matches!(&plan.steps[0].action, Action::SetPairs { revision: Some(_), .. }));
}

#[test]
fn a_server_deleted_behind_our_back_is_booted_again_with_all_that_lay_on_it() {
    let mut toy = up(&blog());
    let gone = toy.cloud.servers.pop().unwrap();
    toy.machines.remove(&gone.id);
    for port in toy.cloud.ports.iter_mut().filter(|port| port.device_id == gone.id) {
        port.device_id.clear();
    }
    let plan = plan(&toy, &blog());
    assert_eq!(labels(&plan)[..2], ["create host/lxd0", "wait host/lxd0"]);
    assert_eq!(steps_on(&plan, "container/hugo-0").len(), 3);
    assert_eq!(plan.destructive().count(), 0);
    assert_eq!(converge(&mut toy, &blog(), &mut Dice(4)), Ok(1));
}

#[test]
fn new_user_data_replaces_the_container_and_the_plan_says_so() {
    let toy = up(&blog());
    let mut stack = blog();
    stack.services["hugo"].user_data = Some("#cloud-config\npackages: [git]\n".to_owned());
    let plan = plan(&toy, &stack);
    assert_eq!(
        labels(&plan),
        [
            "change profile/lxd0/hugo",
            "replace container/hugo-0",
            "create container/hugo-0",
            "change container/hugo-0",
            "wait container/hugo-0",
        ]
    );
    assert_eq!(plan.steps[1].reason, "its user_data changed, which only a new container takes up");
    assert_eq!(plan.steps[1].after, [0], "while the profile changes, the engine is busy with the container");
}

#[test]
fn a_new_image_or_address_replaces_the_container_and_is_named() {
    let toy = up(&blog());
    let mut stack = blog();
    stack.services["hugo"].address = Some(Ipv4Addr::new(192, 168, 0, 101));
    let moved = plan(&toy, &stack);
    assert_eq!(
        steps_on(&moved, "container/hugo-0")[0].reason,
        "its address changed, which only a new container takes up"
    );
    stack.services["hugo"].image =
        crate::spec::model::ContainerImage::File { path: "a.tar".to_owned(), fingerprint: "ab".to_owned() };
    let both = plan(&toy, &stack);
    assert_eq!(
        steps_on(&both, "container/hugo-0")[0].reason,
        "its address and image changed, which only a new container takes up"
    );
}

#[test]
fn ports_limits_members_rules_and_announcements_change_in_place() {
    let change = |change: fn(&mut Stack)| {
        let toy = up(&blog());
        let mut stack = blog();
        change(&mut stack);
        let plan = plan(&toy, &stack);
        assert_eq!(plan.destructive().count(), 0, "{}", listed(&plan));
        labels(&plan)
    };
    let limits = change(|stack| stack.services["hugo"].limits = Limits { cpu: Some("2".to_owned()), memory: None });
    assert_eq!(limits, ["change container/hugo-0"]);
    let announced = change(|stack| stack.services["hugo"].announce.capabilities = vec!["blog".to_owned()]);
    assert_eq!(announced, ["change profile/lxd0/hugo"]);
    let ssh = change(|stack| stack.hosts["lxd"].ssh_from = vec!["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(ssh, ["change rule/hosts-lxd", "create rule/hosts-lxd"]);
    let port = change(|stack| stack.services["hugo"].port = Some(8081));
    assert_eq!(
        port,
        ["change rule/hosts-lxd", "create rule/hosts-lxd", "change members/web", "change profile/lxd0/hugo"]
    );
    let more = change(|stack| stack.services["hugo"].replicas = 2);
    assert!(
        more.contains(&"change members/web".to_owned()) && more.contains(&"change pairs/lxd0".to_owned()),
        "{more:?}"
    );
}

#[test]
fn a_container_leaves_its_pool_then_its_host_then_its_pair_then_its_address() {
    let mut stack = blog();
    stack.services["hugo"].replicas = 2;
    let mut toy = up(&stack);
    let plan = plan(&toy, &blog());
    assert_eq!(
        labels(&plan),
        [
            "change members/web",
            "delete container/hugo-1",
            "change dhcp-host/lxd0/hugo-1",
            "change pairs/lxd0",
            "delete reservation/hugo-1",
        ]
    );
    let after = |number: usize| plan.steps[number].after.clone();
    assert!(after(1).contains(&0) && after(3).contains(&1) && after(4).contains(&3));
    assert_eq!(converge(&mut toy, &blog(), &mut Dice(5)), Ok(1));
}

#[test]
fn a_new_copy_joins_those_that_serve_only_when_it_answers() {
    let mut toy = up(&blog());
    let mut stack = blog();
    stack.services["hugo"].replicas = 2;
    let plan = plan(&toy, &stack);
    let joins = plan.steps.iter().position(|step| step.keys[0].kind == Kind::Members).unwrap();
    let answers = plan.steps.iter().position(|step| matches!(step.action, Action::AwaitContainer { .. })).unwrap();
    assert!(plan.steps[joins].after.contains(&answers), "{}", labels(&plan).join("\n"));
    let Action::SetMembers { members, .. } = &plan.steps[joins].action else { panic!("{:?}", plan.steps[joins]) };
    assert_eq!(members.len(), 2);
    assert_eq!(converge(&mut toy, &stack, &mut Dice(5)), Ok(1));
}

#[test]
fn containers_of_a_host_that_goes_move_to_those_that_stay() {
    let mut before = blog();
    before.hosts["lxd"].count = 2;
    before.services["hugo"].replicas = 4;
    let mut toy = up(&before);
    let mut after = before.clone();
    after.hosts["lxd"].count = 1;
    let plan = plan(&toy, &after);
    assert!(plan.places.iter().all(|place| place.host == "lxd0"));
    let server = plan.steps.iter().position(|step| matches!(step.action, Action::DeleteServer { .. })).unwrap();
    let taken = plan.steps.iter().position(|step| matches!(step.action, Action::SetPairs { .. })).unwrap();
    assert!(server < taken && !plan.steps[taken].after.is_empty(), "{}", listed(&plan));
    assert_eq!(converge(&mut toy, &after, &mut Dice(6)), Ok(1));
}

#[test]
fn a_service_that_is_renamed_hands_its_address_on() {
    let mut toy = up(&blog());
    let mut stack = blog();
    let hugo = stack.services.shift_remove("hugo").unwrap();
    stack.services.insert("site".to_owned(), hugo);
    stack.balancers["web"].service = "site".to_owned();
    assert_eq!(plan(&toy, &stack).blocked, []);
    assert_eq!(converge(&mut toy, &stack, &mut Dice(7)), Ok(1));
}

#[test]
fn a_balancer_and_a_container_exchange_their_addresses() {
    let mut toy = up(&blog());
    let mut stack = blog();
    stack.services["hugo"].address = Some(Ipv4Addr::new(192, 168, 0, 200));
    stack.balancers["web"].address = Some(Ipv4Addr::new(192, 168, 0, 100));
    assert_eq!(plan(&toy, &stack).blocked, []);
    assert_eq!(converge(&mut toy, &stack, &mut Dice(8)), Ok(1));
}

#[test]
fn containers_that_change_their_group_of_hosts_are_never_open_on_both() {
    let mut stack = blog();
    stack.hosts.insert("big".to_owned(), group(1, Wanted::No));
    stack.services.insert("api".to_owned(), service("big", 3));
    let toy = up(&stack);
    stack.services["api"].hosts = "lxd".to_owned();
    stack.services["hugo"].hosts = "big".to_owned();
    for seed in 0..20 {
        assert_eq!(converge(&mut toy.clone(), &stack, &mut Dice(seed)), Ok(1));
    }
}

#[test]
fn a_given_floating_ip_is_used_when_free_and_refused_when_in_use_or_absent() {
    let given = |last| {
        let mut stack = blog();
        stack.balancers["web"].floating_ip = Wanted::Given(Ipv4Addr::new(203, 0, 113, last));
        stack
    };
    let free = Plan::up(&given(240), &tenancy());
    let step = steps_on(&free, "floating-ip/vip-web");
    assert!(matches!(&step[0].action, Action::MoveFloatingIp { id, claim: Claim::Given, .. } if id == "given-240"));
    let absent = blocked(&given(99), |_| ());
    assert!(
        reasons(&absent).contains("floating IP 203.0.113.99: the project has no such floating IP"),
        "{}",
        reasons(&absent)
    );
    let in_use = blocked(&given(240), |cloud| cloud.floating_ips[0].port_id = Some("their-vm".to_owned()));
    assert!(reasons(&in_use).contains("it leads to port `their-vm`"), "{}", reasons(&in_use));
}

#[test]
fn a_given_floating_ip_takes_the_place_of_an_own_one_and_survives_down() {
    let mut toy = up(&blog());
    let mut stack = blog();
    stack.balancers["web"].floating_ip = Wanted::Given(Ipv4Addr::new(203, 0, 113, 240));
    assert_eq!(converge(&mut toy, &stack, &mut Dice(9)), Ok(1));
    let down = Plan::down("blog", &toy.look());
    drive(&mut toy, &stack, &down, &mut Dice(9), Trouble::None).unwrap();
    let given: Vec<_> = toy.cloud.floating_ips.iter().map(|one| (one.id.as_str(), one.port_id.as_deref())).collect();
    assert_eq!(given, [("given-240", None), ("given-241", None), ("given-242", None)]);
}

#[test]
fn somebody_elses_floating_ip_on_our_port_is_named_and_left_alone() {
    let mut toy = up(&blog());
    let own = toy
        .cloud
        .floating_ips
        .iter()
        .position(|one| one.key.as_ref().is_some_and(|key| key.name == "vip-web"))
        .unwrap();
    let port = toy.cloud.floating_ips.remove(own).port_id;
    toy.cloud.floating_ips[0].port_id = port;
    let blocked = plan(&toy, &blog()).blocked;
    assert!(reasons(&blocked).contains("floating IP 203.0.113.240 leads to its port already"), "{}", reasons(&blocked));
}

#[test]
fn a_paused_host_is_left_to_whoever_paused_it_and_a_stopped_one_is_started() {
    let mut toy = up(&blog());
    "PAUSED".clone_into(&mut toy.cloud.servers[0].status);
    assert!(reasons(&plan(&toy, &blog()).blocked).contains("Nova calls it PAUSED"));
    "SHUTOFF".clone_into(&mut toy.cloud.servers[0].status);
    assert_eq!(labels(&plan(&toy, &blog())), ["change host/lxd0", "wait host/lxd0"]);
}

#[test]
fn pairs_of_others_keep_port_security_on() {
    let mut toy = up(&blog());
    for port in toy.cloud.ports.iter_mut().filter(|port| !port.device_id.is_empty() && port.key.is_some()) {
        port.pairs.insert(Pair { mac: "00:00:5e:00:01:01".to_owned(), address: "198.18.0.1".to_owned() });
    }
    let mut stack = blog();
    stack.network.attach = AttachChoice::Only(Attachment::Open);
    let blocked = plan(&toy, &stack).blocked;
    assert!(
        reasons(&blocked).contains("port/lxd0: it has allowed address pairs of others (198.18.0.1)"),
        "{}",
        reasons(&blocked)
    );
}

#[test]
fn a_container_on_a_host_that_does_not_answer_is_not_made_anew_elsewhere() {
    for attach in [AttachChoice::Auto, AttachChoice::Only(Attachment::Open)] {
        let mut stack = blog();
        stack.network.attach = attach;
        stack.hosts["lxd"].count = 2;
        stack.services["hugo"].replicas = 3;
        let toy = up(&stack);
        let mut seen = toy.look();
        let down = Plan::up(&stack, &seen).places[0].host.clone();
        seen.hosts.insert(down.clone(), HostView::Unreachable("no route to host".to_owned()));
        let plan = Plan::up(&stack, &seen);
        assert_eq!(labels(&plan), [format!("wait host/{down}")], "{}", listed(&plan));
        assert_eq!(plan.steps[0].reason, "no route to host");
    }
}

#[test]
fn other_hosts_are_waited_for_after_the_jump_host_even_when_it_comes_later_in_the_file() {
    let mut stack = blog();
    stack.hosts.clear();
    stack.hosts.insert("inner".to_owned(), group(1, Wanted::No));
    stack.hosts.insert("lxd".to_owned(), group(1, Wanted::Any));
    let plan = Plan::up(&stack, &tenancy());
    let wait = |host: &str| {
        plan.steps
            .iter()
            .position(|step| matches!(&step.action, Action::AwaitHost { host: one, .. } if one == host))
            .unwrap()
    };
    assert!(plan.steps[wait("inner0")].after.contains(&wait("lxd0")), "{}", listed(&plan));
}

#[test]
fn pools_are_narrowed_once_and_given_back_when_the_file_says_no_more() {
    let mut stack = blog();
    stack.network.dhcp_pool = Some("192.168.0.2-192.168.0.20".parse().unwrap());
    let mut toy = up(&stack);
    assert_eq!(toy.subnet().pools.len(), 1);
    let before = toy.subnet().pools_before.clone().unwrap();
    assert_eq!(before, PoolsBefore::read("blog", &before.tag).unwrap());
    let plan = plan(&toy, &blog());
    assert_eq!(labels(&plan), ["change subnet/default"]);
    assert_eq!(converge(&mut toy, &blog(), &mut Dice(1)), Ok(1));
    assert_eq!(toy.subnet().pools, tenancy().networks[0].subnets[0].pools);
}

#[test]
fn an_unused_floating_ip_of_the_stacks_own_is_taken_before_a_new_one_is_made() {
    let mut stack = blog();
    stack.balancers.insert("api".to_owned(), crate::spec::model::Balancer { address: None, ..balancer("hugo", 81) });
    let mut toy = up(&stack);
    let one = toy
        .cloud
        .floating_ips
        .iter_mut()
        .find(|one| one.key.as_ref().is_some_and(|key| key.name == "vip-api"))
        .unwrap();
    one.port_id = None;
    let id = one.id.clone();
    let balancer = stack.balancers.shift_remove("api").unwrap();
    stack.balancers.insert("other".to_owned(), balancer);
    let plan = plan(&toy, &stack);
    let step = steps_on(&plan, "floating-ip/vip-other");
    assert!(
        matches!(&step[0].action, Action::MoveFloatingIp { id: moved, claim: Claim::Key, .. } if *moved == id),
        "{}",
        listed(&plan)
    );
    assert!(!plan.steps.iter().any(|step| step.keys[0].kind == Kind::FloatingIp && step.verb == Verb::Delete));
    assert_eq!(converge(&mut toy, &stack, &mut Dice(1)), Ok(1));
}
