//! The network side of a stack: the subnet's allocation pool, security groups and rules.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::providers::Guard;
use super::{Action, Builder, Scene, Verb};
use crate::key::{Key, Kind};
use crate::observed::{Admits, PoolsBefore};
use crate::render::{EXCHANGE_PORT, RING_PORT};
use crate::spec::model::Install;

/// Plans the allocation pool and the security groups with their rules.
pub(super) fn plan(scene: &Scene<'_>, build: &mut Builder) {
    pool(scene, build);
    for (key, wanted) in security_groups(scene) {
        security_group(scene, &key, &wanted, build);
    }
}

/// Narrows the subnet's allocation pool where the file asks for it.
fn pool(scene: &Scene<'_>, build: &mut Builder) {
    let Some(range) = scene.stack.network.dhcp_pool else { return };
    let subnet = scene.ground.subnet;
    let key = scene.key(Kind::Subnet, &scene.ground.network.name);
    if subnet.pools == [range] {
        build.unchanged(key);
        return;
    }
    if !subnet.cidr.contains(&range.first()) || !subnet.cidr.contains(&range.last()) {
        build.blocked(
            format!("dhcp_pool {range}"),
            format!("it does not lie in subnet {}", subnet.cidr),
            "choose a range inside the subnet",
        );
        return;
    }
    let now: Vec<String> = subnet.pools.iter().map(ToString::to_string).collect();
    let before = subnet.pools_before.is_none().then(|| PoolsBefore::of(&scene.stack.name, &subnet.pools));
    build.step(
        Verb::Change,
        &key,
        format!("Neutron gives away {} by itself; container addresses must stay out of that", now.join(", ")),
        &[],
        Action::NarrowPools { subnet_id: subnet.id.clone(), pools: vec![range], before },
    );
}

/// Whether Neutron may give an address away by itself once the pool is as the file says.
pub(super) fn gives_away(scene: &Scene<'_>, address: Ipv4Addr) -> bool {
    match scene.stack.network.dhcp_pool {
        Some(pool) => pool.contains(address),
        None => scene.ground.subnet.pools.iter().any(|pool| pool.contains(address)),
    }
}

/// Gives the subnet its pools back where the file narrows them no more.
pub(super) fn restore(scene: &Scene<'_>, build: &mut Builder) {
    let subnet = scene.ground.subnet;
    if let (None, Some(before)) = (scene.stack.network.dhcp_pool, &subnet.pools_before) {
        let action = Action::RestorePools { subnet_id: subnet.id.clone(), before: before.clone() };
        let key = scene.key(Kind::Subnet, &scene.ground.network.name);
        build.step(Verb::Change, &key, "the file narrows its allocation pools no more", &[], action);
    }
}

/// The key of the group that guards the hosts of a group of hosts.
pub(super) fn hosts_group(scene: &Scene<'_>, group: &str) -> Key {
    scene.key(Kind::SecurityGroup, format!("hosts-{group}"))
}

/// The key of the group that guards a balancer's VIP.
pub(super) fn vip_group(scene: &Scene<'_>, balancer: &str) -> Key {
    scene.key(Kind::SecurityGroup, format!("vip-{balancer}"))
}

/// Whether a group is that of some balancer's VIP.
pub(super) fn guards_vip(group: &Key) -> bool {
    group.name.starts_with("vip-")
}

/// Every security group of the stack with what it lets in: ssh to the hosts, the services' own ports from their own
/// subnet (balancers and the other services are there), or from whoever may connect to a balancer that leaves clients their
/// addresses, and nothing else.
pub(super) fn security_groups(scene: &Scene<'_>) -> BTreeMap<Key, BTreeSet<Admits>> {
    let mut groups: BTreeMap<Key, BTreeSet<Admits>> = BTreeMap::new();
    for (name, hosts) in &scene.stack.hosts {
        let admits = groups.entry(hosts_group(scene, name)).or_default();
        admits.extend(hosts.ssh_from.iter().map(|from| Admits::TcpFrom(22, from.trunc())));
        if scene.ground.hosts.len() > 1 {
            // The jump host opens the connections to the others.
            admits.insert(Admits::TcpFrom(22, scene.ground.subnet.cidr.trunc()));
        }
        admits.extend(ring(scene));
        let ports =
            scene.stack.services.values().filter(|service| service.hosts == *name).filter_map(|service| service.port);
        admits.extend(ports.map(|port| Admits::TcpFrom(port, scene.ground.subnet.cidr.trunc())));
    }
    for (name, balancer) in &scene.stack.balancers {
        let admits = |port: u16| balancer.allow.iter().map(move |from| Admits::TcpFrom(port, from.trunc()));
        let service = scene.stack.services.get(&balancer.service);
        match (Guard::of(scene, name, balancer), service.and_then(|service| Some((service, service.port?)))) {
            (Guard::VipGroups, _) => groups.entry(vip_group(scene, name)).or_default().extend(admits(balancer.listen)),
            (Guard::Members, Some((service, port))) => {
                groups.entry(hosts_group(scene, &service.hosts)).or_default().extend(admits(port));
            }
            (Guard::Members | Guard::AllowedCidrs | Guard::Nothing, _) => {}
        }
    }
    groups
}

/// How members of the ring reach the agents: those on the stack's other hosts, whose addresses nobody knows before they
/// are made, and whom the file lets in. The ring's key keeps everybody else out.
fn ring(scene: &Scene<'_>) -> Vec<Admits> {
    let agent = &scene.stack.agent;
    if agent.install == Install::No {
        return Vec::new();
    }
    let others = (scene.ground.hosts.len() > 1).then_some(scene.ground.subnet.cidr);
    let from = others.iter().chain(&agent.ring_from).map(Ipv4Net::trunc);
    from.flat_map(|from| {
        [Admits::TcpFrom(RING_PORT, from), Admits::UdpFrom(RING_PORT, from), Admits::TcpFrom(EXCHANGE_PORT, from)]
    })
    .collect()
}

fn security_group(scene: &Scene<'_>, key: &Key, wanted: &BTreeSet<Admits>, build: &mut Builder) {
    let rules = scene.key(Kind::SecurityGroupRule, key.name.as_str());
    let Some(group) = crate::book::meant(&scene.seen.security_groups, key) else {
        let name = format!("{}-{}", scene.stack.name, key.name);
        build.step(Verb::Create, key, "it does not exist", &[], Action::CreateSecurityGroup { name });
        create_rules(&rules, key, wanted.iter().cloned().collect(), build);
        return;
    };
    build.unchanged(key.clone());
    let present: BTreeSet<&Admits> = group.rules.iter().map(|rule| &rule.admits).collect();
    let missing: Vec<Admits> = wanted.iter().filter(|admits| !present.contains(admits)).cloned().collect();
    let mut kept = BTreeSet::new();
    for rule in &group.rules {
        let twice = !kept.insert(&rule.admits);
        if twice || !wanted.contains(&rule.admits) {
            let admits = describe(&rule.admits);
            let reason = if twice {
                format!("{admits} is let in by another rule too")
            } else {
                format!("nothing in the file asks for {admits}")
            };
            build.step(Verb::Change, &rules, reason, &[], Action::DeleteRule { id: rule.id.clone() });
        }
    }
    create_rules(&rules, key, missing, build);
    if !build.touches(&rules) {
        build.unchanged(rules);
    }
}

fn create_rules(rules: &Key, group: &Key, admits: Vec<Admits>, build: &mut Builder) {
    if admits.is_empty() {
        return;
    }
    let listed: Vec<String> = admits.iter().map(describe).collect();
    let reason = format!("to let in {}", listed.join(", "));
    build.step(
        Verb::Create,
        rules,
        reason,
        std::slice::from_ref(group),
        Action::CreateRules { group: group.clone(), admits },
    );
}

fn describe(admits: &Admits) -> String {
    let everybody = Ipv4Net::default();
    match admits {
        Admits::TcpFrom(port, from) if *from == everybody => format!("tcp {port} from anywhere"),
        Admits::TcpFrom(port, from) => format!("tcp {port} from {from}"),
        Admits::TcpFromGroup(port) => format!("tcp {port} from the group itself"),
        Admits::UdpFrom(port, from) if *from == everybody => format!("udp {port} from anywhere"),
        Admits::UdpFrom(port, from) => format!("udp {port} from {from}"),
        Admits::Other(what) => what.clone(),
    }
}
