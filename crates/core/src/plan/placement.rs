//! Which container runs on which host.
//!
//! A container stays where it is as long as its host is wanted. The pairs on the hosts' ports are the record of that,
//! readable without looking into any host; where a host was looked into, what lies on it says more. New containers go
//! where the fewest of their service are, then where the fewest of all are, so that losing one host hurts least. A
//! port takes ten pairs, so a host takes ten containers less what others put on its port.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::{Builder, Ground, PAIR_LIMIT, Place, addresses, hosts};
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
    let unseen = unseen_hosts(stack, seen, attachment, ground);

    let mut host_of: BTreeMap<String, String> = BTreeMap::new();
    let mut waiting: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (container, service) in stack.container_names() {
        let Some(address) = assigned.get(&container) else { continue };
        let group = group_of(stack, service);
        let now = present.containers.get(&container).or_else(|| present.pairs.get(address));
        let now = now.or_else(|| {
            // It may lie on a host that shows nothing: it is not made anew elsewhere.
            let was_made = ground.ports.contains_key(&build.key(Kind::Reservation, container.as_str()));
            unseen.get(group).filter(|_| was_made)
        });
        match now.and_then(|host| Some((host, rooms.get_mut(host)?))) {
            Some((host, room)) if room.group == group && room.free > 0 => {
                room.take(service);
                host_of.insert(container, host.clone());
            }
            _ => waiting.entry(service).or_default().push(container),
        }
    }
    let mut homeless: BTreeMap<&str, usize> = BTreeMap::new();
    for service in stack.services.keys() {
        let group = group_of(stack, service);
        let Some(containers) = waiting.remove(service.as_str()) else { continue };
        let found = spread(service, group, &mut rooms, containers.len());
        *homeless.entry(group).or_default() += containers.len() - found.len();
        host_of.extend(containers.into_iter().zip(found));
    }
    for (group, missing) in homeless.into_iter().filter(|(_, missing)| *missing > 0) {
        let count = stack.hosts.get(group).map_or(0, |group| group.count as usize);
        build.blocked(
            format!("hosts `{group}`"),
            format!("{missing} containers find no room: a port takes {PAIR_LIMIT} allowed address pairs, one for each container"),
            format!("set `hosts.{group}.count` to {} or more, or use `attach: open`", count + missing.div_ceil(PAIR_LIMIT)),
        );
    }

    stack
        .container_names()
        .filter_map(|(container, service)| {
            let host = host_of.remove(&container)?;
            let address = *assigned.get(&container)?;
            let mac = Mac::of_container(&stack.name, &container);
            Some(Place { container, service: service.to_owned(), host, address, mac })
        })
        .collect()
}

fn group_of<'a>(stack: &'a Stack, service: &str) -> &'a str {
    stack.services.get(service).map_or("", |service| service.hosts.as_str())
}

/// Hosts for so many new containers of a service, each time the one with the fewest of the service, then with the fewest
/// of all, then the first.
fn spread(service: &str, group: &str, rooms: &mut BTreeMap<String, Room<'_>>, count: usize) -> Vec<String> {
    let with_room = rooms.iter().filter(|(_, room)| room.group == group && room.free > 0);
    let mut queue: BTreeSet<(usize, usize, usize, String)> =
        with_room.map(|(host, room)| (room.of_service(service), room.used, room.order, host.clone())).collect();
    let mut found = Vec::new();
    while found.len() < count
        && let Some((_, _, order, host)) = queue.pop_first()
    {
        let Some(room) = rooms.get_mut(&host) else { continue };
        room.take(service);
        if room.free > 0 {
            queue.insert((room.of_service(service), room.used, order, host.clone()));
        }
        found.push(host);
    }
    found
}

/// With pairs, a port records what lies on its host. Without them, a host that does not answer may hold any container of
/// its group that was made: one such host for each group.
fn unseen_hosts<'a>(
    stack: &Stack,
    seen: &Observed,
    attachment: Attachment,
    ground: &Ground<'a>,
) -> BTreeMap<&'a str, String> {
    if attachment != Attachment::Open {
        return BTreeMap::new();
    }
    let shows_nothing = |host: &str| seen.inside(host).is_none();
    ground
        .servers
        .iter()
        .filter(|(key, server)| shows_nothing(&key.name) && hosts::anew::cause(stack, seen, ground, server).is_none())
        .filter_map(|(key, _)| Some((*ground.hosts.get(&key.name)?, key.name.clone())))
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
    let ours = own_addresses(ground, assigned.values().copied());
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

/// These addresses of containers and those that reservations of the stack hold, as pairs name them.
pub(super) fn own_addresses(ground: &Ground<'_>, wanted: impl Iterator<Item = Ipv4Addr>) -> BTreeSet<String> {
    let reservations = ground.ports.iter().filter(|(key, _)| key.kind == Kind::Reservation);
    let reserved = reservations.flat_map(|(_, port)| port.addresses.iter().copied());
    wanted.chain(reserved).map(|address| address.to_string()).collect()
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
