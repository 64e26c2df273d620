//! What a step does exactly: the values that decide, for people and for programs.
//!
//! User-data and other whole documents are only counted here; `pontoon render` prints them.

mod json;

use pontoon_core::key::Key;
use pontoon_core::observed::Pair;
use pontoon_core::plan::{
    Action, AgentFile, BalancerParts, HostKeySource, KeySource, MemberParts, MonitorParts, Plan, Then, Verb, Write,
};
use pontoon_core::spec::model::{ContainerImage, Stack};

use super::{label, style};

pub(crate) use json::{balancer as balancer_json, details as json};

/// The decisive values of a step.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    /// What stands on the step's own line; may be empty.
    pub(crate) line: String,
    /// What needs lines of its own.
    pub(crate) list: Vec<String>,
}

impl From<String> for Details {
    fn from(line: String) -> Self {
        Self { line, list: Vec::new() }
    }
}

/// What is done, as a verb that a resource can follow.
pub(crate) fn phrase(verb: Verb, action: &Action) -> &'static str {
    match action {
        Action::NarrowPools { .. } => "narrow the pools of",
        Action::RestorePools { .. } => "restore the pools of",
        Action::StartServer { .. } | Action::StartContainer { .. } => "start",
        Action::MoveFloatingIp { .. } => "lead here",
        Action::ReleaseFloatingIp { .. } => "let go of",
        Action::ImportImage { .. } => "import",
        Action::RemoveAgent { .. } => "remove",
        _ => match verb {
            Verb::Create => "create",
            Verb::Change => "change",
            Verb::Replace => "remove, to replace it,",
            Verb::Delete => "delete",
            Verb::Wait => "wait for",
        },
    }
}

/// The host that a step is done on, when it is done to something that lies on one.
pub(crate) fn host(action: &Action) -> Option<&str> {
    match action {
        Action::PutProfile { host, .. }
        | Action::DeleteProfile { host, .. }
        | Action::ImportImage { host, .. }
        | Action::PutDhcpHost { host, .. }
        | Action::RemoveDhcpHost { host, .. }
        | Action::PutAgent { host, .. }
        | Action::RemoveAgent { host }
        | Action::CreateContainer { host, .. }
        | Action::ConfigureContainer { host, .. }
        | Action::StartContainer { host, .. }
        | Action::AwaitContainer { host, .. }
        | Action::DeleteContainer { host, .. } => Some(host),
        _ => None,
    }
}

/// The decisive values for people. What the step's reason says already is left out.
pub(crate) fn details(action: &Action, plan: &Plan, stack: Option<&Stack>) -> Details {
    match action {
        Action::NarrowPools { pools, .. } => format!("to {}", listed(pools)).into(),
        Action::RestorePools { before, .. } => format!("to {}", listed(&before.pools)).into(),
        Action::Reserve { addresses, .. } => label::addresses(addresses.iter().map(|(_, address)| *address)).into(),
        Action::CreatePort { mac, pairs, port_security, .. } => {
            let security = if *port_security { "" } else { ", port security off" };
            Details { line: format!("{mac}{security}"), list: listed_pairs(pairs) }
        }
        Action::SetPairs { pairs, .. } => Details {
            line: if pairs.is_empty() { "no pairs".to_owned() } else { String::new() },
            list: listed_pairs(pairs),
        },
        Action::SetPortSecurity { port_security, security_groups, .. } => {
            let groups: Vec<String> = security_groups.iter().map(Key::label).collect();
            let switch = if *port_security { "on" } else { "off" };
            format!("port security {switch}{}", prefixed(", ", &groups.join(", "))).into()
        }
        Action::CreateServer {
            name, image_id, flavor_id, key_name, user_data, host_key, availability_zone, ..
        } => {
            let group = stack.and_then(|stack| {
                let group = stack.host_names().find(|(host, _)| host == name)?.1.to_owned();
                stack.hosts.get(&group)
            });
            let (image, flavor) = group.map_or((image_id, flavor_id), |group| (&group.image, &group.flavor));
            let zone = availability_zone.as_deref().unwrap_or_default();
            let injected = match host_key {
                HostKeySource::Console => "",
                HostKeySource::Injected => " and an ssh host key",
            };
            format!(
                "image {image}, flavor {flavor}, key {key_name}, user-data {}{injected}{}",
                style::size(user_data.len()),
                prefixed(", zone ", zone)
            )
            .into()
        }
        Action::CreateFloatingIp { port, .. } | Action::MoveFloatingIp { port, .. } => {
            format!("to {}", port.label()).into()
        }
        Action::PutDhcpHost { line, .. } => line.trim().to_owned().into(),
        Action::PutAgent { program, files, key, then, .. } => {
            agent(program.as_deref(), files, key.as_ref(), *then).into()
        }
        Action::CreateContainer { name, image, config, .. } => {
            let place = plan.places.iter().find(|place| place.container == *name);
            let place = place.map(|place| format!("{}, {}, ", place.address, place.mac)).unwrap_or_default();
            let limits: String = config
                .config
                .iter()
                .filter(|(key, _)| key.starts_with("limits."))
                .map(|(key, value)| format!(", {key}={value}"))
                .collect();
            format!("{place}image {}{limits}", self::image(image)).into()
        }
        Action::ConfigureContainer { config, .. } => {
            let set = |(key, value): (&String, &String)| {
                if value.is_empty() { format!("{key} removed") } else { format!("{key}={value}") }
            };
            config.iter().map(set).collect::<Vec<_>>().join(", ").into()
        }
        Action::CreateBalancer { parts, write } => balancer(parts, *write).into(),
        Action::CreateListener { parts, .. } => {
            format!("{} on {}{}", parts.protocol, parts.port, prefixed(", for ", &parts.allowed_cidrs.join(", ")))
                .into()
        }
        Action::ChangeListener { allowed_cidrs, .. } if allowed_cidrs.is_empty() => "for everyone".to_owned().into(),
        Action::ChangeListener { allowed_cidrs, .. } => format!("for {}", allowed_cidrs.join(", ")).into(),
        Action::CreatePool { parts, .. } => format!("{} {}", parts.protocol, parts.algorithm).into(),
        Action::ChangePool { algorithm, .. } => algorithm.clone().into(),
        Action::SetMembers { members: list, .. } => members(list).into(),
        Action::CreateMonitor { parts, .. } => monitor(parts).into(),
        Action::ChangeMonitor { path, .. } => path.clone().into(),
        Action::SetVipSecurityGroups { groups, .. } => {
            groups.iter().map(Key::label).collect::<Vec<_>>().join(", ").into()
        }
        Action::DeleteRule { id }
        | Action::DeletePort { id }
        | Action::DeleteServer { id }
        | Action::DeleteBalancer { id }
        | Action::DeleteFloatingIp { id }
        | Action::ReleaseFloatingIp { id }
        | Action::DeleteSecurityGroup { id }
        | Action::DeleteServerGroup { id }
        | Action::DeleteListener { id, .. }
        | Action::DeletePool { id, .. }
        | Action::DeleteMonitor { id, .. }
        | Action::StartServer { id } => format!("id {id}").into(),
        Action::CreateSecurityGroup { .. }
        | Action::CreateRules { .. }
        | Action::CreateServerGroup { .. }
        | Action::AwaitHost { .. }
        | Action::PutProfile { .. }
        | Action::DeleteProfile { .. }
        | Action::ImportImage { .. }
        | Action::RemoveDhcpHost { .. }
        | Action::RemoveAgent { .. }
        | Action::StartContainer { .. }
        | Action::AwaitContainer { .. }
        | Action::DeleteContainer { .. }
        | Action::AwaitMember { .. }
        | Action::AwaitBalancer { .. } => Details::default(),
    }
}

/// An image of containers as people call it.
pub(crate) fn image(image: &ContainerImage) -> String {
    match image {
        ContainerImage::Simplestreams { server, alias } => {
            let host = server.split("://").last().unwrap_or(server).split('/').next().unwrap_or(server);
            format!("{alias} of {host}")
        }
        ContainerImage::File { path, .. } => path.clone(),
    }
}

fn agent(program: Option<&str>, files: &[AgentFile], key: Option<&KeySource>, then: Then) -> String {
    let program = program.map(|_| "the program".to_owned());
    let files = files.iter().map(|file| file.path.rsplit('/').next().unwrap_or(&file.path).to_owned());
    let key = key.map(|key| match key {
        KeySource::Drawn => "a ring key that is drawn now".to_owned(),
        KeySource::Host(host) => format!("the ring key of {host}"),
    });
    let given: Vec<String> = program.into_iter().chain(files).chain(key).collect();
    match (given.is_empty(), then) {
        (false, _) => given.join(", "),
        (true, Then::Restart) => "a new start".to_owned(),
        (true, Then::Reload) => String::new(),
    }
}

fn balancer(parts: &BalancerParts, write: Write) -> String {
    let vip = parts.address.map_or_else(|| "VIP of Neutron's choice".to_owned(), |address| format!("VIP {address}"));
    match write {
        Write::Part => vip,
        Write::Whole => format!(
            "{vip}, {} on {}, {} to {}, monitor {}",
            parts.listener.protocol,
            parts.listener.port,
            parts.pool.algorithm,
            members(&parts.members),
            monitor(&parts.monitor),
        ),
    }
}

fn members(members: &[MemberParts]) -> String {
    let Some(first) = members.first() else { return "nobody".to_owned() };
    format!("port {} of {}", first.port, label::addresses(members.iter().map(|member| member.address)))
}

fn monitor(parts: &MonitorParts) -> String {
    format!("{}{}", parts.kind, prefixed(" ", parts.path.as_deref().unwrap_or_default()))
}

/// One pair a line, in the order of their addresses.
fn listed_pairs(pairs: &[Pair]) -> Vec<String> {
    let mut sorted: Vec<&Pair> = pairs.iter().collect();
    sorted.sort_by_cached_key(|pair| (pair.address.parse::<std::net::Ipv4Addr>().ok(), pair.address.clone()));
    sorted.into_iter().map(|pair| format!("pair {} {}", pair.address, pair.mac)).collect()
}

fn listed<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// `text` with `prefix` before it, or nothing when it is empty.
fn prefixed(prefix: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{prefix}{text}") }
}
