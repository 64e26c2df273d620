//! Which host keys are expected of a host.

use russh::keys::ssh_key::{Fingerprint, HashAlg};
use russh::keys::{Algorithm, PublicKey};
use thiserror::Error;

/// The host keys that a host may show: exact keys, or their SHA-256 fingerprints where only those are known.
///
/// There is no "any" and no "first use": an empty check accepts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostKeyCheck {
    keys: Vec<PublicKey>,
    fingerprints: Vec<Fingerprint>,
}

/// A text that is neither a public key nor a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is neither an OpenSSH public key nor a `SHA256:` fingerprint")]
pub struct HostKeyCheckError {
    text: String,
}

impl HostKeyCheck {
    /// Accepts exactly these keys; their comments do not matter.
    pub fn from_keys(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { keys: keys.into_iter().collect(), fingerprints: Vec::new() }
    }

    /// Accepts the keys with these fingerprints.
    pub fn from_fingerprints(fingerprints: impl IntoIterator<Item = Fingerprint>) -> Self {
        Self { keys: Vec::new(), fingerprints: fingerprints.into_iter().collect() }
    }

    /// Reads lines as people write them: `ssh-ed25519 AAAA… comment` or `SHA256:…`.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, HostKeyCheckError> {
        let mut check = Self::default();
        for line in lines {
            let line = line.trim();
            if let Ok(fingerprint) = line.parse::<Fingerprint>() {
                check.fingerprints.push(fingerprint);
            } else if let Ok(key) = PublicKey::from_openssh(line) {
                check.keys.push(key);
            } else {
                return Err(HostKeyCheckError { text: line.to_owned() });
            }
        }
        Ok(check)
    }

    /// True if nothing would be accepted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.fingerprints.is_empty()
    }

    /// Is this one of the expected keys?
    pub fn accepts(&self, key: &PublicKey) -> bool {
        self.keys.iter().any(|known| known.key_data() == key.key_data())
            || self.fingerprints.iter().any(|known| *known == key.fingerprint(known.algorithm()))
    }

    /// The expected keys for people: `ssh-ed25519 SHA256:…`.
    pub fn describe(&self) -> Vec<String> {
        let keys = self.keys.iter().map(describe_key);
        keys.chain(self.fingerprints.iter().map(ToString::to_string)).collect()
    }

    /// The host key algorithms to ask for, best first.
    ///
    /// A server has several keys and shows the one whose algorithm the client prefers. Only the algorithms of the
    /// expected keys may be asked for, or a host of which just one key is known would show another one.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let supported = russh::Preferred::DEFAULT.key;
        // SHA-1 signatures (RSA without a hash) are not asked for at all.
        let usable = supported.iter().filter(|algorithm| !matches!(algorithm, Algorithm::Rsa { hash: None }));
        if self.fingerprints.is_empty() {
            usable
                .filter(|algorithm| self.keys.iter().any(|key| same_kind(&key.algorithm(), algorithm)))
                .cloned()
                .collect()
        } else {
            usable.cloned().collect()
        }
    }
}

/// One key for people: algorithm and fingerprint.
pub(super) fn describe_key(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

/// RSA keys have one kind and several signature algorithms; all others have one of each.
fn same_kind(key: &Algorithm, signature: &Algorithm) -> bool {
    key == signature || matches!((key, signature), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPY5+BeOeTdhWXIzv0DshKk8e/3ALu8rgnDLpoHFdWgA";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGcnuqaBZtwIe5srDQ2fa0UAr1+1VQOI7c34hwwTWFSN";

    #[test]
    fn the_expected_key_is_accepted_whatever_its_comment() {
        let check = HostKeyCheck::parse([format!("{ED25519} root@lxd0").as_str()]).unwrap();
        assert!(check.accepts(&PublicKey::from_openssh(&format!("{ED25519} other")).unwrap()));
        assert!(!check.accepts(&PublicKey::from_openssh(OTHER).unwrap()));
    }

    #[test]
    fn a_fingerprint_stands_for_its_key() {
        let key = PublicKey::from_openssh(ED25519).unwrap();
        let check = HostKeyCheck::parse([key.fingerprint(HashAlg::Sha256).to_string().as_str()]).unwrap();
        assert!(check.accepts(&key));
        assert!(!check.accepts(&PublicKey::from_openssh(OTHER).unwrap()));
    }

    #[test]
    fn an_empty_check_accepts_nothing() {
        let check = HostKeyCheck::default();
        assert!(check.is_empty());
        assert!(!check.accepts(&PublicKey::from_openssh(ED25519).unwrap()));
        assert_eq!(check.algorithms(), []);
    }

    #[test]
    fn only_the_algorithms_of_known_keys_are_asked_for() {
        let check = HostKeyCheck::parse([ED25519]).unwrap();
        assert_eq!(check.algorithms(), [Algorithm::Ed25519]);
    }

    #[test]
    fn text_that_is_no_key_is_named_in_the_error() {
        let error = HostKeyCheck::parse(["ssh-ed25519 nonsense"]).unwrap_err();
        assert!(error.to_string().contains("`ssh-ed25519 nonsense`"), "{error}");
    }
}
