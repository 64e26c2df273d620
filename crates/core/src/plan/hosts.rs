//! Hosts: server groups, ports, servers, and the floating IP by which the first one is reached.

pub(super) mod anew;

use sha2::{Digest, Sha256};

use super::{Action, Builder, HostKeySource, LOGIN, Scene, Verb, Way, floating_ips, network, pairs, ways};
use crate::address::Mac;
use crate::key::{Key, Kind};
use crate::observed::HostView;
use crate::render::{self, HostDocument};
use crate::spec::model::{Attachment, HostGroup, HostKeyChoice};

/// Plans all hosts. `reserved`: what must be reserved before Neutron may choose a host's address by itself.
pub(super) fn plan(scene: &Scene<'_>, reserved: &[Key], build: &mut Builder) {
    let ways = ways(scene.stack);
    let mut waits = Vec::new();
    for (group, hosts) in &scene.stack.hosts {
        let names: Vec<String> = (0..hosts.count).map(|number| format!("{group}{number}")).collect();
        if names.len() > 1 {
            server_group(scene, group, build);
        }
        for host in &names {
            port(scene, group, host, reserved, build);
            pairs::early(scene, host, build);
        }
        if let Some(jump) = names.first() {
            floating_ips::plan(
                scene,
                &floating_ips::of_host(scene.stack, jump),
                hosts.floating_ip,
                &scene.key(Kind::Port, jump),
                scene.port(Kind::Port, jump).map(|port| port.id.as_str()),
                build,
            );
        }
        let mut catalogue = None;
        for host in names {
            if let Some(reason) = server(scene, (group, hosts), &host, &mut catalogue, build) {
                waits.push((host, group.as_str(), hosts.engine, reason));
            }
        }
    }
    // Jump hosts first: the others are reached through them.
    waits.sort_by_key(|(host, ..)| matches!(ways.get(host), Some(Way::Through(_))));
    for (host, group, engine, reason) in waits {
        let mut after = match ways.get(&host) {
            Some(Way::FloatingIp(floating)) => vec![floating.clone()],
            Some(Way::Through(jump)) => vec![scene.key(Kind::Host, jump)],
            Some(Way::Address) | None => Vec::new(),
        };
        after.push(scene.key(Kind::Port, &host));
        after.push(scene.key(Kind::SecurityGroupRule, network::hosts_group(scene, group).name));
        let key = scene.key(Kind::Host, &host);
        build.step(Verb::Wait, &key, reason, &after, Action::AwaitHost { host, engine });
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

fn port(scene: &Scene<'_>, group: &str, host: &str, reserved: &[Key], build: &mut Builder) {
    let key = scene.key(Kind::Port, host);
    let security_group = network::hosts_group(scene, group);
    let secured = scene.attachment != Attachment::Open;
    // With port security off there are no security groups (Neutron answers 409 to both together).
    let security_groups = if secured { vec![security_group.clone()] } else { Vec::new() };
    let rules = scene.key(Kind::SecurityGroupRule, security_group.name.as_str());
    let Some(port) = scene.port(Kind::Port, host) else {
        let mut after = reserved.to_vec();
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
                pairs: pairs::of_new_port(scene, host),
            },
        );
        return;
    };
    let meant = crate::book::meant(&scene.seen.security_groups, &security_group).map(|group| &group.id);
    // A twin of the group, or one that the stack wants no more, cannot go while the port has it.
    let others = scene.seen.security_groups.iter().filter(|group| Some(&group.id) != meant);
    let mut others = others.filter(|group| port.security_groups.contains(&group.id));
    let grouped = !secured || (meant.is_some_and(|id| port.security_groups.contains(id)) && others.next().is_none());
    if grouped && port.port_security == secured {
        build.unchanged(key);
        return;
    }
    let strangers: Vec<&str> = pairs::foreign(scene, port).map(|pair| pair.address.as_str()).collect();
    if !secured && !strangers.is_empty() {
        build.blocked(
            key.label(),
            format!(
                "it has allowed address pairs of others ({}), and Neutron takes none where port security is off",
                strangers.join(", ")
            ),
            "remove those pairs, or use `attach: pair-mac`",
        );
        return;
    }
    let reason = if port.port_security == secured {
        "its security groups are not those of the file"
    } else if secured {
        "port security is off, though pairs pass it"
    } else {
        "attachment `open` needs port security off"
    };
    let action = Action::SetPortSecurity { port: key.clone(), security_groups, port_security: secured };
    build.step(Verb::Change, &key, reason, &[security_group, rules], action);
}

/// Ids of what a group of hosts is booted from; looked up once, and only when a host is missing, because an image that
/// is gone does not matter to a host that runs.
struct Catalogue {
    image_id: String,
    flavor_id: String,
    public_key: String,
}

/// Plans a server, and returns why it is then to be waited for, where it is.
fn server(
    scene: &Scene<'_>,
    (group, hosts): (&str, &HostGroup),
    host: &str,
    catalogue: &mut Option<Catalogue>,
    build: &mut Builder,
) -> Option<String> {
    let key = scene.key(Kind::Host, host);
    let Some(server) = scene.server(host) else {
        boot(scene, (group, hosts), host, "it does not exist", catalogue, build);
        return Some("for its cloud-init to make it a container host".to_owned());
    };
    if let Some(cause) = anew::cause(scene.stack, scene.seen, &scene.ground, server) {
        build.step(Verb::Replace, &key, cause.reason(), &[], Action::DeleteServer { id: server.id.clone() });
        boot(scene, (group, hosts), host, cause.instead(), catalogue, build);
        return Some("for its cloud-init to make it a container host".to_owned());
    }
    match server.status.as_str() {
        "SHUTOFF" => {
            build.step(Verb::Change, &key, "Nova calls it SHUTOFF", &[], Action::StartServer { id: server.id.clone() });
            return Some("for it to come up".to_owned());
        }
        "PAUSED" | "SUSPENDED" | "SHELVED" | "SHELVED_OFFLOADED" | "RESCUE" | "VERIFY_RESIZE" => {
            build.blocked(
                format!("host `{host}`"),
                format!("Nova calls it {}: somebody put it there on purpose", server.status),
                format!(
                    "bring it back to ACTIVE (`openstack server show {}`), or delete it to have it made anew",
                    server.id
                ),
            );
            return None;
        }
        _ => {}
    }
    match scene.seen.hosts.get(host) {
        Some(HostView::Ready(_)) => {
            if server
                .user_data_hash
                .as_ref()
                .is_some_and(|hash| wanted_hash(scene, hosts, host).is_some_and(|wanted| wanted != *hash))
            {
                build.note(format!("host `{host}` was booted with an older user-data; it serves on, and a new one would be made differently"));
            }
            build.unchanged(key);
            None
        }
        Some(HostView::Preparing) => {
            Some("its cloud-init is still at work; what belongs on it is planned when it is done".to_owned())
        }
        Some(HostView::NoConsole(words)) => {
            build.blocked(
                format!("host `{host}`"),
                format!("its ssh host key cannot be learned: Nova shows no console ({words})"),
                format!(
                    "`host_key: auto` of `hosts.{group}` replaces it by one that is given its key; or ask for the right to read consoles"
                ),
            );
            None
        }
        Some(HostView::Failed(failure)) => Some(format!("its cloud-init failed: {failure}")),
        Some(HostView::Unreachable(reason)) => Some(reason.clone()),
        None => Some("it was not looked into; what belongs on it is planned when it answers".to_owned()),
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
    let mut after = vec![scene.key(Kind::Port, host), scene.key(Kind::Pairs, host)];
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
            host_key: host_key(scene, hosts),
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
        agent: scene.stack.agent.install,
    }
}

/// Where a new host's ssh key comes from. There is no place to note that a cloud shows no consoles but the hosts that
/// were given their keys for it: where one of them is, the others need not try.
fn host_key(scene: &Scene<'_>, hosts: &HostGroup) -> HostKeySource {
    let shows_none = || {
        scene.seen.servers.iter().any(|server| server.host_key_injected)
            || scene.seen.hosts.values().any(|view| matches!(view, HostView::NoConsole(_)))
    };
    match hosts.host_key {
        HostKeyChoice::Injected => HostKeySource::Injected,
        HostKeyChoice::Auto if shows_none() => HostKeySource::Injected,
        HostKeyChoice::Auto | HostKeyChoice::Console => HostKeySource::Console,
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
