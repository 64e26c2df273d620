//! HTTP on loopback: reads whole requests, lets faults meet them, hands them to a dialect and sends the reply.

use crate::api::{Call, Reply, SERVICES, Service, control};
use crate::cloud::Shared;
use crate::text::{percent_decoded, query_pairs};
use crate::world::faults::Effect;
use crate::world::{Refusal, World};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Bytes; larger than any request that means something here.
const MAXIMUM_BODY: usize = 8 * 1024 * 1024;

/// Ends a connection without an answer: a fault wants it so.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed as a fault asks")]
struct Closed;

/// Serves until the cloud stops.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let mut stopping = shared.stopping.subscribe();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let answer = service_fn(move |request| answer(Arc::clone(&shared), request));
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                    if let Err(error) = served {
                        tracing::debug!(%error, "a client's connection ended");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
            // The sender lives in `shared`.
            _ = stopping.wait_for(|stop| *stop) => break,
        }
    }
    // The reply to the request that stops the cloud is to get out.
    let last = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_millis(100), last).await;
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Closed> {
    let (parts, body) = request.into_parts();
    let path_and_query = parts.uri.path_and_query().map_or("/", |whole| whole.as_str()).to_owned();
    let mut pieces: Vec<String> =
        parts.uri.path().split('/').filter(|piece| !piece.is_empty()).map(percent_decoded).collect();
    let prefix = if pieces.is_empty() { String::new() } else { pieces.remove(0) };
    let simulated = prefix == "simulated";
    // The control API is no part of the cloud: faults do not meet it and the log does not show it.
    let fault =
        if simulated { None } else { shared.world().settings.faults.meet(parts.method.as_str(), &path_and_query) };
    match &fault {
        Some(Effect::CloseBeforeHandling) => return Err(Closed),
        Some(Effect::Delay { milliseconds }) => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
        _ => {}
    }
    let service = SERVICES.into_iter().find(|service| service.prefix() == prefix);
    let reply = match (&fault, read_json(body).await) {
        (Some(Effect::Status { code, retry_after }), _) => injected(service, *code, *retry_after),
        (_, Err(message)) => service.unwrap_or(Service::Neutron).refuse(&Refusal::invalid(message)),
        (_, Ok(body)) => {
            let call = Call {
                query: parts.uri.query().map(query_pairs).unwrap_or_default(),
                method: parts.method,
                path: pieces,
                headers: parts.headers,
                body,
                base: format!("{}/{prefix}", shared.endpoint),
                fault: fault.clone(),
            };
            handle(&shared, service, &call).await
        }
    };
    if fault == Some(Effect::CloseAfterHandling) {
        return Err(Closed);
    }
    let reply = match reply.status {
        StatusCode::UNAUTHORIZED => {
            reply.with("www-authenticate", format!("Keystone uri=\"{}/identity\"", shared.endpoint))
        }
        _ => reply,
    };
    Ok(render(reply, service))
}

async fn handle(shared: &Arc<Shared>, service: Option<Service>, call: &Call) -> Reply {
    let published = shared.published();
    let mut reply = {
        let mut world = shared.world();
        if world.advance(Timestamp::now()) {
            shared.touched();
        }
        match service {
            Some(service) => service.answer(&mut world, call),
            None => control_or_nothing(&mut world, &published, call),
        }
    };
    let changes = !matches!(call.method, Method::GET | Method::HEAD);
    if changes {
        shared.touched();
        // What a client was told is so: a floating IP answers before its association is confirmed.
        shared.follow().await;
    }
    if let Some((server, lines)) = reply.console.take() {
        let text = shared.guest(&server).map(|guest| guest.console()).unwrap_or_default();
        reply.body = Some(serde_json::json!({ "output": last_lines(&text, lines) }));
    }
    if service.is_none() && call.base.ends_with("/simulated") && call.path == ["stop"] && changes {
        shared.stopping.send_replace(true);
    }
    reply
}

fn control_or_nothing(world: &mut World, published: &control::Published, call: &Call) -> Reply {
    if call.base.ends_with("/simulated") {
        return control::answer(world, published, call).unwrap_or_else(|refusal| Service::Neutron.refuse(&refusal));
    }
    Service::Neutron.refuse(&crate::api::no_such_resource())
}

fn injected(service: Option<Service>, code: u16, retry_after: Option<u32>) -> Reply {
    let refusal = Refusal::new(code, "ServiceUnavailable", "The service cannot answer now (an injected fault).");
    let reply = service.unwrap_or(Service::Neutron).refuse(&refusal);
    match retry_after {
        Some(seconds) => reply.with("retry-after", seconds.to_string()),
        None => reply,
    }
}

async fn read_json(body: Incoming) -> Result<Value, String> {
    let bytes = Limited::new(body, MAXIMUM_BODY)
        .collect()
        .await
        .map_err(|error| format!("The request body cannot be read: {error}."))?
        .to_bytes();
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| format!("Malformed request body: {error}."))
}

fn render(reply: Reply, service: Option<Service>) -> Response<Full<Bytes>> {
    let bytes = reply.body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = reply.status;
    let id = format!("req-{}", crate::world::new_id());
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put("x-openstack-request-id", &id);
    if service == Some(Service::Nova) {
        put("x-compute-request-id", &id);
    }
    if reply.status != StatusCode::NO_CONTENT {
        put("content-type", "application/json");
    }
    for (name, value) in &reply.headers {
        put(name, value);
    }
    response
}

fn last_lines(text: &str, lines: Option<usize>) -> String {
    let Some(lines) = lines else { return text.to_owned() };
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().concat()
}
