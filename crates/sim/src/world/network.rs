//! Neutron's networks and subnets, and the allocation of addresses from a subnet's pools.

use super::{Attributes, Caller, Meta, Refusal, World, overlay, required, text};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// A network.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Network {
    /// What all objects share.
    #[serde(flatten)]
    pub meta: Meta,
    /// Off: no packet passes.
    pub admin_state_up: bool,
    /// Bytes.
    pub mtu: u32,
    /// Visible to every project.
    pub shared: bool,
    /// Floating IPs come from it.
    #[serde(rename = "router:external")]
    pub external: bool,
    /// The default of its ports.
    pub port_security_enabled: bool,
    /// Always `ACTIVE`.
    pub status: String,
}

/// An IPv4 subnet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subnet {
    /// What all objects share.
    #[serde(flatten)]
    pub meta: Meta,
    /// The network it belongs to.
    pub network_id: String,
    /// Its addresses.
    pub cidr: Ipv4Net,
    /// The router's address.
    pub gateway_ip: Option<Ipv4Addr>,
    /// Handed out by DHCP.
    pub dns_nameservers: Vec<Ipv4Addr>,
    /// What may be allocated without being asked for.
    pub allocation_pools: Vec<Pool>,
    /// A DHCP port exists.
    pub enable_dhcp: bool,
    /// Handed out by DHCP.
    pub host_routes: Vec<Value>,
    /// Always 4.
    pub ip_version: u8,
}

/// A range of addresses, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The first.
    pub start: Ipv4Addr,
    /// The last.
    pub end: Ipv4Addr,
}

const DEFAULT_MTU: u32 = 1442;
const NETWORK_ATTRIBUTES: &[&str] =
    &["name", "description", "admin_state_up", "mtu", "port_security_enabled", "shared", "router:external"];
const SUBNET_CREATE: &[&str] = &[
    "name",
    "description",
    "network_id",
    "cidr",
    "gateway_ip",
    "dns_nameservers",
    "allocation_pools",
    "enable_dhcp",
    "host_routes",
    "ip_version",
];
const SUBNET_UPDATE: &[&str] =
    &["name", "description", "gateway_ip", "dns_nameservers", "allocation_pools", "enable_dhcp", "host_routes"];

/// Attributes that a client may send and that only repeat who it is.
const IGNORED: &[&str] = &["project_id", "tenant_id", "availability_zone_hints"];

/// `given` without what is the caller's own identity anyway.
pub fn without_owner(given: &Attributes) -> Attributes {
    given
        .iter()
        .filter(|(key, _)| !IGNORED.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

impl World {
    /// The network, if the caller may see it.
    pub fn network(&self, caller: &Caller, id: &str) -> Result<&Network, Refusal> {
        self.networks
            .get(id)
            .filter(|network| network.visible_to(caller))
            .ok_or_else(|| Refusal::not_found("NetworkNotFound", "Network", id))
    }

    /// Creates a network and answers its id.
    pub fn create_network(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        self.network_quota(&caller.project_id, "network", 1)?;
        let given = without_owner(given);
        admin_only(&given, "create_network")?;
        let defaults = Network {
            meta: Meta::new(&caller.project_id, self.now),
            admin_state_up: true,
            mtu: DEFAULT_MTU,
            shared: false,
            external: false,
            port_security_enabled: true,
            status: "ACTIVE".to_owned(),
        };
        let mut network = overlay(&defaults, &given, NETWORK_ATTRIBUTES)?;
        network.meta.revision_number = 1;
        let id = network.meta.id.clone();
        self.networks.insert(id.clone(), network);
        Ok(id)
    }

    /// Changes a network.
    pub fn update_network(&mut self, caller: &Caller, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let now = self.now;
        admin_only(given, "update_network")?;
        let old = self.network(caller, id)?;
        if old.meta.project_id != caller.project_id {
            return Err(Refusal::policy("update_network"));
        }
        let mut network = overlay(old, given, NETWORK_ATTRIBUTES)?;
        network.meta.touch(now);
        self.networks.insert(id.to_owned(), network);
        Ok(())
    }

    /// Deletes a network with its subnets, unless ports are left on it.
    pub fn delete_network(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        if self.network(caller, id)?.meta.project_id != caller.project_id {
            return Err(Refusal::policy("delete_network"));
        }
        let users: Vec<&str> = self
            .ports
            .values()
            .filter(|port| port.network_id == id && port.device_owner != "network:dhcp")
            .map(|port| port.meta.id.as_str())
            .collect();
        if !users.is_empty() {
            return Err(Refusal::new(
                409,
                "NetworkInUse",
                format!(
                    "Unable to complete operation on network {id}. There are one or more ports still in use on the network, id for these ports is: {}.",
                    users.join(",")
                ),
            ));
        }
        self.ports.retain(|_, port| port.network_id != id);
        self.subnets.retain(|_, subnet| subnet.network_id != id);
        self.networks.shift_remove(id);
        Ok(())
    }

    /// The subnet, if the caller may see its network.
    pub fn subnet(&self, caller: &Caller, id: &str) -> Result<&Subnet, Refusal> {
        self.subnets
            .get(id)
            .filter(|subnet| {
                subnet.meta.project_id == caller.project_id
                    || self
                        .networks
                        .get(&subnet.network_id)
                        .is_some_and(|network| network.shared || network.meta.project_id == caller.project_id)
            })
            .ok_or_else(|| Refusal::not_found("SubnetNotFound", "Subnet", id))
    }

    /// Creates a subnet, its pools (all of it but the gateway unless given) and its DHCP port.
    pub fn create_subnet(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        self.network_quota(&caller.project_id, "subnet", 1)?;
        let given = without_owner(given);
        let network_id = required(&given, "network_id")?.to_owned();
        if self.network(caller, &network_id)?.meta.project_id != caller.project_id {
            return Err(Refusal::policy("create_subnet"));
        }
        if given.get("ip_version").and_then(Value::as_u64) != Some(4) {
            return Err(Refusal::invalid("Invalid input for ip_version. Reason: this cloud has IPv4 only."));
        }
        let cidr: Ipv4Net = text(&given, "cidr")
            .and_then(|cidr| cidr.parse::<Ipv4Net>().ok())
            .map(|cidr| cidr.trunc())
            .ok_or_else(|| Refusal::invalid("Invalid input for cidr. Reason: not a valid IP subnet."))?;
        let overlaps = self
            .subnets
            .values()
            .any(|other| other.network_id == network_id && (other.cidr.contains(&cidr) || cidr.contains(&other.cidr)));
        if overlaps {
            return Err(Refusal::invalid(format!(
                "Invalid input for operation: Requested subnet with cidr: {cidr} for network: {network_id} overlaps with another subnet."
            )));
        }
        let defaults = Subnet {
            meta: Meta::new(&caller.project_id, self.now),
            network_id,
            cidr,
            gateway_ip: cidr.hosts().next(),
            dns_nameservers: Vec::new(),
            allocation_pools: Vec::new(),
            enable_dhcp: true,
            host_routes: Vec::new(),
            ip_version: 4,
        };
        let mut subnet = overlay(&defaults, &given, SUBNET_CREATE)?;
        subnet.cidr = cidr;
        if !given.contains_key("allocation_pools") {
            subnet.allocation_pools = default_pools(cidr, subnet.gateway_ip);
        }
        subnet.check_pools()?;
        let id = subnet.meta.id.clone();
        let with_dhcp = subnet.enable_dhcp;
        self.touch_network(&subnet.network_id);
        self.subnets.insert(id.clone(), subnet);
        if with_dhcp {
            self.add_dhcp_port(&id, None);
        }
        Ok(id)
    }

    /// Changes a subnet. Addresses in use outside of new pools stay in use.
    pub fn update_subnet(&mut self, caller: &Caller, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let now = self.now;
        let old = self.subnet(caller, id)?;
        if old.meta.project_id != caller.project_id {
            return Err(Refusal::policy("update_subnet"));
        }
        let mut subnet = overlay(old, given, SUBNET_UPDATE)?;
        subnet.check_pools()?;
        subnet.meta.touch(now);
        self.touch_network(&subnet.network_id);
        self.subnets.insert(id.to_owned(), subnet);
        Ok(())
    }

    /// A change of a subnet is one of its network.
    fn touch_network(&mut self, id: &str) {
        let now = self.now;
        if let Some(network) = self.networks.get_mut(id) {
            network.meta.touch(now);
        }
    }

    /// Deletes a subnet, unless a port other than the DHCP one has an address of it.
    pub fn delete_subnet(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        if self.subnet(caller, id)?.meta.project_id != caller.project_id {
            return Err(Refusal::policy("delete_subnet"));
        }
        let in_use =
            self.ports.values().any(|port| port.device_owner != "network:dhcp" && port.address_in(id).is_some());
        if in_use {
            return Err(Refusal::new(
                409,
                "SubnetInUse",
                format!(
                    "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet."
                ),
            ));
        }
        self.ports.retain(|_, port| port.address_in(id).is_none());
        self.subnets.shift_remove(id);
        Ok(())
    }

    /// The first address of the subnet's pools that no port holds.
    pub fn free_address(&self, subnet: &Subnet) -> Option<Ipv4Addr> {
        let taken = self.addresses_in_use(&subnet.meta.id);
        subnet
            .allocation_pools
            .iter()
            .flat_map(|pool| u32::from(pool.start)..=u32::from(pool.end))
            .map(Ipv4Addr::from)
            .find(|address| !taken.contains(address) && Some(*address) != subnet.gateway_ip)
    }

    /// The addresses of the subnet that ports hold.
    pub fn addresses_in_use(&self, subnet_id: &str) -> BTreeSet<Ipv4Addr> {
        self.ports.values().filter_map(|port| port.address_in(subnet_id)).collect()
    }
}

impl Network {
    /// Whether the caller sees it in lists.
    pub fn visible_to(&self, caller: &Caller) -> bool {
        self.shared || self.external || self.meta.project_id == caller.project_id
    }
}

impl Subnet {
    fn check_pools(&self) -> Result<(), Refusal> {
        for pool in &self.allocation_pools {
            if pool.start > pool.end {
                return Err(Refusal::new(
                    400,
                    "InvalidAllocationPool",
                    format!("The allocation pool {}-{} is not valid.", pool.start, pool.end),
                ));
            }
            if !self.cidr.contains(&pool.start) || !self.cidr.contains(&pool.end) {
                return Err(Refusal::new(
                    400,
                    "OutOfBoundsAllocationPool",
                    format!(
                        "The allocation pool {}-{} spans beyond the subnet cidr {}.",
                        pool.start, pool.end, self.cidr
                    ),
                ));
            }
            if self.gateway_ip.is_some_and(|gateway| pool.start <= gateway && gateway <= pool.end) {
                return Err(Refusal::new(
                    409,
                    "GatewayConflictWithAllocationPools",
                    format!(
                        "Gateway ip {} conflicts with allocation pool {}-{}.",
                        self.gateway_ip.unwrap_or(pool.start),
                        pool.start,
                        pool.end
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// The whole subnet without the gateway, as Neutron cuts it.
fn default_pools(cidr: Ipv4Net, gateway: Option<Ipv4Addr>) -> Vec<Pool> {
    let first = u32::from(cidr.network()).saturating_add(1);
    let last = u32::from(cidr.broadcast()).saturating_sub(1);
    let range = |start: u32, end: u32| (start <= end).then(|| Pool { start: start.into(), end: end.into() });
    match gateway.map(u32::from) {
        Some(gateway) if (first..=last).contains(&gateway) => {
            [range(first, gateway.saturating_sub(1)), range(gateway.saturating_add(1), last)]
                .into_iter()
                .flatten()
                .collect()
        }
        _ => range(first, last).into_iter().collect(),
    }
}

/// Sharing a network and making it external is for administrators.
fn admin_only(given: &Attributes, action: &str) -> Result<(), Refusal> {
    for attribute in ["shared", "router:external"] {
        if given.get(attribute).and_then(Value::as_bool) == Some(true) {
            return Err(Refusal::policy(&format!("{action}:{attribute}")));
        }
    }
    Ok(())
}
