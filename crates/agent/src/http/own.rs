//! The view in our own words. Pure: a view in, a document out.

use std::time::Duration;

use serde_json::{Value, json};

use crate::catalogue::{HostView, Instance, Name, State, View};

/// Whose word a document is, and when it was given.
#[derive(Clone, Copy, Debug)]
pub struct Teller<'a> {
    /// The stack's name.
    pub stack: &'a str,
    /// The host on which the agent is.
    pub here: &'a Name,
    /// What has passed since the catalogue's beginning, from which `stale_since_seconds` is counted.
    pub now: Duration,
}

/// The hosts, and how each is.
pub fn members(view: &View, teller: &Teller<'_>) -> Value {
    let hosts: Vec<Value> = view.hosts.values().map(|host| member(host)).collect();
    told(view, teller, "members", &hosts)
}

/// All that is known.
pub fn catalogue(view: &View, teller: &Teller<'_>) -> Value {
    let hosts: Vec<Value> = view
        .hosts
        .values()
        .map(|host| {
            let containers: Vec<Value> = host
                .part
                .containers
                .iter()
                .map(|(name, container)| instance(&Instance { host, name, container }))
                .collect();
            let mut document = member(host);
            if let Some(fields) = document.as_object_mut() {
                fields.insert("containers".to_owned(), Value::from(containers));
            }
            document
        })
        .collect();
    told(view, teller, "hosts", &hosts)
}

fn told(view: &View, teller: &Teller<'_>, what: &str, list: &[Value]) -> Value {
    json!({
        "index": view.index,
        "stack": teller.stack,
        "here": &**teller.here,
        "now_seconds": teller.now.as_secs(),
        what: list,
    })
}

/// The copies of a service, well or not; nothing where there is no such service.
pub fn service(view: &View, name: &str) -> Option<Value> {
    let copies: Vec<Value> = view.service(name).map(|copy| instance(&copy)).collect();
    (!copies.is_empty()).then(|| json!({ "index": view.index, "service": name, "instances": copies }))
}

/// How many are how, and who is not well.
pub fn health(view: &View) -> Value {
    let count = |state: State| view.instances().filter(|instance| instance.state() == state).count();
    let troubles: Vec<Value> = view
        .instances()
        .filter(|instance| instance.state() != State::Passing)
        .map(|instance| {
            json!({
                "host": &*instance.host.name,
                "container": &**instance.name,
                "service": &*instance.container.service,
                "state": instance.state(),
                "output": instance.container.health.output,
            })
        })
        .collect();
    json!({
        "index": view.index,
        "passing": count(State::Passing),
        "warning": count(State::Warning),
        "unknown": count(State::Unknown),
        "critical": count(State::Critical),
        "troubles": troubles,
    })
}

fn member(host: &HostView) -> Value {
    json!({
        "host": &*host.name,
        "address": host.address,
        "state": host.state,
        "round_trip_ms": host.round_trip.map(milliseconds),
        "stale_since_seconds": host.stale_since,
        "version": host.part.version,
    })
}

fn instance(instance: &Instance<'_>) -> Value {
    let container = instance.container;
    json!({
        "container": &**instance.name,
        "host": &*instance.host.name,
        "service": &*container.service,
        "address": container.address,
        "port": container.port,
        "capabilities": container.capabilities,
        "monitor": container.monitor,
        "says": container.says,
        "state": instance.state(),
        "serves": instance.serves(),
        "output": container.health.output,
    })
}

/// With three digits behind the point.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
