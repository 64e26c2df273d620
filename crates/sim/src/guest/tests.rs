//! What a client of a simulated machine sees, through a real ssh client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod client;
mod containers;
mod engine_api;
mod machine;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use super::{Boot, BoxStream, Guest, GuestDelays, Network, Origin};

/// A network of which nothing but the way out is there; it may be closed.
struct Lonely {
    outside: Result<(), String>,
}

impl Network for Lonely {
    fn connect(&self, _: &Origin, _: SocketAddrV4) -> Result<BoxStream, String> {
        Err("connection timed out".to_owned())
    }

    fn reaches_outside(&self, _: &Origin) -> Result<(), String> {
        self.outside.clone()
    }
}

/// A machine with a bridge, dnsmasq with a hosts directory, and LXD.
const HOST: &str = r"#cloud-config
hostname: lxd0
write_files:
- path: /etc/netplan/60-bridge.yaml
  content: |
    network: {version: 2, bridges: {br0: {interfaces: [ens3], dhcp4: true}}}
- path: /etc/dnsmasq.d/containers
  content: |
    port=0
    dhcp-range=192.168.0.0,static,255.255.255.0
    dhcp-hostsdir=/etc/dnsmasq.hosts
    dhcp-ignore=tag:!known
- path: /root/preseed.yaml
  content: |
    storage_pools: [{name: default, driver: dir}]
    profiles:
    - name: default
      devices:
        root: {type: disk, path: /, pool: default}
        eth0: {type: nic, nictype: bridged, parent: br0, name: eth0}
runcmd:
- mkdir -p /etc/dnsmasq.hosts
- lxd init --preseed < /root/preseed.yaml
";

fn boot_with(user_data: &str, outside: Result<(), String>) -> Guest {
    Guest::boot(boot(user_data), Arc::new(Lonely { outside }))
}

fn boot(user_data: &str) -> Boot {
    Boot {
        name: "lxd0".to_owned(),
        user_data: Some(user_data.to_owned()),
        key: Some(client::public_key()),
        mac: "fa:16:3e:00:00:01".to_owned(),
        address: Ipv4Addr::new(192, 168, 0, 14),
        prefix: 24,
        gateway: Some(Ipv4Addr::new(192, 168, 0, 1)),
        mtu: 1450,
        first_boot_fails: false,
        delays: GuestDelays::default(),
    }
}

/// A host with its engine, and the way out open.
fn host() -> Guest {
    boot_with(HOST, Ok(()))
}
