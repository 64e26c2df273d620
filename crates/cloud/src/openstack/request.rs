//! A request as plain data. The resource modules build it; [`super::http`] sends it.

use http::Method;
use serde::Serialize;

/// The services that are driven, by their type in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Keystone.
    Identity,
    /// Nova.
    Compute,
    /// Neutron.
    Network,
    /// Glance.
    Image,
    /// Octavia.
    LoadBalancer,
}

impl Service {
    /// The type in the catalog.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Compute => "compute",
            Self::Network => "network",
            Self::Image => "image",
            Self::LoadBalancer => "load-balancer",
        }
    }

    /// The type as it stands in the names of settings: `load_balancer_endpoint_override`.
    pub(super) fn setting(self) -> &'static str {
        match self {
            Self::LoadBalancer => "load_balancer",
            other => other.as_str(),
        }
    }

    /// The types under which a catalog may list it, the official one first.
    pub(super) fn catalog_types(self) -> &'static [&'static str] {
        match self {
            Self::Identity => &["identity", "identityv3"],
            Self::Compute => &["compute"],
            Self::Network => &["network"],
            Self::Image => &["image", "imagev2"],
            Self::LoadBalancer => &["load-balancer", "octavia", "load_balancer", "loadbalancer"],
        }
    }
}

/// Whether a request may be sent a second time when nobody knows what became of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing (GET), or nothing more the second time (DELETE: the second answer may be 404).
    Safe,
    /// Only where the first one was certainly not applied.
    ///
    /// POST would make a twin. PUT would do no harm, but its second answer lies: 412 where an `If-Match` met our own
    /// change, 409 where Octavia is still busy with it. The caller looks again instead.
    IfNotApplied,
}

/// The revision of a Neutron resource, as read; a change that names it is refused (412) when somebody was faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, Serialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

/// One request, without the address of the service and without the token.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Which service it is for.
    pub service: Service,
    /// The path below the service's version root, beginning with `/`: `/ports`, `/lbaas/pools`.
    pub path: String,
    /// Query pairs, unescaped. A name may occur several times.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: Option<serde_json::Value>,
    /// The microversion, for services that have them (`2.64`).
    pub microversion: Option<String>,
    /// The revision that must still be the current one.
    pub if_match: Option<Revision>,
    /// Whether a lost reply may be answered by sending again.
    pub repeat: Repeat,
}

impl Request {
    /// A read.
    pub fn get(service: Service, path: impl Into<String>) -> Self {
        Self::new(Method::GET, service, path.into(), Repeat::Safe)
    }

    /// A removal.
    pub fn delete(service: Service, path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, service, path.into(), Repeat::Safe)
    }

    /// A creation or action, with its body below `key` as the APIs want it: `{"port": {…}}`.
    pub fn post(service: Service, path: impl Into<String>, key: &str, body: &impl Serialize) -> Self {
        Self { body: Some(wrapped(key, body)), ..Self::new(Method::POST, service, path.into(), Repeat::IfNotApplied) }
    }

    /// A change, with its body below `key`.
    pub fn put(service: Service, path: impl Into<String>, key: &str, body: &impl Serialize) -> Self {
        Self { body: Some(wrapped(key, body)), ..Self::new(Method::PUT, service, path.into(), Repeat::IfNotApplied) }
    }

    /// Adds query pairs.
    #[must_use]
    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        self.query.extend(pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        self
    }

    /// Asks for a microversion.
    #[must_use]
    pub fn microversion(mut self, version: &str) -> Self {
        self.microversion = Some(version.to_owned());
        self
    }

    /// Lets the request fail with 412 unless the resource is still at `revision`.
    #[must_use]
    pub fn if_match(mut self, revision: Option<Revision>) -> Self {
        self.if_match = revision;
        self
    }

    fn new(method: Method, service: Service, path: String, repeat: Repeat) -> Self {
        let (query, body, microversion, if_match) = (Vec::new(), None, None, None);
        Self { method, service, path, query, body, microversion, if_match, repeat }
    }
}

/// A body below its key. Our bodies are structs of texts and numbers, which always have a JSON form; were one not to,
/// the service would refuse the `null`.
fn wrapped(key: &str, body: &impl Serialize) -> serde_json::Value {
    serde_json::json!({ key: serde_json::to_value(body).unwrap_or_default() })
}

/// One segment of a path: escapes what would end it. Ids come out as they are.
pub(super) fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default().to_ascii_uppercase();
            escaped.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    escaped
}
