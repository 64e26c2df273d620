//! Who logs in: a name and the identities to try, in order.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::{Handle, Handler};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use thiserror::Error;
use tokio::net::UnixStream;

use super::SshError;
use super::host_key::describe_key;

/// A login name and the identities to try for it, in this order.
#[derive(Debug, Clone)]
pub struct Login {
    /// The login name, such as the image's `debian` or `ubuntu`.
    pub user: String,
    /// What to try; the first that is accepted ends the search.
    pub keys: Vec<Identity>,
}

/// One way to prove who we are.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A private key in memory.
    Key {
        /// The key.
        key: Arc<PrivateKey>,
        /// Where it came from, for messages.
        origin: String,
    },
    /// Every key of the agent behind this unix socket.
    Agent {
        /// The agent's socket, usually the value of `SSH_AUTH_SOCK`.
        socket: PathBuf,
    },
}

/// A private key file that cannot be used.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The file cannot be read.
    #[error("could not read the private key `{}`", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The key is protected by a passphrase, which is never asked for here.
    #[error("the private key `{}` is protected by a passphrase", .path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no private key that is understood.
    #[error("`{}` is not a private key: {reason}", .path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl IdentityError {
    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Encrypted { path } => Some(format!(
                "add it to the ssh agent with `ssh-add {}`; the agent is found by `SSH_AUTH_SOCK`",
                path.display()
            )),
            Self::NotAKey { path, .. } if path.extension().is_some_and(|extension| extension == "pub") => {
                Some("the private key is the file without `.pub`".to_owned())
            }
            Self::NotAKey { .. } | Self::Unreadable { .. } => None,
        }
    }
}

impl Identity {
    /// Reads a private key file (OpenSSH format; PEM as older tools wrote it is understood too).
    pub fn from_file(path: &Path) -> Result<Self, IdentityError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| IdentityError::Unreadable { path: path.to_owned(), source })?;
        Self::from_text(&text, path)
    }

    /// A private key's text; `path` is where it came from, for messages.
    pub fn from_text(text: &str, path: &Path) -> Result<Self, IdentityError> {
        let encrypted = || IdentityError::Encrypted { path: path.to_owned() };
        match russh::keys::decode_secret_key(text, None) {
            Ok(key) if key.is_encrypted() => Err(encrypted()),
            Ok(key) => Ok(Self::Key { key: Arc::new(key), origin: path.display().to_string() }),
            Err(russh::keys::Error::KeyIsEncrypted) => Err(encrypted()),
            // PEM says so in its header, and not every sort of PEM is decoded far enough to find out otherwise.
            Err(_) if text.contains("ENCRYPTED") => Err(encrypted()),
            Err(error) => Err(IdentityError::NotAKey { path: path.to_owned(), reason: error.to_string() }),
        }
    }
}

/// Tries the identities one after another. `Ok` means that the session is ours.
pub(super) async fn authenticate<H: Handler>(
    handle: &mut Handle<H>,
    host: &str,
    login: &Login,
) -> Result<(), SshError> {
    let mut tried = Vec::new();
    for identity in &login.keys {
        let accepted = match identity {
            Identity::Key { key, origin } => {
                tried.push(format!("{origin} ({})", describe_key(key.public_key())));
                offer_key(handle, &login.user, key).await
            }
            Identity::Agent { socket } => offer_agent(handle, &login.user, socket, &mut tried).await,
        };
        match accepted {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // A server hangs up after too many attempts (OpenSSH: `MaxAuthTries`, 6): that is a refusal as well.
            Err(_) if handle.is_closed() => break,
            Err(error) => return Err(SshError::from_protocol(host, error)),
        }
        if handle.is_closed() {
            break;
        }
    }
    if handle.is_closed() {
        tried.push("then the server hung up".to_owned());
    }
    Err(SshError::AuthenticationFailed { host: host.to_owned(), user: login.user.clone(), tried })
}

async fn offer_key<H: Handler>(
    handle: &mut Handle<H>,
    user: &str,
    key: &Arc<PrivateKey>,
) -> Result<bool, russh::Error> {
    let hash = rsa_hash(handle, key.public_key()).await?;
    let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
    Ok(handle.authenticate_publickey(user, key).await?.success())
}

/// Offers all keys of an agent. An agent that is not there, or that declines to sign, is noted in `tried` and is no
/// reason to give up on the identities after it.
async fn offer_agent<H: Handler>(
    handle: &mut Handle<H>,
    user: &str,
    socket: &Path,
    tried: &mut Vec<String>,
) -> Result<bool, russh::Error> {
    let stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) => {
            tried.push(format!("the agent at {} ({error})", socket.display()));
            return Ok(false);
        }
    };
    let mut agent = AgentClient::connect(stream);
    let identities = match agent.request_identities().await {
        Ok(identities) => identities,
        Err(error) => {
            tried.push(format!("the agent at {} ({error})", socket.display()));
            return Ok(false);
        }
    };
    if identities.is_empty() {
        tried.push(format!("the agent at {} (it holds no keys)", socket.display()));
    }
    for identity in identities {
        // A certificate counts for its plain key here: Nova puts plain keys on servers.
        let (key, comment) = match identity {
            AgentIdentity::PublicKey { key, comment } => (key, comment),
            AgentIdentity::Certificate { .. } => continue,
        };
        let name = format!("the agent's {comment} ({})", describe_key(&key));
        let hash = rsa_hash(handle, &key).await?;
        match handle.authenticate_publickey_with(user, key, hash, &mut agent).await {
            Ok(result) if result.success() => return Ok(true),
            Ok(_) => tried.push(name),
            Err(error) => tried.push(format!("{name}: {error}")),
        }
        if handle.is_closed() {
            break;
        }
    }
    Ok(false)
}

/// The signature hash for an RSA key. Servers that do not say what they take get SHA-512: every OpenSSH since 7.2
/// (2016) takes it, and none since 8.8 takes the SHA-1 that no hash would mean.
async fn rsa_hash<H: Handler>(handle: &Handle<H>, key: &PublicKey) -> Result<Option<HashAlg>, russh::Error> {
    if !key.algorithm().is_rsa() {
        return Ok(None);
    }
    Ok(handle.best_supported_rsa_hash().await?.flatten().or(Some(HashAlg::Sha512)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_file_is_refused_with_a_hint_to_the_private_one() {
        let error = Identity::from_text("ssh-ed25519 AAAA me", Path::new("id.pub")).err();
        assert_eq!(error.and_then(|error| error.hint()).as_deref(), Some("the private key is the file without `.pub`"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Identity::from_file(Path::new("/nonexistent/id")).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("could not read the private key `/nonexistent/id`"));
    }
}
