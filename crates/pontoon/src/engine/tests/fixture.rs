//! An embedded cloud without delays, and stacks to run on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pontoon_cloud::openstack::{self, Client, Options, config};
use pontoon_cloud::site::{Patience, Site};
use pontoon_cloud::ssh::{Identity, KeyPair};
use pontoon_core::plan::Plan;
use pontoon_core::spec::model::Stack;
use pontoon_sim::{Cloud, Config, Delays};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::cli::StackOptions;
use crate::embedded::{Published, Running};
use crate::engine::{Answer, Consent, Engine, Holder, converge, planned, remove};
use crate::event::{Event, Report, Sink};
use crate::load;

/// A cloud, and an operator who holds a key to its servers.
pub(super) struct Bench {
    pub(super) cloud: Cloud,
    key: KeyPair,
    stop: Mutex<CancellationToken>,
    hook: Mutex<Option<openstack::http::RequestHook>>,
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
        let mut config = Config { delays: Delays::zero(), public_key: Some(key.public.clone()), ..Config::default() };
        differ(&mut config);
        let cloud = Cloud::start(config).await.unwrap();
        Self { cloud, key, stop: Mutex::default(), hook: Mutex::default() }
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
        let patience =
            Patience { step: Duration::from_secs(30), stuck: Duration::from_millis(300), look: Duration::from_secs(10) };
        let outside = Arc::new(Published::new(&running));
        Arc::new(Site::new(stack, self.client(), vec![identity], outside, patience, PathBuf::from(".")))
    }

    /// A client of the cloud's APIs.
    pub(super) fn client(&self) -> Client {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("clouds.yaml");
        std::fs::write(&file, self.cloud.clouds_yaml("embedded")).unwrap();
        let environment = BTreeMap::from([("OS_CLIENT_CONFIG_FILE".to_owned(), file.display().to_string())]);
        let sources = config::Sources::read(environment, directory.path()).unwrap();
        let config = config::cloud_config(&sources, Some("embedded")).unwrap();
        let options = Options { on_request: self.hook.lock().unwrap().clone(), ..Options::default() };
        Client::new(config, options).unwrap()
    }

    fn engine<'a>(&self, stack: &str, consent: &'a (dyn Consent + Sync)) -> Engine<'a> {
        let stop = std::mem::take(&mut *self.stop.lock().unwrap());
        Engine {
            site: self.site(stack),
            cloud: "embedded",
            simulated: true,
            sink: &Silent,
            at_once: 8,
            stop,
            consent,
            holder: Holder::this_process(),
            begun: Instant::now(),
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

    /// `pontoon plan`.
    pub(super) async fn plan(&self, stack: &Stack) -> Plan {
        planned(&self.engine(&stack.name, &Says(Answer::No)), stack).await.unwrap().1
    }

    /// `pontoon down --yes`.
    pub(super) async fn down(&self, stack: &str) -> Report {
        remove(&self.engine(stack, &Says(Answer::Yes))).await
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
        Value::Object(fields) => fields.iter().filter(|(name, _)| *name != "settings").for_each(|(_, one)| collect(one, prefix, found)),
        _ => {}
    }
}

/// A stack of `examples/`, with changes as `--set` would make them.
pub(super) fn example(name: &str, sets: &[&str]) -> Stack {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let options = StackOptions { set: sets.iter().map(|set| (*set).to_owned()).collect(), ..StackOptions::default() };
    load::load(&path, &options).map_err(|failure| failure.json()).unwrap().loaded.stack
}

/// A stack of a file's text; `user_data` names no files.
pub(super) fn stack(text: &str) -> Stack {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("pontoon.yaml"), text).unwrap();
    load::load(directory.path(), &StackOptions::default()).map_err(|failure| failure.json()).unwrap().loaded.stack
}
