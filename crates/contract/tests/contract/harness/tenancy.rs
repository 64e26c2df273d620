//! A tenancy: who we are on which cloud, and how long to wait for it.

use super::answer::Answer;
use super::api::{Api, Service, send};
use super::entry::Entry;
use super::ledger::Ledger;
use futures_util::FutureExt;
use http::Method;
use pontoon_sim::{Cloud, Config, Delays};
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

/// Names the real cloud, an entry of clouds.yaml; without it the embedded one is looked at.
const VARIABLE: &str = "PONTOON_CONTRACT_CLOUD";

/// Which kind of cloud a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one in this process.
    Embedded,
    /// The one that the environment names.
    Real,
}

/// An authenticated session in one project.
pub struct Tenancy {
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
    pub(crate) ledger: Ledger,
    /// The reply to the log-in.
    pub login: Answer,
    endpoints: BTreeMap<Service, String>,
    entry: Entry,
    suffix: String,
    embedded: Option<Cloud>,
}

/// Runs a test on a tenancy, and then takes away what it made, whether it failed or not.
pub async fn contract(test: impl AsyncFnOnce(&Tenancy)) {
    let tenancy = Tenancy::open().await;
    let outcome = AssertUnwindSafe(test(&tenancy)).catch_unwind().await;
    let left = tenancy.clean_up().await;
    if let Err(panic) = outcome {
        eprintln!("left behind: {left:?}");
        std::panic::resume_unwind(panic);
    }
    assert!(left.is_empty(), "these cannot be taken away: {left:#?}");
}

impl Tenancy {
    async fn open() -> Self {
        // Fails where another test of this process was first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::new();
        let (embedded, entry) = match std::env::var(VARIABLE) {
            Ok(name) if !name.is_empty() => (None, Entry::find(&name)),
            _ => {
                let cloud = Cloud::start(Config { delays: held(), ..Config::zed() }).await.unwrap();
                let entry = Entry::read(&cloud.clouds_yaml("embedded"), "embedded");
                (Some(cloud), entry)
            }
        };
        let login = log_in(&http, &entry, None).await;
        assert_eq!(login.status, 201, "{}: {}", login.request, login.body);
        let token = login.header("x-subject-token").expect("a token").to_owned();
        let endpoints = Service::ALL.map(|service| (service, endpoint(&login.body, &entry, service))).into();
        let suffix = format!("{:08x}", rand::random::<u32>());
        Self { http, token, ledger: Ledger::default(), login, endpoints, entry, suffix, embedded }
    }

    /// Keystone.
    pub fn identity(&self) -> Api<'_> {
        Api::new(self, Service::Identity)
    }

    /// Glance.
    pub fn image(&self) -> Api<'_> {
        Api::new(self, Service::Image)
    }

    /// Nova, at its oldest microversion.
    pub fn compute(&self) -> Api<'_> {
        Api::new(self, Service::Compute)
    }

    /// Neutron.
    pub fn network(&self) -> Api<'_> {
        Api::new(self, Service::Network)
    }

    /// Octavia.
    pub fn balancer(&self) -> Api<'_> {
        Api::new(self, Service::Balancer)
    }

    /// Any service.
    pub fn of(&self, service: Service) -> Api<'_> {
        Api::new(self, service)
    }

    /// Which kind of cloud this is. A test asks for it only where a cloud of one's own can be told to do what another cannot.
    pub fn which(&self) -> Which {
        if self.embedded.is_some() { Which::Embedded } else { Which::Real }
    }

    /// A name that is nobody else's.
    pub fn name(&self, what: &str) -> String {
        format!("contract-{}-{what}", self.suffix)
    }

    /// The project's id.
    pub fn project(&self) -> &str {
        self.login.body["token"]["project"]["id"].as_str().expect("a token of a project")
    }

    /// The user's id.
    pub fn user(&self) -> &str {
        self.login.body["token"]["user"]["id"].as_str().expect("a token of a user")
    }

    /// The root of a service's API, with its version.
    pub fn endpoint(&self, service: Service) -> &str {
        &self.endpoints[&service]
    }

    /// Asks Keystone for another token, with another password where one is given.
    pub async fn log_in(&self, password: Option<&str>) -> Answer {
        log_in(&self.http, &self.entry, password).await
    }

    /// Asks again and again until the answer is as wanted.
    pub async fn until(&self, ask: impl AsyncFn() -> Answer, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let patience = match self.which() {
            Which::Embedded => Duration::from_secs(20),
            // An amphora under emulation takes five minutes.
            Which::Real => Duration::from_mins(15),
        };
        let deadline = Instant::now() + patience;
        loop {
            self.let_time_pass();
            let answer = ask().await;
            if wanted(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "after {patience:?} still {} {}", answer.status, answer.body);
            let pause = if self.which() == Which::Embedded { 5 } else { 1000 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// In the embedded cloud a state lasts until somebody waits for its end.
    fn let_time_pass(&self) {
        if let Some(cloud) = &self.embedded {
            cloud.world().change(|world| {
                let now = world.now;
                world.pending.iter_mut().for_each(|pending| pending.at = now);
            });
        }
    }

    /// Takes away what the test made, and answers what would not go.
    async fn clean_up(&self) -> Vec<String> {
        let mut left = Vec::new();
        while let Some(undo) = self.ledger.last() {
            let api = Api::new(self, undo.service);
            let go = async || match &undo.body {
                Some(body) => api.put(&undo.path, body.clone()).await,
                None => api.delete(&undo.path).await,
            };
            // What is being built, or used by what is just going, is refused for a while.
            let gone = AssertUnwindSafe(self.until(go, |answer| !matches!(answer.status, 409 | 500..)));
            match gone.catch_unwind().await {
                Ok(answer) if matches!(answer.status, 200 | 202 | 204 | 404) => {}
                Ok(answer) => left.push(format!("{}: {} {}", answer.request, answer.status, answer.body)),
                Err(_) => left.push(undo.path.clone()),
            }
            if let Some(path) = undo.lingers() {
                let gone = |answer: &Answer| {
                    answer.status == 404 || answer.body["loadbalancer"]["provisioning_status"] == "DELETED"
                };
                self.until(async || api.get(&path).await, gone).await;
            }
        }
        left
    }
}

/// States that do not end by themselves: what is refused while they last is seen without a race.
fn held() -> Delays {
    let held = Duration::from_hours(1);
    Delays { server: held, server_delete: held, balancer: held, balancer_change: held, ..Delays::zero() }
}

async fn log_in(http: &reqwest::Client, entry: &Entry, password: Option<&str>) -> Answer {
    let url = format!("{}/auth/tokens", entry.keystone());
    send(http, Method::POST, &url, &[], Some(entry.auth.request(password))).await
}

/// Where the catalog says that a service is, with the version of its API.
fn endpoint(login: &Value, entry: &Entry, service: Service) -> String {
    if service == Service::Identity {
        return entry.keystone();
    }
    let interface = entry.interface.as_deref().unwrap_or("public");
    let catalog = login["token"]["catalog"].as_array().expect("a catalog");
    let found = catalog
        .iter()
        .filter(|entry| entry["type"] == service.kind())
        .flat_map(|entry| entry["endpoints"].as_array().into_iter().flatten())
        .find(|endpoint| {
            endpoint["interface"] == interface
                && entry.region_name.as_deref().is_none_or(|region| endpoint["region_id"] == region)
        })
        .and_then(|endpoint| endpoint["url"].as_str())
        .unwrap_or_else(|| panic!("the catalog has no {}", service.kind()));
    let root = found.trim_end_matches('/');
    let last = root.rsplit('/').next().unwrap_or_default();
    let versioned = last.strip_prefix('v').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    if versioned { root.to_owned() } else { format!("{root}/{}", service.version()) }
}
