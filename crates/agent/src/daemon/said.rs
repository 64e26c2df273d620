//! What containers say of themselves, as it comes from where they are heard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalogue::limits::container_fits;
use crate::catalogue::{Container, Health, MonitoringPoint, Name};

/// What each container of this host that has said something says.
pub(super) type Words = BTreeMap<Name, Arc<Said>>;

/// A container of this host, as the host knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declared {
    /// Another one means that it is not the container that was called so before.
    pub(super) identity: String,
    /// The host's word: what the file declares, and its health as the host's checks see it.
    pub(super) container: Container,
}

/// What a container adds to the host's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Where its service listens; it counts only where the file gives no port.
    pub(super) port: Option<u16>,
    /// More words that others look it up by.
    pub(super) capabilities: BTreeSet<Name>,
    /// More ways to see whether it is well; never a command.
    pub(super) monitor: Vec<MonitoringPoint>,
    /// Short texts by name.
    pub(super) says: BTreeMap<String, String>,
    /// How it is by its own word.
    pub(super) health: Option<Health>,
}

/// What is announced of a container: the host's word and what it adds, where that is within the limits.
pub(super) fn merge(name: &str, declared: &Container, said: &Said) -> Container {
    let mut container = declared.clone();
    container.port = declared.port.or(said.port);
    container.capabilities.extend(said.capabilities.iter().cloned());
    container.monitor.extend(said.monitor.iter().filter(|point| !declared.monitor.contains(point)).cloned());
    container.says.extend(said.says.clone());
    if let Some(own) = said.health.as_ref().filter(|own| own.state > declared.health.state) {
        container.health = own.clone();
    }
    if container_fits(name, &container) { container } else { declared.clone() }
}
