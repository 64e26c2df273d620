//! Glance's objects. Images are names with a checksum: nothing is stored behind them.

use super::{World, new_id, whole_seconds};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Image {
    /// The id.
    pub id: String,
    /// The name; not unique.
    pub name: String,
    /// The owner, another project than the user's.
    pub owner: String,
    /// The `os_distro` property.
    pub os_distro: String,
    /// The `os_version` property.
    pub os_version: String,
    /// To the second.
    pub created_at: Timestamp,
}

impl World {
    /// Adds a public image.
    pub fn add_image(&mut self, name: &str, os_distro: &str, os_version: &str, owner: &str) {
        let image = Image {
            id: new_id(),
            name: name.to_owned(),
            owner: owner.to_owned(),
            os_distro: os_distro.to_owned(),
            os_version: os_version.to_owned(),
            created_at: whole_seconds(self.now),
        };
        self.images.insert(image.id.clone(), image);
    }
}
