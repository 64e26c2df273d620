//! A cloud that has all that a stack asks for and nothing else, made up from the file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use pontoon_core::observed::{
    AgentProgram, Capabilities, Catalogue, ExternalNetwork, Flavor, FloatingIp as SeenFloatingIp, Network, Observed,
    Subnet,
};
use pontoon_core::render::HOST_ADDRESS;
use pontoon_core::spec::model::{FloatingIp, Stack};
use serde_json::{Value, json};

/// What is left of 1,500 bytes inside Geneve, the overlay of ML2/OVN: the most usual MTU of a Neutron network.
const MTU: u32 = 1442;

/// Neutron's id for whatever is made up.
const PROJECT: &str = "assumed";

/// The made-up cloud, and what was made up about it.
pub(crate) struct Assumed {
    /// What an observer of that cloud would see.
    pub(crate) seen: Observed,
    subnet: Ipv4Net,
    subnet_is_given: bool,
    gateway: Option<Ipv4Addr>,
}

impl Assumed {
    /// For people, one thing a line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let source = if self.subnet_is_given { "as the file says" } else { "drawn around the file's addresses" };
        vec![
            format!("subnet {} ({source}), gateway {}, no name servers", self.subnet, self.gateway()),
            format!("MTU {MTU}"),
            "a placeholder for the public half of each key pair".to_owned(),
            format!("{HOST_ADDRESS} for the address of a container's host, which Neutron gives"),
            "allowed address pairs and port security, unless `network.attach` says otherwise".to_owned(),
        ]
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "subnet": self.subnet,
            "gateway": self.gateway,
            "mtu": MTU,
            "nameservers": [],
            "public_key": public_key("NAME"),
            "host_address": HOST_ADDRESS,
        })
    }

    fn gateway(&self) -> String {
        self.gateway.map_or_else(|| "none".to_owned(), |gateway| gateway.to_string())
    }
}

/// Makes up a cloud for `stack`.
pub(crate) fn cloud(stack: &Stack) -> Assumed {
    let addresses = addresses(stack);
    let cidr = stack.network.subnet.unwrap_or_else(|| around(&addresses));
    let gateway = cidr.hosts().find(|address| !addresses.contains(address));
    let external = stack.network.external.clone().unwrap_or_else(|| "external".to_owned());
    let subnet = Subnet {
        id: "SUBNET".to_owned(),
        cidr,
        gateway,
        pools: stack.network.dhcp_pool.into_iter().collect(),
        nameservers: Vec::new(),
        routed_to: BTreeSet::from(["EXTERNAL".to_owned()]),
        pools_before: None,
        revision: None,
    };
    let groups = || stack.hosts.values();
    let seen = Observed {
        capabilities: Capabilities {
            extensions: ["allowed-address-pairs", "port-security"].map(str::to_owned).into(),
            project_id: PROJECT.to_owned(),
            balancer_api: Some((2, 29)),
            balancer_providers: BTreeSet::new(),
            balancers_unseen: None,
        },
        networks: vec![Network {
            id: "NETWORK".to_owned(),
            name: stack.network.name.clone(),
            project_id: PROJECT.to_owned(),
            mtu: MTU,
            port_security: true,
            subnets: vec![subnet],
        }],
        external: vec![ExternalNetwork { id: "EXTERNAL".to_owned(), name: external }],
        catalogue: Catalogue {
            images: groups().map(|group| (group.image.clone(), vec!["IMAGE".to_owned()])).collect(),
            flavors: groups()
                .map(|group| (group.flavor.clone(), vec![Flavor { id: "FLAVOR".to_owned(), ..Flavor::default() }]))
                .collect(),
            key_pairs: groups().map(|group| (group.key.clone(), public_key(&group.key))).collect::<BTreeMap<_, _>>(),
        },
        floating_ips: given_floating_ips(stack),
        // Any: a program is no document.
        agent_program: Some(AgentProgram::Here {
            sha256: String::new(),
            bytes: 0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }),
        ..Observed::default()
    };
    Assumed { seen, subnet: cidr, subnet_is_given: stack.network.subnet.is_some(), gateway }
}

fn public_key(name: &str) -> String {
    format!("PUBLIC KEY OF THE KEY PAIR {name}")
}

/// Floating IPs that the file names: the project has them, and they lead nowhere yet.
fn given_floating_ips(stack: &Stack) -> Vec<SeenFloatingIp> {
    let wanted = stack
        .hosts
        .values()
        .map(|group| group.floating_ip)
        .chain(stack.balancers.values().map(|balancer| balancer.floating_ip));
    let given = wanted.filter_map(|wanted| match wanted {
        FloatingIp::Given(address) => Some(address),
        FloatingIp::No | FloatingIp::Any => None,
    });
    given
        .map(|address| SeenFloatingIp { id: address.to_string(), key: None, address, port_id: None, given: false })
        .collect()
}

/// Every address that the file writes down for something of the stack; of ranges the first and the last.
fn addresses(stack: &Stack) -> BTreeSet<Ipv4Addr> {
    let ranges = [Some(stack.network.containers), stack.network.dhcp_pool];
    ranges
        .into_iter()
        .flatten()
        .flat_map(|range| [range.first(), range.last()])
        .chain(stack.services.values().filter_map(|service| service.address))
        .chain(stack.balancers.values().filter_map(|balancer| balancer.address))
        .collect()
}

/// The smallest network of 256 addresses or more that holds all of them.
fn around(addresses: &BTreeSet<Ipv4Addr>) -> Ipv4Net {
    let Some(first) = addresses.first() else { return Ipv4Net::default() };
    (0..=24)
        .rev()
        .filter_map(|prefix| Ipv4Net::new(*first, prefix).ok())
        .map(|net| net.trunc())
        .find(|net| addresses.iter().all(|address| net.contains(address)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn net_around(addresses: &[&str]) -> String {
        around(&addresses.iter().map(|text| text.parse().unwrap()).collect()).to_string()
    }

    #[test]
    fn the_assumed_subnet_holds_every_address_of_the_file() {
        assert_eq!(net_around(&["192.168.0.100", "192.168.0.199"]), "192.168.0.0/24");
        assert_eq!(net_around(&["10.0.0.9", "10.0.3.1"]), "10.0.0.0/22");
        assert_eq!(net_around(&["1.0.0.0", "254.0.0.1"]), "0.0.0.0/0");
    }
}
