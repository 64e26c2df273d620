//! Ports: a MAC, its addresses, and what may pass.

use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::{Request, Revision, Service, segment};
use super::{delete, get};

/// A port.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Port {
    /// Its id.
    pub id: String,
    /// Its name; several ports may share one.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The project that owns it.
    pub project_id: String,
    /// The network that it is on.
    pub network_id: String,
    /// Its MAC, in lower case with colons.
    pub mac_address: String,
    /// Its addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// Who uses it: a server, a router, a load balancer. Empty where nobody does.
    pub device_id: String,
    /// What kind of user that is: `compute:nova`, `network:dhcp`, `network:router_interface`, `Octavia`.
    pub device_owner: String,
    /// `ACTIVE`, `DOWN`, `BUILD`. One that nobody uses is `DOWN`.
    pub status: String,
    /// Whether packets may pass at all.
    pub admin_state_up: bool,
    /// The ids of its security groups.
    pub security_groups: Vec<String>,
    /// What may pass beside its own MAC and addresses.
    pub allowed_address_pairs: Vec<AllowedAddressPair>,
    /// Whether anything is dropped at all, where the extension `port-security` is there.
    pub port_security_enabled: Option<bool>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Counts its changes.
    pub revision_number: Option<Revision>,
}

/// An address of a port.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
pub struct FixedIp {
    /// The subnet that it is of.
    pub subnet_id: String,
    /// The address.
    pub ip_address: String,
}

/// A MAC and address that may pass a port beside its own.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(default)]
pub struct AllowedAddressPair {
    /// An address or a range of them.
    pub ip_address: String,
    /// Neutron fills in the port's own MAC where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
}

/// A port to be created.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewPort {
    /// The network that it shall be on.
    pub network_id: String,
    /// Its name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A wished MAC; only the network's owner may have wishes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Wished addresses; only the network's owner may wish for a certain one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_ips: Option<Vec<WantedFixedIp>>,
    /// The ids of its security groups; the project's `default` where there is no list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<Vec<String>>,
    /// See [`Port::allowed_address_pairs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_address_pairs: Option<Vec<AllowedAddressPair>>,
    /// See [`Port::port_security_enabled`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_security_enabled: Option<bool>,
    /// See [`Port::admin_state_up`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// See [`Port::device_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// See [`Port::device_owner`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_owner: Option<String>,
    /// Only where the extension `tag-ports-during-bulk-creation` is there; it holds for a single port too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// A wish for an address: any of a subnet, or a certain one.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WantedFixedIp {
    /// The subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<String>,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
}

/// What shall be different on a port; `None` leaves a field as it is. Lists are replaced as a whole.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PortChange {
    /// See [`Port::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// See [`Port::description`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// See [`Port::security_groups`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<Vec<String>>,
    /// All pairs, those of others included: what is not listed is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_address_pairs: Option<Vec<AllowedAddressPair>>,
    /// Cannot be switched off while the port has security groups or pairs; both can be emptied in the same change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_security_enabled: Option<bool>,
    /// See [`Port::fixed_ips`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_ips: Option<Vec<WantedFixedIp>>,
}

/// Ports that the project can see.
pub fn list_ports(filters: &[(&str, &str)]) -> Request {
    get("/ports").query(filters)
}

/// One port.
pub fn show_port(id: &str) -> Request {
    get(format!("/ports/{}", segment(id)))
}

/// Makes a port.
pub fn create_port(port: &NewPort) -> Request {
    Request::post(Service::Network, "/ports", "port", port)
}

/// Makes several ports: all of them or none. A Neutron that has bulk creation switched off answers 400.
pub fn create_ports(ports: &[NewPort]) -> Request {
    Request::post(Service::Network, "/ports", "ports", &ports)
}

/// Changes a port.
pub fn update_port(id: &str, change: &PortChange, revision: Option<Revision>) -> Request {
    Request::put(Service::Network, format!("/ports/{}", segment(id)), "port", change).if_match(revision)
}

/// Removes a port.
pub fn delete_port(id: &str) -> Request {
    delete("ports", id)
}

impl Client {
    /// See [`list_ports`].
    pub async fn ports(&self, filters: &[(&str, &str)]) -> Result<Vec<Port>, Error> {
        self.list(list_ports(filters), "ports", Paging::Links).await
    }

    /// See [`show_port`].
    pub async fn port(&self, id: &str) -> Result<Port, Error> {
        self.send(&show_port(id)).await?.below("port")
    }

    /// See [`create_port`].
    pub async fn create_port(&self, port: &NewPort) -> Result<Port, Error> {
        self.send(&create_port(port)).await?.below("port")
    }

    /// See [`create_ports`].
    pub async fn create_ports(&self, ports: &[NewPort]) -> Result<Vec<Port>, Error> {
        self.send(&create_ports(ports)).await?.below("ports")
    }

    /// See [`update_port`].
    pub async fn update_port(&self, id: &str, change: &PortChange, revision: Option<Revision>) -> Result<Port, Error> {
        self.send(&update_port(id, change, revision)).await?.below("port")
    }

    /// See [`delete_port`].
    pub async fn delete_port(&self, id: &str) -> Result<(), Error> {
        self.send(&delete_port(id)).await.map(drop)
    }
}
