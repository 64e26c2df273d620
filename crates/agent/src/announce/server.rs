//! The sockets of the containers, and what keeps what they say: all that waits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::said::{Declared, Said};
use crate::catalogue::Name;

/// What each container of this host that has said something says.
pub type Words = BTreeMap<Name, Arc<Said>>;

/// What the server is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The host on which it is.
    pub host: Name,
    /// Where each container has a directory of its own for its socket, such as `/var/lib/pontoon/announce`.
    pub directory: PathBuf,
    /// Where what was said is kept over a restart of the agent.
    pub state_file: PathBuf,
}

/// One socket for each container of this host, and what was said there. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Server {
    words: Arc<watch::Sender<Arc<Words>>>,
}

impl Server {
    /// Reads what was said before the last end. Nothing listens yet: [`Server::run`] does that.
    pub async fn open(settings: Settings) -> Self {
        drop(settings);
        Self { words: Arc::new(watch::Sender::default()) }
    }

    /// These are the containers that run here now, all of them. Others are forgotten, with all that they have said: where
    /// the engine does not answer, this is not to be called.
    pub fn set_containers(&self, containers: BTreeMap<Name, Declared>) {
        drop(containers);
    }

    /// What is said, as it changes.
    pub fn said(&self) -> watch::Receiver<Arc<Words>> {
        self.words.subscribe()
    }

    /// Listens for all containers until the future is dropped.
    pub async fn run(&self) {
        std::future::pending::<()>().await;
    }

    /// Writes what was said last; for the end of the agent.
    pub async fn save(&self) {}
}
