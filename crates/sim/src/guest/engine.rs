//! The container engine of a simulated machine: LXD or Incus, as its REST API shows it.
//!
//! This file holds what the engine remembers; [`api`] routes requests, its siblings answer them. A container is its
//! configuration, its files and the outcome of its cloud-init: nothing runs in it. The engine knows the machine that it
//! is on, and nothing of the cloud beyond that machine's network.

mod answer;
pub(crate) mod api;
mod backing;
pub(crate) mod exec;
mod file_api;
mod images;
mod instances;
pub(crate) mod lifecycle;
pub(crate) mod nics;
pub(crate) mod operations;
mod preseed;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cloud_config::Declared;
use super::cloud_init::Report;
use super::files::Files;
use super::service::Service;

/// String keys to string values, as the engines keep all configuration.
pub(crate) type Config = BTreeMap<String, String>;
/// Devices by name.
pub(crate) type Devices = BTreeMap<String, Config>;

/// Which of the two engines this is; their APIs share nearly everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Flavour {
    /// Canonical's.
    Lxd,
    /// The community's fork.
    Incus,
}

impl Flavour {
    /// The one that the document initialises. A script that can do either is told which by an assignment (`ENGINE=lxd`).
    fn declared(declared: &Declared) -> Flavour {
        let assigned = |value: &str| {
            let is_value = |line: &str| {
                line.split_once('=').is_some_and(|(_, given)| given.trim().trim_matches(['\'', '"']) == value)
            };
            declared.files.iter().any(|file| String::from_utf8_lossy(&file.content).lines().any(is_value))
        };
        let incus = declared.mentions("incus admin init");
        let told_lxd = declared.mentions("lxd init") && assigned("lxd") && !assigned("incus");
        if incus && !told_lxd { Flavour::Incus } else { Flavour::Lxd }
    }
}

/// All that an engine remembers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(crate) flavour: Flavour,
    /// Where its unix socket is.
    pub(crate) socket: String,
    pub(crate) config: Config,
    pub(crate) storage_pools: BTreeMap<String, Backing>,
    /// Managed networks only; a bridge of the machine is not among them.
    pub(crate) networks: BTreeMap<String, Backing>,
    pub(crate) profiles: BTreeMap<String, Profile>,
    /// By fingerprint.
    pub(crate) images: BTreeMap<String, Image>,
    pub(crate) aliases: BTreeMap<String, Alias>,
    pub(crate) instances: BTreeMap<String, Instance>,
    #[serde(skip)]
    pub(crate) operations: BTreeMap<String, operations::Operation>,
}

/// A storage pool or a managed network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Backing {
    /// `dir`, `btrfs`; `bridge`.
    pub(crate) kind: String,
    pub(crate) description: String,
    pub(crate) config: Config,
}

/// A profile.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Profile {
    #[serde(default)]
    pub(crate) config: Config,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) devices: Devices,
}

/// An image; its bytes are not kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) size: usize,
    pub(crate) filename: String,
    pub(crate) public: bool,
    pub(crate) properties: Config,
    pub(crate) uploaded_at: String,
    pub(crate) update_source: Option<Value>,
}

/// A name for an image.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Alias {
    /// A fingerprint.
    pub(crate) target: String,
    pub(crate) description: String,
}

/// A container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) description: String,
    pub(crate) config: Config,
    pub(crate) devices: Devices,
    pub(crate) profiles: Vec<String>,
    pub(crate) ephemeral: bool,
    pub(crate) created_at: String,
    pub(crate) last_used_at: String,
    pub(crate) running: bool,
    /// Counts starts, so that what was begun in one boot does not end in the next.
    pub(crate) boots: u64,
    pub(crate) files: Files,
    /// Whether its image has cloud-init.
    pub(crate) has_cloud_init: bool,
    /// This boot's cloud-init, once it is over.
    pub(crate) report: Option<Report>,
    /// The instance-id that cloud-init has already done its work for.
    pub(crate) initialised: Option<String>,
    /// What cloud-init was told at the last start; another text means a new instance-id.
    pub(crate) seed: Vec<String>,
    /// What listens while it runs.
    pub(crate) services: Vec<Service>,
    pub(crate) console: String,
}

impl Engine {
    /// The engine that `declared` installs and initialises, if it does.
    pub(crate) fn declared(declared: &Declared) -> Option<Engine> {
        let preseeds = preseed::all(declared);
        if preseeds.is_empty() && declared.lxd.is_none() {
            return None;
        }
        let flavour = Flavour::declared(declared);
        let socket = match flavour {
            Flavour::Incus => "/var/lib/incus/unix.socket",
            Flavour::Lxd if declared.packages.iter().any(|package| package == "lxd") => "/var/lib/lxd/unix.socket",
            Flavour::Lxd => "/var/snap/lxd/common/lxd/unix.socket",
        };
        let mut engine = Engine {
            flavour,
            socket: socket.to_owned(),
            config: Config::new(),
            storage_pools: BTreeMap::new(),
            networks: BTreeMap::new(),
            profiles: BTreeMap::new(),
            images: BTreeMap::new(),
            aliases: BTreeMap::new(),
            instances: BTreeMap::new(),
            operations: BTreeMap::new(),
        };
        let name = engine.name();
        engine.profiles.insert(
            "default".to_owned(),
            Profile { description: format!("Default {} profile", name.to_uppercase()), ..Profile::default() },
        );
        for preseed in &preseeds {
            engine.apply_preseed(preseed);
        }
        Some(engine)
    }

    /// `lxd` or `incus`.
    pub(crate) fn name(&self) -> &'static str {
        match self.flavour {
            Flavour::Lxd => "lxd",
            Flavour::Incus => "incus",
        }
    }

    /// The group whose members may use the socket.
    pub(crate) fn group(&self) -> &'static str {
        match self.flavour {
            Flavour::Lxd => "lxd",
            Flavour::Incus => "incus-admin",
        }
    }

    /// An instance's configuration with its profiles under it, in their order.
    pub(crate) fn expanded_config(&self, instance: &Instance) -> Config {
        let mut whole = Config::new();
        for profile in instance.profiles.iter().filter_map(|name| self.profiles.get(name)) {
            whole.extend(profile.config.clone());
        }
        whole.extend(instance.config.clone());
        whole
    }

    /// An instance's devices with those of its profiles; a device replaces one of the same name as a whole.
    pub(crate) fn expanded_devices(&self, instance: &Instance) -> Devices {
        let mut whole = Devices::new();
        for profile in instance.profiles.iter().filter_map(|name| self.profiles.get(name)) {
            whole.extend(profile.devices.clone());
        }
        whole.extend(instance.devices.clone());
        whole.retain(|_, device| device.get("type").map(String::as_str) != Some("none"));
        whole
    }

    /// The fingerprint that an alias, a fingerprint or its beginning stands for.
    pub(crate) fn find_image(&self, name: &str) -> Option<String> {
        if let Some(alias) = self.aliases.get(name) {
            return Some(alias.target.clone());
        }
        self.images.keys().find(|fingerprint| name.len() >= 7 && fingerprint.starts_with(name)).cloned()
    }
}

/// The first of some keys that is set. Older images read `user.*`, newer ones `cloud-init.*`.
pub(crate) fn first_of(config: &Config, keys: [&str; 2]) -> Option<String> {
    keys.iter().find_map(|key| config.get(*key)).cloned()
}
