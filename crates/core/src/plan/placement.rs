//! Which container runs on which host.
//!
//! A container stays where it is as long as its host is wanted. The pairs on the hosts' ports are the record of that,
//! readable without looking into any host; where a host was looked into, what lies on it says more. New containers go
//! where the fewest of their service are, then where the fewest of all are, so that losing one host hurts least. A
//! port takes ten pairs, so a host takes ten containers less what others put on its port.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::{Builder, Ground, PAIR_LIMIT, Place, addresses};
use crate::address::Mac;
use crate::key::Kind;
use crate::observed::{HostView, Observed};
use crate::spec::model::{Attachment, Stack};

/// Places every container that has an address; what finds no room is noted as blocked.
pub(super) fn place(
    stack: &Stack,
    seen: &Observed,
    attachment: Attachment,
    ground: &Ground<'_>,
    build: &mut Builder,
) -> Vec<Place> {
    let assigned = addresses::assign(stack, seen, ground, build);
    let mut rooms = rooms(stack, attachment, ground, build, &assigned);
    let present = present(seen, ground, build);

    let mut host_of: BTreeMap<String, String> = BTreeMap::new();
    let wanted: Vec<(String, &str)> = stack.container_names().filter(|(name, _)| assigned.contains_key(name)).collect();
    for (container, service) in &wanted {
        let group = stack.services.get(*service).map_or("", |service| service.hosts.as_str());
        let address = assigned.get(container);
        let host = present.containers.get(container).or_else(|| address.and_then(|address| present.pairs.get(address)));
        if let Some(host) = host
            && let Some(room) = rooms.get_mut(host).filter(|room| room.group == group && room.free > 0)
        {
            room.take(service);
            host_of.insert(container.clone(), host.clone());
        }
    }
    let mut homeless: BTreeMap<&str, usize> = BTreeMap::new();
    for (container, service) in &wanted {
        if host_of.contains_key(container) {
            continue;
        }
        let group = stack.services.get(*service).map_or("", |service| service.hosts.as_str());
        let best = rooms
            .iter_mut()
            .filter(|(_, room)| room.group == group && room.free > 0)
            .min_by_key(|(_, room)| (room.of_service(service), room.used, room.order));
        match best {
            Some((host, room)) => {
                room.take(service);
                host_of.insert(container.clone(), host.clone());
            }
            None => *homeless.entry(group).or_default() += 1,
        }
    }
    for (group, missing) in homeless {
        let more = missing.div_ceil(PAIR_LIMIT);
        let count = stack.hosts.get(group).map_or(0, |group| group.count as usize);
        build.blocked(
            format!("hosts `{group}`"),
            format!("{missing} containers find no room: a port takes {PAIR_LIMIT} allowed address pairs, one for each container"),
            format!("set `hosts.{group}.count` to {} or more, or use `attach: open`", count + more),
        );
    }

    wanted
        .into_iter()
        .filter_map(|(container, service)| {
            let host = host_of.remove(&container)?;
            let address = *assigned.get(&container)?;
            let mac = Mac::of_container(&stack.name, &container);
            Some(Place { container, service: service.to_owned(), host, address, mac })
        })
        .collect()
}

/// What a host can still take.
struct Room<'a> {
    group: &'a str,
    order: usize,
    free: usize,
    used: usize,
    services: BTreeMap<String, usize>,
}

impl Room<'_> {
    fn take(&mut self, service: &str) {
        self.free = self.free.saturating_sub(1);
        self.used += 1;
        *self.services.entry(service.to_owned()).or_default() += 1;
    }

    fn of_service(&self, service: &str) -> usize {
        self.services.get(service).copied().unwrap_or(0)
    }
}

fn rooms<'a>(
    stack: &'a Stack,
    attachment: Attachment,
    ground: &Ground<'_>,
    build: &Builder,
    assigned: &BTreeMap<String, Ipv4Addr>,
) -> BTreeMap<String, Room<'a>> {
    let ours: BTreeSet<String> =
        assigned.values().map(ToString::to_string).chain(reserved(ground).map(|address| address.to_string())).collect();
    stack
        .host_names()
        .enumerate()
        .map(|(order, (host, group))| {
            let foreign = ground
                .ports
                .get(&build.key(Kind::Port, &host))
                .map_or(0, |port| port.pairs.iter().filter(|pair| !ours.contains(&pair.address)).count());
            let free = match attachment {
                Attachment::PairMac | Attachment::PairIp => PAIR_LIMIT.saturating_sub(foreign),
                Attachment::Open => usize::MAX,
            };
            (host, Room { group, order, free, used: 0, services: BTreeMap::new() })
        })
        .collect()
}

/// Addresses that reservations of the stack hold.
pub(super) fn reserved(ground: &Ground<'_>) -> impl Iterator<Item = Ipv4Addr> {
    ground
        .ports
        .iter()
        .filter(|(key, _)| key.kind == Kind::Reservation)
        .flat_map(|(_, port)| port.addresses.iter().copied())
}

/// Where containers are now.
struct Present {
    /// By the container's name, where its host was looked into.
    containers: BTreeMap<String, String>,
    /// By the address in a pair on a host's port.
    pairs: BTreeMap<Ipv4Addr, String>,
}

fn present(seen: &Observed, ground: &Ground<'_>, build: &Builder) -> Present {
    let mut containers = BTreeMap::new();
    for (host, view) in &seen.hosts {
        if let HostView::Ready(inside) = view {
            containers.extend(inside.containers.keys().map(|name| (name.clone(), host.clone())));
        }
    }
    let mut pairs = BTreeMap::new();
    for (key, port) in &ground.ports {
        if key.kind == Kind::Port && build.key(Kind::Port, &key.name) == **key {
            for pair in &port.pairs {
                if let Ok(address) = pair.address.parse() {
                    pairs.insert(address, key.name.clone());
                }
            }
        }
    }
    Present { containers, pairs }
}
