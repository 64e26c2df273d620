//! The plan that takes a whole stack away.
//!
//! It needs no file and looks into no host: what lies on a host goes with it. Order matters to Neutron and Octavia: a
//! port in use cannot go, nor a security group that a port has.

use super::{Action, Plan, Verb, build::Builder, network};
use crate::key::{Key, Kind};
use crate::observed::Observed;

const REASON: &str = "it is of this stack";

pub(super) fn plan(stack: &str, seen: &Observed) -> Plan {
    let mut build = Builder::new(stack);
    let ours = |key: &Option<Key>| key.as_ref().is_some_and(|key| key.stack == stack);

    for one in seen.floating_ips.iter().filter(|one| ours(&one.key)) {
        if let Some(key) = &one.key {
            build.step(Verb::Delete, key, REASON, &[], Action::DeleteFloatingIp { id: one.id.clone() });
        }
    }
    let mut released = Vec::new();
    for one in seen.floating_ips.iter().filter(|one| one.given && one.key.is_none()) {
        let key = Key::new(stack, Kind::FloatingIp, one.address.to_string());
        let action = Action::ReleaseFloatingIp { id: one.id.clone() };
        build.step(Verb::Change, &key, "the file gave it; it stays the project's", &[], action);
        released.push(key);
    }
    let mut users = Vec::new();
    for balancer in &seen.balancers {
        // Its floating IP leads to a port that goes with it.
        let mut after = released.clone();
        after.push(Key::new(stack, Kind::FloatingIp, format!("vip-{}", balancer.key.name)));
        build.step(Verb::Delete, &balancer.key, REASON, &after, Action::DeleteBalancer { id: balancer.id.clone() });
        users.push(balancer.key.clone());
    }
    for server in &seen.servers {
        build.step(Verb::Delete, &server.key, REASON, &[], Action::DeleteServer { id: server.id.clone() });
    }
    for port in seen.ports.iter().filter(|port| ours(&port.key)) {
        if let Some(key) = &port.key {
            let mut after = released.clone();
            after.push(Key::new(stack, Kind::Host, key.name.as_str()));
            after.push(Key::new(stack, Kind::FloatingIp, format!("host-{}", key.name)));
            build.step(Verb::Delete, key, REASON, &after, Action::DeletePort { id: port.id.clone() });
            users.push(key.clone());
        }
    }
    // What a balancer has that nobody could look at cannot go yet.
    let unseen = seen.capabilities.balancers_unseen.as_ref();
    if let Some(reason) = unseen {
        build.note(format!("load balancers could not be looked at ({reason}), and stay"));
    }
    for group in seen.security_groups.iter().filter(|group| unseen.is_none() || !network::guards_vip(&group.key)) {
        build.step(Verb::Delete, &group.key, REASON, &users, Action::DeleteSecurityGroup { id: group.id.clone() });
    }
    let hosts: Vec<Key> = seen.servers.iter().map(|server| server.key.clone()).collect();
    for group in &seen.server_groups {
        build.step(Verb::Delete, &group.key, REASON, &hosts, Action::DeleteServerGroup { id: group.id.clone() });
    }
    // Last: only when no container's address is held any more may Neutron give those addresses away again.
    for network in &seen.networks {
        for subnet in &network.subnets {
            if let Some(before) = &subnet.pools_before {
                let key = build.key(Kind::Subnet, network.name.as_str());
                let action = Action::RestorePools { subnet_id: subnet.id.clone(), before: before.clone() };
                build.step(Verb::Change, &key, "it gets the allocation pools back that it had before", &users, action);
            }
        }
    }
    build.finish()
}
