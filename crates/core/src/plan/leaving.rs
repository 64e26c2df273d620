//! What goes before anything else can have its address: containers that the file wants no more or wants otherwise, and
//! hosts with all that lies on them.

use std::collections::BTreeMap;

use super::containers::{Fate, Fates, on, uses_dhcp};
use super::{Action, Builder, Contents, Place, Scene, Verb, surplus};
use crate::book::one_of_each;
use crate::key::{Key, Kind};
use crate::observed::Server;
use crate::spec::model::Attachment;

/// Plans the end of containers on wanted hosts, and has dnsmasq forget them. Those on other hosts go with their host.
pub(super) fn containers(scene: &Scene<'_>, fates: &Fates, build: &mut Builder) {
    let drained = scene.drained();
    let wanted: BTreeMap<&str, (usize, &Place)> =
        scene.places.iter().enumerate().map(|(number, place)| (place.container.as_str(), (number, place))).collect();
    for host in scene.ground.hosts.keys() {
        let Contents::Known(inside) = scene.contents(host) else { continue };
        for name in inside.containers.keys() {
            let (verb, reason, after) = match wanted.get(name.as_str()) {
                None => (Verb::Delete, "the file has no such container".to_owned(), drained.as_slice()),
                Some((_, place)) if place.host != *host => {
                    (Verb::Replace, format!("it moves from `{host}` to `{}`", place.host), [].as_slice())
                }
                // The others go one after another, each in its turn.
                Some((_, place)) if scene.turn(place).is_some() => continue,
                Some((number, _)) => match fates.get(*number).map(|fate| &fate.1) {
                    Some(Fate::Replace(reason)) => (Verb::Replace, reason.clone(), [].as_slice()),
                    _ => continue,
                },
            };
            let action = Action::DeleteContainer { host: host.clone(), name: name.clone() };
            build.step(verb, &scene.key(Kind::Container, name), reason, after, action);
        }
        let stays = |name: &str| uses_dhcp(scene) && wanted.get(name).is_some_and(|(_, place)| place.host == *host);
        for name in inside.dhcp_hosts.keys().filter(|name| !stays(name)) {
            let action = Action::RemoveDhcpHost { host: host.clone(), name: name.clone() };
            let after = [scene.key(Kind::Container, name)];
            build.step(
                Verb::Change,
                &on(scene, Kind::DhcpHost, host, name),
                "nothing here asks dnsmasq for it",
                &after,
                action,
            );
        }
    }
}

/// Plans the end of hosts that the file wants no more, and of twins.
pub(super) fn hosts(scene: &Scene<'_>, build: &mut Builder) {
    let drained = scene.drained();
    for (key, server) in scene.ground.servers.iter().filter(|(key, _)| !scene.wants_host(&key.name)) {
        build.step(Verb::Delete, key, surplus::UNWANTED, &drained, Action::DeleteServer { id: server.id.clone() });
    }
    for server in one_of_each(&scene.seen.servers).1 {
        build.step(Verb::Delete, &server.key, surplus::TWIN, &[], Action::DeleteServer { id: server.id.clone() });
    }
    for (key, port) in
        scene.ground.ports.iter().filter(|(key, _)| key.kind == Kind::Port && !scene.wants_host(&key.name))
    {
        let keys = vec![(*key).clone(), scene.key(Kind::Pairs, key.name.as_str())];
        let after = [scene.key(Kind::Host, key.name.as_str())];
        build.steps(Verb::Delete, keys, surplus::UNWANTED, &after, Action::DeletePort { id: port.id.clone() });
    }
}

/// Servers whose end a container waits for before it starts anywhere else: an old copy may run there, and no pair that is
/// taken away keeps its packets back.
pub(super) fn unfenced(scene: &Scene<'_>) -> Vec<Key> {
    let fenced = |host: &str| {
        scene.attachment != Attachment::Open && scene.port(Kind::Port, host).is_some_and(|port| port.port_security)
    };
    let goes = |key: &Key, server: &Server| !scene.wants_host(&key.name) || scene.is_made_anew(server);
    let going = scene.ground.servers.iter().filter(|(key, server)| goes(key, server) && !fenced(&key.name));
    going.map(|(key, _)| (*key).clone()).collect()
}
