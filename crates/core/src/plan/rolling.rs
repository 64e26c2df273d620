//! Containers that are replaced one after another, so that a service serves on while it changes.
//!
//! ```text
//! for each container of a service, who does not serve first:
//!     out of the pools ─▶ old one gone ─▶ (its pair and reservation, where the address changes) ─▶ new one made
//!     ─▶ started ─▶ cloud-init clean and an answer ─▶ into the pools ─▶ ONLINE ─▶ the next
//! ```
//!
//! The steps of one turn come after all of the turn before, so one that comes up broken holds back the rest: a bad
//! user-data costs one container and not the service. What the next look finds (a container of the new kind that is not
//! proven, one that is missing) comes before any further turn as well, and so it goes on where it stopped, also with a
//! file that was put right meanwhile.
//!
//! Not in turns go containers whose way onto the network changes (`attach`, `addressing`, the network's MTU, whom they are
//! told to ask for names): that is a change of the host's port, or of its dnsmasq, for all of them at once; and those that
//! exchange addresses with something else of the stack, where one has to let go before the other can take.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::action::MemberParts;
use super::balancers::{self, Rotation};
use super::containers::{self, Fate, Fates, PROVEN, generation_of, on, parts};
use super::{Action, Builder, Contents, Place, Scene, Verb, pairs, reservations};
use crate::key::{Key, Kind};
use crate::observed::{Container, Inside};

/// The containers that are replaced in turns, each with the address that it has until its turn.
pub(super) fn turns(scene: &Scene<'_>, fates: &Fates) -> BTreeMap<String, Ipv4Addr> {
    let mut wanted_by: BTreeMap<Ipv4Addr, &str> = BTreeMap::new();
    wanted_by.extend(scene.stack.balancers.iter().filter_map(|(name, one)| Some((one.address?, name.as_str()))));
    wanted_by.extend(scene.places.iter().map(|place| (place.address, place.container.as_str())));
    let turn = |(place, (generation, fate)): (&Place, &(String, Fate))| {
        let (Fate::Replace(_), Contents::Known(inside)) = (fate, scene.contents(&place.host)) else { return None };
        let (was, now) = (parts(generation_of(inside.containers.get(&place.container)?)), parts(generation));
        let address: Ipv4Addr = was.get("address")?.parse().ok()?;
        if was.get("network") != now.get("network") {
            return None;
        }
        let keeps = address == place.address;
        let moves = !keeps
            && !wanted_by.contains_key(&address)
            && !scene.held.contains_key(&place.address)
            && !scene.open_at.contains_key(&place.address.to_string())
            && scene.port(Kind::Reservation, &place.container).is_some_and(|port| port.addresses.contains(&address));
        (keeps || moves).then(|| (place.container.clone(), address))
    };
    scene.places.iter().zip(fates).filter_map(turn).collect()
}

/// Plans all turns. What else a service has to become ready for comes before its first one.
pub(super) fn plan(scene: &Scene<'_>, fates: &Fates, build: &mut Builder) {
    for service in scene.stack.services.keys() {
        let mut turns: Vec<Turn<'_>> = scene
            .places
            .iter()
            .zip(fates)
            .filter(|(place, _)| place.service == *service && scene.turn(place).is_some())
            .filter_map(|(place, fate)| Turn::of(scene, place, fate))
            .collect();
        note(scene, fates, service, turns.len(), build);
        turns.sort_by_key(|turn| turn.serves);
        let mut rotations = balancers::rotations(scene, service);
        let mut before = ready(scene, service, &rotations);
        let mut moved = BTreeSet::new();
        let mut last: Option<&Place> = None;
        for turn in &turns {
            moved.insert(turn.place.container.as_str());
            turn.plan((&before, last), &moved, &mut rotations, build);
            before = vec![scene.key(Kind::Container, &turn.place.container)];
            before.extend(rotations.iter().map(|rotation| scene.key(Kind::Members, rotation.name)));
            last = Some(turn.place);
        }
    }
}

/// Says how the containers of a service are replaced, where there are several.
fn note(scene: &Scene<'_>, fates: &Fates, service: &str, turns: usize, build: &mut Builder) {
    if turns > 1 {
        build.note(format!(
            "the {turns} containers of `{service}` are replaced one after another; one that does not come up well stops the rest"
        ));
    }
    let replaced = |(place, (_, fate)): &(&Place, &(String, Fate))| {
        place.service == service && matches!(fate, Fate::Replace(_)) && scene.turn(place).is_none()
    };
    let at_once = scene.places.iter().zip(fates).filter(replaced).count();
    if at_once > 1 {
        build.note(format!(
            "{at_once} containers of `{service}` are replaced at once, because their way onto the network changes or they exchange addresses: the service is away meanwhile"
        ));
    }
}

/// What has to have ended well before the first turn: whatever this plan does to the service's other containers and to
/// its balancers.
fn ready(scene: &Scene<'_>, service: &str, rotations: &[Rotation<'_>]) -> Vec<Key> {
    let others = scene.places.iter().filter(|place| place.service == service && scene.turn(place).is_none());
    let mut ready: Vec<Key> = others.map(|place| scene.key(Kind::Container, &place.container)).collect();
    let parts = [Kind::Balancer, Kind::Listener, Kind::Pool, Kind::Members, Kind::Monitor];
    ready.extend(rotations.iter().flat_map(|rotation| parts.map(|kind| scene.key(kind, rotation.name))));
    ready
}

/// One container that is replaced.
struct Turn<'a> {
    scene: &'a Scene<'a>,
    place: &'a Place,
    inside: &'a Inside,
    generation: &'a str,
    reason: &'a str,
    /// Whether it runs and was proven. One that does not serve goes first: nobody misses it.
    serves: bool,
}

impl<'a> Turn<'a> {
    fn of(scene: &'a Scene<'a>, place: &'a Place, (generation, fate): &'a (String, Fate)) -> Option<Self> {
        let (Fate::Replace(reason), Contents::Known(inside)) = (fate, scene.contents(&place.host)) else { return None };
        let serves = inside.containers.get(&place.container).is_some_and(serves);
        Some(Self { scene, place, inside, generation, reason, serves })
    }

    fn plan(
        &self,
        (before, last): (&[Key], Option<&Place>),
        moved: &BTreeSet<&str>,
        rotations: &mut [Rotation<'_>],
        build: &mut Builder,
    ) {
        let Self { scene, place, inside, .. } = *self;
        let mut after = before.to_vec();
        for rotation in &mut *rotations {
            self.leave(rotation, before, build);
            after.push(scene.key(Kind::Members, rotation.name));
        }
        // The engine passes a change of the profile on to every container, and is busy with each of them meanwhile.
        after.push(on(scene, Kind::Profile, &place.host, &place.service));
        let reason = match last {
            Some(last) => format!("{}; when `{}` is well again", self.reason, last.container),
            None => self.reason.to_owned(),
        };
        let action = Action::DeleteContainer { host: place.host.clone(), name: place.container.clone() };
        build.step(Verb::Replace, &scene.key(Kind::Container, &place.container), reason, &after, action);
        if scene.address_now(place) != place.address {
            pairs::in_turn(scene, place, moved, build);
            reservations::in_turn(scene, place, build);
        }
        containers::replace(scene, place, inside, self.generation, build);
        for rotation in rotations {
            self.join(rotation, build);
        }
    }

    /// Takes the container out of a pool, unless nobody would be left in it.
    fn leave(&self, rotation: &mut Rotation<'_>, before: &[Key], build: &mut Builder) {
        let others: Vec<MemberParts> =
            rotation.members.iter().filter(|member| member.name != self.place.container).cloned().collect();
        if !others.is_empty() && others.len() < rotation.members.len() {
            rotation.members = others;
            let reason = format!("`{}` gets no requests while it is replaced", self.place.container);
            self.set_members(rotation, reason, before, build);
        }
    }

    /// Puts the new container into a pool, and waits until it takes requests there.
    fn join(&self, rotation: &mut Rotation<'_>, build: &mut Builder) {
        let Self { scene, place, .. } = *self;
        let Some(member) = rotation.wanted.iter().find(|member| member.name == place.container) else { return };
        if rotation.members.contains(member) {
            return;
        }
        rotation.members.retain(|other| other.name != member.name);
        rotation.members.push(member.clone());
        let container = scene.key(Kind::Container, &place.container);
        let reason = format!("`{}` is well", place.container);
        self.set_members(rotation, reason, std::slice::from_ref(&container), build);
        let action = Action::AwaitMember {
            balancer: scene.key(Kind::Balancer, rotation.name),
            pool: scene.key(Kind::Pool, rotation.name),
            name: member.name.clone(),
            address: member.address,
            port: member.port,
        };
        let reason = format!("for `{}` to be ONLINE", place.container);
        build.step(Verb::Wait, &scene.key(Kind::Members, rotation.name), reason, &[], action);
    }

    fn set_members(&self, rotation: &Rotation<'_>, reason: String, after: &[Key], build: &mut Builder) {
        let action = Action::SetMembers {
            balancer: self.scene.key(Kind::Balancer, rotation.name),
            pool: self.scene.key(Kind::Pool, rotation.name),
            members: rotation.members.clone(),
        };
        build.step(Verb::Change, &self.scene.key(Kind::Members, rotation.name), reason, after, action);
    }
}

/// Whether a container runs as it was once proven to work.
fn serves(container: &Container) -> bool {
    container.running && container.config.get(PROVEN).is_some_and(|proven| proven == generation_of(container))
}
