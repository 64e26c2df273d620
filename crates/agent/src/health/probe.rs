//! One look at a container. It waits for as long as it takes: whoever begins it drops it when the [`Check`](super::Check)
//! has given it up.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Outcome;
use crate::catalogue::{MonitoringPoint, State};

/// The length of `HTTP/1.1 200`.
const STATUS_BYTES: u64 = 12;

/// How to look inside of a container: the engine that runs it can.
pub trait Inside {
    /// Looks once. The outcome is unknown where the engine does not answer: that says nothing of the container.
    fn look(&self, container: &str, what: Look<'_>) -> impl Future<Output = Outcome> + Send;
}

/// What can be seen only from within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look<'a> {
    /// How a command ends; [`exited`] says what that means.
    Exec(&'a [String]),
    /// Whether a systemd unit is active.
    Unit(&'a str),
    /// Whether cloud-init has ended clean.
    CloudInit,
}

/// A container that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its name in the engine.
    pub container: &'a str,
    /// Its address.
    pub address: IpAddr,
    /// The port of its service, for paths.
    pub port: Option<u16>,
}

/// Looks once. `None` where the point is no check.
pub async fn look(target: Target<'_>, point: &MonitoringPoint, inside: &impl Inside) -> Option<Outcome> {
    let what = match point {
        MonitoringPoint::Metrics(_) => return None,
        MonitoringPoint::Http(path) => return Some(http(target, path).await),
        MonitoringPoint::Tcp(port) => return Some(tcp(SocketAddr::new(target.address, *port)).await),
        MonitoringPoint::Exec(command) => Look::Exec(command),
        MonitoringPoint::Unit(unit) => Look::Unit(unit),
        MonitoringPoint::CloudInit => Look::CloudInit,
    };
    Some(inside.look(target.container, what).await)
}

/// Whether a TCP port accepts connections.
pub async fn tcp(address: SocketAddr) -> Outcome {
    match TcpStream::connect(address).await {
        Ok(_) => Outcome { state: State::Passing, output: format!("{address} accepts connections") },
        Err(error) => critical(format!("{address}: {error}")),
    }
}

/// What a path of the service answers. Redirections are answers, and not followed.
pub async fn http(target: Target<'_>, path: &str) -> Outcome {
    // The file is refused where a path is given and no port; what a container says for itself may lack it still.
    let address = SocketAddr::new(target.address, target.port.unwrap_or(80));
    match get(address, path).await {
        Ok(status) => Outcome { state: meaning(status), output: format!("GET {path}: {status}") },
        Err(error) => critical(format!("GET {path} of {address}: {error}")),
    }
}

/// What a status means: success and redirection are well, "too many requests" is a warning, as for Consul (its agent's
/// `CheckHTTP`). Consul fails redirections which it cannot follow; a service that redirects to its TLS name answers.
pub const fn meaning(status: u16) -> State {
    match status {
        200..=399 => State::Passing,
        429 => State::Warning,
        _ => State::Critical,
    }
}

/// What the end of a command means: 0 is well, 1 a warning, all else critical, as for Consul and Nagios.
pub fn exited(code: i32, output: &str) -> Outcome {
    let state = match code {
        0 => State::Passing,
        1 => State::Warning,
        _ => State::Critical,
    };
    let output = output.trim();
    let output = if output.is_empty() { format!("ended with {code}") } else { super::cut(output).to_owned() };
    Outcome { state, output }
}

/// Why a path gave no answer.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Connection(#[from] std::io::Error),
    #[error("not a path")]
    Path,
    #[error("no HTTP answer")]
    Answer,
}

/// The status alone, which is in the first line; the connection is dropped with the rest unread.
async fn get(address: SocketAddr, path: &str) -> Result<u16, Error> {
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Path);
    }
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: pontoon-agent\r\nConnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut line = Vec::new();
    stream.take(STATUS_BYTES).read_to_end(&mut line).await?;
    status(&line).ok_or(Error::Answer)
}

/// The status of an answer that begins so: `HTTP/1.1 200` (RFC 9112, section 4).
fn status(line: &[u8]) -> Option<u16> {
    let (version, status) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let fits = version.starts_with("HTTP/1.") && status.bytes().all(|byte| byte.is_ascii_digit());
    status.parse().ok().filter(|_| fits && status.len() == 3)
}

const fn critical(output: String) -> Outcome {
    Outcome { state: State::Critical, output }
}
