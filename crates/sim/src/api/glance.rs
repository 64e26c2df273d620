//! Glance v2: a read-only list of public images.

use super::{Call, Reply, no_such_resource};
use crate::world::image::Image;
use crate::world::{Refusal, World};
use serde_json::{Value, json};

const PAGE: usize = 25;

/// Answers a request to `/image`.
pub fn answer(world: &World, call: &Call) -> Result<Reply, Refusal> {
    let pieces = call.pieces();
    match (call.method.as_str(), pieces.as_slice()) {
        ("GET", [] | ["versions"]) => Ok(Reply::json(300, versions(call))),
        ("GET", ["v2"]) => Ok(Reply::ok(versions(call))),
        ("GET", ["v2", "schemas", schema]) => Ok(Reply::ok(json!({ "name": schema, "properties": {} }))),
        ("GET", ["v2", "images"]) => {
            call.caller(world)?;
            list(world, call)
        }
        ("GET", ["v2", "images", id]) => {
            call.caller(world)?;
            let image = world.images.get(*id);
            image
                .map(|image| Reply::ok(view(image)))
                .ok_or_else(|| Refusal::new(404, "NotFound", format!("No image found with ID {id}")))
        }
        ("GET", ["v2", "images", _, "members"]) => Ok(Reply::ok(json!({ "members": [] }))),
        ("GET", _) => Err(no_such_resource()),
        _ => Err(Refusal::new(403, "Forbidden", "You are not authorized to complete this action.")),
    }
}

fn list(world: &World, call: &Call) -> Result<Reply, Refusal> {
    let mut images: Vec<&Image> = world
        .images
        .values()
        .filter(|image| {
            call.query.iter().all(|(key, value)| match key.as_str() {
                "name" => {
                    // `in:a,b` is a list; names with commas are quoted in it.
                    value.strip_prefix("in:").map_or(image.name == *value, |names| {
                        names.split(',').any(|name| name.trim_matches('"') == image.name)
                    })
                }
                "id" => image.id == *value,
                "os_distro" => image.os_distro == *value,
                "os_version" => image.os_version == *value,
                "status" => value == "active",
                "visibility" => matches!(value.as_str(), "public" | "all"),
                "owner" => image.owner == *value,
                "os_hidden" => !value.eq_ignore_ascii_case("true"),
                "tag" => false,
                _ => true,
            })
        })
        .collect();
    if let Some(marker) = call.query("marker") {
        let at = images.iter().position(|image| image.id == marker);
        let at = at.ok_or_else(|| Refusal::new(400, "BadRequest", format!("Invalid marker: {marker}")))?;
        images.drain(..=at);
    }
    let limit = call.query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(PAGE);
    let mut body = json!({ "schema": "/v2/schemas/images", "first": "/v2/images" });
    if images.len() > limit {
        images.truncate(limit);
        if let Some(last) = images.last() {
            body["next"] = format!("/v2/images?limit={limit}&marker={}", last.id).into();
        }
    }
    body["images"] = images.into_iter().map(view).collect();
    Ok(Reply::ok(body))
}

fn view(image: &Image) -> Value {
    let digest = image.id.replace('-', "");
    json!({
        "id": image.id,
        "name": image.name,
        "status": "active",
        "visibility": "public",
        "protected": false,
        "owner": image.owner,
        "checksum": digest,
        "os_hash_algo": "sha512",
        "os_hash_value": digest.repeat(4),
        "os_hidden": false,
        "container_format": "bare",
        "disk_format": "qcow2",
        "min_disk": 0,
        "min_ram": 0,
        "size": 629_145_600,
        "virtual_size": 3_758_096_384_u64,
        "tags": [],
        "os_distro": image.os_distro,
        "os_version": image.os_version,
        "created_at": image.created_at,
        "updated_at": image.created_at,
        "self": format!("/v2/images/{}", image.id),
        "file": format!("/v2/images/{}/file", image.id),
        "schema": "/v2/schemas/image",
    })
}

fn versions(call: &Call) -> Value {
    let entry = |minor: u8, status: &str| json!({ "id": format!("v2.{minor}"), "status": status, "links": [{ "rel": "self", "href": format!("{}/v2/", call.base) }] });
    json!({ "versions": [entry(16, "CURRENT"), entry(9, "SUPPORTED"), entry(0, "SUPPORTED")] })
}
