//! What Nova's JSON schemas refuse in a request for a server, in their words (nova `api/openstack/compute/schemas`).
//!
//! Schemas are asked before anything is looked up: a request that is malformed and names what is not there is malformed.

use crate::world::{Attributes, Refusal};
use serde_json::Value;

/// Base64 characters.
const MAXIMUM_USER_DATA: usize = 65_535;
/// Characters of a tag; and how many of them a server may have.
const MAXIMUM_TAG: usize = 60;
const MAXIMUM_TAGS: usize = 50;

/// Attributes of a new server; the number is the minor version that brought one.
const SERVER: &[(&str, u32)] = &[
    ("OS-DCF:diskConfig", 1),
    ("accessIPv4", 1),
    ("accessIPv6", 1),
    ("adminPass", 1),
    ("availability_zone", 1),
    ("block_device_mapping", 1),
    ("block_device_mapping_v2", 1),
    ("config_drive", 1),
    ("description", 19),
    ("flavorRef", 1),
    ("host", 74),
    ("hostname", 90),
    ("hypervisor_hostname", 74),
    ("imageRef", 1),
    ("key_name", 1),
    ("max_count", 1),
    ("metadata", 1),
    ("min_count", 1),
    ("name", 1),
    ("networks", 1),
    ("personality", 1),
    ("return_reservation_id", 1),
    ("security_groups", 1),
    ("tags", 52),
    ("trusted_image_certificates", 63),
    ("user_data", 1),
];

/// Checks the `server` of a request at this minor version.
pub(super) fn check_server(given: &Attributes, minor: u32) -> Result<(), Refusal> {
    let known = |key: &str| match key {
        "personality" => minor < 57,
        key => SERVER.iter().any(|(name, since)| *name == key && minor >= *since),
    };
    if let Some(unknown) = given.keys().find(|key| !known(key)) {
        let message = format!("Additional properties are not allowed ('{unknown}' was unexpected)");
        return Err(Refusal::new(
            400,
            "badRequest",
            format!("Invalid input for field/attribute server. Value: {}. {message}", shown(given)),
        ));
    }
    let required = if minor >= 37 { &["name", "flavorRef", "networks"][..] } else { &["name", "flavorRef"][..] };
    if let Some(missing) = required.iter().find(|key| !given.contains_key(**key)) {
        return Err(field("server", &shown(given), &format!("'{missing}' is a required property")));
    }
    match given.get("name").and_then(Value::as_str) {
        Some("") => return Err(field("name", "", "'' is too short")),
        Some(name) if name.trim() != name || name.trim().is_empty() => {
            return Err(field("name", name, &format!("'{name}' does not match any of the regexes")));
        }
        _ => {}
    }
    if let Some(user_data) = given.get("user_data").and_then(Value::as_str) {
        if crate::text::from_base64(user_data).is_none() {
            return Err(field("user_data", user_data, &format!("'{user_data}' is not a 'base64'")));
        }
        if user_data.len() > MAXIMUM_USER_DATA {
            return Err(field("user_data", user_data, &format!("'{user_data}' is too long")));
        }
    }
    Ok(())
}

/// Checks tags: at most 50, of 1 to 60 characters, without `/` and `,`.
pub(super) fn check_tags(tags: &[String]) -> Result<(), Refusal> {
    let list = || format!("[{}]", tags.iter().map(|tag| format!("'{tag}'")).collect::<Vec<_>>().join(", "));
    if tags.len() > MAXIMUM_TAGS {
        return Err(field("tags", &list(), &format!("{} is too long", list())));
    }
    for (at, tag) in tags.iter().enumerate() {
        let reason = match tag {
            tag if tag.is_empty() => "'' is too short".to_owned(),
            tag if tag.chars().count() > MAXIMUM_TAG => format!("'{tag}' is too long"),
            tag if tag.contains(['/', ',']) => format!("'{tag}' does not match '^[^,/]*$'"),
            _ => continue,
        };
        return Err(field(&at.to_string(), tag, &reason));
    }
    Ok(())
}

/// The words of a schema that does not fit.
pub(super) fn field(name: &str, value: &str, reason: &str) -> Refusal {
    Refusal::new(400, "badRequest", format!("Invalid input for field/attribute {name}. Value: {value}. {reason}"))
}

/// The whole object, as the schema repeats it.
fn shown(given: &Attributes) -> String {
    Value::Object(given.clone()).to_string().replace('"', "'")
}
