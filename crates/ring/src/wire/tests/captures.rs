//! What the real `serf` said to itself, recorded by `captures/capture.sh`; for tests.

use crate::wire::Layers;
use crate::wire::keyring::{Key, Keyring};

/// A recording: its lines, and what the ring had in common when it was made.
pub(crate) struct Capture {
    lines: &'static str,
    pub(crate) layers: Layers,
}

/// Three members without encryption.
pub(crate) fn plain() -> Capture {
    Capture { lines: include_str!("../../../captures/plain.txt"), layers: Layers::default() }
}

/// The same with a key that was changed on the way.
pub(crate) fn encrypted() -> Capture {
    let key = |text| Key::from_base64(text).unwrap();
    let mut keyring = Keyring::new(key("MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="));
    keyring.add(key("MTIzNDU2Nzg5MDEyMzQ1Ng==")).unwrap();
    Capture {
        lines: include_str!("../../../captures/encrypted.txt"),
        layers: Layers { keyring: Some(keyring), ..Layers::default() },
    }
}

impl Capture {
    /// All of one sort: `datagram`, `request`, `reply`, `rpc-request`, `rpc-reply`.
    pub(crate) fn all(&self, sort: &str) -> Vec<Vec<u8>> {
        let lines = self.lines.lines().filter_map(|line| line.split_once(' '));
        let found: Vec<_> = lines.filter(|(name, _)| *name == sort).map(|(_, hex)| bytes(hex)).collect();
        assert!(!found.is_empty(), "nothing of the sort `{sort}` was recorded");
        found
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
