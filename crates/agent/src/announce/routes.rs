//! What can be asked and said at a container's socket.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /v1/self` | nothing |
//! | `PUT /v1/self` | all that the container says is this now |
//! | `PATCH /v1/self` | changes some of it (RFC 7396) |
//! | `DELETE /v1/self` | takes all back |
//! | `PUT /v1/self/health` | says how it is |
//!
//! Each is answered with all that is said of the container then. A connection is for one request, so that the pace at
//! which connections are let in is that of the requests.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::json;

use super::book::Act;
use super::refusal::Refusal;
use super::server::Shared;
use crate::catalogue::Name;

/// The longest body, in bytes: more than can be announced, so that it can be said by how much it is too much.
pub(super) const BODY_MAX: usize = 16 * 1024;

/// Who speaks: known by the socket.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    pub(super) shared: Arc<Shared>,
    pub(super) name: Name,
    pub(super) identity: Arc<str>,
}

type Sent = Result<Bytes, BytesRejection>;

/// The routes of one container.
pub(super) fn of(speaker: Speaker) -> Router {
    let own = get(async |State(speaker): State<Speaker>| speaker.answer())
        .put(async |State(speaker): State<Speaker>, sent: Sent| speaker.act(sent, |body| Act::Replace(body)))
        .patch(async |State(speaker): State<Speaker>, sent: Sent| speaker.act(sent, |body| Act::Merge(body)))
        .delete(async |State(speaker): State<Speaker>| speaker.act(Ok(Bytes::new()), |_| Act::Forget));
    let health = put(async |State(speaker): State<Speaker>, sent: Sent| speaker.act(sent, |body| Act::Health(body)));
    Router::new()
        .route("/v1/self", own)
        .route("/v1/self/health", health)
        .fallback(async || nothing(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || nothing(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done here"))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::map_response(async |mut response: Response| {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }))
        .with_state(speaker)
}

impl Speaker {
    fn act(&self, sent: Sent, act: impl FnOnce(&[u8]) -> Act<'_>) -> Response {
        let acted = sent.map_err(|rejection| unread(&rejection)).and_then(|body| {
            let now = self.shared.now();
            self.shared.book().act(now, &self.name, &self.identity, act(&body))
        });
        match acted {
            Ok(()) => {
                self.shared.counts().announce.taken.one();
                self.shared.wake();
                self.answer()
            }
            Err(refusal) => {
                self.shared.counts().announce.refuse(refusal.reason());
                refused(&refusal)
            }
        }
    }

    fn answer(&self) -> Response {
        let document = self.shared.book().document(&self.name, &self.identity);
        document.map_or_else(|refusal| refused(&refusal), |document| Json(document).into_response())
    }
}

fn unread(rejection: &BytesRejection) -> Refusal {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { Refusal::Body { most: BODY_MAX } } else { Refusal::Broken }
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let because = std::error::Error::source(refusal).map_or_else(String::new, |source| format!(": {source}"));
    let document = json!({ "error": format!("{refusal}{because}"), "hint": refusal.hint() });
    let mut response = (status, Json(document)).into_response();
    if let Some(seconds) = refusal.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn nothing(status: StatusCode, error: &str) -> Response {
    let hint = "GET, PUT, PATCH and DELETE /v1/self; PUT /v1/self/health";
    (status, Json(json!({ "error": error, "hint": hint }))).into_response()
}
