//! The address plan of a first stack: which addresses Neutron keeps giving away, and which ones are for containers.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use super::facts::NetworkFact;

/// The parts of a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddressPlan {
    /// What the DHCP pool should be narrowed to; `None` where it is out of the containers' way, or cannot be.
    pub(super) pool: Option<Span>,
    /// For containers.
    pub(super) containers: Span,
}

/// Addresses from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    first: u32,
    last: u32,
}

impl Span {
    fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&u32::from(address))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", Ipv4Addr::from(self.first), Ipv4Addr::from(self.last))
    }
}

/// Containers get this many addresses at most: more than one file is likely to want.
const MOST_CONTAINERS: u32 = 100;

/// A subnet of this size or more has a part for containers; a smaller one is left to Neutron's pool whole, and the
/// reservations keep the containers' addresses.
const ROOMY: u32 = 255;

/// How many addresses a narrowed pool keeps that nobody holds: hosts, VIPs and Neutron's own ports take theirs from it.
const LEAST_FREE: usize = 16;

/// The least length of a narrowed pool.
const LEAST_POOL: u32 = 19;

impl AddressPlan {
    /// A hundred addresses that no port holds, out of the upper part of the subnet where that has them; a few low ones
    /// for Neutron.
    pub(super) fn of(network: &NetworkFact) -> Self {
        let base = u32::from(network.subnet.network());
        let last = u32::from(network.subnet.broadcast());
        let size = last - base;
        let mut taken: BTreeSet<u32> = network.taken.iter().map(|address| u32::from(*address)).collect();
        taken.extend(network.gateway.map(u32::from));
        let half = base.saturating_add(size / 2);
        let usable = (base.saturating_add(1), last.saturating_sub(1).max(base));
        let usual = (base.saturating_add(100), base.saturating_add(199));
        let (first, end) = if size >= ROOMY && taken.range(usual.0..=usual.1).next().is_none() {
            usual
        } else {
            longest_gap(half, usable.1.max(half), &taken)
                .or_else(|| longest_gap(usable.0, usable.1, &taken))
                .unwrap_or((half, usable.1.max(half)))
        };
        let containers = Span { first, last: end.min(first.saturating_add(MOST_CONTAINERS - 1)) };
        let overlaps = network
            .pools
            .iter()
            .any(|pool| containers.first <= u32::from(pool.last()) && containers.last >= u32::from(pool.first()));
        let pool = if size >= ROOMY && overlaps { narrowed(network, &taken, containers) } else { None };
        Self { pool, containers }
    }
}

/// The start of Neutron's own pool, as long as it has to be.
fn narrowed(network: &NetworkFact, taken: &BTreeSet<u32>, containers: Span) -> Option<Span> {
    let start = network.pools.iter().map(|pool| u32::from(pool.first())).min()?;
    let mut end = start.checked_add(LEAST_POOL - 1)?;
    let free = |end: u32| (start..=end).filter(|address| !taken.contains(address)).take(LEAST_FREE).count();
    while free(end) < LEAST_FREE && end < containers.first {
        end = end.checked_add(1)?;
    }
    let pool = Span { first: start, last: end };
    // Neutron takes no pool with the gateway in it.
    let has_gateway = network.gateway.is_some_and(|gateway| pool.contains(gateway));
    (!has_gateway && end < containers.first).then_some(pool)
}

/// The longest run of addresses between `first` and `last` that nobody holds; of two equal ones the upper.
fn longest_gap(first: u32, last: u32, taken: &BTreeSet<u32>) -> Option<(u32, u32)> {
    let mut gaps = Vec::new();
    let mut start = Some(first);
    for &held in taken.range(first..=last) {
        gaps.extend(start.filter(|start| *start < held).map(|start| (start, held - 1)));
        start = held.checked_add(1);
    }
    gaps.extend(start.filter(|start| *start <= last).map(|start| (start, last)));
    gaps.into_iter().max_by_key(|(first, last)| (last - first, *first))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn network(subnet: &str, taken: &[&str]) -> NetworkFact {
        let mut network = NetworkFact::unused("net", subnet.parse().unwrap());
        network.taken.extend(taken.iter().map(|text| text.parse::<Ipv4Addr>().unwrap()));
        network
    }

    fn plan(network: &NetworkFact) -> (String, String) {
        let plan = AddressPlan::of(network);
        (plan.pool.map_or_else(String::new, |pool| pool.to_string()), plan.containers.to_string())
    }

    #[test]
    fn an_unused_subnet_is_divided_as_in_the_documentation() {
        let plan = plan(&network("192.168.0.0/24", &["192.168.0.2"]));
        assert_eq!(plan, ("192.168.0.2-192.168.0.20".to_owned(), "192.168.0.100-192.168.0.199".to_owned()));
    }

    #[test]
    fn containers_get_addresses_that_no_port_holds() {
        let network = network("192.168.0.0/24", &["192.168.0.2", "192.168.0.110", "192.168.0.140", "192.168.0.250"]);
        let plan = AddressPlan::of(&network);
        assert!(network.taken.iter().all(|held| !plan.containers.contains(*held)), "{plan:?}");
        assert_eq!(plan.containers.to_string(), "192.168.0.141-192.168.0.240");
    }

    #[test]
    fn a_narrowed_pool_keeps_room_for_what_is_there_already() {
        let held: Vec<String> = (2..=30).map(|last| format!("192.168.0.{last}")).collect();
        let held: Vec<&str> = held.iter().map(String::as_str).collect();
        assert_eq!(plan(&network("192.168.0.0/24", &held)).0, "192.168.0.2-192.168.0.46");
    }

    #[test]
    fn a_pool_that_is_out_of_the_way_is_left_alone() {
        let mut network = network("192.168.0.0/24", &[]);
        network.pools = vec!["192.168.0.2-192.168.0.50".parse().unwrap()];
        assert_eq!(plan(&network).0, "");
    }

    #[test]
    fn a_gateway_is_never_part_of_a_pool_or_of_the_containers_range() {
        let mut network = network("10.0.0.0/24", &[]);
        network.gateway = Some("10.0.0.10".parse().unwrap());
        network.pools = vec!["10.0.0.2-10.0.0.254".parse().unwrap()];
        assert_eq!(plan(&network).0, "");
        network.gateway = Some("10.0.0.150".parse().unwrap());
        assert!(!AddressPlan::of(&network).containers.contains("10.0.0.150".parse().unwrap()));
    }

    #[test]
    fn small_and_full_subnets_have_a_plan_too() {
        assert_eq!(plan(&network("10.0.0.0/26", &[])), (String::new(), "10.0.0.31-10.0.0.62".to_owned()));
        let all: Vec<String> = (1..=6).map(|last| format!("10.0.0.{last}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(plan(&network("10.0.0.0/29", &all)).1, "10.0.0.3-10.0.0.6");
    }
}
