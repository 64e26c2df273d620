//! Neutron's routers: their interfaces on tenant subnets and their gateway to the external network.

use super::network::without_owner;
use super::{Attributes, Caller, Meta, Refusal, World, overlay, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::Ipv4Addr;

/// A router. Its interfaces are ports that name it as their device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Router {
    /// What all objects share.
    #[serde(flatten)]
    pub meta: Meta,
    /// Off: no packet passes.
    pub admin_state_up: bool,
    /// Always `ACTIVE`.
    pub status: String,
    /// The way out.
    pub external_gateway_info: Option<Gateway>,
    /// Static routes, kept and not followed.
    pub routes: Vec<Value>,
}

/// A router's way out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gateway {
    /// The external network.
    pub network_id: String,
    /// Whether machines without a floating IP get out.
    #[serde(default = "yes")]
    pub enable_snat: bool,
    /// The router's addresses out there.
    #[serde(default)]
    pub external_fixed_ips: Vec<super::port::FixedIp>,
}

fn yes() -> bool {
    true
}

const ATTRIBUTES: &[&str] = &["name", "description", "admin_state_up", "external_gateway_info", "routes"];
const INTERFACE: &str = "network:router_interface";
const GATEWAY: &str = "network:router_gateway";

impl World {
    /// The router, if it is the caller's.
    pub fn router(&self, caller: &Caller, id: &str) -> Result<&Router, Refusal> {
        self.routers
            .get(id)
            .filter(|router| router.meta.project_id == caller.project_id)
            .ok_or_else(|| Refusal::new(404, "RouterNotFound", format!("Router {id} could not be found")))
    }

    /// Creates a router.
    pub fn create_router(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        self.network_quota(&caller.project_id, "router", 1)?;
        let defaults = Router {
            meta: Meta::new(&caller.project_id, self.now),
            admin_state_up: true,
            status: "ACTIVE".to_owned(),
            external_gateway_info: None,
            routes: Vec::new(),
        };
        let router = overlay(&defaults, &without_owner(given), ATTRIBUTES)?;
        let id = router.meta.id.clone();
        self.set_gateway(caller, router)?;
        Ok(id)
    }

    /// Changes a router; `external_gateway_info` null or `{}` takes its gateway away.
    pub fn update_router(&mut self, caller: &Caller, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let now = self.now;
        let mut given = given.clone();
        if given.get("external_gateway_info").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
            given.insert("external_gateway_info".to_owned(), Value::Null);
        }
        let mut router = overlay(self.router(caller, id)?, &given, ATTRIBUTES)?;
        router.meta.touch(now);
        let loses_gateway = router.external_gateway_info.is_none();
        let user = self.floatingips.values().find(|floating| floating.router_id.as_deref() == Some(id));
        if let (true, Some(floating)) = (loses_gateway, user) {
            return Err(Refusal::new(
                409,
                "RouterExternalGatewayInUseByFloatingIp",
                format!(
                    "Gateway cannot be updated for router {id}, since a gateway to external network {} is required by one or more floating IPs.",
                    floating.floating_network_id
                ),
            ));
        }
        self.set_gateway(caller, router)
    }

    /// Deletes a router without interfaces.
    pub fn delete_router(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        self.router(caller, id)?;
        let interfaces = self.ports.values().filter(|port| port.device_id == id && port.device_owner == INTERFACE);
        let interfaces: Vec<&str> = interfaces.map(|port| port.meta.id.as_str()).collect();
        if !interfaces.is_empty() {
            let message = format!("Router {id} has ports still attached: {}", interfaces.join(", "));
            return Err(Refusal::new(409, "RouterInUse", message));
        }
        self.ports.retain(|_, port| port.device_id != id);
        self.routers.shift_remove(id);
        Ok(())
    }

    /// Puts the router on a subnet (at its gateway address) or onto a given port, and answers port and subnet.
    pub fn add_router_interface(
        &mut self,
        caller: &Caller,
        id: &str,
        given: &Attributes,
    ) -> Result<(String, String), Refusal> {
        self.router(caller, id)?;
        if let Some(port_id) = text(given, "port_id") {
            let port = self.port(caller, port_id)?;
            if !port.device_id.is_empty() {
                return Err(Refusal::new(
                    409,
                    "PortInUse",
                    format!(
                        "Unable to complete operation on port {port_id} for network {}. Port already has an attached device {}.",
                        port.network_id, port.device_id
                    ),
                ));
            }
            let subnet = port.fixed_ips.first().map(|fixed| fixed.subnet_id.clone()).unwrap_or_default();
            if let Some(port) = self.ports.get_mut(port_id) {
                id.clone_into(&mut port.device_id);
                INTERFACE.clone_into(&mut port.device_owner);
                "ACTIVE".clone_into(&mut port.status);
            }
            return Ok((port_id.to_owned(), subnet));
        }
        let subnet_id = text(given, "subnet_id").unwrap_or_default().to_owned();
        let gateway = self.subnet(caller, &subnet_id)?.gateway_ip.ok_or_else(|| {
            Refusal::new(
                400,
                "BadRequest",
                format!("Bad router request: Subnet for router interface must have a gateway IP {subnet_id}."),
            )
        })?;
        if self.routers_of(&subnet_id).any(|router| router.meta.id == id) {
            return Err(Refusal::new(
                400,
                "BadRequest",
                format!("Bad router request: Router already has a port on subnet {subnet_id}."),
            ));
        }
        if self.addresses_in_use(&subnet_id).contains(&gateway) {
            return Err(Refusal::new(
                409,
                "IpAddressAlreadyAllocated",
                format!("IP address {gateway} already allocated in subnet {subnet_id}"),
            ));
        }
        let port = self.attach_router(id, &subnet_id, gateway).unwrap_or_default();
        Ok((port, subnet_id))
    }

    /// Takes the router off a subnet, unless a floating IP goes that way.
    pub fn remove_router_interface(
        &mut self,
        caller: &Caller,
        id: &str,
        given: &Attributes,
    ) -> Result<(String, String), Refusal> {
        self.router(caller, id)?;
        let (port_id, subnet_id) = self
            .ports
            .values()
            .filter(|port| port.device_id == id && port.device_owner == INTERFACE)
            .find(|port| {
                text(given, "port_id") == Some(port.meta.id.as_str())
                    || text(given, "subnet_id").is_some_and(|subnet| port.address_in(subnet).is_some())
            })
            .map(|port| {
                (port.meta.id.clone(), port.fixed_ips.first().map(|fixed| fixed.subnet_id.clone()).unwrap_or_default())
            })
            .ok_or_else(|| match (text(given, "port_id"), text(given, "subnet_id")) {
                (Some(port), _) => Refusal::new(
                    404,
                    "RouterInterfaceNotFound",
                    format!("Router {id} does not have an interface with id {port}"),
                ),
                (None, subnet) => Refusal::new(
                    404,
                    "RouterInterfaceNotFoundForSubnet",
                    format!("Router {id} has no interface on subnet {}", subnet.unwrap_or_default()),
                ),
            })?;
        let used = self
            .floatingips
            .values()
            .filter(|floating| floating.router_id.as_deref() == Some(id))
            .filter_map(|floating| self.ports.get(floating.port_id.as_deref()?))
            .any(|port| port.address_in(&subnet_id).is_some());
        if used {
            return Err(Refusal::new(
                409,
                "RouterInterfaceInUseByFloatingIP",
                format!(
                    "Router interface for subnet {subnet_id} on router {id} cannot be deleted, as it is required by one or more floating IPs."
                ),
            ));
        }
        self.drop_port(&port_id);
        Ok((port_id, subnet_id))
    }

    /// The router that joins `subnet_id` with the external network.
    pub fn router_between<'a>(&'a self, subnet_id: &'a str, external_network_id: &str) -> Option<&'a Router> {
        self.routers_of(subnet_id).find(|router| {
            router.external_gateway_info.as_ref().is_some_and(|gateway| gateway.network_id == external_network_id)
        })
    }

    /// The routers with an interface on the subnet.
    pub fn routers_of<'a>(&'a self, subnet_id: &'a str) -> impl Iterator<Item = &'a Router> {
        self.ports
            .values()
            .filter(move |port| port.device_owner == INTERFACE && port.address_in(subnet_id).is_some())
            .filter_map(|port| self.routers.get(&port.device_id))
    }

    /// Makes the interface port of a router on a subnet.
    pub(crate) fn attach_router(&mut self, id: &str, subnet_id: &str, address: Ipv4Addr) -> Option<String> {
        let project = self.routers.get(id)?.meta.project_id.clone();
        self.add_system_port(&project, subnet_id, Some(address), (INTERFACE, id))
    }

    fn set_gateway(&mut self, caller: &Caller, mut router: Router) -> Result<(), Refusal> {
        let id = router.meta.id.clone();
        let old = self.routers.get(&id).and_then(|old| old.external_gateway_info.clone());
        match &mut router.external_gateway_info {
            Some(gateway) if old.as_ref().is_none_or(|old| old.network_id != gateway.network_id) => {
                let network = self.network(caller, &gateway.network_id)?;
                if !network.external {
                    return Err(Refusal::new(
                        400,
                        "BadRequest",
                        format!("Bad router request: Network {} is not an external network.", gateway.network_id),
                    ));
                }
                let subnet = self.subnets.values().find(|subnet| subnet.network_id == gateway.network_id);
                let subnet_id = subnet.map(|subnet| subnet.meta.id.clone()).unwrap_or_default();
                self.ports.retain(|_, port| !(port.device_id == id && port.device_owner == GATEWAY));
                let port = self.add_system_port("", &subnet_id, None, (GATEWAY, &id));
                gateway.external_fixed_ips =
                    port.and_then(|port| self.ports.get(&port)).map(|port| port.fixed_ips.clone()).unwrap_or_default();
            }
            Some(gateway) => {
                gateway.external_fixed_ips = old.map(|old| old.external_fixed_ips).unwrap_or_default();
            }
            None => self.ports.retain(|_, port| !(port.device_id == id && port.device_owner == GATEWAY)),
        }
        self.routers.insert(id, router);
        Ok(())
    }
}
