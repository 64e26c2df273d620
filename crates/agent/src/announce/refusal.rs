//! Why a container may not say something, and what it can do about it.

use std::time::Duration;

use thiserror::Error;

use super::statement::MONITOR_ADDED_MAX;
use crate::catalogue::limits::CONTAINER_BYTES_MAX;

/// Why something is not said. What was said before stays as it was.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// The body is no JSON.
    #[error("the body is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON of another form.
    #[error("this cannot be said: {0}")]
    Form(String),
    /// It speaks of what the host knows.
    #[error("`{field}` is the host's word")]
    HostsWord {
        /// What it gives.
        field: &'static str,
    },
    /// The file gives another port.
    #[error("the file gives port {declared}")]
    Port {
        /// The one in the file.
        declared: u16,
    },
    /// A path without a port.
    #[error("`{path}` has no port: neither the file nor the container gives one")]
    NoPort {
        /// The path.
        path: String,
    },
    /// It wants a command to be run.
    #[error("`exec` is for the file alone")]
    Exec,
    /// Something is not what it should be.
    #[error("`{place}` is not {expected}: `{text}`")]
    Unfit {
        /// Where it stands.
        place: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        text: String,
    },
    /// Something is too long.
    #[error("`{place}` has {bytes} bytes, and {most} is the most")]
    Long {
        /// Where it stands.
        place: String,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// There are too many of something.
    #[error("{count} {what}, and {most} is the most")]
    Many {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// All together is too much to announce.
    #[error("all that is said of the container would be more than {CONTAINER_BYTES_MAX} bytes")]
    Much,
    /// The body is longer than any that could be taken.
    #[error("the body is longer than {most} bytes")]
    Body {
        /// How long it may be.
        most: usize,
    },
    /// The body has not come whole.
    #[error("the body has not come whole")]
    Broken,
    /// It changes its mind too fast.
    #[error("this changes too often")]
    Often {
        /// When it may again.
        wait: Duration,
    },
    /// The container is gone, or another one has its name.
    #[error("this container is gone, or was replaced")]
    Gone,
}

impl Refusal {
    /// The status of HTTP.
    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::NotJson(_) | Self::Broken => 400,
            Self::Gone => 410,
            Self::Body { .. } => 413,
            Self::Often { .. } => 429,
            _ => 422,
        }
    }

    /// The word by which it is counted.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "not-json",
            Self::Form(_) | Self::Unfit { .. } => "unfit",
            Self::HostsWord { .. } | Self::Port { .. } => "hosts-word",
            Self::NoPort { .. } => "no-port",
            Self::Exec => "exec",
            Self::Long { .. } | Self::Many { .. } | Self::Much | Self::Body { .. } => "too-much",
            Self::Broken => "broken",
            Self::Often { .. } => "too-often",
            Self::Gone => "gone",
        }
    }

    /// What can be done about it.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::NotJson(_) => {
                r#"an object, such as {"capabilities": ["search"], "says": {"version": "1.2"}}"#.to_owned()
            }
            Self::Form(_) => {
                "the fields are `port`, `capabilities`, `monitor`, `says` and `health` with `state`, `output` and `ttl`"
                    .to_owned()
            }
            Self::HostsWord { .. } => {
                "leave it out: a container adds to what is said of it, and cannot change what it is".to_owned()
            }
            Self::Port { .. } => "leave `port` out, or take it out of the service in the file".to_owned(),
            Self::NoPort { .. } => "say `port` too".to_owned(),
            Self::Exec => {
                "the engine would run it as root, whoever asked; run it in the container and say what came of it as \
                 `health`"
                    .to_owned()
            }
            Self::Unfit { .. } => "the whole request is refused; what was said before still holds".to_owned(),
            Self::Long { .. } | Self::Much | Self::Body { .. } => {
                "say less, or a place where more can be read".to_owned()
            }
            Self::Many { .. } => format!(
                "those of the file count too; of its own a container has at most {MONITOR_ADDED_MAX} monitoring points"
            ),
            Self::Broken => "send it again, at once and whole".to_owned(),
            Self::Often { wait } => format!("try again in {} s, and say several things at once", seconds(*wait)),
            Self::Gone => "open the socket anew".to_owned(),
        }
    }

    /// In how many seconds it may try again, where that is what it has to do.
    pub(super) fn retry_after(&self) -> Option<u64> {
        if let Self::Often { wait } = self { Some(seconds(*wait)) } else { None }
    }
}

/// Whole seconds, and at least one.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero())
}
