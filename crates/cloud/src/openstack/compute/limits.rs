//! What the project may use of Nova, and what it uses.

use serde::Deserialize;

use super::super::error::Error;
use super::super::http::Client;
use super::super::request::{Request, segment};
use super::get;

/// Quotas with their use, as `GET /os-quota-sets/{project}/detail` shows them; some clouds keep it to administrators.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct QuotaDetails {
    /// Servers.
    pub instances: Quota,
    /// Processors.
    pub cores: Quota,
    /// Memory in MB.
    pub ram: Quota,
    /// Server groups.
    pub server_groups: Quota,
    /// Servers in one group; here only the limit says something.
    pub server_group_members: Quota,
    /// Keys of one user; here only the limit says something.
    pub key_pairs: Quota,
}

/// One quota of Nova.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Quota {
    /// The limit; -1 is none.
    pub limit: i64,
    /// What is in use.
    pub in_use: i64,
    /// What is promised to requests that run.
    pub reserved: i64,
}

impl Quota {
    /// What is left; None where there is no limit.
    pub fn left(self) -> Option<i64> {
        (self.limit >= 0).then(|| self.limit - self.in_use - self.reserved)
    }
}

/// Quotas and use of a project.
pub fn show_quota_details(project_id: &str) -> Request {
    get(format!("/os-quota-sets/{}/detail", segment(project_id)))
}

impl Client {
    /// Quotas and use of a project.
    pub async fn compute_quotas(&self, project_id: &str) -> Result<QuotaDetails, Error> {
        self.send(&show_quota_details(project_id)).await?.below("quota_set")
    }
}
