//! The difference between two states of a part.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits;
use super::model::{Container, Health, Name, Version};

/// Exactly which state of a part: its version, and a number that the owner drew for it. A version that somebody else made
/// up, or that the owner counted twice because its clock went back, has another seal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u32)", into = "(u64, u64, u32)")]
pub struct Mark {
    /// Which version.
    pub version: Version,
    /// Drawn by the owner with each version.
    pub seal: u32,
}

impl From<(u64, u64, u32)> for Mark {
    fn from((epoch, change, seal): (u64, u64, u32)) -> Self {
        Self { version: Version { epoch, change }, seal }
    }
}

impl From<Mark> for (u64, u64, u32) {
    fn from(Mark { version, seal }: Mark) -> Self {
        (version.epoch, version.change, seal)
    }
}

/// What is different in a later state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Containers that are new, or of which more is different than their health.
    #[serde(rename = "p", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub put: BTreeMap<Name, Arc<Container>>,
    /// Containers of which nothing but the health is different: most changes are of this kind, and these are short.
    #[serde(rename = "h", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub health: BTreeMap<Name, Health>,
    /// Containers that are gone.
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Name>,
}

/// A change, with the state that it was made in and the one that it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// It is applied to this state and to no other.
    #[serde(rename = "b")]
    pub before: Mark,
    /// Which state comes of it.
    #[serde(rename = "m")]
    pub after: Mark,
    /// What is different.
    #[serde(rename = "c")]
    pub change: Change,
}

impl Change {
    /// What has to be done to `before` to make it `after`; containers that are one and the same are not looked into.
    pub fn between(before: &BTreeMap<Name, Arc<Container>>, after: &BTreeMap<Name, Arc<Container>>) -> Self {
        let mut change = Self::default();
        for (name, container) in after {
            match before.get(name) {
                Some(old) if Arc::ptr_eq(old, container) || old == container => {}
                Some(old) if differ_in_health_alone(old, container) => {
                    change.health.insert(name.clone(), container.health.clone());
                }
                _ => {
                    change.put.insert(name.clone(), container.clone());
                }
            }
        }
        change.gone = before.keys().filter(|name| !after.contains_key(*name)).cloned().collect();
        change
    }

    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.health.is_empty() && self.gone.is_empty()
    }

    /// Does it. `None` where it breaks a limit or speaks of containers that are not there: then it was not made for this
    /// state.
    pub fn apply(&self, before: &BTreeMap<Name, Arc<Container>>) -> Option<BTreeMap<Name, Arc<Container>>> {
        let fit = self.put.iter().all(|(name, container)| limits::container_fits(name, container))
            && self.health.values().all(limits::health_fits);
        if !fit {
            return None;
        }
        let mut after = before.clone();
        for name in &self.gone {
            after.remove(name)?;
        }
        for (name, health) in &self.health {
            let container = after.get_mut(name)?;
            *container = Arc::new(Container { health: health.clone(), ..Container::clone(container) });
        }
        after.extend(self.put.iter().map(|(name, container)| (name.clone(), container.clone())));
        (after.len() <= limits::CONTAINERS_MAX).then_some(after)
    }
}

fn differ_in_health_alone(one: &Container, other: &Container) -> bool {
    let Container { service, address, port, capabilities, monitor, says, health: _ } = one;
    *service == other.service
        && *address == other.address
        && *port == other.port
        && *capabilities == other.capabilities
        && *monitor == other.monitor
        && *says == other.says
}
