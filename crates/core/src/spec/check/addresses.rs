//! Addresses: each in the subnet, each in one place, and enough of them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::super::diagnostic::{Diagnostic, Located, Place, Report};
use super::super::raw;
use super::super::reader::Named;
use super::given_floating_ip;
use crate::address::AddressRange;

/// Checks every address and every range of `file` against each other.
pub(super) fn check(file: &raw::File, report: &Report) {
    let fixed = fixed_addresses(file);
    if let Some(subnet) = file.network.subnet.located() {
        inside_subnet(file, &fixed, subnet, report);
    }
    apart(file, &fixed, report);
    one_place_each(&fixed, report);
    one_floating_ip_each(file, report);
    enough(file, &fixed, report);
}

/// An address that the author chose, and for what.
struct Fixed<'a> {
    address: Ipv4Addr,
    place: &'a Place,
    owner: Owner<'a>,
}

#[derive(Clone, Copy)]
enum Owner<'a> {
    Service(&'a str),
    /// With the port that it listens on.
    Balancer(&'a str, Option<u16>),
}

impl Owner<'_> {
    fn named(self) -> String {
        match self {
            Self::Service(name) => format!("service `{name}`"),
            Self::Balancer(name, _) => format!("balancer `{name}`"),
        }
    }
}

fn fixed_addresses(file: &raw::File) -> Vec<Fixed<'_>> {
    let services = file.services.iter().filter_map(|(name, service)| {
        let Located { value, place } = service.value.address.located()?;
        Some(Fixed { address: *value, place, owner: Owner::Service(name) })
    });
    let balancers = file.balancers.iter().filter_map(|(name, balancer)| {
        let Located { value, place } = balancer.value.address.located()?;
        let owner = Owner::Balancer(name, balancer.value.listen.value().copied());
        Some(Fixed { address: *value, place, owner })
    });
    services.chain(balancers).collect()
}

fn inside_subnet(file: &raw::File, fixed: &[Fixed<'_>], subnet: &Located<Ipv4Net>, report: &Report) {
    let net = subnet.value;
    if net.prefix_len() > 30 {
        report.error(|| {
            Diagnostic::error(&subnet.place, format!("the subnet `{net}` has no room for hosts and containers"))
                .expected("a prefix of at most 30")
                .hint("such as `192.168.0.0/24`")
        });
        return;
    }
    let usable = || format!("`{}` to `{}`", first_usable(net), last_usable(net));
    let ranges = [("containers", &file.network.containers), ("dhcp_pool", &file.network.dhcp_pool)];
    for (field, range) in ranges.into_iter().filter_map(|(field, read)| Some((field, read.located()?))) {
        if range.value.first() < first_usable(net) || range.value.last() > last_usable(net) {
            report.error(|| {
                Diagnostic::error(&range.place, format!("`network.{field}` reaches outside the subnet `{net}`"))
                    .expected(format!("a range within {}", usable()))
                    .note(&subnet.place, "the subnet is given")
                    .hint("narrow the range, or correct `network.subnet`")
            });
        }
    }
    for Fixed { address, place, owner } in fixed {
        let wrong = if !net.contains(address) {
            format!("lies outside the subnet `{net}`")
        } else if *address == net.network() {
            format!("is the address of the network `{net}` itself")
        } else if *address == net.broadcast() {
            format!("is the broadcast address of `{net}`")
        } else {
            continue;
        };
        report.error(|| {
            Diagnostic::error(place, format!("the address `{address}` of {} {wrong}", owner.named()))
                .expected(format!("an address from {}", usable()))
                .note(&subnet.place, "the subnet is given")
                .hint("choose another address, or correct `network.subnet`")
        });
    }
}

fn first_usable(net: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(net.network()).saturating_add(1))
}

fn last_usable(net: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(net.broadcast()).saturating_sub(1))
}

/// Neutron hands out the addresses of its DHCP pool, so no container may have one of them.
fn apart(file: &raw::File, fixed: &[Fixed<'_>], report: &Report) {
    let Some(pool) = file.network.dhcp_pool.located() else { return };
    if let Some(containers) = file.network.containers.located().filter(|c| overlap(c.value, pool.value)) {
        report.error(|| {
            Diagnostic::error(&pool.place, "`network.dhcp_pool` and `network.containers` overlap")
                .expected("two ranges apart")
                .note(&containers.place, "`network.containers` is given")
                .hint("Neutron hands out the addresses of the pool; keep it clear of the containers'")
        });
    }
    for Fixed { address, place, owner } in fixed {
        if matches!(owner, Owner::Service(_)) && pool.value.contains(*address) {
            report.error(|| {
                let message = format!("the address `{address}` of {} lies in `network.dhcp_pool`", owner.named());
                Diagnostic::error(place, message)
                    .expected("an address outside the pool")
                    .note(&pool.place, "the pool is given")
                    .hint("Neutron could hand it to another machine; choose another one, or narrow the pool")
            });
        }
    }
}

fn overlap(a: AddressRange, b: AddressRange) -> bool {
    a.first() <= b.last() && b.first() <= a.last()
}

fn one_place_each(fixed: &[Fixed<'_>], report: &Report) {
    let mut seen: BTreeMap<Ipv4Addr, &Fixed<'_>> = BTreeMap::new();
    for new in fixed {
        let Some(old) = seen.get(&new.address) else {
            seen.insert(new.address, new);
            continue;
        };
        report.error(|| taken_twice(old, new));
    }
}

fn taken_twice(old: &Fixed<'_>, new: &Fixed<'_>) -> Diagnostic {
    let (address, first, second) = (new.address, old.owner.named(), new.owner.named());
    let message = match (old.owner, new.owner) {
        (Owner::Balancer(_, Some(a)), Owner::Balancer(_, Some(b))) if a == b => {
            format!("{first} and {second} both listen on `{address}:{a}`")
        }
        _ => format!("the address `{address}` of {second} is that of {first}"),
    };
    Diagnostic::error(new.place, message)
        .expected("an address of its own")
        .note(old.place, format!("{first} has it"))
        .hint("choose another address, or leave one of the two out")
}

fn one_floating_ip_each(file: &raw::File, report: &Report) {
    let hosts = file.hosts.iter().map(|(name, group)| (format!("host group `{name}`"), &group.value.floating_ip));
    let balancers = file.balancers.iter().map(|(name, one)| (format!("balancer `{name}`"), &one.value.floating_ip));
    let mut seen: BTreeMap<Ipv4Addr, (String, &Place)> = BTreeMap::new();
    for (owner, read) in hosts.chain(balancers) {
        let Some((address, place)) = given_floating_ip(read) else { continue };
        let Some((first, first_place)) = seen.get(&address) else {
            seen.insert(address, (owner, place));
            continue;
        };
        report.error(|| {
            Diagnostic::error(place, format!("the floating IP `{address}` of {owner} is that of {first}"))
                .expected("a floating IP in one place")
                .note(first_place, format!("{first} has it"))
                .hint("take another one, or write `true` for any")
        });
    }
}

/// Whether `network.containers` has an address for every container that has none of its own.
fn enough(file: &raw::File, fixed: &[Fixed<'_>], report: &Report) {
    let Some(range) = file.network.containers.located() else { return };
    let mut taken: Vec<Ipv4Addr> = fixed.iter().map(|fixed| fixed.address).collect();
    taken.sort_unstable();
    taken.dedup();
    let taken = taken.iter().filter(|address| range.value.contains(**address)).count() as u64;
    let (free, wanted) = (range.value.size() - taken, automatic(&file.services));
    if wanted > free {
        report.error(|| {
            let message = format!("{wanted} containers need an address, and `network.containers` has {free} to give");
            let error = Diagnostic::error(&range.place, message).expected(format!("at least {wanted} addresses"));
            error.hint(match taken {
                0 => "widen the range, or lower `replicas`".to_owned(),
                n => format!("widen the range, or lower `replicas`; {n} of its addresses are given to something else"),
            })
        });
    }
}

/// How many containers get their address from the range.
fn automatic(services: &Named<raw::Service>) -> u64 {
    let of = |service: &raw::Service| {
        let replicas = u64::from(service.replicas.value().copied().unwrap_or_default());
        if service.address.value().is_some() { replicas.saturating_sub(1) } else { replicas }
    };
    services.values().map(|service| of(&service.value)).sum()
}
