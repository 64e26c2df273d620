//! Octavia: load balancers and their parts.
//!
//! Every change answers at once and is carried out afterwards. Meanwhile the balancer and its parts are `PENDING_…`, and
//! any further change of any of them is a 409. `provisioning_status` tells whether that work is done, `operating_status`
//! whether packets arrive; the balancer's `ACTIVE` says nothing about its parts, so [`Client::load_balancer_statuses`]
//! reads the whole tree.

mod balancers;
mod health_monitors;
mod listeners;
mod members;
mod pools;
mod service;

use super::request::{Request, Service, segment};

pub use balancers::{
    HealthMonitorStatus, Id, ListenerStatus, LoadBalancer, LoadBalancerChange, LoadBalancerStatus, MemberStatus,
    NewLoadBalancer, PoolStatus, create_load_balancer, delete_load_balancer, list_load_balancers, show_load_balancer,
    show_load_balancer_statuses, update_load_balancer,
};
pub use health_monitors::{
    HealthMonitor, HealthMonitorChange, NewHealthMonitor, create_health_monitor, delete_health_monitor,
    list_health_monitors, update_health_monitor,
};
pub use listeners::{
    Listener, ListenerChange, NewListener, create_listener, delete_listener, list_listeners, update_listener,
};
pub use members::{Member, NewMember, list_members, replace_members};
pub use pools::{NewPool, Pool, PoolChange, SessionPersistence, create_pool, delete_pool, list_pools, update_pool};
pub use service::{ApiVersion, LoadBalancerQuotas, Provider, list_providers, list_versions, show_load_balancer_quotas};

#[cfg(doc)]
use super::http::Client;

fn get(path: &str) -> Request {
    Request::get(Service::LoadBalancer, format!("/lbaas{path}"))
}

fn post(path: &str, key: &str, body: &impl serde::Serialize) -> Request {
    Request::post(Service::LoadBalancer, format!("/lbaas{path}"), key, body)
}

fn put(collection: &str, id: &str, key: &str, body: &impl serde::Serialize) -> Request {
    Request::put(Service::LoadBalancer, format!("/lbaas/{collection}/{}", segment(id)), key, body)
}

fn delete(collection: &str, id: &str) -> Request {
    Request::delete(Service::LoadBalancer, format!("/lbaas/{collection}/{}", segment(id)))
}
