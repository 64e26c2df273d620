//! The dialects: each one is a function from the world and a request to a reply.
//!
//! Nothing here waits or knows sockets; the server hands in whole requests and sends whole replies. The rules are the
//! world's; a dialect only reads the vendor's words and writes them.

pub mod control;
pub mod glance;
pub mod keystone;
pub mod listing;
pub mod neutron;
pub mod nova;
mod nova_schema;
pub mod nova_server;
pub mod octavia;
pub mod octavia_view;
mod view;

use crate::world::faults::Effect;
use crate::world::{Attributes, Caller, Refusal, World};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

/// A request, read whole.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path after the service's prefix, in decoded pieces.
    pub path: Vec<String>,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null where there is none.
    pub body: Value,
    /// Where the service is, from the client's point of view: `http://127.0.0.1:1234/network`.
    pub base: String,
    /// The fault that met this request, where the dialect must know.
    pub fault: Option<Effect>,
}

/// A reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// More headers, by lower-case name.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON body.
    pub body: Option<Value>,
    /// The body is to be completed with the console of this server: its last lines only where a number is given.
    pub console: Option<(String, Option<usize>)>,
}

/// A service of the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Identity.
    Keystone,
    /// Compute.
    Nova,
    /// Network.
    Neutron,
    /// Images.
    Glance,
    /// Balancers.
    Octavia,
}

/// All of them.
pub const SERVICES: [Service; 5] =
    [Service::Keystone, Service::Nova, Service::Neutron, Service::Glance, Service::Octavia];

impl Service {
    /// The first piece of its paths.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Keystone => "identity",
            Self::Nova => "compute",
            Self::Neutron => "network",
            Self::Glance => "image",
            Self::Octavia => "load-balancer",
        }
    }

    /// Answers a request to this service.
    pub fn answer(self, world: &mut World, call: &Call) -> Reply {
        let answer = match self {
            Self::Keystone => keystone::answer(world, call),
            Self::Nova => nova::answer(world, call),
            Self::Neutron => neutron::answer(world, call),
            Self::Glance => glance::answer(world, call),
            Self::Octavia => octavia::answer(world, call),
        };
        answer.unwrap_or_else(|refusal| self.refuse(&refusal))
    }

    /// The reply to a refusal, in this service's body form.
    pub fn refuse(self, refusal: &Refusal) -> Reply {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let Refusal { kind, message, .. } = refusal;
        let title = status.canonical_reason().unwrap_or("Error");
        let body = match self {
            // A token is checked before a service is reached, by the same middleware for all but Glance, which lets
            // strangers in and refuses them itself.
            Self::Glance if status == StatusCode::UNAUTHORIZED => webob(status, UNVERIFIED),
            _ if status == StatusCode::UNAUTHORIZED => {
                json!({ "error": { "code": refusal.status, "title": title, "message": message } })
            }
            Self::Neutron => json!({ "NeutronError": { "type": kind, "message": message, "detail": "" } }),
            Self::Octavia => {
                let party = if status.is_server_error() { "Server" } else { "Client" };
                json!({ "faultcode": party, "faultstring": message, "debuginfo": null })
            }
            // A path that is nobody's does not reach Nova itself.
            Self::Nova if *kind == NOWHERE => webob(status, message),
            Self::Nova => json!({ (nova_fault(refusal.status)): { "code": refusal.status, "message": message } }),
            Self::Keystone => json!({ "error": { "code": refusal.status, "title": title, "message": message } }),
            Self::Glance => webob(status, message),
        };
        Reply { status, headers: Vec::new(), body: Some(body), console: None }
    }
}

/// The library below Glance and Nova writes refusals for HTML, in JSON too.
fn webob(status: StatusCode, message: &str) -> Value {
    let title = status.canonical_reason().unwrap_or("Error");
    json!({ "message": format!("{message}<br /><br />\n\n\n"), "code": format!("{} {title}", status.as_u16()), "title": title })
}

/// Nova names the fault in the body by its status.
fn nova_fault(status: u16) -> &'static str {
    match status {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    }
}

impl Reply {
    /// A JSON reply.
    pub fn json(status: u16, body: Value) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, headers: Vec::new(), body: Some(body), console: None }
    }

    /// 200 with a body.
    pub fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    /// A reply without a body.
    pub fn empty(status: u16) -> Self {
        Self { body: None, ..Self::json(status, Value::Null) }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Call {
    /// The path in pieces to match on.
    pub fn pieces(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The first value of a query key.
    pub fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Who calls, or 401.
    pub fn caller(&self, world: &World) -> Result<Caller, Refusal> {
        self.header("x-auth-token")
            .and_then(|token| world.caller(token))
            .ok_or_else(crate::world::identity::unauthorized)
    }

    /// The object under `key` of the body, or 400.
    pub fn object(&self, key: &str) -> Result<Attributes, Refusal> {
        self.body
            .get(key)
            .and_then(Value::as_object)
            .cloned()
            .ok_or_else(|| Refusal::invalid(format!("Unable to find '{key}' in request body")))
    }
}

const UNVERIFIED: &str = "This server could not verify that you are authorized to access the document you requested. Either you supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply the credentials required.";

/// The kind of [`no_such_resource`].
const NOWHERE: &str = "HTTPNotFound";

/// No such path or method.
pub fn no_such_resource() -> Refusal {
    Refusal::new(404, NOWHERE, "The resource could not be found.")
}
