//! What Prometheus reads: the agent's own numbers, and where those of the services are.
//!
//! Sources: the text format and HTTP service discovery, as Prometheus' documentation describes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::catalogue::{HostState, MonitoringPoint, State, View};

/// The content type of the text format.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One target for each path where metrics are read. Those that are not well are among them, since a monitor is to see
/// that; those whose host has left are not.
pub fn targets(view: &View) -> Value {
    let mut groups = Vec::new();
    for instance in view.instances().filter(|instance| instance.host.state != HostState::Left) {
        let container = instance.container;
        let Some(port) = container.port else { continue };
        for point in &container.monitor {
            let MonitoringPoint::Metrics(path) = point else { continue };
            // Commas around each, as Prometheus does with Consul's tags: `.*,blog,.*` finds one whole.
            let capabilities: String = container.capabilities.iter().fold(",".to_owned(), |all, word| all + word + ",");
            groups.push(json!({
                "targets": [SocketAddr::new(container.address, port).to_string()],
                "labels": {
                    "__metrics_path__": path,
                    "service": &*container.service,
                    "container": &**instance.name,
                    "host": &*instance.host.name,
                    "capability": if container.capabilities.is_empty() { String::new() } else { capabilities },
                },
            }));
        }
    }
    Value::from(groups)
}

/// The agent's numbers. `waiting` is how many requests wait for a change.
pub fn metrics(view: &View, waiting: usize) -> String {
    let mut hosts = BTreeMap::from([(HostState::Alive, 0), (HostState::Failed, 0), (HostState::Left, 0)]);
    for host in view.hosts.values() {
        *hosts.entry(host.state).or_default() += 1;
    }
    let states = [State::Passing, State::Warning, State::Unknown, State::Critical];
    let mut containers: BTreeMap<State, usize> = states.map(|state| (state, 0)).into();
    for instance in view.instances() {
        *containers.entry(instance.state()).or_default() += 1;
    }

    let mut text = String::new();
    family(&mut text, "pontoon_catalogue_index", "The number of the view that is answered from.", "gauge");
    line(&mut text, "pontoon_catalogue_index", "", view.index);
    family(&mut text, "pontoon_catalogue_services", "The services that are known.", "gauge");
    line(&mut text, "pontoon_catalogue_services", "", view.service_names().count());
    family(&mut text, "pontoon_catalogue_hosts", "The hosts that are known, by state.", "gauge");
    for (state, count) in hosts {
        let state = match state {
            HostState::Alive => "alive",
            HostState::Failed => "failed",
            HostState::Left => "left",
        };
        line(&mut text, "pontoon_catalogue_hosts", &format!("{{state=\"{state}\"}}"), count);
    }
    family(&mut text, "pontoon_catalogue_containers", "The containers that are known, by state.", "gauge");
    for (state, count) in containers {
        let state = match state {
            State::Passing => "passing",
            State::Warning => "warning",
            State::Unknown => "unknown",
            State::Critical => "critical",
        };
        line(&mut text, "pontoon_catalogue_containers", &format!("{{state=\"{state}\"}}"), count);
    }
    family(&mut text, "pontoon_http_waiting", "Requests and streams that wait for a change.", "gauge");
    line(&mut text, "pontoon_http_waiting", "", waiting);
    text
}

fn family(text: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "{name}{labels} {value}");
}
