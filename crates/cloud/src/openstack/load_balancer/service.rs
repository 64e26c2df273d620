//! What this Octavia is: versions, providers, quotas.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::{Request, Service, segment};
use super::get;

/// One version of the API. Octavia does not negotiate: all that the newest version has is there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ApiVersion {
    /// `v2.30`.
    pub id: String,
    /// `CURRENT` for the newest.
    pub status: String,
}

/// A driver that can carry a load balancer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Provider {
    /// `amphora`, `ovn`, `octavia` and others.
    pub name: String,
    /// For people.
    pub description: String,
}

/// How much of everything a project may have; None where there is no limit. Octavia does not tell what is in use.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(from = "BTreeMap<String, serde_json::Value>")]
pub struct LoadBalancerQuotas {
    /// Load balancers.
    pub load_balancer: Option<i64>,
    /// Listeners.
    pub listener: Option<i64>,
    /// Pools.
    pub pool: Option<i64>,
    /// Members.
    pub member: Option<i64>,
    /// Health monitors.
    pub health_monitor: Option<i64>,
}

impl From<BTreeMap<String, serde_json::Value>> for LoadBalancerQuotas {
    /// Two of the names lost and found their underscore over the releases; some write both.
    fn from(quotas: BTreeMap<String, serde_json::Value>) -> Self {
        let limit = |names: &[&str]| {
            let found = names.iter().find_map(|name| quotas.get(*name)?.as_i64());
            found.filter(|limit| *limit >= 0)
        };
        Self {
            load_balancer: limit(&["load_balancer", "loadbalancer"]),
            listener: limit(&["listener"]),
            pool: limit(&["pool"]),
            member: limit(&["member"]),
            health_monitor: limit(&["health_monitor", "healthmonitor"]),
        }
    }
}

/// The versions of the API; they stand beside the version root, not below it.
pub fn list_versions() -> Request {
    Request::get(Service::LoadBalancer, "/../")
}

/// The providers that the project may choose from.
pub fn list_providers() -> Request {
    get("/providers")
}

/// Limits of a project.
pub fn show_load_balancer_quotas(project_id: &str) -> Request {
    get(&format!("/quotas/{}", segment(project_id)))
}

impl Client {
    /// See [`list_versions`].
    pub async fn load_balancer_versions(&self) -> Result<Vec<ApiVersion>, Error> {
        self.list(list_versions(), "versions", Paging::Links).await
    }

    /// See [`list_providers`].
    pub async fn load_balancer_providers(&self) -> Result<Vec<Provider>, Error> {
        self.list(list_providers(), "providers", Paging::Links).await
    }

    /// See [`show_load_balancer_quotas`].
    pub async fn load_balancer_quotas(&self, project_id: &str) -> Result<LoadBalancerQuotas, Error> {
        self.send(&show_load_balancer_quotas(project_id)).await?.below("quota")
    }
}
