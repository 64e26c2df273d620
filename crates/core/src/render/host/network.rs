//! A host's network: its card in a bridge that has the card's address, for each of the three programs that may be in
//! charge of it. The files wait in a staging directory; the host's script installs those that fit the image.
//!
//! The bridge takes DHCP over from the card, with the same Ethernet address and therefore the same IPv4 address. IPv6
//! stays with the bridge as the image has it (link-local, and router advertisements where the network sends them), and is
//! switched off on the card, which would otherwise answer under the same link-local address a second time.

use serde_json::{Value, json};

use super::{HostDocument, file};
use crate::render::{BRIDGE, yaml};

pub(super) fn files(document: &HostDocument) -> Vec<Value> {
    vec![
        file("/etc/pontoon/network/netplan.yaml", &netplan(document)),
        file("/etc/pontoon/network/promiscuous.conf", "[Link]\nPromiscuous=yes\n"),
        file("/etc/pontoon/network/10-pontoon-br0.netdev", &networkd_bridge(document)),
        file("/etc/pontoon/network/10-pontoon-br0.network", &networkd_bridge_network(document)),
        file("/etc/pontoon/network/10-pontoon-nic.network", &networkd_card(document)),
        file("/etc/pontoon/network/interfaces", &ifupdown(document)),
        // udev would give the bridge an address of its own making; the match is the name alone, so nothing is renamed.
        file(
            "/etc/systemd/network/10-pontoon-br0.link",
            "[Match]\nOriginalName=br0\n\n[Link]\nMACAddressPolicy=none\n",
        ),
        // cloud-init would write its own idea of the network again, beside ours.
        file("/etc/cloud/cloud.cfg.d/99-pontoon-network.cfg", "network: {config: disabled}\n"),
        file("/etc/sysctl.d/60-pontoon.conf", &sysctls()),
    ]
}

fn netplan(document: &HostDocument) -> String {
    yaml::document(&json!({
        "network": {
            "version": 2,
            "renderer": "networkd",
            "ethernets": {
                "nic": {
                    "match": {"macaddress": document.mac},
                    "mtu": document.mtu,
                    "dhcp4": false,
                    "dhcp6": false,
                    "accept-ra": false,
                    "link-local": [],
                },
            },
            "bridges": {
                BRIDGE: {
                    "interfaces": ["nic"],
                    "macaddress": document.mac,
                    "mtu": document.mtu,
                    "dhcp4": true,
                    "dhcp6": false,
                    "dhcp-identifier": "mac",
                    "parameters": {"stp": false, "forward-delay": 0},
                },
            },
        },
    }))
}

fn networkd_bridge(document: &HostDocument) -> String {
    let HostDocument { mac, mtu, .. } = document;
    format!(
        "[NetDev]\nName={BRIDGE}\nKind=bridge\nMACAddress={mac}\nMTUBytes={mtu}\n\n[Bridge]\nSTP=no\nForwardDelaySec=0\n"
    )
}

fn networkd_bridge_network(document: &HostDocument) -> String {
    let mtu = document.mtu;
    format!(
        "[Match]\nName={BRIDGE}\n\n[Link]\nMTUBytes={mtu}\n\n[Network]\nDHCP=ipv4\n\n[DHCPv4]\nClientIdentifier=mac\n"
    )
}

/// `Type=ether` leaves out the bridge, which has the same address.
fn networkd_card(document: &HostDocument) -> String {
    let HostDocument { mac, mtu, .. } = document;
    format!(
        "[Match]\nMACAddress={mac}\nType=ether\n\n[Link]\nMTUBytes={mtu}\nPromiscuous=yes\nRequiredForOnline=no\n\n\
         [Network]\nBridge={BRIDGE}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )
}

/// By `ip` itself: `bridge_ports` needs the package bridge-utils, which a cloud image need not have. The script puts
/// the card's name in place of `@NIC@`, since ifupdown knows cards by name only.
fn ifupdown(document: &HostDocument) -> String {
    let HostDocument { mac, mtu, .. } = document;
    format!(
        "\
auto {BRIDGE}
iface {BRIDGE} inet dhcp
    pre-up ip link show dev {BRIDGE} >/dev/null 2>&1 || ip link add name {BRIDGE} address {mac} type bridge stp_state 0 forward_delay 0
    pre-up ip link set dev @NIC@ mtu {mtu} promisc on master {BRIDGE}
    pre-up echo 1 >/proc/sys/net/ipv6/conf/@NIC@/disable_ipv6 || true
    pre-up ip link set dev @NIC@ up
    pre-up ip link set dev {BRIDGE} mtu {mtu} up
    post-down echo 0 >/proc/sys/net/ipv6/conf/@NIC@/disable_ipv6 || true
    post-down ip link set dev @NIC@ promisc off nomaster
    post-down ip link delete dev {BRIDGE}
"
    )
}

/// A routed NIC needs forwarding on its parent. A `-` means that a missing interface is no error: the bridge may come
/// later, and udev then applies its line. And the init of each container watches files, all of them by the same 128 handles
/// unless there are more: the twentieth or so would have no network (LXD's own documentation asks for this number).
fn sysctls() -> String {
    format!(
        "net.ipv4.conf.all.forwarding = 1\n-net.ipv4.conf.{BRIDGE}.forwarding = 1\n\
         -fs.inotify.max_user_instances = 1048576\n"
    )
}
