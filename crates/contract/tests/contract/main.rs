//! What the services promise to a tenant, one module a service or a theme. What they stand on, and the two clouds, are in [`harness`].
//!
//! Words of refusals are compared whole: programs read them, and people search for them.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod balancers;
mod compute;
mod floating;
mod groups;
mod harness;
mod identity;
mod lists;
mod ports;
mod server;

use serde_json::Value;

/// The object has these fields, and no others.
#[track_caller]
fn fields(object: &Value, wanted: &[&str]) {
    let mut shown: Vec<&str> =
        object.as_object().unwrap_or_else(|| panic!("no object: {object}")).keys().map(String::as_str).collect();
    shown.sort_unstable();
    let missing: Vec<&&str> = wanted.iter().filter(|field| !shown.contains(field)).collect();
    let more: Vec<&&str> = shown.iter().filter(|field| !wanted.contains(field)).collect();
    assert!(missing.is_empty() && more.is_empty(), "missing: {missing:?}, more: {more:?}, in {object}");
}

/// A text in an object, by field or index.
#[track_caller]
fn text<I: serde_json::value::Index + std::fmt::Debug>(object: &Value, at: I) -> &str {
    let found = object.get(&at).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text at {at:?} in {object}"))
}

/// The ids of a list's objects.
fn ids(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|object| object["id"].as_str().map(str::to_owned)).collect()
}
