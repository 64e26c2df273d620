//! The network side of a stack: the subnet's allocation pool, security groups and rules, reservations, pairs.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use super::{Action, Builder, Place, Scene, Verb, placement};
use crate::key::{Key, Kind};
use crate::observed::{Admits, Pair, PoolsBefore};
use crate::spec::model::Attachment;

/// Plans what must be there before hosts: pool, groups with rules, reservations.
pub(super) fn plan(scene: &Scene<'_>, build: &mut Builder) {
    pool(scene, build);
    for (key, wanted) in security_groups(scene) {
        security_group(scene, &key, &wanted, build);
    }
    reservations(scene, build);
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

/// The key of the group that guards the hosts of a group of hosts.
pub(super) fn hosts_group(scene: &Scene<'_>, group: &str) -> Key {
    scene.key(Kind::SecurityGroup, format!("hosts-{group}"))
}

/// The key of the group that guards a balancer's VIP.
pub(super) fn vip_group(scene: &Scene<'_>, balancer: &str) -> Key {
    scene.key(Kind::SecurityGroup, format!("vip-{balancer}"))
}

/// Every security group of the stack with what it lets in: ssh to the hosts, the services' own ports from their own
/// subnet (balancers and the other services are there), and nothing else.
pub(super) fn security_groups(scene: &Scene<'_>) -> BTreeMap<Key, BTreeSet<Admits>> {
    let mut groups: BTreeMap<Key, BTreeSet<Admits>> = BTreeMap::new();
    for (name, hosts) in &scene.stack.hosts {
        let admits = groups.entry(hosts_group(scene, name)).or_default();
        admits.extend(hosts.ssh_from.iter().map(|from| Admits::TcpFrom(22, from.trunc())));
        if scene.stack.host_names().count() > 1 {
            // The jump host opens the connections to the others.
            admits.insert(Admits::TcpFrom(22, scene.ground.subnet.cidr));
        }
        let ports = scene.stack.services.values().filter(|service| service.hosts == *name).filter_map(|service| service.port);
        admits.extend(ports.map(|port| Admits::TcpFrom(port, scene.ground.subnet.cidr)));
    }
    if super::balancers::Guard::of(scene).needs_group() {
        for (name, balancer) in &scene.stack.balancers {
            let admits = balancer.allow.iter().map(|from| Admits::TcpFrom(balancer.listen, from.trunc()));
            groups.entry(vip_group(scene, name)).or_default().extend(admits);
        }
    }
    groups
}

fn security_group(scene: &Scene<'_>, key: &Key, wanted: &BTreeSet<Admits>, build: &mut Builder) {
    let rules = scene.key(Kind::SecurityGroupRule, key.name.as_str());
    let Some(group) = scene.seen.security_groups.iter().filter(|group| group.key == *key).min_by(|a, b| a.id.cmp(&b.id)) else {
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
            let reason = format!("nothing in the file asks for {}", describe(&rule.admits));
            build.step(Verb::Delete, &rules, reason, &[], Action::DeleteRule { id: rule.id.clone() });
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
    build.step(Verb::Create, rules, reason, std::slice::from_ref(group), Action::CreateRules { group: group.clone(), admits });
}

fn describe(admits: &Admits) -> String {
    let everybody = Ipv4Net::default();
    match admits {
        Admits::TcpFrom(port, from) if *from == everybody => format!("tcp {port} from anywhere"),
        Admits::TcpFrom(port, from) => format!("tcp {port} from {from}"),
        Admits::TcpFromGroup(port) => format!("tcp {port} from the group itself"),
        Admits::Other(what) => what.clone(),
    }
}

/// How many reservations one request makes. Neutron takes any number and makes all or none; a hundred keeps a request
/// well within the time that proxies give it (ten took three seconds on a small cloud).
const RESERVATIONS_AT_ONCE: usize = 100;

fn reservations(scene: &Scene<'_>, build: &mut Builder) {
    let mut wanted = Vec::new();
    for place in &scene.places {
        let key = scene.key(Kind::Reservation, &place.container);
        match scene.port(Kind::Reservation, &place.container) {
            Some(port) if port.addresses.contains(&place.address) => build.unchanged(key),
            Some(port) => {
                let reason = format!("`{}` moves to {}", place.container, place.address);
                build.step(Verb::Replace, &key, reason, &[], Action::DeletePort { id: port.id.clone() });
                wanted.push((key, place.address));
            }
            None => wanted.push((key, place.address)),
        }
    }
    let subnet_key = scene.key(Kind::Subnet, &scene.ground.network.name);
    for chunk in wanted.chunks(RESERVATIONS_AT_ONCE) {
        build.steps(
            Verb::Create,
            chunk.iter().map(|(key, _)| key.clone()).collect(),
            "so that Neutron gives the address to nobody else",
            std::slice::from_ref(&subnet_key),
            Action::Reserve {
                network_id: scene.ground.network.id.clone(),
                subnet_id: scene.ground.subnet.id.clone(),
                addresses: chunk.to_vec(),
            },
        );
    }
}

/// What must be reserved before Neutron may choose an address by itself: nothing where its pool keeps away from the
/// containers' addresses, else every reservation.
pub(super) fn before_free_choice(scene: &Scene<'_>) -> Vec<Key> {
    let pools = match scene.stack.network.dhcp_pool {
        Some(pool) => vec![pool],
        None => scene.ground.subnet.pools.clone(),
    };
    let mut keys = vec![scene.key(Kind::Subnet, &scene.ground.network.name)];
    let exposed = |place: &&Place| pools.iter().any(|pool| pool.contains(place.address));
    keys.extend(scene.places.iter().filter(exposed).map(|place| scene.key(Kind::Reservation, &place.container)));
    keys
}

/// The pair by which a container passes its host's port; none where port security is off.
pub(super) fn pair(scene: &Scene<'_>, place: &Place) -> Option<Pair> {
    let mac = match scene.attachment {
        Attachment::PairMac => place.mac.to_string(),
        Attachment::PairIp => host_mac(scene, &place.host),
        Attachment::Open => return None,
    };
    Some(Pair { mac, address: place.address.to_string() })
}

/// The Ethernet address of a host: that of its port where there is one, else the one it will get.
pub(super) fn host_mac(scene: &Scene<'_>, host: &str) -> String {
    let present = scene.port(Kind::Port, host).and_then(|port| port.mac);
    present.unwrap_or_else(|| crate::address::Mac::of_host(&scene.stack.name, host)).to_string()
}

/// The pairs that a host's port should have for the stack's containers.
pub(super) fn pairs_of(scene: &Scene<'_>, host: &str) -> BTreeSet<Pair> {
    scene.places_on(host).filter_map(|place| pair(scene, place)).collect()
}

/// Plans the pairs of ports that exist. The list of a port is shared with whoever else writes to it: what is not the
/// stack's stays. Ports that lose pairs come first, so that an address is never open on two hosts.
pub(super) fn pairs(scene: &Scene<'_>, build: &mut Builder) {
    let ours: BTreeSet<String> = scene
        .places
        .iter()
        .map(|place| place.address.to_string())
        .chain(placement::reserved(&scene.ground).map(|address| address.to_string()))
        .collect();
    let members: Vec<Key> = scene.stack.balancers.keys().map(|name| scene.key(Kind::Members, name)).collect();
    let mut changes = Vec::new();
    for (host, _) in scene.stack.host_names() {
        let key = scene.key(Kind::Pairs, &host);
        let Some(port) = scene.port(Kind::Port, &host).filter(|port| port.port_security) else { continue };
        let wanted = pairs_of(scene, &host);
        let present: BTreeSet<&Pair> = port.pairs.iter().filter(|pair| ours.contains(&pair.address)).collect();
        let missing: Vec<&Pair> = wanted.iter().filter(|pair| !present.contains(pair)).collect();
        let surplus: Vec<&&Pair> = present.iter().filter(|pair| !wanted.contains(**pair)).collect();
        if missing.is_empty() && surplus.is_empty() {
            build.unchanged(key);
            continue;
        }
        let mut reasons = Vec::new();
        if !missing.is_empty() {
            let listed: Vec<String> = missing.iter().map(|pair| format!("{} ({})", pair.address, pair.mac)).collect();
            reasons.push(format!("port security drops packets of {} without a pair", listed.join(", ")));
        }
        if !surplus.is_empty() {
            let listed: Vec<&str> = surplus.iter().map(|pair| pair.address.as_str()).collect();
            reasons.push(format!("{} is wanted here no more", listed.join(", ")));
        }
        let foreign = port.pairs.iter().filter(|pair| !ours.contains(&pair.address)).cloned();
        let action = Action::SetPairs {
            port: scene.key(Kind::Port, &host),
            pairs: foreign.chain(wanted).collect(),
            revision: port.revision,
        };
        changes.push((surplus.is_empty(), key, reasons.join("; "), action));
    }
    changes.sort_by_key(|(only_adds, ..)| *only_adds);
    let mut removed: Vec<Key> = Vec::new();
    for (only_adds, key, reason, action) in changes {
        let mut after = vec![scene.key(Kind::Port, key.name.as_str())];
        after.extend(removed.iter().cloned());
        if !only_adds {
            after.extend(members.iter().cloned());
            removed.push(key.clone());
        }
        build.step(Verb::Change, &key, reason, &after, action);
    }
}
