//! One ssh connection: logging in, running commands, opening streams.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelMsg, ChannelOpenFailure, Disconnect, Preferred};

use super::host_key::describe_key;
use super::login::authenticate;
use super::{BoxIo, HostKeyCheck, Login, SshError};

/// How often a silent connection is asked for a sign of life. Three unanswered questions end it, so a host that
/// vanished is noticed within a minute, and a stateful firewall (idle limits start at some minutes) stays open.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Messages kept for a channel whose reader is behind. When it is full the whole connection waits for that reader,
/// so this is generous; the window (2 MiB a channel) bounds the bytes.
const CHANNEL_BUFFER_MESSAGES: usize = 1024;

/// What it takes to open a session.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// The name of the host in messages; nothing is looked up by it.
    pub host: String,
    /// Who logs in.
    pub login: Login,
    /// Which keys the host may show.
    pub host_key: HostKeyCheck,
    /// Limit for the handshake and the login, and for opening each channel later.
    pub limit: Duration,
}

/// A logged-in ssh connection. Clones share it, and any number of commands and streams run over it at once. It is
/// closed when the last clone and the last stream are gone, or by [`close`](Session::close).
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    handle: Handle<HostKeyHandler>,
    host: String,
    limit: Duration,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("host", &self.shared.host).finish_non_exhaustive()
    }
}

/// How a remote command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitStatus {
    /// It returned this code.
    Code(u32),
    /// A signal ended it; the name has no `SIG` in front.
    Signal(String),
    /// The server did not say.
    Unknown,
}

impl ExitStatus {
    /// True for code 0.
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }
}

/// What a remote command left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Session {
    /// Shakes hands over `transport`, checks the host's key, and logs in.
    ///
    /// The host key is checked before anything about the user is sent.
    pub async fn connect(transport: BoxIo, options: &ConnectOptions) -> Result<Self, SshError> {
        let host = &options.host;
        within(host, options.limit, "logging in", async {
            let handler = HostKeyHandler { check: options.host_key.clone() };
            let mut handle = client::connect_stream(Arc::new(config(&options.host_key)), transport, handler)
                .await
                .map_err(|error| handshake_error(host, &options.host_key, error))?;
            authenticate(&mut handle, host, &options.login).await?;
            Ok(Self { shared: Arc::new(Shared { handle, host: host.clone(), limit: options.limit }) })
        })
        .await
    }

    /// The host's name as it was given.
    pub fn host(&self) -> &str {
        &self.shared.host
    }

    /// True once the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.shared.handle.is_closed()
    }

    /// Opens a TCP connection from the host to `host:port`: the transport of a session behind a jump host.
    pub async fn direct_tcpip(&self, host: &str, port: u16) -> Result<BoxIo, SshError> {
        // The originator is for the server's log only.
        let opening = self.shared.handle.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0);
        let channel = self.open(&format!("port `{host}:{port}`"), opening).await?;
        Ok(Box::new(channel.into_stream()))
    }

    /// Connects to a unix socket on the host (OpenSSH's `direct-streamlocal@openssh.com`).
    pub async fn stream_local(&self, path: &str) -> Result<BoxIo, SshError> {
        let opening = self.shared.handle.channel_open_direct_streamlocal(path);
        let channel = self.open(&format!("socket `{path}`"), opening).await?;
        Ok(Box::new(channel.into_stream()))
    }

    /// Runs `command` by the login shell, feeds it `stdin`, and waits for its end, `limit` at most.
    ///
    /// When the limit runs out the channel is closed; the command itself may go on running on the host.
    pub async fn exec(&self, command: &str, stdin: &[u8], limit: Duration) -> Result<Output, SshError> {
        within(self.host(), limit, &format!("running `{command}`"), async {
            let channel = self.open("a session", self.shared.handle.channel_open_session()).await?;
            channel.exec(true, command).await.map_err(|error| SshError::from_protocol(self.host(), error))?;
            let (mut output, input) = channel.split();
            // A command need not read what it is fed: its end is what counts, not that of the feeding.
            let feed = async {
                if input.data(stdin).await.is_ok() {
                    // An error here means that the channel has ended, which `collect` sees as well.
                    let _ = input.eof().await;
                }
                std::future::pending::<Result<Output, SshError>>().await
            };
            tokio::select! {
                result = self.collect(command, &mut output) => result,
                never = feed => never,
            }
        })
        .await
    }

    /// Says good-bye. Commands and streams that are still open end.
    pub async fn close(&self) {
        // A connection that is gone already is closed well enough.
        let _ = self.shared.handle.disconnect(Disconnect::ByApplication, "done", "en").await;
    }

    async fn collect(&self, command: &str, channel: &mut russh::ChannelReadHalf) -> Result<Output, SshError> {
        let mut output = Output { status: ExitStatus::Unknown, stdout: Vec::new(), stderr: Vec::new() };
        let mut closed_properly = false;
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => output.stdout.extend_from_slice(&data),
                ChannelMsg::ExtendedData { data, ext: STDERR } => output.stderr.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => output.status = ExitStatus::Code(exit_status),
                ChannelMsg::ExitSignal { signal_name, .. } => {
                    output.status = ExitStatus::Signal(signal_name_of(&signal_name));
                }
                ChannelMsg::Failure => {
                    return Err(SshError::ChannelRefused {
                        host: self.host().to_owned(),
                        what: format!("command `{command}`"),
                        reason: "the server does not run commands for this login".to_owned(),
                    });
                }
                // The status may follow the end of the output, so only the close is the end.
                ChannelMsg::Close => {
                    closed_properly = true;
                    break;
                }
                _ => {}
            }
        }
        if !closed_properly && output.status == ExitStatus::Unknown {
            return Err(SshError::Closed { host: self.host().to_owned() });
        }
        Ok(output)
    }

    async fn open(
        &self,
        what: &str,
        opening: impl Future<Output = Result<Channel<client::Msg>, russh::Error>>,
    ) -> Result<Channel<client::Msg>, SshError> {
        within(self.host(), self.shared.limit, &format!("opening {what}"), async {
            opening.await.map_err(|error| match error {
                russh::Error::ChannelOpenFailure(failure) => SshError::ChannelRefused {
                    host: self.host().to_owned(),
                    what: what.to_owned(),
                    reason: refusal(failure),
                },
                error => SshError::from_protocol(self.host(), error),
            })
        })
        .await
    }
}

/// The number of the standard error stream (RFC 4254, section 5.2).
const STDERR: u32 = 1;

fn config(check: &HostKeyCheck) -> client::Config {
    client::Config {
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: 3,
        channel_buffer_size: CHANNEL_BUFFER_MESSAGES,
        preferred: Preferred { key: check.algorithms().into(), ..Preferred::default() },
        ..client::Config::default()
    }
}

async fn within<T>(
    host: &str,
    limit: Duration,
    doing: &str,
    work: impl Future<Output = Result<T, SshError>>,
) -> Result<T, SshError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(SshError::TimedOut { host: host.to_owned(), doing: doing.to_owned(), limit }),
    }
}

fn handshake_error(host: &str, check: &HostKeyCheck, error: HandshakeError) -> SshError {
    let mismatch = |seen| SshError::HostKeyMismatch { host: host.to_owned(), expected: expected(check), seen };
    match error {
        HandshakeError::UnexpectedHostKey { seen } => mismatch(seen),
        // Only the algorithms of expected keys are asked for, so a host without them has other keys.
        HandshakeError::Protocol(russh::Error::NoCommonAlgo { kind: russh::AlgorithmKind::Key, theirs, .. }) => {
            mismatch(format!("only keys of {}", theirs.join(", ")))
        }
        HandshakeError::Protocol(error) => SshError::from_protocol(host, error),
    }
}

fn expected(check: &HostKeyCheck) -> Vec<String> {
    if check.is_empty() { vec!["none (no host key is known)".to_owned()] } else { check.describe() }
}

fn refusal(failure: ChannelOpenFailure) -> String {
    match failure {
        ChannelOpenFailure::AdministrativelyProhibited => "not allowed".to_owned(),
        ChannelOpenFailure::ConnectFailed => "the host could not connect to it".to_owned(),
        ChannelOpenFailure::UnknownChannelType => "not supported".to_owned(),
        ChannelOpenFailure::ResourceShortage => "too many channels".to_owned(),
        ChannelOpenFailure::Other { code, reason } => format!("{reason} (code {code})"),
    }
}

fn signal_name_of(signal: &russh::Sig) -> String {
    match signal {
        russh::Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}

struct HostKeyHandler {
    check: HostKeyCheck,
}

#[derive(Debug)]
enum HandshakeError {
    UnexpectedHostKey { seen: String },
    Protocol(russh::Error),
}

impl From<russh::Error> for HandshakeError {
    fn from(error: russh::Error) -> Self {
        Self::Protocol(error)
    }
}

impl client::Handler for HostKeyHandler {
    type Error = HandshakeError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let key = shown.public_key();
        if self.check.accepts(&key) {
            Ok(true)
        } else {
            Err(HandshakeError::UnexpectedHostKey { seen: describe_key(&key) })
        }
    }
}
