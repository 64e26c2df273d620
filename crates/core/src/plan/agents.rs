//! Agents: the program on each host, its settings and unit, the ring's key, and the picture of the stack that it shows.
//!
//! An agent is as it should be when each of these is, compared by hash, and it runs with them: a run that was killed
//! between the files and the restart has left a mark. The ring has one key, and no place
//! for it but the hosts: a host that lacks it, or has another than most, gets it from one that has it; only where no
//! host has any is one drawn. So a host that may have it and does not answer is waited for before any is.
//!
//! Agents that run are restarted one after another, in the order of their hosts: who comes back is told everything by
//! those that stayed, and a program that does not work is found out on one host.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use super::action::{AgentFile, KeySource, Then};
use super::{Action, Builder, Contents, Scene, Verb, floating_ips};
use crate::book::one_of_each;
use crate::key::{Key, Kind};
use crate::observed::{Agent, AgentProgram};
use crate::render::{self, AgentDocument, Picture, PictureBalancer, PictureContainer, PictureHost};
use crate::spec::model::{Install, Stack};

/// Plans the agents of all wanted hosts.
pub(super) fn plan(scene: &Scene<'_>, build: &mut Builder) {
    if scene.stack.agent.install == Install::No {
        return remove(scene, build);
    }
    let (sha256, version) = match &scene.seen.agent_program {
        None => return,
        Some(AgentProgram::Missing(reason)) => {
            build.note(format!("hosts get no agent from here: {reason}"));
            return;
        }
        Some(AgentProgram::Here { sha256, version, .. }) => (sha256, version),
    };
    let Some(ring) = Ring::of(scene) else { return };
    let picture = render::agent_picture(&picture(scene, build));
    // Once for all hosts: it names every container of the stack.
    let picture_hash = hash(&picture);
    let mut restarted = None;
    for (host, group) in scene.stack.host_names() {
        let (Contents::Known(inside), Some(group)) = (scene.contents(&host), scene.stack.hosts.get(group)) else {
            continue;
        };
        let document = AgentDocument {
            stack: scene.stack.name.clone(),
            host: host.clone(),
            subnet: scene.ground.subnet.cidr,
            engine: group.engine,
        };
        let wanted = Wanted {
            program: sha256,
            version,
            settings: render::agent_settings(&document),
            unit: render::agent_unit(&document),
            picture: &picture,
            picture_hash: &picture_hash,
            key: ring.source(&host, &inside.agent),
        };
        wanted.plan(scene, &host, &inside.agent, &mut restarted, build);
    }
}

fn remove(scene: &Scene<'_>, build: &mut Builder) {
    for (host, _) in scene.stack.host_names() {
        let Contents::Known(inside) = scene.contents(&host) else { continue };
        if inside.agent != Agent::NONE {
            let key = scene.key(Kind::Agent, &host);
            let action = Action::RemoveAgent { host: host.clone() };
            build.step(Verb::Delete, &key, "the file wants no agents", &[scene.key(Kind::Host, &host)], action);
        }
    }
}

/// The key that the ring has.
struct Ring {
    /// Its hash, and the host that it is copied from; nothing where one has to be drawn.
    has: Option<(String, String)>,
}

impl Ring {
    /// Nothing while it is not known whether there is one.
    fn of(scene: &Scene<'_>) -> Option<Self> {
        let mut holders: BTreeMap<&String, Vec<String>> = BTreeMap::new();
        let mut unknown = false;
        for (host, _) in scene.stack.host_names() {
            match scene.contents(&host) {
                Contents::Unknown => unknown = true,
                Contents::Known(inside) => {
                    if let Some(key) = &inside.agent.ring_key {
                        holders.entry(key).or_default().push(host);
                    }
                }
            }
        }
        // The one that most have; of equals that of the first host.
        let most = holders.into_iter().min_by_key(|(_, hosts)| (usize::MAX - hosts.len(), hosts.first().cloned()));
        let has = most.and_then(|(key, hosts)| Some((key.clone(), hosts.into_iter().next()?)));
        (has.is_some() || !unknown).then_some(Self { has })
    }

    /// Where a host gets the key from; nothing where it has it.
    fn source(&self, host: &str, present: &Agent) -> Option<KeySource> {
        match &self.has {
            Some((key, _)) if present.ring_key.as_ref() == Some(key) => None,
            Some((_, from)) if from != host => Some(KeySource::Host(from.clone())),
            Some(_) => None,
            None => Some(KeySource::Drawn),
        }
    }
}

/// All that an agent should be.
struct Wanted<'a> {
    program: &'a str,
    version: &'a str,
    settings: String,
    unit: String,
    picture: &'a str,
    picture_hash: &'a str,
    key: Option<KeySource>,
}

impl Wanted<'_> {
    /// `restarted` is the host before this one whose agent runs and is restarted.
    fn plan(self, scene: &Scene<'_>, host: &str, present: &Agent, restarted: &mut Option<String>, build: &mut Builder) {
        let key = scene.key(Kind::Agent, host);
        let program = present.program.as_deref() != Some(self.program);
        let differs = |was: &Option<String>, now: &str| was.as_deref() != Some(hash(now).as_str());
        let settings = differs(&present.settings, &self.settings);
        let unit = differs(&present.unit, &self.unit);
        let picture = present.picture.as_deref() != Some(self.picture_hash);
        let restarts = program || settings || unit || self.key.is_some() || !present.running || present.unfinished;
        if !restarts && !picture {
            return build.unchanged(key);
        }
        let mut reasons = Vec::new();
        if *present == Agent::NONE {
            reasons.push(format!("pontoon {} tells the others what runs on the host", self.version));
        } else {
            let changes = [
                (program, format!("the program is another one than pontoon {}", self.version)),
                (settings || unit, "its settings are not those of the file".to_owned()),
                (self.key.is_some(), "it has not the key of the ring".to_owned()),
                (picture, "what it shows of the stack is out of date".to_owned()),
                (!present.running, "it does not run".to_owned()),
                (present.running && present.unfinished, "an earlier run did not get to restart it".to_owned()),
            ];
            reasons.extend(changes.into_iter().filter_map(|(is, reason)| is.then_some(reason)));
        }
        let verb = if *present == Agent::NONE { Verb::Create } else { Verb::Change };
        let mut after = vec![scene.key(Kind::Host, host)];
        if let Some(KeySource::Host(from)) = &self.key {
            after.push(scene.key(Kind::Host, from));
        }
        if restarts
            && present.running
            && let Some(before) = restarted.replace(host.to_owned())
        {
            reasons.push(format!("when that of `{before}` is back"));
            after.push(scene.key(Kind::Agent, &before));
        }
        let file = |is: bool, path: &str, content: &str| {
            is.then(|| AgentFile { path: path.to_owned(), content: content.to_owned() })
        };
        let files = [
            file(settings, render::AGENT_SETTINGS, &self.settings),
            file(unit, render::AGENT_UNIT, &self.unit),
            file(picture, render::AGENT_PICTURE, self.picture),
        ];
        let action = Action::PutAgent {
            host: host.to_owned(),
            program: program.then(|| self.program.to_owned()),
            files: files.into_iter().flatten().collect(),
            key: self.key,
            others: scene.stack.host_names().map(|(name, _)| name).filter(|name| name != host).collect(),
            then: if restarts { Then::Restart } else { Then::Reload },
        };
        build.step(verb, &key, reasons.join("; "), &after, action);
    }
}

/// What the stack should look like, as far as anybody knows: addresses that are still to be given are left out, and the
/// next look, which has them, changes the picture.
fn picture(scene: &Scene<'_>, build: &Builder) -> Picture {
    let Stack { network, services, balancers, .. } = scene.stack;
    let (floating_ips, _) = one_of_each(&scene.seen.floating_ips);
    let address_at = |key: &Key, port_id: Option<&str>| -> Option<Ipv4Addr> {
        let led = scene.seen.floating_ips.iter().find(|one| port_id.is_some() && one.port_id.as_deref() == port_id);
        led.map(|one| one.address).or_else(|| floating_ips.get(key).map(|one| one.address))
    };
    let (attachment, reason) = build.chosen_attachment();
    let host = |name: &str| {
        let port = scene.port(Kind::Port, name);
        PictureHost {
            name: name.to_owned(),
            address: port.and_then(|port| port.addresses.first().copied()),
            floating_ip: address_at(&floating_ips::of_host(scene.stack, name), port.map(|port| port.id.as_str())),
        }
    };
    let (seen, _) = one_of_each(&scene.seen.balancers);
    let balancer = |(name, one): (&String, &crate::spec::model::Balancer)| {
        let present = seen.get(&scene.key(Kind::Balancer, name));
        let vip_port = present.map(|present| present.vip_port_id.as_str());
        PictureBalancer {
            name: name.clone(),
            service: one.service.clone(),
            protocol: word(&one.protocol),
            listen: one.listen,
            method: word(&one.method),
            vip: one.address.or_else(|| present?.vip),
            floating_ip: address_at(&floating_ips::of_balancer(scene.stack, name), vip_port),
            allow: one.allow.clone(),
        }
    };
    Picture {
        network: network.name.clone(),
        external: network.external.clone(),
        attachment: (attachment, reason),
        hosts: scene.stack.host_names().map(|(name, _)| host(&name)).collect(),
        services: services.iter().map(|(name, one)| (name.clone(), one.replicas, one.port)).collect(),
        containers: scene
            .places
            .iter()
            .map(|place| PictureContainer {
                name: place.container.clone(),
                service: place.service.clone(),
                host: place.host.clone(),
                address: place.address,
                mac: place.mac.to_string(),
            })
            .collect(),
        balancers: balancers.iter().map(balancer).collect(),
    }
}

/// A choice of the file as the file writes it.
fn word(choice: &impl serde::Serialize) -> String {
    serde_json::to_value(choice).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// SHA-256 in hexadecimal, as `sha256sum` prints it.
pub(super) fn hash(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}
