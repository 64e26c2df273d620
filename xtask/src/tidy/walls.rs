//! Which crate may know which.
//!
//! ```text
//! pontoon ─▶ cloud ─▶ core
//!    ├─────▶ sim
//!    └─────▶ agent ─▶ ring
//! contract ─▶ sim
//! ```
//! Nothing points back. The embedded cloud knows none of ours, so that nothing can agree with itself by accident; core
//! knows nothing that reads, waits, draws or sends; the gossip knows members, and nothing of what they are members for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Finding;
use crate::checkout::{list, text};

/// For a crate, what it may not depend on itself, tests included.
const STRANGERS: [(&str, &[&str], &str); 6] = [
    ("pontoon-core", &["pontoon-cloud", "pontoon-sim", "pontoon"], "core is the innermost part"),
    ("pontoon-cloud", &["pontoon-sim", "pontoon"], "the edge to the vendors does not know which cloud it speaks to"),
    (
        "pontoon-sim",
        &["pontoon-core", "pontoon-cloud", "pontoon"],
        "the embedded cloud knows vendors, and none of ours",
    ),
    (
        "pontoon-ring",
        &["pontoon-core", "pontoon-cloud", "pontoon-sim", "pontoon-agent", "pontoon"],
        "the gossip is a protocol of its own",
    ),
    (
        "pontoon-agent",
        &["pontoon-core", "pontoon-cloud", "pontoon-sim", "pontoon"],
        "the program on a host knows announcements, and not how a stack is made",
    ),
    (
        "pontoon-contract",
        &["pontoon-core", "pontoon-cloud", "pontoon-ring", "pontoon-agent", "pontoon"],
        "what the services promise is read in their own words, and not through our client",
    ),
];

/// What core may not depend on, however far away; its tests may.
const EFFECTS: [&str; 17] = [
    "async-std",
    "axum",
    "chrono",
    "getrandom",
    "hyper",
    "jiff",
    "mio",
    "rand",
    "rand_core",
    "reqwest",
    "ring",
    "russh",
    "rustix",
    "rustls",
    "smol",
    "socket2",
    "tokio",
];

/// `metadata` is what `cargo metadata` prints.
pub(super) fn check(metadata: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, strangers, reason) in STRANGERS {
        let package = list(metadata, "packages").find(|package| text(package, "name") == name);
        let known: BTreeSet<&str> = package
            .into_iter()
            .flat_map(|package| list(package, "dependencies"))
            .map(|dependency| text(dependency, "name"))
            .collect();
        for stranger in strangers.iter().filter(|stranger| known.contains(**stranger)) {
            findings.push(Finding::new(name, 0, format!("depends on `{stranger}`: {reason}")));
        }
    }
    let reached = reached(metadata, "pontoon-core");
    for effect in EFFECTS.iter().filter(|effect| reached.contains(**effect)) {
        let message =
            format!("depends on `{effect}`, perhaps through another crate: core reads, waits, draws and sends nothing");
        findings.push(Finding::new("pontoon-core", 0, message));
    }
    findings
}

/// The names of all crates that are linked into a crate.
fn reached<'a>(metadata: &'a Value, name: &str) -> BTreeSet<&'a str> {
    let names: BTreeMap<&str, &str> =
        list(metadata, "packages").map(|package| (text(package, "id"), text(package, "name"))).collect();
    let resolve = metadata.get("resolve").unwrap_or(&Value::Null);
    let nodes: BTreeMap<&str, &Value> = list(resolve, "nodes").map(|node| (text(node, "id"), node)).collect();

    let mut waiting: Vec<&str> = names.iter().filter(|(_, other)| **other == name).map(|(id, _)| *id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).into_iter().flat_map(|node| list(node, "deps"));
        // The kind of an ordinary dependency is null; those of tests and build scripts have a word.
        let linked = dependencies.filter(|dependency| list(dependency, "dep_kinds").any(|kind| kind["kind"].is_null()));
        waiting.extend(linked.map(|dependency| text(dependency, "pkg")));
    }
    seen.iter().filter_map(|id| names.get(id).copied()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A workspace in which core reaches tokio through `a`, by a dependency of the given kind.
    fn workspace(kind: &Value) -> Value {
        json!({
            "packages": [
                {"id": "1", "name": "pontoon-core", "dependencies": [{"name": "a"}]},
                {"id": "2", "name": "a", "dependencies": [{"name": "tokio"}]},
                {"id": "3", "name": "tokio", "dependencies": []},
            ],
            "resolve": {"nodes": [
                {"id": "1", "deps": [{"pkg": "2", "dep_kinds": [{"kind": kind}]}]},
                {"id": "2", "deps": [{"pkg": "3", "dep_kinds": [{"kind": null}]}]},
                {"id": "3", "deps": []},
            ]},
        })
    }

    #[test]
    fn core_may_not_reach_the_world_through_another_crate_but_its_tests_may() {
        assert_eq!(check(&workspace(&Value::Null)).len(), 1);
        assert_eq!(check(&workspace(&json!("dev"))), []);
    }

    #[test]
    fn the_embedded_cloud_may_not_know_ours_even_in_its_tests() {
        let metadata =
            json!({"packages": [{"name": "pontoon-sim", "dependencies": [{"name": "pontoon-core", "kind": "dev"}]}]});
        assert_eq!(check(&metadata).len(), 1);
    }
}
