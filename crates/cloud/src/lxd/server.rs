//! What the daemon is and can.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::client::Client;
use super::wire::or_default;
use super::{Config, LxdError};

/// The two products that speak this API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Canonical's LXD.
    Lxd,
    /// The community's Incus, which branched off from LXD 5.16.
    Incus,
}

/// `GET /1.0`.
#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    /// What the daemon can beyond API 1.0, by name.
    #[serde(default, deserialize_with = "or_default")]
    pub api_extensions: BTreeSet<String>,
    /// `trusted`, or `untrusted` where only little may be asked.
    #[serde(default)]
    pub auth: String,
    /// The daemon's configuration.
    #[serde(default, deserialize_with = "or_default")]
    pub config: Config,
    /// Where it runs.
    #[serde(default)]
    pub environment: Environment,
}

/// Where the daemon runs; the part of it that matters.
#[derive(Debug, Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct Environment {
    /// `lxd` or `incus`.
    #[serde(default)]
    pub server: String,
    /// Its version, such as `5.0.2` or `6.0.4`.
    #[serde(default)]
    pub server_version: String,
    /// The host's name.
    #[serde(default)]
    pub server_name: String,
    /// The storage drivers in use, joined by ` | `.
    #[serde(default)]
    pub storage: String,
    /// The machine's architectures, its own first.
    #[serde(default, deserialize_with = "or_default")]
    pub architectures: Vec<String>,
}

/// The documents that cloud-init reads from an instance's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudInitKey {
    /// What the user wants.
    UserData,
    /// Defaults beneath it; goes well into profiles.
    VendorData,
    /// Network configuration, version 1 or 2.
    NetworkConfig,
}

impl Server {
    /// Which product this is.
    pub fn flavour(&self) -> Flavour {
        if self.environment.server == "incus" { Flavour::Incus } else { Flavour::Lxd }
    }

    /// Does the daemon have this API extension?
    pub fn has(&self, extension: &str) -> bool {
        self.api_extensions.contains(extension)
    }

    /// The configuration key for a cloud-init document on this daemon: `cloud-init.*` where the daemon knows it
    /// (extension `cloud_init`, every Incus), else `user.*`. Images of Ubuntu 20.04 and older read only the latter.
    pub fn cloud_init_key(&self, key: CloudInitKey) -> &'static str {
        if self.has("cloud_init") || self.flavour() == Flavour::Incus { key.modern() } else { key.legacy() }
    }
}

impl CloudInitKey {
    /// The key in the `cloud-init` name space.
    pub fn modern(self) -> &'static str {
        match self {
            Self::UserData => "cloud-init.user-data",
            Self::VendorData => "cloud-init.vendor-data",
            Self::NetworkConfig => "cloud-init.network-config",
        }
    }

    /// The key in the `user` name space.
    pub fn legacy(self) -> &'static str {
        match self {
            Self::UserData => "user.user-data",
            Self::VendorData => "user.vendor-data",
            Self::NetworkConfig => "user.network-config",
        }
    }
}

impl Client {
    /// What the daemon is and can.
    pub async fn server(&self) -> Result<Server, LxdError> {
        self.get("/1.0").await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn server(json: &str) -> Server {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_product_is_told_by_its_name() {
        assert_eq!(server(r#"{"environment":{"server":"lxd"}}"#).flavour(), Flavour::Lxd);
        assert_eq!(server(r#"{"environment":{"server":"incus"},"unknown":1}"#).flavour(), Flavour::Incus);
    }

    #[test]
    fn cloud_init_keys_follow_what_the_daemon_knows() {
        let old = server(r#"{"api_extensions":[],"environment":{"server":"lxd"}}"#);
        assert_eq!(old.cloud_init_key(CloudInitKey::UserData), "user.user-data");
        let new = server(r#"{"api_extensions":["cloud_init"],"environment":{"server":"lxd"}}"#);
        assert_eq!(new.cloud_init_key(CloudInitKey::NetworkConfig), "cloud-init.network-config");
    }
}
