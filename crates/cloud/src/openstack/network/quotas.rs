//! What the project may use of Neutron, and what it uses.

use serde::Deserialize;

use super::super::error::Error;
use super::super::http::Client;
use super::super::request::{Request, segment};
use super::get;

/// Quotas with their use, by the extension `quota_details`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NetworkQuotas {
    /// Networks.
    pub network: NetworkQuota,
    /// Subnets.
    pub subnet: NetworkQuota,
    /// Ports, those of routers and DHCP included.
    pub port: NetworkQuota,
    /// Routers.
    pub router: NetworkQuota,
    /// Floating IPs.
    pub floatingip: NetworkQuota,
    /// Security groups, `default` included.
    pub security_group: NetworkQuota,
    /// Rules of all groups.
    pub security_group_rule: NetworkQuota,
}

/// One quota of Neutron.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct NetworkQuota {
    /// The limit; -1 is none.
    pub limit: i64,
    /// What is in use.
    pub used: i64,
    /// What is promised to requests that run.
    pub reserved: i64,
}

impl Default for NetworkQuota {
    /// A kind that the service does not list has no limit.
    fn default() -> Self {
        Self { limit: -1, used: 0, reserved: 0 }
    }
}

impl NetworkQuota {
    /// What is left; None where there is no limit.
    pub fn left(self) -> Option<i64> {
        (self.limit >= 0).then(|| self.limit - self.used - self.reserved)
    }
}

/// Quotas and use of a project.
pub fn show_network_quotas(project_id: &str) -> Request {
    get(format!("/quotas/{}/details.json", segment(project_id)))
}

impl Client {
    /// See [`show_network_quotas`].
    pub async fn network_quotas(&self, project_id: &str) -> Result<NetworkQuotas, Error> {
        self.send(&show_network_quotas(project_id)).await?.below("quota")
    }
}
