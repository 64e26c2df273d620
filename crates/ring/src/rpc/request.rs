//! What an agent is asked.

use std::time::Duration;

use bytes::Bytes;

use crate::wire::Error;
use crate::wire::msgpack::{Reader, Writer};
use crate::wire::tags::{self, Tags};

/// The most bytes that one request may have.
pub const MAX_BYTES: usize = 256 * 1024;

/// The most entries of a list in a request.
const MAX_ENTRIES: usize = 16 * 1024;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Always first.
    Handshake {
        /// The version of the protocol: [`VERSION`](super::VERSION).
        version: u64,
    },
    /// The key that the agent wants from its clients.
    Auth(Secret),
    /// Say something to all.
    Event {
        /// What it is called.
        name: String,
        /// What comes with it.
        payload: Bytes,
        /// Whether a later one of the same name may take its place.
        coalesce: bool,
    },
    /// Say that a member has left that does not answer.
    ForceLeave {
        /// Which.
        name: String,
        /// Whether to forget it at once.
        prune: bool,
    },
    /// Join a ring by its members.
    Join {
        /// Their addresses.
        existing: Vec<String>,
        /// Whether to tell events from before.
        replay: bool,
    },
    /// All members.
    Members,
    /// Some of them. Each value is a regular expression for the whole.
    MembersFiltered {
        /// By their tags.
        tags: Tags,
        /// By their state, empty for any.
        status: String,
        /// By their name, empty for any.
        name: String,
    },
    /// Tell what happens from now on.
    Stream {
        /// What: `*`, or words such as `member-join,user:deploy,query`.
        kind: String,
    },
    /// Tell what the agent logs from now on.
    Monitor {
        /// Lines of this level or above.
        level: String,
    },
    /// End a stream.
    Stop {
        /// The number of the request that began it.
        sequence: u64,
    },
    /// Leave the ring and end.
    Leave,
    /// Have all members decrypt with a key, in base64.
    InstallKey(Secret),
    /// Have all members encrypt with a key.
    UseKey(Secret),
    /// Have all members forget a key.
    RemoveKey(Secret),
    /// Ask all members for their keys.
    ListKeys,
    /// Change what this member says of itself.
    Tags {
        /// Tags to set.
        set: Tags,
        /// Tags to take away.
        delete: Vec<String>,
    },
    /// Ask the ring.
    Query(Query),
    /// Answer a query that a stream told of.
    Respond {
        /// The number that the stream told.
        id: u64,
        /// The answer.
        payload: Bytes,
    },
    /// What there is to say about the agent.
    Stats,
    /// Where a member lies.
    GetCoordinate {
        /// Which.
        name: String,
    },
}

/// A query, as a client asks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only these members; all where there is none.
    pub names: Vec<String>,
    /// Only members whose tags match these expressions.
    pub tags: Tags,
    /// Whether members are to say at once that it has come.
    pub ack: bool,
    /// By how many other members an answer comes too.
    pub relay_factor: u8,
    /// How long to wait; zero for what the agent finds right.
    pub timeout: Duration,
    /// What it is called.
    pub name: String,
    /// What comes with it.
    pub payload: Bytes,
}

/// Text that is not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// What came from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A request.
    Request(Request),
    /// A command that is not known. Where the next request begins is not known either.
    Unknown(String),
}

impl Request {
    /// The word for it.
    pub const fn command(&self) -> &'static str {
        match self {
            Self::Handshake { .. } => "handshake",
            Self::Auth(_) => "auth",
            Self::Event { .. } => "event",
            Self::ForceLeave { .. } => "force-leave",
            Self::Join { .. } => "join",
            Self::Members => "members",
            Self::MembersFiltered { .. } => "members-filtered",
            Self::Stream { .. } => "stream",
            Self::Monitor { .. } => "monitor",
            Self::Stop { .. } => "stop",
            Self::Leave => "leave",
            Self::InstallKey(_) => "install-key",
            Self::UseKey(_) => "use-key",
            Self::RemoveKey(_) => "remove-key",
            Self::ListKeys => "list-keys",
            Self::Tags { .. } => "tags",
            Self::Query(_) => "query",
            Self::Respond { .. } => "respond",
            Self::Stats => "stats",
            Self::GetCoordinate { .. } => "get-coordinate",
        }
    }
}

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
/// whole yet; whoever reads from a network waits for more then, up to [`MAX_BYTES`].
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
    if matches!(command, "members" | "leave" | "list-keys" | "stats") {
        return Ok(Some(match command {
            "members" => Request::Members,
            "leave" => Request::Leave,
            "list-keys" => Request::ListKeys,
            _ => Request::Stats,
        }));
    }
    let known = [
        "handshake",
        "auth",
        "event",
        "force-leave",
        "join",
        "members-filtered",
        "stream",
        "monitor",
        "stop",
        "install-key",
        "use-key",
        "remove-key",
        "tags",
        "query",
        "respond",
        "get-coordinate",
    ];
    if !known.contains(&command) {
        return Ok(None);
    }
    let fields = Fields::read(reader)?;
    Ok(Some(match command {
        "handshake" => Request::Handshake { version: fields.version },
        "auth" => Request::Auth(Secret(fields.auth_key)),
        "event" => Request::Event { name: fields.name, payload: fields.payload, coalesce: fields.coalesce },
        "force-leave" => Request::ForceLeave { name: fields.node, prune: fields.prune },
        "join" => Request::Join { existing: fields.existing, replay: fields.replay },
        "members-filtered" => Request::MembersFiltered { tags: fields.tags, status: fields.status, name: fields.name },
        "stream" => Request::Stream { kind: fields.kind },
        "monitor" => Request::Monitor { level: fields.log_level },
        "stop" => Request::Stop { sequence: fields.stop },
        "install-key" => Request::InstallKey(Secret(fields.key)),
        "use-key" => Request::UseKey(Secret(fields.key)),
        "remove-key" => Request::RemoveKey(Secret(fields.key)),
        "tags" => Request::Tags { set: fields.tags, delete: fields.delete },
        "respond" => Request::Respond { id: fields.id, payload: fields.payload },
        "get-coordinate" => Request::GetCoordinate { name: fields.node },
        _ => Request::Query(Query {
            names: fields.filter_nodes,
            tags: fields.filter_tags,
            ack: fields.ack,
            relay_factor: fields.relay_factor,
            timeout: fields.timeout,
            name: fields.name,
            payload: fields.payload,
        }),
    }))
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
