//! Datagrams.
//!
//! ```text
//!   label? │ encryption? │ 12, CRC-32 of what follows? │ compression? │ one message
//!                                                                      │ or 7, how many, their lengths, the messages
//! ```
//!
//! Sources: `ingestPacket`, `rawSendMsgPacket` and `makeCompoundMessage` in memberlist's `net.go` and `util.go`.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::message::{Kind, Message, decode};
use super::{Error, Layers, Nonce, compression, encryption};

/// What a message costs beside its own bytes, where it shares a datagram: its length.
pub const PER_MESSAGE: usize = 2;

/// How many messages a datagram carries at most: their number is one byte.
pub const MAX_MESSAGES: usize = 255;

/// The most that is made of one datagram by decompression, in bytes, all its parts together.
pub const MAX_DECOMPRESSED: usize = 256 * 1024;

/// How deep compound and compressed messages may hold each other. memberlist writes two levels.
const MAX_DEPTH: usize = 4;

/// How many messages are taken from one datagram, with those that were refused.
const MAX_TAKEN: usize = 1024;

const COMPOUND_HEADER: usize = 2;
const CHECKSUM_HEADER: usize = 5;

/// Whether the receiver understands a checksum. memberlist adds one for whoever speaks protocol version 5 or newer, and
/// none for those whom it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It does.
    Understood,
    /// It does not, or nobody knows.
    Unknown,
}

/// What came in a datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The messages, in their order.
    pub messages: Vec<Message>,
    /// What was wrong with the others. One bad message does not spoil its neighbours.
    pub refused: Vec<Error>,
}

/// How many bytes of messages fit into a datagram of `datagram` bytes; each costs [`PER_MESSAGE`] of it besides.
pub fn room(layers: &Layers, datagram: usize) -> usize {
    let encryption = layers.keyring.as_ref().map_or(0, |_| encryption::overhead(layers.encryption));
    datagram.saturating_sub(layers.label.header_length() + encryption + CHECKSUM_HEADER + COMPOUND_HEADER)
}

/// Counts what still fits into one datagram.
#[derive(Clone, Debug)]
pub struct Space {
    bytes: usize,
    messages: usize,
}

impl Space {
    /// All of an empty datagram of at most `datagram` bytes.
    pub fn new(layers: &Layers, datagram: usize) -> Self {
        Self { bytes: room(layers, datagram), messages: MAX_MESSAGES }
    }

    /// How many bytes are left, [`PER_MESSAGE`] for each further message included.
    pub const fn left(&self) -> usize {
        if self.messages == 0 { 0 } else { self.bytes }
    }

    /// Takes the place of a message of this length, where it fits.
    pub const fn take(&mut self, length: usize) -> bool {
        match self.left().checked_sub(length.saturating_add(PER_MESSAGE)) {
            Some(bytes) => {
                self.bytes = bytes;
                self.messages -= 1;
                true
            }
            None => false,
        }
    }
}

/// A datagram of these messages, each as [`encode`](super::message::encode) made it.
///
/// An error where they are none, more than [`MAX_MESSAGES`], or one is longer than 65,535 bytes.
pub fn seal(layers: &Layers, checksum: Checksum, messages: &[Bytes], nonce: Nonce) -> Result<Bytes, Error> {
    let mut bytes = match messages {
        [] => return Err(Error::Truncated("an empty datagram")),
        [one] => one.to_vec(),
        several => join(several)?,
    };
    if layers.compression == super::Compression::On
        && let Some(shorter) = compression::compress(&bytes)
    {
        bytes = shorter;
    }
    if checksum == Checksum::Understood {
        let sum = crc32fast::hash(&bytes).to_be_bytes();
        bytes = [&[Kind::Checksum as u8], &sum[..], &bytes].concat();
    }
    if let Some(keyring) = &layers.keyring {
        bytes = encryption::seal(keyring, layers.encryption, nonce, &bytes, layers.label.as_bytes())?;
    }
    let header = layers.label.header();
    Ok(if header.is_empty() { bytes } else { [header, bytes].concat() }.into())
}

/// The messages of a datagram. An error where the datagram as a whole is not this ring's.
pub fn open(layers: &Layers, datagram: &[u8]) -> Result<Opened, Error> {
    let bytes = layers.label.strip(datagram)?;
    let decrypted;
    let bytes = match &layers.keyring {
        Some(keyring) => {
            decrypted = encryption::open(keyring, bytes, layers.label.as_bytes())?;
            &decrypted[..]
        }
        None => bytes,
    };
    let mut unpacking = Unpacking { opened: Opened::default(), decompression: MAX_DECOMPRESSED };
    unpacking.take(verify(bytes)?, MAX_DEPTH);
    Ok(unpacking.opened)
}

/// What stands behind a checksum that fits, or all where there is none.
fn verify(bytes: &[u8]) -> Result<&[u8], Error> {
    match bytes {
        [kind, a, b, c, d, rest @ ..] if *kind == Kind::Checksum as u8 => {
            if crc32fast::hash(rest) == u32::from_be_bytes([*a, *b, *c, *d]) { Ok(rest) } else { Err(Error::Checksum) }
        }
        _ => Ok(bytes),
    }
}

/// Several messages as one, `Kind::Compound`.
fn join(messages: &[Bytes]) -> Result<Vec<u8>, Error> {
    let count = u8::try_from(messages.len())
        .map_err(|_| Error::TooLarge { what: "the number of messages", limit: MAX_MESSAGES })?;
    let mut bytes = vec![Kind::Compound as u8, count];
    for message in messages {
        let length = u16::try_from(message.len())
            .map_err(|_| Error::TooLarge { what: "a message", limit: usize::from(u16::MAX) })?;
        bytes.extend_from_slice(&length.to_be_bytes());
    }
    for message in messages {
        bytes.extend_from_slice(message);
    }
    Ok(bytes)
}

/// The parts of a compound; `bytes` begin behind the kind. A part that is cut ends it with an error.
fn split(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], Error>> {
    const CUT: Error = Error::Truncated("a compound message");
    let (count, rest) = bytes.split_first().unwrap_or((&1, &[]));
    let (lengths, mut parts) = rest.split_at_checked(2 * usize::from(*count)).unwrap_or((&[0xff, 0xff], &[]));
    let mut cut = false;
    lengths.chunks_exact(2).map_while(move |length| {
        if cut {
            return None;
        }
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let Some((part, rest)) = parts.split_at_checked(length) else {
            cut = true;
            return Some(Err(CUT));
        };
        parts = rest;
        Some(Ok(part))
    })
}

/// Takes messages out of each other, within bounds for the whole datagram.
struct Unpacking {
    opened: Opened,
    decompression: usize,
}

impl Unpacking {
    fn take(&mut self, bytes: &[u8], depth: usize) {
        if self.opened.messages.len() + self.opened.refused.len() >= MAX_TAKEN {
            return;
        }
        let taken = match bytes {
            [kind, ..] if depth == 0 && matches!(Kind::from_byte(*kind), Some(Kind::Compound | Kind::Compressed)) => {
                Err(Error::TooLarge { what: "the depth of messages in messages", limit: MAX_DEPTH })
            }
            [kind, parts @ ..] if *kind == Kind::Compound as u8 => {
                for part in split(parts) {
                    match part {
                        Ok(part) => self.take(part, depth - 1),
                        Err(error) => self.opened.refused.push(error),
                    }
                }
                return;
            }
            [kind, envelope @ ..] if *kind == Kind::Compressed as u8 => {
                match compression::decompress(envelope, self.decompression) {
                    Ok(message) => {
                        self.decompression -= message.len();
                        return self.take(&message, depth - 1);
                    }
                    Err(error) => {
                        // Work was done for it up to the bound; another one must not cost that again.
                        self.decompression = 0;
                        Err(error)
                    }
                }
            }
            message => decode(message),
        };
        match taken {
            Ok(message) => self.opened.messages.push(message),
            Err(error) => self.opened.refused.push(error),
        }
    }
}
