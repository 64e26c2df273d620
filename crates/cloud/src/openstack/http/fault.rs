//! A service's own words, out of the body in which it wraps them. Every service has its own wrapping.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use super::super::error::Refusal;
use super::{Response, request_id};

/// What a body that is not understood may show of itself, in characters.
const LONGEST_RAW_MESSAGE: usize = 300;

pub(super) fn refusal(response: &Response, retry_after: Option<Duration>) -> Refusal {
    let text = String::from_utf8_lossy(&response.body);
    let (kind, message) = read_fault(&response.headers, &text);
    let reason = || response.status.canonical_reason().unwrap_or("no reason given").to_lowercase();
    Refusal {
        method: response.method.clone(),
        url: response.url.clone(),
        status: response.status,
        message: message.unwrap_or_else(reason),
        kind,
        request_id: request_id(&response.headers),
        retry_after,
    }
}

/// The name of the error and its message.
///
/// - Keystone: `{"error": {"message", "title"}}`
/// - Nova: `{"badRequest": {"message"}}`, where the key names the error
/// - Neutron: `{"NeutronError": {"type", "message"}}`, or a text in place of the object
/// - Octavia: `{"faultstring", "faultcode"}`
/// - Glance and gateways: HTML, or a text
fn read_fault(headers: &HeaderMap, text: &str) -> (Option<String>, Option<String>) {
    let Ok(body) = serde_json::from_str::<Value>(text) else {
        let html =
            headers.get(http::header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let plain = if html || text.trim_start().starts_with('<') { without_markup(text) } else { text.to_owned() };
        return (None, shortened(&plain));
    };
    if let Some(message) = text_of(&body, "faultstring") {
        return (text_of(&body, "faultcode"), Some(message));
    }
    if let Some(message) = text_of(&body, "message") {
        return (text_of(&body, "title"), Some(message));
    }
    let wrapped = body.as_object().and_then(|fields| fields.iter().next());
    match wrapped {
        Some((key, Value::String(message))) => (Some(key.clone()), shortened(message)),
        Some((key, inner)) => {
            let kind = text_of(inner, "type").or_else(|| text_of(inner, "title")).unwrap_or_else(|| key.clone());
            (Some(kind), text_of(inner, "message").or_else(|| shortened(text)))
        }
        None => (None, body.as_str().and_then(shortened)),
    }
}

fn text_of(body: &Value, key: &str) -> Option<String> {
    body.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The text of a page: what stands outside of its tags and its head.
fn without_markup(page: &str) -> String {
    let body = page.split_once("</head>").map_or(page, |(_, body)| body);
    let mut text = String::new();
    let mut inside_tag = false;
    for character in body.chars() {
        match character {
            '<' => inside_tag = true,
            '>' => {
                inside_tag = false;
                text.push(' ');
            }
            other if !inside_tag => text.push(other),
            _ => {}
        }
    }
    text
}

fn shortened(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text: String = words.join(" ").chars().take(LONGEST_RAW_MESSAGE).collect();
    Some(text).filter(|text| !text.is_empty())
}
