//! What can go wrong on the way in, each with the host it happened to.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::login::IdentityError;

/// A failed connection, login, command or channel.
///
/// After any of these but [`ChannelRefused`](SshError::ChannelRefused) and a [`TimedOut`](SshError::TimedOut)
/// command the session is of no further use; the host itself is left as it was, except that a command that was
/// started may go on running.
#[derive(Debug, Error)]
pub enum SshError {
    /// Nothing listens there (yet).
    #[error("`{host}` refused the ssh connection")]
    Refused {
        /// Where the connection went.
        host: String,
    },
    /// The network says no: no route, no such name, reset while connecting.
    #[error("could not reach `{host}`")]
    Unreachable {
        /// Where the connection went.
        host: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// No answer within the limit.
    #[error("`{host}` did not answer within {limit:?} while {doing}")]
    TimedOut {
        /// The host.
        host: String,
        /// What was being waited for, as in "while connecting".
        doing: String,
        /// The limit that ran out.
        limit: Duration,
    },
    /// The host showed a key that is not one of those expected. Nothing was sent to it but the key exchange.
    #[error("`{host}` showed a host key that is not its own: expected {}, saw {seen}", .expected.join(" or "))]
    HostKeyMismatch {
        /// The host.
        host: String,
        /// The keys that would have been accepted, as `algorithm SHA256:…`.
        expected: Vec<String>,
        /// The key that was shown.
        seen: String,
    },
    /// No identity was accepted.
    #[error("`{host}` does not let `{user}` in; tried {}", tried_list(.tried))]
    AuthenticationFailed {
        /// The host.
        host: String,
        /// The login name.
        user: String,
        /// Each identity that was offered, or why it could not be.
        tried: Vec<String>,
    },
    /// A private key file cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The host would not open the port or socket, or would not start the command.
    #[error("`{host}` refused {what}: {reason}")]
    ChannelRefused {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// The reason in the protocol's words.
        reason: String,
    },
    /// The connection is gone.
    #[error("the ssh connection to `{host}` is closed")]
    Closed {
        /// The host.
        host: String,
    },
    /// The two sides do not understand each other.
    #[error("the ssh connection to `{host}` broke")]
    Protocol {
        /// The host.
        host: String,
        /// What the protocol library said.
        source: russh::Error,
    },
}

impl SshError {
    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { .. } | Self::TimedOut { .. } | Self::Unreachable { .. } => Some(
                "a host that is still booting refuses for a while; otherwise look at its security groups and floating IP"
                    .to_owned(),
            ),
            Self::HostKeyMismatch { .. } => Some(
                "was the host rebuilt? Its keys are in its console log; if they are not the ones shown, somebody else answers"
                    .to_owned(),
            ),
            Self::AuthenticationFailed { user, .. } => Some(format!(
                "one of the private keys must be that of the server's key pair, and `{user}` a login that it opens; `ssh-add -l` lists the agent's keys, and a file with a passphrase is used only through the agent"
            )),
            Self::Identity(error) => error.hint(),
            Self::ChannelRefused { what, .. } if what.starts_with("socket") || what.starts_with("port") => {
                Some("the ssh server must allow forwarding (`AllowTcpForwarding`, `AllowStreamLocalForwarding`)".to_owned())
            }
            Self::ChannelRefused { .. } | Self::Closed { .. } | Self::Protocol { .. } => None,
        }
    }

    /// True where the same attempt may succeed a little later: the host is booting, or the network hiccups.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Closed { .. })
    }

    /// Sorts the protocol library's errors: most of them only say that the other side went away.
    pub(super) fn from_protocol(host: &str, error: russh::Error) -> Self {
        let host = host.to_owned();
        match error {
            russh::Error::Disconnect
            | russh::Error::HUP
            | russh::Error::SendError
            | russh::Error::RecvError
            | russh::Error::KeepaliveTimeout
            | russh::Error::InactivityTimeout => Self::Closed { host },
            russh::Error::IO(source) => match source.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted => Self::Closed { host },
                io::ErrorKind::ConnectionRefused => Self::Refused { host },
                _ => Self::Unreachable { host, source },
            },
            source => Self::Protocol { host, source },
        }
    }
}

fn tried_list(tried: &[String]) -> String {
    if tried.is_empty() {
        "nothing: there is no agent and no private key that could be read".to_owned()
    } else {
        tried.join(", ")
    }
}
