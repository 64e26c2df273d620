//! How much one host may say: whoever breaks these is not heard, so that neither a container nor a host can fill the
//! others' memory or the ring.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{Container, Health, MonitoringPoint, Name};

/// The longest announcement, in bytes. Serf sends no user event of more than 512 (`UserEventSizeLimit`), its name and
/// msgpack around it included.
pub const ANNOUNCEMENT_MAX: usize = 440;
/// The longest answer of an owner, in bytes.
pub const ANSWER_MAX: usize = 4 * 1024 * 1024;
/// Containers of one host.
pub const CONTAINERS_MAX: usize = 1024;
/// What is said of one container, in bytes of JSON.
pub const CONTAINER_BYTES_MAX: usize = 4000;
/// Hosts that are known at once; more are not taken in.
pub const HOSTS_MAX: usize = 4096;
/// The output of a check, in bytes.
pub const OUTPUT_MAX: usize = 256;
const LABEL_MAX: usize = 63;
/// Words that one container is looked up by.
pub(crate) const CAPABILITIES_MAX: usize = 32;
/// Monitoring points of one container.
pub(crate) const MONITOR_MAX: usize = 16;
/// Texts of one container.
pub(crate) const SAYS_MAX: usize = 16;
/// One of them, a path, the name of a unit, and the words of a command together, in bytes.
pub(crate) const TEXT_MAX: usize = 256;

/// Whether a part of these containers is within all limits.
pub(super) fn fits(containers: &BTreeMap<Name, Arc<Container>>) -> bool {
    containers.len() <= CONTAINERS_MAX && containers.iter().all(|(name, container)| container_fits(name, container))
}

/// Whether what is said of a container is within all limits.
pub fn container_fits(name: &str, container: &Container) -> bool {
    is_label(name) && content_fits(container)
}

/// The same, whatever it is called.
pub(crate) fn content_fits(container: &Container) -> bool {
    is_label(&container.service)
        && container.capabilities.len() <= CAPABILITIES_MAX
        && container.capabilities.iter().all(|word| is_word(word))
        && container.monitor.len() <= MONITOR_MAX
        && container.monitor.iter().all(monitor_fits)
        && container.says.len() <= SAYS_MAX
        && container.says.iter().all(|(key, text)| is_word(key) && text.len() <= TEXT_MAX)
        && health_fits(&container.health)
        && serde_json::to_vec(container).is_ok_and(|bytes| bytes.len() <= CONTAINER_BYTES_MAX)
}

/// Whether an output is short enough.
pub(super) fn health_fits(health: &Health) -> bool {
    health.output.len() <= OUTPUT_MAX
}

fn monitor_fits(point: &MonitoringPoint) -> bool {
    match point {
        MonitoringPoint::Http(text) | MonitoringPoint::Metrics(text) | MonitoringPoint::Unit(text) => {
            text.len() <= TEXT_MAX
        }
        MonitoringPoint::Exec(words) => words.iter().map(String::len).sum::<usize>() <= TEXT_MAX && words.len() <= 32,
        MonitoringPoint::Tcp(_) | MonitoringPoint::CloudInit => true,
    }
}

/// A DNS label (RFC 1123, section 2.1).
pub(crate) fn is_label(text: &str) -> bool {
    (1..=LABEL_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A word as the file allows it.
pub(crate) fn is_word(text: &str) -> bool {
    text.len() <= LABEL_MAX
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
