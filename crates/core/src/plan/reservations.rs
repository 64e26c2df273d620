//! Reservations: unbound ports that hold the containers' addresses, so that Neutron gives them to nobody else.
//!
//! Most are made first of all. An address that something of the stack itself still holds (a container that goes, one that
//! gets another address, a VIP) changes hands later, when its holder has let go of it.

use super::{Action, Builder, Place, Scene, Verb, network};
use crate::book::one_of_each;
use crate::key::{Key, Kind};
use crate::observed::Port;

/// How many reservations one request makes. Neutron takes any number and makes all or none; a hundred keeps a request
/// well within the time that proxies give it (ten took three seconds on a small cloud).
const AT_ONCE: usize = 100;

/// Where the reservation of a container stands.
enum Standing<'a> {
    /// It holds the address, until its container's turn the former one.
    Held,
    Missing,
    /// It holds another address than the container has now.
    Elsewhere,
    /// There is none, and something else of the stack holds the address: the key of that.
    Taken(&'a Key),
}

fn standing<'a>(scene: &'a Scene<'_>, place: &Place) -> Standing<'a> {
    match scene.port(Kind::Reservation, &place.container) {
        Some(port) if port.addresses.contains(&scene.address_now(place)) => Standing::Held,
        Some(_) => Standing::Elsewhere,
        None => scene.held.get(&place.address).map_or(Standing::Missing, Standing::Taken),
    }
}

/// Plans the reservations that nothing stands in the way of. What is returned must be there before Neutron may choose an
/// address by itself: nothing where its pool keeps away from the containers' addresses, else every reservation.
pub(super) fn early(scene: &Scene<'_>, build: &mut Builder) -> Vec<Key> {
    let mut missing = Vec::new();
    for place in &scene.places {
        match standing(scene, place) {
            Standing::Held => build.unchanged(scene.key(Kind::Reservation, &place.container)),
            Standing::Missing => missing.push(place),
            Standing::Elsewhere | Standing::Taken(_) => {}
        }
    }
    let subnet = scene.key(Kind::Subnet, &scene.ground.network.name);
    let exposed = |place: &&&Place| network::gives_away(scene, place.address);
    let mut before_free_choice = vec![subnet.clone()];
    for chunk in missing.chunks(AT_ONCE) {
        // One key of a request stands for all of it.
        before_free_choice
            .extend(chunk.iter().find(exposed).map(|place| scene.key(Kind::Reservation, &place.container)));
        reserve(scene, chunk, std::slice::from_ref(&subnet), build);
    }
    before_free_choice
}

fn reserve(scene: &Scene<'_>, places: &[&Place], after: &[Key], build: &mut Builder) {
    let addresses: Vec<_> =
        places.iter().map(|place| (scene.key(Kind::Reservation, &place.container), place.address)).collect();
    build.steps(
        Verb::Create,
        addresses.iter().map(|(key, _)| key.clone()).collect(),
        "so that Neutron gives the address to nobody else",
        after,
        Action::Reserve {
            network_id: scene.ground.network.id.clone(),
            subnet_id: scene.ground.subnet.id.clone(),
            addresses,
        },
    );
}

/// Plans the end of reservations: of containers that go, of those that get another address, of twins. An address stays
/// held until no port lets it through and no container has it.
pub(super) fn leave(scene: &Scene<'_>, build: &mut Builder) {
    let mut leaving: Vec<(&Port, Verb, String)> = Vec::new();
    let wanted: std::collections::BTreeMap<&str, &Place> =
        scene.places.iter().map(|place| (place.container.as_str(), place)).collect();
    let ours = |port: &&&Port| {
        port.key.as_ref().is_some_and(|key| key.kind == Kind::Reservation && key.stack == scene.stack.name)
    };
    for port in scene.ground.ports.values().filter(|port| ours(port)) {
        match port.key.as_ref().map(|key| wanted.get(key.name.as_str())) {
            Some(Some(place)) if port.addresses.contains(&scene.address_now(place)) => {}
            Some(Some(place)) => {
                leaving.push((port, Verb::Replace, format!("`{}` moves to {}", place.container, place.address)));
            }
            _ => leaving.push((port, Verb::Delete, super::surplus::UNWANTED.to_owned())),
        }
    }
    let twins = one_of_each(&scene.seen.ports).1;
    leaving.extend(twins.iter().filter(ours).map(|port| (*port, Verb::Delete, super::surplus::TWIN.to_owned())));
    for (port, verb, reason) in leaving {
        let Some(key) = &port.key else { continue };
        let mut after = vec![scene.key(Kind::Container, key.name.as_str())];
        let open_at = port.addresses.iter().filter_map(|address| scene.open_at.get(&address.to_string()));
        // Its pair goes with a change of the pairs, or with all of them when port security is switched off.
        after.extend(open_at.flatten().flat_map(|host| [Kind::Pairs, Kind::Port].map(|kind| scene.key(kind, host))));
        build.step(verb, key, reason, &after, Action::DeletePort { id: port.id.clone() });
    }
}

/// Plans another reservation for a container that gets another address in its turn, once no port lets the old one
/// through.
pub(super) fn in_turn(scene: &Scene<'_>, place: &Place, build: &mut Builder) {
    let key = scene.key(Kind::Reservation, &place.container);
    let gone = [Kind::Pairs, Kind::Port].map(|kind| scene.key(kind, &place.host));
    let mut after = gone.to_vec();
    after.push(scene.key(Kind::Container, &place.container));
    if let Some(port) = scene.port(Kind::Reservation, &place.container) {
        let reason = format!("`{}` moves to {}", place.container, place.address);
        build.step(Verb::Replace, &key, reason, &after, Action::DeletePort { id: port.id.clone() });
    }
    let subnet = scene.key(Kind::Subnet, &scene.ground.network.name);
    reserve(scene, &[place], &[subnet], build);
}

/// Plans the reservations of addresses that change hands.
pub(super) fn late(scene: &Scene<'_>, build: &mut Builder) {
    let (mut places, mut after) = (Vec::new(), vec![scene.key(Kind::Subnet, &scene.ground.network.name)]);
    for place in &scene.places {
        match standing(scene, place) {
            Standing::Held | Standing::Missing => continue,
            Standing::Taken(holder) => after.push(holder.clone()),
            Standing::Elsewhere => after.extend(scene.held.get(&place.address).cloned()),
        }
        places.push(place);
    }
    for chunk in places.chunks(AT_ONCE) {
        reserve(scene, chunk, &after, build);
    }
}
