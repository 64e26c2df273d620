//! Health monitors: what asks the members of a pool how they are.

use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::Request;
use super::{Id, delete, get, post, put};

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

impl Client {
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
}
