//! What a project finds there: extensions, networks, subnets, routers. Only a subnet's pools are changed.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::{Request, Revision, Service, segment};
use super::get;

/// Something that this Neutron can do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Extension {
    /// Its name in the API: `port-security`.
    pub alias: String,
    /// Its name for people.
    pub name: String,
}

/// A network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// Its name; several networks may share one.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The project that owns it. Only an owner may set address pairs, MACs and fixed addresses of its ports.
    pub project_id: String,
    /// The ids of its subnets.
    pub subnets: Vec<String>,
    /// The largest packet in bytes, where the extension `net-mtu` is there.
    pub mtu: Option<u32>,
    /// True where floating IPs come from.
    #[serde(rename = "router:external")]
    pub external: bool,
    /// True where other projects use it too.
    pub shared: bool,
    /// What its new ports have, where the extension `port-security` is there.
    pub port_security_enabled: Option<bool>,
    /// `ACTIVE`, `DOWN`, `BUILD`, `ERROR`.
    pub status: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Counts its changes.
    pub revision_number: Option<Revision>,
}

/// A subnet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The network that it is part of.
    pub network_id: String,
    /// The project that owns it.
    pub project_id: String,
    /// 4 or 6.
    pub ip_version: u8,
    /// Its addresses: `192.168.0.0/24`.
    pub cidr: String,
    /// Its router's address.
    pub gateway_ip: Option<String>,
    /// Name servers that DHCP hands out.
    pub dns_nameservers: Vec<String>,
    /// What ports without a wish get their addresses from.
    pub allocation_pools: Vec<AllocationPool>,
    /// Whether Neutron answers DHCP.
    pub enable_dhcp: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Counts its changes.
    pub revision_number: Option<Revision>,
}

/// A range of addresses, both ends included.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
pub struct AllocationPool {
    /// The first address.
    pub start: String,
    /// The last address.
    pub end: String,
}

/// A router. Which subnets it joins is told by its ports: `device_id` is its id.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Router {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The project that owns it.
    pub project_id: String,
    /// `ACTIVE`, `DOWN`, `ERROR`.
    pub status: String,
    /// Whether it works at all.
    pub admin_state_up: bool,
    /// Its way to the outside.
    pub external_gateway_info: Option<Gateway>,
}

/// A router's way to the outside.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Gateway {
    /// The external network.
    pub network_id: String,
    /// Whether addresses without a floating IP get out.
    pub enable_snat: Option<bool>,
}

/// What this Neutron can do.
pub fn list_extensions() -> Request {
    get("/extensions")
}

/// Networks that the project can see.
pub fn list_networks(filters: &[(&str, &str)]) -> Request {
    get("/networks").query(filters)
}

/// Subnets that the project can see.
pub fn list_subnets(filters: &[(&str, &str)]) -> Request {
    get("/subnets").query(filters)
}

/// Routers of the project.
pub fn list_routers(filters: &[(&str, &str)]) -> Request {
    get("/routers").query(filters)
}

/// Replaces a subnet's pools.
pub fn update_allocation_pools(id: &str, pools: &[AllocationPool], revision: Option<Revision>) -> Request {
    let path = format!("/subnets/{}", segment(id));
    Request::put(Service::Network, path, "subnet", &json!({ "allocation_pools": pools })).if_match(revision)
}

impl Client {
    /// See [`list_extensions`].
    pub async fn extensions(&self) -> Result<Vec<Extension>, Error> {
        self.list(list_extensions(), "extensions", Paging::Links).await
    }

    /// See [`list_networks`].
    pub async fn networks(&self, filters: &[(&str, &str)]) -> Result<Vec<Network>, Error> {
        self.list(list_networks(filters), "networks", Paging::Links).await
    }

    /// See [`list_subnets`].
    pub async fn subnets(&self, filters: &[(&str, &str)]) -> Result<Vec<Subnet>, Error> {
        self.list(list_subnets(filters), "subnets", Paging::Links).await
    }

    /// See [`list_routers`].
    pub async fn routers(&self, filters: &[(&str, &str)]) -> Result<Vec<Router>, Error> {
        self.list(list_routers(filters), "routers", Paging::Links).await
    }

    /// See [`update_allocation_pools`].
    pub async fn update_allocation_pools(
        &self,
        id: &str,
        pools: &[AllocationPool],
        revision: Option<Revision>,
    ) -> Result<Subnet, Error> {
        self.send(&update_allocation_pools(id, pools, revision)).await?.below("subnet")
    }
}
