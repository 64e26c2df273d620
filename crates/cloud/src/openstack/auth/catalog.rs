//! Where a service is: its entry in the catalog, and the version root below it.
//!
//! Catalogs list some services with their version and some without. The versions that are spoken here are fixed, so the
//! root is made by looking at the address alone; no request is spent on discovery.

use serde::{Deserialize, Serialize};

use super::super::config::{CloudConfig, Interface};
use super::super::error::Error;
use super::super::request::Service;

/// One service of the catalog.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct CatalogEntry {
    /// Its type: `compute`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name: `nova`.
    pub name: Option<String>,
    /// Where it is.
    pub endpoints: Vec<Endpoint>,
}

/// One address of a service.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Endpoint {
    /// `public`, `internal` or `admin`.
    pub interface: String,
    /// The region, under its newer name.
    pub region_id: Option<String>,
    /// The region, under its older name.
    pub region: Option<String>,
    /// The address.
    pub url: String,
}

impl Endpoint {
    fn region(&self) -> Option<&str> {
        self.region_id.as_deref().or(self.region.as_deref())
    }
}

/// The version root of a service: an override, else the endpoint of the cloud's region and interface.
pub(super) fn root(catalog: &[CatalogEntry], service: Service, config: &CloudConfig) -> Result<String, Error> {
    if let Some(url) = config.endpoint_overrides.get(service.setting()) {
        return Ok(versioned(url, service));
    }
    let interface = config.service_interfaces.get(service.setting()).copied().unwrap_or(config.interface);
    let region = config.region.as_deref();
    for kind in service.catalog_types() {
        let endpoints = catalog.iter().filter(|entry| entry.kind == *kind).flat_map(|entry| &entry.endpoints);
        let mut fitting = endpoints.filter(|endpoint| fits(endpoint, interface, region));
        if let Some(endpoint) = fitting.next() {
            return Ok(versioned(&endpoint.url, service));
        }
    }
    if service == Service::Identity {
        // Keystone is where the login went, even where the catalog does not list it.
        return Ok(versioned(&config.auth_url, service));
    }
    Err(Error::NoEndpoint {
        cloud: config.name.clone(),
        service: service.as_str(),
        interface: interface.as_str(),
        region: config.region.clone(),
        found: alternatives(catalog, service),
    })
}

fn fits(endpoint: &Endpoint, interface: Interface, region: Option<&str>) -> bool {
    let of_interface = endpoint.interface.trim_end_matches("URL") == interface.as_str();
    of_interface && region.is_none_or(|region| endpoint.region() == Some(region))
}

/// What the catalog has in place of the endpoint that was looked for.
fn alternatives(catalog: &[CatalogEntry], service: Service) -> Vec<String> {
    let of_service = catalog.iter().filter(|entry| service.catalog_types().contains(&entry.kind.as_str()));
    let mut found: Vec<String> = of_service
        .flat_map(|entry| &entry.endpoints)
        .map(|endpoint| format!("`{}` in region `{}`", endpoint.interface, endpoint.region().unwrap_or("(none)")))
        .collect();
    if found.is_empty() {
        found = catalog.iter().map(|entry| format!("`{}`", entry.kind)).collect();
    }
    found.sort();
    found.dedup();
    found
}

/// The address with the version that is spoken here, and without a final slash.
///
/// Nova's may go on after its version with a project id, which stays.
pub(super) fn versioned(url: &str, service: Service) -> String {
    let url = url.trim_end_matches('/');
    let (start, wanted, known): (_, _, &[&str]) = match service {
        Service::Identity => (url, "v3", &["v3"]),
        Service::Compute => (url, "v2.1", &["v2.1", "v2"]),
        Service::Network => (url, "v2.0", &["v2.0"]),
        Service::Image => (url, "v2", &["v2"]),
        Service::LoadBalancer => (url.strip_suffix("/lbaas").unwrap_or(url), "v2", &["v2", "v2.0"]),
    };
    let mut segments = start.split('/').skip(3);
    if segments.any(|segment| known.contains(&segment)) {
        return start.to_owned();
    }
    // Another version than ours, as in Keystone's old `/v2.0`: ours is beside it.
    let unversioned = match start.rsplit_once('/') {
        Some((before, last)) if is_version(last) && before.contains("//") && !before.ends_with('/') => before,
        _ => start,
    };
    format!("{unversioned}/{wanted}")
}

fn is_version(segment: &str) -> bool {
    let number = segment.strip_prefix('v').unwrap_or_default();
    number.starts_with(|first: char| first.is_ascii_digit()) && number.chars().all(|c| c.is_ascii_digit() || c == '.')
}
