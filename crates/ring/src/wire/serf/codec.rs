//! Serf's messages as bytes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use super::{
    EventsAt, Filter, Join, KeyRequest, KeyResponse, LamportTime, Leave, MemberRecord, PushPull, Query, QueryFlags,
    QueryResponse, Relay, SerfMessage, UserEvent,
};
use crate::wire::message::{Name, address, address_bytes, name, nobody};
use crate::wire::msgpack::{Reader, Writer};
use crate::wire::{Error, keyring};

// `messageType` in `messages.go`.
const LEAVE: u8 = 0;
const JOIN: u8 = 1;
const PUSH_PULL: u8 = 2;
const USER_EVENT: u8 = 3;
const QUERY: u8 = 4;
const QUERY_RESPONSE: u8 = 5;
const CONFLICT_RESPONSE: u8 = 6;
const KEY_REQUEST: u8 = 7;
const KEY_RESPONSE: u8 = 8;
const RELAY: u8 = 9;

const ACK: u32 = 1;
const NO_BROADCAST: u32 = 2;

/// More filters than fit into a query.
const MAX_FILTERS: usize = 256;

/// The most entries of each list in a state exchange.
const MAX_ENTRIES: usize = 128 * 1024;

/// A message as it rides on the membership.
pub fn encode(message: &SerfMessage) -> Bytes {
    match message {
        SerfMessage::Leave(leave) => write(LEAVE, |writer| {
            writer.map(3).text("LTime").unsigned(leave.time.0).text("Node").text(&leave.name);
            writer.text("Prune").boolean(leave.prune);
        }),
        SerfMessage::Join(join) => write(JOIN, |writer| {
            writer.map(2).text("LTime").unsigned(join.time.0).text("Node").text(&join.name);
        }),
        SerfMessage::PushPull(exchange) => write(PUSH_PULL, |writer| write_push_pull(writer, exchange)),
        SerfMessage::UserEvent(event) => write(USER_EVENT, |writer| {
            writer.map(4).text("CC").boolean(event.coalesce).text("LTime").unsigned(event.time.0);
            writer.text("Name").text(&event.name).text("Payload").raw_or_nil(&event.payload);
        }),
        SerfMessage::Query(query) => write(QUERY, |writer| write_query(writer, query)),
        SerfMessage::QueryResponse(response) => write(QUERY_RESPONSE, |writer| {
            writer.map(5).text("Flags").unsigned(flag_bits(response.flags)).text("From").text(&response.from);
            writer.text("ID").unsigned(response.id).text("LTime").unsigned(response.time.0);
            writer.text("Payload").raw_or_nil(&response.payload);
        }),
        SerfMessage::ConflictResponse(record) => write(CONFLICT_RESPONSE, |writer| match record {
            Some(record) => record.write(writer, |writer, status| {
                writer.unsigned(*status);
            }),
            None => {
                writer.nil();
            }
        }),
        SerfMessage::KeyRequest(request) => write(KEY_REQUEST, |writer| {
            writer.map(1).text("Key").raw_or_nil(&request.key);
        }),
        SerfMessage::KeyResponse(response) => write(KEY_RESPONSE, |writer| {
            writer.map(4).text("Keys").list(response.keys.iter(), |writer, key| {
                writer.text(key);
            });
            writer.text("Message").text(&response.message).text("PrimaryKey").text(&response.primary_key);
            writer.text("Result").boolean(response.result);
        }),
        SerfMessage::Relay(relay) => {
            let head = write(RELAY, |writer| {
                writer.map(2).text("DestAddr").map(3).text("IP").raw(&address_bytes(relay.to.ip()));
                writer.text("Port").unsigned(relay.to.port()).text("Zone").text("");
                writer.text("DestName").text(&relay.name);
            });
            [head, relay.message.clone()].concat().into()
        }
    }
}

/// The message in `bytes`, which begin with its number.
pub fn decode(bytes: &[u8]) -> Result<SerfMessage, Error> {
    let (kind, body) = bytes.split_first().ok_or(Error::Truncated("a message of Serf"))?;
    let mut reader = Reader::new(body);
    let reader = &mut reader;
    match *kind {
        LEAVE => read_leave(reader).map(SerfMessage::Leave),
        JOIN => read_leave(reader).map(|Leave { time, name, .. }| SerfMessage::Join(Join { time, name })),
        PUSH_PULL => read_push_pull(reader).map(SerfMessage::PushPull),
        USER_EVENT => read_user_event(reader).map(SerfMessage::UserEvent),
        QUERY => read_query(reader).map(SerfMessage::Query),
        QUERY_RESPONSE => read_query_response(reader).map(SerfMessage::QueryResponse),
        CONFLICT_RESPONSE if reader.nil() => Ok(SerfMessage::ConflictResponse(None)),
        CONFLICT_RESPONSE => MemberRecord::read(reader, |reader| reader.unsigned("Status"))
            .map(|record| SerfMessage::ConflictResponse(Some(record))),
        KEY_REQUEST => read_key_request(reader).map(SerfMessage::KeyRequest),
        KEY_RESPONSE => read_key_response(reader).map(SerfMessage::KeyResponse),
        RELAY => read_relay(reader).map(SerfMessage::Relay),
        kind => Err(Error::Kind(kind)),
    }
}

fn write(kind: u8, fields: impl FnOnce(&mut Writer)) -> Bytes {
    let mut writer = Writer::after(vec![kind]);
    fields(&mut writer);
    writer.finish().into()
}

fn write_push_pull(writer: &mut Writer, exchange: &PushPull) {
    writer.map(6).text("EventLTime").unsigned(exchange.event_time.0);
    writer.text("Events").list(exchange.events.iter(), |writer, at| {
        writer.map(2).text("Events").list(at.events.iter(), |writer, (name, payload)| {
            writer.map(2).text("Name").text(name).text("Payload").raw_or_nil(payload);
        });
        writer.text("LTime").unsigned(at.time.0);
    });
    writer.text("LTime").unsigned(exchange.time.0).text("LeftMembers").array(exchange.left.len());
    for name in &exchange.left {
        writer.text(name);
    }
    writer.text("QueryLTime").unsigned(exchange.query_time.0);
    writer.text("StatusLTimes").map(exchange.status_times.len());
    for (name, time) in &exchange.status_times {
        writer.text(name).unsigned(time.0);
    }
}

fn write_query(writer: &mut Writer, query: &Query) {
    writer.map(11).text("Addr").raw(&address_bytes(query.address.ip()));
    writer.text("Filters").list(query.filters.iter(), |writer, filter| {
        writer.raw(&filter.to_bytes());
    });
    writer.text("Flags").unsigned(flag_bits(query.flags)).text("ID").unsigned(query.id);
    writer.text("LTime").unsigned(query.time.0).text("Name").text(&query.name);
    writer.text("Payload").raw_or_nil(&query.payload).text("Port").unsigned(query.address.port());
    writer.text("RelayFactor").unsigned(query.relay_factor);
    writer.text("SourceNode").text(query.source.as_deref().unwrap_or_default());
    writer.text("Timeout").unsigned(u64::try_from(query.timeout.as_nanos()).unwrap_or(i64::MAX as u64));
}

/// A join is a leave without `Prune`.
fn read_leave(reader: &mut Reader<'_>) -> Result<Leave, Error> {
    let mut leave = Leave { time: LamportTime(0), name: nobody(), prune: false };
    reader.fields("a join or leave", |reader, field| {
        match field {
            b"LTime" => leave.time = time(reader)?,
            b"Node" => leave.name = name(reader, "Node")?,
            b"Prune" => leave.prune = reader.boolean("Prune")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(leave)
}

fn read_push_pull(reader: &mut Reader<'_>) -> Result<PushPull, Error> {
    let mut exchange = PushPull::default();
    reader.fields("a state exchange", |reader, field| {
        match field {
            b"LTime" => exchange.time = time(reader)?,
            b"EventLTime" => exchange.event_time = time(reader)?,
            b"QueryLTime" => exchange.query_time = time(reader)?,
            b"LeftMembers" => {
                exchange.left = reader.list("LeftMembers", MAX_ENTRIES, |reader| name(reader, "a name"))?;
            }
            b"StatusLTimes" => exchange.status_times = read_status_times(reader)?,
            // The program keeps events in a ring of which most places are empty, and sends those too.
            b"Events" => {
                let events = reader.list("Events", MAX_ENTRIES, |reader| {
                    if reader.nil() { Ok(None) } else { read_events(reader).map(Some) }
                })?;
                exchange.events = events.into_iter().flatten().collect();
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(exchange)
}

fn read_status_times(reader: &mut Reader<'_>) -> Result<BTreeMap<Name, LamportTime>, Error> {
    let count = reader.map("StatusLTimes")?;
    if count > MAX_ENTRIES {
        return Err(Error::TooLarge { what: "StatusLTimes", limit: MAX_ENTRIES });
    }
    let mut times = BTreeMap::new();
    for _ in 0..count {
        let member = name(reader, "a name")?;
        times.insert(member, time(reader)?);
    }
    Ok(times)
}

fn read_events(reader: &mut Reader<'_>) -> Result<EventsAt, Error> {
    let mut at = EventsAt { time: LamportTime(0), events: Vec::new() };
    reader.fields("the events of one moment", |reader, field| {
        match field {
            b"LTime" => at.time = time(reader)?,
            b"Events" => {
                at.events = reader.list("Events", MAX_ENTRIES, |reader| {
                    read_user_event(reader).map(|event| (event.name, event.payload))
                })?;
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(at)
}

fn read_user_event(reader: &mut Reader<'_>) -> Result<UserEvent, Error> {
    let mut event = UserEvent { time: LamportTime(0), name: String::new(), payload: Bytes::new(), coalesce: false };
    reader.fields("a user event", |reader, field| {
        match field {
            b"LTime" => event.time = time(reader)?,
            b"Name" => event.name = reader.lossy("Name")?,
            b"Payload" => event.payload = payload(reader)?,
            b"CC" => event.coalesce = reader.boolean("CC")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(event)
}

fn read_query(reader: &mut Reader<'_>) -> Result<Query, Error> {
    let mut query = Query {
        time: LamportTime(0),
        id: 0,
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        source: None,
        filters: Vec::new(),
        flags: QueryFlags::default(),
        relay_factor: 0,
        timeout: Duration::ZERO,
        name: String::new(),
        payload: Bytes::new(),
    };
    let (mut ip, mut port): (&[u8], u16) = (&[], 0);
    reader.fields("a query", |reader, field| {
        match field {
            b"LTime" => query.time = time(reader)?,
            b"ID" => query.id = reader.unsigned("ID")?,
            b"Addr" => ip = reader.raw("Addr")?,
            b"Port" => port = reader.unsigned("Port")?,
            b"SourceNode" => query.source = Some(name(reader, "SourceNode")?).filter(|name| !name.is_empty()),
            b"Filters" => {
                query.filters =
                    reader.list("Filters", MAX_FILTERS, |reader| Filter::from_bytes(reader.raw("a filter")?))?;
            }
            b"Flags" => query.flags = flags(reader)?,
            b"RelayFactor" => query.relay_factor = reader.unsigned("RelayFactor")?,
            b"Timeout" => {
                query.timeout = Duration::from_nanos(u64::try_from(reader.signed("Timeout")?).unwrap_or_default());
            }
            b"Name" => query.name = reader.lossy("Name")?,
            b"Payload" => query.payload = payload(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    query.address = address("Addr", ip, port)?;
    Ok(query)
}

fn read_query_response(reader: &mut Reader<'_>) -> Result<QueryResponse, Error> {
    let mut response = QueryResponse {
        time: LamportTime(0),
        id: 0,
        from: nobody(),
        flags: QueryFlags::default(),
        payload: Bytes::new(),
    };
    reader.fields("an answer to a query", |reader, field| {
        match field {
            b"LTime" => response.time = time(reader)?,
            b"ID" => response.id = reader.unsigned("ID")?,
            b"From" => response.from = name(reader, "From")?,
            b"Flags" => response.flags = flags(reader)?,
            b"Payload" => response.payload = payload(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(response)
}

fn read_key_request(reader: &mut Reader<'_>) -> Result<KeyRequest, Error> {
    let mut key = Bytes::new();
    reader.fields("a request about a key", |reader, field| {
        match field {
            b"Key" => key = payload(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(KeyRequest { key })
}

fn read_key_response(reader: &mut Reader<'_>) -> Result<KeyResponse, Error> {
    let mut response = KeyResponse::default();
    reader.fields("an answer about keys", |reader, field| {
        match field {
            b"Result" => response.result = reader.boolean("Result")?,
            b"Message" => response.message = reader.lossy("Message")?,
            b"Keys" => {
                response.keys = reader.list("Keys", keyring::MAX_LISTED, |reader| reader.lossy("a key"))?;
            }
            b"PrimaryKey" => response.primary_key = reader.lossy("PrimaryKey")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(response)
}

fn read_relay(reader: &mut Reader<'_>) -> Result<Relay, Error> {
    let (mut ip, mut port, mut who): (&[u8], u16, Name) = (&[], 0, nobody());
    reader.fields("a relayed message", |reader, field| {
        match field {
            b"DestAddr" => reader.fields("DestAddr", |reader, field| {
                match field {
                    b"IP" => ip = reader.raw("IP")?,
                    b"Port" => port = reader.unsigned("Port")?,
                    _ => reader.skip()?,
                }
                Ok(())
            })?,
            b"DestName" => who = name(reader, "DestName")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(Relay { to: address("IP", ip, port)?, name: who, message: Bytes::copy_from_slice(reader.rest()) })
}

fn time(reader: &mut Reader<'_>) -> Result<LamportTime, Error> {
    reader.unsigned("LTime").map(LamportTime)
}

fn payload(reader: &mut Reader<'_>) -> Result<Bytes, Error> {
    reader.raw("Payload").map(Bytes::copy_from_slice)
}

const fn flag_bits(flags: QueryFlags) -> u32 {
    (if flags.ack { ACK } else { 0 }) | (if flags.no_broadcast { NO_BROADCAST } else { 0 })
}

fn flags(reader: &mut Reader<'_>) -> Result<QueryFlags, Error> {
    let bits = reader.unsigned::<u32>("Flags")?;
    Ok(QueryFlags { ack: bits & ACK != 0, no_broadcast: bits & NO_BROADCAST != 0 })
}
