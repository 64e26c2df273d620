//! Requests as bytes.

use std::time::Duration;

use bytes::Bytes;

use super::{Asked, Query, Request, Secret};
use crate::wire::Error;
use crate::wire::msgpack::{Reader, Writer};
use crate::wire::tags::{self, Tags};

/// The most entries of a list in a request.
const MAX_ENTRIES: usize = 16 * 1024;

/// A request of this number as bytes.
pub fn encode(sequence: u64, request: &Request) -> Bytes {
    let mut writer = Writer::extended();
    writer.map(2).text("Command").text(request.command()).text("Seq").unsigned(sequence);
    match request {
        Request::Members | Request::Leave | Request::ListKeys | Request::Stats => {}
        Request::Handshake { version } => {
            writer.map(1).text("Version").unsigned(*version);
        }
        Request::Auth(key) => {
            writer.map(1).text("AuthKey").text(&key.0);
        }
        Request::Event { name, payload, coalesce } => {
            writer.map(3).text("Coalesce").boolean(*coalesce).text("Name").text(name);
            writer.text("Payload").raw_or_nil(payload);
        }
        Request::ForceLeave { name, prune } => {
            writer.map(2).text("Node").text(name).text("Prune").boolean(*prune);
        }
        Request::Join { existing, replay } => {
            writer.map(2).text("Existing");
            write_texts(&mut writer, existing);
            writer.text("Replay").boolean(*replay);
        }
        Request::MembersFiltered { tags, status, name } => {
            writer.map(3).text("Name").text(name).text("Status").text(status).text("Tags");
            tags::write(&mut writer, tags);
        }
        Request::Stream { kind } => {
            writer.map(1).text("Type").text(kind);
        }
        Request::Monitor { level } => {
            writer.map(1).text("LogLevel").text(level);
        }
        Request::Stop { sequence } => {
            writer.map(1).text("Stop").unsigned(*sequence);
        }
        Request::InstallKey(key) | Request::UseKey(key) | Request::RemoveKey(key) => {
            writer.map(1).text("Key").text(&key.0);
        }
        Request::Tags { set, delete } => {
            writer.map(2).text("DeleteTags");
            write_texts(&mut writer, delete);
            writer.text("Tags");
            tags::write(&mut writer, set);
        }
        Request::Query(query) => write_query(&mut writer, query),
        Request::Respond { id, payload } => {
            writer.map(2).text("ID").unsigned(*id).text("Payload").raw_or_nil(payload);
        }
        Request::GetCoordinate { name } => {
            writer.map(1).text("Node").text(name);
        }
    }
    writer.finish().into()
}

/// The request at the beginning of `bytes`, its number, and how many bytes it has. [`Error::Truncated`] where it is not
/// whole yet; whoever reads from a network waits for more then, up to [`MAX_BYTES`](super::MAX_BYTES).
pub fn decode(bytes: &[u8]) -> Result<(u64, Asked, usize), Error> {
    let mut reader = Reader::new(bytes);
    let (mut command, mut sequence) = (String::new(), 0);
    reader.fields("the head of a request", |reader, field| {
        match field {
            b"Command" => command = reader.lossy("Command")?,
            b"Seq" => sequence = reader.unsigned("Seq")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let asked = match read_body(&mut reader, &command)? {
        Some(request) => Asked::Request(request),
        None => Asked::Unknown(command),
    };
    Ok((sequence, asked, bytes.len() - reader.rest().len()))
}

/// What a command comes with; `None` of one that is not known.
fn read_body(reader: &mut Reader<'_>, command: &str) -> Result<Option<Request>, Error> {
    let of_fields: fn(Fields) -> Request = match command {
        "members" => return Ok(Some(Request::Members)),
        "leave" => return Ok(Some(Request::Leave)),
        "list-keys" => return Ok(Some(Request::ListKeys)),
        "stats" => return Ok(Some(Request::Stats)),
        "handshake" => |all| Request::Handshake { version: all.version },
        "auth" => |all| Request::Auth(Secret(all.auth_key)),
        "event" => |all| Request::Event { name: all.name, payload: all.payload, coalesce: all.coalesce },
        "force-leave" => |all| Request::ForceLeave { name: all.node, prune: all.prune },
        "join" => |all| Request::Join { existing: all.existing, replay: all.replay },
        "members-filtered" => |all| Request::MembersFiltered { tags: all.tags, status: all.status, name: all.name },
        "stream" => |all| Request::Stream { kind: all.kind },
        "monitor" => |all| Request::Monitor { level: all.log_level },
        "stop" => |all| Request::Stop { sequence: all.stop },
        "install-key" => |all| Request::InstallKey(Secret(all.key)),
        "use-key" => |all| Request::UseKey(Secret(all.key)),
        "remove-key" => |all| Request::RemoveKey(Secret(all.key)),
        "tags" => |all| Request::Tags { set: all.tags, delete: all.delete },
        "query" => |all| {
            Request::Query(Query {
                names: all.filter_nodes,
                tags: all.filter_tags,
                ack: all.ack,
                relay_factor: all.relay_factor,
                timeout: all.timeout,
                name: all.name,
                payload: all.payload,
            })
        },
        "respond" => |all| Request::Respond { id: all.id, payload: all.payload },
        "get-coordinate" => |all| Request::GetCoordinate { name: all.node },
        _ => return Ok(None),
    };
    Fields::read(reader).map(of_fields).map(Some)
}

/// The fields of all requests: no two of them mean something different by one name.
#[derive(Default)]
struct Fields {
    version: u64,
    auth_key: String,
    name: String,
    node: String,
    payload: Bytes,
    coalesce: bool,
    prune: bool,
    existing: Vec<String>,
    replay: bool,
    tags: Tags,
    status: String,
    kind: String,
    log_level: String,
    stop: u64,
    key: String,
    delete: Vec<String>,
    id: u64,
    filter_nodes: Vec<String>,
    filter_tags: Tags,
    ack: bool,
    relay_factor: u8,
    timeout: Duration,
}

impl Fields {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut all = Self::default();
        reader.fields("a request", |reader, field| {
            match field {
                b"Version" => all.version = reader.unsigned("Version")?,
                b"AuthKey" => all.auth_key = reader.lossy("AuthKey")?,
                b"Name" => all.name = reader.lossy("Name")?,
                b"Node" => all.node = reader.lossy("Node")?,
                b"Payload" => all.payload = Bytes::copy_from_slice(reader.raw("Payload")?),
                b"Coalesce" => all.coalesce = reader.boolean("Coalesce")?,
                b"Prune" => all.prune = reader.boolean("Prune")?,
                b"Existing" => all.existing = read_texts(reader, "Existing")?,
                b"Replay" => all.replay = reader.boolean("Replay")?,
                b"Tags" => all.tags = tags::read(reader, "Tags")?,
                b"Status" => all.status = reader.lossy("Status")?,
                b"Type" => all.kind = reader.lossy("Type")?,
                b"LogLevel" => all.log_level = reader.lossy("LogLevel")?,
                b"Stop" => all.stop = reader.unsigned("Stop")?,
                b"Key" => all.key = reader.lossy("Key")?,
                b"DeleteTags" => all.delete = read_texts(reader, "DeleteTags")?,
                b"ID" => all.id = reader.unsigned("ID")?,
                b"FilterNodes" => all.filter_nodes = read_texts(reader, "FilterNodes")?,
                b"FilterTags" => all.filter_tags = tags::read(reader, "FilterTags")?,
                b"RequestAck" => all.ack = reader.boolean("RequestAck")?,
                b"RelayFactor" => all.relay_factor = reader.unsigned("RelayFactor")?,
                b"Timeout" => {
                    all.timeout = Duration::from_nanos(u64::try_from(reader.signed("Timeout")?).unwrap_or_default());
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(all)
    }
}

fn write_query(writer: &mut Writer, query: &Query) {
    writer.map(7).text("FilterNodes");
    if query.names.is_empty() {
        writer.nil();
    } else {
        write_texts(writer, &query.names);
    }
    writer.text("FilterTags");
    tags::write(writer, &query.tags);
    writer.text("Name").text(&query.name).text("Payload").raw_or_nil(&query.payload);
    writer.text("RelayFactor").unsigned(query.relay_factor).text("RequestAck").boolean(query.ack);
    writer.text("Timeout").unsigned(u64::try_from(query.timeout.as_nanos()).unwrap_or(i64::MAX as u64));
}

fn write_texts(writer: &mut Writer, texts: &[String]) {
    writer.array(texts.len());
    for text in texts {
        writer.text(text);
    }
}

fn read_texts(reader: &mut Reader<'_>, what: &'static str) -> Result<Vec<String>, Error> {
    reader.list(what, MAX_ENTRIES, |reader| reader.lossy(what))
}
