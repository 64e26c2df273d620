//! Calls and their envelopes.
//!
//! Every answer is an envelope: `sync` with the result, `async` with an operation to wait for, or `error`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{ETAG, IF_MATCH};
use ::http::{HeaderMap, HeaderValue, Method};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http::{Answer, Call, CallBody, Transport};
use super::{Dial, LxdError, Operation};

/// For an answer that the daemon gives at once. Busy hosts (first boot, image unpacking) take seconds.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// A client of one daemon. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    pub(super) transport: Arc<Transport>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}

/// The version of a thing as it was read. A replacement that carries it fails with
/// [`is_changed_meanwhile`](LxdError::is_changed_meanwhile) if somebody else was faster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(pub String);

/// What a change came to.
pub(super) enum Reply {
    /// It is done; the result, often `null`.
    Done(Value),
    /// It has begun.
    Started(Box<Operation>),
}

#[derive(Deserialize)]
struct Envelope<T> {
    metadata: T,
}

#[derive(Deserialize)]
struct ReplyEnvelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
struct ErrorEnvelope {
    #[serde(default)]
    error: String,
}

impl Client {
    /// A client of the daemon that `dial` leads to. Nothing is sent yet.
    pub fn new(dial: impl Dial) -> Self {
        Self { transport: Arc::new(Transport::new(Arc::new(dial))) }
    }

    /// The daemon's place in messages.
    pub fn endpoint(&self) -> String {
        self.transport.dial().endpoint()
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: impl Into<String>) -> Result<T, LxdError> {
        Ok(self.get_versioned(path).await?.0)
    }

    /// The thing, and its version.
    pub(super) async fn get_versioned<T: DeserializeOwned>(
        &self,
        path: impl Into<String>,
    ) -> Result<(T, ETag), LxdError> {
        self.get_within(path, ANSWER_LIMIT).await
    }

    pub(super) async fn get_within<T: DeserializeOwned>(
        &self,
        path: impl Into<String>,
        limit: Duration,
    ) -> Result<(T, ETag), LxdError> {
        let call =
            Call { method: Method::GET, path: path.into(), headers: HeaderMap::new(), body: CallBody::Empty, limit };
        let doing = call.doing();
        let answer = self.call(call).await?;
        let version = answer.headers.get(ETAG).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let version = ETag(version.to_owned());
        let envelope: Envelope<T> = self.decode(&doing, &answer.body)?;
        Ok((envelope.metadata, version))
    }

    /// The bytes of a file or log.
    pub(super) async fn get_raw(&self, path: impl Into<String>) -> Result<Answer, LxdError> {
        self.call(Call {
            method: Method::GET,
            path: path.into(),
            headers: HeaderMap::new(),
            body: CallBody::Empty,
            limit: ANSWER_LIMIT,
        })
        .await
    }

    /// Sends a change with a JSON body.
    pub(super) async fn change(
        &self,
        method: Method,
        path: impl Into<String>,
        body: &impl Serialize,
        version: Option<&ETag>,
    ) -> Result<Reply, LxdError> {
        let path = path.into();
        let unsendable = |reason: String| LxdError::Request { doing: format!("{method} {path}"), reason };
        let json = serde_json::to_vec(body).map_err(|error| unsendable(error.to_string()))?;
        let mut headers = HeaderMap::new();
        if let Some(ETag(version)) = version {
            let value = HeaderValue::from_str(version).map_err(|error| unsendable(error.to_string()))?;
            headers.insert(IF_MATCH, value);
        }
        let body = CallBody::Json(Bytes::from(json));
        self.send(Call { method, path, headers, body, limit: ANSWER_LIMIT }).await
    }

    pub(super) async fn delete(&self, path: impl Into<String>) -> Result<Reply, LxdError> {
        let headers = HeaderMap::new();
        let body = CallBody::Empty;
        self.send(Call { method: Method::DELETE, path: path.into(), headers, body, limit: ANSWER_LIMIT }).await
    }

    /// Sends a change of any form.
    pub(super) async fn send(&self, call: Call) -> Result<Reply, LxdError> {
        let doing = call.doing();
        let answer = self.call(call).await?;
        let envelope: ReplyEnvelope = self.decode(&doing, &answer.body)?;
        if envelope.kind == "async" {
            let mut operation: Operation = serde_json::from_value(envelope.metadata)
                .map_err(|error| self.not_understood(&doing, error.to_string()))?;
            operation.doing = doing;
            Ok(Reply::Started(Box::new(operation)))
        } else {
            Ok(Reply::Done(envelope.metadata))
        }
    }

    /// Waits for a change to end, if it has not ended already.
    pub(super) async fn settle(&self, reply: Reply, limit: Duration) -> Result<Value, LxdError> {
        match reply {
            Reply::Done(result) => Ok(result),
            Reply::Started(operation) => Ok(self.wait(&operation, limit).await?.metadata),
        }
    }

    pub(super) fn not_understood(&self, doing: &str, reason: String) -> LxdError {
        LxdError::Answer { endpoint: self.endpoint(), doing: doing.to_owned(), reason }
    }

    async fn call(&self, call: Call) -> Result<Answer, LxdError> {
        let (method, path) = (call.method.to_string(), call.path.clone());
        let answer = self.transport.exchange(call).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        // Anything that is not an envelope comes from something between here and the daemon: show it.
        let message = match serde_json::from_slice::<ErrorEnvelope>(&answer.body) {
            Ok(envelope) if !envelope.error.is_empty() => envelope.error,
            _ => String::from_utf8_lossy(&answer.body).chars().take(500).collect(),
        };
        Err(LxdError::Refused { endpoint: self.endpoint(), method, path, code: answer.status.as_u16(), message })
    }

    fn decode<T: DeserializeOwned>(&self, doing: &str, body: &[u8]) -> Result<T, LxdError> {
        serde_json::from_slice(body).map_err(|error| self.not_understood(doing, error.to_string()))
    }
}
