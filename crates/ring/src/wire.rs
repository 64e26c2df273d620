//! Bytes and messages.
//!
//! ```text
//!   datagram   label? │ encryption? │ checksum? │ compression? │ compound? │ messages
//!   stream     label? │ encryption? │ compression? │ one message, and what it announces
//! ```
//!
//! Each layer is a function from bytes to bytes; only a [`stream::Decoder`] keeps anything, the bytes that are not yet
//! a message. What comes from a network is refused with an [`Error`], never with a panic, and never makes more memory
//! than a stated bound.
//!
//! [`packet`] and [`stream`] are the two ways over the network, [`message`] is what memberlist says on them. What rides
//! on the membership is Serf's: [`serf`], [`tags`] and [`coordinate`].

mod compression;
mod error;
mod label;
pub(crate) mod msgpack;

pub mod coordinate;
pub mod encryption;
pub mod keyring;
pub mod message;
pub mod packet;
pub mod serf;
pub mod stream;
pub mod tags;

#[cfg(test)]
pub(crate) mod tests;

use rand::RngCore;

pub use error::Error;
pub use label::Label;

use keyring::Keyring;

/// What all members of a ring have in common for the bytes between them.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The ring's name on the network; what carries another one is refused.
    pub label: Label,
    /// The keys; without any, nothing is encrypted, and what is encrypted is refused.
    pub keyring: Option<Keyring>,
    /// Whether to compress what goes out. What comes in may be compressed in any case.
    pub compression: Compression,
    /// How to encrypt what goes out. What comes in may be encrypted in either way.
    pub encryption: EncryptionVersion,
}

/// Whether to compress what goes out (`EnableCompression`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Where it makes the message smaller.
    #[default]
    On,
    /// Never.
    Off,
}

/// The two ways to encrypt (`encryptionVersion` in memberlist's `security.go`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum EncryptionVersion {
    /// AES-GCM of the message padded to whole blocks: all that members of protocol version 1 understand.
    Padded = 0,
    /// AES-GCM of the message as it is.
    #[default]
    Unpadded = 1,
}

/// The number that makes one encryption differ from all others under the same key. It must not be used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; 12]);

impl Nonce {
    /// A nonce by chance, which is what memberlist uses.
    pub fn random(chance: &mut impl RngCore) -> Self {
        let mut bytes = [0; 12];
        chance.fill_bytes(&mut bytes);
        Self(bytes)
    }
}
