//! A message from the bytes of a stream, as they come.

use bytes::{Buf as _, Bytes, BytesMut};

use super::{Direction, MAX_BYTES, MAX_MEMBERS, encrypted_head};
use crate::wire::message::{Kind, MemberState, PushPull, StreamMessage, read_ack, read_member, read_ping};
use crate::wire::msgpack::Reader;
use crate::wire::{Error, Layers, compression, encryption};

/// The largest structure that is waited for: a member's fields, a header. What it announces may be longer.
const MAX_STRUCTURE: usize = 64 * 1024;

/// Takes the bytes of one direction of a stream until they are a message.
///
/// It holds at most [`MAX_BYTES`] and, for a state exchange, [`MAX_MEMBERS`] members. Each call costs what came and one
/// structure, however the bytes are cut.
#[derive(Debug)]
pub struct Decoder {
    stage: Stage,
    /// What has come and not been read.
    bytes: BytesMut,
    /// How many bytes have come.
    received: usize,
    /// Whether `bytes` are all: they came out of encryption or compression, which know their length.
    whole: bool,
}

/// What comes next.
#[derive(Debug)]
enum Stage {
    Label,
    Layers { decrypted: bool },
    Body,
    Members { announced: Announced, members: Vec<MemberState> },
    Payload { length: usize, carrier: Carrier },
}

/// The header of a state exchange.
#[derive(Debug, Default)]
struct Announced {
    join: bool,
    members: usize,
    user_state: usize,
}

/// What the application's bytes belong to.
#[derive(Debug)]
enum Carrier {
    User,
    PushPull { join: bool, members: Vec<MemberState> },
}

impl Decoder {
    /// Before the first byte.
    pub fn new(direction: Direction) -> Self {
        let stage = match direction {
            Direction::Request => Stage::Label,
            Direction::Reply => Stage::Layers { decrypted: false },
        };
        Self { stage, bytes: BytesMut::new(), received: 0, whole: false }
    }

    /// Takes what has come; the message once it is whole, `None` where more is needed.
    ///
    /// After a message or an error the decoder is spent. What follows a message is left alone.
    pub fn feed(&mut self, layers: &Layers, bytes: &[u8]) -> Result<Option<StreamMessage>, Error> {
        self.received = self.received.saturating_add(bytes.len());
        if self.received > MAX_BYTES + MAX_STRUCTURE {
            return Err(Error::TooLarge { what: "what came on the stream", limit: MAX_BYTES });
        }
        self.bytes.extend_from_slice(bytes);
        loop {
            match self.step(layers) {
                Ok(None) => {}
                Err(Error::Truncated(_)) if !self.whole => return Ok(None),
                end => return end,
            }
        }
    }

    /// Whether nothing has come yet: a stream that ends here was only opened.
    pub const fn is_untouched(&self) -> bool {
        self.received == 0
    }

    /// Goes one stage on. `Truncated` where that takes more bytes; nothing has been read then.
    fn step(&mut self, layers: &Layers) -> Result<Option<StreamMessage>, Error> {
        match &mut self.stage {
            Stage::Label => {
                if self.bytes.is_empty() {
                    return Err(Error::Truncated("the stream"));
                }
                let rest = layers.label.strip(&self.bytes)?.len();
                self.bytes.advance(self.bytes.len() - rest);
                self.stage = Stage::Layers { decrypted: false };
            }
            Stage::Layers { decrypted } => {
                let decrypted = *decrypted;
                self.unwrap(layers, decrypted)?;
            }
            Stage::Body => return self.body(),
            Stage::Members { announced, members } => {
                if members.len() < announced.members {
                    let mut reader = Reader::new(&self.bytes);
                    let member = bounded(&self.bytes, read_member(&mut reader))?;
                    members.push(member);
                    let left = reader.rest().len();
                    self.bytes.advance(self.bytes.len() - left);
                } else {
                    let carrier = Carrier::PushPull { join: announced.join, members: std::mem::take(members) };
                    self.stage = Stage::Payload { length: announced.user_state, carrier };
                }
            }
            Stage::Payload { length, carrier } => {
                if self.bytes.len() < *length {
                    return Err(Error::Truncated("the application's bytes"));
                }
                let payload = Bytes::copy_from_slice(&self.bytes.split_to(*length));
                return Ok(Some(match carrier {
                    Carrier::User => StreamMessage::User(payload),
                    Carrier::PushPull { join, members } => StreamMessage::PushPull(PushPull {
                        join: *join,
                        members: std::mem::take(members),
                        user_state: payload,
                    }),
                }));
            }
        }
        Ok(None)
    }

    /// Takes off encryption, once, and compression, once.
    fn unwrap(&mut self, layers: &Layers, decrypted: bool) -> Result<(), Error> {
        let kind = self.bytes.first().ok_or(Error::Truncated("the stream"))?;
        match (Kind::from_byte(*kind), &layers.keyring) {
            (Some(Kind::Encrypted), Some(keyring)) if !decrypted => {
                let (head, rest) = self.bytes.split_first_chunk::<5>().ok_or(Error::Truncated("a length"))?;
                let length = head.iter().skip(1).fold(0, |length, byte| length << 8 | usize::from(*byte));
                if length > MAX_BYTES {
                    return Err(Error::TooLarge { what: "what is encrypted", limit: MAX_BYTES });
                }
                let sealed = rest.get(..length).ok_or(Error::Truncated("what is encrypted"))?;
                let associated = [&encrypted_head(length)?, layers.label.as_bytes()].concat();
                let plain = encryption::open(keyring, sealed, &associated)?;
                self.replace(&plain);
                self.stage = Stage::Layers { decrypted: true };
            }
            (Some(Kind::Encrypted), None) => return Err(Error::Encrypted),
            (Some(Kind::Encrypted), Some(_)) => return Err(Error::Kind(*kind)),
            (_, Some(_)) if !decrypted => return Err(Error::NotEncrypted),
            (Some(Kind::Compressed), _) => {
                let message = compression::decompress(self.bytes.get(1..).unwrap_or_default(), MAX_BYTES)?;
                self.replace(&message);
                self.stage = Stage::Body;
            }
            _ => self.stage = Stage::Body,
        }
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8]) {
        self.bytes = BytesMut::from(bytes);
        self.whole = true;
    }

    fn body(&mut self) -> Result<Option<StreamMessage>, Error> {
        let (kind, body) = self.bytes.split_first().ok_or(Error::Truncated("the stream"))?;
        let mut reader = Reader::new(body);
        match Kind::from_byte(*kind) {
            Some(Kind::Ping) => bounded(body, read_ping(&mut reader)).map(|ping| Some(StreamMessage::Ping(ping))),
            Some(Kind::Ack) => bounded(body, read_ack(&mut reader)).map(|ack| Some(StreamMessage::Ack(ack))),
            Some(Kind::Refusal) => bounded(body, read_refusal(&mut reader)).map(Some),
            Some(Kind::User) => {
                let length = bounded(body, read_user_header(&mut reader))?;
                self.next(reader.rest().len(), Stage::Payload { length, carrier: Carrier::User });
                Ok(None)
            }
            Some(Kind::PushPull) => {
                let announced = bounded(body, read_push_pull_header(&mut reader))?;
                // Each takes some bytes, so only what has come is made room for.
                let members = Vec::with_capacity(announced.members.min(reader.rest().len() / 32));
                self.next(reader.rest().len(), Stage::Members { announced, members });
                Ok(None)
            }
            _ => Err(Error::Kind(*kind)),
        }
    }

    /// Goes to a stage of which the last `left` bytes are.
    fn next(&mut self, left: usize, stage: Stage) {
        self.bytes.advance(self.bytes.len() - left);
        self.stage = stage;
    }
}

/// A structure that is still not whole after [`MAX_STRUCTURE`] never will be.
fn bounded<T>(bytes: &[u8], read: Result<T, Error>) -> Result<T, Error> {
    match read {
        Err(Error::Truncated(what)) if bytes.len() > MAX_STRUCTURE => {
            Err(Error::TooLarge { what, limit: MAX_STRUCTURE })
        }
        other => other,
    }
}

fn read_refusal(reader: &mut Reader<'_>) -> Result<StreamMessage, Error> {
    let mut reason = String::new();
    reader.fields("a refusal", |reader, field| {
        match field {
            b"Error" => reason = reader.lossy("Error")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(StreamMessage::Refusal(reason))
}

fn read_user_header(reader: &mut Reader<'_>) -> Result<usize, Error> {
    let mut length = 0;
    reader.fields("the header of a user message", |reader, field| {
        match field {
            b"UserMsgLen" => length = reader.unsigned("UserMsgLen")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    at_most("UserMsgLen", length, MAX_BYTES)
}

fn read_push_pull_header(reader: &mut Reader<'_>) -> Result<Announced, Error> {
    let mut announced = Announced::default();
    reader.fields("the header of a state exchange", |reader, field| {
        match field {
            b"Join" => announced.join = reader.boolean("Join")?,
            b"Nodes" => announced.members = reader.unsigned("Nodes")?,
            b"UserStateLen" => announced.user_state = reader.unsigned("UserStateLen")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    at_most("Nodes", announced.members, MAX_MEMBERS)?;
    at_most("UserStateLen", announced.user_state, MAX_BYTES)?;
    Ok(announced)
}

fn at_most(what: &'static str, number: usize, limit: usize) -> Result<usize, Error> {
    if number > limit { Err(Error::TooLarge { what, limit }) } else { Ok(number) }
}
