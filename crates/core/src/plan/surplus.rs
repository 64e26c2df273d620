//! What else carries a key of the stack and is wanted no more, or exists twice: floating IPs, twins of ports, groups.
//!
//! Nothing else is ever deleted: a resource without the stack's key is somebody else's, whatever its name.

use super::{Action, Builder, Scene, Verb, floating_ips, network};
use crate::book::one_of_each;
use crate::key::{Key, Kind};

/// Why something goes that the file does not name any more.
pub(super) const UNWANTED: &str = "the file wants it no more";
/// Why one of two goes.
pub(super) const TWIN: &str = "it is a second one with the same key";

pub(super) fn plan(scene: &Scene<'_>, build: &mut Builder) {
    floating(scene, build);
    for port in one_of_each(&scene.seen.ports).1 {
        if let Some(key) = port.key.as_ref().filter(|key| key.stack == scene.stack.name && key.kind == Kind::Port) {
            build.step(Verb::Delete, key, TWIN, &[], Action::DeletePort { id: port.id.clone() });
        }
    }
    security_groups(scene, build);
    server_groups(scene, build);
}

fn floating(scene: &Scene<'_>, build: &mut Builder) {
    let keep = floating_ips::wanted(scene.stack);
    let (meant, twins) = one_of_each(&scene.seen.floating_ips);
    let unwanted = meant.into_iter().filter(|(key, _)| !keep.contains(key)).map(|(key, one)| (key, one, UNWANTED));
    let twins = twins.into_iter().filter_map(|one| Some((one.key.as_ref()?, one, TWIN)));
    for (key, one, reason) in unwanted.chain(twins) {
        if key.stack == scene.stack.name && !build.settled(&one.id) {
            build.step(Verb::Delete, key, reason, &[], Action::DeleteFloatingIp { id: one.id.clone() });
        }
    }
}

/// A security group goes after all that may have it: ports and VIPs that this plan changes or takes away.
fn security_groups(scene: &Scene<'_>, build: &mut Builder) {
    let wanted = network::security_groups(scene);
    let (meant, twins) = one_of_each(&scene.seen.security_groups);
    let unwanted = meant.into_iter().filter(|(key, _)| !wanted.contains_key(*key)).map(|(_, group)| (group, UNWANTED));
    // Whether a balancer that nobody could look at still has its group is not known.
    let unseen = scene.seen.capabilities.balancers_unseen.is_some();
    let unwanted = unwanted.filter(|(group, _)| !(unseen && network::guards_vip(&group.key)));
    let going: Vec<_> = unwanted.chain(twins.into_iter().map(|group| (group, TWIN))).collect();
    if going.is_empty() {
        return;
    }
    let ports = scene.seen.ports.iter().filter_map(|port| port.key.clone());
    let balancers = scene.seen.balancers.iter().flat_map(|one| {
        let name = one.key.name.as_str();
        [one.key.clone(), scene.key(Kind::VipPort, name), scene.key(Kind::Listener, name)]
    });
    let users: Vec<Key> = ports.chain(balancers).filter(|key| build.touches(key)).collect();
    for (group, reason) in going {
        build.step(Verb::Delete, &group.key, reason, &users, Action::DeleteSecurityGroup { id: group.id.clone() });
    }
}

fn server_groups(scene: &Scene<'_>, build: &mut Builder) {
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
