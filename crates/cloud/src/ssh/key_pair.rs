//! Making an ssh key, for clouds that we bring up ourselves.

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;

/// A new ed25519 key in OpenSSH's forms.
#[derive(Clone)]
pub struct KeyPair {
    /// The private key, as it stands in a file.
    pub private: String,
    /// The public key, as one line.
    pub public: String,
}

impl KeyPair {
    /// Makes one. `comment` says what it is for, to whoever finds it.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn generate(comment: &str) -> Result<Self, russh::keys::ssh_key::Error> {
        let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&rand::random()));
        key.set_comment(comment);
        Ok(Self { private: key.to_openssh(LineEnding::LF)?.to_string(), public: key.public_key().to_openssh()? })
    }
}
