//! Lists as Neutron and Octavia give them: filtered by any attribute, sorted, paged with links, cut down to fields.

use super::{Call, Reply};
use crate::text::percent_encoded;
use crate::world::Refusal;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// Query keys that are not filters.
const CONTROLS: [&str; 10] = [
    "fields",
    "limit",
    "marker",
    "sort_key",
    "sort_dir",
    "page_reverse",
    "tags",
    "tags-any",
    "not-tags",
    "not-tags-any",
];

/// How a service writes the links of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Where a limit was given: back, always; on, after a full page. They keep the filters.
    Neutron,
    /// Always a list of them: back, after a marker; on, after a full page. They forget the filters.
    Octavia,
}

/// The reply to a list request. `path` is the list's own path below the base, for links.
pub fn list(mut items: Vec<Value>, plural: &str, path: &str, links: Links, call: &Call) -> Result<Reply, Refusal> {
    let query = in_fields(links, &call.query);
    check_filters(&items, links, &query)?;
    items.retain(|item| matches(item, &query));
    sort(&mut items, &query);
    if let Some(marker) = call.query("marker") {
        let at =
            items.iter().position(|item| item.get("id").and_then(Value::as_str) == Some(marker)).ok_or_else(|| {
                Refusal::invalid(format!(
                    "Invalid input for operation: The resource could not be found: marker {marker}."
                ))
            })?;
        items.drain(..=at);
    }
    let limit = limit(links, call)?;
    let mut body = Map::new();
    items.truncate(limit.unwrap_or(usize::MAX));
    let written = page_links(&items, limit, path, links, call);
    let items = items.into_iter().map(|item| only_fields(item, &call.query)).collect();
    body.insert(plural.to_owned(), Value::Array(items));
    if limit.is_some() || links == Links::Octavia {
        body.insert(format!("{plural}_links"), written.into());
    }
    Ok(Reply::ok(Value::Object(body)))
}

/// How many items the caller wants at most; zero is no limit.
fn limit(links: Links, call: &Call) -> Result<Option<usize>, Refusal> {
    let Some(given) = call.query("limit") else { return Ok(None) };
    let limit = given.parse::<usize>().map_err(|_| match links {
        Links::Neutron => Refusal::new(
            400,
            "BadRequest",
            format!("Bad limit request: Limit must be an integer 0 or greater and not '{given}'."),
        ),
        Links::Octavia => {
            Refusal::new(400, "InvalidLimit", format!("Supplied pagination limit '{given}' is not valid."))
        }
    })?;
    Ok((limit > 0).then_some(limit))
}

/// The links of a page. Neither service looks whether anything follows a full one.
fn page_links(page: &[Value], limit: Option<usize>, path: &str, links: Links, call: &Call) -> Vec<Value> {
    let Some(limit) = limit else { return Vec::new() };
    let kept = |key: &str| match links {
        Links::Neutron => !matches!(key, "marker" | "page_reverse"),
        Links::Octavia => matches!(key, "limit" | "sort" | "sort_key"),
    };
    let kept: Vec<String> = call
        .query
        .iter()
        .filter(|(key, _)| kept(key))
        .map(|(key, value)| format!("{}={}", percent_encoded(key), percent_encoded(value)))
        .collect();
    let link = |rel: &str, item: Option<&Value>, more: &str| {
        let id = item.and_then(|item| item.get("id")).and_then(Value::as_str);
        let marker = id.map(|id| format!("&marker={id}")).unwrap_or_default();
        json!({ "rel": rel, "href": format!("{}{path}?{}{marker}{more}", call.base, kept.join("&")) })
    };
    let next = (page.len() >= limit).then(|| link("next", page.last(), ""));
    let back = || link("previous", page.first(), "&page_reverse=True");
    match links {
        Links::Neutron => next.into_iter().chain([back()]).collect(),
        Links::Octavia if page.is_empty() => Vec::new(),
        Links::Octavia => call.query("marker").map(|_| back()).into_iter().chain(next).collect(),
    }
}

/// The item with the fields asked for.
pub fn only_fields(item: Value, query: &[(String, String)]) -> Value {
    let wanted: Vec<&str> = query
        .iter()
        .filter(|(key, value)| key == "fields" && !value.is_empty())
        .flat_map(|(_, value)| value.split(','))
        .collect();
    match item {
        Value::Object(mut map) if !wanted.is_empty() => {
            map.retain(|key, _| wanted.contains(&key.as_str()));
            Value::Object(map)
        }
        other => other,
    }
}

/// The query by the fields that are shown. Octavia filters by its columns, which show as references.
fn in_fields(links: Links, query: &[(String, String)]) -> Vec<(String, String)> {
    let field = |key: &str| match key {
        "loadbalancer_id" | "load_balancer_id" if links == Links::Octavia => "loadbalancers".to_owned(),
        "pool_id" if links == Links::Octavia => "pools".to_owned(),
        other => other.to_owned(),
    };
    query.iter().map(|(key, value)| (field(key), value.clone())).collect()
}

/// A filter by something that no object of the kind has is a mistake that both services tell of.
fn check_filters(items: &[Value], links: Links, query: &[(String, String)]) -> Result<(), Refusal> {
    let Some(example) = items.first() else { return Ok(()) };
    let unknown = query
        .iter()
        .find(|(key, _)| !CONTROLS.contains(&key.as_str()) && items.iter().all(|item| item.get(key).is_none()));
    match unknown {
        Some((key, _)) if example.is_object() => Err(match links {
            Links::Neutron => Refusal::invalid(format!("['{key}'] is invalid attribute for filtering")),
            Links::Octavia => Refusal::invalid("One or more arguments are either duplicate or invalid"),
        }),
        _ => Ok(()),
    }
}

/// Whether the item fits every filter; values of a repeated key are alternatives.
pub fn matches(item: &Value, query: &[(String, String)]) -> bool {
    let tags: Vec<&str> =
        item.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let all = |wanted: &str| wanted.split(',').all(|tag| tags.contains(&tag));
    let any = |wanted: &str| wanted.split(',').any(|tag| tags.contains(&tag));
    query.iter().all(|(key, value)| match key.as_str() {
        "tags" => all(value),
        "tags-any" => any(value),
        "not-tags" => !all(value),
        "not-tags-any" => !any(value),
        key if CONTROLS.contains(&key) => true,
        key => query
            .iter()
            .filter(|(other, _)| other == key)
            .any(|(_, value)| item.get(key).is_some_and(|attribute| fits(attribute, value))),
    })
}

fn fits(attribute: &Value, wanted: &str) -> bool {
    match attribute {
        Value::String(text) => text == wanted,
        Value::Bool(flag) => {
            wanted.eq_ignore_ascii_case(if *flag { "true" } else { "false" }) || wanted == if *flag { "1" } else { "0" }
        }
        Value::Null => wanted.is_empty() || wanted == "null" || wanted == "None",
        Value::Number(number) => number.to_string() == wanted,
        // `fixed_ips=ip_address=192.168.0.7`, or an element of a plain list.
        Value::Array(list) => list.iter().any(|entry| match (entry, wanted.split_once('=')) {
            (Value::Object(map), Some((field, value))) => map.get(field).is_some_and(|inner| fits(inner, value)),
            (Value::Object(map), None) => map.get("id").is_some_and(|inner| fits(inner, wanted)),
            (plain, _) => fits(plain, wanted),
        }),
        Value::Object(_) => false,
    }
}

fn sort(items: &mut [Value], query: &[(String, String)]) {
    let values = |key: &'static str| query.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str());
    let directions: Vec<&str> = values("sort_dir").collect();
    let keys: Vec<(&str, bool)> = values("sort_key")
        .enumerate()
        .map(|(index, key)| (key, directions.get(index).is_some_and(|direction| *direction == "desc")))
        .collect();
    items.sort_by(|left, right| {
        keys.iter()
            .map(|(key, descending)| {
                let order = compare(left.get(key), right.get(key));
                if *descending { order.reverse() } else { order }
            })
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    });
}

fn compare(left: Option<&Value>, right: Option<&Value>) -> Ordering {
    match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => {
            left.as_f64().unwrap_or_default().total_cmp(&right.as_f64().unwrap_or_default())
        }
        (Some(Value::String(left)), Some(Value::String(right))) => left.cmp(right),
        (left, right) => left.map(ToString::to_string).cmp(&right.map(ToString::to_string)),
    }
}
