//! The JSON Schema of the file, for editors, made from the table of fields.

use serde_json::{Map, Value, json};

use super::fields::{FILE, Field, LABEL, Presence, Shape};
use super::reader::default_of;
use super::tree;

/// The JSON Schema (draft 2020-12) of the file. An overlay has the same fields, none of them required.
pub fn schema() -> Value {
    let mut schema = table(FILE);
    if let Some(object) = schema.as_object_mut() {
        object.shift_insert(0, "$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.shift_insert(1, "title".to_owned(), json!("A Pontoon stack"));
    }
    schema
}

fn table(fields: &[Field]) -> Value {
    let required: Vec<_> =
        fields.iter().filter(|field| matches!(field.presence, Presence::Required)).map(|field| field.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties(fields), "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn properties(fields: &[Field]) -> Map<String, Value> {
    let property = |field: &Field| {
        let mut schema = shape(&field.shape);
        schema["description"] = json!(field.about);
        if let Presence::Default(text) = field.presence {
            schema["default"] = default_of(text).map_or(Value::Null, |node| json_of(&node));
        }
        (field.name.to_owned(), schema)
    };
    fields.iter().map(property).collect()
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Text("") => json!({ "type": "string" }),
        Shape::Text(pattern) => json!({ "type": "string", "pattern": pattern }),
        Shape::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::WholeOrText(pattern) => json!({ "type": ["integer", "string"], "minimum": 1, "pattern": pattern }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Flag(truths) => json!({ "enum": truths }),
        Shape::FloatingIp => json!({ "type": ["boolean", "string"], "format": "ipv4" }),
        Shape::List(item) => json!({ "type": "array", "items": self::shape(item) }),
        Shape::Table(fields) => table(fields),
        Shape::OneOf(fields) => json!({
            "type": "object",
            "properties": properties(fields),
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        }),
        Shape::Named(fields) => json!({
            "type": "object",
            "propertyNames": { "pattern": LABEL },
            "additionalProperties": table(fields),
        }),
    }
}

/// A value of the file as an editor sees it.
pub(super) fn json_of(node: &tree::Node) -> Value {
    match &node.value {
        tree::Value::Null => Value::Null,
        tree::Value::Scalar(scalar) if scalar.is_plain() => match scalar.text.as_str() {
            "true" => json!(true),
            "false" => json!(false),
            text => text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number)),
        },
        tree::Value::Scalar(scalar) => json!(scalar.text),
        tree::Value::List(items) => items.iter().map(json_of).collect(),
        tree::Value::Map(map) => {
            Value::Object(map.iter().map(|(name, entry)| (name.clone(), json_of(&entry.node))).collect())
        }
    }
}
