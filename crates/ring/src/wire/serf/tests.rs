//! Serf's messages as the real program writes them, and as chance does.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::wire::message::{Message, StreamMessage};
use crate::wire::stream::{Decoder, Direction};
use crate::wire::tests::{arbitrary, captures};
use crate::wire::{Error, coordinate, packet};

/// The messages in a recording as their bytes, those in the payloads of queries and answers as well.
fn recorded(recording: &captures::Capture) -> Vec<Bytes> {
    let mut all = Vec::new();
    for datagram in recording.all("datagram") {
        for message in packet::open(&recording.layers, &datagram).unwrap().messages {
            let Message::User(bytes) = message else { continue };
            match decode(&bytes).unwrap() {
                SerfMessage::Query(query) if query.name.starts_with("_serf_") && query.name.ends_with("-key") => {
                    all.push(query.payload);
                }
                SerfMessage::QueryResponse(response) if matches!(response.payload.first(), Some(6..=8)) => {
                    all.push(response.payload);
                }
                SerfMessage::Relay(relay) => all.push(relay.message),
                _ => {}
            }
            all.push(bytes);
        }
    }
    all
}

#[test]
fn messages_are_written_as_the_real_program_writes_them_byte_for_byte() {
    let mut kinds = BTreeSet::new();
    for recording in [captures::plain(), captures::encrypted()] {
        for bytes in recorded(&recording) {
            let message = decode(&bytes).unwrap();
            kinds.insert(bytes[0]);
            if matches!(message, SerfMessage::ConflictResponse(_)) {
                // The program writes tags in any order.
                assert_eq!(encode(&message).len(), bytes.len());
            } else {
                assert_eq!(encode(&message), bytes, "{message:?}");
            }
        }
    }
    // All but those of state exchanges (2), which are compared below.
    assert_eq!(kinds, BTreeSet::from([0, 1, 3, 4, 5, 6, 7, 8, 9]));
}

#[test]
fn what_the_real_program_adds_to_a_state_exchange_is_understood() {
    let recording = captures::plain();
    let mut remembered = 0;
    for bytes in recording.all("reply") {
        let mut decoder = Decoder::new(Direction::Reply);
        let Some(StreamMessage::PushPull(exchange)) = decoder.feed(&recording.layers, &bytes).unwrap() else {
            panic!("not a state exchange")
        };
        let message = decode(&exchange.user_state).unwrap();
        let SerfMessage::PushPull(state) = &message else { panic!("not Serf's part of one: {message:?}") };
        assert_eq!(state.status_times.len(), exchange.members.len());
        assert!(state.time > LamportTime(0));
        remembered += state.events.len();
        assert_eq!(decode(&encode(&message)).unwrap(), message);
    }
    assert!(remembered > 0, "no exchange had an event");
}

#[test]
fn the_coordinates_of_the_real_program_are_understood_and_written_byte_for_byte() {
    let recording = captures::plain();
    let mut seen = 0;
    for datagram in recording.all("datagram") {
        for message in packet::open(&recording.layers, &datagram).unwrap().messages {
            if let Message::Ack(ack) = message
                && !ack.payload.is_empty()
            {
                let coordinate = coordinate::decode_ack(&ack.payload).unwrap();
                assert_eq!(coordinate.vector.len(), 8);
                assert_eq!(coordinate::encode_ack(&coordinate), ack.payload);
                seen += 1;
            }
        }
    }
    assert!(seen > 0);
}

#[test]
fn a_filter_that_is_not_known_means_nobody_and_is_no_error() {
    let bytes = b"\x04\x82\xa4Addr\xa4\x7f\x00\x00\x01\xa7Filters\x91\xa2\x09x";
    let SerfMessage::Query(query) = decode(bytes).unwrap() else { panic!("not a query") };
    assert_eq!(query.filters, [Filter::Unknown(9)]);
}

#[test]
fn a_negative_timeout_is_none() {
    let bytes = b"\x04\x82\xa4Addr\xa4\x7f\x00\x00\x01\xa7Timeout\xff";
    let SerfMessage::Query(query) = decode(bytes).unwrap() else { panic!("not a query") };
    assert_eq!(query.timeout, Duration::ZERO);
}

#[test]
fn nothing_and_unknown_messages_are_refused() {
    assert_eq!(decode(b""), Err(Error::Truncated("a message of Serf")));
    assert_eq!(decode(b"\x0a\x80"), Err(Error::Kind(10)));
}

#[test]
fn keys_are_not_shown_by_accident() {
    let request = SerfMessage::KeyRequest(KeyRequest { key: Bytes::from_static(b"0123456789abcdef") });
    assert_eq!(format!("{request:?}"), "KeyRequest(KeyRequest(16 bytes))");
}

proptest! {
    #[test]
    fn a_message_comes_back(message in arbitrary::serf_message()) {
        prop_assert_eq!(decode(&encode(&message)).unwrap(), message);
    }

    #[test]
    fn a_cut_message_does_not_make_it_panic(message in arbitrary::serf_message(), at: prop::sample::Index) {
        let bytes = encode(&message);
        let _ = decode(&bytes[..at.index(bytes.len())]);
    }

    #[test]
    fn no_bytes_make_it_panic(kind in 0_u8..10, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&[&[kind], &bytes[..]].concat());
    }
}
