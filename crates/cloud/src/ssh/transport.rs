//! The byte stream that everything here runs over, and the one way to make one from nothing: TCP.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::SshError;

/// A byte stream in both directions: a TCP connection, a unix socket, an ssh channel, an in-memory pipe.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// Any byte stream, so that one client serves them all.
pub type BoxIo = Box<dyn Io>;

/// Opens a TCP connection, to be handed to [`Session::connect`](super::Session::connect).
///
/// `host` is a name or an address; `limit` bounds the name look-up and the handshake together.
pub async fn dial_tcp(host: &str, port: u16, limit: Duration) -> Result<BoxIo, SshError> {
    let endpoint = format!("{host}:{port}");
    let connected = tokio::time::timeout(limit, TcpStream::connect((host, port))).await;
    let stream = match connected {
        Err(_) => return Err(SshError::TimedOut { host: endpoint, doing: "connecting".to_owned(), limit }),
        Ok(Err(source)) if source.kind() == io::ErrorKind::ConnectionRefused => {
            return Err(SshError::Refused { host: endpoint });
        }
        Ok(Err(source)) => return Err(SshError::Unreachable { host: endpoint, source }),
        Ok(Ok(stream)) => stream,
    };
    // Small requests and their answers take turns here, which is what Nagle's algorithm is worst at.
    stream.set_nodelay(true).map_err(|source| SshError::Unreachable { host: endpoint, source })?;
    Ok(Box::new(stream))
}
