//! The page that people look at: its parts, as they are in the binary, and the headers that keep it harmless.
//!
//! | part | what it knows |
//! |---|---|
//! | `page.html` | the frame, and the signs for each state |
//! | `page.css` | how it looks, by day and by night, on a desk and on a phone |
//! | `page.js` | what is selected and searched for, and when something is drawn again |
//! | `agent.js` | how the agent is asked, and whether it still answers |
//! | `model.js` | what follows from the catalogue and the picture; draws nothing |
//! | `paths.js` | the ways to containers, as a graph |
//! | `lists.js` | hosts and services with their containers |
//! | `side.js` | details, what needs attention, and what has changed |
//! | `dom.js` | how elements are made: with text, never with markup |
//!
//! Nothing here knows the catalogue: the page reads it by the same paths as everybody else. What it reads may have been
//! written by whoever has broken into a container. So the page makes text and nothing else of it, and
//! [`CONTENT_SECURITY_POLICY`] forbids the browser to do what would only be done by mistake: scripts and styles in the
//! document, markup from strings (trusted types), requests to anybody but this agent, being framed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use bytes::Bytes;

use super::gzip;
use super::server::refusal;

/// What the browser may do for this page: load its own parts, and ask its own agent.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

/// A file of the page.
#[derive(Debug)]
struct Part {
    /// Below `/page/`; the page itself has none.
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

const PARTS: [Part; 10] = [
    Part { name: "", kind: "text/html; charset=utf-8", text: include_str!("page/page.html") },
    Part { name: "page.css", kind: "text/css; charset=utf-8", text: include_str!("page/page.css") },
    Part { name: "page.js", kind: SCRIPT, text: include_str!("page/page.js") },
    Part { name: "agent.js", kind: SCRIPT, text: include_str!("page/agent.js") },
    Part { name: "model.js", kind: SCRIPT, text: include_str!("page/model.js") },
    Part { name: "paths.js", kind: SCRIPT, text: include_str!("page/paths.js") },
    Part { name: "lists.js", kind: SCRIPT, text: include_str!("page/lists.js") },
    Part { name: "side.js", kind: SCRIPT, text: include_str!("page/side.js") },
    Part { name: "dom.js", kind: SCRIPT, text: include_str!("page/dom.js") },
    Part { name: "icon.svg", kind: "image/svg+xml", text: include_str!("page/icon.svg") },
];

/// The parts as they are sent to most browsers: squeezed, once, when the first one asks. Where there is none of a part, it is
/// sent as it is.
static SQUEEZED: LazyLock<BTreeMap<&str, Bytes>> = LazyLock::new(|| {
    let squeezed = PARTS.iter().filter_map(|part| Some((part.name, gzip::squeeze(part.text.as_bytes()).ok()?)));
    squeezed.collect()
});

/// The part of this name, unless who asks has it already.
pub fn answer(name: &str, asked: &HeaderMap) -> Response {
    let Some(part) = PARTS.iter().find(|part| part.name == name) else {
        return refusal(StatusCode::NOT_FOUND, "the page has no such part");
    };
    let squeezed = if gzip::is_taken(asked) { SQUEEZED.get(part.name) } else { None };
    // Other bytes have another tag (RFC 9110, 8.8.1).
    let coding = if squeezed.is_some() { "-gzip" } else { "" };
    let tag = format!("\"{:016x}{coding}\"", fingerprint(part.text));
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let headers = [
        (header::ETAG, tag.as_str()),
        // It is asked for each time, and sent again only by another version of the agent.
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "Accept-Encoding"),
        (header::CONTENT_TYPE, part.kind),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    match squeezed {
        _ if known => (StatusCode::NOT_MODIFIED, headers).into_response(),
        None => (headers, part.text).into_response(),
        Some(squeezed) => {
            let coded = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            (headers, [coded], squeezed.clone()).into_response()
        }
    }
}

/// FNV-1a: tells versions of a part from each other, and guards against nobody.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
