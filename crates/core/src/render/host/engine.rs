//! The preseed of an engine, for `lxd init --preseed` and `incus admin init --preseed` alike.

use serde_json::json;

use crate::render::host::HostDocument;
use crate::render::{BRIDGE, CONTAINER_NIC, yaml};

/// A storage pool, a default profile on the bridge, and nothing else: no managed network (the engine would bring a
/// second dnsmasq and NAT) and no port on the network. Applying it again leaves everything as it is.
pub(super) fn preseed(document: &HostDocument) -> String {
    yaml::document(&json!({
        "config": {},
        "networks": [],
        "storage_pools": [{
            "name": "default",
            "driver": document.storage.to_string(),
        }],
        "profiles": [{
            "name": "default",
            "description": format!("Containers on the network of {}", document.name),
            "config": {},
            "devices": {
                "root": {"type": "disk", "pool": "default", "path": "/"},
                CONTAINER_NIC: {
                    "type": "nic",
                    "nictype": "bridged",
                    "parent": BRIDGE,
                    "name": CONTAINER_NIC,
                    "mtu": document.mtu.to_string(),
                },
            },
        }],
    }))
}
