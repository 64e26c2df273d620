//! What belongs to a load balancer: listeners, pools, members, health monitors.

use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::{Request, Service, segment};
use super::{Id, delete, get, post, put};

/// A port of a load balancer that is listened on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Listener {
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
    /// Whether it listens at all.
    pub admin_state_up: bool,
    /// `HTTP`, `TCP`, `HTTPS`, `TERMINATED_HTTPS`, `UDP` and others.
    pub protocol: String,
    /// The port.
    pub protocol_port: u16,
    /// Where its requests go.
    pub default_pool_id: Option<String>,
    /// The load balancer that it is of: a list of one.
    pub loadbalancers: Vec<Id>,
    /// Who may connect; everybody where it is empty. Since API 2.12.
    pub allowed_cidrs: Vec<String>,
    /// Connections at once; -1 is no limit.
    pub connection_limit: Option<i64>,
    /// Its tags.
    pub tags: Vec<String>,
}

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

/// What asks the members of a pool how they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HealthMonitor {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// See [`super::LoadBalancer::provisioning_status`].
    pub provisioning_status: String,
    /// See [`super::LoadBalancer::operating_status`].
    pub operating_status: String,
    /// Whether it asks.
    pub admin_state_up: bool,
    /// `HTTP`, `HTTPS`, `PING`, `TCP`, `TLS-HELLO`, `UDP-CONNECT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Seconds between two questions.
    pub delay: u32,
    /// Seconds until a question has failed.
    pub timeout: u32,
    /// Answers until a member counts as up.
    pub max_retries: u32,
    /// Failures until a member counts as down.
    pub max_retries_down: u32,
    /// The method of an HTTP question.
    pub http_method: Option<String>,
    /// The path of an HTTP question.
    pub url_path: Option<String>,
    /// `200`, `200,202` or `200-204`.
    pub expected_codes: Option<String>,
    /// The pool that it is of: a list of one.
    pub pools: Vec<Id>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A listener to be created, alone or inside of a graph.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewListener {
    /// Its name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The load balancer; None inside of a graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loadbalancer_id: Option<String>,
    /// See [`Listener::protocol`].
    pub protocol: String,
    /// See [`Listener::protocol_port`].
    pub protocol_port: u16,
    /// A pool that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_pool_id: Option<String>,
    /// Inside of a graph: a pool of its own, or the name of one of the graph's. A listener posted alone with one answers 500 on some releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_pool: Option<NewPool>,
    /// See [`Listener::allowed_cidrs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_cidrs: Option<Vec<String>>,
    /// See [`Listener::connection_limit`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<i64>,
    /// Headers that are added: `X-Forwarded-For: "true"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insert_headers: Option<std::collections::BTreeMap<String, String>>,
    /// See [`Listener::tags`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// What shall be different on a listener.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ListenerChange {
    /// See [`Listener::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// See [`Listener::description`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// See [`Listener::default_pool_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_pool_id: Option<String>,
    /// See [`Listener::allowed_cidrs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_cidrs: Option<Vec<String>>,
    /// See [`Listener::tags`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
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

/// A health monitor to be created, alone or inside of a graph.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewHealthMonitor {
    /// Its name.
    pub name: String,
    /// The pool; None inside of a graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_id: Option<String>,
    /// See [`HealthMonitor::kind`].
    #[serde(rename = "type")]
    pub kind: String,
    /// See [`HealthMonitor::delay`]; not less than `timeout`.
    pub delay: u32,
    /// See [`HealthMonitor::timeout`].
    pub timeout: u32,
    /// See [`HealthMonitor::max_retries`]; 1 to 10.
    pub max_retries: u32,
    /// See [`HealthMonitor::max_retries_down`]; 1 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries_down: Option<u32>,
    /// See [`HealthMonitor::http_method`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_method: Option<String>,
    /// See [`HealthMonitor::url_path`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_path: Option<String>,
    /// See [`HealthMonitor::expected_codes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_codes: Option<String>,
    /// See [`HealthMonitor::tags`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// What shall be different on a health monitor.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HealthMonitorChange {
    /// See [`HealthMonitor::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// See [`HealthMonitor::delay`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<u32>,
    /// See [`HealthMonitor::timeout`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// See [`HealthMonitor::max_retries`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// See [`HealthMonitor::max_retries_down`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries_down: Option<u32>,
    /// See [`HealthMonitor::http_method`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_method: Option<String>,
    /// See [`HealthMonitor::url_path`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_path: Option<String>,
    /// See [`HealthMonitor::expected_codes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_codes: Option<String>,
    /// See [`HealthMonitor::tags`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// Listeners of the project; `tags` is comma-separated and means all of them.
pub fn list_listeners(filters: &[(&str, &str)]) -> Request {
    get("/listeners").query(filters)
}

/// Makes a listener.
pub fn create_listener(listener: &NewListener) -> Request {
    post("/listeners", "listener", listener)
}

/// Changes a listener.
pub fn update_listener(id: &str, change: &ListenerChange) -> Request {
    put("listeners", id, "listener", change)
}

/// Removes a listener.
pub fn delete_listener(id: &str) -> Request {
    delete("listeners", id)
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

/// Health monitors of the project; `tags` is comma-separated and means all of them.
pub fn list_health_monitors(filters: &[(&str, &str)]) -> Request {
    get("/healthmonitors").query(filters)
}

/// Makes a health monitor.
pub fn create_health_monitor(health_monitor: &NewHealthMonitor) -> Request {
    post("/healthmonitors", "healthmonitor", health_monitor)
}

/// Changes a health monitor.
pub fn update_health_monitor(id: &str, change: &HealthMonitorChange) -> Request {
    put("healthmonitors", id, "healthmonitor", change)
}

/// Removes a health monitor.
pub fn delete_health_monitor(id: &str) -> Request {
    delete("healthmonitors", id)
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
    /// See [`list_listeners`].
    pub async fn listeners(&self, filters: &[(&str, &str)]) -> Result<Vec<Listener>, Error> {
        self.list(list_listeners(filters), "listeners", Paging::Links).await
    }

    /// See [`create_listener`].
    pub async fn create_listener(&self, listener: &NewListener) -> Result<Listener, Error> {
        self.send(&create_listener(listener)).await?.below("listener")
    }

    /// See [`update_listener`].
    pub async fn update_listener(&self, id: &str, change: &ListenerChange) -> Result<Listener, Error> {
        self.send(&update_listener(id, change)).await?.below("listener")
    }

    /// See [`delete_listener`].
    pub async fn delete_listener(&self, id: &str) -> Result<(), Error> {
        self.send(&delete_listener(id)).await.map(drop)
    }

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

    /// See [`list_health_monitors`].
    pub async fn health_monitors(&self, filters: &[(&str, &str)]) -> Result<Vec<HealthMonitor>, Error> {
        self.list(list_health_monitors(filters), "healthmonitors", Paging::Links).await
    }

    /// See [`create_health_monitor`].
    pub async fn create_health_monitor(&self, health_monitor: &NewHealthMonitor) -> Result<HealthMonitor, Error> {
        self.send(&create_health_monitor(health_monitor)).await?.below("healthmonitor")
    }

    /// See [`update_health_monitor`].
    pub async fn update_health_monitor(&self, id: &str, change: &HealthMonitorChange) -> Result<HealthMonitor, Error> {
        self.send(&update_health_monitor(id, change)).await?.below("healthmonitor")
    }

    /// See [`delete_health_monitor`].
    pub async fn delete_health_monitor(&self, id: &str) -> Result<(), Error> {
        self.send(&delete_health_monitor(id)).await.map(drop)
    }

    /// See [`list_members`].
    pub async fn members(&self, pool_id: &str) -> Result<Vec<Member>, Error> {
        self.list(list_members(pool_id), "members", Paging::Links).await
    }

    /// See [`replace_members`]. The reply is empty; the work is done when the load balancer is `ACTIVE` again.
    pub async fn replace_members(&self, pool_id: &str, members: &[NewMember]) -> Result<(), Error> {
        self.send(&replace_members(pool_id, members)).await.map(drop)
    }
}
