//! Streams.
//!
//! ```text
//!   label? │ 10, length, encryption? │ compression? │ kind │ what this kind announces
//! ```
//!
//! A stream carries one message in each direction. Only the side that opens it sends the label; in both directions it
//! is authenticated, behind the five bytes before what is encrypted. A state exchange does not say how long it is: it
//! says how many members and how many bytes of the application follow, so a [`Decoder`] is fed until it has them.
//!
//! Sources: `readStream`, `readRemoteState`, `encryptLocalState` in memberlist's `net.go`, and its `label.go`.

mod decoder;

#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use decoder::Decoder;

use super::message::{Kind, PushPull, StreamMessage, write_ack, write_member, write_ping};
use super::msgpack::Writer;
use super::{Compression, Error, Layers, Nonce, compression, encryption};

/// The most bytes that one direction of a stream may have, encrypted or not (`maxPushStateBytes`).
pub const MAX_BYTES: usize = 20 * 1024 * 1024;

/// The most members that a state exchange may have: enough for rings far larger than any that gossips well.
pub const MAX_MEMBERS: usize = 128 * 1024;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the side that opened the stream.
    Request,
    /// From the side that was asked.
    Reply,
}

/// All bytes of one direction of a stream.
pub fn encode(layers: &Layers, direction: Direction, message: &StreamMessage, nonce: Nonce) -> Result<Bytes, Error> {
    let mut bytes = write(message);
    if layers.compression == Compression::On
        && let Some(shorter) = compression::compress(&bytes)
    {
        bytes = shorter;
    }
    if let Some(keyring) = &layers.keyring {
        let head = encrypted_head(encryption::sealed_length(layers.encryption, bytes.len()))?;
        let associated = [&head, layers.label.as_bytes()].concat();
        let sealed = encryption::seal(keyring, layers.encryption, nonce, &bytes, &associated)?;
        bytes = [&head[..], &sealed].concat();
    }
    if bytes.len() > MAX_BYTES {
        return Err(Error::TooLarge { what: "the message for a stream", limit: MAX_BYTES });
    }
    Ok(match direction {
        Direction::Request => [layers.label.header(), bytes].concat().into(),
        Direction::Reply => bytes.into(),
    })
}

/// What stands before encrypted bytes, and is authenticated with them.
fn encrypted_head(length: usize) -> Result<[u8; 5], Error> {
    let length =
        u32::try_from(length).map_err(|_| Error::TooLarge { what: "the message for a stream", limit: MAX_BYTES })?;
    let [a, b, c, d] = length.to_be_bytes();
    Ok([Kind::Encrypted as u8, a, b, c, d])
}

fn write(message: &StreamMessage) -> Vec<u8> {
    let head = |kind: Kind| Writer::after(vec![kind as u8]);
    match message {
        StreamMessage::Ping(ping) => {
            let mut writer = head(Kind::Ping);
            write_ping(&mut writer, ping);
            writer.finish()
        }
        StreamMessage::Ack(ack) => {
            let mut writer = head(Kind::Ack);
            write_ack(&mut writer, ack);
            writer.finish()
        }
        StreamMessage::Refusal(reason) => {
            let mut writer = head(Kind::Refusal);
            writer.map(1).text("Error").text(reason);
            writer.finish()
        }
        StreamMessage::User(payload) => {
            let mut writer = head(Kind::User);
            writer.map(1).text("UserMsgLen").length(payload.len());
            [&writer.finish()[..], payload].concat()
        }
        StreamMessage::PushPull(PushPull { join, members, user_state }) => {
            let mut writer = head(Kind::PushPull);
            writer.map(3).text("Join").boolean(*join).text("Nodes").length(members.len());
            writer.text("UserStateLen").length(user_state.len());
            for member in members {
                write_member(&mut writer, member);
            }
            [&writer.finish()[..], user_state].concat()
        }
    }
}
