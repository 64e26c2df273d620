//! The bytes of an exchange. What is asked and answered is not known here.
//!
//! ```text
//!   length: 4 bytes, big endian │ sealed: { "f": from, "t": to, "n": nonce } LF content
//! ```

use bytes::Bytes;
use pontoon_ring::wire::encryption;
use pontoon_ring::wire::keyring::Keyring;
use pontoon_ring::wire::{EncryptionVersion, Nonce};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::ExchangeError;
use crate::catalogue::Name;

/// Which way a message goes; it is authenticated with the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ask,
    Answer,
}

impl Direction {
    /// With the version of all of this.
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Ask => b"pontoon exchange 1, ask",
            Self::Answer => b"pontoon exchange 1, answer",
        }
    }
}

/// What stands before the content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Who speaks.
    #[serde(rename = "f")]
    pub(super) from: Name,
    /// To whom.
    #[serde(rename = "t")]
    pub(super) to: Name,
    /// Drawn by the asker for this one question.
    #[serde(rename = "n")]
    pub(super) nonce: [u8; 16],
}

/// Seals a message with the key that is in use.
pub(super) fn seal(
    keys: &Keyring,
    direction: Direction,
    head: &Head,
    content: &[u8],
) -> Result<Vec<u8>, ExchangeError> {
    let mut plain = serde_json::to_vec(head).map_err(|_| ExchangeError::Rubbish)?;
    plain.push(b'\n');
    plain.extend_from_slice(content);
    let nonce = Nonce::random(&mut rand::rng());
    Ok(encryption::seal(keys, EncryptionVersion::Unpadded, nonce, &plain, direction.label())?)
}

/// Opens a message with whichever key fits.
pub(super) fn open(keys: &Keyring, direction: Direction, sealed: &[u8]) -> Result<(Head, Bytes), ExchangeError> {
    let plain = Bytes::from(encryption::open(keys, sealed, direction.label())?);
    let end = plain.iter().position(|byte| *byte == b'\n').ok_or(ExchangeError::Rubbish)?;
    let head = plain.get(..end).and_then(|head| serde_json::from_slice(head).ok()).ok_or(ExchangeError::Rubbish)?;
    Ok((head, plain.slice(end + 1..)))
}

/// Writes a message.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), sealed: &[u8]) -> Result<(), ExchangeError> {
    let length = u32::try_from(sealed.len());
    let length = length.map_err(|_| ExchangeError::TooLong { bytes: sealed.len(), most: u32::MAX as usize })?;
    // In one piece: a length alone in a packet waits for the other side's acknowledgement.
    let framed = [&length.to_be_bytes()[..], sealed].concat();
    stream.write_all(&framed).await?;
    Ok(stream.flush().await?)
}

/// Reads a message. Memory is taken as bytes come, not as they are announced.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin), most: usize) -> Result<Vec<u8>, ExchangeError> {
    let bytes = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if bytes > most {
        return Err(ExchangeError::TooLong { bytes, most });
    }
    let mut sealed = Vec::new();
    stream.take(bytes as u64).read_to_end(&mut sealed).await?;
    if sealed.len() == bytes { Ok(sealed) } else { Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()) }
}
