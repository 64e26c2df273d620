//! HTTP/1.1 over dialled streams: sending in one place.
//!
//! Idle connections are kept, since opening one over ssh costs a round trip. A request that meets a connection which
//! the daemon has closed meanwhile is sent again on a fresh one if it was never written; if it was, only questions
//! are asked again, and a change becomes [`LxdError::Unknown`].

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, HOST};
use ::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::{Dial, LxdError};

/// Connections kept for later. More are opened while more requests run at once.
const IDLE_CONNECTIONS: usize = 4;

/// No answer is larger: a list of 10,000 instances with state is some 60 MiB.
const MAX_ANSWER_BYTES: usize = 512 << 20;

/// Bytes of a request, at once or as a stream.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A request before it is sent.
pub(super) struct Call {
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: CallBody,
    /// For the whole answer.
    pub(super) limit: Duration,
}

pub(super) enum CallBody {
    Empty,
    Json(Bytes),
    Bytes(Bytes),
    Stream(Body),
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

pub(super) struct Transport {
    dial: Arc<dyn Dial>,
    idle: Mutex<Vec<SendRequest<Body>>>,
}

impl Call {
    /// The request in messages.
    pub(super) fn doing(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Transport {
    pub(super) fn new(dial: Arc<dyn Dial>) -> Self {
        Self { dial, idle: Mutex::new(Vec::new()) }
    }

    pub(super) fn dial(&self) -> &Arc<dyn Dial> {
        &self.dial
    }

    /// Sends a request and reads the answer, whatever its status.
    pub(super) async fn exchange(&self, call: Call) -> Result<Answer, LxdError> {
        let doing = call.doing();
        let is_question = call.method == Method::GET;
        let lost = |reason: String| self.lost(&doing, is_question, reason);
        // A long body would be lost with a stale connection, so it starts on a fresh one.
        let idle = if matches!(call.body, CallBody::Stream(_)) { None } else { self.take_idle() };
        let again = is_question.then(|| request(&call.method, &call.path, &call.headers, Body::default()));
        let limit = call.limit;
        let (method, path, headers) = (call.method, call.path, with_content_type(call.headers, &call.body));
        let mut request = request(&method, &path, &headers, into_body(call.body))
            .map_err(|error| LxdError::Request { doing: doing.clone(), reason: error.to_string() })?;

        if let Some(connection) = idle {
            match attempt(connection, request, limit).await {
                Ok((answer, connection)) => return Ok(self.keep(answer, connection)),
                Err(Attempt::NeverSent(unsent)) => request = *unsent,
                Err(Attempt::Lost(reason)) => match again {
                    Some(Ok(same)) => request = same,
                    _ => return Err(lost(reason)),
                },
                Err(Attempt::TimedOut) => return Err(lost(format!("no answer within {limit:?}"))),
            }
        }
        let connection = self.connect().await?;
        match attempt(connection, request, limit).await {
            Ok((answer, connection)) => Ok(self.keep(answer, connection)),
            Err(Attempt::NeverSent(_)) => Err(LxdError::Connect {
                endpoint: self.dial.endpoint(),
                source: io::ErrorKind::ConnectionAborted.into(),
            }),
            Err(Attempt::Lost(reason)) => Err(lost(reason)),
            Err(Attempt::TimedOut) => Err(lost(format!("no answer within {limit:?}"))),
        }
    }

    fn lost(&self, doing: &str, is_question: bool, reason: String) -> LxdError {
        let (endpoint, doing) = (self.dial.endpoint(), doing.to_owned());
        if is_question {
            LxdError::Lost { endpoint, doing, reason }
        } else {
            LxdError::Unknown { endpoint, doing, reason }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, LxdError> {
        let refused = |source| LxdError::Connect { endpoint: self.dial.endpoint(), source };
        let stream = self.dial.dial().await.map_err(refused)?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| refused(io::Error::other(error)))?;
        // Ends with the last sender. Its error is the error of the request that was under way.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn take_idle(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    fn keep(&self, answer: Answer, connection: SendRequest<Body>) -> Answer {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.is_closed() && idle.len() < IDLE_CONNECTIONS {
            idle.push(connection);
        }
        answer
    }
}

enum Attempt {
    /// Nothing of it left this machine.
    NeverSent(Box<Request<Body>>),
    /// All or part of it was sent.
    Lost(String),
    TimedOut,
}

async fn attempt(
    mut connection: SendRequest<Body>,
    request: Request<Body>,
    limit: Duration,
) -> Result<(Answer, SendRequest<Body>), Attempt> {
    let exchange = async {
        if connection.ready().await.is_err() {
            return Err(Attempt::NeverSent(Box::new(request)));
        }
        let response = match connection.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => {
                return Err(match error.take_message() {
                    Some(unsent) => Attempt::NeverSent(Box::new(unsent)),
                    None => Attempt::Lost(chain(&error.into_error())),
                });
            }
        };
        let (head, body) = response.into_parts();
        let body =
            Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| Attempt::Lost(chain(&*error)))?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(answer) => Ok((answer?, connection)),
        Err(_) => Err(Attempt::TimedOut),
    }
}

fn request(method: &Method, path: &str, headers: &HeaderMap, body: Body) -> Result<Request<Body>, ::http::Error> {
    // The daemon does not look at the name, but HTTP/1.1 demands one.
    let mut request = Request::builder().method(method).uri(path).header(HOST, "lxd").body(body)?;
    request.headers_mut().extend(headers.clone());
    Ok(request)
}

fn with_content_type(mut headers: HeaderMap, body: &CallBody) -> HeaderMap {
    // Exactly one: with two, the daemon believes the first.
    let kind = match body {
        CallBody::Empty => return headers,
        CallBody::Json(_) => "application/json",
        CallBody::Bytes(_) | CallBody::Stream(_) => "application/octet-stream",
    };
    headers.insert(CONTENT_TYPE, ::http::HeaderValue::from_static(kind));
    headers
}

fn into_body(body: CallBody) -> Body {
    match body {
        CallBody::Empty => Body::default(),
        CallBody::Json(bytes) | CallBody::Bytes(bytes) => {
            Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
        }
        CallBody::Stream(body) => body,
    }
}

/// An error with its causes on one line, for the reasons in [`LxdError`].
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
