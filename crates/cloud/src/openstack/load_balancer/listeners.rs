//! Listeners: the ports of a load balancer.

use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::Request;
use super::pools::NewPool;
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
}
