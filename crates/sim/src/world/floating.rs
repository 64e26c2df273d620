//! Neutron's floating IPs.

use super::network::without_owner;
use super::{Attributes, Caller, Meta, Refusal, World, overlay, required, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::Ipv4Addr;

/// A floating IP.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FloatingIp {
    /// What all objects share; the name is unused.
    #[serde(flatten)]
    pub meta: Meta,
    /// The external network.
    pub floating_network_id: String,
    /// The address out there.
    pub floating_ip_address: Ipv4Addr,
    /// The address in here.
    pub fixed_ip_address: Option<Ipv4Addr>,
    /// The port in here.
    pub port_id: Option<String>,
    /// The router that translates.
    pub router_id: Option<String>,
    /// `ACTIVE` while associated, else `DOWN`.
    pub status: String,
    /// The name in an external DNS, kept and not published.
    #[serde(default)]
    pub dns_name: String,
    /// The domain in an external DNS.
    #[serde(default)]
    pub dns_domain: String,
}

impl FloatingIp {
    /// Takes it off its port.
    pub fn release(&mut self) {
        (self.port_id, self.fixed_ip_address, self.router_id) = (None, None, None);
        "DOWN".clone_into(&mut self.status);
    }
}

impl World {
    /// The floating IP, if it is the caller's.
    pub fn floating_ip(&self, caller: &Caller, id: &str) -> Result<&FloatingIp, Refusal> {
        self.floatingips
            .get(id)
            .filter(|floating| floating.meta.project_id == caller.project_id)
            .ok_or_else(|| Refusal::new(404, "FloatingIPNotFound", format!("Floating IP {id} could not be found")))
    }

    /// Allocates a floating IP and associates it where a port is given.
    pub fn create_floating_ip(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        let given = without_owner(given);
        let network_id = required(&given, "floating_network_id")?.to_owned();
        if text(&given, "floating_ip_address").is_some() {
            return Err(Refusal::policy("create_floatingip:floating_ip_address"));
        }
        if !self.network(caller, &network_id)?.external {
            return Err(Refusal::new(
                400,
                "BadRequest",
                format!("Bad floatingip request: Network {network_id} is not a valid external network."),
            ));
        }
        self.network_quota(&caller.project_id, "floatingip", 1)?;
        let address = self.choose_floating_address(&network_id)?;
        let mut floating = FloatingIp {
            meta: Meta::new(&caller.project_id, self.now),
            floating_network_id: network_id,
            floating_ip_address: address.1,
            fixed_ip_address: None,
            port_id: None,
            router_id: None,
            status: "DOWN".to_owned(),
            dns_name: String::new(),
            dns_domain: String::new(),
        };
        let plain: Attributes = given
            .iter()
            .filter(|(key, _)| matches!(key.as_str(), "description" | "dns_name" | "dns_domain"))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        floating = overlay(&floating, &plain, &["description", "dns_name", "dns_domain"])?;
        if let Some(port_id) = text(&given, "port_id") {
            self.associate(caller, &mut floating, port_id, text(&given, "fixed_ip_address"))?;
        }
        let id = floating.meta.id.clone();
        self.add_system_port("", &address.0, Some(address.1), ("network:floatingip", &id));
        self.floatingips.insert(id.clone(), floating);
        Ok(id)
    }

    /// Associates, moves or releases a floating IP, or changes its description.
    pub fn update_floating_ip(&mut self, caller: &Caller, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let now = self.now;
        let mut floating = self.floating_ip(caller, id)?.clone();
        if let Some(description) = text(given, "description") {
            description.clone_into(&mut floating.meta.description);
        }
        match given.get("port_id") {
            Some(Value::String(port_id)) => {
                self.associate(caller, &mut floating, port_id, text(given, "fixed_ip_address"))?;
            }
            // A port that is null releases it.
            Some(_) => floating.release(),
            None => {}
        }
        floating.meta.touch(now);
        self.floatingips.insert(id.to_owned(), floating);
        Ok(())
    }

    /// Gives a floating IP back.
    pub fn delete_floating_ip(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        self.floating_ip(caller, id)?;
        self.floatingips.shift_remove(id);
        self.ports.retain(|_, port| port.device_id != id);
        Ok(())
    }

    /// The subnet and the address of a new floating IP.
    fn choose_floating_address(&self, network_id: &str) -> Result<(String, Ipv4Addr), Refusal> {
        self.subnets
            .values()
            .filter(|subnet| subnet.network_id == network_id)
            .find_map(|subnet| self.free_address(subnet).map(|address| (subnet.meta.id.clone(), address)))
            .ok_or_else(|| {
                Refusal::new(
                    409,
                    "IpAddressGenerationFailure",
                    format!("No more IP addresses available on network {network_id}."),
                )
            })
    }

    fn associate(
        &self,
        caller: &Caller,
        floating: &mut FloatingIp,
        port_id: &str,
        wanted: Option<&str>,
    ) -> Result<(), Refusal> {
        let port = self.port(caller, port_id)?;
        let fixed = port
            .fixed_ips
            .iter()
            .find(|fixed| wanted.is_none_or(|wanted| fixed.ip_address.to_string() == wanted))
            .ok_or_else(|| {
                Refusal::new(
                    400,
                    "BadRequest",
                    format!("Bad floatingip request: Cannot add floating IP to port {port_id} that has no fixed IPv4 addresses."),
                )
            })?;
        let external = &floating.floating_network_id;
        let taken = self.floatingips.values().any(|other| {
            other.meta.id != floating.meta.id
                && other.port_id.as_deref() == Some(port_id)
                && other.fixed_ip_address == Some(fixed.ip_address)
        });
        if taken {
            return Err(Refusal::new(
                409,
                "FloatingIPPortAlreadyAssociated",
                format!(
                    "Cannot associate floating IP {} ({}) with port {port_id} using fixed IP {}, as that fixed IP already has a floating IP on external network {external}.",
                    floating.floating_ip_address, floating.meta.id, fixed.ip_address
                ),
            ));
        }
        let router = self.router_between(&fixed.subnet_id, external).ok_or_else(|| {
            Refusal::new(
                404,
                "ExternalGatewayForFloatingIPNotFound",
                format!(
                    "External network {external} is not reachable from subnet {}.  Therefore, cannot associate Port {port_id} with a Floating IP.",
                    fixed.subnet_id
                ),
            )
        })?;
        floating.port_id = Some(port_id.to_owned());
        floating.fixed_ip_address = Some(fixed.ip_address);
        floating.router_id = Some(router.meta.id.clone());
        "ACTIVE".clone_into(&mut floating.status);
        Ok(())
    }
}
