//! Neutron's ports: addresses, port security and allowed address pairs.
//!
//! Errors and limits are those of the neutron sources (`allowedaddresspairs_db.py`, `portsecurity_db.py`, `db_base_plugin_v2.py`).

use super::network::without_owner;
use super::{Attributes, Caller, Meta, Refusal, World, overlay, required, text};
use ipnet::Ipv4Net;
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::Ipv4Addr;

/// A port.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Port {
    /// What all objects share.
    #[serde(flatten)]
    pub meta: Meta,
    /// The network it is on.
    pub network_id: String,
    /// Lower case, colons.
    pub mac_address: String,
    /// Its addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// What uses it: a server, a router, a balancer.
    pub device_id: String,
    /// The kind of what uses it: `compute:nova`, `network:dhcp`, `Octavia`.
    pub device_owner: String,
    /// Ids of security groups.
    pub security_groups: Vec<String>,
    /// Other senders and receivers that may use it.
    pub allowed_address_pairs: Vec<Pair>,
    /// Off: anything passes, and there are neither groups nor pairs.
    pub port_security_enabled: bool,
    /// Off: no packet passes.
    pub admin_state_up: bool,
    /// `ACTIVE` while bound to a running device, else `DOWN`.
    pub status: String,
    /// Always `normal`.
    #[serde(rename = "binding:vnic_type")]
    pub vnic_type: String,
    /// The name in the internal DNS.
    pub dns_name: String,
}

/// An address of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    /// The subnet it is of.
    pub subnet_id: String,
    /// The address.
    pub ip_address: Ipv4Addr,
}

/// An allowed address pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The port's own where none was given.
    pub mac_address: String,
    /// An address or a CIDR, kept as it was given.
    pub ip_address: String,
}

/// `max_allowed_address_pair` of Neutron's configuration.
const MAXIMUM_PAIRS: usize = 10;

const CREATE: &[&str] = &[
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
    "admin_state_up",
    "binding:vnic_type",
    "dns_name",
    "tags",
];

impl World {
    /// The port, if it is the caller's or on the caller's network.
    pub fn port(&self, caller: &Caller, id: &str) -> Result<&Port, Refusal> {
        self.ports
            .get(id)
            .filter(|port| port.meta.project_id == caller.project_id || self.owns_network(caller, &port.network_id))
            .ok_or_else(|| Refusal::not_found("PortNotFound", "Port", id))
    }

    /// Creates a port and answers its id.
    pub fn create_port(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        let mut given = without_owner(given);
        let network_id = required(&given, "network_id")?.to_owned();
        let network = self.network(caller, &network_id)?.clone();
        if network.external && !network.shared && !self.owns_network(caller, &network_id) {
            let message = format!("Tenant {} not allowed to create port on this network", caller.project_id);
            return Err(Refusal::new(403, "HTTPForbidden", message));
        }
        self.check_owner_attributes(caller, &network_id, &given, "create_port")?;
        if given.contains_key("tags") && !self.settings.extensions.contains("tag-ports-during-bulk-creation") {
            return Err(Refusal::invalid("Unrecognized attribute(s) 'tags'"));
        }
        self.check_extensions(&given)?;
        self.network_quota(&caller.project_id, "port", 1)?;
        let secured = flag(&given, "port_security_enabled").unwrap_or(network.port_security_enabled);
        let groups = match given.get("security_groups") {
            Some(Value::Array(_)) => None,
            _ if secured => Some(vec![self.default_group(&caller.project_id)]),
            _ => Some(Vec::new()),
        };
        if let Some(groups) = groups {
            given.insert("security_groups".to_owned(), groups.into());
        }
        let mac = self.choose_mac(&network_id, text(&given, "mac_address"))?;
        given.insert("mac_address".to_owned(), mac.clone().into());
        let addresses = self.choose_addresses(&network_id, given.get("fixed_ips"), None)?;
        given.insert("fixed_ips".to_owned(), to_json(&addresses));
        let pairs = check_pairs(given.get("allowed_address_pairs"), &mac, secured)?;
        given.insert("allowed_address_pairs".to_owned(), to_json(&pairs));
        let port = overlay(&self.blank_port(&caller.project_id, &network_id), &given, CREATE)?;
        let mut port = Port { port_security_enabled: secured, ..port };
        port.meta.revision_number = 1;
        self.check_groups(caller, &port)?;
        let id = port.meta.id.clone();
        self.ports.insert(id.clone(), port);
        Ok(id)
    }

    /// Changes a port. Pairs and addresses are replaced as a whole.
    pub fn update_port(&mut self, caller: &Caller, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let now = self.now;
        let old = self.port(caller, id)?.clone();
        self.check_owner_attributes(caller, &old.network_id, given, "update_port")?;
        self.check_extensions(given)?;
        let mut given = given.clone();
        if let Some(mac) = text(&given, "mac_address").filter(|mac| !mac.eq_ignore_ascii_case(&old.mac_address)) {
            let mac = self.choose_mac(&old.network_id, Some(mac))?;
            given.insert("mac_address".to_owned(), mac.into());
        }
        if given.get("fixed_ips").is_some_and(Value::is_array) {
            let addresses = self.choose_addresses(&old.network_id, given.get("fixed_ips"), Some(id))?;
            given.insert("fixed_ips".to_owned(), to_json(&addresses));
        }
        let secured = flag(&given, "port_security_enabled").unwrap_or(old.port_security_enabled);
        let mac = text(&given, "mac_address").unwrap_or(&old.mac_address).to_lowercase();
        if given.contains_key("allowed_address_pairs") {
            let pairs = check_pairs(given.get("allowed_address_pairs"), &mac, secured)?;
            given.insert("allowed_address_pairs".to_owned(), to_json(&pairs));
        } else if !secured && !old.allowed_address_pairs.is_empty() {
            return Err(pairs_need_security());
        }
        let mut port = overlay(&old, &given, CREATE)?;
        let sets_groups = given.get("security_groups").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        if !secured && !port.security_groups.is_empty() && !sets_groups {
            return Err(Refusal::new(
                409,
                "PortSecurityPortHasSecurityGroup",
                "Port has security group associated. Cannot disable port security or IP address until security group is removed.",
            ));
        }
        port.network_id.clone_from(&old.network_id);
        self.check_groups(caller, &port)?;
        port.meta.touch(now);
        self.ports.insert(id.to_owned(), port);
        Ok(())
    }

    /// Deletes a port; a floating IP on it is set free.
    pub fn delete_port(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        let owner = self.port(caller, id)?.device_owner.clone();
        if owner.starts_with("network:router") || owner == "network:floatingip" {
            return Err(Refusal::new(
                409,
                "ServicePortInUse",
                format!("Port {id} cannot be deleted directly via the port API: has device owner {owner}."),
            ));
        }
        self.drop_port(id);
        Ok(())
    }

    /// Removes a port and what hangs on it, without asking anybody.
    pub(crate) fn drop_port(&mut self, id: &str) {
        let now = self.now;
        self.ports.shift_remove(id);
        for floating in self.floatingips.values_mut().filter(|floating| floating.port_id.as_deref() == Some(id)) {
            floating.release();
            floating.meta.touch(now);
        }
        for server in self.servers.values_mut() {
            server.ports.retain(|port| port.id != id);
        }
    }

    /// A port that the cloud itself makes, with the next free address or the given one. No quota, no policy.
    pub(crate) fn add_system_port(
        &mut self,
        project_id: &str,
        subnet_id: &str,
        address: Option<Ipv4Addr>,
        device: (&str, &str),
    ) -> Option<String> {
        let subnet = self.subnets.get(subnet_id)?;
        let address = address.or_else(|| self.free_address(subnet))?;
        let mut port = self.blank_port(project_id, &subnet.network_id);
        port.fixed_ips = vec![FixedIp { subnet_id: subnet_id.to_owned(), ip_address: address }];
        (port.device_owner, port.device_id) = (device.0.to_owned(), device.1.to_owned());
        port.port_security_enabled = false;
        "ACTIVE".clone_into(&mut port.status);
        let id = port.meta.id.clone();
        self.ports.insert(id.clone(), port);
        Some(id)
    }

    /// Neutron's DHCP server holds an address of its own, the first free one of the pool unless another is wanted.
    pub(crate) fn add_dhcp_port(&mut self, subnet_id: &str, address: Option<Ipv4Addr>) {
        let project = self.subnets.get(subnet_id).map(|subnet| subnet.meta.project_id.clone()).unwrap_or_default();
        let device = format!("dhcp{}", super::new_id());
        self.add_system_port(&project, subnet_id, address, ("network:dhcp", &device));
    }

    /// Whether the caller's project owns the network.
    pub fn owns_network(&self, caller: &Caller, network_id: &str) -> bool {
        self.networks.get(network_id).is_some_and(|network| network.meta.project_id == caller.project_id)
    }

    fn blank_port(&self, project_id: &str, network_id: &str) -> Port {
        Port {
            meta: Meta::new(project_id, self.now),
            network_id: network_id.to_owned(),
            mac_address: random_mac(),
            fixed_ips: Vec::new(),
            device_id: String::new(),
            device_owner: String::new(),
            security_groups: Vec::new(),
            allowed_address_pairs: Vec::new(),
            port_security_enabled: true,
            admin_state_up: true,
            status: "DOWN".to_owned(),
            vnic_type: "normal".to_owned(),
            dns_name: String::new(),
        }
    }

    /// `ADMIN_OR_NET_OWNER_MEMBER` of Neutron's policies: what can be chosen by the network's owner only.
    fn check_owner_attributes(
        &self,
        caller: &Caller,
        network_id: &str,
        given: &Attributes,
        action: &str,
    ) -> Result<(), Refusal> {
        if self.owns_network(caller, network_id) {
            return Ok(());
        }
        let chooses_address = given
            .get("fixed_ips")
            .and_then(Value::as_array)
            .is_some_and(|list| list.iter().any(|entry| entry.get("ip_address").is_some()));
        for attribute in ["mac_address", "allowed_address_pairs", "port_security_enabled"] {
            if given.contains_key(attribute) {
                return Err(Refusal::policy(&format!("{action}:{attribute}")));
            }
        }
        if chooses_address {
            return Err(Refusal::policy(&format!("{action}:fixed_ips:ip_address")));
        }
        Ok(())
    }

    /// An attribute of an extension that is off is an unknown attribute.
    fn check_extensions(&self, given: &Attributes) -> Result<(), Refusal> {
        for (attribute, extension) in
            [("allowed_address_pairs", "allowed-address-pairs"), ("port_security_enabled", "port-security")]
        {
            if given.contains_key(attribute) && !self.settings.extensions.contains(extension) {
                return Err(Refusal::invalid(format!("Unrecognized attribute(s) '{attribute}'")));
            }
        }
        Ok(())
    }

    fn choose_mac(&self, network_id: &str, wanted: Option<&str>) -> Result<String, Refusal> {
        let Some(wanted) = wanted else { return Ok(random_mac()) };
        let mac = normal_mac(wanted).ok_or_else(|| {
            Refusal::invalid(format!("Invalid input for mac_address. Reason: '{wanted}' is not a valid MAC address."))
        })?;
        if self.ports.values().any(|port| port.network_id == network_id && port.mac_address == mac) {
            return Err(Refusal::new(
                409,
                "MacAddressInUse",
                format!("Unable to complete operation for network {network_id}. The mac address {mac} is in use."),
            ));
        }
        Ok(mac)
    }

    /// The addresses of a port: those asked for, or one of the network's first subnet that has one free.
    fn choose_addresses(
        &self,
        network_id: &str,
        wanted: Option<&Value>,
        itself: Option<&str>,
    ) -> Result<Vec<FixedIp>, Refusal> {
        let Some(wanted) = wanted.and_then(Value::as_array) else {
            let mut subnets = self.subnets.values().filter(|subnet| subnet.network_id == network_id).peekable();
            if subnets.peek().is_none() {
                return Ok(Vec::new());
            }
            return subnets
                .find_map(|subnet| {
                    self.free_address(subnet)
                        .map(|ip_address| vec![FixedIp { subnet_id: subnet.meta.id.clone(), ip_address }])
                })
                .ok_or_else(|| no_more_addresses(network_id));
        };
        let mut chosen: Vec<FixedIp> = Vec::new();
        for entry in wanted {
            let fixed = self.choose_address(network_id, entry, itself)?;
            if chosen.contains(&fixed) {
                return Err(Refusal::invalid(format!("Duplicate IP address '{}'.", fixed.ip_address)));
            }
            chosen.push(fixed);
        }
        Ok(chosen)
    }

    fn choose_address(&self, network_id: &str, entry: &Value, itself: Option<&str>) -> Result<FixedIp, Refusal> {
        let subnet_id = entry.get("subnet_id").and_then(Value::as_str);
        let address: Option<Ipv4Addr> = match entry.get("ip_address").and_then(Value::as_str) {
            Some(given) => Some(given.parse().map_err(|_| {
                Refusal::invalid(format!("Invalid input for fixed_ips. Reason: '{given}' is not a valid IP address."))
            })?),
            None => None,
        };
        let mut of_network = self.subnets.values().filter(|subnet| subnet.network_id == network_id);
        let subnet = match (subnet_id, address) {
            (Some(id), _) => of_network.find(|subnet| subnet.meta.id == id).ok_or_else(|| {
                Refusal::new(
                    400,
                    "InvalidInput",
                    format!(
                        "Invalid input for operation: Failed to create port on network {network_id}, because fixed_ips included invalid subnet {id}."
                    ),
                )
            })?,
            (None, Some(address)) => of_network.find(|subnet| subnet.cidr.contains(&address)).ok_or_else(|| {
                Refusal::new(
                    400,
                    "InvalidIpForNetwork",
                    format!("IP address {address} is not a valid IP for any of the subnets on the specified network."),
                )
            })?,
            (None, None) => return Err(Refusal::invalid("IP allocation requires subnet_id or ip_address.")),
        };
        let id = subnet.meta.id.clone();
        let Some(address) = address else {
            let ip_address = self.free_address(subnet).ok_or_else(|| no_more_addresses(network_id))?;
            return Ok(FixedIp { subnet_id: id, ip_address });
        };
        if !subnet.cidr.contains(&address) || address == subnet.cidr.network() || address == subnet.cidr.broadcast() {
            return Err(Refusal::new(
                400,
                "InvalidIpForSubnet",
                format!("IP address {address} is not a valid IP for the specified subnet."),
            ));
        }
        let taken = self
            .ports
            .values()
            .any(|port| Some(port.meta.id.as_str()) != itself && port.address_in(&id) == Some(address));
        if taken {
            return Err(Refusal::new(
                409,
                "IpAddressAlreadyAllocated",
                format!("IP address {address} already allocated in subnet {id}"),
            ));
        }
        Ok(FixedIp { subnet_id: id, ip_address: address })
    }

    fn check_groups(&self, caller: &Caller, port: &Port) -> Result<(), Refusal> {
        if !port.port_security_enabled && !port.security_groups.is_empty() {
            return Err(Refusal::new(
                400,
                "PortSecurityAndIPRequiredForSecurityGroups",
                "Port security must be enabled and port must have an IP address in order to use security groups.",
            ));
        }
        // A group of a service (a balancer's own) may stay on the port, but not be seen.
        let already: &[String] = self.ports.get(&port.meta.id).map_or(&[], |old| old.security_groups.as_slice());
        for id in &port.security_groups {
            let known = self.security_groups.get(id).is_some_and(|group| group.meta.project_id == caller.project_id);
            if !known && !already.contains(id) {
                return Err(Refusal::new(404, "SecurityGroupNotFound", format!("Security group {id} does not exist")));
            }
        }
        Ok(())
    }
}

impl Port {
    /// Its address of this subnet.
    pub fn address_in(&self, subnet_id: &str) -> Option<Ipv4Addr> {
        self.fixed_ips.iter().find(|fixed| fixed.subnet_id == subnet_id).map(|fixed| fixed.ip_address)
    }

    /// Whether it has this address.
    pub fn has_address(&self, address: Ipv4Addr) -> bool {
        self.fixed_ips.iter().any(|fixed| fixed.ip_address == address)
    }
}

impl Pair {
    /// Whether this pair lets `mac` use `address`.
    pub fn allows(&self, mac: &str, address: Ipv4Addr) -> bool {
        self.mac_address.eq_ignore_ascii_case(mac)
            && parse_range(&self.ip_address).is_some_and(|range| range.contains(&address))
    }
}

/// The pairs of a request, each with a MAC address.
fn check_pairs(given: Option<&Value>, mac: &str, secured: bool) -> Result<Vec<Pair>, Refusal> {
    let Some(list) = given.and_then(Value::as_array) else { return Ok(Vec::new()) };
    if list.is_empty() {
        return Ok(Vec::new());
    }
    if list.len() > MAXIMUM_PAIRS {
        return Err(Refusal::new(
            400,
            "AllowedAddressPairExhausted",
            format!("The number of allowed address pair exceeds the maximum {MAXIMUM_PAIRS}."),
        ));
    }
    let twice = |mac: &str, address: &str| {
        let message = format!("Request contains duplicate address pair: mac_address {mac} ip_address {address}.");
        Refusal::new(400, "DuplicateAddressPairInRequest", message)
    };
    let mut pairs: Vec<Pair> = Vec::new();
    for (at, entry) in list.iter().enumerate() {
        let pair = one_pair(entry, mac)?;
        // Neutron compares the entries as they were given, and once more when the missing addresses are filled in.
        if list.iter().take(at).any(|other| other == entry) {
            return Err(twice(entry.get("mac_address").and_then(Value::as_str).unwrap_or("None"), &pair.ip_address));
        }
        if pairs.contains(&pair) {
            return Err(twice(&pair.mac_address, &pair.ip_address));
        }
        pairs.push(pair);
    }
    if !secured {
        return Err(pairs_need_security());
    }
    Ok(pairs)
}

fn one_pair(entry: &Value, port_mac: &str) -> Result<Pair, Refusal> {
    let field = |name: &str| entry.get(name).and_then(Value::as_str);
    if let Some(key) =
        entry.as_object().and_then(|map| map.keys().find(|key| !matches!(key.as_str(), "mac_address" | "ip_address")))
    {
        return Err(Refusal::invalid(format!("Unrecognized attribute(s) '{key}'")));
    }
    let ip_address = field("ip_address").ok_or_else(|| {
        Refusal::new(400, "AllowedAddressPairsMissingIP", "AllowedAddressPair must contain ip_address")
    })?;
    if parse_range(ip_address).is_none() {
        let what = if ip_address.contains('/') { "subnet" } else { "address" };
        return Err(Refusal::invalid(format!("'{ip_address}' is not a valid IP {what}")));
    }
    let mac_address = match field("mac_address") {
        None => port_mac.to_owned(),
        // Kept in the letters that it was given in.
        Some(mac) if normal_mac(mac).is_some() => mac.to_owned(),
        Some(mac) => return Err(Refusal::invalid(format!("'{mac}' is not a valid MAC address"))),
    };
    Ok(Pair { mac_address, ip_address: ip_address.to_owned() })
}

/// An address or a CIDR as a range.
pub fn parse_range(given: &str) -> Option<Ipv4Net> {
    given.parse().ok().or_else(|| given.parse::<Ipv4Addr>().ok().map(Ipv4Net::from))
}

fn pairs_need_security() -> Refusal {
    Refusal::new(
        409,
        "AddressPairAndPortSecurityRequired",
        "Port Security must be enabled in order to have allowed address pairs on a port.",
    )
}

fn no_more_addresses(network_id: &str) -> Refusal {
    Refusal::new(409, "IpAddressGenerationFailure", format!("No more IP addresses available on network {network_id}."))
}

/// Lower case with colons, or nothing where it is no MAC address.
fn normal_mac(given: &str) -> Option<String> {
    let parts: Vec<&str> = given.split([':', '-']).collect();
    let valid = parts.len() == 6
        && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    valid.then(|| parts.join(":").to_lowercase())
}

/// Neutron's `base_mac` with three random octets.
fn random_mac() -> String {
    let [a, b, c]: [u8; 3] = rand::rng().random();
    format!("fa:16:3e:{a:02x}:{b:02x}:{c:02x}")
}

fn flag(given: &Attributes, key: &str) -> Option<bool> {
    given.get(key).and_then(Value::as_bool)
}

fn to_json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
