//! All that a container says, as it says it, and whether it may.
//!
//! The form is JSON. What is checked here is what the catalogue would check, so that nothing that was taken is lost on its
//! way to others; and what only a container could do wrong, such as wanting to be somebody else.
//!
//! # Why a container cannot have a command run
//!
//! The socket is open to every process of the container, and the engine runs commands as root there: by an `exec` whoever
//! can write to the socket would be root. It would also have the host start processes at a pace that the host bears. A
//! container that wants to be seen by a command runs it itself, and says what came of it as its health, with a time to
//! live. Looking at a unit and at cloud-init are commands too, but of the host's choice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::said::{Said, together};
use crate::catalogue::limits::{CAPABILITIES_MAX, MONITOR_MAX, OUTPUT_MAX, SAYS_MAX, TEXT_MAX, content_fits, is_word};
use crate::catalogue::{Container, Health, MonitoringPoint, Name, State};
use crate::health::cut;

/// Monitoring points of a container's own: its host looks at each of them every few seconds.
pub(super) const MONITOR_ADDED_MAX: usize = 8;
/// The longest time to live, in seconds: a day.
pub(super) const TTL_MAX: u64 = 86_400;

/// What the host says of a container. A field of this name is refused with more than "unknown field".
const HOSTS_WORDS: [&str; 8] = ["name", "container", "service", "address", "host", "identity", "stack", "replicas"];

/// All that a container says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Statement {
    pub(super) port: Option<u16>,
    pub(super) capabilities: BTreeSet<Name>,
    pub(super) monitor: Vec<MonitoringPoint>,
    pub(super) says: BTreeMap<String, String>,
    pub(super) health: Option<Told>,
}

/// How it is, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    pub(super) state: OwnState,
    #[serde(default)]
    pub(super) output: String,
    /// In so many seconds it says so again, or is critical.
    #[serde(default)]
    pub(super) ttl: Option<u64>,
}

/// How a container may say that it is: who speaks is not unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OwnState {
    Passing,
    Warning,
    Critical,
}

/// Whether a health was renewed in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Renewal {
    #[default]
    InTime,
    Late,
}

impl Statement {
    /// What a body says, and nothing else any more.
    pub(super) fn replaced(body: &[u8]) -> Result<Self, Refusal> {
        Self::of(read(body)?)
    }

    /// This, changed as a body says (RFC 7396): what is null is taken back, what is not named stays.
    pub(super) fn merged(&self, body: &[u8]) -> Result<Self, Refusal> {
        let mut document = serde_json::to_value(self).unwrap_or_default();
        patch(&mut document, read(body)?);
        Self::of(document)
    }

    /// This, with another health.
    pub(super) fn with_health(&self, body: &[u8]) -> Result<Self, Refusal> {
        let told: Told = serde_json::from_value(read(body)?).map_err(|error| form(&error))?;
        Self { health: Some(told), ..self.clone() }.tidied()
    }

    fn of(document: Value) -> Result<Self, Refusal> {
        if let Some(object) = document.as_object()
            && let Some(field) = HOSTS_WORDS.into_iter().find(|field| object.contains_key(*field))
        {
            return Err(Refusal::HostsWord { field });
        }
        serde_json::from_value::<Self>(document).map_err(|error| form(&error))?.tidied()
    }

    /// This as it is kept: each point once, and an output that fits. That one is cut rather than refused, since whoever
    /// has much to say of its bad health should be heard.
    fn tidied(mut self) -> Result<Self, Refusal> {
        let mut once = BTreeSet::new();
        self.monitor.retain(|point| once.insert(point.clone()));
        if let Some(told) = &mut self.health {
            let printable: String =
                told.output.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
            cut(&printable).clone_into(&mut told.output);
        }
        self.check_alone().map(|()| self)
    }

    /// Whether it may be said at all.
    pub(super) fn check_alone(&self) -> Result<(), Refusal> {
        if self.port == Some(0) {
            return Err(unfit("port", "a port", 0));
        }
        for word in &self.capabilities {
            check_word("capabilities", word)?;
        }
        for (index, point) in self.monitor.iter().enumerate() {
            check_point(&format!("monitor[{index}]"), point)?;
        }
        for (name, text) in &self.says {
            check_word("says", name)?;
            check_text(&format!("says.{name}"), text)?;
        }
        check_count("capabilities", self.capabilities.len(), CAPABILITIES_MAX)?;
        check_count("monitoring points of its own", self.monitor.len(), MONITOR_ADDED_MAX)?;
        check_count("texts", self.says.len(), SAYS_MAX)?;
        if let Some(told) = &self.health {
            check_length("health.output", &told.output, OUTPUT_MAX)?;
            if let Some(ttl) = told.ttl.filter(|ttl| !(1..=TTL_MAX).contains(ttl)) {
                return Err(unfit("health.ttl", "a number of seconds from 1 to 86400", ttl));
            }
        }
        Ok(())
    }

    /// Whether it may be said beside what the host says of this container.
    pub(super) fn check_beside(&self, declared: &Container) -> Result<(), Refusal> {
        if let (Some(said), Some(declared)) = (self.port, declared.port)
            && said != declared
        {
            return Err(Refusal::Port { declared });
        }
        for point in &self.monitor {
            if let MonitoringPoint::Http(path) | MonitoringPoint::Metrics(path) = point
                && self.port.or(declared.port).is_none()
            {
                return Err(Refusal::NoPort { path: path.clone() });
            }
        }
        let added = self.said(Renewal::InTime);
        if added == (Said { health: added.health.clone(), ..Said::default() }) {
            // Whatever the file says, a container can tell how it is.
            return Ok(());
        }
        let mut whole = together(declared, &added);
        check_count("capabilities", whole.capabilities.len(), CAPABILITIES_MAX)?;
        check_count("monitoring points", whole.monitor.len(), MONITOR_MAX)?;
        check_count("texts", whole.says.len(), SAYS_MAX)?;
        // Room is left for what its checks will say: each of its line ends is two bytes of JSON.
        whole.health.output = "\n".repeat(OUTPUT_MAX);
        if content_fits(&whole) { Ok(()) } else { Err(Refusal::Much) }
    }

    /// What it comes to.
    pub(super) fn said(&self, renewal: Renewal) -> Said {
        Said {
            port: self.port,
            capabilities: self.capabilities.clone(),
            monitor: self.monitor.clone(),
            says: self.says.clone(),
            health: self.health.as_ref().map(|told| told.health(renewal)),
        }
    }
}

impl Told {
    fn health(&self, renewal: Renewal) -> Health {
        let (state, word) = match self.state {
            OwnState::Passing => (State::Passing, "passing"),
            OwnState::Warning => (State::Warning, "warning"),
            OwnState::Critical => (State::Critical, "critical"),
        };
        match (renewal, self.ttl) {
            (Renewal::Late, Some(ttl)) => {
                let last = if self.output.is_empty() { word.to_owned() } else { format!("{word}: {}", self.output) };
                let output = format!("not renewed in {ttl} s; its last word was {last}");
                Health { state: State::Critical, output: cut(&output).to_owned() }
            }
            _ => Health { state, output: self.output.clone() },
        }
    }
}

fn read(body: &[u8]) -> Result<Value, Refusal> {
    match serde_json::from_slice(body).map_err(Refusal::NotJson)? {
        object @ Value::Object(_) => Ok(object),
        _ => Err(Refusal::Form("it is no object".to_owned())),
    }
}

/// RFC 7396, section 2.
fn patch(target: &mut Value, change: Value) {
    let Value::Object(change) = change else {
        *target = change;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, value) in change {
        if value.is_null() {
            fields.remove(&name);
        } else {
            patch(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn check_point(place: &str, point: &MonitoringPoint) -> Result<(), Refusal> {
    match point {
        MonitoringPoint::Exec(_) => Err(Refusal::Exec),
        MonitoringPoint::Tcp(0) => Err(unfit(&format!("{place}.tcp"), "a port", 0)),
        MonitoringPoint::Tcp(_) | MonitoringPoint::CloudInit => Ok(()),
        MonitoringPoint::Http(path) => check_path(&format!("{place}.http"), path),
        MonitoringPoint::Metrics(path) => check_path(&format!("{place}.metrics"), path),
        MonitoringPoint::Unit(unit) => check_unit(&format!("{place}.unit"), unit),
    }
}

fn check_word(place: &str, word: &str) -> Result<(), Refusal> {
    if is_word(word) {
        return Ok(());
    }
    Err(unfit(
        place,
        "a word of at most 63 letters, digits, `.`, `_` and `-` that begins with one of the first two",
        word,
    ))
}

fn check_path(place: &str, path: &str) -> Result<(), Refusal> {
    check_length(place, path, TEXT_MAX)?;
    let fits = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err(unfit(place, "a path that begins with `/`, without blanks", path)) }
}

/// The name of a unit as systemd.unit(5) has it, with its type.
fn check_unit(place: &str, unit: &str) -> Result<(), Refusal> {
    check_length(place, unit, TEXT_MAX)?;
    let fits = unit.starts_with(|first: char| first.is_ascii_alphanumeric())
        && unit.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte));
    if fits { Ok(()) } else { Err(unfit(place, "the name of a systemd unit", unit)) }
}

fn check_text(place: &str, text: &str) -> Result<(), Refusal> {
    check_length(place, text, TEXT_MAX)?;
    if text.chars().any(char::is_control) { Err(unfit(place, "a text of one line", text)) } else { Ok(()) }
}

fn check_length(place: &str, text: &str, most: usize) -> Result<(), Refusal> {
    let bytes = text.len();
    if bytes > most { Err(Refusal::Long { place: place.to_owned(), bytes, most }) } else { Ok(()) }
}

fn check_count(what: &'static str, count: usize, most: usize) -> Result<(), Refusal> {
    if count > most { Err(Refusal::Many { what, count, most }) } else { Ok(()) }
}

fn unfit(place: &str, expected: &'static str, text: impl Display) -> Refusal {
    Refusal::Unfit { place: place.to_owned(), expected, text: cut(&text.to_string()).to_owned() }
}

fn form(error: &serde_json::Error) -> Refusal {
    Refusal::Form(error.to_string())
}
