//! Glance: images, which are only looked up.

use serde::Deserialize;

use super::error::Error;
use super::http::Client;
use super::paging::Paging;
use super::request::{Request, Service};

/// An image that servers can boot from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// Its name; several images may share one.
    pub name: String,
    /// `active` where it can be booted.
    pub status: String,
    /// `public`, `private`, `shared` or `community`.
    pub visibility: String,
    /// The least disk that it boots on, in GB.
    pub min_disk: u64,
    /// The least memory that it boots with, in MB.
    pub min_ram: u64,
    /// Its own size in bytes.
    pub size: Option<u64>,
    /// Set by its makers: `ubuntu`.
    pub os_distro: Option<String>,
    /// Set by its makers: `24.04`.
    pub os_version: Option<String>,
    /// When it was made, as ISO 8601 text.
    pub created_at: String,
    /// Its tags.
    pub tags: Vec<String>,
}

/// Images, filtered by the service: `name`, `status`, `visibility`, `os_hidden`.
pub fn list_images(filters: &[(&str, &str)]) -> Request {
    Request::get(Service::Image, "/images").query(filters)
}

impl Client {
    /// Images that match all filters.
    pub async fn images(&self, filters: &[(&str, &str)]) -> Result<Vec<Image>, Error> {
        self.list(list_images(filters), "images", Paging::Links).await
    }

    /// Images of this name that can be booted, the newest first.
    pub async fn images_named(&self, name: &str) -> Result<Vec<Image>, Error> {
        let filters = [("name", name), ("status", "active"), ("sort_key", "created_at"), ("sort_dir", "desc")];
        self.images(&filters).await
    }
}
