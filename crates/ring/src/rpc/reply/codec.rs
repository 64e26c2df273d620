//! Replies as bytes.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Answer, Body, Event, Expected, Keys, Member, Reply};
use crate::rpc;
use crate::wire::coordinate::{self, Coordinate};
use crate::wire::msgpack::{Reader, Writer};
use crate::wire::serf::LamportTime;
use crate::wire::tags;
use crate::wire::{Error, keyring};

/// The most members in a reply.
const MAX_MEMBERS: usize = 256 * 1024;

/// A reply as bytes.
pub fn encode(reply: &Reply) -> Bytes {
    let mut writer = Writer::extended();
    writer.map(2).text("Error").text(&reply.error).text("Seq").unsigned(reply.sequence);
    match &reply.body {
        None => {}
        Some(Body::Members(members)) => {
            writer.map(1).text("Members");
            write_members(&mut writer, members);
        }
        Some(Body::Joined(number)) => {
            writer.map(1).text("Num").unsigned(*number);
        }
        Some(Body::Keys(keys)) => write_keys(&mut writer, keys),
        Some(Body::Stats(stats)) => {
            writer.map(stats.len());
            for (subject, values) in stats {
                writer.text(subject);
                tags::write(&mut writer, values);
            }
        }
        Some(Body::Coordinate(coordinate)) => {
            writer.map(2).text("Coord");
            coordinate::write(&mut writer, coordinate.as_ref().unwrap_or(&Coordinate::default()));
            writer.text("Ok").boolean(coordinate.is_some());
        }
        Some(Body::Event(event)) => write_event(&mut writer, event),
        Some(Body::Answer(answer)) => {
            let (kind, from, payload) = match answer {
                Answer::Ack { from } => ("ack", from.as_str(), &[][..]),
                Answer::Response { from, payload } => ("response", from.as_str(), &payload[..]),
                Answer::Done => ("done", "", &[][..]),
            };
            writer.map(3).text("From").text(from).text("Payload").raw_or_nil(payload).text("Type").text(kind);
        }
        Some(Body::Log(line)) => {
            writer.map(1).text("Log").text(line);
        }
    }
    writer.finish().into()
}

/// The reply at the beginning of `bytes` and how many bytes it has. `expected` says what follows the head of a reply to
/// the request of this number. [`Error::Truncated`] where it is not whole yet.
pub fn decode(bytes: &[u8], expected: impl FnOnce(u64) -> Expected) -> Result<(Reply, usize), Error> {
    let mut reader = Reader::new(bytes);
    let (mut error, mut sequence) = (String::new(), 0);
    reader.fields("the head of a reply", |reader, field| {
        match field {
            b"Error" => error = reader.lossy("Error")?,
            b"Seq" => sequence = reader.unsigned("Seq")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let bare = [rpc::AUTHENTICATION_REQUIRED, rpc::HANDSHAKE_REQUIRED, rpc::UNSUPPORTED_COMMAND];
    let body = if bare.contains(&error.as_str()) { None } else { read_body(&mut reader, expected(sequence))? };
    Ok((Reply { sequence, error, body }, bytes.len() - reader.rest().len()))
}

fn read_body(reader: &mut Reader<'_>, expected: Expected) -> Result<Option<Body>, Error> {
    Ok(Some(match expected {
        Expected::Nothing => return Ok(None),
        Expected::Members => Body::Members(read_members_reply(reader)?),
        Expected::Joined => {
            let mut number = 0;
            reader.fields("the answer to a join", |reader, field| {
                match field {
                    b"Num" => number = reader.unsigned("Num")?,
                    _ => reader.skip()?,
                }
                Ok(())
            })?;
            Body::Joined(number)
        }
        Expected::Keys => Body::Keys(read_keys(reader)?),
        Expected::Stats => {
            let mut stats = BTreeMap::new();
            for _ in 0..reader.map("the statistics")? {
                let subject = reader.lossy("a subject")?;
                stats.insert(subject, tags::read(reader, "the values of a subject")?);
            }
            Body::Stats(stats)
        }
        Expected::Coordinate => {
            let (mut coordinate, mut known) = (Coordinate::default(), false);
            reader.fields("a coordinate's answer", |reader, field| {
                match field {
                    b"Coord" => coordinate = coordinate::read(reader)?,
                    b"Ok" => known = reader.boolean("Ok")?,
                    _ => reader.skip()?,
                }
                Ok(())
            })?;
            Body::Coordinate(known.then_some(coordinate))
        }
        Expected::Event => Body::Event(read_event(reader)?),
        Expected::Answer => Body::Answer(read_answer(reader)?),
        Expected::Log => {
            let mut line = String::new();
            reader.fields("a line of the log", |reader, field| {
                match field {
                    b"Log" => line = reader.lossy("Log")?,
                    _ => reader.skip()?,
                }
                Ok(())
            })?;
            Body::Log(line)
        }
    }))
}

fn write_members(writer: &mut Writer, members: &[Member]) {
    writer.array(members.len());
    for member in members {
        member.write(writer, |writer, status| {
            writer.text(status);
        });
    }
}

fn read_members_reply(reader: &mut Reader<'_>) -> Result<Vec<Member>, Error> {
    let mut members = Vec::new();
    reader.fields("the answer to a question for members", |reader, field| {
        match field {
            b"Members" => members = read_members(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(members)
}

fn read_members(reader: &mut Reader<'_>) -> Result<Vec<Member>, Error> {
    reader.list("Members", MAX_MEMBERS, |reader| Member::read(reader, |reader| reader.lossy("Status")))
}

fn write_keys(writer: &mut Writer, keys: &Keys) {
    writer.map(5).text("Keys");
    if keys.keys.is_empty() {
        writer.nil();
    } else {
        writer.map(keys.keys.len());
        for (key, members) in &keys.keys {
            writer.text(key).unsigned(*members);
        }
    }
    writer.text("Messages");
    tags::write(writer, &keys.messages);
    writer.text("NumErr").unsigned(keys.errors).text("NumNodes").unsigned(keys.members);
    writer.text("NumResp").unsigned(keys.responses);
}

fn read_keys(reader: &mut Reader<'_>) -> Result<Keys, Error> {
    let mut keys = Keys::default();
    reader.fields("an answer about keys", |reader, field| {
        match field {
            b"Messages" => keys.messages = tags::read(reader, "Messages")?,
            b"Keys" => {
                let count = reader.map("Keys")?;
                if count > keyring::MAX_LISTED {
                    return Err(Error::TooLarge { what: "Keys", limit: keyring::MAX_LISTED });
                }
                for _ in 0..count {
                    let key = reader.lossy("a key")?;
                    keys.keys.insert(key, reader.unsigned("the members that have a key")?);
                }
            }
            b"NumNodes" => keys.members = reader.unsigned("NumNodes")?,
            b"NumErr" => keys.errors = reader.unsigned("NumErr")?,
            b"NumResp" => keys.responses = reader.unsigned("NumResp")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(keys)
}

fn write_event(writer: &mut Writer, event: &Event) {
    match event {
        Event::Members { kind, members } => {
            writer.map(2).text("Event").text(kind).text("Members");
            write_members(writer, members);
        }
        Event::User { time, name, payload, coalesce } => {
            writer.map(5).text("Coalesce").boolean(*coalesce).text("Event").text("user");
            writer.text("LTime").unsigned(time.0).text("Name").text(name).text("Payload").raw_or_nil(payload);
        }
        Event::Query { id, time, name, payload } => {
            writer.map(5).text("Event").text("query").text("ID").unsigned(*id);
            writer.text("LTime").unsigned(time.0).text("Name").text(name).text("Payload").raw_or_nil(payload);
        }
    }
}

fn read_event(reader: &mut Reader<'_>) -> Result<Event, Error> {
    let (mut kind, mut members, mut id, mut time) = (String::new(), Vec::new(), 0, LamportTime(0));
    let (mut what, mut payload, mut coalesce) = (String::new(), Bytes::new(), false);
    reader.fields("an event", |reader, field| {
        match field {
            b"Event" => kind = reader.lossy("Event")?,
            b"Members" => members = read_members(reader)?,
            b"ID" => id = reader.unsigned("ID")?,
            b"LTime" => time = LamportTime(reader.unsigned("LTime")?),
            b"Name" => what = reader.lossy("Name")?,
            b"Payload" => payload = Bytes::copy_from_slice(reader.raw("Payload")?),
            b"Coalesce" => coalesce = reader.boolean("Coalesce")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(match kind.as_str() {
        "user" => Event::User { time, name: what, payload, coalesce },
        "query" => Event::Query { id, time, name: what, payload },
        _ => Event::Members { kind, members },
    })
}

fn read_answer(reader: &mut Reader<'_>) -> Result<Answer, Error> {
    let (mut kind, mut from, mut payload) = (String::new(), String::new(), Bytes::new());
    reader.fields("an answer to a query", |reader, field| {
        match field {
            b"Type" => kind = reader.lossy("Type")?,
            b"From" => from = reader.lossy("From")?,
            b"Payload" => payload = Bytes::copy_from_slice(reader.raw("Payload")?),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    match kind.as_str() {
        "ack" => Ok(Answer::Ack { from }),
        "response" => Ok(Answer::Response { from, payload }),
        "done" => Ok(Answer::Done),
        _ => Err(Error::Malformed { what: "Type", expected: "`ack`, `response` or `done`" }),
    }
}
