//! What a balancer does with a connection: HTTP requests and TCP connections go to its members in turn.

use super::{From, connect};
use crate::cloud::Shared;
use crate::guest::BoxStream;
use crate::world::World;
use crate::world::balancer::{Operating, Provisioning};
use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, HeaderValue, VIA};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

const VIA_VALUE: HeaderValue = HeaderValue::from_static("1.1 simulated-load-balancer");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

type Body = BoxBody<Bytes, hyper::Error>;

/// What a listener needs to know for one connection or request.
struct Plan {
    balancer: String,
    http: bool,
    /// Members see the client's own address.
    keeps_address: bool,
    forwarded_for: bool,
    members: Vec<SocketAddrV4>,
}

/// Serves one client of a listener until either side ends.
pub async fn serve(shared: Arc<Shared>, listener: String, client: Ipv4Addr, mut stream: BoxStream) {
    let Some(plan) = plan(&shared.world(), &listener) else { return };
    if plan.http {
        let answer = service_fn(move |request| forward(Arc::clone(&shared), listener.clone(), client, request));
        let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        if let Err(error) = served {
            tracing::debug!(%error, "a balancer's client went away");
        }
        return;
    }
    if let Some(mut member) = first_answering(&shared, &listener, &plan, client) {
        // An end on either side is the end of the connection, never a fault of the balancer.
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut member).await;
    }
}

async fn forward(
    shared: Arc<Shared>,
    listener: String,
    client: Ipv4Addr,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let plan = plan(&shared.world(), &listener);
    let Some((plan, member)) =
        plan.and_then(|plan| first_answering(&shared, &listener, &plan, client).map(|member| (plan, member)))
    else {
        return Ok(error_page(StatusCode::SERVICE_UNAVAILABLE, "No server is available to handle this request."));
    };
    request.headers_mut().remove(CONNECTION);
    if plan.forwarded_for
        && let Ok(value) = HeaderValue::from_str(&client.to_string())
    {
        request.headers_mut().append(FORWARDED_FOR, value);
    }
    let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(TokioIo::new(member)).await else {
        return Ok(error_page(StatusCode::BAD_GATEWAY, "The server returned an invalid or incomplete response."));
    };
    tokio::spawn(connection);
    match sender.send_request(request).await {
        Ok(response) => {
            let mut response = response.map(BodyExt::boxed);
            response.headers_mut().append(VIA, VIA_VALUE);
            Ok(response)
        }
        Err(_) => Ok(error_page(StatusCode::BAD_GATEWAY, "The server returned an invalid or incomplete response.")),
    }
}

/// A connection to the next member in turn that takes one.
fn first_answering(shared: &Arc<Shared>, listener: &str, plan: &Plan, client: Ipv4Addr) -> Option<BoxStream> {
    if plan.members.is_empty() {
        return None;
    }
    let from = From::Balancer { id: plan.balancer.clone(), client: plan.keeps_address.then_some(client) };
    let start = shared.turn(listener) % plan.members.len();
    let in_turn = plan.members.iter().cycle().skip(start).take(plan.members.len());
    in_turn.into_iter().find_map(|member| connect::connect(shared, &from, *member).ok())
}

/// The members that may get something now: switched on, weighted, and not known to be bad.
fn plan(world: &World, listener: &str) -> Option<Plan> {
    let listener = world.listeners.get(listener)?;
    let pool = listener.default_pool_id.as_ref().and_then(|id| world.pools.get(id)).filter(|pool| {
        pool.admin_state_up && matches!(pool.provisioning_status, Provisioning::Active | Provisioning::PendingUpdate)
    });
    let usable = pool.into_iter().flat_map(|pool| world.members_of(&pool.meta.id)).filter(|member| {
        member.admin_state_up
            && member.weight > 0
            && matches!(member.provisioning_status, Provisioning::Active | Provisioning::PendingUpdate)
            && matches!(member.operating_status, Operating::Online | Operating::NoMonitor)
    });
    let (backups, firsts): (Vec<_>, Vec<_>) = usable.partition(|member| member.backup);
    let chosen = if firsts.is_empty() { backups } else { firsts };
    Some(Plan {
        balancer: listener.loadbalancer_id.clone(),
        http: listener.protocol == "HTTP",
        keeps_address: world.loadbalancers.get(&listener.loadbalancer_id).is_some_and(|one| one.provider == "ovn"),
        forwarded_for: listener.insert_headers.get("X-Forwarded-For").is_some_and(|value| value == "true"),
        members: chosen.iter().map(|member| SocketAddrV4::new(member.address, member.protocol_port)).collect(),
    })
}

fn error_page(status: StatusCode, text: &'static str) -> Response<Body> {
    let title = status.canonical_reason().unwrap_or_default();
    let page = format!("<html><body><h1>{} {title}</h1>\n{text}\n</body></html>\n", status.as_u16());
    let mut response = Response::new(Full::new(Bytes::from(page)).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(VIA, VIA_VALUE);
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}
