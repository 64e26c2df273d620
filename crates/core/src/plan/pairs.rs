//! Allowed address pairs: what each host's port lets through.
//!
//! The list of a port is shared with whoever else writes to it: what is not the stack's stays. At no time do two ports
//! let one address through: who loses it comes first, and where two hosts exchange addresses each lets go before any
//! takes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::{Action, Builder, Ground, Place, Scene, Verb};
use crate::address::Mac;
use crate::key::Kind;
use crate::observed::{Pair, Port};
use crate::spec::model::Attachment;

/// Hosts by the addresses that their ports let through now.
pub(super) fn open_at(ground: &Ground<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let mut open: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, port) in ground.ports.iter().filter(|(key, _)| key.kind == Kind::Port) {
        for pair in &port.pairs {
            open.entry(pair.address.clone()).or_default().insert(key.name.clone());
        }
    }
    open
}

/// The pair by which a container at an address passes its host's port; none where port security is off.
fn pair(scene: &Scene<'_>, place: &Place, address: Ipv4Addr, host_mac: &str) -> Option<Pair> {
    let mac = match scene.attachment {
        Attachment::PairMac => place.mac.to_string(),
        Attachment::PairIp => host_mac.to_owned(),
        Attachment::Open => return None,
    };
    Some(Pair { mac, address: address.to_string() })
}

/// The pairs that a host's port should have for the stack's containers while none of them had its turn.
fn wanted(scene: &Scene<'_>, host: &str) -> BTreeSet<Pair> {
    with_addresses(scene, host, |place| scene.address_now(place))
}

/// The pairs that a host's port should have when its containers are at these addresses.
fn with_addresses(scene: &Scene<'_>, host: &str, address: impl Fn(&Place) -> Ipv4Addr) -> BTreeSet<Pair> {
    // The Ethernet address of a host: that of its port where there is one, else the one it will get.
    let mac =
        scene.port(Kind::Port, host).and_then(|port| port.mac).unwrap_or_else(|| Mac::of_host(&scene.stack.name, host));
    let mac = mac.to_string();
    scene.places_on(host).filter_map(|place| pair(scene, place, address(place), &mac)).collect()
}

/// Whether a host's port must wait for another one to let go of an address.
fn contested(scene: &Scene<'_>, host: &str, pair: &Pair) -> bool {
    scene.open_at.get(&pair.address).is_some_and(|hosts| hosts.iter().any(|one| one != host))
}

/// The pairs that a host's port is made with.
pub(super) fn of_new_port(scene: &Scene<'_>, host: &str) -> Vec<Pair> {
    wanted(scene, host).into_iter().filter(|pair| !contested(scene, host, pair)).collect()
}

/// Pairs on a port of the stack that are somebody else's.
pub(super) fn foreign<'p>(scene: &Scene<'_>, port: &'p Port) -> impl Iterator<Item = &'p Pair> {
    port.pairs.iter().filter(|pair| !scene.own_addresses.contains(&pair.address))
}

/// What is to become of the pairs of one port.
struct Change<'a> {
    port: Option<&'a Port>,
    wanted: BTreeSet<Pair>,
    missing: BTreeSet<Pair>,
    /// Those of the missing ones that another port lets through now.
    contested: BTreeSet<Pair>,
    surplus: BTreeSet<Pair>,
}

impl<'a> Change<'a> {
    fn of(scene: &Scene<'a>, host: &str) -> Self {
        let port = scene.port(Kind::Port, host);
        let wanted = wanted(scene, host);
        let is_there = |pair: &Pair| match port {
            Some(port) => port.pairs.contains(pair),
            None => !contested(scene, host, pair), // it is made with them
        };
        let missing: BTreeSet<Pair> = wanted.iter().filter(|pair| !is_there(pair)).cloned().collect();
        let contested = missing.iter().filter(|pair| contested(scene, host, pair)).cloned().collect();
        let present = port.into_iter().flat_map(|port| &port.pairs);
        let ours = present.filter(|pair| scene.own_addresses.contains(&pair.address));
        let surplus = ours.filter(|pair| !wanted.contains(pair)).cloned().collect();
        Self { port, wanted, missing, contested, surplus }
    }

    /// The whole list of the port, with these of ours.
    fn whole_list(&self, scene: &Scene<'_>, ours: impl Iterator<Item = Pair>) -> Vec<Pair> {
        let foreign = self.port.into_iter().flat_map(|port| foreign(scene, port)).cloned();
        foreign.chain(ours).collect()
    }

    /// The revision that the list was read at, unless something of this plan changes the port before.
    fn revision(&self, scene: &Scene<'_>, host: &str, build: &Builder) -> Option<u64> {
        let boots = scene.server(host).is_none_or(|server| scene.is_made_anew(server));
        let touched = build.touches(&scene.key(Kind::Port, host)) || build.touches(&scene.key(Kind::Pairs, host));
        self.port.and_then(|port| port.revision).filter(|_| !touched && !boots)
    }
}

/// Why a port's pairs change.
fn reason(missing: &BTreeSet<Pair>, surplus: &BTreeSet<Pair>) -> String {
    let mut reasons = Vec::new();
    if !missing.is_empty() {
        let listed: Vec<String> = missing.iter().map(|pair| format!("{} ({})", pair.address, pair.mac)).collect();
        reasons.push(format!("port security drops packets of {} without a pair", listed.join(", ")));
    }
    if !surplus.is_empty() {
        let listed: Vec<String> = surplus.iter().map(|pair| format!("{} ({})", pair.address, pair.mac)).collect();
        reasons.push(format!("{} is wanted here no more", listed.join(", ")));
    }
    reasons.join("; ")
}

/// Plans the pairs of a port that only lacks some which are open nowhere else: before its server boots, because a boot
/// changes the port's revision.
pub(super) fn early(scene: &Scene<'_>, host: &str, build: &mut Builder) {
    if scene.attachment == Attachment::Open || scene.port(Kind::Port, host).is_none() {
        return;
    }
    let change = Change::of(scene, host);
    let key = scene.key(Kind::Pairs, host);
    if change.missing.is_empty() && change.surplus.is_empty() {
        build.unchanged(key);
    } else if change.surplus.is_empty() && change.contested.is_empty() {
        let port = scene.key(Kind::Port, host);
        let touched = build.touches(&port);
        let revision = change.port.and_then(|port| port.revision).filter(|_| !touched);
        let pairs = change.whole_list(scene, change.wanted.iter().cloned());
        let reason = reason(&change.missing, &BTreeSet::new());
        build.step(
            Verb::Change,
            &key,
            reason,
            std::slice::from_ref(&port),
            Action::SetPairs { port: port.clone(), pairs, revision },
        );
    }
}

/// Plans the pair of a container that gets another address in its turn, once the old one is gone; `moved` are those that
/// had their turn, this one included.
pub(super) fn in_turn(scene: &Scene<'_>, place: &Place, moved: &BTreeSet<&str>, build: &mut Builder) {
    let Some(port) = scene.port(Kind::Port, &place.host).filter(|_| scene.attachment != Attachment::Open) else {
        return;
    };
    let had_its_turn = |other: &Place| moved.contains(other.container.as_str());
    let ours =
        with_addresses(
            scene,
            &place.host,
            |other| {
                if had_its_turn(other) { other.address } else { scene.address_now(other) }
            },
        );
    let pairs = foreign(scene, port).cloned().chain(ours).collect();
    let reason = format!("`{}` moves from {} to {}", place.container, scene.address_now(place), place.address);
    let port = scene.key(Kind::Port, &place.host);
    let after = [port.clone(), scene.key(Kind::Container, &place.container)];
    let action = Action::SetPairs { port, pairs, revision: None };
    build.step(Verb::Change, &scene.key(Kind::Pairs, &place.host), reason, &after, action);
}

/// Plans all other changes of pairs.
pub(super) fn plan(scene: &Scene<'_>, build: &mut Builder) {
    if scene.attachment == Attachment::Open {
        return;
    }
    let drained = scene.drained();
    let mut takers = Vec::new();
    for host in scene.ground.hosts.keys() {
        let change = Change::of(scene, host);
        if change.surplus.is_empty() && change.contested.is_empty() {
            continue; // planned early, or nothing to do
        }
        if !change.surplus.is_empty() {
            let port = scene.key(Kind::Port, host);
            let mut after = vec![port.clone()];
            after.extend(drained.iter().cloned());
            if let super::Contents::Known(inside) = scene.contents(host) {
                // Those of them that go, go before.
                after.extend(inside.containers.keys().map(|name| scene.key(Kind::Container, name)));
            }
            let revision = change.revision(scene, host, build);
            let now = change.wanted.difference(&change.contested).cloned();
            let pairs = change.whole_list(scene, now);
            let missing = change.missing.difference(&change.contested).cloned().collect();
            let reason = reason(&missing, &change.surplus);
            build.step(
                Verb::Change,
                &scene.key(Kind::Pairs, host),
                reason,
                &after,
                Action::SetPairs { port, pairs, revision },
            );
        }
        if !change.contested.is_empty() {
            takers.push((host, change));
        }
    }
    for (host, change) in takers {
        let port = scene.key(Kind::Port, host);
        let mut after = vec![port.clone()];
        let holders = change.contested.iter().filter_map(|pair| scene.open_at.get(&pair.address)).flatten();
        after.extend(holders.map(|holder| scene.key(Kind::Pairs, holder)));
        let revision = change.revision(scene, host, build);
        let pairs = change.whole_list(scene, change.wanted.iter().cloned());
        let missing = if change.surplus.is_empty() { &change.missing } else { &change.contested };
        let reason = format!("{}, and their former hosts let go of them", reason(missing, &BTreeSet::new()));
        build.step(
            Verb::Change,
            &scene.key(Kind::Pairs, host),
            reason,
            &after,
            Action::SetPairs { port, pairs, revision },
        );
    }
}
