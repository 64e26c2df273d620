//! Members, events and bytes as they are printed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pontoon_ring::rpc::reply::{Event, Member};
use pontoon_ring::wire::tags::Tags;
use serde_json::{Value, json};

use crate::show::style::printable;

/// Members for a program.
pub(super) fn members_json(members: &[Member]) -> Value {
    let member = |member: &Member| {
        let versions = member.versions;
        json!({
            "name": *member.name,
            "address": member.address.to_string(),
            "status": member.status,
            "tags": member.tags,
            "protocol": {"min": versions.protocol_min, "max": versions.protocol_max, "current": versions.protocol},
            "serf": {"min": versions.delegate_min, "max": versions.delegate_max, "current": versions.delegate},
        })
    };
    members.iter().map(member).collect()
}

/// Members for a person: a line each, in columns.
pub(super) fn members_text(members: &[Member]) -> String {
    let rows: Vec<[String; 3]> = members
        .iter()
        .map(|member| [printable(&member.name), member.address.to_string(), printable(&member.status)])
        .collect();
    let widest = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let (names, addresses, states) = (widest(0), widest(1), widest(2));
    rows.iter()
        .zip(members)
        .map(|([name, address, state], member)| {
            let line = format!("{name:names$}  {address:addresses$}  {state:states$}  {}", tags_text(&member.tags));
            format!("{}\n", line.trim_end())
        })
        .collect()
}

/// Something that has happened, for a program.
pub(super) fn event_json(event: &Event) -> Value {
    match event {
        Event::Members { kind, members } => json!({"event": kind, "members": members_json(members)}),
        Event::User { time, name, payload, coalesce } => {
            with_payload(json!({"event": "user", "name": name, "time": time.0, "coalesce": coalesce}), payload)
        }
        Event::Query { id, time, name, payload } => {
            with_payload(json!({"event": "query", "id": id, "name": name, "time": time.0}), payload)
        }
    }
}

/// Something that has happened, for a person: a line for each member, or one.
pub(super) fn event_text(event: &Event) -> String {
    match event {
        Event::Members { kind, members } => members
            .iter()
            .map(|member| {
                let line = format!(
                    "{}  {}  {}  {}",
                    printable(kind),
                    printable(&member.name),
                    member.address,
                    tags_text(&member.tags)
                );
                format!("{}\n", line.trim_end())
            })
            .collect(),
        Event::User { name, payload, .. } => said("user", name, payload),
        Event::Query { name, payload, .. } => said("query", name, payload),
    }
}

/// An object with the bytes of a payload: as text, where they are that, and always in base64.
pub(super) fn with_payload(mut object: Value, payload: &[u8]) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("payload".to_owned(), std::str::from_utf8(payload).ok().into());
        fields.insert("payload_base64".to_owned(), STANDARD.encode(payload).into());
    }
    object
}

fn said(kind: &str, name: &str, payload: &[u8]) -> String {
    let line = format!("{kind}  {}  {}", printable(name), printable(&String::from_utf8_lossy(payload)));
    format!("{}\n", line.trim_end())
}

fn tags_text(tags: &Tags) -> String {
    let tags: Vec<String> = tags.iter().map(|(tag, value)| printable(&format!("{tag}={value}"))).collect();
    tags.join(",")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pontoon_ring::wire::message::Versions;
    use pontoon_ring::wire::serf::LamportTime;

    use super::*;

    fn member(name: &str, tags: &[(&str, &str)]) -> Member {
        Member {
            name: name.into(),
            address: "127.0.0.2:7946".parse().unwrap(),
            tags: tags.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect(),
            status: "alive".to_owned(),
            versions: Versions::default(),
        }
    }

    #[test]
    fn members_stand_in_columns() {
        let members = [member("p1", &[("role", "web"), ("zone", "a")]), member("longer", &[])];
        assert_eq!(
            members_text(&members),
            "p1      127.0.0.2:7946  alive  role=web,zone=a\nlonger  127.0.0.2:7946  alive\n"
        );
    }

    #[test]
    fn what_a_member_says_cannot_move_the_terminal() {
        assert_eq!(members_text(&[member("p\u{1b}[2J", &[])]), "p\u{fffd}[2J  127.0.0.2:7946  alive\n");
    }

    #[test]
    fn a_payload_that_is_no_text_is_told_in_base64() {
        let event = Event::User {
            time: LamportTime(3),
            name: "deploy".to_owned(),
            payload: vec![0xff, 0].into(),
            coalesce: false,
        };
        assert_eq!(
            event_json(&event),
            json!({"event": "user", "name": "deploy", "time": 3, "coalesce": false, "payload": null, "payload_base64": "/wA="})
        );
    }
}
