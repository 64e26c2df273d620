//! Opens connections along a [`super::path`].

use super::{Drop, Endpoint, From, balance, path};
use crate::cloud::Shared;
use crate::guest::{BoxStream, CommandFate, Network, Origin};
use crate::world::faults::Effect;
use std::net::SocketAddrV4;
use std::sync::Arc;

/// The port of a machine's ssh server, the only thing that listens on a machine itself.
const SSH: u16 = 22;
/// Bytes in flight between a client and a balancer inside of this process.
const PIPE: usize = 64 * 1024;

/// Opens a connection, or says which layer dropped it.
pub fn connect(shared: &Arc<Shared>, from: &From, to: SocketAddrV4) -> Result<BoxStream, Drop> {
    // The machines are asked before the world is locked: a machine may be asking the world at this moment.
    let wire = shared.wire();
    let end = path(&shared.world(), &wire, from, to)?;
    open(shared, &end, to)
}

/// Opens the far end of a path.
pub fn open(shared: &Arc<Shared>, end: &Endpoint, to: SocketAddrV4) -> Result<BoxStream, Drop> {
    let refused = || Drop::Refused { address: *to.ip(), tcp: to.port() };
    match end {
        Endpoint::Machine { server, port } => {
            let guest = shared.guest(server).ok_or_else(|| Drop::ServerDown { server: server.clone() })?;
            (*port == SSH).then(|| guest.ssh()).flatten().ok_or_else(refused)
        }
        Endpoint::Container { server, container, port } => {
            let guest = shared.guest(server).ok_or_else(|| Drop::ServerDown { server: server.clone() })?;
            guest.open(container, *port).ok_or_else(refused)
        }
        Endpoint::Listener { id, client } => {
            let (near, far) = tokio::io::duplex(PIPE);
            tokio::spawn(balance::serve(Arc::clone(shared), id.clone(), *client, Box::new(far)));
            Ok(Box::new(near))
        }
    }
}

/// The network as one server sees it.
pub(crate) struct ServerNetwork {
    pub(crate) shared: std::sync::Weak<Shared>,
    pub(crate) server: String,
}

impl ServerNetwork {
    fn origin(&self, from: &Origin) -> From {
        match from {
            Origin::Machine => From::Machine { server: self.server.clone() },
            Origin::Container { name } => From::Container { server: self.server.clone(), container: name.clone() },
        }
    }
}

impl Network for ServerNetwork {
    fn connect(&self, from: &Origin, to: SocketAddrV4) -> Result<BoxStream, String> {
        let shared = self.shared.upgrade().ok_or("the cloud has stopped")?;
        connect(&shared, &self.origin(from), to).map_err(|drop| drop.to_string())
    }

    fn command(&self) -> CommandFate {
        let met = self.shared.upgrade().and_then(|shared| shared.world().settings.faults.meet_command());
        match met {
            Some(Effect::CloseBeforeHandling) => CommandFate::Lost,
            Some(Effect::CloseAfterHandling) => CommandFate::Unheard,
            _ => CommandFate::Runs,
        }
    }

    fn reaches_outside(&self, from: &Origin) -> Result<(), String> {
        let shared = self.shared.upgrade().ok_or("the cloud has stopped")?;
        let wire = shared.wire();
        super::reaches_outside(&shared.world(), &wire, &self.origin(from)).map_err(|drop| drop.to_string())
    }
}
