//! Instances: containers, in our case.

use std::collections::BTreeMap;
use std::time::Duration;

use ::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{ANSWER_LIMIT, Client};
use super::wire::{or_default, segment};
use super::{Config, Devices, ETag, LxdError};

/// An instance as the daemon has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Instance {
    /// Its name, also its host name.
    pub name: String,
    /// `Running`, `Stopped`, …
    #[serde(default)]
    pub status: String,
    /// The status as a number: 102 stopped, 103 running, 112 error.
    #[serde(default)]
    pub status_code: u16,
    /// `container` or `virtual-machine`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Its own configuration, `volatile.*` included.
    #[serde(default, deserialize_with = "or_default")]
    pub config: Config,
    /// Its own devices.
    #[serde(default, deserialize_with = "or_default")]
    pub devices: Devices,
    /// Its configuration with that of its profiles.
    #[serde(default, deserialize_with = "or_default")]
    pub expanded_config: Config,
    /// Its devices with those of its profiles.
    #[serde(default, deserialize_with = "or_default")]
    pub expanded_devices: Devices,
    /// Its profiles; later ones win.
    #[serde(default, deserialize_with = "or_default")]
    pub profiles: Vec<String>,
    /// When it was made (RFC 3339).
    #[serde(default)]
    pub created_at: String,
    /// Only in lists that ask for it.
    #[serde(default)]
    pub state: Option<InstanceState>,
}

/// What an instance is doing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct InstanceState {
    /// `Running`, `Stopped`, …
    #[serde(default)]
    pub status: String,
    /// The process id of its init on the host; 0 or less if it does not run.
    #[serde(default)]
    pub pid: i64,
    /// Processes in it; -1 if that is not known.
    #[serde(default)]
    pub processes: i64,
    /// Its network interfaces by name; empty if it does not run.
    #[serde(default, deserialize_with = "or_default")]
    pub network: BTreeMap<String, InstanceInterface>,
}

/// A network interface inside an instance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InstanceInterface {
    /// Its addresses.
    #[serde(default, deserialize_with = "or_default")]
    pub addresses: Vec<InstanceAddress>,
    /// Its MAC address.
    #[serde(default)]
    pub hwaddr: String,
    /// Its MTU in bytes.
    #[serde(default)]
    pub mtu: u32,
    /// The other end on the host.
    #[serde(default)]
    pub host_name: String,
    /// `up` or `down`.
    #[serde(default)]
    pub state: String,
}

/// An address inside an instance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InstanceAddress {
    /// `inet` or `inet6`.
    pub family: String,
    /// The address.
    pub address: String,
    /// Prefix length, in digits.
    #[serde(default)]
    pub netmask: String,
    /// `global`, `link` or `local`.
    #[serde(default)]
    pub scope: String,
}

/// An instance to be made; it is not started.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewInstance {
    /// Its name.
    pub name: String,
    /// What its root file system is made from.
    pub source: InstanceSource,
    /// Its profiles, in order.
    pub profiles: Vec<String>,
    /// Its own configuration. `volatile.eth0.hwaddr` is kept as given.
    pub config: Config,
    /// Its own devices.
    pub devices: Devices,
}

/// Where a new instance's root file system comes from: an image that the daemon has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "image")]
pub struct InstanceSource {
    /// The image's fingerprint.
    pub fingerprint: String,
}

/// Changes to an instance; what is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct InstancePatch {
    /// Keys to set; an empty value removes the key.
    #[serde(skip_serializing_if = "Config::is_empty")]
    pub config: Config,
    /// Devices to set, each as a whole.
    #[serde(skip_serializing_if = "Devices::is_empty")]
    pub devices: Devices,
}

/// What to do with a running or stopped instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateAction {
    /// Boot it.
    Start,
    /// Ask its init to shut down. Fails after the limit if it does not.
    Stop,
    /// End all its processes at once.
    ForceStop,
    /// Shut it down and boot it.
    Restart,
}

impl Client {
    /// All instances with their configuration.
    pub async fn instances(&self) -> Result<Vec<Instance>, LxdError> {
        self.get("/1.0/instances?recursion=1").await
    }

    /// All instances with their configuration and [`state`](Instance::state). The daemon looks into each running
    /// instance for that, which costs it some 10 ms of work apiece.
    pub async fn instances_with_state(&self) -> Result<Vec<Instance>, LxdError> {
        self.get("/1.0/instances?recursion=2").await
    }

    /// One instance and its version.
    pub async fn instance(&self, name: &str) -> Result<(Instance, ETag), LxdError> {
        self.get_versioned(instance_path(name)).await
    }

    /// What one instance is doing.
    pub async fn instance_state(&self, name: &str) -> Result<InstanceState, LxdError> {
        self.get(format!("{}/state", instance_path(name))).await
    }

    /// Makes an instance.
    pub async fn create_instance(&self, instance: &NewInstance, limit: Duration) -> Result<(), LxdError> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            #[serde(flatten)]
            instance: &'a NewInstance,
        }
        let body = Body { kind: "container", instance };
        let reply = self.change(Method::POST, "/1.0/instances", &body, None).await?;
        self.settle(reply, limit).await.map(drop)
    }

    /// Changes an instance's configuration or devices. With `version`, only if nobody changed it since.
    pub async fn patch_instance(
        &self,
        name: &str,
        patch: &InstancePatch,
        version: Option<&ETag>,
    ) -> Result<(), LxdError> {
        let reply = self.change(Method::PATCH, instance_path(name), patch, version).await?;
        self.settle(reply, ANSWER_LIMIT).await.map(drop)
    }

    /// Starts or stops an instance and waits until it is so.
    pub async fn set_instance_state(&self, name: &str, action: StateAction, limit: Duration) -> Result<(), LxdError> {
        let (verb, force) = match action {
            StateAction::Start => ("start", false),
            StateAction::Stop => ("stop", false),
            StateAction::ForceStop => ("stop", true),
            StateAction::Restart => ("restart", false),
        };
        // In seconds; the daemon's own limit is a little shorter, so that its words arrive.
        let timeout = limit.as_secs().saturating_sub(1).max(1);
        let body = json!({"action": verb, "force": force, "timeout": timeout});
        let reply = self.change(Method::PUT, format!("{}/state", instance_path(name)), &body, None).await?;
        self.settle(reply, limit).await.map(drop)
    }

    /// Deletes a stopped instance with its root file system.
    pub async fn delete_instance(&self, name: &str, limit: Duration) -> Result<(), LxdError> {
        let reply = self.delete(instance_path(name)).await?;
        self.settle(reply, limit).await.map(drop)
    }
}

pub(super) fn instance_path(name: &str) -> String {
    format!("/1.0/instances/{}", segment(name))
}
