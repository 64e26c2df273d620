//! Keys: one that encrypts, and all that decrypt.
//!
//! A ring changes its key without a pause: every member installs the new one, then every member uses it, then every
//! member removes the old one. So a member holds several, and tries them all on what comes, the one it uses first.

use std::fmt;

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Nonce;

/// The most keys that one member may list in an answer.
pub(crate) const MAX_LISTED: usize = 4096;

type Aes192Gcm = AesGcm<Aes192, U12>;

/// An AES key of 16, 24 or 32 bytes. It is shown to nobody who does not ask for it by [`to_base64`](Self::to_base64).
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// A key of these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes.len() {
            16 | 24 | 32 => Ok(Self(bytes.to_vec())),
            length => Err(KeyError::Length(length)),
        }
    }

    /// A key as `serf keygen` prints it and `-encrypt` takes it.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(&STANDARD.decode(text.trim()).map_err(|_| KeyError::Base64)?)
    }

    /// The key as text, for whoever may have it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({} bytes)", self.0.len())
    }
}

/// The keys of a member, with one that encrypts: the primary one.
#[derive(Clone)]
pub struct Keyring {
    primary: Installed,
    others: Vec<Installed>,
}

impl Keyring {
    /// How many keys a member holds at most.
    pub const MAX_KEYS: usize = 64;

    /// A ring of this key alone.
    pub fn new(primary: Key) -> Self {
        Self { primary: Installed::new(primary), others: Vec::new() }
    }

    /// Installs a key that may decrypt; nothing happens where it is installed.
    pub fn add(&mut self, key: Key) -> Result<(), KeyError> {
        if self.has(&key) {
            return Ok(());
        }
        if self.others.len() + 1 >= Self::MAX_KEYS {
            return Err(KeyError::TooMany);
        }
        self.others.push(Installed::new(key));
        Ok(())
    }

    /// Encrypts with this key from now on; it must be installed.
    pub fn use_key(&mut self, key: &Key) -> Result<(), KeyError> {
        if self.primary.key == *key {
            return Ok(());
        }
        let at = self.others.iter().position(|other| other.key == *key).ok_or(KeyError::NotInstalled)?;
        // As memberlist orders them: the primary first, the others in the order in which they came.
        let next = self.others.remove(at);
        let former = std::mem::replace(&mut self.primary, next);
        self.others.insert(0, former);
        Ok(())
    }

    /// Forgets a key; nothing happens where it is not installed. The one in use cannot go.
    pub fn remove(&mut self, key: &Key) -> Result<(), KeyError> {
        if self.primary.key == *key {
            return Err(KeyError::InUse);
        }
        self.others.retain(|other| other.key != *key);
        Ok(())
    }

    /// Whether a key is installed.
    pub fn has(&self, key: &Key) -> bool {
        self.keys().any(|installed| installed == key)
    }

    /// The key that encrypts.
    pub fn primary(&self) -> &Key {
        &self.primary.key
    }

    /// All keys, the primary one first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.installed().map(|installed| &installed.key)
    }

    /// Encrypts with the primary key: ciphertext, then the tag of 16 bytes.
    pub(crate) fn seal(&self, nonce: Nonce, plain: &[u8], associated: &[u8]) -> Option<Vec<u8>> {
        self.primary.cipher.seal(nonce, Payload { msg: plain, aad: associated })
    }

    /// Decrypts with whichever key fits.
    pub(crate) fn open(&self, nonce: Nonce, sealed: &[u8], associated: &[u8]) -> Option<Vec<u8>> {
        self.installed().find_map(|installed| installed.cipher.open(nonce, Payload { msg: sealed, aad: associated }))
    }

    fn installed(&self) -> impl Iterator<Item = &Installed> {
        std::iter::once(&self.primary).chain(&self.others)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Keyring({} keys)", 1 + self.others.len())
    }
}

/// Why a key was not taken, used or removed. The words are memberlist's, as they reach people through `serf keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key has another length than AES has.
    #[error("key size must be 16, 24 or 32 bytes, and this has {0}")]
    Length(usize),
    /// The text is not base64.
    #[error("the key is not base64")]
    Base64,
    /// A key is to be used that was not installed.
    #[error("requested key is not in the keyring")]
    NotInstalled,
    /// The key that encrypts is to be removed.
    #[error("removing the primary key is not allowed")]
    InUse,
    /// There are [`Keyring::MAX_KEYS`] keys already.
    #[error("the keyring is full")]
    TooMany,
}

/// A key with what is computed from it once.
#[derive(Clone)]
struct Installed {
    key: Key,
    cipher: Cipher,
}

impl Installed {
    fn new(key: Key) -> Self {
        let cipher = Cipher::new(&key);
        Self { key, cipher }
    }
}

#[derive(Clone)]
enum Cipher {
    Aes128(Box<Aes128Gcm>),
    Aes192(Box<Aes192Gcm>),
    Aes256(Box<Aes256Gcm>),
    /// Of no key that can be made: [`Key::from_bytes`] has checked the length.
    None,
}

impl Cipher {
    fn new(key: &Key) -> Self {
        let bytes = key.as_bytes();
        if let Ok(cipher) = Aes128Gcm::new_from_slice(bytes) {
            Self::Aes128(Box::new(cipher))
        } else if let Ok(cipher) = Aes192Gcm::new_from_slice(bytes) {
            Self::Aes192(Box::new(cipher))
        } else if let Ok(cipher) = Aes256Gcm::new_from_slice(bytes) {
            Self::Aes256(Box::new(cipher))
        } else {
            Self::None
        }
    }

    fn seal(&self, nonce: Nonce, plain: Payload<'_, '_>) -> Option<Vec<u8>> {
        let nonce = nonce.0.into();
        match self {
            Self::Aes128(cipher) => cipher.encrypt(&nonce, plain).ok(),
            Self::Aes192(cipher) => cipher.encrypt(&nonce, plain).ok(),
            Self::Aes256(cipher) => cipher.encrypt(&nonce, plain).ok(),
            Self::None => None,
        }
    }

    fn open(&self, nonce: Nonce, sealed: Payload<'_, '_>) -> Option<Vec<u8>> {
        let nonce = nonce.0.into();
        match self {
            Self::Aes128(cipher) => cipher.decrypt(&nonce, sealed).ok(),
            Self::Aes192(cipher) => cipher.decrypt(&nonce, sealed).ok(),
            Self::Aes256(cipher) => cipher.decrypt(&nonce, sealed).ok(),
            Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_bytes(&[byte; 16]).unwrap()
    }

    #[test]
    fn keys_are_of_the_lengths_of_aes() {
        for length in [16, 24, 32] {
            let ring = Keyring::new(Key::from_bytes(&vec![1; length]).unwrap());
            let sealed = ring.seal(Nonce([0; 12]), b"plain", b"with").unwrap();
            assert_eq!(ring.open(Nonce([0; 12]), &sealed, b"with").unwrap(), b"plain");
            assert_eq!(ring.open(Nonce([0; 12]), &sealed, b"without"), None);
        }
        assert_eq!(Key::from_bytes(&[1; 20]), Err(KeyError::Length(20)));
        assert_eq!(Key::from_base64("?"), Err(KeyError::Base64));
        assert_eq!(Key::from_base64(&key(3).to_base64()), Ok(key(3)));
    }

    #[test]
    fn a_key_is_changed_in_three_steps() {
        let mut ring = Keyring::new(key(1));
        assert_eq!(ring.use_key(&key(2)), Err(KeyError::NotInstalled));
        ring.add(key(2)).unwrap();
        ring.add(key(2)).unwrap();
        ring.use_key(&key(2)).unwrap();
        assert_eq!(ring.keys().collect::<Vec<_>>(), [&key(2), &key(1)]);
        assert_eq!(ring.remove(&key(2)), Err(KeyError::InUse));
        ring.remove(&key(1)).unwrap();
        ring.remove(&key(1)).unwrap();
        assert_eq!(ring.keys().collect::<Vec<_>>(), [&key(2)]);
    }

    #[test]
    fn a_key_is_not_shown_by_accident() {
        assert_eq!(format!("{:?} {:?}", key(65), Keyring::new(key(65))), "Key(16 bytes) Keyring(1 keys)");
    }
}
