//! An embedded cloud without delays, and stacks to run on it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use pontoon_cloud::lxd;
use pontoon_cloud::openstack::{self, Client, Options, config};
use pontoon_cloud::site::{AgentSource, Patience, Site};
use pontoon_cloud::ssh::{Identity, KeyPair};
use pontoon_core::key::Key;
use pontoon_core::plan::{Plan, Step};
use pontoon_core::spec::model::Stack;
use pontoon_sim::{Cloud, Config, Delays};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::cli::StackOptions;
use crate::embedded::{Published, Running};
use crate::engine::{Answer, Consent, Engine, Holder, converge, planned, remove};
use crate::event::{Event, Report, RunOutcome, Sink};
use crate::load;

/// A cloud, and an operator who holds a key to its servers.
pub(super) struct Bench {
    pub(super) cloud: Cloud,
    config: Config,
    key: KeyPair,
    stop: Mutex<CancellationToken>,
    hook: Mutex<Option<openstack::http::RequestHook>>,
    /// What hosts are given as their agent.
    program: Mutex<AgentSource>,
    /// Where the operator's tokens are kept from one run to the next; nowhere at first.
    tokens: Mutex<Option<PathBuf>>,
    directory: tempfile::TempDir,
}

/// Says the same to every question.
pub(super) struct Says(pub(super) Answer);

impl Consent for Says {
    fn given(&self, _plan: &Plan) -> Answer {
        self.0
    }
}

/// Shows nothing.
struct Silent;

impl Sink for Silent {
    fn event(&self, _event: &Event<'_>) {}
}

impl Bench {
    /// The default world.
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A world that differs from the default one.
    pub(super) async fn with(differ: impl FnOnce(&mut Config)) -> Self {
        // TLS has one provider in this process; that there is one already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = KeyPair::generate("test").unwrap();
        let mut config = Config {
            delays: Delays::zero(),
            public_key: Some(key.public.clone()),
            external: external(),
            ..Config::default()
        };
        differ(&mut config);
        let cloud = Cloud::start(config.clone()).await.unwrap();
        let bench = Self {
            cloud,
            config,
            key,
            stop: Mutex::default(),
            hook: Mutex::default(),
            program: Mutex::default(),
            tokens: Mutex::default(),
            directory: tempfile::tempdir().unwrap(),
        };
        bench.gives_agents("1");
        bench
    }

    /// From now on hosts are given this as their agent: it looks like a program, and nothing here runs it. Its SHA-256.
    pub(super) fn gives_agents(&self, version: &str) -> String {
        let path = self.directory.path().join(version);
        std::fs::write(&path, format!("\x7fELF of version {version}")).unwrap();
        let source = AgentSource::read(&path, version).unwrap();
        let AgentSource::Here { sha256, .. } = &source else { panic!("{source:?}") };
        let sha256 = sha256.clone();
        *self.program.lock().unwrap() = source;
        sha256
    }

    /// The program that the agent of the only host runs with, as SHA-256 of what it was when it was started.
    pub(super) fn agent_runs(&self) -> Option<String> {
        let world = self.cloud.world();
        let id = world.change(|world| world.servers.values().next().map(|server| server.meta.id.clone()))?;
        world.guest(&id)?.runs("pontoon-agent")
    }

    /// From now on tokens are kept from one run to the next.
    pub(super) fn keeps_tokens(&self) {
        *self.tokens.lock().unwrap() = Some(self.directory.path().join("tokens"));
    }

    /// Stops the cloud and starts it again from what it saved.
    pub(super) async fn restarted(self) -> Self {
        assert!(self.config.state_file.is_some(), "a cloud without a state file forgets everything");
        self.cloud.stop().await;
        let cloud = Cloud::start(self.config.clone()).await.unwrap();
        Self { cloud, ..self }
    }

    /// Calls `hook` after every attempt at a request of the operator's.
    pub(super) fn watch(&self, hook: impl Fn(&openstack::Attempt) + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Some(Arc::new(hook));
    }

    /// What the operator presses Ctrl-C with; each call of [`Self::up`] and the others takes the one of its beginning.
    pub(super) fn stopper(&self) -> CancellationToken {
        let fresh = CancellationToken::new();
        *self.stop.lock().unwrap() = fresh.clone();
        fresh
    }

    /// A new site of a stack, as a new process would have it.
    pub(super) fn site(&self, stack: &str) -> Arc<Site> {
        let identity = Identity::from_text(&self.key.private, Path::new("test")).unwrap();
        let running = Running { endpoint: self.cloud.endpoint().to_owned(), pid: std::process::id() };
        let patience = Patience {
            step: Duration::from_secs(10),
            stuck: Duration::from_millis(300),
            look: Duration::from_secs(10),
            silence: Duration::from_secs(3),
            ..Patience::default()
        };
        let outside = Arc::new(Published::new(&running));
        let mut site = Site::new(stack, self.client(), vec![identity], outside, patience, PathBuf::from("."));
        site.agent = self.program.lock().unwrap().clone();
        Arc::new(site)
    }

    /// A client of the cloud's APIs.
    pub(super) fn client(&self) -> Client {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("clouds.yaml");
        std::fs::write(&file, self.cloud.clouds_yaml("embedded")).unwrap();
        let environment = BTreeMap::from([("OS_CLIENT_CONFIG_FILE".to_owned(), file.display().to_string())]);
        let sources = config::Sources::read(environment, directory.path()).unwrap();
        let config = config::cloud_config(&sources, Some("embedded")).unwrap();
        let options = Options {
            on_request: self.hook.lock().unwrap().clone(),
            token_directory: self.tokens.lock().unwrap().clone(),
            ..Options::default()
        };
        Client::new(config, options).unwrap()
    }

    fn engine<'a>(&self, stack: &str, consent: &'a (dyn Consent + Sync)) -> Engine<'a> {
        self.engine_of(stack, consent, Holder::this_process())
    }

    fn engine_of<'a>(&self, stack: &str, consent: &'a (dyn Consent + Sync), holder: Holder) -> Engine<'a> {
        let stop = std::mem::take(&mut *self.stop.lock().unwrap());
        Engine {
            site: self.site(stack),
            cloud: "embedded",
            simulated: true,
            sink: &Silent,
            at_once: 8,
            stop,
            consent,
            holder,
            begun: Instant::now(),
            sent_before: 0,
        }
    }

    /// `pontoon up --yes`.
    pub(super) async fn up(&self, stack: &Stack) -> Report {
        converge(&self.engine(&stack.name, &Says(Answer::Yes)), stack).await
    }

    /// `pontoon up` with somebody, or nobody, at the terminal.
    pub(super) async fn up_asking(&self, stack: &Stack, consent: Answer) -> Report {
        converge(&self.engine(&stack.name, &Says(consent)), stack).await
    }

    /// `pontoon up --yes` by somebody else.
    pub(super) async fn up_as(&self, stack: &Stack, holder: Holder) -> Report {
        converge(&self.engine_of(&stack.name, &Says(Answer::Yes), holder), stack).await
    }

    /// `pontoon plan`.
    pub(super) async fn plan(&self, stack: &Stack) -> Plan {
        planned(&self.engine(&stack.name, &Says(Answer::No)), stack).await.unwrap().1
    }

    /// `pontoon down --yes`.
    pub(super) async fn down(&self, stack: &str) -> Report {
        remove(&self.engine(stack, &Says(Answer::Yes))).await
    }

    /// An `up` that must end well, and leave nothing to do.
    pub(super) async fn built(&self, stack: &Stack) -> Report {
        let report = self.up(stack).await;
        assert_eq!(report.outcome, RunOutcome::Converged, "{report:?}");
        let plan = self.plan(stack).await;
        assert!(plan.is_empty(), "{}", told(&plan));
        report
    }

    /// What a browser is given by a balancer: status and text, or nothing where no answer comes.
    pub(super) async fn visit(&self, report: &Report, balancer: &str) -> Option<(u16, String)> {
        let url = report.endpoints.iter().find(|endpoint| endpoint.balancer == balancer).unwrap().url.clone();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
        let reply = client.get(url).send().await.ok()?;
        let status = reply.status().as_u16();
        Some((status, reply.text().await.unwrap()))
    }

    /// The engine of a host of the stack, for changes by hand.
    pub(super) async fn engine_on(&self, stack: &Stack, host: &str) -> (Arc<Site>, lxd::Client) {
        let site = self.site(&stack.name);
        Box::pin(site.observe(stack)).await.unwrap();
        let engine = site.hosts.any_engine(host).await.unwrap();
        (site, engine)
    }

    /// The requests after number `ordinal` that change something. Logins and questions for the console are `POST`s too,
    /// and change nothing.
    pub(super) fn writes_after(&self, ordinal: u64) -> Vec<String> {
        let requests = self.cloud.world().requests().into_iter().filter(|request| request.ordinal > ordinal);
        let writes = requests.filter(|request| {
            request.method != "GET" && !request.path.ends_with("/auth/tokens") && !request.path.ends_with("/action")
        });
        writes.map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    /// Everything in the world that says it is of a stack: the texts of keys and tags, sorted, with repeats.
    pub(super) fn traces(&self, stack: &str) -> Vec<String> {
        let mut found = Vec::new();
        collect(&self.cloud.world().snapshot(), &format!("pontoon:{stack}"), &mut found);
        found.sort();
        found
    }
}

/// Collects every text below `value` that begins with `prefix`, settings and logs of the simulator aside.
fn collect(value: &Value, prefix: &str, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with(prefix) => found.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|one| collect(one, prefix, found)),
        Value::Object(fields) => {
            for (_, one) in fields.iter().filter(|(name, _)| *name != "settings") {
                collect(one, prefix, found);
            }
        }
        _ => {}
    }
}

/// A stack of `examples/`, with changes as `--set` would make them.
pub(super) fn example(name: &str, sets: &[&str]) -> Stack {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let options = StackOptions { set: sets.iter().map(|set| (*set).to_owned()).collect(), ..StackOptions::default() };
    load::load(&path, &options).map_err(|failure| failure.json()).unwrap().loaded.stack
}

/// A stack of a file's text, with changes as `--set` would make them; `user_data` names no files.
pub(super) fn stack(text: &str, sets: &[&str]) -> Stack {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("pontoon.yaml"), text).unwrap();
    let options = StackOptions { set: sets.iter().map(|set| (*set).to_owned()).collect(), ..StackOptions::default() };
    load::load(directory.path(), &options).map_err(|failure| failure.json()).unwrap().loaded.stack
}

/// A plan as text, for assertions and their messages.
pub(super) fn told(plan: &Plan) -> String {
    let steps = plan.steps.iter().map(|step| {
        let labels: Vec<String> = step.keys.iter().map(Key::label).collect();
        format!("{:?} {}: {}", step.verb, labels.join(" + "), step.reason)
    });
    let blocked = plan.blocked.iter().map(|one| format!("BLOCKED {}: {} ({})", one.subject, one.reason, one.hint));
    steps.chain(blocked).collect::<Vec<_>>().join("\n")
}

/// The first step of a plan on a resource.
pub(super) fn step<'a>(plan: &'a Plan, label: &str) -> &'a Step {
    let found = plan.steps.iter().find(|step| step.keys.iter().any(|key| key.label() == label));
    found.unwrap_or_else(|| panic!("no step on {label}:\n{}", told(plan)))
}

/// External networks of their own for clouds that run side by side, in this process and in others: what the one no
/// longer publishes, another one must not answer, nor may it hold the port.
fn external() -> Ipv4Net {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = u32::from(Ipv4Addr::new(127, 80, 0, 0));
    // Process ids of tests that run at the same moment lie close together; a hundred clouds fit between two of them.
    let number = std::process::id().wrapping_mul(101).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (170 * 256);
    Ipv4Net::new_assert(Ipv4Addr::from(first + number * 256), 24)
}
