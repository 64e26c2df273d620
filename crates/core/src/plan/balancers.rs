//! Balancers: Octavia load balancers as a whole. Their parts are planned in [`parts`](super::parts).
//!
//! The fast way is one request with the whole graph. It is never the only one: on some clouds the load balancer becomes
//! ACTIVE while its children stay PENDING_CREATE for ever, and every change of them is refused as immutable. A stuck
//! child is therefore rebuilt, together with its load balancer, piece by piece, and a balancer that was made so keeps
//! a tag that says it: where one is, graphs are not tried again.

use super::action::{BalancerParts, ListenerParts, MemberParts, MonitorParts, PoolParts};
use super::providers::{self, Guard, Words};
use super::{Action, Builder, Scene, Step, Verb, Write, floating_ips, network, parts, surplus};
use crate::book::{label, meant, one_of_each};
use crate::key::{Key, Kind};
use crate::observed::{Balancer as Seen, Provisioning};
use crate::spec::model::Balancer;

/// A balancer that is made only when something else of the stack has let go of its address.
pub(super) struct Late<'a> {
    name: &'a str,
    balancer: &'a Balancer,
    parts: BalancerParts,
    write: Write,
    reason: &'static str,
}

/// Plans all balancers. `reserved`: what must be there before Neutron may choose an address by itself; VIPs that the file
/// gives are added. Returned are the balancers whose address is still held, for [`plan_late`].
pub(super) fn plan<'a>(scene: &Scene<'a>, reserved: &mut Vec<Key>, build: &mut Builder) -> Vec<Late<'a>> {
    unwanted(scene, build);
    if let Some(reason) = &scene.seen.capabilities.balancers_unseen {
        build.note(format!(
            "load balancers could not be looked at ({reason}); one that an earlier file described may be left"
        ));
    }
    let (mut free, mut late) = (Vec::new(), Vec::new());
    if scene.stack.balancers.is_empty() {
        return late;
    }
    if scene.seen.capabilities.balancer_api.is_none() {
        build.blocked(
            "load balancers",
            "the cloud's catalogue has no service of type `load-balancer` (Octavia)",
            "take `balancers` out of the file, or use a cloud with Octavia",
        );
        return late;
    }
    let by_pieces = scene.seen.balancers.iter().any(|one| one.by_pieces || stuck(one).is_some());
    for (name, balancer) in &scene.stack.balancers {
        providers::plan(scene, name, balancer, build);
        // Graphs get stuck with OVN's provider too.
        let by_pieces = by_pieces || providers::is_ovn(scene, name, balancer);
        let way = if by_pieces { Write::Part } else { Write::Whole };
        let mut parts = wanted(scene, name, balancer);
        let key = scene.key(Kind::Balancer, name);
        let present = meant(&scene.seen.balancers, &key);
        let broken = present.and_then(|present| Some((present, beyond_repair(present, &parts)?)));
        let (write, reason) = match (present, broken) {
            (None, _) => (way, "it does not exist"),
            (Some(_), Some((present, (reason, write)))) => {
                build.step(Verb::Replace, &key, reason, &[], Action::DeleteBalancer { id: present.id.clone() });
                (if by_pieces { Write::Part } else { write }, "in place of the old one")
            }
            (Some(present), None) => {
                parts.members = before_turns(scene, present, &parts);
                keep(scene, name, present, &parts, build);
                floating_ip(scene, name, balancer, Some(&present.vip_port_id), build);
                continue;
            }
        };
        let holder = parts.address.and_then(|address| scene.held.get(&address));
        let one = Late { name, balancer, parts, write, reason };
        if holder.is_some_and(|holder| *holder != key) {
            late.push(one);
        } else if let Some(address) = one.parts.address {
            let subnet = scene.key(Kind::Subnet, &scene.ground.network.name);
            create(scene, &one, std::slice::from_ref(&subnet), build);
            if network::gives_away(scene, address) {
                reserved.push(scene.key(Kind::VipPort, name));
            }
        } else {
            free.push(one);
        }
    }
    for one in free {
        create(scene, &one, reserved, build);
    }
    late
}

/// Plans the balancers whose addresses other resources of the stack held.
pub(super) fn plan_late(scene: &Scene<'_>, late: Vec<Late<'_>>, build: &mut Builder) {
    for one in late {
        let holder = one.parts.address.and_then(|address| scene.held.get(&address)).cloned();
        create(scene, &one, holder.as_slice(), build);
    }
}

/// Plans what joins pools that serve already, once the containers are planned.
pub(super) fn plan_joining(scene: &Scene<'_>, build: &mut Builder) {
    for (name, balancer) in &scene.stack.balancers {
        if let Some((present, parts)) = kept(scene, name, balancer) {
            parts::join(scene, name, present, &parts, build);
        }
    }
}

/// A balancer that stays, and its parts as they are before the first container is replaced in its turn.
fn kept<'a>(scene: &Scene<'a>, name: &str, balancer: &Balancer) -> Option<(&'a Seen, BalancerParts)> {
    let mut parts = wanted(scene, name, balancer);
    let present = meant(&scene.seen.balancers, &scene.key(Kind::Balancer, name))?;
    if beyond_repair(present, &parts).is_some() {
        return None;
    }
    parts.members = before_turns(scene, present, &parts);
    Some((present, parts))
}

/// The members that a pool has before the first turn: who waits for one stays in where it is, and out where it is out,
/// for then it does not serve.
fn before_turns(scene: &Scene<'_>, present: &Seen, parts: &BalancerParts) -> Vec<MemberParts> {
    let pool = parts::kept_pool(present, parts);
    let stays = |member: &MemberParts| {
        let Some(&address) = scene.turns.get(&member.name) else { return Some(member.clone()) };
        let port = match pool {
            Some(pool) => pool.members.iter().find(|one| one.address == address)?.port,
            None => member.port,
        };
        Some(MemberParts { address, port, ..member.clone() })
    };
    parts.members.iter().filter_map(stays).collect()
}

/// The pool of a balancer that stays while containers are replaced one after another.
pub(super) struct Rotation<'a> {
    /// The balancer.
    pub(super) name: &'a str,
    /// Its members, before the first turn.
    pub(super) members: Vec<MemberParts>,
    /// Its members when all had their turn.
    pub(super) wanted: Vec<MemberParts>,
}

/// The balancers that have members while a service's containers are replaced. One that this plan makes has nobody to
/// serve yet.
pub(super) fn rotations<'a>(scene: &Scene<'a>, service: &str) -> Vec<Rotation<'a>> {
    let of_it = scene.stack.balancers.iter().filter(|(_, balancer)| balancer.service == service);
    let rotation = |(name, balancer): (&'a String, &'a Balancer)| {
        let members = kept(scene, name, balancer)?.1.members;
        Some(Rotation { name, members, wanted: wanted(scene, name, balancer).members })
    };
    of_it.filter_map(rotation).collect()
}

/// Plans the end of balancers that the file wants no more, and of twins. First of all, so that their VIPs are free.
fn unwanted(scene: &Scene<'_>, build: &mut Builder) {
    let (present, twins) = one_of_each(&scene.seen.balancers);
    let gone = present.into_iter().filter(|(key, _)| !scene.stack.balancers.contains_key(&key.name));
    let gone = gone
        .map(|(_, balancer)| (balancer, surplus::UNWANTED))
        .chain(twins.into_iter().map(|twin| (twin, surplus::TWIN)));
    for (balancer, reason) in gone {
        build.step(Verb::Delete, &balancer.key, reason, &[], Action::DeleteBalancer { id: balancer.id.clone() });
    }
}

fn floating_ip(scene: &Scene<'_>, name: &str, balancer: &Balancer, vip_port_id: Option<&str>, build: &mut Builder) {
    let key = floating_ips::of_balancer(scene.stack, name);
    floating_ips::plan(scene, &key, balancer.floating_ip, &scene.key(Kind::VipPort, name), vip_port_id, build);
}

/// What the file asks for, in Octavia's words.
fn wanted(scene: &Scene<'_>, name: &str, balancer: &Balancer) -> BalancerParts {
    let label = label(&scene.key(Kind::Balancer, name));
    let Words { protocol, algorithm, monitor, monitor_path } = Words::of(scene, name, balancer);
    let guard = Guard::of(scene, name, balancer);
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
        provider: balancer.provider.clone(),
        subnet_id: scene.ground.subnet.id.clone(),
        address: balancer.address,
        security_groups: if guard == Guard::VipGroups { vec![network::vip_group(scene, name)] } else { Vec::new() },
        listener: ListenerParts { name: label.clone(), protocol, port: balancer.listen, allowed_cidrs },
        pool: PoolParts { name: label.clone(), protocol, algorithm },
        members,
        monitor: MonitorParts { name: label, kind: monitor, path: monitor_path },
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
    let mut states: Vec<(&str, &Provisioning)> =
        balancer.listeners.iter().map(|one| ("listener", &one.state)).collect();
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
        Provisioning::Error => {
            return Some(("Octavia calls it ERROR, from which only a new one helps".to_owned(), Write::Whole));
        }
        Provisioning::Stuck(status) => {
            return Some((format!("it stays {status}; only the operator could clear that"), Write::Whole));
        }
        Provisioning::Active | Provisioning::Pending(_) => {}
    }
    if let Some(reason) = stuck(present) {
        return Some((
            format!("{reason}; a graph does not work on this cloud, so it is built piece by piece"),
            Write::Part,
        ));
    }
    if let Some((what, _)) = children(present).into_iter().find(|(_, state)| **state == Provisioning::Error) {
        return Some((format!("its {what} is in ERROR"), Write::Part));
    }
    if let Some(reason) = providers::differs(present, parts.provider.as_deref()) {
        return Some((reason, Write::Whole));
    }
    match (parts.address, present.vip) {
        (Some(wanted), Some(vip)) if wanted != vip => {
            Some((format!("its VIP is {vip} and cannot be changed in place"), Write::Whole))
        }
        _ => None,
    }
}

fn create(scene: &Scene<'_>, one: &Late<'_>, before: &[Key], build: &mut Builder) {
    let Late { name, balancer, parts, write, reason } = one;
    let key = scene.key(Kind::Balancer, *name);
    let mut keys = vec![key.clone(), scene.key(Kind::VipPort, *name)];
    let mut after: Vec<Key> = parts.security_groups.clone();
    after.extend(parts.security_groups.iter().map(|group| scene.key(Kind::SecurityGroupRule, group.name.as_str())));
    after.extend_from_slice(before);
    if *write == Write::Whole {
        keys.extend([Kind::Listener, Kind::Pool, Kind::Members, Kind::Monitor].map(|kind| scene.key(kind, *name)));
    }
    let reason = match write {
        Write::Whole => {
            format!("{reason}; with its listener, pool, {} members and monitor in one request", parts.members.len())
        }
        Write::Part => format!("{reason}; its parts follow"),
    };
    let action = Action::CreateBalancer { parts: Box::new(parts.clone()), write: *write };
    build.steps(Verb::Create, keys, reason, &after, action);
    if *write == Write::Part {
        await_it(&key, &[], build);
        parts::create(scene, name, parts, build);
    }
    floating_ip(scene, name, balancer, None, build);
}

/// Plans the wait for balancers that are made in one request. No step needs them, so they are waited for last, when the
/// service's containers serve: until then Octavia would be asked in vain, again and again.
pub(super) fn plan_waits(scene: &Scene<'_>, build: &mut Builder) {
    let is_whole = |step: &&Step| matches!(step.action, Action::CreateBalancer { write: Write::Whole, .. });
    let made: Vec<Key> =
        build.planned().iter().filter(is_whole).filter_map(|step| step.keys.first().cloned()).collect();
    for key in made {
        let service = scene.stack.balancers.get(&key.name).map(|balancer| &balancer.service);
        let members = scene.places.iter().filter(|place| Some(&place.service) == service);
        let members: Vec<Key> = members.map(|place| scene.key(Kind::Container, &place.container)).collect();
        await_it(&key, &members, build);
    }
}

fn await_it(key: &Key, after: &[Key], build: &mut Builder) {
    let action = Action::AwaitBalancer { balancer: key.clone() };
    build.step(Verb::Wait, key, "for Octavia to build it and all its parts", after, action);
}

/// Plans changes in place.
fn keep(scene: &Scene<'_>, name: &str, present: &Seen, parts: &BalancerParts, build: &mut Builder) {
    let key = scene.key(Kind::Balancer, name);
    let pending = matches!(present.state, Provisioning::Pending(_))
        || children(present).iter().any(|(_, state)| matches!(state, Provisioning::Pending(_)));
    if pending {
        let action = Action::AwaitBalancer { balancer: key.clone() };
        build.step(Verb::Wait, &key, "Octavia is at work on it", &[], action);
    }
    parts::keep(scene, name, present, parts, build);
    if !parts.security_groups.is_empty() {
        keep_vip(scene, name, present, build);
    }
    for kind in [Kind::Balancer, Kind::Listener, Kind::Pool, Kind::Members, Kind::Monitor] {
        build.unchanged(scene.key(kind, name));
    }
}

fn keep_vip(scene: &Scene<'_>, name: &str, present: &Seen, build: &mut Builder) {
    let (group, vip_port) = (network::vip_group(scene, name), scene.key(Kind::VipPort, name));
    let id = meant(&scene.seen.security_groups, &group).map(|group| &group.id);
    // The whole list is ours: a twin of the group could not go while the VIP has it.
    if id.is_some_and(|id| present.vip_security_groups.len() == 1 && present.vip_security_groups.contains(id)) {
        build.unchanged(vip_port);
        return;
    }
    let balancer = scene.key(Kind::Balancer, name);
    let action = Action::SetVipSecurityGroups { balancer: balancer.clone(), groups: vec![group.clone()] };
    build.step(Verb::Change, &vip_port, "its security group is missing", &[group, balancer], action);
}
