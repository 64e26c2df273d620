//! The part of Consul's catalogue and health API that clients read. Pure: a view in, a document out.
//!
//! | Consul | here |
//! |---|---|
//! | datacenter | the stack |
//! | node | a host |
//! | service instance | a container: its id is the container's name, its tags are the capabilities |
//! | node check `serfHealth` | whether the host answers |
//! | service check `service:ID` | how the container is; what is unknown is `critical`, as a new check is in Consul |
//! | meta | what the container says of itself |
//!
//! Sources: Consul's public API documentation, and what Prometheus' `consul_sd`, python-consul, consul-template and Traefik
//! read. Fields that only writers need, and indices of single objects, are left out.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::parameters::Parameters;
use crate::catalogue::{HostState, HostView, Instance, State, View};

/// How the node check is called.
const NODE_CHECK: &str = "serfHealth";

/// What stands in every answer: the name of the datacenter.
#[derive(Clone, Copy, Debug)]
pub struct Consul<'a> {
    /// The stack's name.
    pub datacenter: &'a str,
    /// What is answered from.
    pub view: &'a View,
}

impl Consul<'_> {
    /// `/v1/agent/self`: whom one talks to.
    pub fn agent(&self, here: &str) -> Value {
        let address = self.view.hosts.get(here).map(|host| host.address);
        json!({
            "Config": {
                "Datacenter": self.datacenter,
                "NodeName": here,
                "Server": false,
                "Version": env!("CARGO_PKG_VERSION"),
                "Revision": "",
            },
            "Member": { "Name": here, "Addr": address, "Status": 1, "Tags": { "dc": self.datacenter } },
            "Meta": {},
        })
    }

    /// `/v1/status/leader`: nobody is elected, so whoever is asked leads. Clients only look whether it is empty.
    pub fn leader(&self, here: &str) -> Value {
        const PORT_OF_SERVERS: u16 = 8300;
        let address = self.view.hosts.get(here).map(|host| std::net::SocketAddr::new(host.address, PORT_OF_SERVERS));
        Value::from(address.map(|address| address.to_string()).unwrap_or_default())
    }

    /// `/v1/catalog/nodes`.
    pub fn nodes(&self) -> Value {
        self.view.hosts.values().filter(|host| is_listed(host)).map(|host| self.node(host)).collect()
    }

    /// `/v1/catalog/services`: each with all tags of its instances.
    pub fn services(&self) -> Value {
        let services = self.view.service_names().filter_map(|name| {
            let mut tags = BTreeSet::new();
            let mut is_known = false;
            for copy in self.view.service(name).filter(|copy| is_listed(copy.host)) {
                is_known = true;
                tags.extend(copy.container.capabilities.iter().map(|word| &**word));
            }
            is_known.then(|| (name.to_string(), Value::from_iter(tags)))
        });
        Value::Object(services.collect::<Map<_, _>>())
    }

    /// `/v1/catalog/service/NAME`: its instances, well or not.
    pub fn service(&self, name: &str, parameters: &Parameters) -> Value {
        self.copies(name, parameters)
            .map(|copy| {
                let mut fields = self.node(copy.host);
                if let Some(fields) = fields.as_object_mut() {
                    let meta = fields.remove("Meta").unwrap_or_default();
                    fields.insert("NodeMeta".to_owned(), meta);
                    for (key, value) in service_fields(&copy) {
                        let prefixed =
                            if key == "Service" { "ServiceName".to_owned() } else { format!("Service{key}") };
                        fields.insert(prefixed, value);
                    }
                }
                fields
            })
            .collect()
    }

    /// `/v1/catalog/node/NAME`; `null` where there is no such node.
    pub fn one_node(&self, name: &str) -> Value {
        let Some(host) = self.listed(name) else { return Value::Null };
        let services: Map<String, Value> = containers(host)
            .map(|copy| (copy.name.to_string(), Value::Object(service_fields(&copy).into_iter().collect())))
            .collect();
        json!({ "Node": self.node(host), "Services": services })
    }

    /// `/v1/health/service/NAME`: its instances with their checks; with `passing` only those whose checks all pass.
    pub fn health_of_service(&self, name: &str, parameters: &Parameters) -> Value {
        let only_passing = parameters.is_on("passing");
        self.copies(name, parameters)
            .filter(|copy| !only_passing || status(copy) == "passing")
            .map(|copy| {
                json!({
                    "Node": self.node(copy.host),
                    "Service": Value::Object(service_fields(&copy).into_iter().collect()),
                    "Checks": [node_check(copy.host), service_check(&copy)],
                })
            })
            .collect()
    }

    /// `/v1/health/node/NAME`: the checks of a node and of all on it.
    pub fn health_of_node(&self, name: &str) -> Value {
        self.listed(name).into_iter().flat_map(checks).collect()
    }

    /// `/v1/health/checks/NAME`: the checks of a service.
    pub fn checks_of_service(&self, name: &str, parameters: &Parameters) -> Value {
        self.copies(name, parameters).map(|copy| service_check(&copy)).collect()
    }

    /// `/v1/health/state/STATE`: the checks in that state, or `any`.
    pub fn checks_in_state(&self, state: &str) -> Value {
        let hosts = self.view.hosts.values().filter(|host| is_listed(host));
        hosts
            .flat_map(|host| checks(host))
            .filter(|check| state == "any" || check.get("Status").and_then(Value::as_str) == Some(state))
            .collect()
    }

    /// The instances of a service that have all the tags asked for.
    fn copies<'a>(&'a self, name: &'a str, parameters: &'a Parameters) -> impl Iterator<Item = Instance<'a>> {
        self.view
            .service(name)
            .filter(|copy| is_listed(copy.host))
            .filter(move |copy| parameters.all("tag").all(|tag| copy.container.capabilities.contains(tag)))
    }

    fn listed(&self, name: &str) -> Option<&HostView> {
        self.view.hosts.get(name).map(|host| &**host).filter(|host| is_listed(host))
    }

    fn node(&self, host: &HostView) -> Value {
        json!({
            "ID": "",
            "Node": &*host.name,
            "Address": host.address,
            "Datacenter": self.datacenter,
            "TaggedAddresses": { "lan": host.address, "wan": host.address },
            "Meta": {},
        })
    }
}

/// A node that has left is deregistered; one that failed stays, and its checks are critical.
fn is_listed(host: &HostView) -> bool {
    host.state != HostState::Left
}

fn containers(host: &HostView) -> impl Iterator<Item = Instance<'_>> {
    host.part.containers.iter().map(|(name, container)| Instance { host, name, container })
}

/// The fields of an instance. The catalogue writes `Service` before each of them.
fn service_fields(copy: &Instance<'_>) -> [(String, Value); 8] {
    let container = copy.container;
    let fields = [
        ("ID", json!(&**copy.name)),
        ("Service", json!(&*container.service)),
        ("Tags", json!(container.capabilities)),
        ("Address", json!(container.address)),
        ("Port", json!(container.port.unwrap_or(0))),
        ("Meta", json!(container.says)),
        ("Weights", json!({ "Passing": 1, "Warning": 1 })),
        ("EnableTagOverride", json!(false)),
    ];
    fields.map(|(key, value)| (key.to_owned(), value))
}

fn checks(host: &HostView) -> Vec<Value> {
    std::iter::once(node_check(host)).chain(containers(host).map(|copy| service_check(&copy))).collect()
}

fn node_check(host: &HostView) -> Value {
    let (status, output) = match host.state {
        HostState::Alive => ("passing", "the host answers"),
        HostState::Failed | HostState::Left => ("critical", "the host does not answer"),
    };
    json!({
        "Node": &*host.name,
        "CheckID": NODE_CHECK,
        "Name": "Serf Health Status",
        "Status": status,
        "Notes": "",
        "Output": output,
        "ServiceID": "",
        "ServiceName": "",
        "ServiceTags": [],
        "Type": "",
        "Definition": {},
    })
}

fn service_check(copy: &Instance<'_>) -> Value {
    json!({
        "Node": &*copy.host.name,
        "CheckID": format!("service:{}", copy.name),
        "Name": format!("How `{}` is", copy.name),
        "Status": status(copy),
        "Notes": "",
        "Output": copy.container.health.output,
        "ServiceID": &**copy.name,
        "ServiceName": &*copy.container.service,
        "ServiceTags": copy.container.capabilities,
        "Type": "ttl",
        "Definition": {},
    })
}

fn status(copy: &Instance<'_>) -> &'static str {
    match copy.state() {
        State::Passing => "passing",
        State::Warning => "warning",
        State::Unknown | State::Critical => "critical",
    }
}
