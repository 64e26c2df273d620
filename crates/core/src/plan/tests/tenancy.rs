//! The tenancy that the tests begin with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::address::Mac;
use crate::key::{Key, Kind};
use crate::observed::*;

/// An empty tenancy: the network `default` with a router to `external`, Neutron's own ports, and what others have there.
pub(super) fn tenancy() -> Observed {
    let text = |text: &str| text.to_owned();
    let port = |id: &str, owner: &str, last: u8| Port {
        id: text(id),
        name: text(id),
        device_owner: text(owner),
        device_id: text(owner),
        mac: Some(Mac::of_host("foreign", id)),
        addresses: vec![Ipv4Addr::new(192, 168, 0, last)],
        port_security: true,
        revision: Some(7),
        ..Port::default()
    };
    let other = |kind, name: &str, last| Port {
        key: Some(Key::new("other", kind, name)),
        device_id: String::new(),
        pairs: BTreeSet::from([Pair { mac: text("00:16:3e:00:00:01"), address: text("192.168.0.240") }]),
        ..port(&format!("other-{name}"), "", last)
    };
    let subnet = Subnet {
        id: text("subnet"),
        cidr: "192.168.0.0/24".parse().unwrap(),
        gateway: Some(Ipv4Addr::new(192, 168, 0, 1)),
        pools: vec!["192.168.0.2-192.168.0.254".parse().unwrap()],
        nameservers: vec![Ipv4Addr::new(8, 8, 4, 4)],
        routed_to: BTreeSet::from([text("net-external")]),
        pools_before: None,
        revision: Some(3),
    };
    let given = |last: u8| FloatingIp {
        id: format!("given-{last}"),
        key: None,
        address: Ipv4Addr::new(203, 0, 113, last),
        port_id: None,
        given: false,
    };
    Observed {
        capabilities: Capabilities {
            extensions: ["port-security", "allowed-address-pairs", "standard-attr-tag"].map(str::to_owned).into(),
            project_id: text("project"),
            balancer_api: Some((2, 29)),
            balancer_providers: BTreeSet::new(),
            balancers_unseen: None,
        },
        networks: vec![Network {
            id: text("net-default"),
            name: text("default"),
            project_id: text("project"),
            mtu: 1450,
            port_security: true,
            subnets: vec![subnet],
        }],
        external: vec![ExternalNetwork { id: text("net-external"), name: text("external") }],
        catalogue: Catalogue {
            images: BTreeMap::from([(text("Ubuntu 24.04"), vec![text("image-1")])]),
            flavors: BTreeMap::from([(
                text("dc1.2x4.40"),
                vec![Flavor { id: text("flavor-1"), vcpus: 2, ram_mib: 4096 }],
            )]),
            key_pairs: BTreeMap::from([(text("datacentred"), text("ssh-ed25519 AAAA user"))]),
        },
        ports: vec![
            port("router", "network:router_interface", 1),
            port("dhcp", "network:dhcp", 2),
            port("their-vm", "compute:nova", 60),
            other(Kind::Port, "lxd0", 61),
            other(Kind::Reservation, "hugo-0", 62),
        ],
        floating_ips: vec![given(240), given(241), given(242)],
        ..Observed::default()
    }
}
