//! Profiles: configuration and devices that instances share.

use ::http::Method;
use serde::{Deserialize, Serialize};

use super::client::{ANSWER_LIMIT, Client};
use super::wire::{or_default, segment};
use super::{Config, Devices, ETag, LxdError};

/// A profile as the daemon has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it holds.
    #[serde(flatten)]
    pub content: ProfileContent,
    /// The paths of the instances that use it.
    #[serde(default, deserialize_with = "or_default")]
    pub used_by: Vec<String>,
}

/// What can be replaced in a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileContent {
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Configuration of its instances.
    #[serde(default, deserialize_with = "or_default")]
    pub config: Config,
    /// Devices of its instances.
    #[serde(default, deserialize_with = "or_default")]
    pub devices: Devices,
}

/// A profile to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewProfile {
    /// Its name.
    pub name: String,
    /// What it holds.
    #[serde(flatten)]
    pub content: ProfileContent,
}

impl Client {
    /// All profiles.
    pub async fn profiles(&self) -> Result<Vec<Profile>, LxdError> {
        self.get("/1.0/profiles?recursion=1").await
    }

    /// One profile and its version.
    pub async fn profile(&self, name: &str) -> Result<(Profile, ETag), LxdError> {
        self.get_versioned(profile_path(name)).await
    }

    /// Makes a profile.
    pub async fn create_profile(&self, profile: &NewProfile) -> Result<(), LxdError> {
        let reply = self.change(Method::POST, "/1.0/profiles", profile, None).await?;
        self.settle(reply, ANSWER_LIMIT).await.map(drop)
    }

    /// Replaces what a profile holds; what is not in `content` goes. With `version`, only if nobody changed it since.
    /// Running instances take over what can change while they run.
    pub async fn replace_profile(
        &self,
        name: &str,
        content: &ProfileContent,
        version: Option<&ETag>,
    ) -> Result<(), LxdError> {
        let reply = self.change(Method::PUT, profile_path(name), content, version).await?;
        self.settle(reply, ANSWER_LIMIT).await.map(drop)
    }

    /// Deletes a profile that no instance uses.
    pub async fn delete_profile(&self, name: &str) -> Result<(), LxdError> {
        let reply = self.delete(profile_path(name)).await?;
        self.settle(reply, ANSWER_LIMIT).await.map(drop)
    }
}

fn profile_path(name: &str) -> String {
    format!("/1.0/profiles/{}", segment(name))
}
