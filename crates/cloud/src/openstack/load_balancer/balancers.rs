//! The load balancer itself, its whole graph, and the statuses of all its parts.

use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::{Request, segment};
use super::listeners::NewListener;
use super::pools::NewPool;
use super::{delete, get, post, put};

/// A load balancer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoadBalancer {
    /// Its id.
    pub id: String,
    /// Its name; several may share one.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The project that owns it.
    pub project_id: String,
    /// `ACTIVE`, `PENDING_CREATE`, `PENDING_UPDATE`, `PENDING_DELETE`, `DELETED`, `ERROR`.
    pub provisioning_status: String,
    /// `ONLINE`, `OFFLINE`, `DEGRADED`, `ERROR`, `NO_MONITOR`, `DRAINING`.
    pub operating_status: String,
    /// Whether it works at all.
    pub admin_state_up: bool,
    /// Its address inside.
    pub vip_address: String,
    /// The Neutron port of that address: what a floating IP leads to.
    pub vip_port_id: String,
    /// The subnet of that address.
    pub vip_subnet_id: String,
    /// The network of that address.
    pub vip_network_id: String,
    /// The security groups of that port, since API 2.29.
    pub vip_sg_ids: Vec<String>,
    /// The driver that carries it.
    pub provider: String,
    /// Its listeners.
    pub listeners: Vec<Id>,
    /// Its pools.
    pub pools: Vec<Id>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// The id of a part.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Id {
    /// The id.
    pub id: String,
}

/// A load balancer to be created, alone or with everything that belongs to it.
///
/// In a graph every pool has a name; a pool that is listed in `pools` is referred to by that name.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewLoadBalancer {
    /// Its name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The subnet of its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_subnet_id: Option<String>,
    /// A wished address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_address: Option<String>,
    /// A port that exists, in place of subnet and address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_port_id: Option<String>,
    /// See [`LoadBalancer::vip_sg_ids`]; an older API answers 400.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_sg_ids: Option<Vec<String>>,
    /// The driver; the cloud's own choice where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// See [`LoadBalancer::admin_state_up`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// Since API 2.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// With its listeners, each with or without a pool of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listeners: Option<Vec<NewListener>>,
    /// With its pools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pools: Option<Vec<NewPool>>,
}

/// What shall be different on a load balancer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LoadBalancerChange {
    /// See [`LoadBalancer::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// See [`LoadBalancer::description`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// See [`LoadBalancer::vip_sg_ids`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_sg_ids: Option<Vec<String>>,
    /// See [`LoadBalancer::tags`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// The statuses of a load balancer and of everything below it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoadBalancerStatus {
    /// The load balancer's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// See [`LoadBalancer::provisioning_status`].
    pub provisioning_status: String,
    /// See [`LoadBalancer::operating_status`].
    pub operating_status: String,
    /// Its listeners with their pools.
    pub listeners: Vec<ListenerStatus>,
    /// Its pools that no listener has.
    pub pools: Vec<PoolStatus>,
}

/// The statuses of a listener.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ListenerStatus {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// See [`LoadBalancer::provisioning_status`].
    pub provisioning_status: String,
    /// See [`LoadBalancer::operating_status`].
    pub operating_status: String,
    /// Its pools.
    pub pools: Vec<PoolStatus>,
}

/// The statuses of a pool.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PoolStatus {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// See [`LoadBalancer::provisioning_status`].
    pub provisioning_status: String,
    /// See [`LoadBalancer::operating_status`].
    pub operating_status: String,
    /// Its members.
    pub members: Vec<MemberStatus>,
    /// Its monitor.
    pub health_monitor: Option<HealthMonitorStatus>,
}

/// The statuses of a member.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MemberStatus {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its port.
    pub protocol_port: u16,
    /// See [`LoadBalancer::provisioning_status`].
    pub provisioning_status: String,
    /// See [`LoadBalancer::operating_status`]; `NO_MONITOR` where nobody looks.
    pub operating_status: String,
}

/// The statuses of a health monitor; all but the first are often missing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HealthMonitorStatus {
    /// Its id.
    pub id: String,
    /// See [`LoadBalancer::provisioning_status`].
    pub provisioning_status: String,
    /// See [`LoadBalancer::operating_status`].
    pub operating_status: String,
}

/// Load balancers of the project; `tags` is comma-separated and means all of them.
pub fn list_load_balancers(filters: &[(&str, &str)]) -> Request {
    get("/loadbalancers").query(filters)
}

/// One load balancer.
pub fn show_load_balancer(id: &str) -> Request {
    get(&format!("/loadbalancers/{}", segment(id)))
}

/// The statuses of a load balancer and of everything below it.
pub fn show_load_balancer_statuses(id: &str) -> Request {
    get(&format!("/loadbalancers/{}/status", segment(id)))
}

/// Makes a load balancer, with its parts where it has some.
pub fn create_load_balancer(balancer: &NewLoadBalancer) -> Request {
    post("/loadbalancers", "loadbalancer", balancer)
}

/// Changes a load balancer.
pub fn update_load_balancer(id: &str, change: &LoadBalancerChange) -> Request {
    put("loadbalancers", id, "loadbalancer", change)
}

/// Removes a load balancer and everything below it. Works on `ACTIVE` and `ERROR`; 409 while it is `PENDING_…`, also
/// where that is the effect of a first attempt whose reply was lost.
pub fn delete_load_balancer(id: &str) -> Request {
    delete("loadbalancers", id).query(&[("cascade", "true")])
}

impl Client {
    /// See [`list_load_balancers`].
    pub async fn load_balancers(&self, filters: &[(&str, &str)]) -> Result<Vec<LoadBalancer>, Error> {
        self.list(list_load_balancers(filters), "loadbalancers", Paging::Links).await
    }

    /// See [`show_load_balancer`].
    pub async fn load_balancer(&self, id: &str) -> Result<LoadBalancer, Error> {
        self.send(&show_load_balancer(id)).await?.below("loadbalancer")
    }

    /// See [`show_load_balancer_statuses`].
    pub async fn load_balancer_statuses(&self, id: &str) -> Result<LoadBalancerStatus, Error> {
        #[derive(Deserialize)]
        struct Wrapped {
            loadbalancer: LoadBalancerStatus,
        }
        let wrapped: Wrapped = self.send(&show_load_balancer_statuses(id)).await?.below("statuses")?;
        Ok(wrapped.loadbalancer)
    }

    /// See [`create_load_balancer`].
    pub async fn create_load_balancer(&self, balancer: &NewLoadBalancer) -> Result<LoadBalancer, Error> {
        self.send(&create_load_balancer(balancer)).await?.below("loadbalancer")
    }

    /// See [`update_load_balancer`].
    pub async fn update_load_balancer(&self, id: &str, change: &LoadBalancerChange) -> Result<LoadBalancer, Error> {
        self.send(&update_load_balancer(id, change)).await?.below("loadbalancer")
    }

    /// See [`delete_load_balancer`].
    pub async fn delete_load_balancer(&self, id: &str) -> Result<(), Error> {
        self.send(&delete_load_balancer(id)).await.map(drop)
    }
}
