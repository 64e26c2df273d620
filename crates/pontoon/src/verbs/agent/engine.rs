//! The engine of this host, as the agent wants it: LXD or Incus behind a unix socket.
//!
//! A container is one of the stack's by the key that it was made with; what the file says of it was written beside the
//! key. What it says elsewhere, such as its addresses inside, is not asked for: that costs the engine a look into each.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pontoon_agent::catalogue::Name;
use pontoon_agent::daemon::{Announced, Engine, Running, Silence};
use pontoon_agent::health::Outcome;
use pontoon_agent::health::probe::{Inside, Look};
use pontoon_cloud::lxd::{Client, EventKind, EventType, Instance, LxdError, UnixSocket};
use pontoon_cloud::site::chain;
use pontoon_core::key::{Key, Kind};
use pontoon_core::render::{ADDRESS_CONFIG as ADDRESS, ANNOUNCE_CONFIG as ANNOUNCE, KEY_CONFIG as KEY};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::look::Looks;

/// The engine's own number of an instance.
const UUID: &str = "volatile.uuid";
/// The status of one that runs.
const RUNNING: u16 = 103;
/// How long to wait before events are listened for again: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Events of instances that say nothing of whether they run, and how: those that looks into them cause.
const IDLE_EVENTS: [&str; 4] = ["instance-exec", "instance-log", "instance-file", "instance-console"];

/// The engine behind the first of its sockets that is there.
pub(super) struct Lxd {
    client: Client,
    stack: String,
    looks: Looks,
    /// What was wrong with an instance when it was looked at last: it is said once, and not at each look.
    complaints: Mutex<BTreeMap<String, String>>,
}

impl Lxd {
    pub(super) fn new(stack: String, sockets: Vec<PathBuf>) -> Self {
        let client = Client::new(UnixSocket::first_of(sockets));
        Self { looks: Looks::new(client.clone()), client, stack, complaints: Mutex::default() }
    }

    /// What runs of the stack; what is odd about it is said where it is new.
    fn of_the_stack(&self, instances: Vec<Instance>) -> BTreeMap<Name, Running> {
        let mut complaints = BTreeMap::new();
        let mut containers = BTreeMap::new();
        for instance in instances.into_iter().filter(|instance| instance.status_code == RUNNING) {
            // A copy that somebody made of a container has its key and another name.
            let key = Key::new(&self.stack, Kind::Container, &instance.name).to_string();
            if instance.expanded_config.get(KEY) != Some(&key) {
                continue;
            }
            match running(&instance) {
                Ok(running) => {
                    containers.insert(instance.name.as_str().into(), running);
                }
                Err(complaint) => {
                    complaints.insert(instance.name.clone(), complaint);
                }
            }
        }
        let mut known = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        for (instance, complaint) in &complaints {
            if known.get(instance) != Some(complaint) {
                tracing::warn!(container = instance, complaint, "it runs, and cannot be announced");
            }
        }
        *known = complaints;
        containers
    }
}

impl Engine for Lxd {
    async fn running(&self) -> Result<BTreeMap<Name, Running>, Silence> {
        let instances = self.client.instances().await.map_err(|error| silence(&error))?;
        Ok(self.of_the_stack(instances))
    }

    async fn wake(&self, wake: &Notify) {
        let mut wait = FIRST_WAIT;
        loop {
            match self.client.events(&[EventType::Lifecycle]).await {
                Ok(mut events) => {
                    wait = FIRST_WAIT;
                    // What happened before nobody has told.
                    wake.notify_one();
                    while let Some(Ok(event)) = events.next().await {
                        if matters(&event.kind) {
                            wake.notify_one();
                        }
                    }
                    wake.notify_one();
                }
                Err(error) => tracing::debug!(error = chain(&error), "no events of the engine"),
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

impl Inside for Lxd {
    async fn look(&self, container: &str, what: Look<'_>) -> Outcome {
        self.looks.look(container, what).await
    }
}

/// What the configuration of an instance says of it, or what is wrong with that.
fn running(instance: &Instance) -> Result<Running, String> {
    let config = &instance.expanded_config;
    let address = config.get(ADDRESS).ok_or_else(|| format!("`{ADDRESS}` is not set"))?;
    let address: IpAddr = address.parse().map_err(|_| format!("`{ADDRESS}` is `{address}`, which is no address"))?;
    let service = instance.profiles.last().ok_or("it has no profile, which would name its service")?;
    let announced = match config.get(ANNOUNCE) {
        Some(text) => Announced::parse(text).map_err(|error| format!("`{ANNOUNCE}` cannot be read: {error}"))?,
        None => Announced::default(),
    };
    // Own configuration: profiles have no numbers of instances.
    let identity = instance.config.get(UUID).unwrap_or(&instance.created_at).clone();
    Ok(Running { service: service.as_str().into(), address, identity, announced })
}

/// Whether something may run, or no longer, or otherwise.
fn matters(event: &EventKind) -> bool {
    let EventKind::Lifecycle { action, .. } = event else { return false };
    let of_interest = action.starts_with("instance-") || action.starts_with("profile-");
    of_interest && !IDLE_EVENTS.iter().any(|idle| action.starts_with(idle))
}

fn silence(error: &LxdError) -> Silence {
    Silence { reason: chain(error) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn instance(name: &str, status: u16, config: &[(&str, &str)], profiles: &[&str]) -> Instance {
        let config: BTreeMap<&str, &str> = config.iter().copied().collect();
        serde_json::from_value(serde_json::json!({
            "name": name, "status_code": status, "expanded_config": config, "config": {UUID: "u1"}, "profiles": profiles,
        }))
        .unwrap()
    }

    #[test]
    fn containers_of_the_stack_that_run_are_known_with_what_their_service_announces() {
        let engine = Lxd::new("blog".to_owned(), Vec::new());
        let key = (KEY, "pontoon:blog:container/hugo-0");
        let address = (ADDRESS, "192.168.0.100");
        let announce = (ANNOUNCE, r#"{"capabilities": ["blog"], "monitor": [{"http": "/"}], "port": 8080}"#);
        let found = engine.of_the_stack(vec![
            instance("hugo-0", RUNNING, &[key, address, announce], &["default", "hugo"]),
            instance("copy", RUNNING, &[key, address], &["hugo"]),
            instance("other", RUNNING, &[(KEY, "pontoon:shop:container/other"), address], &["web"]),
            instance("hugo-1", 102, &[(KEY, "pontoon:blog:container/hugo-1"), address], &["hugo"]),
            instance("hugo-2", RUNNING, &[(KEY, "pontoon:blog:container/hugo-2"), (ADDRESS, "here")], &["hugo"]),
            instance("hugo-3", RUNNING, &[(KEY, "pontoon:blog:container/hugo-3")], &["hugo"]),
            instance("somebodys", RUNNING, &[], &["default"]),
        ]);
        assert_eq!(found.keys().map(|name| &**name).collect::<Vec<_>>(), ["hugo-0"]);
        let hugo = found.get("hugo-0").unwrap();
        assert_eq!((&*hugo.service, hugo.announced.port, &*hugo.identity), ("hugo", Some(8080), "u1"));
        let complaints = engine.complaints.lock().unwrap().clone();
        assert_eq!(complaints.get("hugo-2").unwrap(), "`user.pontoon.address` is `here`, which is no address");
        assert_eq!(complaints.get("hugo-3").unwrap(), "`user.pontoon.address` is not set");
    }

    #[test]
    fn a_look_into_a_container_is_no_reason_to_look_at_all_of_them() {
        let lifecycle = |action: &str| EventKind::Lifecycle {
            action: action.to_owned(),
            source: String::new(),
            context: serde_json::Value::Null,
        };
        assert!(matters(&lifecycle("instance-started")));
        assert!(matters(&lifecycle("instance-shutdown")));
        assert!(matters(&lifecycle("profile-updated")));
        assert!(!matters(&lifecycle("instance-exec")));
        assert!(!matters(&lifecycle("instance-log-retrieved")));
        assert!(!matters(&lifecycle("image-created")));
    }
}
