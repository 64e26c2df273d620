//! The examples of the repository, and the JSON Schema that they are written by.

use serde_json::Value as Json;

use super::*;
use crate::spec::schema::json_of;

const BLOG: &str = include_str!("../../../../../examples/blog/pontoon.yaml");
const SHOP: &str = include_str!("../../../../../examples/shop/pontoon.yaml");

fn beside() -> Shelf {
    Shelf(
        [
            ("hugo.yaml", include_str!("../../../../../examples/blog/hugo.yaml")),
            ("front.yaml", include_str!("../../../../../examples/shop/front.yaml")),
            ("api.yaml", include_str!("../../../../../examples/shop/api.yaml")),
            ("search.yaml", include_str!("../../../../../examples/shop/search.yaml")),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into(),
    )
}

fn example(text: &str) -> Loaded {
    load(&sources(text), &beside()).unwrap_or_else(|errors| panic!("{}", errors.render()))
}

#[test]
fn the_blog_is_the_walk_through_with_its_own_values() {
    let loaded = example(BLOG);
    assert!(loaded.warnings.is_empty());
    let stack = loaded.stack;
    assert_eq!((stack.name.as_str(), stack.cloud.as_str()), ("blog", "embedded"));
    assert_eq!((stack.network.name.as_str(), stack.network.external.as_deref()), ("default", Some("external")));
    assert_eq!(stack.network.dhcp_pool.unwrap().to_string(), "192.168.0.2-192.168.0.20");
    let hosts = &stack.hosts["lxd"];
    assert_eq!((hosts.flavor.as_str(), hosts.key.as_str()), ("dc1.2x4.40", "datacentred"));
    let hugo = &stack.services["hugo"];
    assert_eq!((hugo.address, hugo.port), (Some("192.168.0.100".parse().unwrap()), Some(8080)));
    assert!(hugo.user_data.as_ref().unwrap().starts_with("#cloud-config\n"));
    let web = &stack.balancers["web"];
    assert_eq!((web.address, web.listen), (Some("192.168.0.200".parse().unwrap()), 80));
}

#[test]
fn the_shop_has_more_containers_than_one_host_can_carry() {
    let stack = example(SHOP).stack;
    assert_eq!((stack.services.len(), stack.balancers.len()), (3, 2));
    assert_eq!(stack.container_names().count(), 14);
    assert_eq!(stack.host_names().count(), 2);
    assert!(stack.services.values().all(|service| service.user_data.is_some()));
}

#[test]
fn the_examples_fit_the_schema() {
    for text in [BLOG, SHOP, GOOD] {
        assert_eq!(misfits(&schema(), &json(text), "file"), Vec::<String>::new());
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    for (from, to) in [
        ("stack: blog\n", ""),
        ("stack: blog", "stack: [blog]"),
        ("flavor: small", "flavour: small"),
        ("port: 8080", "port: 0"),
        ("port: 8080", "port: '8080'"),
        ("listen: 80", "listen: 80\n    protocol: udp"),
        ("ssh_from: [10.9.0.0/16]", "ssh_from: 10.9.0.0/16"),
        ("port: 8080", "port: 8080\n    announce: {monitor: [{http: /, tcp: 80}]}"),
    ] {
        let text = changed(from, to);
        assert!(load_text(&text).is_err(), "the reader refuses {to}");
        assert_ne!(misfits(&schema(), &json(&text), "file"), Vec::<String>::new(), "the schema refuses {to}");
    }
}

#[test]
fn every_field_of_the_schema_has_a_description_and_its_default_fits() {
    fn walk(schema: &Json, path: &str) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            assert!(property["description"].as_str().is_some_and(|about| about.ends_with('.')), "{path}");
            if let Some(default) = property.get("default") {
                assert_eq!(misfits(property, default, &path), Vec::<String>::new());
            }
            walk(property, &path);
        }
        for inner in ["items", "additionalProperties"] {
            if schema[inner].is_object() {
                walk(&schema[inner], path);
            }
        }
    }
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["hosts"]["additionalProperties"]["properties"]["count"]["default"], 1);
    walk(&schema, "file");
}

#[test]
fn the_documentation_names_every_field_and_its_default() {
    const PAGE: &str = include_str!("../../../../../docs/file.md");
    fn walk(schema: &Json) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            assert!(PAGE.contains(&format!("`{name}`")) || PAGE.contains(&format!("{{{name}: ")), "`{name}`");
            let (row, default) = (format!("| `{name}` |"), &property["default"]);
            if let Some(default) = default.as_str() {
                assert!(PAGE.contains(&format!("{row} `{default}` |")), "`{name}` is {default} by default");
            }
            walk(property);
            walk(&property["items"]);
            walk(&property["additionalProperties"]);
        }
    }
    walk(&schema());
}

fn json(text: &str) -> Json {
    json_of(&tree::parse(&Arc::new(SourceText::new("", text)), 0, Dialect::Stack, &Report::default()).unwrap())
}

/// Where `value` does not fit `schema`, by the keywords that ours uses, patterns apart.
fn misfits(schema: &Json, value: &Json, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let kinds: Vec<&str> = match &schema["type"] {
        Json::String(kind) => vec![kind],
        Json::Array(kinds) => kinds.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    if !kinds.is_empty() && !kinds.contains(&kind) {
        found.push(format!("{path} is {kind}, not one of {kinds:?}"));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        found.push(format!("{path} is {value}"));
    }
    if let Some(number) = value.as_u64() {
        let outside = schema["minimum"].as_u64().is_some_and(|least| number < least)
            || schema["maximum"].as_u64().is_some_and(|most| number > most);
        found.extend(outside.then(|| format!("{path} is {number}")));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(misfits(&schema["items"], item, &format!("{path}.{index}")));
    }
    if let Some(object) = value.as_object() {
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            found.extend((!object.contains_key(required)).then(|| format!("{path} has no {required}")));
        }
        let most = schema["maxProperties"].as_u64().unwrap_or(u64::MAX);
        found.extend((object.len() as u64 > most).then(|| format!("{path} has more than {most} fields")));
        for (name, inner) in object {
            let path = format!("{path}.{name}");
            match schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]) {
                Json::Bool(false) => found.push(format!("{path} is unknown")),
                schema => found.extend(misfits(schema, inner, &path)),
            }
        }
    }
    found
}
