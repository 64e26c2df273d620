//! The address of a balancer: its port and that port's groups.

use crate::world::{Attributes, Caller, Refusal, World, text};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

impl World {
    /// The VIP's port: the user's own, or one that Octavia makes.
    pub(super) fn choose_vip(&mut self, caller: &Caller, given: &Attributes, id: &str) -> Result<Vip, Refusal> {
        let missing = |what: &str, id: &str| Refusal::new(400, "InvalidSubresource", format!("{what} {id} not found."));
        if let Some(port_id) = text(given, "vip_port_id") {
            let port = self.port(caller, port_id).map_err(|_| missing("Port", port_id))?;
            if !port.device_id.is_empty() {
                return Err(Refusal::new(409, "VIPInUse", format!("VIP port {port_id} is already in use.")));
            }
            let fixed = port.fixed_ips.first().ok_or_else(|| missing("Address of port", port_id))?;
            let vip = Vip {
                address: fixed.ip_address,
                port_id: port_id.to_owned(),
                subnet_id: fixed.subnet_id.clone(),
                network_id: port.network_id.clone(),
                own: false,
            };
            self.bind_vip(port_id, id);
            return Ok(vip);
        }
        let subnet = match (text(given, "vip_subnet_id"), text(given, "vip_network_id")) {
            (Some(subnet), _) => self.subnet(caller, subnet).map_err(|_| missing("Subnet", subnet))?.clone(),
            (None, Some(network)) => self
                .subnets
                .values()
                .find(|subnet| {
                    subnet.network_id == network
                        && self.networks.get(network).is_some_and(|network| network.visible_to(caller))
                })
                .ok_or_else(|| missing("Network", network))?
                .clone(),
            (None, None) => {
                return Err(Refusal::new(
                    400,
                    "ValidationException",
                    "Validation failure: VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.",
                ));
            }
        };
        let mut fixed = json!({ "subnet_id": subnet.meta.id });
        if let (Some(address), Some(map)) = (text(given, "vip_address"), fixed.as_object_mut()) {
            map.insert("ip_address".to_owned(), address.into());
        }
        // Octavia asks for the port with rights of its own, so that the network need not be the caller's.
        let maker = Caller { user_id: caller.user_id.clone(), project_id: subnet.meta.project_id.clone() };
        let mut port = Attributes::new();
        port.insert("network_id".to_owned(), subnet.network_id.clone().into());
        port.insert("name".to_owned(), format!("octavia-lb-{id}").into());
        port.insert("fixed_ips".to_owned(), json!([fixed]));
        port.insert("security_groups".to_owned(), json!([]));
        // The port keeps the address; the one that carries it is the amphora's.
        port.insert("admin_state_up".to_owned(), false.into());
        let port_id = self.create_port(&maker, &port).map_err(|refusal| match refusal.status {
            409 if refusal.kind == "IpAddressAlreadyAllocated" => {
                Refusal::new(409, "VIPInUse", format!("{}.", refusal.message))
            }
            _ => refusal,
        })?;
        let address = self
            .ports
            .get_mut(&port_id)
            .and_then(|port| {
                port.meta.project_id.clone_from(&caller.project_id);
                port.fixed_ips.first().map(|fixed| fixed.ip_address)
            })
            .unwrap_or(Ipv4Addr::UNSPECIFIED);
        self.bind_vip(&port_id, id);
        Ok(Vip { address, port_id, subnet_id: subnet.meta.id, network_id: subnet.network_id, own: true })
    }

    pub(super) fn bind_vip(&mut self, port_id: &str, id: &str) {
        if let Some(port) = self.ports.get_mut(port_id) {
            port.device_id = format!("lb-{id}");
            "Octavia".clone_into(&mut port.device_owner);
        }
    }

    pub(super) fn vip_groups(&self, caller: &Caller, groups: &Value) -> Result<Vec<String>, Refusal> {
        let groups: Vec<String> = serde_json::from_value(groups.clone()).unwrap_or_default();
        for group in &groups {
            self.security_group(caller, group)
                .map_err(|_| Refusal::new(400, "InvalidSubresource", format!("Security Group {group} not found.")))?;
        }
        Ok(groups)
    }
}

/// Where a balancer listens.
pub(super) struct Vip {
    pub(super) address: Ipv4Addr,
    pub(super) port_id: String,
    pub(super) subnet_id: String,
    pub(super) network_id: String,
    pub(super) own: bool,
}
