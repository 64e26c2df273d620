//! The DHCP and DNS server of a host: dnsmasq on the bridge, which answers known containers only.
//!
//! The Neutron network has a DHCP server already. This one stays out of its way by three rules: it has no free range
//! (`static`), it ignores whoever is not in its list (`dhcp-ignore`), and it knows a container by its Ethernet address,
//! never by the name that a client sends, which any client could send.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::address::Mac;

use crate::spec::model::Install;

use super::host::HostDocument;
use super::{AGENT_DNS_PORT, BRIDGE};

/// Where a host's dnsmasq looks for containers, one file each. A new or renamed file is read at once; dnsmasq passes
/// over names that begin with a dot, so a file is written as `.NAME` and then renamed. It forgets a removed file only
/// at SIGHUP.
pub const DHCP_HOSTS_DIRECTORY: &str = "/etc/pontoon/dhcp-hosts";

/// The content of the file in [`DHCP_HOSTS_DIRECTORY`] by which dnsmasq gives `address` and `name` to the card `mac`:
/// one line with its newline, in the form of the `dhcp-host` option.
pub fn dhcp_host(mac: Mac, name: &str, address: Ipv4Addr) -> String {
    format!("{mac},{address},{name}\n")
}

/// `/etc/dnsmasq.d/pontoon.conf`. Debian's own `lxd` package puts a file with `bind-interfaces` beside it, which
/// excludes `bind-dynamic`; so the bridge must have its address before dnsmasq starts (see [`unit_drop_in`]).
pub(super) fn configuration(document: &HostDocument) -> String {
    let HostDocument { stack, subnet, mtu, .. } = document;
    let zone = match document.agent {
        Install::Yes => format!(
            "server=/{stack}.internal/127.0.0.1#{AGENT_DNS_PORT}\n{}",
            reverse_zones(*subnet)
                .map(|zone| format!("rev-server={zone},127.0.0.1#{AGENT_DNS_PORT}\n"))
                .collect::<Vec<_>>()
                .concat()
        ),
        Install::No => format!("local=/{stack}.internal/\n"),
    };
    let gateway = document.gateway.map_or_else(String::new, |gateway| format!(",{gateway}"));
    // The file is named, because Debian's service has dnsmasq read /run/dnsmasq/resolv.conf wherever there is a program
    // `resolvconf`: the one of systemd-resolved never writes that file, and all questions would be refused.
    let upstream = if document.nameservers.is_empty() {
        "# No name servers are known for the network: the host's own are asked.\nresolv-file=/etc/resolv.conf\n"
            .to_owned()
    } else {
        let servers: Vec<String> = document.nameservers.iter().map(|server| format!("server={server}\n")).collect();
        format!("no-resolv\n{}", servers.concat())
    };
    format!(
        "\
# Containers of the stack {stack}, and nobody else.
interface={BRIDGE}
except-interface=lo
bind-interfaces

# DHCP: no free range, and silence for whoever is not listed. An option without a value is not sent.
dhcp-range={network},static,{netmask},10m
dhcp-hostsdir={DHCP_HOSTS_DIRECTORY}
dhcp-ignore=tag:!known
dhcp-option=option:router{gateway}
dhcp-option=option:mtu,{mtu}

# DNS: containers ask this server. It knows those of this host by name; of the rest of the stack an agent is asked
# where there is one, and other name servers of all else.
no-hosts
domain-needed
bogus-priv
domain={stack}.internal
{zone}dhcp-option=option:dns-server,0.0.0.0
{upstream}",
        network = subnet.network(),
        netmask = subnet.netmask(),
    )
}

/// The networks by whose reverse names the addresses of a subnet go. dnsmasq takes other prefixes than those at the dots
/// only since 2.87, and a part of a zone is asked for with all of it: whoever is not known there has no name.
fn reverse_zones(subnet: Ipv4Net) -> impl Iterator<Item = Ipv4Net> {
    let length = subnet.prefix_len().div_ceil(8).clamp(1, 3) * 8;
    let first = u32::from(subnet.network());
    let count = 1_u32 << length.saturating_sub(subnet.prefix_len());
    (0..count).filter_map(move |number| {
        let address = first.checked_add(number.checked_shl(32 - u32::from(length))?)?;
        Ipv4Net::new(address.into(), length).ok().map(|zone| zone.trunc())
    })
}

/// A drop-in for `dnsmasq.service`: with `bind-interfaces` dnsmasq ends at once when the bridge has no address yet,
/// as it may be early in the boot.
pub(super) fn unit_drop_in() -> &'static str {
    "\
[Unit]
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Restart=on-failure
RestartSec=2
"
}
