//! The messages of memberlist, as their fields.
//!
//! Field names on the wire are those of memberlist's `net.go` and `state.go` (`SeqNo`, `Node`, …), encoded as msgpack
//! maps; one byte before each says which message it is ([`Kind`]).

mod codec;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

pub(crate) use codec::{address, name, nobody, read_ack, read_member, read_ping, write_ack, write_member, write_ping};
pub use codec::{decode, encode};

/// The name of a member: text that no other member has. Serf allows 128 bytes; more than [`MAX_NAME`] are refused.
pub type Name = std::sync::Arc<str>;

/// The longest name that is read, in bytes: twice what Serf allows, for other users of memberlist.
pub const MAX_NAME: usize = 256;

/// The byte before a message (`messageType` in `net.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// [`Ping`].
    Ping = 0,
    /// [`IndirectPing`].
    IndirectPing = 1,
    /// [`Ack`].
    Ack = 2,
    /// [`Suspect`].
    Suspect = 3,
    /// [`Alive`].
    Alive = 4,
    /// [`Dead`].
    Dead = 5,
    /// The state exchange of two members; streams only.
    PushPull = 6,
    /// Several messages in one datagram.
    Compound = 7,
    /// What rides on the membership (for us: Serf).
    User = 8,
    /// A compressed message.
    Compressed = 9,
    /// An encrypted message; streams only, datagrams have no byte for it.
    Encrypted = 10,
    /// [`Nack`].
    Nack = 11,
    /// A message behind its checksum; datagrams only.
    Checksum = 12,
    /// The other side's refusal, as text; streams only.
    Refusal = 13,
    /// A label before everything else.
    Label = 244,
}

impl Kind {
    /// The kind of this byte; `None` where there is none.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Ping,
            1 => Self::IndirectPing,
            2 => Self::Ack,
            3 => Self::Suspect,
            4 => Self::Alive,
            5 => Self::Dead,
            6 => Self::PushPull,
            7 => Self::Compound,
            8 => Self::User,
            9 => Self::Compressed,
            10 => Self::Encrypted,
            11 => Self::Nack,
            12 => Self::Checksum,
            13 => Self::Refusal,
            244 => Self::Label,
            _ => return None,
        })
    }
}

/// "Are you there?"
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// The number that the answer repeats.
    pub sequence: u32,
    /// Who is meant: whoever has this address under another name does not answer.
    pub target: Name,
    /// Who asks, for an answer to an address that the sender's packets do not come from.
    pub source: Option<Source>,
}

/// Who sent a [`Ping`] or an [`IndirectPing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: Name,
    /// Where it listens.
    pub address: SocketAddr,
}

/// "Ask another member for me."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndirectPing {
    /// The asker's number, repeated in the [`Ack`] or [`Nack`] that comes back.
    pub sequence: u32,
    /// The member to be asked.
    pub target: Name,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether the asker understands a [`Nack`].
    pub nack: bool,
    /// Who asks.
    pub source: Option<Source>,
}

/// "I am here."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The number of the ping.
    pub sequence: u32,
    /// What the application adds; Serf adds its coordinate.
    pub payload: Bytes,
}

/// "I am here, and the one you asked about did not answer me."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// The number of the indirect ping.
    pub sequence: u32,
}

/// "It may have failed."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The incarnation that is doubted.
    pub incarnation: u32,
    /// Who is doubted.
    pub name: Name,
    /// Who doubts.
    pub from: Name,
}

/// "It is here, and this is what it says of itself."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// Grows each time that the member says something new of itself.
    pub incarnation: u32,
    /// Who it is.
    pub name: Name,
    /// Where it listens.
    pub address: SocketAddr,
    /// What the application says of it, at most 512 bytes; for Serf, its tags.
    pub meta: Bytes,
    /// The protocol versions that it speaks.
    pub versions: Versions,
}

/// "It has failed", or, where `from` is the member itself, "I leave".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// The incarnation that has ended.
    pub incarnation: u32,
    /// Who has ended.
    pub name: Name,
    /// Who says so.
    pub from: Name,
}

/// The versions of the two protocols that a member can speak and does speak (`Vsn`, six bytes in this order).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest memberlist protocol that it can speak.
    pub protocol_min: u8,
    /// The newest.
    pub protocol_max: u8,
    /// The one that it speaks now.
    pub protocol: u8,
    /// The oldest protocol of the application.
    pub delegate_min: u8,
    /// The newest.
    pub delegate_max: u8,
    /// The one that it speaks now.
    pub delegate: u8,
}

impl Default for Versions {
    /// memberlist 1 to 5, speaking 2 as its default configuration does; Serf 2 to 5, speaking 5.
    fn default() -> Self {
        Self { protocol_min: 1, protocol_max: 5, protocol: 2, delegate_min: 2, delegate_max: 5, delegate: 5 }
    }
}

impl Versions {
    /// Of a member that names none.
    pub const UNKNOWN: Self =
        Self { protocol_min: 0, protocol_max: 0, protocol: 0, delegate_min: 0, delegate_max: 0, delegate: 0 };

    /// As they are on the wire.
    pub const fn to_bytes(self) -> [u8; 6] {
        [self.protocol_min, self.protocol_max, self.protocol, self.delegate_min, self.delegate_max, self.delegate]
    }

    /// From the wire; [`UNKNOWN`](Self::UNKNOWN) where they are fewer than six.
    pub const fn from_bytes(bytes: &[u8]) -> Self {
        match bytes {
            &[protocol_min, protocol_max, protocol, delegate_min, delegate_max, delegate, ..] => {
                Self { protocol_min, protocol_max, protocol, delegate_min, delegate_max, delegate }
            }
            _ => Self::UNKNOWN,
        }
    }
}

/// One message of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// See [`Ping`].
    Ping(Ping),
    /// See [`IndirectPing`].
    IndirectPing(IndirectPing),
    /// See [`Ack`].
    Ack(Ack),
    /// See [`Nack`].
    Nack(Nack),
    /// See [`Suspect`].
    Suspect(Suspect),
    /// See [`Alive`].
    Alive(Alive),
    /// See [`Dead`].
    Dead(Dead),
    /// What rides on the membership.
    User(Bytes),
}

/// What one stream carries in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamMessage {
    /// A ping where datagrams may be lost on the way; answered by [`StreamMessage::Ack`] on the same stream.
    Ping(Ping),
    /// The answer to it.
    Ack(Ack),
    /// All that a member knows; answered by the same of the other side.
    PushPull(PushPull),
    /// A message of the application that is to arrive whole.
    User(Bytes),
    /// The other side's refusal.
    Refusal(String),
}

/// All that a member knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushPull {
    /// Whether the sender is joining, or only exchanging.
    pub join: bool,
    /// The members that it knows, itself among them.
    pub members: Vec<MemberState>,
    /// What the application adds.
    pub user_state: Bytes,
}

/// One member as another one knows it (`pushNodeState`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberState {
    /// Who it is.
    pub name: Name,
    /// Where it listens.
    pub address: SocketAddr,
    /// What the application says of it.
    pub meta: Bytes,
    /// Its incarnation.
    pub incarnation: u32,
    /// Whether it is there.
    pub state: State,
    /// The protocol versions that it speaks.
    pub versions: Versions,
}

/// Whether a member is there (`NodeStateType` in `state.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// It answers.
    Alive = 0,
    /// It did not answer, and may still refute that.
    Suspect = 1,
    /// It has failed.
    Dead = 2,
    /// It has said that it leaves.
    Left = 3,
}

impl State {
    /// The state of this byte; `None` where there is none.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Alive,
            1 => Self::Suspect,
            2 => Self::Dead,
            3 => Self::Left,
            _ => return None,
        })
    }
}

/// The address family that memberlist writes: 4 bytes for IPv4 (also where it came mapped into IPv6), else 16.
pub fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
