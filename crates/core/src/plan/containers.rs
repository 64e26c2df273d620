//! What lies on the hosts: profiles, images, what dnsmasq knows, containers.
//!
//! What lies on a host that exists but does not answer is unknown, and nothing is planned for it: the plan waits for
//! the host, and the next look plans the rest. A host that this very plan makes is known to be empty.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Builder, Contents, Place, Scene, Verb, Write, leaving};
use crate::key::{Key, Kind};
use crate::observed::{Container, Inside, Profile};
use crate::render::{self, ContainerDocument};
use crate::spec::model::{Addressing, Attachment, ContainerImage, Service};

/// The configuration key under which a container notes which generation of itself was proven to work.
pub const PROVEN: &str = "user.pontoon.proven";

/// What becomes of a wanted container.
pub(super) enum Fate {
    /// Its host shows nothing yet.
    Unknown,
    /// It is made as the file says.
    Stays,
    /// It is not there.
    Made,
    /// It is there, made otherwise.
    Replace(String),
    /// Another one has its name.
    Stranger,
}

/// The generation that each wanted container should have, and what becomes of it; in the order of the places.
pub(super) type Fates = Vec<(String, Fate)>;

/// Judges every wanted container once: what leaves is planned long before what comes.
pub(super) fn fates(scene: &Scene<'_>) -> Fates {
    let judge = |place: &Place| {
        let Contents::Known(inside) = scene.contents(&place.host) else { return (String::new(), Fate::Unknown) };
        let Some(service) = scene.stack.services.get(&place.service) else { return (String::new(), Fate::Unknown) };
        let generation = render::generation(&document(scene, place, service));
        let fate = match inside.containers.get(&place.container) {
            _ if inside.foreign.contains(&place.container) => Fate::Stranger,
            None => Fate::Made,
            Some(present) if !present.whole => {
                Fate::Replace("its creation was interrupted: it has no disk to start from".to_owned())
            }
            Some(present) if present.config.get(render::GENERATION_CONFIG) == Some(&generation) => Fate::Stays,
            Some(present) => Fate::Replace(changed(present, &generation)),
        };
        (generation, fate)
    };
    scene.places.iter().map(judge).collect()
}

/// The parts of a generation: what a container was, or is to be, made from.
pub(super) fn parts(generation: &str) -> BTreeMap<&str, &str> {
    generation.split_whitespace().filter_map(|part| part.split_once('=')).collect()
}

/// The generation that a container notes on itself; empty where it notes none.
pub(super) fn generation_of(present: &Container) -> &str {
    present.config.get(render::GENERATION_CONFIG).map_or("", String::as_str)
}

/// What of a container's generation is not what the file says now.
fn changed(present: &Container, wanted: &str) -> String {
    let (was, now) = (parts(generation_of(present)), parts(wanted));
    let differing: Vec<&str> =
        now.iter().filter(|(part, value)| was.get(*part) != Some(value)).map(|(part, _)| *part).collect();
    if was.is_empty() || differing.is_empty() {
        "it was made in another way than the file says now".to_owned()
    } else {
        format!("its {} changed, which only a new container takes up", differing.join(" and "))
    }
}

pub(super) fn plan(scene: &Scene<'_>, fates: &Fates, build: &mut Builder) {
    let gone = leaving::unfenced(scene);
    for (host, _) in scene.stack.host_names() {
        let Contents::Known(inside) = scene.contents(&host) else { continue };
        let services: BTreeSet<&str> = scene.places_on(&host).map(|place| place.service.as_str()).collect();
        for name in services {
            if let Some(service) = scene.stack.services.get(name) {
                profile(scene, &host, name, service, inside, build);
                image(scene, &host, &service.image, inside, build);
            }
        }
        // All of them before any container starts: dnsmasq gives nobody an address that it still knows as another's. Who
        // waits for its turn keeps its line until then.
        for place in scene.places_on(&host).filter(|place| scene.turn(place).is_none()) {
            dhcp_host(scene, place, inside, build);
        }
        let mut gone = gone.clone();
        gone.extend(inside.dhcp_hosts.keys().map(|name| on(scene, Kind::DhcpHost, &host, name)));
        for (number, place) in scene.numbered_places_on(&host).filter(|(_, place)| scene.turn(place).is_none()) {
            if let (Some(service), Some((generation, fate))) =
                (scene.stack.services.get(&place.service), fates.get(number))
            {
                let one = One { scene, place, service, generation, gone: &gone };
                one.plan(fate, inside.containers.get(&place.container), build);
            }
        }
        unused_profiles(scene, &host, inside, build);
    }
}

/// Plans the new container in place of one that was taken away in its turn.
pub(super) fn replace(scene: &Scene<'_>, place: &Place, inside: &Inside, generation: &str, build: &mut Builder) {
    if let Some(service) = scene.stack.services.get(&place.service) {
        dhcp_host(scene, place, inside, build);
        One { scene, place, service, generation, gone: &[] }.create("in place of the old one", build);
    }
}

/// The key of something on a host.
pub(super) fn on(scene: &Scene<'_>, kind: Kind, host: &str, name: &str) -> Key {
    scene.key(kind, format!("{host}/{name}"))
}

fn profile(scene: &Scene<'_>, host: &str, name: &str, service: &Service, inside: &Inside, build: &mut Builder) {
    let key = on(scene, Kind::Profile, host, name);
    let wanted = render::profile(&key, service);
    let profile = Profile { config: wanted.config, devices: wanted.devices };
    let (verb, write, reason) = match inside.profiles.get(name) {
        None => (Verb::Create, Write::Whole, "it does not exist"),
        Some(present) if *present == profile => return build.unchanged(key),
        Some(present) if present.config.get(render::KEY_CONFIG) != Some(&key.to_string()) => {
            return build.blocked(
                key.label(),
                "a profile of this name lies on the host and is not this stack's",
                format!("rename the service, or remove the profile: `lxc profile delete {name}`"),
            );
        }
        Some(_) => (Verb::Change, Write::Part, "it differs from the file"),
    };
    let action = Action::PutProfile {
        host: host.to_owned(),
        name: name.to_owned(),
        description: wanted.description,
        profile,
        write,
    };
    build.step(verb, &key, reason, &[scene.key(Kind::Host, host)], action);
}

/// What an image is called on a host: the fingerprint of a file, an alias for what a server offers.
pub fn image_name(image: &ContainerImage) -> String {
    match image {
        ContainerImage::File { fingerprint, .. } => fingerprint.clone(),
        ContainerImage::Simplestreams { server, alias } => {
            let server = server.trim_start_matches("https://").trim_end_matches('/').replace('/', "-");
            format!("{server}-{}", alias.replace('/', "-"))
        }
    }
}

fn image(scene: &Scene<'_>, host: &str, image: &ContainerImage, inside: &Inside, build: &mut Builder) {
    let name = image_name(image);
    let key = on(scene, Kind::Image, host, &name);
    if build.touches(&key) {
        return;
    }
    if inside.images.contains(&name) {
        build.unchanged(key);
        return;
    }
    let reason = match image {
        ContainerImage::Simplestreams { server, alias } => format!("the engine fetches `{alias}` from {server}"),
        ContainerImage::File { path, .. } => format!("`{path}` is uploaded"),
    };
    let action = Action::ImportImage { host: host.to_owned(), image: image.clone() };
    build.step(Verb::Create, &key, reason, &[scene.key(Kind::Host, host)], action);
}

/// Whether containers learn their addresses from their hosts' dnsmasq.
pub(super) fn uses_dhcp(scene: &Scene<'_>) -> bool {
    scene.attachment != Attachment::PairIp && scene.stack.network.addressing == Addressing::Dnsmasq
}

fn dhcp_host(scene: &Scene<'_>, place: &Place, inside: &Inside, build: &mut Builder) {
    if !uses_dhcp(scene) {
        return;
    }
    let key = on(scene, Kind::DhcpHost, &place.host, &place.container);
    let line = render::dhcp_host(place.mac, &place.container, place.address);
    // A container that is replaced goes first: while it runs it would ask for its address again.
    let after = [scene.key(Kind::Host, &place.host), scene.key(Kind::Container, &place.container)];
    let (host, name) = (place.host.clone(), place.container.clone());
    let (verb, reason) = match inside.dhcp_hosts.get(&place.container) {
        Some(present) if present.trim() == line.trim() => return build.unchanged(key),
        Some(_) => {
            // dnsmasq reads what is added; an old line it forgets only when it is told to.
            let action = Action::RemoveDhcpHost { host: host.clone(), name: name.clone() };
            build.step(Verb::Change, &key, "dnsmasq knows it otherwise", &after, action);
            (Verb::Change, "the line that the file asks for")
        }
        None => (Verb::Create, "so that dnsmasq answers it, and nobody unknown"),
    };
    build.step(verb, &key, reason, &after, Action::PutDhcpHost { host, name, line });
}

/// Plans the removal of profiles of services whose containers do not belong on the host. A service that could have
/// containers here keeps its profile, used or not.
fn unused_profiles(scene: &Scene<'_>, host: &str, inside: &Inside, build: &mut Builder) {
    let group = scene.ground.hosts.get(host);
    let stays =
        |name: &str| scene.stack.services.get(name).is_some_and(|service| Some(&service.hosts.as_str()) == group);
    for (name, profile) in inside.profiles.iter().filter(|(name, _)| !stays(name)) {
        let key = on(scene, Kind::Profile, host, name);
        if profile.config.get(render::KEY_CONFIG).is_some_and(|owner| *owner == key.to_string()) {
            let gone: Vec<Key> = inside.containers.keys().map(|name| scene.key(Kind::Container, name)).collect();
            let action = Action::DeleteProfile { host: host.to_owned(), name: name.clone() };
            build.step(Verb::Delete, &key, "no container of its service belongs here", &gone, action);
        }
    }
}

/// All that the configuration of a container depends on.
fn document(scene: &Scene<'_>, place: &Place, service: &Service) -> ContainerDocument {
    ContainerDocument {
        stack: scene.stack.name.clone(),
        key: scene.key(Kind::Container, &place.container),
        service: place.service.clone(),
        name: place.container.clone(),
        address: place.address,
        mac: place.mac,
        attachment: scene.attachment,
        addressing: scene.stack.network.addressing,
        subnet: scene.ground.subnet.cidr,
        gateway: scene.ground.subnet.gateway,
        nameservers: scene.ground.subnet.nameservers.clone(),
        mtu: scene.ground.network.mtu,
        image: service.image.clone(),
        user_data: service.user_data.clone(),
        limits: service.limits.clone(),
        agent: scene.stack.agent.install,
    }
}

/// One wanted container.
struct One<'a> {
    scene: &'a Scene<'a>,
    place: &'a Place,
    service: &'a Service,
    generation: &'a str,
    /// Hosts that go, and what dnsmasq learns and forgets, before it may start.
    gone: &'a [Key],
}

impl One<'_> {
    fn key(&self) -> Key {
        self.scene.key(Kind::Container, &self.place.container)
    }

    fn plan(&self, fate: &Fate, present: Option<&Container>, build: &mut Builder) {
        match fate {
            Fate::Unknown => {}
            Fate::Made => self.create("it does not exist", build),
            Fate::Replace(_) => self.create("in place of the old one", build),
            Fate::Stays => {
                if let Some(present) = present {
                    self.keep(present, build);
                }
            }
            Fate::Stranger => build.blocked(
                self.key().label(),
                format!("a container of this name lies on host `{}` and is not this stack's", self.place.host),
                "rename the service, or remove that container",
            ),
        }
    }

    fn create(&self, reason: &str, build: &mut Builder) {
        let Self { scene, place, service, .. } = *self;
        let after = [
            scene.key(Kind::Host, &place.host),
            on(scene, Kind::Profile, &place.host, &place.service),
            on(scene, Kind::Image, &place.host, &image_name(&service.image)),
            scene.key(Kind::Reservation, &place.container),
        ];
        let action = Action::CreateContainer {
            host: place.host.clone(),
            name: place.container.clone(),
            image: service.image.clone(),
            config: Box::new(render::container(&document(scene, place, service))),
        };
        build.step(Verb::Create, &self.key(), reason, &after, action);
        self.start("once its packets can pass", build);
        self.prove(build);
    }

    fn start(&self, reason: &str, build: &mut Builder) {
        let Self { scene, place, .. } = *self;
        let mut after = vec![
            scene.key(Kind::Pairs, &place.host),
            scene.key(Kind::Port, &place.host),
            scene.key(Kind::Host, &place.host),
            on(scene, Kind::DhcpHost, &place.host, &place.container),
        ];
        after.extend_from_slice(self.gone);
        let action = Action::StartContainer { host: place.host.clone(), name: place.container.clone() };
        build.step(Verb::Change, &self.key(), reason, &after, action);
    }

    fn prove(&self, build: &mut Builder) {
        let Self { scene, place, service, generation, .. } = *self;
        let action = Action::AwaitContainer {
            host: place.host.clone(),
            name: place.container.clone(),
            address: place.address,
            port: service.port,
            generation: generation.to_owned(),
        };
        let reason = format!("for its cloud-init to end clean and {} to answer", place.address);
        build.step(Verb::Wait, &self.key(), reason, &[scene.key(Kind::Pairs, &place.host)], action);
    }

    /// Plans for a container that is made as the file says: settings that change in place, a start, a proof.
    fn keep(&self, present: &Container, build: &mut Builder) {
        let limits = render::limits(&self.service.limits);
        let mut config: BTreeMap<String, String> = limits
            .iter()
            .filter(|(name, value)| present.config.get(*name) != Some(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let surplus = present.config.keys().filter(|name| name.starts_with("limits.") && !limits.contains_key(*name));
        config.extend(surplus.map(|name| (name.clone(), String::new())));
        if !config.is_empty() {
            let names: Vec<&str> = config.keys().map(String::as_str).collect();
            let reason = format!("{} not as in the file", names.join(", "));
            let (host, name) = (self.place.host.clone(), self.place.container.clone());
            build.step(Verb::Change, &self.key(), reason, &[], Action::ConfigureContainer { host, name, config });
        }
        if !present.running {
            self.start("it is stopped", build);
        }
        if !present.running || present.config.get(PROVEN).is_none_or(|proven| proven != self.generation) {
            self.prove(build);
        }
        build.unchanged(self.key());
    }
}
