//! What goes wrong at a site.

use std::time::Duration;

use super::host_keys::METADATA_KEY as METADATA_HOST_KEY;
use crate::lxd::LxdError;
use crate::openstack;
use crate::ssh::{IdentityError, SshError};

/// Why an observation or a step failed.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// A service of the cloud refused, or did not answer.
    #[error(transparent)]
    OpenStack(#[from] openstack::Error),
    /// A container engine refused, or did not answer.
    #[error(transparent)]
    Engine(#[from] LxdError),
    /// A host could not be reached, or did not do what it was asked.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// No private key to log in with.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A command on a host failed.
    #[error("`{command}` failed on host `{host}`: {output}")]
    Command {
        /// The host.
        host: String,
        /// What was run.
        command: String,
        /// What it said.
        output: String,
    },
    /// Something took longer than it may. Nothing was undone: the next look goes on from there.
    #[error("{what}: not there after {} s; last seen: {last}", limit.as_secs())]
    Deadline {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
        /// How it looked last.
        last: String,
    },
    /// A service calls a resource failed.
    #[error("{what} failed: {reason}")]
    Broken {
        /// The resource.
        what: String,
        /// What the service says.
        reason: String,
    },
    /// Nova refuses for good to show the console of a host whose ssh key is to be read there. The next plan says what
    /// follows.
    #[error("the ssh host key of `{host}` cannot be learned: Nova shows no console ({words})")]
    NoConsole {
        /// The host.
        host: String,
        /// What Nova says.
        words: String,
    },
    /// The console of a host does not show an ssh key.
    #[error("the console of `{host}` does not show its ssh host key after {} s; last seen: {last}", limit.as_secs())]
    NoHostKey {
        /// The host.
        host: String,
        /// For how long it was looked at.
        limit: Duration,
        /// What came of it last.
        last: String,
    },
    /// cloud-init ended with an error, on a host or in a container.
    #[error("cloud-init failed on {place}: {reason}")]
    CloudInit {
        /// "host `lxd0`" or "container `hugo-0` on host `lxd0`".
        place: String,
        /// The failing module and the end of its log.
        reason: String,
    },
    /// A container is well, and yet nothing answers at its address.
    #[error("nothing answers at {place} of container `{name}`, {} s after its cloud-init ended clean: {last}", limit.as_secs())]
    Silent {
        /// The container.
        name: String,
        /// Its address, and the port where one is known.
        place: String,
        /// For how long it was asked.
        limit: Duration,
        /// What came of it last.
        last: String,
    },
    /// The program does not run on a host. The one that was there before is still in its place.
    #[error("the program for agents does not run on host `{host}`: {output}")]
    AgentProgram {
        /// The host.
        host: String,
        /// What it said.
        output: String,
    },
    /// Children of a load balancer stay pending. The next plan replaces it.
    #[error("{what} stays {status} though its load balancer is settled")]
    Stuck {
        /// The child.
        what: String,
        /// Octavia's word for its state.
        status: String,
    },
    /// The plan names a resource that is not there, because another writer removed it meanwhile.
    #[error("{what} is not there")]
    Missing {
        /// The resource.
        what: String,
    },
    /// A reply or a file of a host is not what it should be.
    #[error("{what} is not understood: {reason}")]
    Reply {
        /// What was read.
        what: String,
        /// Why it makes no sense.
        reason: String,
    },
}

impl SiteError {
    /// Whether what was asked may have been done all the same: only another look tells.
    pub fn is_unknown(&self) -> bool {
        match self {
            // A service that stumbles (5xx) may have stumbled after it did what it was asked.
            Self::OpenStack(error) => {
                error.is_unknown() || error.is_stale() || error.status().is_some_and(|status| status.is_server_error())
            }
            Self::Engine(error) => error.is_unknown() || error.is_changed_meanwhile() || error.is_interrupted(),
            // A connection that broke says nothing of the command that ran over it, and the next one is a new one.
            Self::Ssh(error) => error.is_transient(),
            Self::Stuck { .. } | Self::NoConsole { .. } | Self::Missing { .. } => true,
            _ => false,
        }
    }

    /// What to do next, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::OpenStack(error) if error.to_string().contains("VirtualMAC") => {
                Some("this cloud (ML2/OVN of 2026.1 or later) takes no pairs with a container's own MAC: set `network.attach: pair-ip`".to_owned())
            }
            Self::OpenStack(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Ssh(SshError::HostKeyMismatch { host, .. }) => Some(format!(
                "if `{host}` was rebuilt, its new keys are in `openstack console log show {host}`; if the one it showed is among them, `openstack server unset --property {METADATA_HOST_KEY} {host}` lets the next run read them anew; if not, somebody else answers"
            )),
            Self::Ssh(error) => error.hint(),
            Self::Identity(error) => error.hint(),
            Self::AgentProgram { .. } => Some(
                "it was built for newer systems or another processor: `cargo xtask build-static` makes one that runs on any Linux; run that one, or name it with --agent-program"
                    .to_owned(),
            ),
            Self::Deadline { .. } => Some("run the same command again: it goes on where this one stopped".to_owned()),
            Self::Silent { name, .. } => Some(format!(
                "`pontoon exec {name} -- ss -ltn` shows what listens there; the embedded cloud runs no programs and knows a port only from a command line in the user-data, such as `--port 8080`"
            )),
            Self::NoHostKey { host, .. } => Some(format!(
                "an image that prints nothing to the serial console (no `console=ttyS0`) needs `host_key: injected`; set it and delete the server (`openstack server delete {host}`): the next run boots another"
            )),
            // What a host is told is ours; its cloud-init runs once, so that only another host gets another chance.
            Self::CloudInit { place, .. } if place.starts_with("host ") => Some(
                "`pontoon logs` shows the whole log; put right what it names: the next `pontoon up` offers to replace the host"
                    .to_owned(),
            ),
            Self::CloudInit { .. } => {
                Some("correct the user-data and run again; `pontoon logs` shows the whole log".to_owned())
            }
            _ => None,
        }
    }
}

/// An error with all its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_broke_leaves_it_to_the_next_look_what_was_done() {
        assert!(SiteError::from(SshError::Closed { host: "lxd0".to_owned() }).is_unknown());
        let closed = std::io::Error::other(SshError::Closed { host: "lxd0".to_owned() });
        assert!(SiteError::from(LxdError::Connect { endpoint: "lxd0".to_owned(), source: closed }).is_unknown());
        let refused =
            SshError::AuthenticationFailed { host: "lxd0".to_owned(), user: "pontoon".to_owned(), tried: vec![] };
        assert!(!SiteError::from(refused).is_unknown());
    }

    #[test]
    fn who_rebuilt_a_host_is_told_how_its_new_key_is_accepted() {
        let error = SshError::HostKeyMismatch { host: "lxd0".to_owned(), expected: vec![], seen: String::new() };
        let hint = SiteError::from(error).hint();
        assert!(hint.is_some_and(|hint| hint.contains("openstack server unset --property pontoon.host-key lxd0")));
    }
}
