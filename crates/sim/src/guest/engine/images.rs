//! Images: downloaded by a simplestreams alias or uploaded. Only what describes them is kept, never their bytes.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::Origin;
use super::super::machine::Machine;
use super::answer::{Answer, ApiError, body, hex, sync, tagged};
use super::api::{Recursion, listing, with};
use super::{Alias, Config, Image, operations};

/// Ubuntu's release names and numbers that its image server has under these aliases.
const UBUNTU: [(&str, &str); 5] =
    [("20.04", "focal"), ("22.04", "jammy"), ("24.04", "noble"), ("25.10", "questing"), ("26.04", "resolute")];
/// Distributions of the community's image server; an alias is `NAME/RELEASE` or `NAME/RELEASE/cloud`.
const COMMUNITY: [&str; 8] =
    ["almalinux", "alpine", "archlinux", "debian", "fedora", "opensuse", "rockylinux", "ubuntu"];

/// Where an image comes from, as in `source` of images and instances.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Source {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) alias: String,
    #[serde(default)]
    pub(super) fingerprint: String,
    #[serde(default)]
    pub(super) server: String,
}

/// `GET /1.0/images`
pub(super) async fn list(State(machine): State<Arc<Machine>>, query: Query<Recursion>) -> Answer {
    with(&machine, |engine, _| {
        let all =
            engine.images.iter().map(|(fingerprint, image)| (fingerprint, show(&engine.aliases, fingerprint, image)));
        Ok(sync(listing(query, "images", all)))
    })
}

/// `GET /1.0/images/{fingerprint}`
pub(super) async fn get(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, _| {
        let found = engine.images.iter().find(|(fingerprint, _)| fingerprint.starts_with(&name));
        let (fingerprint, image) = found.ok_or_else(|| ApiError::not_found("Image"))?;
        Ok(tagged(show(&engine.aliases, fingerprint, image), &image.properties))
    })
}

/// `DELETE /1.0/images/{fingerprint}`
pub(super) async fn delete(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    let fingerprint = with(&machine, |engine, _| {
        engine
            .images
            .keys()
            .find(|fingerprint| fingerprint.starts_with(&name))
            .cloned()
            .ok_or_else(|| ApiError::not_found("Image"))
    })?;
    let (own, resources) = (Arc::clone(&machine), json!({ "images": [format!("/1.0/images/{fingerprint}")] }));
    Ok(operations::run(&machine, "Deleting image", resources, async move {
        own.engine(|engine, _| {
            engine.images.remove(&fingerprint);
            engine.aliases.retain(|_, alias| alias.target != fingerprint);
        });
        Ok(Value::Null)
    }))
}

/// The JSON body of `POST /1.0/images`.
#[derive(Deserialize)]
struct NewImage {
    source: Source,
    #[serde(default)]
    aliases: Vec<NewAlias>,
    #[serde(default)]
    properties: Config,
}

/// `POST /1.0/images`: JSON names a source; anything else is the image itself.
pub(super) async fn create(State(machine): State<Arc<Machine>>, headers: HeaderMap, bytes: Bytes) -> Answer {
    let kind = text(&headers, header::CONTENT_TYPE.as_str());
    if kind.is_empty() || kind.starts_with("application/json") {
        let new: NewImage = body(&bytes)?;
        if new.source.kind != "image" || new.source.server.is_empty() {
            return Err(ApiError::bad_request("Invalid images JSON: only a download from a server is simulated"));
        }
        return Ok(download_operation(&machine, new));
    }
    Ok(upload(&machine, &kind, &headers, &bytes))
}

fn download_operation(machine: &Arc<Machine>, new: NewImage) -> Response {
    let own = Arc::clone(machine);
    operations::run(machine, "Downloading image", Value::Null, async move {
        let (fingerprint, mut image) = look_up(&own, &new.source)?;
        image.properties.extend(new.properties);
        let size = image.size;
        own.engine(|engine, _| {
            engine.images.entry(fingerprint.clone()).or_insert(image);
            for alias in new.aliases {
                engine
                    .aliases
                    .insert(alias.name, Alias { target: fingerprint.clone(), description: alias.description });
            }
        });
        Ok(json!({ "fingerprint": fingerprint, "size": size }))
    })
}

/// The image that a server has under an alias.
///
/// # Errors
/// The server cannot be reached from the machine, or has no such image.
pub(super) fn look_up(machine: &Machine, source: &Source) -> Result<(String, Image), String> {
    machine.network.reaches_outside(&Origin::Machine).map_err(|reason| {
        format!("Failed getting remote image info: Get \"{}/streams/v1/index.json\": dial tcp: {reason}", source.server)
    })?;
    let name = if source.alias.is_empty() { &source.fingerprint } else { &source.alias };
    let missing = || {
        format!(
            "Failed getting remote image info: Failed getting image: The requested image couldn't be found for fingerprint {name:?}"
        )
    };
    let properties =
        if source.server.contains("ubuntu.com") { ubuntu(name) } else { community(name) }.ok_or_else(missing)?;
    let fingerprint = hex(&Sha256::digest(format!("{} {name}", source.server)));
    let image = Image {
        size: 280_000_000,
        filename: format!("{}.squashfs", name.replace('/', "-")),
        public: false,
        properties,
        uploaded_at: jiff::Timestamp::now().to_string(),
        update_source: Some(
            json!({ "alias": source.alias, "server": source.server, "protocol": "simplestreams", "image_type": "" }),
        ),
    };
    Ok((fingerprint, image))
}

fn ubuntu(alias: &str) -> Option<Config> {
    let first = alias.split('/').next().unwrap_or_default();
    let wanted = if matches!(first, "lts" | "default" | "ubuntu") { "24.04" } else { first };
    let (number, name) =
        UBUNTU.iter().find(|(number, name)| [*number, *name].contains(&wanted) || name.starts_with(wanted))?;
    Some(properties([("os", "ubuntu"), ("release", name), ("version", number), ("variant", "cloud")]))
}

fn community(alias: &str) -> Option<Config> {
    let mut parts = alias.split('/');
    let os = parts.next().filter(|os| COMMUNITY.contains(os))?;
    let release = parts.next().filter(|release| !release.is_empty())?;
    let variant = if parts.next() == Some("cloud") { "cloud" } else { "default" };
    Some(properties([("os", os), ("release", release), ("version", release), ("variant", variant)]))
}

fn properties<const N: usize>(pairs: [(&str, &str); N]) -> Config {
    let mut all: Config = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    all.insert("architecture".to_owned(), "amd64".to_owned());
    all.insert("description".to_owned(), "simulated image".to_owned());
    all
}

fn upload(machine: &Arc<Machine>, kind: &str, headers: &HeaderMap, bytes: &Bytes) -> Response {
    let content = match kind.split_once("boundary=") {
        Some((_, boundary)) => parts(boundary.trim_matches('"').as_bytes(), bytes).concat(),
        None => bytes.to_vec(),
    };
    let fingerprint = hex(&Sha256::digest(&content));
    let claimed = [text(headers, "x-lxd-fingerprint"), text(headers, "x-incus-fingerprint")].concat();
    let pairs = [text(headers, "x-lxd-properties"), text(headers, "x-incus-properties")].concat();
    let pairs = pairs.split('&').filter_map(|pair| pair.split_once('='));
    let image = Image {
        size: content.len(),
        filename: [text(headers, "x-lxd-filename"), text(headers, "x-incus-filename")].concat(),
        public: text(headers, "x-lxd-public") == "1",
        properties: pairs.map(|(key, value)| (key.to_owned(), value.replace("%20", " "))).collect(),
        uploaded_at: jiff::Timestamp::now().to_string(),
        update_source: None,
    };
    let own = Arc::clone(machine);
    operations::run(machine, "Downloading image", Value::Null, async move {
        if !claimed.is_empty() && claimed != fingerprint {
            return Err(format!("fingerprints don't match, got {fingerprint:?} expected {claimed:?}"));
        }
        let size = image.size;
        let taken = own.engine(|engine, _| {
            let taken = engine.images.contains_key(&fingerprint);
            engine.images.entry(fingerprint.clone()).or_insert(image);
            taken
        });
        if taken == Some(true) {
            return Err("Image with same fingerprint already exists".to_owned());
        }
        Ok(json!({ "fingerprint": fingerprint, "size": size }))
    })
}

/// The contents of a multipart body, in order.
fn parts<'a>(boundary: &[u8], body: &'a [u8]) -> Vec<&'a [u8]> {
    let separator = [b"--", boundary].concat();
    let find = |haystack: &[u8], needle: &[u8]| haystack.windows(needle.len()).position(|window| window == needle);
    let mut found = Vec::new();
    let mut rest = body;
    while let Some(start) = find(rest, &separator) {
        rest = rest.get(start + separator.len()..).unwrap_or_default();
        let Some(head) = find(rest, b"\r\n\r\n") else { break };
        let content = rest.get(head + 4..).unwrap_or_default();
        let Some(end) = find(content, &separator) else { break };
        found.push(content.get(..end.saturating_sub(2)).unwrap_or_default());
        rest = content;
    }
    found
}

/// A name to give to an image.
#[derive(Deserialize)]
struct NewAlias {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    target: String,
}

/// `GET /1.0/images/aliases`
pub(super) async fn aliases(State(machine): State<Arc<Machine>>, query: Query<Recursion>) -> Answer {
    with(&machine, |engine, _| {
        let all = engine.aliases.iter().map(|(name, alias)| (name, show_alias(name, alias)));
        Ok(sync(listing(query, "images/aliases", all)))
    })
}

/// `GET /1.0/images/aliases/{name}`
pub(super) async fn alias(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, _| {
        let alias = engine.aliases.get(&name).ok_or_else(|| ApiError::not_found("Image alias"))?;
        Ok(sync(show_alias(&name, alias)))
    })
}

/// `POST /1.0/images/aliases`
pub(super) async fn create_alias(State(machine): State<Arc<Machine>>, bytes: Bytes) -> Answer {
    let new: NewAlias = body(&bytes)?;
    with(&machine, |engine, _| {
        if engine.aliases.contains_key(&new.name) {
            return Err(ApiError::conflict(format!("Alias {:?} already exists", new.name)));
        }
        if !engine.images.contains_key(&new.target) {
            return Err(ApiError::not_found("Image"));
        }
        engine.aliases.insert(new.name, Alias { target: new.target, description: new.description });
        Ok(sync(Value::Null))
    })
}

/// `DELETE /1.0/images/aliases/{name}`
pub(super) async fn delete_alias(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, _| {
        engine.aliases.remove(&name).ok_or_else(|| ApiError::not_found("Image alias"))?;
        Ok(sync(Value::Null))
    })
}

fn show_alias(name: &str, alias: &Alias) -> Value {
    json!({ "name": name, "target": alias.target, "description": alias.description, "type": "container" })
}

fn show(aliases: &std::collections::BTreeMap<String, Alias>, fingerprint: &str, image: &Image) -> Value {
    let names = aliases.iter().filter(|(_, alias)| alias.target == *fingerprint);
    let names: Vec<Value> =
        names.map(|(name, alias)| json!({ "name": name, "description": alias.description })).collect();
    json!({
        "fingerprint": fingerprint, "aliases": names, "architecture": "x86_64", "auto_update": false, "cached": false,
        "filename": image.filename, "size": image.size, "public": image.public, "properties": image.properties,
        "type": "container", "created_at": image.uploaded_at, "uploaded_at": image.uploaded_at,
        "last_used_at": image.uploaded_at, "expires_at": "1970-01-01T00:00:00Z", "profiles": ["default"],
        "update_source": image.update_source,
    })
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
