//! What a container is told about its network, in one of four ways.
//!
//! Router advertisements are off in all of them: no pair lets an IPv6 address of the container pass, and systemd-networkd
//! would wait some twelve seconds for a router before it calls a static address configured.

use serde_json::{Value, json};

use super::ContainerDocument;
use crate::render::{CONTAINER_NIC, yaml};
use crate::spec::model::{Addressing, Attachment};

/// How a container comes by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the host's dnsmasq.
    Dhcp,
    /// From cloud-init.
    Static,
    /// From cloud-init, on a routed card: alone in its subnet, with the engine's link-local gateway.
    Routed,
    /// From LXC, before anything in the container runs; cloud-init only confirms it.
    Lxc,
}

/// The next hop of every routed card, which the engine answers for on the host's end.
const ROUTED_GATEWAY: &str = "169.254.0.1";

impl Way {
    pub(super) fn of(document: &ContainerDocument) -> Self {
        match (document.attachment, document.addressing) {
            (Attachment::PairIp, _) => Self::Routed,
            (Attachment::PairMac | Attachment::Open, Addressing::Dnsmasq) => Self::Dhcp,
            (Attachment::PairMac | Attachment::Open, Addressing::NetworkConfig) => Self::Static,
            (Attachment::PairMac | Attachment::Open, Addressing::RawLxc) => Self::Lxc,
        }
    }
}

/// The network configuration that cloud-init reads, version 2, the form that netplan shares.
pub(super) fn config(document: &ContainerDocument, way: Way) -> String {
    let mut card = json!({"mtu": document.mtu, "dhcp4": way == Way::Dhcp, "dhcp6": false, "accept-ra": false});
    match way {
        // The client identifier is the Ethernet address, as dnsmasq's list has it: a container made anew is the same
        // client.
        Way::Dhcp => card["dhcp-identifier"] = json!("mac"),
        // LXC has set address and route already, but systemd-networkd drops from a card of its own what it was not
        // told, and a card that is nobody's keeps the boot waiting for the network (20 to 120 seconds). So cloud-init
        // says the same once more.
        Way::Static | Way::Lxc => {
            card["addresses"] = json!([format!("{}/{}", document.address, document.subnet.prefix_len())]);
            if let Some(gateway) = document.gateway {
                card["routes"] = json!([{"to": "0.0.0.0/0", "via": gateway}]);
            }
            name_servers(&mut card, document);
        }
        // The default route is left to the boothook: its gateway lies in no subnet of the card, and cloud-init up to
        // at least 22.4 drops the `on-link` that would say so, which leaves the link failed.
        Way::Routed => {
            card["addresses"] = json!([format!("{}/32", document.address)]);
            name_servers(&mut card, document);
        }
    }
    yaml::document(&json!({"version": 2, "ethernets": {CONTAINER_NIC: card}}))
}

fn name_servers(card: &mut Value, document: &ContainerDocument) {
    let asked = document.asked();
    if !asked.is_empty() {
        card["nameservers"] = json!({"addresses": asked});
    }
}

/// What runs at every boot before all else that cloud-init does, for the ways that network configuration cannot say.
pub(super) fn boothook(document: &ContainerDocument, way: Way) -> Option<String> {
    match way {
        Way::Dhcp | Way::Static => None,
        Way::Routed => Some(default_route_hook()),
        Way::Lxc => name_server_hook(document),
    }
}

/// The drop-ins are for systemd-networkd, which forgets a route that it did not set itself when it is restarted; the
/// route itself is for now, and for images without systemd-networkd.
fn default_route_hook() -> String {
    format!(
        "\
#cloud-boothook
#!/bin/sh
# The default route of a routed network card.
for name in 10-netplan-{CONTAINER_NIC} 10-cloud-init-{CONTAINER_NIC}; do
    mkdir -p \"/etc/systemd/network/$name.network.d\"
    printf '[Route]\\nGateway={ROUTED_GATEWAY}\\nGatewayOnLink=yes\\n' >\"/etc/systemd/network/$name.network.d/pontoon.conf\"
done
ip -4 route replace default via {ROUTED_GATEWAY} dev {CONTAINER_NIC} onlink
"
    )
}

fn name_server_hook(document: &ContainerDocument) -> Option<String> {
    let servers: Vec<String> = document.asked().iter().map(|server| format!("nameserver {server}\\n")).collect();
    let hook = format!(
        "\
#cloud-boothook
#!/bin/sh
# LXC gives the address and the route; it has no way to give the name servers.
rm -f /etc/resolv.conf
printf '{servers}' >/etc/resolv.conf
",
        servers = servers.concat(),
    );
    (!servers.is_empty()).then_some(hook)
}

/// The keys by which LXC itself sets address and route, before the container's first process runs.
pub(super) fn raw_lxc(document: &ContainerDocument) -> String {
    let address = format!("lxc.net.0.ipv4.address = {}/{}\n", document.address, document.subnet.prefix_len());
    let gateway = document.gateway.map(|gateway| format!("lxc.net.0.ipv4.gateway = {gateway}\n"));
    address + &gateway.unwrap_or_default()
}
