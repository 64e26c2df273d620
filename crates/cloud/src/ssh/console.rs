//! Host keys out of a console log.
//!
//! At the first boot cloud-init prints the host's public keys between marker lines, and before them a table of their
//! fingerprints (`cc_keys_to_console`, helper `write-ssh-key-fingerprints`). The log comes from the cloud's own
//! authenticated API, which makes it a way to learn keys that does not pass through the network in question.
//!
//! A console is shared with the kernel and init: lines end in CR LF, carry syslog or time stamp prefixes, and other
//! messages fall between or into them. A key is taken only if its whole blob decodes as what its name says; one that
//! cannot be put together again is left out, and since only algorithms of known keys are asked for later, the others
//! still do their work.
//!
//! Pure: text in, keys out.

use russh::keys::PublicKey;
use russh::keys::ssh_key::Fingerprint;

use super::HostKeyCheck;

const KEYS_BEGIN: &str = "-----BEGIN SSH HOST KEY KEYS-----";
const KEYS_END: &str = "-----END SSH HOST KEY KEYS-----";
const FINGERPRINTS_BEGIN: &str = "-----BEGIN SSH HOST KEY FINGERPRINTS-----";
const FINGERPRINTS_END: &str = "-----END SSH HOST KEY FINGERPRINTS-----";

/// The names that start a key line. DSA is no longer a key that anybody should accept.
const KEY_NAMES: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

/// What a console log says about its host's keys: the last complete block of each sort.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsoleHostKeys {
    /// The keys themselves.
    pub keys: Vec<PublicKey>,
    /// SHA-256 fingerprints, for images that print only the table.
    pub fingerprints: Vec<Fingerprint>,
}

impl ConsoleHostKeys {
    /// The check to connect with: the keys if there are any, else the fingerprints. `None` if the log has neither,
    /// which early in a boot means: not yet.
    pub fn check(&self) -> Option<HostKeyCheck> {
        if !self.keys.is_empty() {
            Some(HostKeyCheck::from_keys(self.keys.iter().cloned()))
        } else if !self.fingerprints.is_empty() {
            Some(HostKeyCheck::from_fingerprints(self.fingerprints.iter().copied()))
        } else {
            None
        }
    }
}

/// Reads the keys out of a console log. Several boots may be in it: the last block with both its markers and at
/// least one key wins. A block that is cut off at either end (the cloud shows the last lines only, or the host is
/// printing right now) counts for nothing.
pub fn host_keys(log: &str) -> ConsoleHostKeys {
    ConsoleHostKeys {
        keys: last_block(log, KEYS_BEGIN, KEYS_END, keys_in),
        fingerprints: last_block(log, FINGERPRINTS_BEGIN, FINGERPRINTS_END, fingerprints_in),
    }
}

fn last_block<T>(log: &str, begin: &str, end: &str, read: fn(&[&str]) -> Vec<T>) -> Vec<T> {
    let mut last = Vec::new();
    let mut open: Option<Vec<&str>> = None;
    for line in log.split(['\n', '\r']) {
        if line.contains(begin) {
            // A second beginning without an end: the machine was reset while printing.
            open = Some(Vec::new());
        } else if line.contains(end) {
            let found = open.take().map(|lines| read(&lines)).unwrap_or_default();
            if !found.is_empty() {
                last = found;
            }
        } else if let Some(lines) = &mut open {
            lines.push(line);
        }
    }
    last
}

fn keys_in(lines: &[&str]) -> Vec<PublicKey> {
    let mut keys: Vec<PublicKey> = Vec::new();
    // Name and beginning of a key into which another message was printed; its rest is on a later line.
    let mut torn: Option<(&str, String)> = None;
    for line in lines {
        let key = if let Some((name, blob)) = key_in(line) {
            let key = decode(name, blob);
            torn = key.is_none().then(|| (name, blob.to_owned()));
            key
        } else if let Some((name, start)) = &torn {
            let key = decode(name, &format!("{start}{}", base64_prefix(line.trim_start())));
            if key.is_some() {
                torn = None;
            }
            key
        } else {
            None
        };
        if let Some(key) = key
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
    keys
}

/// The key name in a line, wherever its prefix ends, and the base64 text after it.
fn key_in(line: &str) -> Option<(&'static str, &str)> {
    KEY_NAMES.into_iter().find_map(|name| {
        let (_, rest) = line.split_once(name)?;
        let blob = base64_prefix(rest.strip_prefix(' ')?.trim_start());
        (!blob.is_empty()).then_some((name, blob))
    })
}

/// The blob carries its own lengths and algorithm name, so half a key or a wrongly joined one does not decode.
fn decode(name: &str, blob: &str) -> Option<PublicKey> {
    PublicKey::from_openssh(&format!("{name} {blob}")).ok()
}

fn fingerprints_in(lines: &[&str]) -> Vec<Fingerprint> {
    let mut fingerprints = Vec::new();
    for line in lines {
        let Some((_, rest)) = line.split_once("SHA256:") else { continue };
        if let Ok(fingerprint) = format!("SHA256:{}", base64_prefix(rest)).parse()
            && !fingerprints.contains(&fingerprint)
        {
            fingerprints.push(fingerprint);
        }
    }
    fingerprints
}

fn base64_prefix(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c))).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
