//! Keystone v3: the login, the token, and the catalog that comes with it.
//!
//! One POST brings all three. The token and its catalog are kept in a file between runs (see [`TokenCache`]), so that the
//! common case begins with no request at all.

mod cache;
mod catalog;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::config::{CloudConfig, CredentialName, Domain, Identity, Named, Scope, Secret};
use super::error::Error;
use super::http::Response;
use super::request::{Request, Service};

pub use cache::{TokenCache, default_token_directory};
pub use catalog::{CatalogEntry, Endpoint};

/// A token is not used within this time of its end: a request that takes a while would fail on its way.
const SPARE_SECONDS: i64 = 60;

/// A login that is in force.
#[derive(Clone, Debug)]
pub struct Session {
    token: Secret,
    details: TokenDetails,
    origin: Origin,
}

/// Where a session is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// This run's login.
    Login,
    /// An earlier run's: its catalog is as old as its token, which may be a day, and services come and move.
    Kept,
}

/// What Keystone says about a token.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct TokenDetails {
    /// When the token ends.
    pub expires_at: Option<Timestamp>,
    /// The project that it is for.
    pub project: Option<Reference>,
    /// Who logged in.
    pub user: Option<Reference>,
    /// The roles that it carries.
    pub roles: Vec<Reference>,
    /// Where the services are.
    pub catalog: Vec<CatalogEntry>,
}

/// A named thing of Keystone.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
pub struct Reference {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

impl Session {
    /// Reads the answer to a login: the token stands in a header, all about it in the body.
    pub(super) fn from_login(response: &Response) -> Result<Self, Error> {
        let token = response.headers.get("x-subject-token").and_then(|token| token.to_str().ok());
        let token = token.ok_or_else(|| response.not_understood("it has no `X-Subject-Token`"))?;
        Ok(Self { token: Secret::new(token), details: response.below("token")?, origin: Origin::Login })
    }

    /// The token itself.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The id of the project that the token is for.
    pub fn project_id(&self) -> Option<&str> {
        self.details.project.as_ref().map(|project| project.id.as_str())
    }

    /// True for a session of an earlier run, whose catalog may be out of date.
    pub(super) fn is_kept(&self) -> bool {
        self.origin == Origin::Kept
    }

    /// True while the token can be used. One without an end is taken to have none.
    pub fn is_fresh(&self) -> bool {
        let spare = SignedDuration::from_secs(SPARE_SECONDS);
        self.details.expires_at.is_none_or(|end| end.duration_since(Timestamp::now()) > spare)
    }

    /// The root of a service's API, version included and without a final slash: `https://host/v2.0`.
    ///
    /// # Errors
    /// [`Error::NoEndpoint`].
    pub fn root(&self, service: Service, config: &CloudConfig) -> Result<String, Error> {
        catalog::root(&self.details.catalog, service, config)
    }

    /// The whole address of a request.
    pub(super) fn address(&self, request: &Request, config: &CloudConfig) -> Result<String, Error> {
        let mut address = self.root(request.service, config)?;
        address.push_str(&request.path);
        if !request.query.is_empty() {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(&encode_query(&request.query));
        }
        Ok(address)
    }
}

/// `name=value&…`, escaped.
fn encode_query(pairs: &[(String, String)]) -> String {
    let escaped =
        pairs.iter().map(|(name, text)| format!("{}={}", super::request::segment(name), super::request::segment(text)));
    escaped.collect::<Vec<_>>().join("&")
}

/// Where logins go: `auth_url` may or may not have its version.
pub(super) fn login_url(auth_url: &str) -> String {
    format!("{}/auth/tokens", catalog::versioned(auth_url, Service::Identity))
}

/// The login of a cloud. A repeated login makes a second token and does no harm.
pub(super) fn login_request(config: &CloudConfig) -> Request {
    let mut auth = json!({ "identity": identity(&config.identity) });
    if let (Some(scope), Some(fields)) = (config.scope.as_ref().map(scope_body), auth.as_object_mut()) {
        fields.insert("scope".to_owned(), scope);
    }
    let mut request = Request::post(Service::Identity, "/auth/tokens", "auth", &auth);
    request.repeat = super::request::Repeat::Safe;
    request
}

/// A 401 to a login means the credentials, not a token.
pub(super) fn explain_login(error: Error, cloud: &str) -> Error {
    match error {
        Error::Refused(refusal) if refusal.status == http::StatusCode::UNAUTHORIZED => {
            let refusal = *refusal;
            let (url, message, request_id) = (refusal.url, refusal.message, refusal.request_id);
            Error::Login { cloud: cloud.to_owned(), url, message, request_id }
        }
        other => other,
    }
}

fn identity(identity: &Identity) -> Value {
    match identity {
        Identity::Password { user, password } => {
            let mut user = named(user);
            if let Some(fields) = user.as_object_mut() {
                fields.insert("password".to_owned(), json!(password.expose()));
            }
            json!({ "methods": ["password"], "password": { "user": user } })
        }
        Identity::ApplicationCredential { credential, secret } => {
            let credential = match credential {
                CredentialName::Id(id) => json!({ "id": id, "secret": secret.expose() }),
                CredentialName::Name { name, user } => {
                    json!({ "name": name, "user": named(user), "secret": secret.expose() })
                }
            };
            json!({ "methods": ["application_credential"], "application_credential": credential })
        }
        Identity::Token { token } => json!({ "methods": ["token"], "token": { "id": token.expose() } }),
    }
}

fn scope_body(scope: &Scope) -> Value {
    match scope {
        Scope::Project(project) => json!({ "project": named(project) }),
        Scope::Domain(domain) => json!({ "domain": domain_body(domain) }),
        Scope::System => json!({ "system": { "all": true } }),
    }
}

fn named(named: &Named) -> Value {
    match named {
        Named::Id(id) => json!({ "id": id }),
        Named::Name { name, domain } => json!({ "name": name, "domain": domain_body(domain) }),
    }
}

fn domain_body(domain: &Domain) -> Value {
    match domain {
        Domain::Id(id) => json!({ "id": id }),
        Domain::Name(name) => json!({ "name": name }),
    }
}
