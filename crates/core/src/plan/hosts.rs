//! Hosts: server groups, ports, servers, and the floating IP by which the first one is reached.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Action, Builder, Scene, Verb, network};
use crate::address::Mac;
use crate::key::{Key, Kind};
use crate::observed::{FloatingIp as SeenFloatingIp, HostView};
use crate::render::{self, HostDocument};
use crate::spec::model::{Attachment, FloatingIp, HostGroup, Stack};

/// The user that every host has for us, whatever image it was booted from.
pub const LOGIN: &str = "pontoon";

/// How an operator reaches a host by ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// At its floating IP.
    FloatingIp(Key),
    /// At its own address, through another host.
    Through(String),
    /// At its own address: the operator is on the network, or has a route to it.
    Address,
}

/// The way to every host of a stack: a host's own floating IP, else the jump host of its group, else any jump host.
pub fn ways(stack: &Stack) -> BTreeMap<String, Way> {
    let jump_of = |group: &str| {
        let hosts = stack.hosts.get(group)?;
        (hosts.count > 0 && hosts.floating_ip != FloatingIp::No).then(|| format!("{group}0"))
    };
    let any = stack.hosts.keys().find_map(|group| jump_of(group));
    stack
        .host_names()
        .map(|(host, group)| {
            let way = match jump_of(group).or_else(|| any.clone()) {
                Some(jump) if jump == host => Way::FloatingIp(floating_ip_key(stack, &host)),
                Some(jump) => Way::Through(jump),
                None => Way::Address,
            };
            (host, way)
        })
        .collect()
}

fn floating_ip_key(stack: &Stack, host: &str) -> Key {
    Key::new(&stack.name, Kind::FloatingIp, format!("host-{host}"))
}

pub(super) fn plan(scene: &Scene<'_>, build: &mut Builder) {
    let ways = ways(scene.stack);
    for (group, hosts) in &scene.stack.hosts {
        let names: Vec<String> = (0..hosts.count).map(|number| format!("{group}{number}")).collect();
        if names.len() > 1 {
            server_group(scene, group, build);
        }
        for host in &names {
            port(scene, group, host, build);
        }
        if let Some(jump) = names.first() {
            floating_ip(
                scene,
                &floating_ip_key(scene.stack, jump),
                hosts.floating_ip,
                &scene.key(Kind::Port, jump),
                scene.port(Kind::Port, jump).map(|port| port.id.as_str()),
                build,
            );
        }
        let mut catalogue = None;
        for host in &names {
            server(scene, (group, hosts), host, ways.get(host), &mut catalogue, build);
        }
    }
}

fn server_group(scene: &Scene<'_>, group: &str, build: &mut Builder) {
    let key = scene.key(Kind::ServerGroup, group);
    if scene.seen.server_groups.iter().any(|one| one.key == key) {
        build.unchanged(key);
    } else {
        let reason = "so that Nova spreads the hosts over machines where it can (soft anti-affinity)";
        let name = key.to_string(); // a server group has nothing but its name to carry a key
        build.step(Verb::Create, &key, reason, &[], Action::CreateServerGroup { name });
    }
}

fn port(scene: &Scene<'_>, group: &str, host: &str, build: &mut Builder) {
    let key = scene.key(Kind::Port, host);
    let security_group = network::hosts_group(scene, group);
    let secured = scene.attachment != Attachment::Open;
    // With port security off there are no security groups (Neutron answers 409 to both together).
    let security_groups = if secured { vec![security_group.clone()] } else { Vec::new() };
    let rules = scene.key(Kind::SecurityGroupRule, security_group.name.as_str());
    let Some(port) = scene.port(Kind::Port, host) else {
        let pairs = network::pairs_of(scene, host).into_iter().collect();
        let mut after = network::before_free_choice(scene);
        after.extend([security_group, rules]);
        build.steps(
            Verb::Create,
            vec![key, scene.key(Kind::Pairs, host)],
            "with an Ethernet address that is known before the boot, and a pair for each of its containers",
            &after,
            Action::CreatePort {
                name: host.to_owned(),
                network_id: scene.ground.network.id.clone(),
                subnet_id: scene.ground.subnet.id.clone(),
                mac: Mac::of_host(&scene.stack.name, host),
                security_groups,
                port_security: secured,
                pairs,
            },
        );
        return;
    };
    let wanted_id = scene.seen.security_groups.iter().filter(|one| one.key == security_group).map(|one| &one.id).min();
    let grouped = !secured || wanted_id.is_some_and(|id| port.security_groups.contains(id));
    if grouped && port.port_security == secured {
        build.unchanged(key);
    } else {
        let reason = if port.port_security == secured {
            "its security group is missing"
        } else if secured {
            "port security is off, though pairs pass it"
        } else {
            "attachment `open` needs port security off"
        };
        let action = Action::SetPortSecurity { port: key.clone(), security_groups, port_security: secured };
        build.step(Verb::Change, &key, reason, &[security_group, rules], action);
    }
}

/// Ids of what a group of hosts is booted from; looked up only when a host is missing, because an image that is gone
/// does not matter to a host that runs.
struct Catalogue {
    image_id: String,
    flavor_id: String,
    public_key: String,
}

fn server(
    scene: &Scene<'_>,
    (group, hosts): (&str, &HostGroup),
    host: &str,
    way: Option<&Way>,
    catalogue: &mut Option<Catalogue>,
    build: &mut Builder,
) {
    let key = scene.key(Kind::Host, host);
    let mut reach = match way {
        Some(Way::FloatingIp(floating)) => vec![floating.clone()],
        Some(Way::Through(jump)) => vec![scene.key(Kind::Host, jump)],
        Some(Way::Address) | None => Vec::new(),
    };
    reach.push(scene.key(Kind::Port, host));
    reach.push(scene.key(Kind::SecurityGroupRule, network::hosts_group(scene, group).name));
    let present = scene.seen.servers.iter().filter(|server| server.key == key);
    let wait = |reason: &str, build: &mut Builder| {
        let action = Action::AwaitHost { host: host.to_owned(), engine: hosts.engine };
        build.step(Verb::Wait, &key, reason, &reach, action);
    };

    match crate::book::one_of_each(&present.cloned().collect::<Vec<_>>()).0.into_values().next() {
        None => {
            boot(scene, (group, hosts), host, "it does not exist", catalogue, build);
            wait("for its cloud-init to make it a container host", build);
        }
        Some(server) if server.status == "ERROR" => {
            let fault = server.fault.as_deref().unwrap_or("Nova does not say why");
            let reason = format!("Nova calls it ERROR: {fault}");
            build.step(Verb::Replace, &key, reason, &[], Action::DeleteServer { id: server.id.clone() });
            boot(scene, (group, hosts), host, "in place of the failed one", catalogue, build);
            wait("for its cloud-init to make it a container host", build);
        }
        Some(server) if matches!(server.status.as_str(), "SHUTOFF" | "SUSPENDED" | "PAUSED") => {
            let reason = format!("Nova calls it {}", server.status);
            build.step(Verb::Change, &key, reason, &[], Action::StartServer { id: server.id.clone() });
            wait("for it to come up", build);
        }
        Some(server) => match scene.seen.hosts.get(host) {
            Some(HostView::Ready(_)) => {
                if server.user_data_hash.as_ref().is_some_and(|hash| Some(hash) != wanted_hash(scene, hosts, host).as_ref()) {
                    build.note(format!("host `{host}` was booted with an older user-data; it serves on, and a new one would be made differently"));
                }
                build.unchanged(key);
            }
            Some(HostView::Preparing) => wait("its cloud-init is still at work; what belongs on it is planned when it is done", build),
            Some(HostView::Failed(log)) => wait(&format!("its cloud-init failed: {log}"), build),
            Some(HostView::Unreachable(reason)) => wait(reason, build),
            None => wait("it was not looked into; what belongs on it is planned when it answers", build),
        },
    }
}

fn boot(
    scene: &Scene<'_>,
    (group, hosts): (&str, &HostGroup),
    host: &str,
    reason: &str,
    catalogue: &mut Option<Catalogue>,
    build: &mut Builder,
) {
    let catalogue = catalogue.get_or_insert_with(|| look_up(scene, group, hosts, build));
    let user_data = render::host_user_data(&document(scene, hosts, host, &catalogue.public_key));
    if let Err(size) = render::fits_user_data(&user_data) {
        build.blocked(
            format!("host `{host}`"),
            format!("its user-data has {size} bytes, more than Nova takes"),
            "this is a defect of Pontoon: please report it with the file",
        );
    }
    let server_group = (hosts.count > 1).then(|| scene.key(Kind::ServerGroup, group));
    let mut after = vec![scene.key(Kind::Port, host)];
    after.extend(server_group.clone());
    build.step(
        Verb::Create,
        &scene.key(Kind::Host, host),
        reason,
        &after,
        Action::CreateServer {
            name: host.to_owned(),
            image_id: catalogue.image_id.clone(),
            flavor_id: catalogue.flavor_id.clone(),
            key_name: hosts.key.clone(),
            port: scene.key(Kind::Port, host),
            user_data_hash: hash(&user_data),
            user_data,
            group: server_group,
            availability_zone: hosts.availability_zone.clone(),
        },
    );
}

fn document(scene: &Scene<'_>, hosts: &HostGroup, host: &str, public_key: &str) -> HostDocument {
    let mac = scene.port(Kind::Port, host).and_then(|port| port.mac);
    HostDocument {
        name: host.to_owned(),
        stack: scene.stack.name.clone(),
        mac: mac.unwrap_or_else(|| Mac::of_host(&scene.stack.name, host)),
        mtu: scene.ground.network.mtu,
        subnet: scene.ground.subnet.cidr,
        gateway: scene.ground.subnet.gateway,
        nameservers: scene.ground.subnet.nameservers.clone(),
        engine: hosts.engine,
        storage: hosts.storage,
        login: render::Login { user: LOGIN.to_owned(), public_key: public_key.to_owned() },
        host_key: None,
    }
}

fn wanted_hash(scene: &Scene<'_>, hosts: &HostGroup, host: &str) -> Option<String> {
    let public_key = scene.seen.catalogue.key_pairs.get(&hosts.key)?;
    Some(hash(&render::host_user_data(&document(scene, hosts, host, public_key))))
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"))
}

fn look_up(scene: &Scene<'_>, group: &str, hosts: &HostGroup, build: &mut Builder) -> Catalogue {
    let catalogue = &scene.seen.catalogue;
    let mut one = |what: &str, name: &str, found: Vec<&str>, known: Vec<&str>| match found.as_slice() {
        [id] => (*id).to_owned(),
        [] => {
            build.blocked(
                format!("{what} `{name}`"),
                format!("the cloud has no {what} of this name, and `hosts.{group}` needs one"),
                if known.is_empty() {
                    format!("`--set hosts.{group}.{what}=NAME` or a `pontoon.<cloud>.yaml` beside the file says what this cloud calls it")
                } else {
                    format!("it has {}; `--set hosts.{group}.{what}=NAME` chooses one", known.join(", "))
                },
            );
            String::new()
        }
        several => {
            build.blocked(
                format!("{what} `{name}`"),
                format!("{} of the cloud's have this name: {}", several.len(), several.join(", ")),
                "names are no identity: rename one of them, or name another",
            );
            String::new()
        }
    };
    let images = catalogue.images.get(&hosts.image).into_iter().flatten().map(String::as_str).collect();
    let image_id = one("image", &hosts.image, images, names(catalogue.images.keys()));
    let flavors = catalogue.flavors.get(&hosts.flavor).into_iter().flatten().map(|flavor| flavor.id.as_str()).collect();
    let flavor_id = one("flavor", &hosts.flavor, flavors, names(catalogue.flavors.keys()));
    let public_key = catalogue.key_pairs.get(&hosts.key).map(String::as_str);
    let public_key = one("key", &hosts.key, public_key.into_iter().collect(), names(catalogue.key_pairs.keys()));
    Catalogue { image_id, flavor_id, public_key }
}

/// A few names, for a hint.
fn names<'a>(all: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    all.take(12).map(String::as_str).collect()
}

/// Plans one floating IP that leads to a port of the stack. An own one that leads nowhere is taken first.
pub(super) fn floating_ip(
    scene: &Scene<'_>,
    key: &Key,
    wanted: FloatingIp,
    port: &Key,
    port_id: Option<&str>,
    build: &mut Builder,
) {
    let all = &scene.seen.floating_ips;
    let leads_here = |one: &SeenFloatingIp| port_id.is_some() && one.port_id.as_deref() == port_id;
    let after = std::slice::from_ref(port);
    match wanted {
        FloatingIp::No => {}
        FloatingIp::Given(address) => match all.iter().find(|one| one.address == address) {
            None => build.blocked(
                format!("floating IP {address}"),
                "the project has no such floating IP",
                "give one that `openstack floating ip list` shows, or `floating_ip: true` for a new one",
            ),
            Some(one) if leads_here(one) => build.unchanged(key.clone()),
            Some(one) if one.port_id.is_some() => build.blocked(
                format!("floating IP {address}"),
                format!("it leads to port `{}`, which is not this one", one.port_id.as_deref().unwrap_or_default()),
                "disassociate it first, or give another",
            ),
            Some(one) => {
                let action = Action::MoveFloatingIp { id: one.id.clone(), port: port.clone(), adopt: false };
                build.step(Verb::Change, key, format!("the file gives {address}"), after, action);
            }
        },
        FloatingIp::Any => {
            if let Some(one) = crate::book::one_of_each(all).0.get(key) {
                if leads_here(one) {
                    build.unchanged(key.clone());
                } else {
                    let action = Action::MoveFloatingIp { id: one.id.clone(), port: port.clone(), adopt: false };
                    build.step(Verb::Change, key, format!("{} leads elsewhere", one.address), after, action);
                }
            } else if let Some(spare) = spare(scene, build) {
                let action = Action::MoveFloatingIp { id: spare.id.clone(), port: port.clone(), adopt: true };
                build.adopt(&spare.id);
                build.step(Verb::Change, key, format!("{} is the stack's own and unused", spare.address), after, action);
            } else if let Some(external) = external(scene, key, build) {
                let action = Action::CreateFloatingIp { external_id: external, port: port.clone() };
                build.step(Verb::Create, key, "the stack has no unused one", after, action);
            }
        }
    }
}

/// A floating IP that carries a key of the stack, leads nowhere and is wanted under no other name.
fn spare<'a>(scene: &Scene<'a>, build: &Builder) -> Option<&'a SeenFloatingIp> {
    let wanted = wanted_floating_ips(scene.stack);
    scene.seen.floating_ips.iter().find(|one| {
        one.port_id.is_none()
            && one.key.as_ref().is_some_and(|key| key.stack == scene.stack.name && !wanted.contains(key))
            && !build.adopted(&one.id)
    })
}

/// Keys of every floating IP of its own that a stack wants.
pub(super) fn wanted_floating_ips(stack: &Stack) -> Vec<Key> {
    let hosts = stack
        .hosts
        .iter()
        .filter(|(_, hosts)| hosts.count > 0 && hosts.floating_ip == FloatingIp::Any)
        .map(|(group, _)| floating_ip_key(stack, &format!("{group}0")));
    let balancers = stack.balancers.iter().filter(|(_, one)| one.floating_ip == FloatingIp::Any);
    hosts.chain(balancers.map(|(name, _)| super::balancers::floating_ip_key(stack, name))).collect()
}

fn external(scene: &Scene<'_>, key: &Key, build: &mut Builder) -> Option<String> {
    let named = scene.stack.network.external.as_deref();
    match (scene.ground.external, scene.seen.external.as_slice()) {
        (Some(external), _) if scene.ground.subnet.routed_to.contains(&external.id) => return Some(external.id.clone()),
        (Some(external), _) => build.blocked(
            format!("external network `{}`", external.name),
            format!("no router connects subnet {} to it, so a floating IP could not reach a port there", scene.ground.subnet.cidr),
            "connect the subnet to a router whose gateway is the external network: `openstack router add subnet ROUTER SUBNET`",
        ),
        (None, []) => build.blocked(
            format!("external network `{}`", named.unwrap_or("?")),
            format!("the cloud shows none of this name, and {} comes from one", key.label()),
            "`openstack network list --external` shows what there is; name it in `network.external`",
        ),
        (None, several) => {
            let listed: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
            build.blocked(
                "external network",
                format!("there are several: {}", listed.join(", ")),
                "name one in `network.external`",
            );
        }
    }
    None
}

/// Whether the file wants a host of this name.
pub(super) fn wanted_host(stack: &Stack, name: &str) -> bool {
    stack.host_names().any(|(host, _)| host == name)
}
