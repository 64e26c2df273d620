//! What the agent is told by files: `agent.json`, and the seeds beside it. Nothing is begun here.
//!
//! The files are written by whoever installs the agent. What is unknown in them is ignored, so that an older agent reads
//! what is meant for a newer one; what is wrong is said with its file, line and field.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};
use thiserror::Error;

use super::address::{self, AddressError};
use crate::catalogue::Name;
use crate::catalogue::limits::is_label;

/// Where the settings are, unless somebody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/pontoon/agent.json";

/// What is said of one host's agent.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// The stack; names below `<stack>.internal` are answered.
    #[serde(deserialize_with = "label")]
    pub stack: String,
    /// This host, by its name in the ring.
    #[serde(deserialize_with = "label")]
    pub host: String,
    /// The interface on whose address the agent listens.
    #[serde(default = "bridge")]
    pub bridge: String,
    /// An address in its place.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The stack's networks: who is answered, and whose reverse names are.
    #[serde(deserialize_with = "some_networks")]
    pub networks: Vec<IpNet>,
    /// Where the engine may listen; the first one that is there counts.
    #[serde(default)]
    pub engine_sockets: Vec<PathBuf>,
    /// Where members of the ring talk.
    #[serde(default = "ring_port")]
    pub ring_port: u16,
    /// Where parts of the catalogue are asked for.
    #[serde(default = "exchange_port")]
    pub exchange_port: u16,
    /// Where HTTP is answered.
    #[serde(default = "http_port")]
    pub http_port: u16,
    /// Where DNS is answered.
    #[serde(default = "dns_port")]
    pub dns_port: u16,
    /// Where the ring is asked for, on this machine only.
    #[serde(default = "rpc_port")]
    pub rpc_port: u16,
    /// The agent's own directory.
    #[serde(default = "state")]
    pub state: PathBuf,
    /// Where the containers' sockets are.
    #[serde(default = "announce")]
    pub announce: PathBuf,
    /// What the stack should look like.
    #[serde(default = "picture")]
    pub picture: PathBuf,
    /// The file with the addresses of other hosts.
    #[serde(default = "seeds")]
    pub seeds: PathBuf,
}

/// Why the agent does not know what to do.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Something in the settings is not what it should be.
    #[error("`{}`, line {line}: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The field, and what is wrong with it.
        what: String,
    },
    /// A seed is no address.
    #[error("`{}`, line {line}: `{text}` is no address such as 192.168.0.14 or 192.168.0.14:7946", path.display())]
    Seed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
}

impl SettingsError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Some("`pontoon up` writes it on each host of a stack; --config names another one".to_owned())
            }
            Self::Read { .. } => None,
            Self::Wrong { .. } | Self::Seed { .. } => {
                Some("`pontoon up` writes it anew where it differs from what it should be".to_owned())
            }
        }
    }
}

impl Settings {
    /// Reads the settings from a file.
    pub async fn read(path: &Path) -> Result<Self, SettingsError> {
        Self::parse(path, &text(path).await?)
    }

    /// Reads the settings from the text of a file.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let wrong = |field: &str, error: &serde_json::Error| SettingsError::Wrong {
            path: path.to_owned(),
            line: error.line(),
            what: in_words(field, error),
        };
        let settings = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| wrong(&error.path().to_string(), error.inner()))?;
        reader.end().map_err(|error| wrong(".", &error))?;
        Ok(settings)
    }

    /// The address that others reach this host's agent by.
    pub fn address(&self) -> Result<IpAddr, AddressError> {
        match self.address {
            Some(address) => Ok(address),
            None => address::of_interface(&self.bridge, &self.networks),
        }
    }

    /// Other members, to find the ring by. No file is no seed: the first host of a stack has none.
    pub async fn seeds(&self) -> Result<Vec<SocketAddr>, SettingsError> {
        match text(&self.seeds).await {
            Ok(text) => seeds_in(&self.seeds, &text, self.ring_port),
            Err(SettingsError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// This host.
    pub fn host(&self) -> Name {
        self.host.as_str().into()
    }
}

/// Where the host itself asks an agent that is reached at `address`. Several agents on loopback addresses of one
/// machine, as in tests, are each asked at their own.
pub(super) fn local_address(address: IpAddr) -> IpAddr {
    if address.is_loopback() { address } else { Ipv4Addr::LOCALHOST.into() }
}

async fn text(path: &Path) -> Result<String, SettingsError> {
    tokio::fs::read_to_string(path).await.map_err(|source| SettingsError::Read { path: path.to_owned(), source })
}

fn seeds_in(path: &Path, text: &str, port: u16) -> Result<Vec<SocketAddr>, SettingsError> {
    let lines = text.lines().enumerate().map(|(index, line)| {
        let seed = line.split('#').next().unwrap_or_default().trim();
        (index + 1, seed)
    });
    lines
        .filter(|(_, seed)| !seed.is_empty())
        .map(|(line, seed)| {
            let with_port = seed.parse::<SocketAddr>().ok();
            let address = with_port.or_else(|| Some(SocketAddr::new(seed.parse().ok()?, port)));
            address.ok_or_else(|| SettingsError::Seed { path: path.to_owned(), line, text: seed.to_owned() })
        })
        .collect()
}

/// The field and what is wrong with it, without the place, which is said before.
fn in_words(field: &str, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    if field == "." || error.is_syntax() || error.is_eof() { text.to_owned() } else { format!("`{field}`: {text}") }
}

fn label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_label(&text) {
        return Ok(text);
    }
    Err(de::Error::custom(format!("`{text}` is no name: it has to be 1 to 63 letters, digits and hyphens")))
}

fn some_networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let networks = Vec::deserialize(deserializer)?;
    if networks.is_empty() { Err(de::Error::custom("there has to be one network")) } else { Ok(networks) }
}

fn bridge() -> String {
    "br0".to_owned()
}

const fn ring_port() -> u16 {
    7946
}

const fn exchange_port() -> u16 {
    7947
}

const fn http_port() -> u16 {
    8500
}

const fn dns_port() -> u16 {
    8600
}

const fn rpc_port() -> u16 {
    pontoon_ring::rpc::DEFAULT_PORT
}

fn state() -> PathBuf {
    "/var/lib/pontoon/agent".into()
}

fn announce() -> PathBuf {
    "/var/lib/pontoon/announce".into()
}

fn picture() -> PathBuf {
    "/etc/pontoon/stack.json".into()
}

fn seeds() -> PathBuf {
    "/etc/pontoon/seeds".into()
}

#[cfg(test)]
mod tests;
