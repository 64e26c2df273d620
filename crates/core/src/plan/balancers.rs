//! Balancers: an Octavia load balancer with one listener, one pool, its members and a health monitor.
//!
//! The fast way is one request with the whole graph. It is never the only one: on some clouds the load balancer becomes
//! ACTIVE while its children stay PENDING_CREATE for ever, and every change of them is refused as immutable. A stuck
//! child is therefore rebuilt, together with its load balancer, piece by piece, and a balancer that was made so keeps
//! a tag that says it: where one is, graphs are not tried again.

use super::action::{BalancerParts, ListenerParts, MemberParts, MonitorParts, PoolParts};
use super::{Action, Builder, Scene, Verb, Write, hosts, network};
use crate::key::{Key, Kind};
use crate::observed::{Balancer as Seen, Provisioning};
use crate::spec::model::{Balancer, Method, Protocol, Stack};

/// How a VIP is guarded; each since the version of Octavia's API that its release notes name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// `vip_sg_ids`, since 2.29: a group of ours on the VIP.
    VipGroups,
    /// `allowed_cidrs` of a listener, since 2.12: Octavia keeps the VIP's group by itself.
    AllowedCidrs,
    /// A group of ours on the VIP's port, put there through Neutron.
    PortGroups,
}

impl Guard {
    pub(super) fn of(scene: &Scene<'_>) -> Self {
        match scene.seen.capabilities.balancer_api {
            Some(version) if version >= (2, 29) => Self::VipGroups,
            Some(version) if version >= (2, 12) => Self::AllowedCidrs,
            _ => Self::PortGroups,
        }
    }

    pub(super) fn needs_group(self) -> bool {
        self != Self::AllowedCidrs
    }
}

pub(super) fn floating_ip_key(stack: &Stack, balancer: &str) -> Key {
    Key::new(&stack.name, Kind::FloatingIp, format!("vip-{balancer}"))
}

pub(super) fn plan(scene: &Scene<'_>, build: &mut Builder) {
    if scene.stack.balancers.is_empty() {
        return;
    }
    if scene.seen.capabilities.balancer_api.is_none() {
        return build.blocked(
            "load balancers",
            "the cloud's catalogue has no service of type `load-balancer` (Octavia)",
            "take `balancers` out of the file, or use a cloud with Octavia",
        );
    }
    let by_pieces = scene.seen.balancers.iter().any(|one| one.by_pieces || stuck(one).is_some());
    for (name, balancer) in &scene.stack.balancers {
        let parts = parts(scene, name, balancer);
        let key = scene.key(Kind::Balancer, name);
        let present = crate::book::one_of_each(&scene.seen.balancers).0.get(&key).copied();
        match present {
            None => create(scene, name, &parts, "it does not exist", if by_pieces { Write::Part } else { Write::Whole }, build),
            Some(present) => match beyond_repair(present, &parts) {
                Some((reason, write)) => {
                    build.step(Verb::Replace, &key, reason, &[], Action::DeleteBalancer { id: present.id.clone() });
                    let write = if by_pieces { Write::Part } else { write };
                    create(scene, name, &parts, "in place of the old one", write, build);
                }
                None => keep(scene, name, present, &parts, build),
            },
        }
        let vip_port = scene.key(Kind::VipPort, name);
        let vip_port_id = present.filter(|_| !build.touches(&vip_port)).map(|present| present.vip_port_id.as_str());
        hosts::floating_ip(scene, &floating_ip_key(scene.stack, name), balancer.floating_ip, &vip_port, vip_port_id, build);
    }
}

fn parts(scene: &Scene<'_>, name: &str, balancer: &Balancer) -> BalancerParts {
    let label = format!("{}-{name}", scene.stack.name);
    let protocol = match balancer.protocol {
        Protocol::Http => "HTTP",
        Protocol::Tcp => "TCP",
    };
    let guard = Guard::of(scene);
    let open_to_all = balancer.allow.iter().any(|from| from.prefix_len() == 0);
    let allowed_cidrs = if guard == Guard::AllowedCidrs && !open_to_all {
        balancer.allow.iter().map(|from| from.trunc().to_string()).collect()
    } else {
        Vec::new()
    };
    let port = scene.stack.services.get(&balancer.service).and_then(|service| service.port).unwrap_or(balancer.listen);
    let members = scene
        .places
        .iter()
        .filter(|place| place.service == balancer.service)
        .map(|place| MemberParts {
            name: place.container.clone(),
            address: place.address,
            port,
            subnet_id: scene.ground.subnet.id.clone(),
        })
        .collect();
    BalancerParts {
        name: label.clone(),
        subnet_id: scene.ground.subnet.id.clone(),
        address: balancer.address,
        security_groups: if guard == Guard::VipGroups { vec![network::vip_group(scene, name)] } else { Vec::new() },
        listener: ListenerParts { name: label.clone(), protocol, port: balancer.listen, allowed_cidrs },
        pool: PoolParts {
            name: label.clone(),
            protocol,
            algorithm: match balancer.method {
                Method::RoundRobin => "ROUND_ROBIN",
                Method::LeastConnections => "LEAST_CONNECTIONS",
                Method::SourceIp => "SOURCE_IP",
                Method::SourceIpPort => "SOURCE_IP_PORT",
            },
        },
        members,
        monitor: MonitorParts {
            name: label,
            kind: if balancer.monitor_path.is_some() { "HTTP" } else { "TCP" },
            path: balancer.monitor_path.clone(),
        },
    }
}

/// The child that is stuck, in words.
fn stuck(balancer: &Seen) -> Option<String> {
    let states = children(balancer);
    states.into_iter().find_map(|(what, state)| match state {
        Provisioning::Stuck(status) => Some(format!("its {what} stays {status} though the load balancer is ACTIVE")),
        _ => None,
    })
}

fn children(balancer: &Seen) -> Vec<(&'static str, &Provisioning)> {
    let mut states: Vec<(&str, &Provisioning)> = balancer.listeners.iter().map(|one| ("listener", &one.state)).collect();
    for pool in &balancer.pools {
        states.push(("pool", &pool.state));
        states.extend(pool.members.iter().map(|member| ("member", &member.state)));
        states.extend(pool.monitor.iter().map(|monitor| ("health monitor", &monitor.state)));
    }
    states
}

/// Why a balancer must be made anew, and how; `None` when changes in place will do.
fn beyond_repair(present: &Seen, parts: &BalancerParts) -> Option<(String, Write)> {
    match &present.state {
        Provisioning::Error => return Some(("Octavia calls it ERROR, from which only a new one helps".to_owned(), Write::Whole)),
        Provisioning::Stuck(status) => {
            return Some((format!("it stays {status}; only the operator could clear that"), Write::Whole));
        }
        Provisioning::Active | Provisioning::Pending(_) => {}
    }
    if let Some(reason) = stuck(present) {
        return Some((format!("{reason}; a graph does not work on this cloud, so it is built piece by piece"), Write::Part));
    }
    if let Some((what, _)) = children(present).into_iter().find(|(_, state)| **state == Provisioning::Error) {
        return Some((format!("its {what} is in ERROR"), Write::Part));
    }
    match (parts.address, present.vip) {
        (Some(wanted), Some(vip)) if wanted != vip => Some((format!("its VIP is {vip} and cannot be changed in place"), Write::Whole)),
        _ => None,
    }
}

fn create(scene: &Scene<'_>, name: &str, parts: &BalancerParts, reason: &str, write: Write, build: &mut Builder) {
    let key = scene.key(Kind::Balancer, name);
    let mut keys = vec![key.clone(), scene.key(Kind::VipPort, name)];
    let mut after: Vec<Key> = parts.security_groups.clone();
    after.extend(parts.security_groups.iter().map(|group| scene.key(Kind::SecurityGroupRule, group.name.as_str())));
    if parts.address.is_none() {
        after.extend(network::before_free_choice(scene));
    }
    if write == Write::Whole {
        keys.extend([Kind::Listener, Kind::Pool, Kind::Members, Kind::Monitor].map(|kind| scene.key(kind, name)));
    }
    let reason = match write {
        Write::Whole => format!("{reason}; with its listener, pool, {} members and monitor in one request", parts.members.len()),
        Write::Part => format!("{reason}; its parts follow"),
    };
    let action = Action::CreateBalancer { parts: Box::new(parts.clone()), write };
    build.steps(Verb::Create, keys, reason, &after, action);
    build.step(Verb::Wait, &key, "for Octavia to build it and all its parts", &[], Action::AwaitBalancer { balancer: key.clone() });
    if write == Write::Part {
        let mut last = key;
        create_pool(scene, name, parts, &mut last, build);
        create_listener(scene, name, parts, &mut last, "it does not exist", build);
    }
    if Guard::of(scene) == Guard::PortGroups {
        vip_groups(scene, name, "nothing is let in without it", build);
    }
}

/// Steps on one load balancer follow one another: Octavia locks it for each change.
fn chain(build: &mut Builder, last: &mut Key, verb: Verb, key: Key, reason: impl Into<String>, action: Action) {
    build.step(verb, &key, reason, std::slice::from_ref(last), action);
    *last = key;
}

fn create_pool(scene: &Scene<'_>, name: &str, parts: &BalancerParts, last: &mut Key, build: &mut Builder) {
    let balancer = scene.key(Kind::Balancer, name);
    let pool = scene.key(Kind::Pool, name);
    let action = Action::CreatePool { balancer, parts: parts.pool.clone() };
    chain(build, last, Verb::Create, pool, "it does not exist", action);
    set_members(scene, name, parts, last, "the pool is new", build);
    create_monitor(scene, name, parts, last, build);
}

fn set_members(scene: &Scene<'_>, name: &str, parts: &BalancerParts, last: &mut Key, reason: &str, build: &mut Builder) {
    let action = Action::SetMembers {
        balancer: scene.key(Kind::Balancer, name),
        pool: scene.key(Kind::Pool, name),
        members: parts.members.clone(),
    };
    chain(build, last, Verb::Change, scene.key(Kind::Members, name), reason, action);
}

fn create_monitor(scene: &Scene<'_>, name: &str, parts: &BalancerParts, last: &mut Key, build: &mut Builder) {
    let action = Action::CreateMonitor {
        balancer: scene.key(Kind::Balancer, name),
        pool: scene.key(Kind::Pool, name),
        parts: parts.monitor.clone(),
    };
    chain(build, last, Verb::Create, scene.key(Kind::Monitor, name), "so that a member that fails gets no requests", action);
}

fn create_listener(scene: &Scene<'_>, name: &str, parts: &BalancerParts, last: &mut Key, reason: &str, build: &mut Builder) {
    let action = Action::CreateListener {
        balancer: scene.key(Kind::Balancer, name),
        pool: scene.key(Kind::Pool, name),
        parts: parts.listener.clone(),
    };
    chain(build, last, Verb::Create, scene.key(Kind::Listener, name), reason, action);
}

fn vip_groups(scene: &Scene<'_>, name: &str, reason: &str, build: &mut Builder) {
    let group = network::vip_group(scene, name);
    let action = Action::SetVipSecurityGroups {
        balancer: scene.key(Kind::Balancer, name),
        groups: vec![group.clone()],
        by_octavia: Guard::of(scene) == Guard::VipGroups,
    };
    let balancer = scene.key(Kind::Balancer, name);
    build.step(Verb::Change, &scene.key(Kind::VipPort, name), reason, &[group, balancer], action);
}

/// Plans changes in place.
fn keep(scene: &Scene<'_>, name: &str, present: &Seen, parts: &BalancerParts, build: &mut Builder) {
    let key = scene.key(Kind::Balancer, name);
    let pending = matches!(present.state, Provisioning::Pending(_))
        || children(present).iter().any(|(_, state)| matches!(state, Provisioning::Pending(_)));
    let mut last = key.clone();
    if pending {
        let action = Action::AwaitBalancer { balancer: key.clone() };
        build.step(Verb::Wait, &key, "Octavia is at work on it", &[], action);
    }
    let pool_id = keep_pool(scene, name, present, parts, &mut last, build);
    keep_listener(scene, name, present, parts, pool_id.as_deref(), &mut last, build);
    keep_vip(scene, name, present, build);
    for kind in [Kind::Balancer, Kind::Listener, Kind::Pool, Kind::Members, Kind::Monitor] {
        build.unchanged(scene.key(kind, name));
    }
}

/// The id of the pool that stays; `None` when it is made anew.
fn keep_pool(
    scene: &Scene<'_>,
    name: &str,
    present: &Seen,
    parts: &BalancerParts,
    last: &mut Key,
    build: &mut Builder,
) -> Option<String> {
    let balancer = scene.key(Kind::Balancer, name);
    let pool_key = scene.key(Kind::Pool, name);
    let fits = |pool: &&crate::observed::Pool| pool.name == parts.pool.name && pool.protocol == parts.pool.protocol;
    let kept = present.pools.iter().find(fits);
    for pool in present.pools.iter().filter(|pool| kept.is_none_or(|kept| kept.id != pool.id)) {
        // A listener that leads to it must go first; Octavia refuses to delete a pool in use.
        for listener in present.listeners.iter().filter(|one| one.default_pool_id.as_ref() == Some(&pool.id)) {
            let action = Action::DeleteListener { balancer: balancer.clone(), id: listener.id.clone() };
            chain(build, last, Verb::Replace, scene.key(Kind::Listener, name), "its pool is made anew", action);
        }
        let action = Action::DeletePool { balancer: balancer.clone(), id: pool.id.clone() };
        chain(build, last, Verb::Replace, pool_key.clone(), "its protocol or name is not what the file says", action);
    }
    let Some(pool) = kept else {
        create_pool(scene, name, parts, last, build);
        return None;
    };
    if pool.algorithm != parts.pool.algorithm {
        let reason = format!("it is {} and the file says {}", pool.algorithm, parts.pool.algorithm);
        let action =
            Action::ChangePool { balancer: balancer.clone(), id: pool.id.clone(), algorithm: parts.pool.algorithm.to_owned() };
        chain(build, last, Verb::Change, pool_key, reason, action);
    }
    keep_members(scene, name, pool, parts, last, build);
    keep_monitor(scene, name, pool, parts, last, build);
    Some(pool.id.clone())
}

fn keep_members(
    scene: &Scene<'_>,
    name: &str,
    pool: &crate::observed::Pool,
    parts: &BalancerParts,
    last: &mut Key,
    build: &mut Builder,
) {
    let present: std::collections::BTreeSet<_> = pool.members.iter().map(|member| (member.address, member.port)).collect();
    let wanted: std::collections::BTreeSet<_> = parts.members.iter().map(|member| (member.address, member.port)).collect();
    let listed = |set: Vec<&(std::net::Ipv4Addr, u16)>| {
        set.iter().map(|(address, port)| format!("{address}:{port}")).collect::<Vec<_>>().join(", ")
    };
    let (missing, surplus): (Vec<_>, Vec<_>) = (wanted.difference(&present).collect(), present.difference(&wanted).collect());
    let reason = match (missing.is_empty(), surplus.is_empty()) {
        (true, true) => return,
        (false, true) => format!("{} missing", listed(missing)),
        (true, false) => format!("{} wanted no more", listed(surplus)),
        (false, false) => format!("{} missing, {} wanted no more", listed(missing), listed(surplus)),
    };
    set_members(scene, name, parts, last, &reason, build);
}

fn keep_monitor(
    scene: &Scene<'_>,
    name: &str,
    pool: &crate::observed::Pool,
    parts: &BalancerParts,
    last: &mut Key,
    build: &mut Builder,
) {
    let balancer = scene.key(Kind::Balancer, name);
    let key = scene.key(Kind::Monitor, name);
    match &pool.monitor {
        None => create_monitor(scene, name, parts, last, build),
        Some(present) if present.kind != parts.monitor.kind => {
            let action = Action::DeleteMonitor { balancer, id: present.id.clone() };
            chain(build, last, Verb::Replace, key, format!("it checks {} and the file says {}", present.kind, parts.monitor.kind), action);
            create_monitor(scene, name, parts, last, build);
        }
        Some(present) => {
            if let Some(path) = parts.monitor.path.as_ref().filter(|path| present.path.as_ref() != Some(path)) {
                let action = Action::ChangeMonitor { balancer, id: present.id.clone(), path: path.clone() };
                chain(build, last, Verb::Change, key, format!("it asks for another path than {path}"), action);
            }
        }
    }
}

fn keep_listener(
    scene: &Scene<'_>,
    name: &str,
    present: &Seen,
    parts: &BalancerParts,
    pool_id: Option<&str>,
    last: &mut Key,
    build: &mut Builder,
) {
    let balancer = scene.key(Kind::Balancer, name);
    let key = scene.key(Kind::Listener, name);
    // Without its pool every listener that led to it was planned away.
    let stays = |listener: &&crate::observed::Listener| pool_id.is_some() || listener.default_pool_id.is_none();
    let fits = |listener: &&crate::observed::Listener| {
        listener.name == parts.listener.name
            && listener.protocol == parts.listener.protocol
            && listener.port == parts.listener.port
    };
    let kept = present.listeners.iter().filter(stays).find(fits);
    for listener in present.listeners.iter().filter(stays).filter(|one| kept.is_none_or(|kept| kept.id != one.id)) {
        let action = Action::DeleteListener { balancer: balancer.clone(), id: listener.id.clone() };
        let reason = format!("it listens on {} {}, which the file does not say", listener.protocol, listener.port);
        chain(build, last, Verb::Replace, key.clone(), reason, action);
    }
    let Some(listener) = kept else {
        return create_listener(scene, name, parts, last, "it does not exist", build);
    };
    let cidrs: std::collections::BTreeSet<String> = parts.listener.allowed_cidrs.iter().cloned().collect();
    let leads = pool_id.is_some() && listener.default_pool_id.as_deref() == pool_id;
    if listener.allowed_cidrs != cidrs || !leads {
        let reason = if leads { "who may connect differs from the file" } else { "it does not lead to the pool" };
        let action = Action::ChangeListener {
            balancer,
            id: listener.id.clone(),
            allowed_cidrs: parts.listener.allowed_cidrs.clone(),
            pool: scene.key(Kind::Pool, name),
        };
        chain(build, last, Verb::Change, key, reason, action);
    }
}

fn keep_vip(scene: &Scene<'_>, name: &str, present: &Seen, build: &mut Builder) {
    let group = network::vip_group(scene, name);
    let group_id = scene.seen.security_groups.iter().filter(|one| one.key == group).map(|one| &one.id).min();
    let guarded = match Guard::of(scene) {
        Guard::AllowedCidrs => return,
        Guard::VipGroups => group_id.is_some_and(|id| present.vip_security_groups.contains(id)),
        Guard::PortGroups => {
            let port = scene.seen.ports.iter().find(|port| port.id == present.vip_port_id);
            group_id.is_some_and(|id| port.is_some_and(|port| port.security_groups.contains(id)))
        }
    };
    if guarded {
        build.unchanged(scene.key(Kind::VipPort, name));
    } else {
        vip_groups(scene, name, "its security group is missing", build);
    }
}
