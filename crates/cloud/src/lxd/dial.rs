//! Ways to a daemon.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use tokio::net::UnixStream;

use crate::ssh::{BoxIo, Session, SshError};

/// Opens byte streams to one daemon.
pub trait Dial: Send + Sync + 'static {
    /// Opens a new stream.
    fn dial(&self) -> BoxFuture<'_, io::Result<BoxIo>>;

    /// The daemon's place in messages: `unix:/var/lib/incus/unix.socket`, `lxd0`.
    fn endpoint(&self) -> String;
}

/// A unix socket on this machine.
#[derive(Debug, Clone)]
pub struct UnixSocket {
    /// Where it may be; one at least.
    paths: Vec<PathBuf>,
}

impl UnixSocket {
    /// The daemon behind this socket.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { paths: vec![path.into()] }
    }

    /// The daemon behind the first of these sockets that is there. It is looked for at each connection: a daemon may be
    /// installed, or be replaced by another one, while somebody waits for it.
    pub fn first_of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect() }
    }

    fn present(&self) -> Option<&PathBuf> {
        self.paths.iter().find(|path| path.exists())
    }
}

impl Dial for UnixSocket {
    fn dial(&self) -> BoxFuture<'_, io::Result<BoxIo>> {
        Box::pin(async {
            let path = self.present().ok_or(io::ErrorKind::NotFound)?;
            Ok(Box::new(UnixStream::connect(path).await?) as BoxIo)
        })
    }

    fn endpoint(&self) -> String {
        let paths = self.present().map_or(self.paths.as_slice(), std::slice::from_ref);
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        format!("unix:{}", paths.join(", "))
    }
}

/// A unix socket on a host that is reached by ssh.
///
/// Where the daemon keeps its socket depends on the product and its packaging, so candidates are tried in order; the
/// first that opens is kept.
///
/// Who may open a socket is decided by the groups that the login had when the session began. A session from before the
/// engine was installed never gets in: begin another one.
#[derive(Debug)]
pub struct SocketOverSsh {
    session: Session,
    candidates: Vec<String>,
    found: Mutex<Option<String>>,
}

impl SocketOverSsh {
    /// Where Incus, LXD as a snap, and LXD as a Debian package listen.
    pub const USUAL_SOCKETS: [&str; 3] =
        ["/var/lib/incus/unix.socket", "/var/snap/lxd/common/lxd/unix.socket", "/var/lib/lxd/unix.socket"];

    /// The daemon behind the first of `candidates` that opens.
    pub fn new<S: Into<String>>(session: Session, candidates: impl IntoIterator<Item = S>) -> Self {
        Self { session, candidates: candidates.into_iter().map(Into::into).collect(), found: Mutex::new(None) }
    }

    async fn open(&self) -> io::Result<BoxIo> {
        if let Some(path) = self.found() {
            return self.session.stream_local(&path).await.map_err(io::Error::other);
        }
        let mut refused = Vec::new();
        for path in &self.candidates {
            match self.session.stream_local(path).await {
                Ok(stream) => {
                    self.remember(path);
                    return Ok(stream);
                }
                Err(SshError::ChannelRefused { reason, .. }) => refused.push(format!("`{path}`: {reason}")),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("no socket opens ({})", refused.join(", "))))
    }

    fn found(&self) -> Option<String> {
        self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn remember(&self, path: &str) {
        *self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(path.to_owned());
    }
}

impl Dial for SocketOverSsh {
    fn dial(&self) -> BoxFuture<'_, io::Result<BoxIo>> {
        Box::pin(self.open())
    }

    fn endpoint(&self) -> String {
        self.session.host().to_owned()
    }
}
