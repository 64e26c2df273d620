//! Simulated machines: what a virtual machine becomes by its cloud-init user-data.
//!
//! A guest **interprets declarations; it never runs programs.** From its user-data it knows its users and host key, its
//! files, whether it has a bridge, a DHCP server and a container engine. It answers as such a machine would: a console
//! log, a real ssh server with a small shell, the REST API of LXD or Incus behind ssh, and containers with addresses,
//! cloud-init results and web pages. Whatever it prints or serves of its own says that it is simulated.
//!
//! ```text
//! Boot ─▶ cloud_config ─▶ machine ──▶ ssh ──▶ shell
//!                            │         └────▶ engine (REST API, containers) ──▶ service
//!                            └──▶ files, dhcp
//! ```
//!
//! It knows nothing of the cloud around it: not of ports, security groups or other machines. What is beyond its own
//! network card it asks of [`Network`], never while it holds its own lock, so that the network may ask back.
//! Time is read, not waited for: what depends on a delay is computed when somebody looks.

mod cloud_config;
mod cloud_init;
mod dhcp;
mod engine;
mod files;
mod machine;
mod service;
mod shell;
mod ssh;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use machine::Machine;

/// How many bytes a simulated connection holds between its ends.
const CONNECTION_BUFFER: usize = 256 * 1024;

/// A connection of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A connection whose kind does not matter.
pub type BoxStream = Box<dyn Stream>;

/// What a machine is booted with.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Its name; the host name unless the user-data gives another.
    pub name: String,
    /// The user-data, decoded.
    pub user_data: Option<String>,
    /// The public key of Nova's key pair, as a line of `authorized_keys`.
    pub key: Option<String>,
    /// MAC of its network card.
    pub mac: String,
    /// Address of its network card.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix.
    pub prefix: u8,
    /// The subnet's gateway.
    pub gateway: Option<Ipv4Addr>,
    /// MTU of the network, in bytes.
    pub mtu: u32,
    /// Whether the script of its user-data fails.
    pub first_boot_fails: bool,
    /// How long things take.
    pub delays: GuestDelays,
}

/// How long things take in a machine. All zero by default.
#[derive(Clone, Debug, Default)]
pub struct GuestDelays {
    /// From power-on until ssh answers.
    pub boot: Duration,
    /// From then until the machine's cloud-init is done.
    pub cloud_init: Duration,
    /// From the request to start a container until it runs.
    pub container_start: Duration,
    /// From then until the container's cloud-init is done.
    pub container_cloud_init: Duration,
}

/// What is beyond a machine's network card.
pub trait Network: Send + Sync {
    /// Opens a TCP connection.
    ///
    /// # Errors
    /// Why there is none, as a program would be told: `connection refused`, `connection timed out`, …
    fn connect(&self, from: &Origin, to: SocketAddrV4) -> Result<BoxStream, String>;

    /// Whether packets get out of the cloud and back.
    ///
    /// # Errors
    /// What is in the way.
    fn reaches_outside(&self, from: &Origin) -> Result<(), String>;

    /// What becomes of a command that a client has a machine run.
    fn command(&self) -> CommandFate {
        CommandFate::Runs
    }
}

/// What becomes of a command that came by ssh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandFate {
    /// It runs, and its client is told what it printed.
    Runs,
    /// It does not run, and its client hears nothing more.
    Lost,
    /// It runs, and its client hears nothing more.
    Unheard,
}

/// Who on a machine sends a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The machine itself.
    Machine,
    /// One of its containers.
    Container {
        /// The container's name.
        name: String,
    },
}

/// A running container as the wire sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// Which container.
    pub container: String,
    /// The MAC that its frames carry: its own if it is bridged, the machine's if it is routed.
    pub mac: String,
    /// Its address, if it has one.
    pub address: Option<Ipv4Addr>,
}

/// A simulated machine. Clones are the same machine.
#[derive(Clone)]
pub struct Guest {
    machine: Arc<Machine>,
}

impl Guest {
    /// Powers a new machine on.
    pub fn boot(boot: Boot, network: Arc<dyn Network>) -> Guest {
        Guest { machine: Arc::new(Machine::boot(boot, network)) }
    }

    /// A machine as [`Guest::save`] left it, already booted. What cannot be read is booted anew. The cloud-init of a
    /// container that was saved in the middle of it ends soon after, if this is called inside of a tokio runtime.
    pub fn restore(boot: Boot, saved: serde_json::Value, network: Arc<dyn Network>) -> Guest {
        let guest = Guest { machine: Arc::new(Machine::restore(boot, saved, network)) };
        // Beside the caller, who may hold what the network needs in order to answer.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let machine = Arc::clone(&guest.machine);
            runtime.spawn(async move { machine.resume() });
        }
        guest
    }

    /// Everything that a restored machine needs: host key, files, leases, engine, containers.
    pub fn save(&self) -> serde_json::Value {
        self.machine.save()
    }

    /// The serial console up to now: boot messages, then cloud-init's host keys and its last words.
    pub fn console(&self) -> String {
        self.machine.console()
    }

    /// A new connection to port 22. `None` while nothing listens there, or outside of a tokio runtime.
    pub fn ssh(&self) -> Option<BoxStream> {
        if !self.machine.is_up() {
            return None;
        }
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let (client, server) = tokio::io::duplex(CONNECTION_BUFFER);
        runtime.spawn(ssh::serve(Arc::clone(&self.machine), server));
        Some(Box::new(client))
    }

    /// The program that a systemd unit runs with, as SHA-256 of what it was when the unit was started; its file may be
    /// another one since. `None` where it does not run.
    pub fn runs(&self, unit: &str) -> Option<String> {
        self.machine.runs(unit)
    }

    /// The running containers that are on the wire.
    pub fn nics(&self) -> Vec<Nic> {
        self.machine.nics()
    }

    /// A new connection to a port of a container. `None` where nothing listens, or outside of a tokio runtime.
    pub fn open(&self, container: &str, port: u16) -> Option<BoxStream> {
        Machine::open(&self.machine, container, port)
    }

    /// Whether anything listens on a port of a container.
    pub fn listens(&self, container: &str, port: u16) -> bool {
        self.machine.service(container, port).is_some()
    }

    /// Powers the machine off: connections end, nothing answers any more. What it knows can still be saved.
    pub fn shutdown(&self) {
        self.machine.shutdown();
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Guest").field("name", &self.machine.boot.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
