//! One stack at its place: the tenancy that it lives in and the hosts that it made there.
//!
//! A [`Site`] does two things, each the translation of one language into another: it *observes* (lists of the vendors
//! become [`Observed`](pontoon_core::observed::Observed)) and it *performs* (an [`Action`](pontoon_core::plan::Action)
//! becomes requests). It holds ids, connections and nothing else. What should be done, in what order and whether at all
//! is decided in the plan; neither half has an `if` about it.

mod agent;
pub mod cloud_init;
mod error;
mod host_keys;
mod hosts;
mod observe;
mod patience;
mod perform;
mod probe;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use pontoon_core::book::{Book, Known};
use pontoon_core::key::{Key, stack_tag};
use tokio::sync::OnceCell;

pub use agent::AgentSource;
pub use error::{SiteError, chain};
pub use hosts::Hosts;
pub use patience::{Patience, until};

use crate::openstack;
use crate::ssh::{BoxIo, Identity, SshError};

/// What the description of the security group begins with that holds the lease on a stack. It is no key: a plan neither
/// counts nor removes it.
pub fn lease_prefix(stack: &str) -> String {
    format!("{}:lease", stack_tag(stack))
}

/// How the operator's machine reaches floating IPs.
pub trait Outside: Send + Sync + 'static {
    /// Opens a TCP connection to a floating IP.
    fn dial(&self, address: Ipv4Addr, port: u16) -> BoxFuture<'_, Result<BoxIo, SshError>>;
    /// Where a browser finds a port of a floating IP: `203.0.113.7` for port 80 of it, `127.77.0.5:8080` where the
    /// embedded cloud could not have the port itself.
    fn authority(&self, address: Ipv4Addr, port: u16) -> BoxFuture<'_, String>;
}

/// What is told while something is waited for: what, in words.
pub type Waiting<'a> = &'a (dyn Fn(String) + Send + Sync);

/// One stack at its place.
pub struct Site {
    /// The tenancy.
    pub openstack: openstack::Client,
    /// The way into the hosts.
    pub hosts: Hosts,
    /// How long things are waited for.
    pub patience: Patience,
    /// The directory that image files of the stack are relative to.
    pub directory: PathBuf,
    /// What hosts are given as their agent.
    pub agent: AgentSource,
    stack: String,
    book: SharedBook,
    /// The ring's key, where this run had to draw one.
    drawn_key: OnceCell<String>,
    /// The program that hosts are given as their agent, packed by gzip, where any was given it.
    packed_program: OnceCell<Vec<u8>>,
    /// Load balancers whose children stayed pending for longer than anything takes.
    stuck: Mutex<BTreeSet<String>>,
    /// Servers that are ACTIVE and of which Nova had no console for longer than anything takes.
    silent: Mutex<BTreeSet<String>>,
    /// Whether the last look saw a lease on the stack.
    leased: AtomicBool,
    /// What a cloud does not change while we work on it: read once.
    constant: Constant,
}

/// Facts about the cloud itself.
#[derive(Default)]
struct Constant {
    /// Aliases of Neutron's extensions.
    extensions: OnceCell<BTreeSet<String>>,
    /// The highest version of the load-balancer API; `None` where there is no such service.
    balancer_api: OnceCell<Option<(u32, u32)>>,
    /// The names of the load-balancer service's providers.
    balancer_providers: OnceCell<BTreeSet<String>>,
}

impl Site {
    /// The site of the stack called `stack`. Nothing is sent yet.
    pub fn new(
        stack: &str,
        openstack: openstack::Client,
        identities: Vec<Identity>,
        outside: Arc<dyn Outside>,
        patience: Patience,
        directory: PathBuf,
    ) -> Self {
        let book = SharedBook::default();
        let hosts = Hosts::new(stack, identities, outside, book.clone(), patience);
        Self {
            openstack,
            hosts,
            patience,
            directory,
            agent: AgentSource::Unasked,
            drawn_key: OnceCell::new(),
            packed_program: OnceCell::new(),
            stack: stack.to_owned(),
            book,
            stuck: Mutex::default(),
            silent: Mutex::default(),
            leased: AtomicBool::new(false),
            constant: Constant::default(),
        }
    }

    /// The name of the stack.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// Whether the last look saw a lease on the stack, of whomever.
    pub fn saw_lease(&self) -> bool {
        self.leased.load(Ordering::Relaxed)
    }

    /// What a key means now; filled by observing, and by performing.
    pub fn known(&self, key: &Key) -> Option<Known> {
        self.book.get(key)
    }

    /// Whether a balancer's children are known to be stuck.
    fn is_stuck(&self, id: &str) -> bool {
        holds(&self.stuck, id)
    }

    fn mark_stuck(&self, id: &str) {
        mark(&self.stuck, id);
    }

    /// Whether a server is known to have no console.
    fn is_silent(&self, id: &str) -> bool {
        holds(&self.silent, id)
    }

    fn mark_silent(&self, id: &str) {
        mark(&self.silent, id);
    }
}

fn holds(marked: &Mutex<BTreeSet<String>>, id: &str) -> bool {
    marked.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
}

fn mark(marked: &Mutex<BTreeSet<String>>, id: &str) {
    marked.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
}

/// A book that observing replaces and performing adds to.
#[derive(Clone, Default)]
pub(crate) struct SharedBook(Arc<Mutex<Book>>);

impl SharedBook {
    fn get(&self, key: &Key) -> Option<Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn set(&self, key: &Key, id: &str, address: Option<Ipv4Addr>) {
        let known = Known { id: id.to_owned(), address };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), known);
    }

    fn replace(&self, book: Book) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = book;
    }

    /// The id behind a key, or an error that says what is missing.
    fn id(&self, key: &Key) -> Result<String, SiteError> {
        self.get(key).map(|known| known.id).ok_or_else(|| SiteError::Missing { what: key.label() })
    }
}
