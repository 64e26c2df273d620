//! The envelopes of the engine's answers: sync, async, error; ETags.

use axum::body::Body;
use axum::http::{HeaderMap, Response as HttpResponse, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// An error of the API: `{"type": "error", …}` with an HTTP status.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
}

/// What a handler returns.
pub(crate) type Answer = Result<Response, ApiError>;

impl ApiError {
    /// 400
    pub(super) fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// 403
    pub(super) fn forbidden(message: impl Into<String>) -> ApiError {
        ApiError { status: StatusCode::FORBIDDEN, message: message.into() }
    }

    /// 404, in the words of both engines: `Instance not found`.
    pub(super) fn not_found(what: &str) -> ApiError {
        ApiError { status: StatusCode::NOT_FOUND, message: format!("{what} not found") }
    }

    /// 409
    pub(super) fn conflict(message: impl Into<String>) -> ApiError {
        ApiError { status: StatusCode::CONFLICT, message: message.into() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "type": "error", "status": "", "status_code": 0, "operation": "",
            "error_code": self.status.as_u16(), "error": self.message, "metadata": null });
        (self.status, axum::Json(body)).into_response()
    }
}

/// A sync answer.
pub(super) fn sync(metadata: impl Serialize) -> Response {
    axum::Json(json!({ "type": "sync", "status": "Success", "status_code": 200, "operation": "",
        "error_code": 0, "error": "", "metadata": metadata }))
    .into_response()
}

/// A sync answer with the ETag of what the client may change.
pub(super) fn tagged(metadata: impl Serialize, writable: &impl Serialize) -> Response {
    let mut response = sync(metadata);
    if let Ok(tag) = format!("\"{}\"", tag(writable)).parse() {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// An answer that has only been begun.
pub(super) fn accepted(operation: &Value) -> Response {
    let id = operation.get("id").and_then(Value::as_str).unwrap_or_default();
    let path = format!("/1.0/operations/{id}");
    let body = json!({ "type": "async", "status": "Operation created", "status_code": 100, "operation": path,
        "error_code": 0, "error": "", "metadata": operation });
    (StatusCode::ACCEPTED, [(header::LOCATION, path)], axum::Json(body)).into_response()
}

/// Raw bytes.
pub(super) fn raw(kind: &str, content: Vec<u8>) -> HttpResponse<Body> {
    ([(header::CONTENT_TYPE, kind.to_owned())], content).into_response()
}

/// Refuses a change that was made of an older state.
///
/// # Errors
/// 412 when `If-Match` is given and does not match.
pub(super) fn check_tag(headers: &HeaderMap, writable: &impl Serialize) -> Result<(), ApiError> {
    let Some(given) = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()) else { return Ok(()) };
    let (given, current) = (given.trim_matches('"'), tag(writable));
    if given == current {
        return Ok(());
    }
    Err(ApiError {
        status: StatusCode::PRECONDITION_FAILED,
        message: format!("Precondition failed: ETag doesn't match: {given} vs {current}"),
    })
}

/// Reads a JSON body.
///
/// # Errors
/// 400 with the parser's words.
pub(super) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::bad_request(error.to_string()))
}

fn tag(writable: &impl Serialize) -> String {
    let text = serde_json::to_vec(writable).unwrap_or_default();
    hex(&Sha256::digest(text))
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}
