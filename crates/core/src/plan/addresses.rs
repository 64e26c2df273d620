//! Which address each container has, and who else holds one that is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::{Builder, Ground};
use crate::key::{Key, Kind};
use crate::observed::{Observed, Port};
use crate::spec::model::Stack;

/// Gives every container an address: the one in the file, else the one its reservation already holds, else the lowest
/// free one of `network.containers`.
pub(super) fn assign(
    stack: &Stack,
    seen: &Observed,
    ground: &Ground<'_>,
    build: &mut Builder,
) -> BTreeMap<String, Ipv4Addr> {
    let holders = holders(seen);
    let mut assigned = BTreeMap::new();
    let mut taken: BTreeSet<Ipv4Addr> = stack.balancers.values().filter_map(|balancer| balancer.address).collect();
    taken.extend(stack.services.values().filter_map(|service| service.address));
    taken.extend(ground.subnet.gateway);

    let mut waiting = Vec::new();
    for (service_name, service) in &stack.services {
        for number in 0..service.replicas {
            let container = format!("{service_name}-{number}");
            let reserved =
                ground.ports.get(&build.key(Kind::Reservation, &container)).and_then(|port| port.addresses.first());
            match (number, service.address, reserved) {
                (0, Some(address), _) => {
                    assigned.insert(container, address);
                }
                (_, _, Some(&address)) if stack.network.containers.contains(address) && taken.insert(address) => {
                    assigned.insert(container, address);
                }
                _ => waiting.push(container),
            }
        }
    }

    let mut free = stack
        .network
        .containers
        .addresses()
        .filter(|address| !taken.contains(address) && !holders.contains_key(address) && usable(ground, *address));
    let mut short = 0_usize;
    for container in waiting {
        match free.next() {
            Some(address) => {
                assigned.insert(container, address);
            }
            None => short += 1,
        }
    }
    if short > 0 {
        build.blocked(
            format!("addresses {}", stack.network.containers),
            format!("{short} more addresses are needed than are free; others hold some of them on this network"),
            "widen `network.containers` or lower `replicas`",
        );
    }

    for (container, address) in &assigned {
        let key = build.key(Kind::Reservation, container);
        refuse_other_holder(*address, &key, &format!("container `{container}`"), (stack, ground), &holders, build);
    }
    for (name, balancer) in &stack.balancers {
        if let Some(address) = balancer.address {
            let key = build.key(Kind::Balancer, name);
            if !seen.balancers.iter().any(|one| one.key == key && one.vip == Some(address)) {
                refuse_other_holder(address, &key, &format!("balancer `{name}`"), (stack, ground), &holders, build);
            }
        }
    }
    assigned
}

/// A port, and the balancer of the stack whose VIP it is.
type Holder<'a> = (&'a Port, Option<&'a Key>);

/// Every port by the addresses that it holds.
fn holders(seen: &Observed) -> BTreeMap<Ipv4Addr, Holder<'_>> {
    let vips: BTreeMap<&str, &Key> = seen.balancers.iter().map(|one| (one.vip_port_id.as_str(), &one.key)).collect();
    let mut holders = BTreeMap::new();
    for port in &seen.ports {
        let vip_of = vips.get(port.id.as_str()).copied();
        holders.extend(port.addresses.iter().map(|address| (*address, (port, vip_of))));
    }
    holders
}

/// What the stack itself holds, by address: what must go before another of its resources can have the address.
pub(super) fn held(stack: &Stack, seen: &Observed) -> BTreeMap<Ipv4Addr, Key> {
    let mut held = BTreeMap::new();
    for (port, key) in seen.ports.iter().filter_map(|port| Some((port, port.key.as_ref()?))) {
        if key.stack == stack.name {
            held.extend(port.addresses.iter().map(|address| (*address, key.clone())));
        }
    }
    held.extend(seen.balancers.iter().filter_map(|one| Some((one.vip?, one.key.clone()))));
    held
}

fn usable(ground: &Ground<'_>, address: Ipv4Addr) -> bool {
    let subnet = ground.subnet.cidr;
    subnet.contains(&address) && address != subnet.network() && address != subnet.broadcast()
}

fn refuse_other_holder(
    address: Ipv4Addr,
    key: &Key,
    who: &str,
    (stack, ground): (&Stack, &Ground<'_>),
    holders: &BTreeMap<Ipv4Addr, Holder<'_>>,
    build: &mut Builder,
) {
    let subject = format!("address {address}");
    if !usable(ground, address) {
        build.blocked(
            subject,
            format!("{who} wants it, but it is no usable address of subnet {}", ground.subnet.cidr),
            "choose an address inside the subnet",
        );
        return;
    }
    let Some((port, vip_of)) = holders.get(&address) else { return };
    if gives_way(stack, ground, key, address, port.key.as_ref().or(*vip_of)) {
        return;
    }
    build.blocked(subject, format!("{who} wants it, but {} holds it", describe(port)), way_out(port));
}

/// What can be done about a port that holds a wanted address.
fn way_out(port: &Port) -> String {
    match port.device_id.strip_prefix("lb-").filter(|_| port.device_owner == "Octavia") {
        // Octavia has the port made before it looks at the rest of what it is asked for.
        Some(balancer) => format!(
            "choose another address in the file, or free this one: `openstack loadbalancer show {balancer}` says whose it is; where \
             there is none, Octavia has refused it and left its port behind, and `openstack port delete {}` takes that away",
            port.id
        ),
        None => "choose another address in the file, or free this one; narrowing the subnet's DHCP pool (`network.dhcp_pool`) \
                 keeps Neutron from giving container addresses away"
            .to_owned(),
    }
}

/// Whether the holder of an address is the stack's own and lets go of it in this very plan.
fn gives_way(stack: &Stack, ground: &Ground<'_>, wanted_by: &Key, address: Ipv4Addr, holder: Option<&Key>) -> bool {
    let Some(holder) = holder.filter(|holder| holder.stack == wanted_by.stack) else { return false };
    match holder.kind {
        // No two containers of a stack have one address: either it is this one's, or its container has another now.
        Kind::Reservation => true,
        Kind::Port => !ground.hosts.contains_key(&holder.name),
        Kind::Balancer => stack
            .balancers
            .get(&holder.name)
            .is_none_or(|balancer| balancer.address.is_some_and(|other| other != address)),
        _ => false,
    }
}

/// A port as a person would recognise it.
fn describe(port: &Port) -> String {
    let role = match port.device_owner.as_str() {
        "network:dhcp" => "Neutron's own DHCP port".to_owned(),
        "network:router_interface"
        | "network:ha_router_replicated_interface"
        | "network:router_interface_distributed" => "a router's port".to_owned(),
        owner if owner.starts_with("compute:") => format!("the port of server `{}`", port.device_id),
        "Octavia" => "the port of a load balancer".to_owned(),
        "" => "an unbound port".to_owned(),
        owner => format!("a port of `{owner}`"),
    };
    let name = if port.name.is_empty() { String::new() } else { format!(", named `{}`", port.name) };
    let stack = port.key.as_ref().map(|key| format!(", of stack `{}`", key.stack)).unwrap_or_default();
    format!("{role} (id `{}`{name}{stack})", port.id)
}
