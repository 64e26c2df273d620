//! Storage pools and networks: read only, to see what a host offers.

use serde::Deserialize;

use super::client::Client;
use super::wire::or_default;
use super::{Config, LxdError};

/// A storage pool.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StoragePool {
    /// Its name.
    pub name: String,
    /// `dir`, `btrfs`, `zfs`, …
    pub driver: String,
    /// Its configuration.
    #[serde(default, deserialize_with = "or_default")]
    pub config: Config,
    /// `Created` when it can be used.
    #[serde(default)]
    pub status: String,
    /// The paths of what lives in it.
    #[serde(default, deserialize_with = "or_default")]
    pub used_by: Vec<String>,
}

/// A network of the host, whether the daemon made it or only sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Network {
    /// The interface's name.
    pub name: String,
    /// `bridge`, `physical`, `loopback`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// True if the daemon made it.
    #[serde(default)]
    pub managed: bool,
    /// Its configuration; empty if it is not managed.
    #[serde(default, deserialize_with = "or_default")]
    pub config: Config,
    /// The paths of what uses it.
    #[serde(default, deserialize_with = "or_default")]
    pub used_by: Vec<String>,
}

impl Client {
    /// All storage pools.
    pub async fn storage_pools(&self) -> Result<Vec<StoragePool>, LxdError> {
        self.get("/1.0/storage-pools?recursion=1").await
    }

    /// All networks.
    pub async fn networks(&self) -> Result<Vec<Network>, LxdError> {
        self.get("/1.0/networks?recursion=1").await
    }
}
