//! The parts of a load balancer: one listener, one pool, its members and a health monitor.
//!
//! Octavia locks a load balancer for each change of any of its parts, so the steps on one follow one another.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::action::BalancerParts;
use super::{Action, Builder, Scene, Verb};
use crate::book::own_pool;
use crate::key::{Key, Kind};
use crate::observed::{Balancer as Seen, Listener, Pool};

/// Plans all parts of a balancer that has none; `last` is the step before.
pub(super) fn create(scene: &Scene<'_>, name: &str, parts: &BalancerParts, build: &mut Builder) {
    let mut last = scene.key(Kind::Balancer, name);
    create_pool(scene, name, parts, &mut last, build);
    create_listener(scene, name, parts, &mut last, build);
}

/// The pool that stays: a pool's protocol cannot be changed.
pub(super) fn kept_pool<'a>(present: &'a Seen, parts: &BalancerParts) -> Option<&'a Pool> {
    own_pool(present).filter(|pool| pool.protocol == parts.pool.protocol)
}

/// Plans what brings the parts that are there to what the file says.
pub(super) fn keep(scene: &Scene<'_>, name: &str, present: &Seen, parts: &BalancerParts, build: &mut Builder) {
    let balancer = scene.key(Kind::Balancer, name);
    let last = &mut balancer.clone();
    let pool = kept_pool(present, parts);
    let is_kept = |id: Option<&String>| pool.is_some_and(|pool| Some(&pool.id) == id);
    let fits = |listener: &&Listener| {
        listener.protocol == parts.listener.protocol
            && listener.port == parts.listener.port
            && (pool.is_some() || listener.default_pool_id.is_none())
    };
    let listener = present
        .listeners
        .iter()
        .filter(fits)
        .min_by_key(|one| (!is_kept(one.default_pool_id.as_ref()), one.id.as_str()));

    // Octavia deletes no pool that a listener leads to, so listeners go first.
    for old in present.listeners.iter().filter(|one| listener.is_none_or(|kept| kept.id != one.id)) {
        let action = Action::DeleteListener { balancer: balancer.clone(), id: old.id.clone() };
        let reason = format!("it listens on {} {} for another pool or port than the file says", old.protocol, old.port);
        chain(build, last, Verb::Replace, scene.key(Kind::Listener, name), reason, action);
    }
    let led_to = listener.and_then(|listener| listener.default_pool_id.as_ref());
    let old_pools: Vec<&Pool> = present.pools.iter().filter(|one| !is_kept(Some(&one.id))).collect();
    let delete_pool = |old: &Pool, last: &mut Key, build: &mut Builder| {
        let action = Action::DeletePool { balancer: balancer.clone(), id: old.id.clone() };
        chain(
            build,
            last,
            Verb::Replace,
            scene.key(Kind::Pool, name),
            "it is not the pool that the file describes",
            action,
        );
    };
    for old in old_pools.iter().filter(|old| led_to != Some(&old.id)) {
        delete_pool(old, last, build);
    }
    match pool {
        Some(pool) => keep_pool(scene, name, pool, parts, last, build),
        None => create_pool(scene, name, parts, last, build),
    }
    match listener {
        Some(listener) => keep_listener(scene, name, listener, is_kept(led_to), parts, last, build),
        None => create_listener(scene, name, parts, last, build),
    }
    for old in old_pools.iter().filter(|old| led_to == Some(&old.id)) {
        delete_pool(old, last, build);
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

fn set_members(
    scene: &Scene<'_>,
    name: &str,
    parts: &BalancerParts,
    last: &mut Key,
    reason: &str,
    build: &mut Builder,
) {
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
    chain(
        build,
        last,
        Verb::Create,
        scene.key(Kind::Monitor, name),
        "so that a member that fails gets no requests",
        action,
    );
}

fn create_listener(scene: &Scene<'_>, name: &str, parts: &BalancerParts, last: &mut Key, build: &mut Builder) {
    let action = Action::CreateListener {
        balancer: scene.key(Kind::Balancer, name),
        pool: scene.key(Kind::Pool, name),
        parts: parts.listener.clone(),
    };
    chain(build, last, Verb::Create, scene.key(Kind::Listener, name), "it does not exist", action);
}

fn keep_pool(scene: &Scene<'_>, name: &str, pool: &Pool, parts: &BalancerParts, last: &mut Key, build: &mut Builder) {
    if pool.algorithm != parts.pool.algorithm {
        let reason = format!("it is {} and the file says {}", pool.algorithm, parts.pool.algorithm);
        let action = Action::ChangePool {
            balancer: scene.key(Kind::Balancer, name),
            id: pool.id.clone(),
            algorithm: parts.pool.algorithm.to_owned(),
        };
        chain(build, last, Verb::Change, scene.key(Kind::Pool, name), reason, action);
    }
    keep_members(scene, name, pool, parts, last, build);
    keep_monitor(scene, name, pool, parts, last, build);
}

/// A member, by what Octavia tells members apart.
type Door = (Ipv4Addr, u16);

/// How the members of a pool differ from what the file says.
struct Membership {
    staying: BTreeSet<Door>,
    missing: BTreeSet<Door>,
    surplus: BTreeSet<Door>,
}

impl Membership {
    fn of(pool: &Pool, parts: &BalancerParts) -> Self {
        let present: BTreeSet<Door> = pool.members.iter().map(|member| (member.address, member.port)).collect();
        let wanted: BTreeSet<Door> = parts.members.iter().map(|member| (member.address, member.port)).collect();
        Self { staying: &present & &wanted, missing: &wanted - &present, surplus: &present - &wanted }
    }

    /// Whether new members join others that serve already: those wait until their containers answer, for a balancer
    /// believes a new member to be well until its monitor has found out.
    fn is_joined(&self) -> bool {
        !self.staying.is_empty() && !self.missing.is_empty()
    }
}

fn listed(doors: &BTreeSet<Door>) -> String {
    doors.iter().map(|(address, port)| format!("{address}:{port}")).collect::<Vec<_>>().join(", ")
}

/// What leaves leaves now. What joins members that serve already comes later, with [`join`].
fn keep_members(
    scene: &Scene<'_>,
    name: &str,
    pool: &Pool,
    parts: &BalancerParts,
    last: &mut Key,
    build: &mut Builder,
) {
    let membership = Membership::of(pool, parts);
    let (missing, surplus) = (&membership.missing, &membership.surplus);
    if membership.is_joined() {
        if !surplus.is_empty() {
            let mut staying = parts.clone();
            staying.members.retain(|member| !missing.contains(&(member.address, member.port)));
            set_members(scene, name, &staying, last, &format!("{} wanted no more", listed(surplus)), build);
        }
        return;
    }
    let reason = match (missing.is_empty(), surplus.is_empty()) {
        (true, true) => return,
        (false, true) => format!("{} missing", listed(missing)),
        (true, false) => format!("{} wanted no more", listed(surplus)),
        (false, false) => format!("{} missing, {} wanted no more", listed(missing), listed(surplus)),
    };
    set_members(scene, name, parts, last, &reason, build);
}

/// Plans what joins members that serve already, after the containers that join answer.
pub(super) fn join(scene: &Scene<'_>, name: &str, present: &Seen, parts: &BalancerParts, build: &mut Builder) {
    let Some(pool) = kept_pool(present, parts) else { return };
    let membership = Membership::of(pool, parts);
    if !membership.is_joined() {
        return;
    }
    let joining = parts.members.iter().filter(|member| membership.missing.contains(&(member.address, member.port)));
    let mut after: Vec<Key> = joining.map(|member| scene.key(Kind::Container, member.name.as_str())).collect();
    after.extend([Kind::Balancer, Kind::Listener, Kind::Pool, Kind::Monitor].map(|kind| scene.key(kind, name)));
    let action = Action::SetMembers {
        balancer: scene.key(Kind::Balancer, name),
        pool: scene.key(Kind::Pool, name),
        members: parts.members.clone(),
    };
    let reason = format!("{} missing", listed(&membership.missing));
    build.step(Verb::Change, &scene.key(Kind::Members, name), reason, &after, action);
}

fn keep_monitor(
    scene: &Scene<'_>,
    name: &str,
    pool: &Pool,
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
            chain(
                build,
                last,
                Verb::Replace,
                key,
                format!("it checks {} and the file says {}", present.kind, parts.monitor.kind),
                action,
            );
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
    listener: &Listener,
    leads_to_pool: bool,
    parts: &BalancerParts,
    last: &mut Key,
    build: &mut Builder,
) {
    let cidrs: BTreeSet<String> = parts.listener.allowed_cidrs.iter().cloned().collect();
    if listener.allowed_cidrs == cidrs && leads_to_pool {
        return;
    }
    let reason = if leads_to_pool { "who may connect differs from the file" } else { "it does not lead to the pool" };
    let action = Action::ChangeListener {
        balancer: scene.key(Kind::Balancer, name),
        id: listener.id.clone(),
        allowed_cidrs: parts.listener.allowed_cidrs.clone(),
        pool: scene.key(Kind::Pool, name),
    };
    chain(build, last, Verb::Change, scene.key(Kind::Listener, name), reason, action);
}
