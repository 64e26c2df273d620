//! Floating IPs: addresses of an external network that lead to a port.

use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::{Request, Revision, Service, segment};
use super::{delete, get};

/// A floating IP.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FloatingIp {
    /// Its id.
    pub id: String,
    /// Free text.
    pub description: String,
    /// The project that owns it.
    pub project_id: String,
    /// The address that the world sees.
    pub floating_ip_address: String,
    /// The external network that it is of.
    pub floating_network_id: String,
    /// The port that it leads to; None where it leads nowhere.
    pub port_id: Option<String>,
    /// The address of that port.
    pub fixed_ip_address: Option<String>,
    /// The router that it passes.
    pub router_id: Option<String>,
    /// `ACTIVE`, `DOWN`, `ERROR`.
    pub status: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Counts its changes.
    pub revision_number: Option<Revision>,
}

/// A floating IP to be created.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewFloatingIp {
    /// The external network.
    pub floating_network_id: String,
    /// The port that it shall lead to at once. 409 where that port's address has one already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_id: Option<String>,
    /// Which address of the port, where it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_ip_address: Option<String>,
    /// A wished address; usually for administrators alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floating_ip_address: Option<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What shall be different on a floating IP.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FloatingIpChange {
    /// `Some(Some(port))` leads it there, `Some(None)` leads it nowhere, `None` leaves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[allow(clippy::option_option, reason = "three values: a port, none, and no change")]
    pub port_id: Option<Option<String>>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Floating IPs of the project.
pub fn list_floating_ips(filters: &[(&str, &str)]) -> Request {
    get("/floatingips").query(filters)
}

/// Makes a floating IP.
pub fn create_floating_ip(address: &NewFloatingIp) -> Request {
    Request::post(Service::Network, "/floatingips", "floatingip", address)
}

/// Leads a floating IP elsewhere, or describes it anew.
pub fn update_floating_ip(id: &str, change: &FloatingIpChange, revision: Option<Revision>) -> Request {
    let path = format!("/floatingips/{}", segment(id));
    Request::put(Service::Network, path, "floatingip", change).if_match(revision)
}

/// Gives a floating IP back.
pub fn delete_floating_ip(id: &str) -> Request {
    delete("floatingips", id)
}

impl Client {
    /// See [`list_floating_ips`].
    pub async fn floating_ips(&self, filters: &[(&str, &str)]) -> Result<Vec<FloatingIp>, Error> {
        self.list(list_floating_ips(filters), "floatingips", Paging::Links).await
    }

    /// See [`create_floating_ip`].
    pub async fn create_floating_ip(&self, address: &NewFloatingIp) -> Result<FloatingIp, Error> {
        self.send(&create_floating_ip(address)).await?.below("floatingip")
    }

    /// See [`update_floating_ip`].
    pub async fn update_floating_ip(
        &self,
        id: &str,
        change: &FloatingIpChange,
        revision: Option<Revision>,
    ) -> Result<FloatingIp, Error> {
        self.send(&update_floating_ip(id, change, revision)).await?.below("floatingip")
    }

    /// See [`delete_floating_ip`].
    pub async fn delete_floating_ip(&self, id: &str) -> Result<(), Error> {
        self.send(&delete_floating_ip(id)).await.map(drop)
    }
}
