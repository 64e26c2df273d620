//! What a container says of itself, and what becomes of it beside the host's word.
//!
//! A container adds; it takes nothing away and renames nothing. Service, address and the port that the file gives are
//! the host's word, and nothing here can change them.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::limits::content_fits;
use crate::catalogue::{Container, Health, MonitoringPoint, Name};
use crate::health::of_container;

/// What people know a container's own word by, in the output of its health.
const OWN_WORD: &str = "its own word";

/// A container of this host, as the host knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Another one means that it is not the container that was called so before: what that one said is forgotten.
    /// Nobody reads it; it should differ at least where the engine made the container anew.
    pub identity: String,
    /// The host's word: what the file declares, and its health as the host's checks see it.
    pub container: Container,
}

/// What a container adds to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Where its service listens; it counts only where the file gives no port.
    pub port: Option<u16>,
    /// More words that others look it up by.
    pub capabilities: BTreeSet<Name>,
    /// More ways to see whether it is well; never a command.
    pub monitor: Vec<MonitoringPoint>,
    /// Short texts by name.
    pub says: BTreeMap<String, String>,
    /// How it is by its own word, which has become critical where it was not renewed in time.
    pub health: Option<Health>,
}

/// What is announced of a container: the host's word and what the container adds. Whatever it has said, the result
/// is within the limits if the host's word is. What was said fitted when it was said; where the host's word has grown
/// since, the output of its health is left out first, and then each piece that does not fit any more.
pub fn merge(declared: &Container, said: &Said) -> Container {
    let whole = together(declared, said);
    if content_fits(&whole) {
        return whole;
    }
    let brief = without_output(whole);
    if content_fits(&brief) {
        return brief;
    }
    let bare = Container { health: brief.health, ..declared.clone() };
    pieces(said).fold(bare, |merged, piece| Some(together(&merged, &piece)).filter(content_fits).unwrap_or(merged))
}

/// All of it, whether it fits or not.
pub(super) fn together(declared: &Container, said: &Said) -> Container {
    let mut container = declared.clone();
    container.port = declared.port.or(said.port);
    container.capabilities.extend(said.capabilities.iter().cloned());
    for point in &said.monitor {
        if !container.monitor.contains(point) {
            container.monitor.push(point.clone());
        }
    }
    for (name, text) in &said.says {
        container.says.entry(name.clone()).or_insert_with(|| text.clone());
    }
    container.health = health(&declared.health, said.health.as_ref());
    container
}

/// The worse of what the checks see and what it says itself: no word makes a failing check good.
fn health(checks: &Health, own: Option<&Health>) -> Health {
    let Some(own) = own else { return checks.clone() };
    let tells_more = own.state == checks.state && checks.output.is_empty() && !own.output.is_empty();
    if own.state > checks.state || tells_more { of_container([(OWN_WORD, own)]) } else { checks.clone() }
}

fn without_output(mut container: Container) -> Container {
    container.health.output.clear();
    container
}

/// Each thing that was said by itself, without its health.
fn pieces(said: &Said) -> impl Iterator<Item = Said> {
    let port = said.port.map(|port| Said { port: Some(port), ..Said::default() });
    let capabilities =
        said.capabilities.iter().map(|word| Said { capabilities: [word.clone()].into(), ..Said::default() });
    let monitor = said.monitor.iter().map(|point| Said { monitor: vec![point.clone()], ..Said::default() });
    let says =
        said.says.iter().map(|(name, text)| Said { says: [(name.clone(), text.clone())].into(), ..Said::default() });
    port.into_iter().chain(capabilities).chain(monitor).chain(says)
}
