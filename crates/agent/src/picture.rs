//! The picture: what the stack should look like, as whoever made it left it in a file on the host.
//!
//! The catalogue knows what is announced, and nothing of balancers, floating IPs, or of a container that is missing. The
//! picture has these, for those who show them. It is read leniently: every field may be absent, unknown ones are ignored,
//! and its words (`pair-mac`, `round-robin`) are handed on as they are. A file that cannot be read changes nothing but
//! [`Picture::error`]: the last good picture stays.
//!
//! Who is there and well is the catalogue's to say. One thing follows from a picture: a host that failed and that it names
//! no more is forgotten (`daemon::farewell`).

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

use crate::catalogue::Name;

/// What the stack should look like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Picture {
    /// The Neutron network on which everything is.
    pub network: Option<String>,
    /// The network that floating IPs come from.
    pub external: Option<String>,
    /// How containers pass port security.
    pub attachment: Option<String>,
    /// Why in that way, in words for people.
    pub reason: Option<String>,
    /// Hosts, by name.
    pub hosts: BTreeMap<Name, Host>,
    /// Services, by name.
    pub services: BTreeMap<Name, Service>,
    /// Containers, by name.
    pub containers: BTreeMap<Name, Container>,
    /// Balancers, by name.
    pub balancers: BTreeMap<Name, Balancer>,
    /// Why the file could not be read the last time; this is the last picture that could be. No file says it.
    #[serde(skip_deserializing)]
    pub error: Option<String>,
}

/// A host that should be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Its address on the network.
    pub address: Option<IpAddr>,
    /// Its floating IP, where it has one: the way in for operators.
    pub floating_ip: Option<IpAddr>,
}

/// A service that should be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// How many copies of it.
    pub replicas: Option<u32>,
    /// The port that it listens on.
    pub port: Option<u16>,
}

/// A container that should be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// The service of which it is a copy.
    pub service: Option<Name>,
    /// The host that it should be on.
    pub host: Option<Name>,
    /// Its address on the network.
    pub address: Option<IpAddr>,
    /// Its Ethernet address, which the host's port lets pass.
    pub mac: Option<String>,
}

/// A balancer that should be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Balancer {
    /// The service whose copies are its members.
    pub service: Option<Name>,
    /// What it speaks.
    pub protocol: Option<String>,
    /// The port that it listens on.
    pub listen: Option<u16>,
    /// How it chooses a member.
    pub method: Option<String>,
    /// Its address on the network.
    pub vip: Option<IpAddr>,
    /// Its floating IP, where it can be reached from outside.
    pub floating_ip: Option<IpAddr>,
    /// The networks that may connect.
    pub allow: Vec<String>,
}

/// Why a picture cannot be read.
#[derive(Debug, Error)]
pub enum PictureError {
    /// The file is there and cannot be read.
    #[error("cannot read the picture `{path}`")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is no picture.
    #[error("`{path}`, line {line}, column {column}: {message}")]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// Where in the line, from 1; 0 where the line has no letter.
        column: usize,
        /// What is wrong there.
        message: String,
    },
}

impl PictureError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { path, source } => (source.kind() == io::ErrorKind::PermissionDenied)
                .then(|| format!("`ls -l {}` shows who may read it", path.display())),
            Self::Invalid { .. } => {
                Some("`pontoon up` writes it anew; until then the last good one is shown".to_owned())
            }
        }
    }
}

/// Reads a picture. Where there is no file there is an empty one: not every stack has been drawn.
pub fn read(path: &Path) -> Result<Picture, PictureError> {
    match std::fs::read(path) {
        Ok(text) => parse(path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Picture::default()),
        Err(source) => Err(PictureError::Unreadable { path: path.to_owned(), source }),
    }
}

/// Reads the picture anew for those who watch it. Where that fails they go on with the last good one, and are told why.
pub fn renew(path: &Path, watched: &watch::Sender<Arc<Picture>>) -> Result<(), PictureError> {
    let read = read(path);
    watched.send_if_modified(|shown| {
        let new = match &read {
            Ok(picture) => picture.clone(),
            Err(error) => Picture { error: Some(told(error)), ..Picture::clone(shown) },
        };
        let differs = **shown != new;
        if differs {
            *shown = Arc::new(new);
        }
        differs
    });
    read.map(drop)
}

/// `path` is for errors.
fn parse(path: &Path, text: &[u8]) -> Result<Picture, PictureError> {
    serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let place = format!(" at line {line} column {column}");
        let message = message.strip_suffix(&place).unwrap_or(&message).to_owned();
        PictureError::Invalid { path: path.to_owned(), line, column, message }
    })
}

/// An error with what it comes from, in one line.
fn told(error: &PictureError) -> String {
    match error {
        PictureError::Unreadable { source, .. } => format!("{error}: {source}"),
        PictureError::Invalid { .. } => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
