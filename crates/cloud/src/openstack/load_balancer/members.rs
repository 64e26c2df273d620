//! Members: who takes the requests. They are always replaced as a whole list, which is one piece of work.

use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::{Request, Service, segment};
use super::get;

/// One that takes requests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// See [`super::LoadBalancer::provisioning_status`].
    pub provisioning_status: String,
    /// See [`super::LoadBalancer::operating_status`].
    pub operating_status: String,
    /// Whether it gets requests.
    pub admin_state_up: bool,
    /// Its address.
    pub address: String,
    /// Its port.
    pub protocol_port: u16,
    /// Its share; 0 gets nothing new.
    pub weight: u32,
    /// The subnet by which it is reached.
    pub subnet_id: Option<String>,
    /// Where the monitor asks, if not at its port.
    pub monitor_port: Option<u16>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A member to be created, or one of a whole list. Members are the same when address and port are.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewMember {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address.
    pub address: String,
    /// Its port.
    pub protocol_port: u16,
    /// See [`Member::weight`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// See [`Member::subnet_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<String>,
    /// See [`Member::monitor_port`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_port: Option<u16>,
    /// See [`Member::admin_state_up`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// See [`Member::tags`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// Members of a pool.
pub fn list_members(pool_id: &str) -> Request {
    get(&format!("/pools/{}/members", segment(pool_id)))
}

/// Makes the pool's members these: others are removed, changed ones change, new ones are added, in one piece of work.
pub fn replace_members(pool_id: &str, members: &[NewMember]) -> Request {
    let path = format!("/lbaas/pools/{}/members", segment(pool_id));
    Request::put(Service::LoadBalancer, path, "members", &members)
}

impl Client {
    /// See [`list_members`].
    pub async fn members(&self, pool_id: &str) -> Result<Vec<Member>, Error> {
        self.list(list_members(pool_id), "members", Paging::Links).await
    }

    /// See [`replace_members`]. The reply is empty; the work is done when the load balancer is `ACTIVE` again.
    pub async fn replace_members(&self, pool_id: &str, members: &[NewMember]) -> Result<(), Error> {
        self.send(&replace_members(pool_id, members)).await.map(drop)
    }
}
