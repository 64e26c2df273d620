//! The messages as bytes: the kind, then a msgpack map of the fields in alphabetical order.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::{Ack, Alive, Dead, IndirectPing, Kind, MemberState, Message, Nack, Name, Ping, Source, State, Suspect};
use super::{Versions, address_bytes};
use crate::wire::Error;
use crate::wire::error::malformed;
use crate::wire::msgpack::{Reader, Writer};

/// One message as it stands in a datagram.
pub fn encode(message: &Message) -> Bytes {
    match message {
        Message::Ping(ping) => write(Kind::Ping, |writer| write_ping(writer, ping)),
        Message::IndirectPing(ping) => write(Kind::IndirectPing, |writer| write_indirect_ping(writer, ping)),
        Message::Ack(ack) => write(Kind::Ack, |writer| write_ack(writer, ack)),
        Message::Nack(Nack { sequence }) => write(Kind::Nack, |writer| {
            writer.map(1).text("SeqNo").unsigned(*sequence);
        }),
        Message::Suspect(Suspect { incarnation, name, from }) => {
            write(Kind::Suspect, |writer| write_claim(writer, *incarnation, name, from))
        }
        Message::Dead(Dead { incarnation, name, from }) => {
            write(Kind::Dead, |writer| write_claim(writer, *incarnation, name, from))
        }
        Message::Alive(alive) => write(Kind::Alive, |writer| write_alive(writer, alive)),
        Message::User(payload) => [&[Kind::User as u8], &payload[..]].concat().into(),
    }
}

/// The message in `bytes`, which begin with its kind. What follows it is left alone, as memberlist does.
pub fn decode(bytes: &[u8]) -> Result<Message, Error> {
    let (kind, body) = bytes.split_first().ok_or(Error::Truncated("a message"))?;
    let mut reader = Reader::new(body);
    match Kind::from_byte(*kind) {
        Some(Kind::Ping) => read_ping(&mut reader).map(Message::Ping),
        Some(Kind::IndirectPing) => read_indirect_ping(&mut reader).map(Message::IndirectPing),
        Some(Kind::Ack) => read_ack(&mut reader).map(Message::Ack),
        Some(Kind::Nack) => read_nack(&mut reader).map(Message::Nack),
        Some(Kind::Suspect) => read_claim(&mut reader)
            .map(|Claim { incarnation, name, from }| Message::Suspect(Suspect { incarnation, name, from })),
        Some(Kind::Dead) => read_claim(&mut reader)
            .map(|Claim { incarnation, name, from }| Message::Dead(Dead { incarnation, name, from })),
        Some(Kind::Alive) => read_alive(&mut reader).map(Message::Alive),
        Some(Kind::User) => Ok(Message::User(Bytes::copy_from_slice(body))),
        _ => Err(Error::Kind(*kind)),
    }
}

fn write(kind: Kind, fields: impl FnOnce(&mut Writer)) -> Bytes {
    let mut writer = Writer::after(vec![kind as u8]);
    fields(&mut writer);
    writer.finish().into()
}

/// Writes the fields of a [`Ping`].
pub(crate) fn write_ping(writer: &mut Writer, ping: &Ping) {
    writer.map(2 + source_fields(ping.source.as_ref()));
    writer.text("Node").text(&ping.target).text("SeqNo").unsigned(ping.sequence);
    write_source(writer, ping.source.as_ref());
}

fn write_indirect_ping(writer: &mut Writer, ping: &IndirectPing) {
    writer.map(5 + source_fields(ping.source.as_ref()));
    writer.text("Nack").boolean(ping.nack).text("Node").text(&ping.target);
    writer.text("Port").unsigned(ping.address.port()).text("SeqNo").unsigned(ping.sequence);
    write_source(writer, ping.source.as_ref());
    writer.text("Target").raw(&address_bytes(ping.address.ip()));
}

/// Writes the fields of an [`Ack`].
pub(crate) fn write_ack(writer: &mut Writer, ack: &Ack) {
    writer.map(2).text("Payload").raw_or_nil(&ack.payload).text("SeqNo").unsigned(ack.sequence);
}

fn write_claim(writer: &mut Writer, incarnation: u32, name: &str, from: &str) {
    writer.map(3).text("From").text(from).text("Incarnation").unsigned(incarnation).text("Node").text(name);
}

fn write_alive(writer: &mut Writer, alive: &Alive) {
    writer.map(6).text("Addr").raw(&address_bytes(alive.address.ip()));
    writer.text("Incarnation").unsigned(alive.incarnation).text("Meta").raw_or_nil(&alive.meta);
    writer.text("Node").text(&alive.name).text("Port").unsigned(alive.address.port());
    writer.text("Vsn").raw(&alive.versions.to_bytes());
}

/// Writes one member of a state exchange.
pub(crate) fn write_member(writer: &mut Writer, member: &MemberState) {
    writer.map(7).text("Addr").raw(&address_bytes(member.address.ip()));
    writer.text("Incarnation").unsigned(member.incarnation).text("Meta").raw_or_nil(&member.meta);
    writer.text("Name").text(&member.name).text("Port").unsigned(member.address.port());
    writer.text("State").unsigned(member.state as u8).text("Vsn").raw(&member.versions.to_bytes());
}

const fn source_fields(source: Option<&Source>) -> usize {
    if source.is_some() { 3 } else { 0 }
}

fn write_source(writer: &mut Writer, source: Option<&Source>) {
    if let Some(Source { name, address }) = source {
        writer.text("SourceAddr").raw(&address_bytes(address.ip()));
        writer.text("SourceNode").text(name).text("SourcePort").unsigned(address.port());
    }
}

/// Reads the fields of a [`Ping`].
pub(crate) fn read_ping(reader: &mut Reader<'_>) -> Result<Ping, Error> {
    let (mut sequence, mut target, mut source) = (0, nobody(), SourceFields::default());
    reader.fields("a ping", |reader, field| {
        match field {
            b"SeqNo" => sequence = reader.unsigned("SeqNo")?,
            b"Node" => target = name(reader, "Node")?,
            _ => source.read(reader, field)?,
        }
        Ok(())
    })?;
    Ok(Ping { sequence, target, source: source.finish()? })
}

fn read_indirect_ping(reader: &mut Reader<'_>) -> Result<IndirectPing, Error> {
    let (mut sequence, mut target, mut source) = (0, nobody(), SourceFields::default());
    let (mut ip, mut port, mut nack): (&[u8], u16, bool) = (&[], 0, false);
    reader.fields("an indirect ping", |reader, field| {
        match field {
            b"SeqNo" => sequence = reader.unsigned("SeqNo")?,
            b"Node" => target = name(reader, "Node")?,
            b"Target" => ip = reader.raw("Target")?,
            b"Port" => port = reader.unsigned("Port")?,
            b"Nack" => nack = reader.boolean("Nack")?,
            _ => source.read(reader, field)?,
        }
        Ok(())
    })?;
    Ok(IndirectPing { sequence, target, address: address("Target", ip, port)?, nack, source: source.finish()? })
}

/// Reads the fields of an [`Ack`].
pub(crate) fn read_ack(reader: &mut Reader<'_>) -> Result<Ack, Error> {
    let (mut sequence, mut payload): (u32, &[u8]) = (0, &[]);
    reader.fields("an ack", |reader, field| {
        match field {
            b"SeqNo" => sequence = reader.unsigned("SeqNo")?,
            b"Payload" => payload = reader.raw("Payload")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(Ack { sequence, payload: Bytes::copy_from_slice(payload) })
}

fn read_nack(reader: &mut Reader<'_>) -> Result<Nack, Error> {
    let mut sequence = 0;
    reader.fields("a nack", |reader, field| {
        match field {
            b"SeqNo" => sequence = reader.unsigned("SeqNo")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(Nack { sequence })
}

/// What a suspect and a dead message have in common: all.
struct Claim {
    incarnation: u32,
    name: Name,
    from: Name,
}

fn read_claim(reader: &mut Reader<'_>) -> Result<Claim, Error> {
    let mut claim = Claim { incarnation: 0, name: nobody(), from: nobody() };
    reader.fields("a claim about a member", |reader, field| {
        match field {
            b"Incarnation" => claim.incarnation = reader.unsigned("Incarnation")?,
            b"Node" => claim.name = name(reader, "Node")?,
            b"From" => claim.from = name(reader, "From")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(claim)
}

fn read_alive(reader: &mut Reader<'_>) -> Result<Alive, Error> {
    let MemberState { name, address, meta, incarnation, versions, .. } = read_member(reader)?;
    Ok(Alive { incarnation, name, address, meta, versions })
}

/// Reads one member of a state exchange, or an alive message: it is the same without a state, and calls the name
/// `Node`.
pub(crate) fn read_member(reader: &mut Reader<'_>) -> Result<MemberState, Error> {
    let (mut who, mut incarnation, mut state) = (nobody(), 0, 0_u8);
    let (mut ip, mut port, mut meta, mut versions): (&[u8], u16, &[u8], &[u8]) = (&[], 0, &[], &[]);
    reader.fields("a member", |reader, field| {
        match field {
            b"Name" | b"Node" => who = name(reader, "Node")?,
            b"Addr" => ip = reader.raw("Addr")?,
            b"Port" => port = reader.unsigned("Port")?,
            b"Meta" => meta = reader.raw("Meta")?,
            b"Incarnation" => incarnation = reader.unsigned("Incarnation")?,
            b"State" => state = reader.unsigned("State")?,
            b"Vsn" => versions = reader.raw("Vsn")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(MemberState {
        name: who,
        address: address("Addr", ip, port)?,
        meta: Bytes::copy_from_slice(meta),
        incarnation,
        state: State::from_byte(state).ok_or_else(|| malformed("State", "0 to 3"))?,
        versions: Versions::from_bytes(versions),
    })
}

#[derive(Default)]
struct SourceFields<'a> {
    ip: &'a [u8],
    port: u16,
    name: Option<Name>,
}

impl<'a> SourceFields<'a> {
    fn read(&mut self, reader: &mut Reader<'a>, field: &[u8]) -> Result<(), Error> {
        match field {
            b"SourceAddr" => self.ip = reader.raw("SourceAddr")?,
            b"SourcePort" => self.port = reader.unsigned("SourcePort")?,
            b"SourceNode" => self.name = Some(name(reader, "SourceNode")?),
            _ => reader.skip()?,
        }
        Ok(())
    }

    /// Whoever names no address and port has to be answered where the datagram came from.
    fn finish(self) -> Result<Option<Source>, Error> {
        if self.ip.is_empty() || self.port == 0 {
            return Ok(None);
        }
        let address = address("SourceAddr", self.ip, self.port)?;
        Ok(Some(Source { name: self.name.unwrap_or_else(nobody), address }))
    }
}

/// The name of a member, or of nobody where it is empty.
pub(crate) fn name(reader: &mut Reader<'_>, what: &'static str) -> Result<Name, Error> {
    let name = reader.text(what)?;
    if name.len() > super::MAX_NAME {
        return Err(Error::TooLarge { what, limit: super::MAX_NAME });
    }
    Ok(name.into())
}

/// An address of the bytes that [`address_bytes`] writes.
pub(crate) fn address(what: &'static str, ip: &[u8], port: u16) -> Result<SocketAddr, Error> {
    let ip = if let Ok(v4) = <[u8; 4]>::try_from(ip) {
        IpAddr::from(v4)
    } else if let Ok(v6) = <[u8; 16]>::try_from(ip) {
        IpAddr::from(v6).to_canonical()
    } else {
        return Err(malformed(what, "an address of 4 or 16 bytes"));
    };
    Ok(SocketAddr::new(ip, port))
}

pub(crate) fn nobody() -> Name {
    Name::from("")
}
