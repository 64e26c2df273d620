//! Neutron: networks, ports, security groups, floating IPs, quotas.
//!
//! Lists take filters by any field (`name`, `network_id`, `tags`, …) and `fields`, which may be repeated and leaves out
//! all others. Changes take the revision that was read, and are refused with 412 where somebody was faster; that needs
//! the extension `revision-if-match`, without which any revision is a 400.

mod floating_ips;
mod networks;
mod ports;
mod quotas;
mod security_groups;

use super::error::Error;
use super::http::Client;
use super::request::{Request, Service, segment};

pub use floating_ips::{
    FloatingIp, FloatingIpChange, NewFloatingIp, create_floating_ip, delete_floating_ip, list_floating_ips,
    update_floating_ip,
};
pub use networks::{
    AllocationPool, Extension, Gateway, Network, Router, Subnet, list_extensions, list_networks, list_routers,
    list_subnets, update_allocation_pools,
};
pub use ports::{
    AllowedAddressPair, FixedIp, NewPort, Port, PortChange, WantedFixedIp, create_port, create_ports, delete_port,
    list_ports, show_port, update_port,
};
pub use quotas::{NetworkQuota, NetworkQuotas, show_network_quotas};
pub use security_groups::{
    NewSecurityGroup, NewSecurityGroupRule, SecurityGroup, SecurityGroupChange, SecurityGroupRule,
    create_security_group, create_security_group_rules, delete_security_group, delete_security_group_rule,
    list_security_groups, update_security_group,
};

/// Collections whose resources take tags by the extension `standard-attr-tag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagged {
    /// `networks`
    Network,
    /// `subnets`
    Subnet,
    /// `ports`
    Port,
    /// `security-groups`
    SecurityGroup,
    /// `floatingips`
    FloatingIp,
}

impl Tagged {
    fn collection(self) -> &'static str {
        match self {
            Self::Network => "networks",
            Self::Subnet => "subnets",
            Self::Port => "ports",
            Self::SecurityGroup => "security-groups",
            Self::FloatingIp => "floatingips",
        }
    }
}

fn get(path: impl Into<String>) -> Request {
    Request::get(Service::Network, path)
}

fn delete(collection: &str, id: &str) -> Request {
    Request::delete(Service::Network, format!("/{collection}/{}", segment(id)))
}

/// Adds one tag and leaves the others alone; adding it twice is the same as once.
pub fn add_tag(of: Tagged, id: &str, tag: &str) -> Request {
    let path = format!("/{}/{}/tags/{}", of.collection(), segment(id), segment(tag));
    Request { method: http::Method::PUT, repeat: super::request::Repeat::Safe, ..get(path) }
}

/// Removes one tag and leaves the others alone.
pub fn remove_tag(of: Tagged, id: &str, tag: &str) -> Request {
    Request::delete(Service::Network, format!("/{}/{}/tags/{}", of.collection(), segment(id), segment(tag)))
}

impl Client {
    /// Adds one tag to a resource.
    pub async fn add_tag(&self, of: Tagged, id: &str, tag: &str) -> Result<(), Error> {
        self.send(&add_tag(of, id, tag)).await.map(drop)
    }

    /// Removes one tag of a resource.
    pub async fn remove_tag(&self, of: Tagged, id: &str, tag: &str) -> Result<(), Error> {
        self.send(&remove_tag(of, id, tag)).await.map(drop)
    }
}
