//! From what the author wrote to a stack that can be planned: defaults that depend on other values, and every check
//! of one value against another.
//!
//! A value that could not be read has been reported; the checks here treat it as unknown, not as missing, so that one
//! mistake makes one error.

mod addresses;
mod documents;
mod names;

use indexmap::IndexMap;

use super::diagnostic::{Diagnostic, Located, Place, Report, listed, nearest};
use super::model::{
    Agent, Announce, Balancer, Check, FloatingIp, HostGroup, Limits, MonitoringPoint, Network, Protocol, Service, Stack,
};
use super::reader::{Named, Read};
use super::{Files, raw};

/// A value that is not there because of an error that is in the report already.
pub(super) struct Reported;

/// Checks the whole file.
pub(super) fn check(file: raw::File, files: &dyn Files, report: &Report) -> Result<Stack, Reported> {
    names::check(&file, report);
    addresses::check(&file, report);
    check_references(&file, report);
    check_doors(&file, report);
    let raw::File { stack, cloud, network, hosts, services, balancers, install, ring_from } = file;
    // Read before anything is given up, so that the errors of all files are reported.
    let services: Vec<Result<_, Reported>> =
        services.into_iter().map(|(name, raw)| service(name, raw, &hosts, files, report)).collect();
    let services: IndexMap<String, Service> = services.into_iter().collect::<Result<_, _>>()?;
    let mut stack = Stack {
        name: given(stack)?,
        cloud: given(cloud)?,
        network: Network {
            name: given(network.name)?,
            subnet: optional(network.subnet)?,
            external: optional(network.external)?,
            containers: given(network.containers)?,
            dhcp_pool: optional(network.dhcp_pool)?,
            attach: given(network.attach)?,
            addressing: given(network.addressing)?,
        },
        hosts: hosts
            .into_iter()
            .map(|(name, group)| host_group(group.value).map(|group| (name, group)))
            .collect::<Result<_, _>>()?,
        balancers: balancers
            .into_iter()
            .map(|(name, raw)| balancer(raw.value, &services).map(|balancer| (name, balancer)))
            .collect::<Result<_, _>>()?,
        services,
        agent: Agent { install: given(install)?, ring_from: list(ring_from)? },
    };
    for service in stack.services.values_mut() {
        if let Some(group) = stack.hosts.get(&service.hosts) {
            service.image = documents::as_served_to(group.engine, &service.image);
        }
    }
    Ok(stack)
}

/// Every name that refers to something of the file. A file without any host group or service has got an error for that.
fn check_references(file: &raw::File, report: &Report) {
    for (name, service) in &file.services {
        match &service.value.hosts {
            Read::Is(hosts) if !file.hosts.is_empty() && !file.hosts.contains_key(&hosts.value) => {
                report.error(|| unknown(hosts, &format!("service `{name}`"), "host group", &file.hosts));
            }
            Read::Absent if file.hosts.len() > 1 => report.error(|| {
                Diagnostic::error(&service.place, format!("service `{name}` does not say on which hosts it runs"))
                    .expected("`hosts`, as there are several groups")
                    .hint(format!("add `hosts: …`; the groups are {}", listed(keys(&file.hosts))))
            }),
            _ => {}
        }
    }
    for (name, balancer) in &file.balancers {
        let Some(service) = balancer.value.service.located() else { continue };
        match file.services.get(&service.value) {
            None if file.services.is_empty() => {}
            None => report.error(|| unknown(service, &format!("balancer `{name}`"), "service", &file.services)),
            Some(found) if matches!(found.value.port, Read::Absent) => report.error(|| {
                let message = format!("service `{}` of balancer `{name}` has no port", service.value);
                Diagnostic::error(&service.place, message)
                    .expected("a service with a `port`")
                    .note(&found.place, "the service stands")
                    .hint(format!("add `port: …` to service `{}`", service.value))
            }),
            Some(_) => {}
        }
    }
}

fn unknown<T>(wrong: &Located<String>, what: &str, kind: &str, known: &Named<T>) -> Diagnostic {
    let wanted = &wrong.value;
    Diagnostic::error(&wrong.place, format!("{what} names {kind} `{wanted}`, which does not exist"))
        .expected(format!("the name of a {kind}"))
        .hint(match nearest(wanted, keys(known)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the file has {}", listed(keys(known))),
        })
}

fn keys<T>(named: &Named<T>) -> impl Iterator<Item = &str> {
    named.keys().map(String::as_str)
}

/// Who may come in: nobody at all is hardly meant.
fn check_doors(file: &raw::File, report: &Report) {
    for (name, group) in &file.hosts {
        if let Some(ssh_from) = group.value.ssh_from.located().filter(|ssh_from| ssh_from.value.is_empty()) {
            let message = format!("nobody may open ssh connections to the hosts of `{name}`, Pontoon included");
            report.warning(
                Diagnostic::warning(&ssh_from.place, message)
                    .expected("`ssh_from` with the network that you work from")
                    .hint("add `ssh_from: [YOUR.ADDRESS/32]`, or `[0.0.0.0/0]` to admit everyone"),
            );
        }
    }
    for (name, balancer) in &file.balancers {
        if let Some(allow) = balancer.value.allow.located().filter(|allow| allow.value.is_empty()) {
            report.error(|| {
                Diagnostic::error(&allow.place, format!("nobody may connect to balancer `{name}`"))
                    .expected("at least one network")
                    .hint("leave `allow` out to admit everyone, or name the networks")
            });
        }
    }
}

fn host_group(raw: raw::HostGroup) -> Result<HostGroup, Reported> {
    Ok(HostGroup {
        count: given(raw.count)?,
        image: given(raw.image)?,
        flavor: given(raw.flavor)?,
        key: given(raw.key)?,
        ssh_from: list(raw.ssh_from)?,
        floating_ip: given(raw.floating_ip)?,
        engine: given(raw.engine)?,
        storage: given(raw.storage)?,
        host_key: given(raw.host_key)?,
        availability_zone: optional(raw.availability_zone)?,
    })
}

fn service(
    name: String,
    raw: Located<raw::Service>,
    hosts: &Named<raw::HostGroup>,
    files: &dyn Files,
    report: &Report,
) -> Result<(String, Service), Reported> {
    let raw = raw.value;
    let image = raw.image.and_then(|text, place| documents::image(&name, text, place, files, report));
    let user_data = raw.user_data.and_then(|text, place| documents::user_data(&name, text, place, files, report));
    let only_group = || hosts.keys().next().cloned();
    let service = Service {
        image: given(image)?,
        replicas: given(raw.replicas)?,
        address: optional(raw.address)?,
        port: optional(raw.port)?,
        user_data: optional(user_data)?,
        hosts: optional(raw.hosts)?.or_else(only_group).ok_or(Reported)?,
        limits: Limits { cpu: optional(raw.cpu)?, memory: optional(raw.memory)? },
        announce: Announce {
            capabilities: list(raw.capabilities)?,
            monitor: list(raw.monitor)?,
            check: check_settings(raw.check)?,
        },
    };
    Ok((name, service))
}

fn check_settings(raw: raw::Check) -> Result<Check, Reported> {
    Ok(Check {
        interval: given(raw.interval)?,
        timeout: given(raw.timeout)?,
        rise: given(raw.rise)?,
        fall: given(raw.fall)?,
    })
}

fn balancer(raw: raw::Balancer, services: &IndexMap<String, Service>) -> Result<Balancer, Reported> {
    let (service, protocol) = (given(raw.service)?, given(raw.protocol)?);
    let monitored = || {
        services.get(&service)?.announce.monitor.iter().find_map(|point| match point {
            MonitoringPoint::Http(path) => Some(path.clone()),
            MonitoringPoint::Tcp(_)
            | MonitoringPoint::Metrics(_)
            | MonitoringPoint::Exec(_)
            | MonitoringPoint::Unit(_)
            | MonitoringPoint::CloudInit => None,
        })
    };
    let root = || (protocol == Protocol::Http).then(|| "/".to_owned());
    Ok(Balancer {
        listen: given(raw.listen)?,
        protocol,
        method: given(raw.method)?,
        address: optional(raw.address)?,
        floating_ip: given(raw.floating_ip)?,
        allow: list(raw.allow)?,
        monitor_path: optional(raw.monitor_path)?.or_else(monitored).or_else(root),
        provider: optional(raw.provider)?,
        service,
    })
}

/// A value that has to be there.
fn given<T>(read: Read<T>) -> Result<T, Reported> {
    optional(read)?.ok_or(Reported)
}

/// A value that may be left out.
fn optional<T>(read: Read<T>) -> Result<Option<T>, Reported> {
    match read {
        Read::Absent => Ok(None),
        Read::Wrong => Err(Reported),
        Read::Is(located) => Ok(Some(located.value)),
    }
}

fn list<T>(read: Read<Vec<Located<T>>>) -> Result<Vec<T>, Reported> {
    optional(read).map(|items| items.unwrap_or_default().into_iter().map(|item| item.value).collect())
}

/// The floating IP that `read` asks for by its address.
fn given_floating_ip(read: &Read<FloatingIp>) -> Option<(std::net::Ipv4Addr, &Place)> {
    match read.located()? {
        Located { value: FloatingIp::Given(address), place } => Some((*address, place)),
        Located { value: FloatingIp::No | FloatingIp::Any, .. } => None,
    }
}
