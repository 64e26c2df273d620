//! The way into the hosts: one ssh connection each, through the jump host where there is one, and the engine's API over
//! its unix socket through that connection.
//!
//! A host key is accepted only if the cloud itself told it: from the server's metadata, where it is noted once it was
//! read or together with the server that it was handed to, or from the console log that cloud-init prints it to.
//! Metadata can be written by the project's members alone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pontoon_core::key::{Key, Kind};
use pontoon_core::plan::{LOGIN, Way};
use pontoon_core::render;
use pontoon_core::spec::model::Engine;
use tokio::io::AsyncReadExt as _;

use super::{Outside, Patience, SharedBook, SiteError};
use crate::lxd::{self, SocketOverSsh};
use crate::ssh::{BoxIo, ConnectOptions, ExitStatus, HostKeyCheck, Identity, Login, Session};

/// How long a command on a host may take that only reads or writes a small file.
const COMMAND_LIMIT: Duration = Duration::from_mins(1);
/// How long a host may take to greet. One that has not booted often drops what comes, and a connection that is begun anew
/// is there sooner than one whose first packet is sent again.
const KNOCK_LIMIT: Duration = Duration::from_secs(3);

/// The hosts of one stack.
pub struct Hosts {
    stack: String,
    identities: Vec<Identity>,
    outside: Arc<dyn Outside>,
    book: SharedBook,
    patience: Patience,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ways: BTreeMap<String, Way>,
    host_keys: BTreeMap<String, HostKeyCheck>,
    sessions: BTreeMap<String, Session>,
    /// Clients of the engines, each over the session of its host. They have found their socket, and keep connections.
    engines: BTreeMap<String, lxd::Client>,
}

impl State {
    fn drop_connections(&mut self, host: &str) {
        self.sessions.remove(host);
        self.engines.remove(host);
    }
}

impl Hosts {
    pub(super) fn new(
        stack: &str,
        identities: Vec<Identity>,
        outside: Arc<dyn Outside>,
        book: SharedBook,
        patience: Patience,
    ) -> Self {
        Self { stack: stack.to_owned(), identities, outside, book, patience, state: Mutex::default() }
    }

    /// Says how the hosts of the stack are reached.
    pub fn set_ways(&self, ways: BTreeMap<String, Way>) {
        self.with(|state| state.ways = ways);
    }

    /// How the operator's machine reaches floating IPs.
    pub fn outside(&self) -> &dyn Outside {
        self.outside.as_ref()
    }

    pub(super) fn knows_key_of(&self, host: &str) -> bool {
        self.with(|state| state.host_keys.contains_key(host))
    }

    pub(super) fn set_host_key(&self, host: &str, check: HostKeyCheck) {
        self.with(|state| state.host_keys.insert(host.to_owned(), check));
    }

    /// Forgets a host that is gone: its key and the connection to it.
    pub(super) fn forget(&self, host: &str) {
        self.with(|state| {
            state.host_keys.remove(host);
            state.drop_connections(host);
        });
    }

    /// Drops the connection to a host, so that the next one begins afresh.
    pub(super) fn disconnect(&self, host: &str) {
        self.with(|state| state.drop_connections(host));
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A logged-in connection to a host; the one there is, or a new one.
    pub async fn session(&self, host: &str) -> Result<Session, SiteError> {
        if let Some(session) = self.with(|state| state.sessions.get(host).filter(|open| !open.is_closed()).cloned()) {
            return Ok(session);
        }
        let check = self.with(|state| state.host_keys.get(host).cloned());
        let host_key = check.ok_or_else(|| SiteError::Missing { what: format!("the host key of `{host}`") })?;
        let transport = self.dial(host).await?;
        let options = ConnectOptions {
            host: host.to_owned(),
            login: Login { user: LOGIN.to_owned(), keys: self.identities.clone() },
            host_key,
            limit: self.patience.look,
        };
        let session = Session::connect(transport, &options).await?;
        self.with(|state| {
            state.drop_connections(host);
            state.sessions.insert(host.to_owned(), session.clone());
        });
        Ok(session)
    }

    /// Whether a host's sshd greets who connects. Nothing is said there, and the cloud's services hear nothing of it.
    pub(super) async fn greets(&self, host: &str) -> bool {
        let knock = async { Some(self.dial(host).await.ok()?.read_u8().await.is_ok()) };
        tokio::time::timeout(KNOCK_LIMIT, knock).await.ok().flatten().unwrap_or(false)
    }

    /// A connection to a host's sshd, by the way that leads there.
    async fn dial(&self, host: &str) -> Result<BoxIo, SiteError> {
        let way = self.with(|state| state.ways.get(host).cloned());
        Ok(match way.unwrap_or(Way::Address) {
            Way::FloatingIp(key) => self.outside.dial(self.address(&key)?, 22).await?,
            Way::Through(jump) => {
                let jump = Box::pin(self.session(&jump)).await?;
                jump.direct_tcpip(&self.own_address(host)?.to_string(), 22).await?
            }
            Way::Address => self.outside.dial(self.own_address(host)?, 22).await?,
        })
    }

    fn address(&self, key: &Key) -> Result<Ipv4Addr, SiteError> {
        let known = self.book.get(key).and_then(|known| known.address);
        known.ok_or_else(|| SiteError::Missing { what: key.label() })
    }

    /// A host's own address on the network.
    pub(super) fn own_address(&self, host: &str) -> Result<Ipv4Addr, SiteError> {
        self.address(&Key::new(&self.stack, Kind::Port, host))
    }

    /// The container engine of a host.
    pub async fn engine(&self, host: &str, engine: Engine) -> Result<lxd::Client, SiteError> {
        self.engine_at(host, render::engine_sockets(engine)).await
    }

    /// The container engine of a host, whichever it is.
    pub async fn any_engine(&self, host: &str) -> Result<lxd::Client, SiteError> {
        self.engine_at(host, &SocketOverSsh::USUAL_SOCKETS).await
    }

    /// The client that there is, or a new one that looks for the engine's socket among `sockets`.
    async fn engine_at(&self, host: &str, sockets: &[&str]) -> Result<lxd::Client, SiteError> {
        let session = self.session(host).await?;
        Ok(self.with(|state| {
            let new = || lxd::Client::new(SocketOverSsh::new(session, sockets.iter().copied()));
            state.engines.entry(host.to_owned()).or_insert_with(new).clone()
        }))
    }

    /// Opens a TCP connection from a host to an address on its network.
    pub(super) async fn connect_from(&self, host: &str, address: Ipv4Addr, port: u16) -> Result<BoxIo, SiteError> {
        Ok(self.session(host).await?.direct_tcpip(&address.to_string(), port).await?)
    }

    /// Runs a command on a host and returns what it printed; anything but success is an error.
    pub async fn run(&self, host: &str, command: &str, stdin: &[u8]) -> Result<String, SiteError> {
        self.run_for(host, command, stdin, COMMAND_LIMIT).await
    }

    /// The same, for a command that may take longer than most.
    pub(super) async fn run_for(
        &self,
        host: &str,
        command: &str,
        stdin: &[u8],
        limit: Duration,
    ) -> Result<String, SiteError> {
        let (status, text) = self.try_run_for(host, command, stdin, limit).await?;
        if status.success() {
            return Ok(text);
        }
        Err(SiteError::Command { host: host.to_owned(), command: command.to_owned(), output: text.trim().to_owned() })
    }

    /// Runs a command on a host, whatever comes of it. The text is what it printed, or its complaints if it failed.
    pub(super) async fn try_run(
        &self,
        host: &str,
        command: &str,
        stdin: &[u8],
    ) -> Result<(ExitStatus, String), SiteError> {
        self.try_run_for(host, command, stdin, COMMAND_LIMIT).await
    }

    async fn try_run_for(
        &self,
        host: &str,
        command: &str,
        stdin: &[u8],
        limit: Duration,
    ) -> Result<(ExitStatus, String), SiteError> {
        let output = self.session(host).await?.exec(command, stdin, limit).await?;
        let text = if output.stdout.is_empty() && !output.status.success() { output.stderr } else { output.stdout };
        Ok((output.status, String::from_utf8_lossy(&text).into_owned()))
    }
}
