//! Pools: how requests are shared out.

use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::Request;
use super::health_monitors::NewHealthMonitor;
use super::members::NewMember;
use super::{Id, delete, get, post, put};

/// Members among whom requests are shared out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pool {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// See [`super::LoadBalancer::provisioning_status`].
    pub provisioning_status: String,
    /// See [`super::LoadBalancer::operating_status`].
    pub operating_status: String,
    /// Whether it works at all.
    pub admin_state_up: bool,
    /// What it speaks to its members.
    pub protocol: String,
    /// `ROUND_ROBIN`, `LEAST_CONNECTIONS`, `SOURCE_IP`, `SOURCE_IP_PORT`.
    pub lb_algorithm: String,
    /// How a client finds its member again.
    pub session_persistence: Option<SessionPersistence>,
    /// Its monitor.
    pub healthmonitor_id: Option<String>,
    /// The load balancer that it is of: a list of one.
    pub loadbalancers: Vec<Id>,
    /// The listeners that lead to it.
    pub listeners: Vec<Id>,
    /// Its members.
    pub members: Vec<Id>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// How a client finds its member again.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
pub struct SessionPersistence {
    /// `SOURCE_IP`, `HTTP_COOKIE`, `APP_COOKIE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The cookie of `APP_COOKIE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie_name: Option<String>,
}

/// A pool to be created, alone or inside of a graph.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewPool {
    /// Its name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The load balancer, where no listener leads to it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loadbalancer_id: Option<String>,
    /// The listener whose default it becomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_id: Option<String>,
    /// See [`Pool::protocol`]; None only where a graph refers to a pool by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// See [`Pool::lb_algorithm`]; None as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lb_algorithm: Option<String>,
    /// See [`Pool::session_persistence`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<SessionPersistence>,
    /// Inside of a graph: its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<NewMember>>,
    /// Inside of a graph: its monitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthmonitor: Option<NewHealthMonitor>,
    /// See [`Pool::tags`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// What shall be different on a pool.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PoolChange {
    /// See [`Pool::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// See [`Pool::description`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// See [`Pool::lb_algorithm`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lb_algorithm: Option<String>,
    /// See [`Pool::tags`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// Pools of the project; `tags` is comma-separated and means all of them.
pub fn list_pools(filters: &[(&str, &str)]) -> Request {
    get("/pools").query(filters)
}

/// Makes a pool.
pub fn create_pool(pool: &NewPool) -> Request {
    post("/pools", "pool", pool)
}

/// Changes a pool.
pub fn update_pool(id: &str, change: &PoolChange) -> Request {
    put("pools", id, "pool", change)
}

/// Removes a pool.
pub fn delete_pool(id: &str) -> Request {
    delete("pools", id)
}

impl Client {
    /// See [`list_pools`].
    pub async fn pools(&self, filters: &[(&str, &str)]) -> Result<Vec<Pool>, Error> {
        self.list(list_pools(filters), "pools", Paging::Links).await
    }

    /// See [`create_pool`].
    pub async fn create_pool(&self, pool: &NewPool) -> Result<Pool, Error> {
        self.send(&create_pool(pool)).await?.below("pool")
    }

    /// See [`update_pool`].
    pub async fn update_pool(&self, id: &str, change: &PoolChange) -> Result<Pool, Error> {
        self.send(&update_pool(id, change)).await?.below("pool")
    }

    /// See [`delete_pool`].
    pub async fn delete_pool(&self, id: &str) -> Result<(), Error> {
        self.send(&delete_pool(id)).await.map(drop)
    }
}
