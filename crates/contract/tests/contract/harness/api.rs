//! One service of the tenancy, and raw requests to it.

use super::answer::Answer;
use super::ledger::Undo;
use super::tenancy::Tenancy;
use http::Method;
use serde_json::{Value, json};

/// A service whose contract is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Keystone.
    Identity,
    /// Glance.
    Image,
    /// Nova.
    Compute,
    /// Neutron.
    Network,
    /// Octavia.
    Balancer,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Identity, Self::Image, Self::Compute, Self::Network, Self::Balancer];

    /// Its type in the catalog.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Image => "image",
            Self::Compute => "compute",
            Self::Network => "network",
            Self::Balancer => "load-balancer",
        }
    }

    /// The version of its API, as the first piece of its paths.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Identity => "v3",
            Self::Image | Self::Balancer => "v2",
            Self::Compute => "v2.1",
            Self::Network => "v2.0",
        }
    }
}

/// Raw requests to one service. Paths begin after the version: `ports?name=a`.
#[derive(Clone)]
pub struct Api<'a> {
    tenancy: &'a Tenancy,
    service: Service,
    headers: Vec<(&'static str, String)>,
}

impl<'a> Api<'a> {
    pub(crate) fn new(tenancy: &'a Tenancy, service: Service) -> Self {
        Self { tenancy, service, headers: Vec::new() }
    }

    /// With one more header; a token given here is sent in place of the tenancy's.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// At a microversion of Nova: `2.79`.
    #[must_use]
    pub fn at(self, version: &str) -> Self {
        self.with("openstack-api-version", format!("compute {version}"))
    }

    /// Only if the object is still at this revision (Neutron).
    #[must_use]
    pub fn if_revision(self, revision: &Value) -> Self {
        self.with("if-match", format!("revision_number={revision}"))
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, &self.url(path), None).await
    }

    /// Follows a link that the service gave.
    pub async fn follow(&self, href: &str) -> Answer {
        self.send(Method::GET, href, None).await
    }

    /// Creates or acts. What was made goes on the ledger, to be taken away when the test ends.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        let answer = self.send(Method::POST, &self.url(path), Some(body)).await;
        if (200..300).contains(&answer.status) {
            self.tenancy.ledger.note(Undo::of_creation(self.service, path, &answer.body));
        }
        answer
    }

    /// Changes.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, &self.url(path), Some(body)).await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, &self.url(path), None).await
    }

    /// Creates an object under its singular and answers it.
    pub async fn create(&self, path: &str, singular: &str, attributes: Value) -> Value {
        let answer = self.post(path, json!({ singular: attributes })).await;
        assert!(
            matches!(answer.status, 200..=202),
            "{} was answered with {} {}",
            answer.request,
            answer.status,
            answer.body
        );
        answer.body[singular].clone()
    }

    /// Asks until the object is as wanted, and answers the body.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Value {
        self.tenancy.until(async || self.get(path).await, wanted).await.body
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.tenancy.endpoint(self.service))
    }

    async fn send(&self, method: Method, url: &str, body: Option<Value>) -> Answer {
        let own_token = self.headers.iter().any(|(name, _)| *name == "x-auth-token");
        let token = (!own_token).then(|| ("x-auth-token", self.tenancy.token.clone()));
        let headers: Vec<(&str, String)> = token.into_iter().chain(self.headers.iter().cloned()).collect();
        send(&self.tenancy.http, method, url, &headers, body).await
    }
}

/// One request; empty header values are not sent.
pub(crate) async fn send(
    http: &reqwest::Client,
    method: Method,
    url: &str,
    headers: &[(&str, String)],
    body: Option<Value>,
) -> Answer {
    let request = format!("{method} {url}");
    // Without this Glance and Nova's front write some of their refusals in HTML.
    let mut builder = http.request(method, url).header("accept", "application/json");
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        builder = builder.header(*name, value);
    }
    if let Some(body) = body {
        builder = builder.json(&body);
    }
    let response = builder.send().await.unwrap_or_else(|error| panic!("{request}: {error:?}"));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap_or_else(|error| panic!("{request}: {error:?}"));
    let body = match text.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    };
    Answer { request, status, headers, body }
}
