//! The file in which a ring's keys outlive a restart: Serf's `-keyring-file`, a JSON list of keys in base64, of which the
//! first one encrypts.

use std::io;
use std::path::{Path, PathBuf};

use crate::wire::keyring::{Key, KeyError, Keyring};

/// Longer files are none.
const SIZE_MAX: usize = 64 * 1024;

/// Why there are no keys from a file.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be read.
    #[error("cannot read the keyring file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file is something else.
    #[error("the keyring file `{}` is not a JSON list of keys in base64", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// One of the keys is none.
    #[error("a key in the keyring file `{}` is not usable", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
}

/// Reads the keys of a file.
pub async fn read_keyring(path: &Path) -> Result<Keyring, KeyringError> {
    let path_buf = || path.to_owned();
    let bytes = super::files::read_at_most(path, SIZE_MAX)
        .await
        .map_err(|source| KeyringError::Read { path: path_buf(), source })?;
    let format = || KeyringError::Format { path: path_buf() };
    let key = |source| KeyringError::Key { path: path_buf(), source };
    let texts = std::str::from_utf8(&bytes).ok().and_then(list).ok_or_else(format)?;
    let (first, others) = texts.split_first().ok_or_else(format)?;
    let mut keyring = Keyring::new(Key::from_base64(first).map_err(key)?);
    for other in others {
        Key::from_base64(other).and_then(|other| keyring.add(other)).map_err(key)?;
    }
    Ok(keyring)
}

/// The content of the file.
pub(super) fn text(keyring: &Keyring) -> String {
    let keys: Vec<String> = keyring.keys().map(|key| format!("  \"{}\"", key.to_base64())).collect();
    format!("[\n{}\n]\n", keys.join(",\n"))
}

/// The texts of a JSON list. Base64 has nothing in it that JSON would escape, so escapes are not understood.
fn list(text: &str) -> Option<Vec<&str>> {
    let inside = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    if inside.trim().is_empty() {
        return Some(Vec::new());
    }
    inside.split(',').map(|item| item.trim().strip_prefix('"')?.strip_suffix('"')).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_bytes(&[byte; 32]).unwrap()
    }

    #[tokio::test]
    async fn what_was_written_is_read_back_with_the_same_key_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let mut keyring = Keyring::new(key(1));
        keyring.add(key(2)).unwrap();
        keyring.use_key(&key(2)).unwrap();
        std::fs::write(&path, text(&keyring)).unwrap();
        let read = read_keyring(&path).await.unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), [&key(2), &key(1)]);
    }

    #[tokio::test]
    async fn a_file_that_is_something_else_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        for text in ["", "[]", "{}", "[1]", "[\"short\"]", "[\"a\" \"b\"]", "\u{0}"] {
            std::fs::write(&path, text).unwrap();
            assert!(read_keyring(&path).await.is_err(), "{text:?}");
        }
        assert!(matches!(read_keyring(Path::new("/nowhere")).await, Err(KeyringError::Read { .. })));
    }
}
