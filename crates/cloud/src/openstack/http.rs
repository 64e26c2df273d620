//! Sending, in one place: address, token, repeats, and what an answer means.
//!
//! # When a request is sent again
//!
//! | what happened | GET, DELETE | POST, PUT |
//! |---|---|---|
//! | the service was not reached (refused, no route, no name) | again | again: nothing was sent |
//! | sent, no reply (closed, timed out) | again | [`Error::Unknown`] |
//! | 429 | again | again: rate limits stand before the service |
//! | 503 of Neutron or Octavia | again | again: both answer so before or after rolling back (busy quota lock, database) |
//! | 503 of another service | again | refused |
//! | 502, 504 | again | [`Error::Unknown`]: a gateway lost the service's reply |
//! | 401 | once, with a new token | once, with a new token: it was turned away at the door |
//! | the catalog of an earlier run has no such service, or a wrong address for it | once, with a new login | the same |
//! | anything else | refused | refused |
//!
//! A 500 to a POST is a refusal: the service says that it failed, and its message matters to the user. What it left behind
//! is seen when the caller looks again, as it does after any failure.
//!
//! `Retry-After` is honoured; where it is longer than [`RetryPolicy::longest_wait`] the refusal is handed back at once,
//! with the time in it. Redirects are not followed: a token must not travel to an address that the catalog does not name.

mod clock;
mod fault;
mod response;
mod retry;
#[cfg(test)]
mod tests;
mod transport;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use jiff::Timestamp;

use super::auth::{Session, TokenCache};
use super::config::CloudConfig;
use super::error::Error;
use super::request::{Repeat, Request, Service};

use clock::Clock;
use fault::refusal;
pub use response::Response;
use response::request_id;
pub use retry::RetryPolicy;
use retry::{Outcome, Verdict, judge};

/// A connection to one cloud. Cheap to clone; all clones share the token, the connections and the count.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: CloudConfig,
    options: Options,
    http: reqwest::Client,
    sent: AtomicU64,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    cache: TokenCache,
    neutron_clock: Clock,
}

/// How a client behaves, apart from which cloud it speaks to.
#[derive(Clone)]
pub struct Options {
    /// Where tokens are kept between runs; None keeps none. See [`super::auth::default_token_directory`].
    pub token_directory: Option<PathBuf>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long one request may take, unless the cloud's `api_timeout` says otherwise.
    pub request_timeout: Duration,
    /// How often and how patiently requests are repeated.
    pub retry: RetryPolicy,
    /// Called after every attempt.
    pub on_request: Option<RequestHook>,
}

/// What is called after every attempt; it must return quickly.
pub type RequestHook = Arc<dyn Fn(&Attempt) + Send + Sync>;

/// One attempt at a request, for those who watch. It holds no secret.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The method.
    pub method: Method,
    /// The whole address.
    pub url: String,
    /// The answer, where there was one.
    pub status: Option<StatusCode>,
    /// The service's id of the request.
    pub request_id: Option<String>,
    /// 1 for the first attempt.
    pub number: u32,
    /// How long it took.
    pub elapsed: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token_directory: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_mins(1),
            retry: RetryPolicy::default(),
            on_request: None,
        }
    }
}

impl Client {
    /// Makes a client. Nothing is sent before the first request.
    ///
    /// # Errors
    /// [`Error::Tls`] where a certificate file cannot be used.
    pub fn new(config: CloudConfig, options: Options) -> Result<Self, Error> {
        let http = transport::build(&config, &options)?;
        let cache = TokenCache::new(options.token_directory.clone(), &config);
        let (sent, session) = (AtomicU64::new(0), tokio::sync::Mutex::new(None));
        let neutron_clock = Clock::default();
        Ok(Self { shared: Arc::new(Shared { config, options, http, sent, session, cache, neutron_clock }) })
    }

    /// The cloud that this client speaks to.
    pub fn config(&self) -> &CloudConfig {
        &self.shared.config
    }

    /// What Neutron's clock shows, by the `Date` of its last reply; `None` before there was one.
    pub fn neutron_time(&self) -> Option<Timestamp> {
        self.shared.neutron_clock.now()
    }

    /// How many requests were sent, logins and repeats included.
    pub fn requests(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// The session: a token and its catalog, from memory, from the cache, or by a login.
    ///
    /// # Errors
    /// [`Error::Login`] and what sending can bring.
    pub async fn session(&self) -> Result<Arc<Session>, Error> {
        let mut current = self.shared.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| session.is_fresh()) {
            return Ok(Arc::clone(session));
        }
        // A session that was in use has expired, so the cache has nothing newer than it.
        let cached = if current.is_none() { self.shared.cache.load() } else { None };
        let session = match cached {
            Some(session) => Arc::new(session),
            None => self.log_in().await?,
        };
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Sends a request and waits for its answer, repeating it as the module's table says.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::is_unknown`] tells whether the request may have been applied.
    pub async fn send(&self, request: &Request) -> Result<Response, Error> {
        let session = self.session().await?;
        let answer = self.send_with(request, &session).await;
        let outdated = match &answer {
            Ok(_) => false,
            // A catalog that was kept since an earlier run: the service may have come or moved since.
            Err(Error::NoEndpoint { .. } | Error::Unreachable { .. }) => session.is_kept(),
            Err(error) => error.status() == Some(StatusCode::UNAUTHORIZED),
        };
        if !outdated {
            return answer;
        }
        let session = self.replace_session(&session).await?;
        self.send_with(request, &session).await
    }

    async fn send_with(&self, request: &Request, session: &Session) -> Result<Response, Error> {
        let url = session.address(request, &self.shared.config)?;
        let message = Message { request, url, token: Some(session.token().expose()) };
        self.deliver(&message).await
    }

    /// A new login, unless another task has already made one since `outdated` was found to be so.
    async fn replace_session(&self, outdated: &Arc<Session>) -> Result<Arc<Session>, Error> {
        let mut current = self.shared.session.lock().await;
        if let Some(newer) = current.as_ref().filter(|session| session.token() != outdated.token()) {
            return Ok(Arc::clone(newer));
        }
        self.shared.cache.forget();
        *current = None;
        let session = self.log_in().await?;
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn log_in(&self) -> Result<Arc<Session>, Error> {
        let config = &self.shared.config;
        let request = super::auth::login_request(config);
        let url = super::auth::login_url(&config.auth_url);
        let answer = self.deliver(&Message { request: &request, url, token: None }).await;
        let response = answer.map_err(|error| super::auth::explain_login(error, &config.name))?;
        let session = Session::from_login(&response)?;
        self.shared.cache.store(&session);
        Ok(Arc::new(session))
    }

    async fn deliver(&self, message: &Message<'_>) -> Result<Response, Error> {
        let retry = &self.shared.options.retry;
        let mut number = 1;
        loop {
            let outcome = self.attempt(message, number).await;
            match judge(outcome, message, number, retry) {
                Verdict::Done(answer) => return answer,
                Verdict::Again(wait) => {
                    tracing::debug!(method = %message.request.method, url = %message.url, ?wait, "sending again");
                    tokio::time::sleep(wait).await;
                    number += 1;
                }
            }
        }
    }

    async fn attempt(&self, message: &Message<'_>, number: u32) -> Outcome {
        let started = Instant::now();
        self.shared.sent.fetch_add(1, Ordering::Relaxed);
        let outcome = self.transmit(message).await;
        let (status, request_id) = match &outcome {
            Outcome::Answered(response) => (Some(response.status), request_id(&response.headers)),
            Outcome::NotReached(_) | Outcome::NoReply(_) => (None, None),
        };
        let (method, url, elapsed) = (message.request.method.clone(), message.url.clone(), started.elapsed());
        tracing::debug!(%method, %url, status = status.map(|status| status.as_u16()), request_id, number, ?elapsed, "request");
        if let Some(hook) = &self.shared.options.on_request {
            hook(&Attempt { method, url, status, request_id, number, elapsed });
        }
        outcome
    }

    async fn transmit(&self, message: &Message<'_>) -> Outcome {
        let request = message.request;
        let mut builder = self.shared.http.request(request.method.clone(), &message.url);
        builder = builder.header(http::header::ACCEPT, "application/json");
        if let Some(token) = message.token {
            builder = builder.header("X-Auth-Token", token);
        }
        if let Some(version) = &request.microversion {
            builder = builder.header("OpenStack-API-Version", format!("{} {version}", request.service.as_str()));
        }
        if let Some(revision) = request.if_match {
            builder = builder.header(http::header::IF_MATCH, format!("revision_number={}", revision.0));
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        let answer = match builder.send().await {
            Ok(answer) => answer,
            // Neither a failed connection nor a request that cannot be built has sent anything.
            Err(error) if error.is_connect() || error.is_builder() => return Outcome::NotReached(error.without_url()),
            Err(error) => return Outcome::NoReply(error.without_url()),
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        if request.service == Service::Network {
            self.shared.neutron_clock.set_by(&headers);
        }
        match answer.bytes().await {
            Ok(body) => {
                let (method, url) = (request.method.clone(), message.url.clone());
                Outcome::Answered(Response { method, url, status, headers, body })
            }
            Err(error) => Outcome::NoReply(error.without_url()),
        }
    }
}

/// A request with its address and token: ready to be sent.
struct Message<'a> {
    request: &'a Request,
    url: String,
    token: Option<&'a str>,
}

impl Message<'_> {
    fn repeat(&self) -> Repeat {
        self.request.repeat
    }

    fn service(&self) -> Service {
        self.request.service
    }
}
