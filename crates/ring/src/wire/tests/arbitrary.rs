//! Messages by chance; for tests.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::wire::keyring::{Key, Keyring};
use crate::wire::message::{
    Ack, Alive, Dead, IndirectPing, MemberState, Message, Nack, Name, Ping, PushPull, Source, State, StreamMessage,
    Suspect, Versions,
};
use crate::wire::serf::{self, EventsAt, Filter, LamportTime, MemberRecord, QueryFlags, SerfMessage};
use crate::wire::{Compression, EncryptionVersion, Label, Layers, Nonce};

pub(crate) fn layers() -> impl Strategy<Value = Layers> {
    let keyring = option::of(prop_oneof![vec(any::<u8>(), 16), vec(any::<u8>(), 24), vec(any::<u8>(), 32)])
        .prop_map(|key| key.map(|key| Keyring::new(Key::from_bytes(&key).unwrap())));
    let compression = prop_oneof![Just(Compression::On), Just(Compression::Off)];
    let encryption = prop_oneof![Just(EncryptionVersion::Padded), Just(EncryptionVersion::Unpadded)];
    ("[a-z]{0,12}", keyring, compression, encryption).prop_map(|(label, keyring, compression, encryption)| Layers {
        label: Label::new(&label).unwrap(),
        keyring,
        compression,
        encryption,
    })
}

pub(crate) fn nonce() -> impl Strategy<Value = Nonce> {
    any::<[u8; 12]>().prop_map(Nonce)
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        ping().prop_map(Message::Ping),
        (any::<u32>(), name(), address(), any::<bool>(), option::of(source())).prop_map(
            |(sequence, target, address, nack, source)| {
                Message::IndirectPing(IndirectPing { sequence, target, address, nack, source })
            }
        ),
        ack().prop_map(Message::Ack),
        any::<u32>().prop_map(|sequence| Message::Nack(Nack { sequence })),
        (any::<u32>(), name(), name()).prop_map(|(incarnation, name, from)| Message::Suspect(Suspect {
            incarnation,
            name,
            from
        })),
        (any::<u32>(), name(), name()).prop_map(|(incarnation, name, from)| Message::Dead(Dead {
            incarnation,
            name,
            from
        })),
        (any::<u32>(), name(), address(), payload(), versions()).prop_map(
            |(incarnation, name, address, meta, versions)| {
                Message::Alive(Alive { incarnation, name, address, meta, versions })
            }
        ),
        payload().prop_map(Message::User),
    ]
}

pub(crate) fn stream_message() -> impl Strategy<Value = StreamMessage> {
    prop_oneof![
        ping().prop_map(StreamMessage::Ping),
        ack().prop_map(StreamMessage::Ack),
        payload().prop_map(StreamMessage::User),
        ".{0,40}".prop_map(StreamMessage::Refusal),
        (any::<bool>(), vec(member_state(), 0..20), payload()).prop_map(|(join, members, user_state)| {
            StreamMessage::PushPull(PushPull { join, members, user_state })
        }),
    ]
}

pub(crate) fn serf_message() -> impl Strategy<Value = SerfMessage> {
    prop_oneof![
        (time(), name(), any::<bool>()).prop_map(|(time, name, prune)| SerfMessage::Leave(serf::Leave {
            time,
            name,
            prune
        })),
        (time(), name()).prop_map(|(time, name)| SerfMessage::Join(serf::Join { time, name })),
        push_pull().prop_map(SerfMessage::PushPull),
        (time(), ".{0,40}", payload(), any::<bool>()).prop_map(|(time, name, payload, coalesce)| {
            SerfMessage::UserEvent(serf::UserEvent { time, name, payload, coalesce })
        }),
        query().prop_map(SerfMessage::Query),
        (time(), any::<u32>(), name(), flags(), payload()).prop_map(|(time, id, from, flags, payload)| {
            SerfMessage::QueryResponse(serf::QueryResponse { time, id, from, flags, payload })
        }),
        option::of(member_record()).prop_map(SerfMessage::ConflictResponse),
        payload().prop_map(|key| SerfMessage::KeyRequest(serf::KeyRequest { key })),
        (any::<bool>(), ".{0,40}", vec("[a-zA-Z0-9+/]{22}==", 0..5), "[a-zA-Z0-9]{0,24}").prop_map(
            |(result, message, keys, primary_key)| {
                SerfMessage::KeyResponse(serf::KeyResponse { result, message, keys, primary_key })
            }
        ),
        (address(), name(), payload()).prop_map(|(to, name, message)| SerfMessage::Relay(serf::Relay {
            to,
            name,
            message
        })),
    ]
}

fn push_pull() -> impl Strategy<Value = serf::PushPull> {
    let events = vec((time(), vec((".{0,20}", payload()), 0..4)), 0..10)
        .prop_map(|all| all.into_iter().map(|(time, events)| EventsAt { time, events }).collect());
    (time(), btree_map(name(), time(), 0..40), vec(name(), 0..20), time(), events, time()).prop_map(
        |(time, status_times, left, event_time, events, query_time)| serf::PushPull {
            time,
            status_times,
            left,
            event_time,
            events,
            query_time,
        },
    )
}

fn query() -> impl Strategy<Value = serf::Query> {
    let filter = prop_oneof![
        vec(name(), 0..5).prop_map(Filter::Names),
        (".{0,10}", ".{0,20}").prop_map(|(tag, expression)| Filter::Tag { tag, expression }),
        (2..=u8::MAX).prop_map(Filter::Unknown),
    ];
    let asked = (time(), any::<u32>(), address(), option::of(name()));
    let treated = (vec(filter, 0..4), flags(), any::<u8>(), 0..1_000_000_000_u64);
    (asked, treated, ".{0,40}", payload()).prop_map(
        |((time, id, address, source), (filters, flags, relay_factor, timeout), name, payload)| serf::Query {
            time,
            id,
            address,
            source,
            filters,
            flags,
            relay_factor,
            timeout: Duration::from_nanos(timeout),
            name,
            payload,
        },
    )
}

fn ping() -> impl Strategy<Value = Ping> {
    (any::<u32>(), name(), option::of(source())).prop_map(|(sequence, target, source)| Ping {
        sequence,
        target,
        source,
    })
}

fn ack() -> impl Strategy<Value = Ack> {
    (any::<u32>(), payload()).prop_map(|(sequence, payload)| Ack { sequence, payload })
}

fn source() -> impl Strategy<Value = Source> {
    (name(), address()).prop_map(|(name, address)| Source { name, address })
}

fn member_state() -> impl Strategy<Value = MemberState> {
    let state = (0_u8..=3).prop_map(|byte| State::from_byte(byte).unwrap());
    (name(), address(), payload(), any::<u32>(), state, versions()).prop_map(
        |(name, address, meta, incarnation, state, versions)| MemberState {
            name,
            address,
            meta,
            incarnation,
            state,
            versions,
        },
    )
}

fn member_record() -> impl Strategy<Value = MemberRecord> {
    (name(), address(), btree_map(".{0,10}", ".{0,20}", 0..10), any::<u8>(), versions())
        .prop_map(|(name, address, tags, status, versions)| MemberRecord { name, address, tags, status, versions })
}

fn name() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9äß-]{1,60}".prop_map(|name| Name::from(name.as_str()))
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let ip = prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
    (ip, 1..=u16::MAX).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
}

fn versions() -> impl Strategy<Value = Versions> {
    any::<[u8; 6]>().prop_map(|bytes| Versions::from_bytes(&bytes))
}

fn payload() -> impl Strategy<Value = Bytes> {
    prop_oneof![vec(any::<u8>(), 0..300), vec(0_u8..3, 0..1000)].prop_map(Bytes::from)
}

fn time() -> impl Strategy<Value = LamportTime> {
    prop_oneof![any::<u64>(), 0..300_u64].prop_map(LamportTime)
}

fn flags() -> impl Strategy<Value = QueryFlags> {
    (any::<bool>(), any::<bool>()).prop_map(|(ack, no_broadcast)| QueryFlags { ack, no_broadcast })
}
