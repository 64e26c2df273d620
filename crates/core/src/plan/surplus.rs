//! What carries a key of the stack and is wanted no more, or exists twice.
//!
//! Nothing else is ever deleted: a resource without the stack's key is somebody else's, whatever its name.

use super::{Action, Builder, Scene, Verb, containers, hosts as wanted, network};
use crate::book::one_of_each;
use crate::key::{Key, Kind};

const UNWANTED: &str = "the file wants it no more";
const TWIN: &str = "it is a second one with the same key";

/// Hosts that go, before anything of theirs is given to another host: a container's address must not be open twice.
pub(super) fn hosts(scene: &Scene<'_>, build: &mut Builder) {
    let members = members(scene);
    let (meant, twins) = one_of_each(&scene.seen.servers);
    for (key, server) in meant.into_iter().filter(|(key, _)| !wanted::wanted_host(scene.stack, &key.name)) {
        build.step(Verb::Delete, key, UNWANTED, &members, Action::DeleteServer { id: server.id.clone() });
    }
    for server in twins {
        build.step(Verb::Delete, &server.key, TWIN, &[], Action::DeleteServer { id: server.id.clone() });
    }
    for (key, port) in &scene.ground.ports {
        if key.kind == Kind::Port && !wanted::wanted_host(scene.stack, &key.name) {
            let after = [scene.key(Kind::Host, key.name.as_str())];
            build.step(Verb::Delete, key, UNWANTED, &after, Action::DeletePort { id: port.id.clone() });
        }
    }
}

/// Everything else that goes.
pub(super) fn rest(scene: &Scene<'_>, build: &mut Builder) {
    let members = members(scene);
    containers::surplus(scene, &members, build);
    balancers(scene, build);
    floating_ips(scene, build);
    ports(scene, build);
    groups(scene, build);
}

/// What a container leaves first: the pools that send it requests.
fn members(scene: &Scene<'_>) -> Vec<Key> {
    scene.stack.balancers.keys().map(|name| scene.key(Kind::Members, name)).collect()
}

fn balancers(scene: &Scene<'_>, build: &mut Builder) {
    let (meant, twins) = one_of_each(&scene.seen.balancers);
    for (key, balancer) in meant.into_iter().filter(|(key, _)| !scene.stack.balancers.contains_key(&key.name)) {
        build.step(Verb::Delete, key, UNWANTED, &[], Action::DeleteBalancer { id: balancer.id.clone() });
    }
    for balancer in twins {
        build.step(Verb::Delete, &balancer.key, TWIN, &[], Action::DeleteBalancer { id: balancer.id.clone() });
    }
}

fn floating_ips(scene: &Scene<'_>, build: &mut Builder) {
    let keep = wanted::wanted_floating_ips(scene.stack);
    let (meant, twins) = one_of_each(&scene.seen.floating_ips);
    let gone = meant.into_iter().filter(|(key, one)| !keep.contains(key) && !build.adopted(&one.id)).collect::<Vec<_>>();
    for (key, one) in gone {
        build.step(Verb::Delete, key, UNWANTED, &[], Action::DeleteFloatingIp { id: one.id.clone() });
    }
    for one in twins.into_iter().filter(|one| !build.adopted(&one.id)).collect::<Vec<_>>() {
        if let Some(key) = &one.key {
            build.step(Verb::Delete, key, TWIN, &[], Action::DeleteFloatingIp { id: one.id.clone() });
        }
    }
}

fn ports(scene: &Scene<'_>, build: &mut Builder) {
    let places: std::collections::BTreeSet<&str> = scene.places.iter().map(|place| place.container.as_str()).collect();
    let unused = |key: &Key| key.kind == Kind::Reservation && !places.contains(key.name.as_str());
    let pairs: Vec<Key> = scene.stack.host_names().map(|(host, _)| scene.key(Kind::Pairs, host)).collect();
    for (key, port) in scene.ground.ports.iter().filter(|(key, _)| unused(key)) {
        // The address stays held until no port lets it through and no container has it.
        let mut after = pairs.clone();
        after.push(scene.key(Kind::Container, key.name.as_str()));
        build.step(Verb::Delete, key, UNWANTED, &after, Action::DeletePort { id: port.id.clone() });
    }
    for port in one_of_each(&scene.seen.ports).1 {
        if let Some(key) = port.key.as_ref().filter(|key| key.stack == scene.stack.name) {
            build.step(Verb::Delete, key, TWIN, &[], Action::DeletePort { id: port.id.clone() });
        }
    }
}

fn groups(scene: &Scene<'_>, build: &mut Builder) {
    let wanted_groups = network::security_groups(scene);
    let users: Vec<Key> = scene
        .seen
        .ports
        .iter()
        .filter_map(|port| port.key.clone())
        .chain(scene.seen.balancers.iter().flat_map(|one| {
            let vip_port = scene.key(Kind::VipPort, one.key.name.as_str());
            [one.key.clone(), vip_port]
        }))
        .filter(|key| build.touches(key))
        .collect();
    let (meant, twins) = one_of_each(&scene.seen.security_groups);
    for (key, group) in meant {
        if !wanted_groups.contains_key(key) {
            build.step(Verb::Delete, key, UNWANTED, &users, Action::DeleteSecurityGroup { id: group.id.clone() });
        }
    }
    for group in twins {
        build.step(Verb::Delete, &group.key, TWIN, &users, Action::DeleteSecurityGroup { id: group.id.clone() });
    }
    let (meant, twins) = one_of_each(&scene.seen.server_groups);
    for (key, group) in meant {
        if scene.stack.hosts.get(&key.name).is_none_or(|hosts| hosts.count < 2) {
            build.step(Verb::Delete, key, UNWANTED, &[], Action::DeleteServerGroup { id: group.id.clone() });
        }
    }
    for group in twins {
        build.step(Verb::Delete, &group.key, TWIN, &[], Action::DeleteServerGroup { id: group.id.clone() });
    }
}
