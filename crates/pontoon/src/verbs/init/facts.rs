//! What a cloud has that a first stack can stand on.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use pontoon_core::address::AddressRange;

/// What a cloud has. The first of each kind is taken, the others are named in a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CloudFacts {
    /// Networks that the project owns, with an IPv4 subnet each.
    pub(crate) networks: Vec<NetworkFact>,
    /// Names of external networks.
    pub(crate) external: Vec<String>,
    /// Names of images that can become hosts.
    pub(crate) images: Vec<String>,
    /// Names of flavors.
    pub(crate) flavors: Vec<String>,
    /// Names of key pairs.
    pub(crate) keys: Vec<String>,
    /// Whether there is a service for load balancers.
    pub(crate) balances: Balances,
}

/// Whether a cloud has a service for load balancers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Balances {
    /// Octavia.
    #[default]
    Yes,
    /// None that the catalog knows.
    No,
}

/// A network and its subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkFact {
    /// Its name.
    pub(crate) name: String,
    /// Its IPv4 subnet.
    pub(crate) subnet: Ipv4Net,
    /// Where packets leave it.
    pub(crate) gateway: Option<Ipv4Addr>,
    /// What Neutron gives away by itself there.
    pub(crate) pools: Vec<AddressRange>,
    /// Addresses that ports hold.
    pub(crate) taken: BTreeSet<Ipv4Addr>,
}

impl NetworkFact {
    /// A network that nobody uses yet, with Neutron's default pool: all addresses but the gateway, which is the first.
    pub(crate) fn unused(name: &str, subnet: Ipv4Net) -> Self {
        let mut hosts = subnet.hosts();
        let gateway = hosts.next();
        let pool = hosts.next().zip(hosts.last()).and_then(|(first, last)| AddressRange::new(first, last));
        Self {
            name: name.to_owned(),
            subnet,
            gateway,
            pools: pool.into_iter().collect(),
            taken: gateway.into_iter().collect(),
        }
    }
}

impl CloudFacts {
    /// What the embedded cloud has when it is new.
    pub(crate) fn embedded() -> Self {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        Self {
            networks: vec![NetworkFact::unused("default", walkthrough_subnet())],
            external: names(&["external"]),
            images: names(&["Ubuntu 24.04", "Ubuntu 22.04", "Debian 12", "Debian 13"]),
            flavors: names(&["dc1.2x4.40", "dc1.1x2.20", "dc1.4x8.80"]),
            keys: names(&["datacentred"]),
            balances: Balances::Yes,
        }
    }
}

/// The subnet of the embedded cloud.
pub(crate) fn walkthrough_subnet() -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 24)
}
