//! The tenancy of a lab's stack: made up, for the lab has no OpenStack.

use pontoon_core::address::Mac;
use serde_json::{Value, json};

use super::{Described, Lab};
use crate::openstack_fake::{Fake, Reply, Seen};

/// Lists in which machines of the lab are servers of the stack, each with its port. The pairs on them say where the
/// stack's containers belong.
pub(super) async fn of(lab: &Lab, described: &Described) -> Fake {
    let stack = &described.name;
    let (mut servers, mut ports) = (Vec::new(), Vec::new());
    for &machine in &described.machines {
        let here = described.services.iter().filter(|service| service.host == machine);
        let pairs: Vec<Value> = here
            .map(|service| {
                let mac = Mac::of_container(stack, &format!("{}-0", service.name));
                json!({"ip_address": service.address, "mac_address": mac})
            })
            .collect();
        let (mac, address) = (lab.fact(machine, "mac"), lab.fact(machine, "address"));
        servers.push(json!({
            "id": machine, "name": machine, "status": "ACTIVE", "image": {"id": "i"}, "flavor": {"id": "f"},
            "metadata": {"pontoon.key": format!("pontoon:{stack}:host/{machine}")},
        }));
        ports.push(json!({
            "id": format!("port-{machine}"), "name": machine, "project_id": "p1", "network_id": "n",
            "description": format!("pontoon:{stack}:port/{machine}"), "mac_address": mac, "status": "ACTIVE",
            "fixed_ips": [{"subnet_id": "s", "ip_address": address}], "device_id": machine,
            "device_owner": "compute:nova", "security_groups": [], "allowed_address_pairs": pairs,
            "port_security_enabled": true, "revision_number": 1,
        }));
    }
    let network = json!({
        "id": "n", "name": "lan", "project_id": "p1", "mtu": 1442, "shared": false, "router:external": false,
        "port_security_enabled": true, "subnets": ["s"], "status": "ACTIVE",
    });
    let subnet = json!({
        "id": "s", "name": "lan", "network_id": "n", "ip_version": 4, "cidr": "192.168.0.0/24", "project_id": "p1",
        "gateway_ip": "192.168.0.1", "enable_dhcp": true, "dns_nameservers": [], "tags": [], "revision_number": 1,
        "allocation_pools": [{"start": "192.168.0.2", "end": "192.168.0.20"}],
    });
    let extensions = json!([{"alias": "allowed-address-pairs"}, {"alias": "port-security"}]);
    let lab = lab.clone();
    let answer = move |seen: &Seen, _: usize| {
        let path = seen.path.split('?').next().unwrap_or_default();
        if let Some(server) = path.strip_suffix("/action").and_then(|path| path.rsplit('/').next()) {
            return Reply::json(200, &json!({"output": lab.console(server)}));
        }
        let name = path.trim_end_matches("/detail").rsplit('/').next().unwrap_or_default();
        let name = name.trim_start_matches("os-").replace('-', "_");
        let rows: Value = match name.as_str() {
            "servers" => servers.clone().into(),
            "ports" => ports.clone().into(),
            "networks" => json!([network]),
            "subnets" => json!([subnet]),
            "extensions" => extensions.clone(),
            _ => json!([]),
        };
        Reply::json(200, &json!({name: rows}))
    };
    Fake::start(answer).await
}
