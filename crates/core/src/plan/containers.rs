//! What lies on the hosts: profiles, images, what dnsmasq knows, containers.
//!
//! What lies on a host that exists but does not answer is unknown, and nothing is planned for it: the plan waits for
//! the host, and the next look plans the rest. A host that this very plan makes is known to be empty.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Builder, Place, Scene, Verb, Write};
use crate::key::{Key, Kind};
use crate::observed::{Container, HostView, Inside, Profile};
use crate::render::{self, ContainerDocument, InstanceConfig};
use crate::spec::model::{Addressing, Attachment, ContainerImage, Service};

/// The configuration key under which a container notes which generation of itself was proven to work.
pub const PROVEN: &str = "user.pontoon.proven";

pub(super) fn plan(scene: &Scene<'_>, build: &mut Builder) {
    let nothing = Inside::default();
    let elsewhere = lies_on(scene);
    for (host, _) in scene.stack.host_names() {
        let exists = scene.seen.servers.iter().any(|server| server.key == scene.key(Kind::Host, &host) && server.status != "ERROR");
        let inside = match scene.seen.hosts.get(&host) {
            Some(HostView::Ready(inside)) if exists => inside,
            _ if exists => continue,
            _ => &nothing,
        };
        let places: Vec<&Place> = scene.places_on(&host).collect();
        for service in places.iter().map(|place| place.service.as_str()).collect::<BTreeSet<_>>() {
            if let Some(described) = scene.stack.services.get(service) {
                profile(scene, &host, service, described, inside, build);
                image(scene, &host, &described.image, inside, build);
            }
        }
        for place in places {
            if let Some(service) = scene.stack.services.get(&place.service) {
                dhcp_host(scene, place, inside, build);
                container(scene, place, service, inside, &elsewhere, build);
            }
        }
    }
}

/// On which host each container of the stack lies, where that is known.
fn lies_on<'a>(scene: &Scene<'a>) -> BTreeMap<&'a str, &'a str> {
    let mut found = BTreeMap::new();
    for (host, view) in &scene.seen.hosts {
        if let HostView::Ready(inside) = view {
            found.extend(inside.containers.keys().map(|name| (name.as_str(), host.as_str())));
        }
    }
    found
}

/// The key of something on a host.
fn on(scene: &Scene<'_>, kind: Kind, host: &str, name: &str) -> Key {
    scene.key(kind, format!("{host}/{name}"))
}

fn profile(scene: &Scene<'_>, host: &str, name: &str, service: &Service, inside: &Inside, build: &mut Builder) {
    let key = on(scene, Kind::Profile, host, name);
    let wanted = render::profile(&key, service);
    let profile = Profile { config: wanted.config, devices: wanted.devices };
    let (verb, write, reason) = match inside.profiles.get(name) {
        None => (Verb::Create, Write::Whole, "it does not exist"),
        Some(present) if *present == profile => return build.unchanged(key),
        Some(present) if present.config.get(render::KEY_CONFIG).is_none_or(|owner| *owner != key.to_string()) => {
            return build.blocked(
                key.label(),
                "a profile of this name lies on the host and is not this stack's",
                format!("rename the service, or remove the profile: `lxc profile delete {name}`"),
            );
        }
        Some(_) => (Verb::Change, Write::Part, "it differs from the file"),
    };
    let action =
        Action::PutProfile { host: host.to_owned(), name: name.to_owned(), description: wanted.description, profile, write };
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

fn uses_dhcp(scene: &Scene<'_>) -> bool {
    scene.attachment != Attachment::PairIp && scene.stack.network.addressing == Addressing::Dnsmasq
}

fn dhcp_host(scene: &Scene<'_>, place: &Place, inside: &Inside, build: &mut Builder) {
    if !uses_dhcp(scene) {
        return;
    }
    let key = on(scene, Kind::DhcpHost, &place.host, &place.container);
    let line = render::dhcp_host(place.mac, &place.container, place.address);
    let (verb, reason) = match inside.dhcp_hosts.get(&place.container) {
        Some(present) if present.trim() == line.trim() => return build.unchanged(key),
        Some(_) => (Verb::Change, "dnsmasq knows it by another address"),
        None => (Verb::Create, "so that dnsmasq answers it, and nobody unknown"),
    };
    let action = Action::PutDhcpHost { host: place.host.clone(), name: place.container.clone(), line };
    build.step(verb, &key, reason, &[scene.key(Kind::Host, &place.host)], action);
}

/// The whole configuration of a container.
fn instance(scene: &Scene<'_>, place: &Place, service: &Service) -> InstanceConfig {
    render::container(&ContainerDocument {
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
    })
}

fn container(
    scene: &Scene<'_>,
    place: &Place,
    service: &Service,
    inside: &Inside,
    elsewhere: &BTreeMap<&str, &str>,
    build: &mut Builder,
) {
    let key = scene.key(Kind::Container, &place.container);
    let name = place.container.as_str();
    let wanted = instance(scene, place, service);
    if inside.foreign.contains(name) {
        return build.blocked(
            key.label(),
            format!("a container of this name lies on host `{}` and is not this stack's", place.host),
            "rename the service, or remove that container",
        );
    }
    match inside.containers.get(name) {
        Some(present) if present.config.get(render::GENERATION_CONFIG) == Some(&wanted.generation) => {
            keep(scene, place, service, present, &wanted, build);
        }
        Some(present) => {
            let reason = changed(present, &wanted);
            let action = Action::DeleteContainer { host: place.host.clone(), name: name.to_owned() };
            build.step(Verb::Replace, &key, reason, &[], action);
            create(scene, place, service, wanted, "in place of the old one", build);
        }
        None => {
            if let Some(old) = elsewhere.get(name).filter(|old| **old != place.host && super::hosts::wanted_host(scene.stack, old)) {
                let action = Action::DeleteContainer { host: (*old).to_owned(), name: name.to_owned() };
                build.step(Verb::Replace, &key, format!("it moves from `{old}` to `{}`", place.host), &[], action);
            }
            create(scene, place, service, wanted, "it does not exist", build);
        }
    }
}

/// What of a container's generation is not what the file says now.
fn changed(present: &Container, wanted: &InstanceConfig) -> String {
    let was = present.config.get(render::GENERATION_CONFIG).map_or("", String::as_str);
    let parts = |text: &str| -> BTreeMap<String, String> {
        text.split_whitespace().filter_map(|part| part.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    };
    let (was, now) = (parts(was), parts(&wanted.generation));
    let differing: Vec<String> =
        now.iter().filter(|(part, value)| was.get(*part) != Some(value)).map(|(part, _)| part.replace('_', " ")).collect();
    if differing.is_empty() {
        "it was made in another way than the file says now".to_owned()
    } else {
        format!("its {} changed, which cloud-init applies to a new container only", differing.join(" and "))
    }
}

fn create(scene: &Scene<'_>, place: &Place, service: &Service, wanted: InstanceConfig, reason: &str, build: &mut Builder) {
    let key = scene.key(Kind::Container, &place.container);
    let after = [
        scene.key(Kind::Host, &place.host),
        on(scene, Kind::Profile, &place.host, &place.service),
        on(scene, Kind::Image, &place.host, &image_name(&service.image)),
        scene.key(Kind::Reservation, &place.container),
    ];
    let generation = wanted.generation.clone();
    let action = Action::CreateContainer {
        host: place.host.clone(),
        name: place.container.clone(),
        image: service.image.clone(),
        config: Box::new(wanted),
    };
    build.step(Verb::Create, &key, reason, &after, action);
    start(scene, place, "once its packets can pass", build);
    prove(scene, place, service, generation, build);
}

fn start(scene: &Scene<'_>, place: &Place, reason: &str, build: &mut Builder) {
    let after = [
        scene.key(Kind::Pairs, &place.host),
        scene.key(Kind::Port, &place.host),
        on(scene, Kind::DhcpHost, &place.host, &place.container),
    ];
    let action = Action::StartContainer { host: place.host.clone(), name: place.container.clone() };
    build.step(Verb::Change, &scene.key(Kind::Container, &place.container), reason, &after, action);
}

fn prove(scene: &Scene<'_>, place: &Place, service: &Service, generation: String, build: &mut Builder) {
    let action = Action::AwaitContainer {
        host: place.host.clone(),
        name: place.container.clone(),
        address: place.address,
        port: service.port,
        generation,
    };
    let reason = format!("for its cloud-init to end clean and {} to answer", place.address);
    build.step(Verb::Wait, &scene.key(Kind::Container, &place.container), reason, &[], action);
}

/// Plans for a container that is made as the file says: settings that change in place, a start, a proof.
fn keep(
    scene: &Scene<'_>,
    place: &Place,
    service: &Service,
    present: &Container,
    wanted: &InstanceConfig,
    build: &mut Builder,
) {
    let key = scene.key(Kind::Container, &place.container);
    let in_place = |name: &str| name.starts_with("limits.");
    let mut config = BTreeMap::new();
    for (name, value) in wanted.config.iter().filter(|(name, _)| in_place(name)) {
        if present.config.get(name) != Some(value) {
            config.insert(name.clone(), value.clone());
        }
    }
    for name in present.config.keys().filter(|name| in_place(name) && !wanted.config.contains_key(*name)) {
        config.insert(name.clone(), String::new());
    }
    if !config.is_empty() {
        let names: Vec<&str> = config.keys().map(String::as_str).collect();
        let reason = format!("{} differ from the file", names.join(", "));
        let action = Action::ConfigureContainer { host: place.host.clone(), name: place.container.clone(), config };
        build.step(Verb::Change, &key, reason, &[], action);
    }
    if !present.running {
        start(scene, place, "it is stopped", build);
    }
    if !present.running || present.config.get(PROVEN) != Some(&wanted.generation) {
        prove(scene, place, service, wanted.generation.clone(), build);
    }
    build.unchanged(key);
}

/// Plans the removal of what lies on a wanted host and is wanted there no more.
pub(super) fn surplus(scene: &Scene<'_>, members: &[Key], build: &mut Builder) {
    let wanted: BTreeMap<&str, &str> =
        scene.places.iter().map(|place| (place.container.as_str(), place.host.as_str())).collect();
    for (host, view) in &scene.seen.hosts {
        let HostView::Ready(inside) = view else { continue };
        if !super::hosts::wanted_host(scene.stack, host) {
            continue; // it goes with its host
        }
        for name in inside.containers.keys().filter(|name| !wanted.contains_key(name.as_str())) {
            let action = Action::DeleteContainer { host: host.clone(), name: name.clone() };
            build.step(Verb::Delete, &scene.key(Kind::Container, name), "the file has no such container", members, action);
        }
        for name in inside.dhcp_hosts.keys().filter(|name| wanted.get(name.as_str()) != Some(&host.as_str()) || !uses_dhcp(scene)) {
            let key = on(scene, Kind::DhcpHost, host, name);
            let action = Action::RemoveDhcpHost { host: host.clone(), name: name.clone() };
            build.step(Verb::Delete, &key, "nothing here has this address", &[scene.key(Kind::Container, name)], action);
        }
        let gone: Vec<Key> = inside.containers.keys().map(|name| scene.key(Kind::Container, name)).collect();
        for (name, profile) in &inside.profiles {
            let key = on(scene, Kind::Profile, host, name);
            let ours = profile.config.get(render::KEY_CONFIG).is_some_and(|owner| *owner == key.to_string());
            let used = scene.places_on(host).any(|place| place.service == *name);
            if ours && !used {
                let action = Action::DeleteProfile { host: host.clone(), name: name.clone() };
                build.step(Verb::Delete, &key, "no container here uses it", &gone, action);
            }
        }
    }
}
