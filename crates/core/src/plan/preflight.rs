//! What must be there before the first write, found and named all at once: the network, its subnet, quotas. What
//! belongs to one kind of resource (image, flavor, key pair, router path, address holders, rights) is checked where
//! that resource is planned.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Builder, Ground, Scene, Verb, Write};
use crate::book::one_of_each;
use crate::observed::{ExternalNetwork, Flavor, Network, Observed, Subnet};
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
    // On the network there may be ports of other stacks as well, which carry keys of their own.
    let mut ports = one_of_each(&seen.ports).0;
    ports.retain(|key, _| key.stack == stack.name);
    let mut servers = one_of_each(&seen.servers).0;
    servers.retain(|key, _| key.stack == stack.name);
    let hosts = stack.host_names().collect();
    Some(Ground { network, subnet, external, hosts, ports, servers })
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
                format!(
                    "network `{}` has no such subnet, but {}",
                    network.name,
                    if listed.is_empty() { "none".to_owned() } else { listed.join(", ") }
                ),
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

/// Compares what the plan makes, less what it frees, with what is left of every quota.
pub(super) fn quotas(scene: &Scene<'_>, build: &mut Builder) {
    let flavors: BTreeMap<&str, &Flavor> =
        scene.seen.catalogue.flavors.values().flatten().map(|flavor| (flavor.id.as_str(), flavor)).collect();
    let mut changes = Changes::default();
    let mut replaced = BTreeSet::new();
    for step in build.planned() {
        match &step.action {
            Action::DeleteServer { .. } if step.verb == Verb::Replace => replaced.extend(step.keys.first()),
            // What a server is booted from is taken to be what its predecessor was booted from.
            Action::CreateServer { flavor_id, .. } if step.keys.first().is_some_and(|key| replaced.contains(key)) => {
                if let Some(flavor) = flavors.get(flavor_id.as_str()) {
                    *changes.freed.entry("cores").or_default() += i64::from(flavor.vcpus);
                    *changes.freed.entry("ram").or_default() += i64::from(flavor.ram_mib);
                }
            }
            _ => {}
        }
        count(&step.action, &flavors, &mut changes);
    }
    for (resource, made) in changes.made {
        let Some(quota) = scene.seen.quotas.0.get(resource).filter(|quota| quota.limit >= 0) else { continue };
        let left = quota.limit - quota.used + changes.freed.get(resource).copied().unwrap_or(0);
        if made > left {
            build.blocked(
                format!("quota `{resource}`"),
                format!("the plan makes {made}, and {} of {} are left", left.max(0), quota.limit),
                "free some, or ask the operator of the cloud for more",
            );
        }
    }
}

/// What a plan makes and frees, in the words of the quotas.
#[derive(Default)]
struct Changes {
    made: BTreeMap<&'static str, i64>,
    freed: BTreeMap<&'static str, i64>,
}

fn count(action: &Action, flavors: &BTreeMap<&str, &Flavor>, changes: &mut Changes) {
    let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    let mut add = |resource, amount: i64| *changes.made.entry(resource).or_default() += amount;
    let mut free = |resource| *changes.freed.entry(resource).or_default() += 1;
    match action {
        Action::CreateSecurityGroup { .. } => {
            add("security_group", 1);
            add("security_group_rule", DEFAULT_RULES);
        }
        Action::CreateRules { admits, .. } => add("security_group_rule", number(admits.len())),
        Action::CreateServerGroup { .. } => add("server_groups", 1),
        Action::Reserve { addresses, .. } => add("port", number(addresses.len())),
        Action::CreatePort { .. } => add("port", 1),
        Action::CreateFloatingIp { .. } => add("floatingip", 1),
        Action::CreateServer { flavor_id, .. } => {
            add("instances", 1);
            if let Some(flavor) = flavors.get(flavor_id.as_str()) {
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
                add("member", number(parts.members.len()));
            }
        }
        Action::DeleteRule { .. } => free("security_group_rule"),
        Action::DeletePort { .. } => free("port"),
        Action::DeleteServer { .. } => free("instances"),
        Action::DeleteFloatingIp { .. } => free("floatingip"),
        Action::DeleteBalancer { .. } => {
            free("load_balancer");
            free("port");
        }
        _ => {}
    }
}
