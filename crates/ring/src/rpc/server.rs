//! The agent's side: clients on TCP connections, who ask a running member.
//!
//! Each client has a task that reads and a task that writes, and one more for each stream, query or log that it
//! listens to; between them stand at most [`QUEUE`] replies. A client that does not read holds up only itself: its
//! streams lose the oldest events, and nothing of the member waits for it.

mod ask;
mod filter;
mod log;
mod session;
mod stream;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use ask::event as told;
pub use log::{Level, Log};

use crate::driver::Handle;

/// How many replies wait for a client that reads slowly.
const QUEUE: usize = 64;

/// How many clients are served at once; more wait to be accepted.
const MAX_CLIENTS: usize = 128;

/// How many streams, queries and logs one client may listen to at once.
const MAX_STREAMS: usize = 64;

/// How long a client may take to read what it was told last.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a server needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The member that is asked.
    pub member: Handle,
    /// What clients have to bring, where they have to.
    pub auth_key: Option<String>,
    /// What clients may listen to.
    pub log: Log,
    /// What kind of program it is, for those who ask: `runtime` of the statistics.
    pub runtime: Vec<(String, String)>,
}

/// Serves clients until the member has ended and those who asked for that have their answer. An error where the listener
/// fails for good.
pub async fn serve(listener: TcpListener, config: Config) -> std::io::Result<()> {
    let config = Arc::new(config);
    let room = Arc::new(Semaphore::new(MAX_CLIENTS));
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            _ = config.member.ended() => break,
            accepted = accept(&listener, &room) => {
                let (stream, client, place) = accepted?;
                let config = Arc::clone(&config);
                clients.spawn(async move {
                    tracing::debug!(%client, "a client has come");
                    let ended = session::run(stream, &config).await;
                    tracing::debug!(%client, why = %ended, "a client is served no longer");
                    drop(place);
                });
            }
        }
        while clients.try_join_next().is_some() {}
    }
    let _ = timeout(FAREWELL, clients.join_all()).await;
    Ok(())
}

/// The next client, once there is a place for one.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    loop {
        match listener.accept().await {
            Ok((stream, client)) => return Ok((stream, client, place)),
            // The connection was gone before it was accepted, or there are no descriptors left for a moment.
            Err(error) if is_passing(&error) => {
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_passing(error: &std::io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
        || matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
