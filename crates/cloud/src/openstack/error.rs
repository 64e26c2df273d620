//! What can go wrong between us and a cloud, and what state it leaves behind.

use std::path::PathBuf;
use std::time::Duration;

use http::{Method, StatusCode};

use super::config::ConfigError;

/// A request, or what had to be done before it, failed.
///
/// The one question that matters to a caller is whether the request may have changed something:
/// [`Error::is_unknown`] answers it. All other errors mean that nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable cloud is configured.
    #[error("cannot tell which cloud to use")]
    Config(#[from] ConfigError),
    /// The HTTP client could not be made.
    #[error("cannot prepare TLS{}", file.as_ref().map(|path| format!(" with `{}`", path.display())).unwrap_or_default())]
    Tls {
        /// The certificate or key file at fault, where it is one.
        file: Option<PathBuf>,
        /// What was wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The service answered, and the answer is no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// Keystone did not accept the credentials.
    #[error("cloud `{cloud}` refused the login at `{url}`: {message}")]
    Login {
        /// The name of the cloud.
        cloud: String,
        /// Where the login was tried.
        url: String,
        /// What Keystone said.
        message: String,
        /// Keystone's id of the request.
        request_id: Option<String>,
    },
    /// The service was not reached: nothing of the request was sent.
    #[error("cannot reach `{url}`")]
    Unreachable {
        /// The method.
        method: Method,
        /// The whole address.
        url: String,
        /// What the network said.
        source: reqwest::Error,
    },
    /// The request was sent and its reply was lost. It may have been applied.
    #[error("no reply to {method} `{url}`: it may or may not have been applied")]
    Unknown {
        /// The method.
        method: Method,
        /// The whole address.
        url: String,
        /// The gateway's status, where it was a gateway that lost the reply.
        status: Option<StatusCode>,
        /// What the network said, where it said something.
        source: Option<reqwest::Error>,
    },
    /// A read got no reply, as often as it was tried.
    #[error("no reply to {method} `{url}`")]
    NoReply {
        /// The method; one that changes nothing, or changes nothing more when repeated.
        method: Method,
        /// The whole address.
        url: String,
        /// What the network said.
        source: reqwest::Error,
    },
    /// The service said yes, in words that are not understood.
    #[error("cannot understand the reply to {method} `{url}`")]
    Reply {
        /// The method.
        method: Method,
        /// The whole address.
        url: String,
        /// The service's id of the request.
        request_id: Option<String>,
        /// What was not understood.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The catalog has no fitting endpoint.
    #[error("cloud `{cloud}` has no `{interface}` endpoint of service `{service}`{}", in_region(region.as_deref()))]
    NoEndpoint {
        /// The name of the cloud.
        cloud: String,
        /// The service's type.
        service: &'static str,
        /// The interface that was looked for.
        interface: &'static str,
        /// The region that was looked for.
        region: Option<String>,
        /// What the catalog has instead: regions of this service, else the types of the services.
        found: Vec<String>,
    },
}

fn in_region(region: Option<&str>) -> String {
    region.map(|region| format!(" in region `{region}`")).unwrap_or_default()
}

/// A service's no, with everything that its operators would ask for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{method} `{url}` answered {status}: {message}{}", request_id.as_ref().map(|id| format!(" (request `{id}`)")).unwrap_or_default())]
pub struct Refusal {
    /// The method.
    pub method: Method,
    /// The whole address.
    pub url: String,
    /// The status.
    pub status: StatusCode,
    /// The service's own words, taken out of its error body.
    pub message: String,
    /// The service's name of the error, where it has one: `OverQuota`, `RevisionNumberConstraintFailed`.
    pub kind: Option<String>,
    /// The service's id of the request.
    pub request_id: Option<String>,
    /// How long the service asked us to wait.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// The status that the service answered with, where it answered.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::Unknown { status, .. } => *status,
            Self::Login { .. } => Some(StatusCode::UNAUTHORIZED),
            _ => None,
        }
    }

    /// The resource is not there (404, 410).
    pub fn is_not_found(&self) -> bool {
        self.refused_with(&[StatusCode::NOT_FOUND, StatusCode::GONE])
    }

    /// The resource is in a state, or at a revision, that does not allow the request (409, 412).
    pub fn is_conflict(&self) -> bool {
        self.refused_with(&[StatusCode::CONFLICT, StatusCode::PRECONDITION_FAILED])
    }

    /// Somebody else changed the resource since it was read (412 to an `If-Match`).
    pub fn is_stale(&self) -> bool {
        self.refused_with(&[StatusCode::PRECONDITION_FAILED])
    }

    /// The request may have been applied although it failed: look again before doing anything else.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Unknown { .. } => true,
            Self::Reply { method, .. } => !method.is_safe(),
            _ => false,
        }
    }

    /// How long the service asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// The service's id of the request: what its operators need to find it in their logs.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.request_id.as_deref(),
            Self::Login { request_id, .. } | Self::Reply { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Tls { file: Some(_), .. } => Some("`cacert`, `cert` and `key` name PEM files".to_owned()),
            Self::Tls { file: None, .. } => {
                Some("install the system's CA certificates, or set `cacert` in clouds.yaml".to_owned())
            }
            Self::Login { cloud, .. } => {
                Some(format!("check the credentials of `{cloud}` in clouds.yaml or secure.yaml"))
            }
            Self::Unreachable { source, .. } if is_certificate_failure(source) => {
                Some("set `cacert` of the cloud to the file of the authority that signed its certificate".to_owned())
            }
            Self::Unreachable { .. } => Some("check the address, the network and the proxy settings".to_owned()),
            Self::Unknown { .. } => Some("run the same command again: it looks before it changes anything".to_owned()),
            Self::NoEndpoint { found, .. } if found.is_empty() => {
                Some("the token has no catalog: give the cloud a project".to_owned())
            }
            Self::NoEndpoint { found, .. } => Some(format!("the catalog has {}", found.join(", "))),
            Self::Refused(refusal) => refusal.hint(),
            Self::NoReply { .. } | Self::Reply { .. } => None,
        }
    }

    fn refused_with(&self, statuses: &[StatusCode]) -> bool {
        matches!(self, Self::Refused(refusal) if statuses.contains(&refusal.status))
    }
}

impl Refusal {
    fn hint(&self) -> Option<String> {
        let text = self.message.to_lowercase();
        match self.status {
            _ if text.contains("quota") => Some("a quota is full: remove something, or ask for more".to_owned()),
            StatusCode::FORBIDDEN => Some("the cloud's policy does not give this right to your roles".to_owned()),
            StatusCode::TOO_MANY_REQUESTS => Some("the cloud limits its request rate: try again later".to_owned()),
            status if status.is_redirection() => {
                Some("the endpoint points elsewhere; set `<service>_endpoint_override` to the new address".to_owned())
            }
            _ => None,
        }
    }
}

/// True where a certificate was not accepted: repeating does not help, and the hint is another one.
pub(super) fn is_certificate_failure(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if matches!(current.downcast_ref::<rustls::Error>(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        // An I/O error hides what it carries from `source`.
        let inner = current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    false
}
