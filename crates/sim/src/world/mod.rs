//! The world: every object of the cloud as plain data, and the rules that the services keep.
//!
//! Nothing here waits, reads a clock, opens a socket or knows HTTP. Time comes in as an argument; [`World::advance`] moves
//! the states whose time has come. A rule that says no answers with a [`Refusal`], which each dialect writes in its own
//! body form.

pub mod balancer;
pub mod balancer_change;
pub mod compute;
pub mod faults;
pub mod floating;
pub mod identity;
pub mod image;
pub mod network;
pub mod port;
pub mod quota;
pub mod router;
pub mod security;
pub mod seed;

use crate::config::{Console, Delays, Quotas};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::Duration;

/// The attributes of one object as a request carries them.
pub type Attributes = Map<String, Value>;

/// Objects of one kind by id, in the order of their creation.
pub type Table<T> = IndexMap<String, T>;

/// Everything the cloud knows. It is written to the state file as it stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct World {
    /// Keystone.
    pub projects: Table<identity::Project>,
    /// Keystone.
    pub users: Table<identity::User>,
    /// Keystone; by the token itself.
    pub tokens: Table<identity::Token>,
    /// Keystone.
    pub application_credentials: Table<identity::ApplicationCredential>,
    /// Glance.
    pub images: Table<image::Image>,
    /// Nova.
    pub flavors: Table<compute::Flavor>,
    /// Nova; by owner and name.
    pub keypairs: Table<compute::Keypair>,
    /// Nova.
    pub servers: Table<compute::Server>,
    /// Nova.
    pub server_groups: Table<compute::ServerGroup>,
    /// Neutron.
    pub networks: Table<network::Network>,
    /// Neutron.
    pub subnets: Table<network::Subnet>,
    /// Neutron.
    pub ports: Table<port::Port>,
    /// Neutron.
    pub security_groups: Table<security::SecurityGroup>,
    /// Neutron.
    pub security_group_rules: Table<security::Rule>,
    /// Neutron.
    pub routers: Table<router::Router>,
    /// Neutron.
    pub floatingips: Table<floating::FloatingIp>,
    /// Octavia.
    pub loadbalancers: Table<balancer::LoadBalancer>,
    /// Octavia.
    pub listeners: Table<balancer::Listener>,
    /// Octavia.
    pub pools: Table<balancer::Pool>,
    /// Octavia; all pools' members in one table.
    pub members: Table<balancer::Member>,
    /// Octavia.
    pub healthmonitors: Table<balancer::HealthMonitor>,
    /// What will happen later by itself.
    pub pending: Vec<Pending>,
    /// Settings of this start, not of the world: they are never saved.
    #[serde(skip)]
    pub settings: Settings,
    /// The moment of the last [`World::advance`].
    #[serde(skip)]
    pub now: Timestamp,
}

/// The settings that the rules read.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How long a state takes.
    pub delays: Option<Delays>,
    /// Limits a project.
    pub quotas: Quotas,
    /// Neutron's extension aliases that are on.
    pub extensions: BTreeSet<String>,
    /// Octavia's newest minor version.
    pub octavia_minor: u8,
    /// Octavia's providers, the first being its own choice.
    pub octavia_providers: Vec<String>,
    /// Whether Nova shows consoles.
    pub console: Console,
    /// Faults to come, and the requests so far.
    pub faults: faults::Faults,
}

impl Settings {
    /// The delays, zero where none were set.
    pub fn delays(&self) -> Delays {
        self.delays.unwrap_or(Delays::zero())
    }
}

/// A change of state and the moment it is due.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pending {
    /// When.
    pub at: Timestamp,
    /// What.
    pub change: Change,
}

/// What changes by itself when its time has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The server of this id is built and becomes ACTIVE.
    ServerBuilt(String),
    /// The server of this id is gone.
    ServerGone(String),
    /// What is pending in the balancer of this id settles.
    BalancerSettled(String),
}

/// Who asks: the user and the project of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user's id.
    pub user_id: String,
    /// The project's id.
    pub project_id: String,
}

/// What objects of nearly every service share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The id, a UUID.
    pub id: String,
    /// The name; not unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The owner.
    pub project_id: String,
    /// Tags in the order given.
    pub tags: Vec<String>,
    /// To the second.
    pub created_at: Timestamp,
    /// To the second.
    pub updated_at: Timestamp,
    /// Counts changes, from 0; Neutron compares it with `If-Match`.
    pub revision_number: u64,
}

impl Meta {
    /// A new object of `project_id`, born at `now`.
    pub fn new(project_id: &str, now: Timestamp) -> Self {
        let now = whole_seconds(now);
        Self {
            id: new_id(),
            name: String::new(),
            description: String::new(),
            project_id: project_id.to_owned(),
            tags: Vec::new(),
            created_at: now,
            updated_at: now,
            revision_number: 0,
        }
    }

    /// Notes a change.
    pub fn touch(&mut self, now: Timestamp) {
        self.updated_at = whole_seconds(now);
        self.revision_number += 1;
    }
}

/// A rule that said no, in the owning service's terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP status that the real service answers with.
    pub status: u16,
    /// The name of the real service's error class.
    pub kind: &'static str,
    /// The real service's words as far as clients read them.
    pub message: String,
}

impl Refusal {
    /// A refusal in full.
    pub fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into() }
    }

    /// The thing of this id is not there, or not for this caller.
    pub fn not_found(kind: &'static str, what: &str, id: &str) -> Self {
        Self::new(404, kind, format!("{what} {id} could not be found."))
    }

    /// The request makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "HTTPBadRequest", message)
    }

    /// The named policy forbids it; that of an attribute is asked together with that of its action.
    pub fn policy(rule: &str) -> Self {
        let whole = match rule.split_once(':') {
            Some((action, _)) => format!("(rule:{action} and rule:{rule})"),
            None => format!("rule:{rule}"),
        };
        Self::new(403, "PolicyNotAuthorized", format!("{whole} is disallowed by policy"))
    }

    /// A request for a new object without an attribute that it needs.
    pub fn missing_attribute(name: &str) -> Self {
        Self::invalid(format!("Failed to parse request. Required attribute '{name}' not specified"))
    }
}

impl World {
    /// Moves every state whose time has come by `now`, in order of time, and says whether anything changed.
    pub fn advance(&mut self, now: Timestamp) -> bool {
        self.now = now;
        let mut due: Vec<Pending> = self.pending.extract_if(.., |pending| pending.at <= now).collect();
        due.sort_by_key(|pending| pending.at);
        let changed = !due.is_empty();
        for Pending { change, .. } in due {
            match change {
                Change::ServerBuilt(id) => self.server_built(&id),
                Change::ServerGone(id) => self.server_gone(&id),
                Change::BalancerSettled(id) => self.balancer_settled(&id),
            }
        }
        changed
    }

    /// When the next state moves by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.pending.iter().map(|pending| pending.at).min()
    }

    /// Lets `change` happen `delay` from now.
    pub(crate) fn later(&mut self, delay: Duration, change: Change) {
        let at = self.now.checked_add(delay).unwrap_or(self.now);
        self.pending.push(Pending { at, change });
    }
}

/// A new object: `defaults` with the attributes of a request laid over them. Only `allowed` ones may be given.
pub fn overlay<T: Serialize + DeserializeOwned>(
    defaults: &T,
    given: &Attributes,
    allowed: &[&str],
) -> Result<T, Refusal> {
    let unknown: Vec<&str> = given.keys().map(String::as_str).filter(|key| !allowed.contains(key)).collect();
    if !unknown.is_empty() {
        return Err(Refusal::invalid(format!("Unrecognized attribute(s) '{}'", unknown.join(", "))));
    }
    let mut whole = serde_json::to_value(defaults).map_err(|error| Refusal::invalid(error.to_string()))?;
    if let Value::Object(map) = &mut whole {
        for (key, value) in given {
            // The services read a null where they know a default as "not given".
            let keeps_default = value.is_null() && map.get(key).is_some_and(|old| !old.is_null() && !nullable(key));
            if !keeps_default {
                map.insert(key.clone(), value.clone());
            }
        }
    }
    serde_json::from_value(whole).map_err(|error| Refusal::invalid(format!("Invalid input: {error}.")))
}

/// Attributes that a null really clears.
fn nullable(key: &str) -> bool {
    matches!(
        key,
        "gateway_ip"
            | "external_gateway_info"
            | "port_id"
            | "fixed_ip_address"
            | "default_pool_id"
            | "session_persistence"
            | "remote_ip_prefix"
            | "remote_group_id"
            | "monitor_address"
            | "monitor_port"
    )
}

/// The text of an attribute that a new object needs (Neutron).
pub fn required<'a>(given: &'a Attributes, key: &str) -> Result<&'a str, Refusal> {
    text(given, key).ok_or_else(|| Refusal::missing_attribute(key))
}

/// The text of a string attribute.
pub fn text<'a>(given: &'a Attributes, key: &str) -> Option<&'a str> {
    given.get(key).and_then(Value::as_str)
}

/// A new random UUID, in text.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The services show whole seconds.
pub fn whole_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}
