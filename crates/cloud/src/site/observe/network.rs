//! Neutron's lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use futures_util::try_join;
use ipnet::Ipv4Net;
use pontoon_core::address::AddressRange;
use pontoon_core::key::{Key, Kind};
use pontoon_core::observed::{
    Admits, ExternalNetwork, FloatingIp, Network, Pair, PoolsBefore, Port, Rule, SecurityGroup, Subnet,
};
use pontoon_core::spec::model::{self, Stack};

use super::super::{Site, SiteError, lease_prefix};
use crate::openstack::{self, network};

pub(super) struct Seen {
    pub(super) extensions: BTreeSet<String>,
    pub(super) networks: Vec<Network>,
    pub(super) external: Vec<ExternalNetwork>,
    pub(super) ports: Vec<Port>,
    pub(super) security_groups: Vec<SecurityGroup>,
    pub(super) floating_ips: Vec<FloatingIp>,
}

/// What is read of a port: of ten thousand of them every field counts.
const PORT_FIELDS: [&str; 13] = [
    "id",
    "project_id",
    "name",
    "description",
    "network_id",
    "mac_address",
    "fixed_ips",
    "device_id",
    "device_owner",
    "security_groups",
    "allowed_address_pairs",
    "port_security_enabled",
    "revision_number",
];

impl Site {
    /// With a file: the network that it names and all ports there. Without: the project's ports, and the subnets that
    /// carry a tag of the stack.
    pub(super) async fn network(&self, project: &str, stack: Option<&Stack>) -> Result<Seen, SiteError> {
        let groups = [("project_id", project)];
        let floating = [("project_id", project)];
        let (extensions, grounds, groups, floating) = try_join!(
            self.extensions(stack.is_some()),
            self.grounds(project, stack),
            self.openstack.security_groups(&groups),
            self.openstack.floating_ips(&floating),
        )?;
        let (networks, external, ports) = grounds;
        let lease = lease_prefix(&self.stack);
        self.leased.store(groups.iter().any(|group| group.description.starts_with(&lease)), Ordering::Relaxed);
        Ok(Seen {
            extensions,
            networks,
            external,
            ports: ports.into_iter().map(|one| port(one, project)).collect(),
            security_groups: groups.into_iter().filter_map(|group| security_group(group, &self.stack)).collect(),
            floating_ips: floating.into_iter().filter_map(|one| floating_ip(one, &self.stack)).collect(),
        })
    }

    async fn extensions(&self, wanted: bool) -> Result<BTreeSet<String>, openstack::Error> {
        if !wanted {
            return Ok(BTreeSet::new());
        }
        let read = async || {
            let all = self.openstack.extensions().await?;
            Ok(all.into_iter().map(|extension| extension.alias).collect())
        };
        self.constant.extensions.get_or_try_init(read).await.cloned()
    }

    async fn grounds(
        &self,
        project: &str,
        stack: Option<&Stack>,
    ) -> Result<(Vec<Network>, Vec<ExternalNetwork>, Vec<network::Port>), openstack::Error> {
        match stack {
            Some(stack) => self.named_ground(stack).await,
            None => self.remains(project).await,
        }
    }

    async fn named_ground(
        &self,
        stack: &Stack,
    ) -> Result<(Vec<Network>, Vec<ExternalNetwork>, Vec<network::Port>), openstack::Error> {
        let publishes = stack.hosts.values().any(|hosts| hosts.floating_ip != model::FloatingIp::No)
            || stack.balancers.values().any(|balancer| balancer.floating_ip != model::FloatingIp::No);
        let by_name = [("name", stack.network.name.as_str())];
        let external = async {
            let mut filters = vec![("router:external", "true")];
            filters.extend(stack.network.external.as_deref().map(|name| ("name", name)));
            if publishes { self.openstack.networks(&filters).await } else { Ok(Vec::new()) }
        };
        let routers = async { if publishes { self.openstack.routers(&[]).await } else { Ok(Vec::new()) } };
        let (found, external, routers) = try_join!(self.openstack.networks(&by_name), external, routers)?;
        // The service's filter may be a pattern; a name is compared exactly.
        let found: Vec<network::Network> = found.into_iter().filter(|one| one.name == stack.network.name).collect();
        let mut filters: Vec<(&str, &str)> = found.iter().map(|one| ("network_id", one.id.as_str())).collect();
        if filters.is_empty() {
            return Ok((Vec::new(), external.into_iter().map(external_network).collect(), Vec::new()));
        }
        let subnets = self.openstack.subnets(&filters);
        let mut port_filters = filters.clone();
        port_filters.extend(PORT_FIELDS.iter().map(|field| ("fields", *field)));
        let (subnets, ports) = try_join!(subnets, self.openstack.ports(&port_filters))?;
        filters.clear();
        let gateways = gateways(&routers, &ports);
        let networks = found.into_iter().map(|one| self.read_network(one, &subnets, &gateways)).collect();
        Ok((networks, external.into_iter().map(external_network).collect(), ports))
    }

    async fn remains(
        &self,
        project: &str,
    ) -> Result<(Vec<Network>, Vec<ExternalNetwork>, Vec<network::Port>), openstack::Error> {
        let own = [("project_id", project)];
        let mut port_filters = own.to_vec();
        port_filters.extend(PORT_FIELDS.iter().map(|field| ("fields", *field)));
        let (subnets, ports) = try_join!(self.openstack.subnets(&own), self.openstack.ports(&port_filters))?;
        let marked: Vec<network::Subnet> = subnets
            .into_iter()
            .filter(|one| one.tags.iter().any(|tag| PoolsBefore::read(&self.stack, tag).is_some()))
            .collect();
        let networks = marked
            .iter()
            .map(|one| network::Network {
                id: one.network_id.clone(),
                name: one.name.clone(),
                ..network::Network::default()
            })
            .map(|one| self.read_network(one, &marked, &BTreeMap::new()))
            .collect();
        Ok((networks, Vec::new(), ports))
    }

    fn read_network(
        &self,
        one: network::Network,
        subnets: &[network::Subnet],
        gateways: &BTreeMap<String, BTreeSet<String>>,
    ) -> Network {
        let subnets = subnets.iter().filter(|subnet| subnet.network_id == one.id && subnet.ip_version != 6);
        Network {
            subnets: subnets.filter_map(|subnet| self.read_subnet(subnet, gateways)).collect(),
            id: one.id,
            name: one.name,
            project_id: one.project_id,
            mtu: one.mtu.unwrap_or(1500),
            port_security: one.port_security_enabled.unwrap_or(true),
        }
    }

    fn read_subnet(&self, one: &network::Subnet, gateways: &BTreeMap<String, BTreeSet<String>>) -> Option<Subnet> {
        let cidr: Ipv4Net = one.cidr.parse().ok()?;
        let pool = |pool: &network::AllocationPool| AddressRange::new(pool.start.parse().ok()?, pool.end.parse().ok()?);
        Some(Subnet {
            id: one.id.clone(),
            cidr,
            gateway: one.gateway_ip.as_ref().and_then(|text| text.parse().ok()),
            pools: one.allocation_pools.iter().filter_map(pool).collect(),
            nameservers: one.dns_nameservers.iter().filter_map(|text| text.parse().ok()).collect(),
            routed_to: gateways.get(&one.id).cloned().unwrap_or_default(),
            pools_before: one.tags.iter().find_map(|tag| PoolsBefore::read(&self.stack, tag)),
            revision: one.revision_number.map(|revision| revision.0),
        })
    }
}

/// External networks by the subnet that a router leads there from.
fn gateways(routers: &[network::Router], ports: &[network::Port]) -> BTreeMap<String, BTreeSet<String>> {
    let leads_to: BTreeMap<&str, &str> = routers
        .iter()
        .filter_map(|router| Some((router.id.as_str(), router.external_gateway_info.as_ref()?.network_id.as_str())))
        .collect();
    let mut gateways: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for port in ports.iter().filter(|port| port.device_owner.starts_with("network:")) {
        if let Some(external) = leads_to.get(port.device_id.as_str()) {
            for address in &port.fixed_ips {
                gateways.entry(address.subnet_id.clone()).or_default().insert((*external).to_owned());
            }
        }
    }
    gateways
}

fn external_network(one: network::Network) -> ExternalNetwork {
    ExternalNetwork { id: one.id, name: one.name }
}

/// A port as the plan needs it. A VIP's port may carry its balancer's description; only ports that we made are ours, and
/// an administrator is shown those of other projects, where a stack of the same name may be.
fn port(one: network::Port, project: &str) -> Port {
    let key = one.description.parse::<Key>().ok().filter(|key| matches!(key.kind, Kind::Port | Kind::Reservation));
    let key = key.filter(|_| one.project_id == project);
    let pair = |pair: network::AllowedAddressPair| Pair {
        mac: pair.mac_address.unwrap_or_else(|| one.mac_address.clone()).to_lowercase(),
        // Neutron gives a single address back with or without its prefix length.
        address: pair.ip_address.trim_end_matches("/32").to_owned(),
    };
    Port {
        key,
        mac: one.mac_address.parse().ok(),
        addresses: one.fixed_ips.iter().filter_map(|fixed| fixed.ip_address.parse().ok()).collect(),
        security_groups: one.security_groups.iter().cloned().collect(),
        port_security: one.port_security_enabled.unwrap_or(true),
        pairs: one.allowed_address_pairs.iter().cloned().map(pair).collect(),
        revision: one.revision_number.map(|revision| revision.0),
        id: one.id,
        name: one.name,
        device_owner: one.device_owner,
        device_id: one.device_id,
    }
}

fn security_group(one: network::SecurityGroup, stack: &str) -> Option<SecurityGroup> {
    let key: Key = one.description.parse().ok()?;
    let ingress = one.security_group_rules.into_iter().filter(|rule| rule.direction == "ingress");
    (key.stack == stack && key.kind == Kind::SecurityGroup).then(|| SecurityGroup {
        id: one.id.clone(),
        key,
        rules: ingress.map(|rule| Rule { admits: admits(&rule, &one.id), id: rule.id }).collect(),
    })
}

fn admits(rule: &network::SecurityGroupRule, group: &str) -> Admits {
    // Neutron keeps a protocol as it was given, by name or by number.
    let protocol = match rule.protocol.as_deref() {
        Some("tcp" | "6") if rule.ethertype == "IPv4" => Some("tcp"),
        Some("udp" | "17") if rule.ethertype == "IPv4" => Some("udp"),
        _ => None,
    };
    let port = rule.port_range_min.filter(|port| rule.port_range_max == Some(*port));
    let from = rule.remote_ip_prefix.as_ref().map_or(Some(Ipv4Net::default()), |text| text.parse().ok());
    match (protocol, port, &rule.remote_group_id, from) {
        (Some("tcp"), Some(port), None, Some(from)) => Admits::TcpFrom(port, from),
        (Some("udp"), Some(port), None, Some(from)) => Admits::UdpFrom(port, from),
        (Some("tcp"), Some(port), Some(remote), _) if remote == group => Admits::TcpFromGroup(port),
        _ => Admits::Other(format!(
            "{} {} {}-{} from {}",
            rule.ethertype,
            rule.protocol.as_deref().unwrap_or("any protocol"),
            rule.port_range_min.map_or_else(|| "*".to_owned(), |port| port.to_string()),
            rule.port_range_max.map_or_else(|| "*".to_owned(), |port| port.to_string()),
            rule.remote_ip_prefix.as_ref().or(rule.remote_group_id.as_ref()).map_or("anywhere", String::as_str),
        )),
    }
}

fn floating_ip(one: network::FloatingIp, stack: &str) -> Option<FloatingIp> {
    Some(FloatingIp {
        address: one.floating_ip_address.parse().ok()?,
        given: one.tags.contains(&FloatingIp::given_tag(stack)),
        id: one.id,
        key: one.description.parse::<Key>().ok().filter(|key| key.stack == stack && key.kind == Kind::FloatingIp),
        port_id: one.port_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_another_project_is_never_ours_whatever_its_description_says() {
        let one = network::Port {
            description: "pontoon:blog:port/lxd0".to_owned(),
            project_id: "theirs".to_owned(),
            ..network::Port::default()
        };
        assert!(port(one.clone(), "ours").key.is_none());
        assert!(port(one, "theirs").key.is_some());
    }
}
