//! Names: each becomes part of a host name, a tag or an instance name, and no two machines may share one.

use super::super::diagnostic::{Diagnostic, Located, Place, Report};
use super::super::raw;
use super::super::reader::Named;

/// Nova's tags have at most 60 characters, and the stack's tag is `pontoon:<stack>`; what is left is rounded down.
const LONGEST_STACK: usize = 40;
/// RFC 1123: a label of a host name has at most 63 characters. LXD and Incus ask the same of an instance's name.
const LONGEST_LABEL: usize = 63;

/// Checks every name of `file`, and that no two hosts, containers or services are called the same.
pub(super) fn check(file: &raw::File, report: &Report) {
    if let Some(stack) = file.stack.located() {
        label("stack", &stack.value, &stack.place, LONGEST_STACK, report);
    }
    for (name, Located { value: group, place }) in &file.hosts {
        label("host group", name, place, LONGEST_LABEL, report);
        numbered("host", name, "", group.count.value(), place, report);
    }
    for (name, Located { value: service, place }) in &file.services {
        label("service", name, place, LONGEST_LABEL, report);
        instance_name(name, place, report);
        numbered("container", name, "-", service.replicas.value(), place, report);
    }
    for (name, balancer) in &file.balancers {
        label("balancer", name, &balancer.place, LONGEST_LABEL, report);
    }
    for (name, group) in &file.hosts {
        hosts_of_two_groups(name, group, &file.hosts, report);
        host_like_container(name, group, &file.services, report);
    }
    for (name, service) in &file.services {
        service_like_container(name, &service.place, &file.services, report);
    }
}

fn label(kind: &str, name: &str, place: &Place, longest: usize, report: &Report) {
    let edges = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.is_empty()
        || !name.chars().all(|c| edges(c) || c == '-')
        || !name.starts_with(edges)
        || !name.ends_with(edges)
    {
        report.error(|| {
            let error = Diagnostic::error(place, format!("`{name}` cannot be the name of a {kind}"))
                .expected("lower-case letters, digits and `-` in between");
            match suggestion(name) {
                Some(better) => error.hint(format!("such as `{better}`")),
                None => error.hint("it becomes part of a host name (RFC 1123), such as `web-1`"),
            }
        });
    } else if name.len() > longest {
        report.error(|| {
            let message = format!("the name of {kind} `{name}` has {} characters", name.len());
            Diagnostic::error(place, message).expected(format!("at most {longest}")).hint("shorten it")
        });
    }
}

/// The name as a label, where little has to change for that.
fn suggestion(name: &str) -> Option<String> {
    let better: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let better = better.trim_matches('-');
    (!better.is_empty() && better.len() <= LONGEST_STACK).then(|| better.to_owned())
}

/// LXD and Incus take no instance name that begins with a digit.
fn instance_name(name: &str, place: &Place, report: &Report) {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        report.error(|| {
            Diagnostic::error(place, format!("service `{name}` begins with a digit"))
                .expected("a letter first")
                .hint("its containers are named after it, and neither LXD nor Incus takes a name like that")
        });
    }
}

/// The longest name of `count` machines that are numbered from 0.
fn numbered(kind: &str, name: &str, dash: &str, count: Option<&u32>, place: &Place, report: &Report) {
    let Some(last) = count.and_then(|count| count.checked_sub(1)) else { return };
    let machine = format!("{name}{dash}{last}");
    if name.len() <= LONGEST_LABEL && machine.len() > LONGEST_LABEL {
        report.error(|| {
            Diagnostic::error(place, format!("the name of {kind} `{machine}` would have {} characters", machine.len()))
                .expected(format!("at most {LONGEST_LABEL} with the number"))
                .hint("shorten the name")
        });
    }
}

/// `lxd` with 11 hosts and `lxd1` both have a `lxd10`.
fn hosts_of_two_groups<T>(name: &str, group: &Located<T>, hosts: &Named<raw::HostGroup>, report: &Report) {
    for (prefix, number) in numbers_after(name) {
        let Some(other) = hosts.get(prefix).filter(|other| other.value.count.value().is_some_and(|n| number < *n))
        else {
            continue;
        };
        report.error(|| {
            let message = format!("host groups `{prefix}` and `{name}` would both have a host `{name}0`");
            Diagnostic::error(&group.place, message)
                .expected("a name of its own for every host")
                .note(&other.place, format!("group `{prefix}` stands"))
                .hint(format!("rename a group, such as `{name}-` and a letter"))
        });
    }
}

/// A group `web-1` has a host `web-10`, and so may service `web` have a container.
fn host_like_container<T>(name: &str, group: &Located<T>, services: &Named<raw::Service>, report: &Report) {
    let Some((service, number)) = numbers_after(name).find_map(|(prefix, n)| Some((prefix.strip_suffix('-')?, n)))
    else {
        return;
    };
    let Some(other) = services.get(service).filter(|other| other.value.replicas.value().is_some_and(|n| number < *n))
    else {
        return;
    };
    report.error(|| {
        let message = format!("host and container would both be called `{name}0`");
        Diagnostic::error(&group.place, message)
            .expected("a name that no container has")
            .note(&other.place, format!("service `{service}` stands"))
            .hint("rename the host group")
    });
}

/// Commands take the name of a service or of a container, so no service may be called like a container.
fn service_like_container(name: &str, place: &Place, services: &Named<raw::Service>, report: &Report) {
    let Some((prefix, number)) = name.rsplit_once('-') else { return };
    let canonical = number.parse::<u32>().ok().filter(|n| n.to_string() == number);
    let Some((number, other)) = canonical.zip(services.get(prefix)) else { return };
    if other.value.replicas.value().is_some_and(|replicas| number < *replicas) {
        report.error(|| {
            Diagnostic::error(place, format!("service `{name}` is called like a container of service `{prefix}`"))
                .expected("a name that no container has")
                .note(&other.place, format!("service `{prefix}` stands"))
                .hint("rename one of the two services")
        });
    }
}

/// Every way to read `name` and a last digit 0 as a shorter name and a number: `lxd12` is `lxd` 120 and `lxd1` 20.
fn numbers_after(name: &str) -> impl Iterator<Item = (&str, u32)> {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    (1..=digits).filter_map(move |length| {
        let (prefix, digits) = name.split_at_checked(name.len() - length)?;
        let number = digits.parse::<u32>().ok().filter(|_| !digits.starts_with('0'))?;
        Some((prefix, number.checked_mul(10)?))
    })
}
