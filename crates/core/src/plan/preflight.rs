//! What must be there before the first write, found and named all at once: the network, its subnet, quotas. What
//! belongs to one kind of resource (image, flavor, key pair, router path, address holders, rights) is checked where
//! that resource is planned.

use std::collections::BTreeMap;

use super::{Action, Builder, Ground, Scene, Write};
use crate::book::one_of_each;
use crate::observed::{ExternalNetwork, Network, Observed, Subnet};
use crate::spec::model::Stack;

/// The network and the subnet that the stack stands on. Without them nothing else can be planned.
pub(super) fn ground<'a>(stack: &'a Stack, seen: &'a Observed, build: &mut Builder) -> Option<Ground<'a>> {
    let network = network(stack, seen, build)?;
    let subnet = subnet(stack, network, build)?;
    let external = match &stack.network.external {
        Some(name) => {
            let mut named = seen.external.iter().filter(|one| one.name == *name);
            named.next().filter(|_| named.next().is_none())
        }
        None => only(&seen.external),
    };
    let ports = one_of_each(&seen.ports).0;
    Some(Ground { network, subnet, external, ports })
}

fn only(all: &[ExternalNetwork]) -> Option<&ExternalNetwork> {
    match all {
        [one] => Some(one),
        _ => None,
    }
}

fn network<'a>(stack: &Stack, seen: &'a Observed, build: &mut Builder) -> Option<&'a Network> {
    let name = &stack.network.name;
    match seen.networks.iter().filter(|network| network.name == *name).collect::<Vec<_>>().as_slice() {
        [network] => Some(network),
        [] => {
            build.blocked(
                format!("network `{name}`"),
                "the project sees no network of this name",
                "`openstack network list` shows what there is; `--set network.name=NAME` chooses one",
            );
            None
        }
        several => {
            let own: Vec<&&Network> =
                several.iter().filter(|network| network.project_id == seen.capabilities.project_id).collect();
            if let [network] = own.as_slice() {
                return Some(network);
            }
            let ids: Vec<&str> = several.iter().map(|network| network.id.as_str()).collect();
            build.blocked(
                format!("network `{name}`"),
                format!("{} networks have this name: {}", ids.len(), ids.join(", ")),
                "names are no identity: rename one of them",
            );
            None
        }
    }
}

fn subnet<'a>(stack: &Stack, network: &'a Network, build: &mut Builder) -> Option<&'a Subnet> {
    let wanted = |subnet: &&Subnet| stack.network.subnet.is_none_or(|cidr| subnet.cidr.trunc() == cidr.trunc());
    let found: Vec<&Subnet> = network.subnets.iter().filter(wanted).collect();
    let listed: Vec<String> = network.subnets.iter().map(|subnet| subnet.cidr.to_string()).collect();
    match (found.as_slice(), stack.network.subnet) {
        ([subnet], _) => Some(subnet),
        ([], Some(cidr)) => {
            build.blocked(
                format!("subnet {cidr}"),
                format!("network `{}` has no such subnet, but {}", network.name, if listed.is_empty() { "none".to_owned() } else { listed.join(", ") }),
                "correct `network.subnet`",
            );
            None
        }
        ([], None) => {
            build.blocked(
                format!("network `{}`", network.name),
                "it has no IPv4 subnet",
                "make one: `openstack subnet create --network NETWORK --subnet-range 192.168.0.0/24 NAME`",
            );
            None
        }
        _ => {
            build.blocked(
                format!("network `{}`", network.name),
                format!("it has several IPv4 subnets: {}", listed.join(", ")),
                "say which in `network.subnet`",
            );
            None
        }
    }
}

/// Neutron puts two egress rules into every new security group, and they count.
const DEFAULT_RULES: i64 = 2;

/// Compares what the plan makes with what is left of every quota.
pub(super) fn quotas(scene: &Scene<'_>, build: &mut Builder) {
    let mut needed: BTreeMap<&str, i64> = BTreeMap::new();
    let mut freed: BTreeMap<&str, i64> = BTreeMap::new();
    let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    for action in build.actions() {
        let mut add = |resource, amount: i64| *needed.entry(resource).or_default() += amount;
        match action {
            Action::CreateSecurityGroup { .. } => {
                add("security_group", 1);
                add("security_group_rule", DEFAULT_RULES);
            }
            Action::CreateRules { admits, .. } => add("security_group_rule", count(admits.len())),
            Action::CreateServerGroup { .. } => add("server_groups", 1),
            Action::Reserve { addresses, .. } => add("port", count(addresses.len())),
            Action::CreatePort { .. } => add("port", 1),
            Action::CreateFloatingIp { .. } => add("floatingip", 1),
            Action::CreateServer { flavor_id, .. } => {
                add("instances", 1);
                let flavor = scene.seen.catalogue.flavors.values().flatten().find(|flavor| flavor.id == *flavor_id);
                if let Some(flavor) = flavor {
                    add("cores", i64::from(flavor.vcpus));
                    add("ram", i64::from(flavor.ram_mib));
                }
            }
            Action::CreateBalancer { parts, write } => {
                add("load_balancer", 1);
                add("port", 1);
                if *write == Write::Whole {
                    add("listener", 1);
                    add("pool", 1);
                    add("health_monitor", 1);
                    add("member", count(parts.members.len()));
                }
            }
            Action::DeletePort { .. } => *freed.entry("port").or_default() += 1,
            Action::DeleteServer { .. } => *freed.entry("instances").or_default() += 1,
            Action::DeleteFloatingIp { .. } => *freed.entry("floatingip").or_default() += 1,
            Action::DeleteBalancer { .. } => *freed.entry("load_balancer").or_default() += 1,
            _ => {}
        }
    }
    for (resource, amount) in needed {
        let Some(quota) = scene.seen.quotas.0.get(resource).filter(|quota| quota.limit >= 0) else { continue };
        let left = quota.limit - quota.used + freed.get(resource).copied().unwrap_or(0);
        if amount > left {
            build.blocked(
                format!("quota `{resource}`"),
                format!("the plan makes {amount}, and {} of {} are left", left.max(0), quota.limit),
                "free some, or ask the operator of the cloud for more",
            );
        }
    }
}
