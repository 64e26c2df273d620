//! How an engine is installed and started, and its preseed, which LXD and Incus read alike.

use serde_json::json;

use crate::render::host::HostDocument;
use crate::render::{BRIDGE, CONTAINER_NIC, yaml};
use crate::spec::model::Engine;

/// The functions by which the host's script installs and starts `engine`. A host is told about its own engine only.
pub(super) fn script(engine: Engine) -> &'static str {
    match engine {
        Engine::Lxd => include_str!("lxd.sh"),
        Engine::Incus => include_str!("incus.sh"),
    }
}

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
