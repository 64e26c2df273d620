//! What is announced, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a host, a container or a service: a DNS label (RFC 1123: at most 63 letters, digits and hyphens).
pub type Name = Arc<str>;

/// Which state of a part: the newer of two is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// Grows with each start of the owner's agent, so that what it counted before a crash is older.
    pub epoch: u64,
    /// Grows with each change.
    pub change: u64,
}

/// All that one host says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which state of it.
    pub version: Version,
    /// Its containers, by name; those that did not change are shared with the state before.
    pub containers: BTreeMap<Name, Arc<Container>>,
}

/// What is said of one container. Name, service, address and host are the host's word; the rest is the file's, and what
/// the container adds for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The service of which it is a copy.
    pub service: Name,
    /// Its address on the Neutron network.
    pub address: IpAddr,
    /// The port that the service listens on, where it has one.
    pub port: Option<u16>,
    /// Words that others look it up by.
    pub capabilities: BTreeSet<Name>,
    /// How its health is seen.
    pub monitor: Vec<MonitoringPoint>,
    /// What the container says of itself while it runs: short texts by name.
    pub says: BTreeMap<String, String>,
    /// How it is.
    pub health: Health,
}

/// One way to see whether a container is well. Paths are on the service's port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MonitoringPoint {
    /// A path that answers HTTP with success.
    Http(String),
    /// A TCP port that accepts connections.
    Tcp(u16),
    /// A command in the container that ends with 0.
    Exec(Vec<String>),
    /// A path where metrics are read; it is no check.
    Metrics(String),
    /// A systemd unit of the container that is active.
    Unit(String),
    /// cloud-init of the container has ended clean.
    CloudInit,
}

/// How a container is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// In a word.
    pub state: State,
    /// Why, in words for people: at most 256 bytes.
    pub output: String,
}

/// How a container is, in a word; the worse is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All checks pass.
    Passing,
    /// A check warns.
    Warning,
    /// No check has ended yet, or its host does not answer.
    #[default]
    Unknown,
    /// A check fails.
    Critical,
}

/// Whether a host is there, as the ring says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostState {
    /// It answers.
    Alive,
    /// It did not answer, and several have said so; its containers are not given in answers.
    Failed,
    /// It has said that it leaves.
    Left,
}
