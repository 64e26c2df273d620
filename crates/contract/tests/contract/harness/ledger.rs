//! What a test has made and how it is taken away again, last made first.

use super::api::Service;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// What is to be taken away.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<Undo>>);

/// A request that undoes another one.
#[derive(Debug, Clone)]
pub(crate) struct Undo {
    pub(crate) service: Service,
    pub(crate) path: String,
    /// The body of a PUT; without one it is a DELETE.
    pub(crate) body: Option<Value>,
}

impl Ledger {
    pub(crate) fn note(&self, undo: impl IntoIterator<Item = Undo>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(undo);
    }

    pub(crate) fn last(&self) -> Option<Undo> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl Undo {
    /// Takes a router off a subnet.
    pub(crate) fn interface(router: &str, subnet: &str) -> Self {
        let path = format!("routers/{router}/remove_router_interface");
        Self { service: Service::Network, path, body: Some(json!({ "subnet_id": subnet })) }
    }

    /// Deletes what a POST has made: the objects that its reply shows.
    pub(crate) fn of_creation(service: Service, path: &str, reply: &Value) -> Vec<Self> {
        let path = path.split('?').next().unwrap_or_default();
        // A balancer takes its tree along. Actions and tokens make nothing that stays.
        let part_of_a_tree = service == Service::Balancer && path != "lbaas/loadbalancers";
        if part_of_a_tree || path.ends_with("/action") || path.starts_with("auth/") {
            return Vec::new();
        }
        let made: Vec<&Value> = match reply.as_object().and_then(|reply| reply.values().next()) {
            Some(Value::Array(several)) => several.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        };
        // A key pair has no id but its name.
        let ids = made.into_iter().filter_map(|one| one["id"].as_str().or_else(|| one["name"].as_str()));
        let query = if service == Service::Balancer { "?cascade=true" } else { "" };
        ids.map(|id| Self { service, path: format!("{path}/{id}{query}"), body: None }).collect()
    }

    /// Where the object is looked for, when its going takes time.
    pub(crate) fn lingers(&self) -> Option<String> {
        let lingers = self.path.starts_with("servers/") || self.path.starts_with("lbaas/");
        lingers.then(|| self.path.split('?').next().unwrap_or_default().to_owned())
    }
}
