//! A member as one tells another of it (`Member` in Serf's `serf.go` and in its agent's `ipc.go`).

use std::net::SocketAddr;

use super::super::Error;
use super::super::message::{Name, Versions, address, address_bytes, name, nobody};
use super::super::msgpack::{Reader, Writer};
use super::super::tags::{self, Tags};

/// A member as somebody knows it. Members tell each other its status as a number, agents tell their clients a word; all
/// else is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRecord<Status = u8> {
    /// Who it is.
    pub name: Name,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it says of itself.
    pub tags: Tags,
    /// Whether it is there (`MemberStatus`: 0 none, 1 alive, 2 leaving, 3 left, 4 failed; or these words).
    pub status: Status,
    /// The protocol versions that it speaks.
    pub versions: Versions,
}

impl<Status> MemberRecord<Status> {
    pub(crate) fn write(&self, writer: &mut Writer, write_status: impl FnOnce(&mut Writer, &Status)) {
        let versions = self.versions;
        writer.map(11).text("Addr").raw(&address_bytes(self.address.ip()));
        writer.text("DelegateCur").unsigned(versions.delegate).text("DelegateMax").unsigned(versions.delegate_max);
        writer.text("DelegateMin").unsigned(versions.delegate_min).text("Name").text(&self.name);
        writer.text("Port").unsigned(self.address.port()).text("ProtocolCur").unsigned(versions.protocol);
        writer.text("ProtocolMax").unsigned(versions.protocol_max);
        writer.text("ProtocolMin").unsigned(versions.protocol_min).text("Status");
        write_status(writer, &self.status);
        writer.text("Tags");
        tags::write(writer, &self.tags);
    }

    /// `read_status` reads the value of the field `Status`.
    pub(crate) fn read(
        reader: &mut Reader<'_>,
        read_status: impl Fn(&mut Reader<'_>) -> Result<Status, Error>,
    ) -> Result<Self, Error>
    where
        Status: Default,
    {
        let (mut who, mut status, mut tags) = (nobody(), Status::default(), Tags::new());
        let (mut ip, mut port): (&[u8], u16) = (&[], 0);
        let mut versions = Versions::UNKNOWN;
        reader.fields("a member", |reader, field| {
            match field {
                b"Name" => who = name(reader, "Name")?,
                b"Addr" => ip = reader.raw("Addr")?,
                b"Port" => port = reader.unsigned("Port")?,
                b"Tags" => tags = tags::read(reader, "Tags")?,
                b"Status" => status = read_status(reader)?,
                b"ProtocolMin" => versions.protocol_min = reader.unsigned("ProtocolMin")?,
                b"ProtocolMax" => versions.protocol_max = reader.unsigned("ProtocolMax")?,
                b"ProtocolCur" => versions.protocol = reader.unsigned("ProtocolCur")?,
                b"DelegateMin" => versions.delegate_min = reader.unsigned("DelegateMin")?,
                b"DelegateMax" => versions.delegate_max = reader.unsigned("DelegateMax")?,
                b"DelegateCur" => versions.delegate = reader.unsigned("DelegateCur")?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(Self { name: who, address: address("Addr", ip, port)?, tags, status, versions })
    }
}
