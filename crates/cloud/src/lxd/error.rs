//! What can go wrong between here and a daemon.

use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::ssh::SshError;

/// A failed call. Except where said, the daemon is as it was before.
#[derive(Debug, Error)]
pub enum LxdError {
    /// No stream to the daemon could be opened.
    #[error("could not connect to the container engine on `{endpoint}`")]
    Connect {
        /// The daemon's place.
        endpoint: String,
        /// Why.
        source: io::Error,
    },
    /// The daemon said no.
    #[error("`{method} {path}` on `{endpoint}`: {message} ({code})")]
    Refused {
        /// The daemon's place.
        endpoint: String,
        /// The HTTP method.
        method: String,
        /// The path.
        path: String,
        /// The HTTP status, which is also the API's error code.
        code: u16,
        /// The daemon's words.
        message: String,
    },
    /// The daemon began, and failed. What it had begun it usually takes back, but not always.
    #[error("`{doing}` failed on `{endpoint}`: {message}")]
    Failed {
        /// The daemon's place.
        endpoint: String,
        /// The request that began it.
        doing: String,
        /// The operation's status code: 400 failed, 401 cancelled.
        code: u16,
        /// The daemon's words.
        message: String,
    },
    /// The daemon is still at it; the limit ran out. It goes on.
    #[error("`{doing}` on `{endpoint}` is not finished after {limit:?}")]
    TimedOut {
        /// The daemon's place.
        endpoint: String,
        /// The request that began it.
        doing: String,
        /// The limit that ran out.
        limit: Duration,
    },
    /// A change was sent and its outcome is not known: it may have been applied. Observe before repeating.
    #[error("the outcome of `{doing}` on `{endpoint}` is unknown: {reason}")]
    Unknown {
        /// The daemon's place.
        endpoint: String,
        /// The request.
        doing: String,
        /// How the answer was lost.
        reason: String,
    },
    /// The answer to a question was lost; asking again does no harm.
    #[error("the answer to `{doing}` on `{endpoint}` was lost: {reason}")]
    Lost {
        /// The daemon's place.
        endpoint: String,
        /// The request.
        doing: String,
        /// How the answer was lost.
        reason: String,
    },
    /// The answer is not what the API promises.
    #[error("the answer to `{doing}` on `{endpoint}` is not understood: {reason}")]
    Answer {
        /// The daemon's place.
        endpoint: String,
        /// The request.
        doing: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The request cannot be put into HTTP, or its body could not be read.
    #[error("`{doing}` cannot be sent: {reason}")]
    Request {
        /// The request.
        doing: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl LxdError {
    /// True where the thing asked for is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// True where the thing to be made is there already. Older daemons answer 400 or 500 and only say so in words.
    pub fn is_already_there(&self) -> bool {
        match self {
            Self::Refused { code: 409, .. } => true,
            Self::Refused { message, .. } | Self::Failed { message, .. } => message.contains("already exists"),
            _ => false,
        }
    }

    /// True where somebody else changed the thing since it was read ([`ETag`](super::ETag)).
    pub fn is_changed_meanwhile(&self) -> bool {
        matches!(self, Self::Refused { code: 412, .. })
    }

    /// True where an instance is in the middle of something else, such as a stop while its profile is changed. Nothing
    /// is wrong: the same request passes when that has ended. Daemons say so only in words.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Refused { message, .. } | Self::Failed { message, .. } => message.contains("is busy running"),
            _ => false,
        }
    }

    /// True where a change may or may not have been applied.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::TimedOut { .. })
    }

    /// True where the way to the daemon broke, or could not be opened just now: the same question may be answered over a
    /// new connection.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Connect { source, .. } => ssh_error(source).is_some_and(SshError::is_transient),
            _ => false,
        }
    }

    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect { source, .. } if ssh_error(source).is_some() => ssh_error(source)?.hint(),
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("the login must be in the group `lxd` or `incus-admin`".to_owned())
            }
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::NotFound => Some(
                "the engine is not installed or not started yet, or the login is not in the group `lxd` or `incus-admin`; `cloud-init status --long` on the host tells"
                    .to_owned(),
            ),
            Self::Refused { code: 403, .. } => {
                Some("the daemon does not trust this login: it must be in the group `lxd` or `incus-admin`".to_owned())
            }
            Self::Refused { code: 412, .. } => Some("somebody else changed it meanwhile; run again".to_owned()),
            Self::Unknown { .. } => Some("run again: what is there now is looked at first".to_owned()),
            _ => None,
        }
    }
}

/// The ssh error inside, where the way to the daemon is ssh.
fn ssh_error(source: &io::Error) -> Option<&SshError> {
    source.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_only_busy_is_told_from_one_that_refuses() {
        let refused = |code: u16, message: &str| LxdError::Refused {
            endpoint: "lxd0".to_owned(),
            method: "PUT".to_owned(),
            path: "/1.0/profiles/hugo".to_owned(),
            code,
            message: message.to_owned(),
        };
        // As LXD 5.0.2 puts it.
        let busy = "The following instances failed to update (profile change still saved):\n - Project: default, \
                    Instance: hugo-0: Failed to create instance update operation: Instance is busy running a \"stop\" operation\n";
        assert!(refused(500, busy).is_busy());
        assert!(!refused(400, "Invalid config key: \"limits.cpus\"").is_busy());
    }
}
