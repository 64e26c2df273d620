//! The structure of messages. What the real program writes is compared in the tests of packets and streams.

use proptest::prelude::*;

use super::{Kind, Message, Versions, decode, encode};
use crate::wire::tests::arbitrary;

#[test]
fn every_kind_is_the_kind_of_its_byte() {
    for byte in 0..=u8::MAX {
        if let Some(kind) = Kind::from_byte(byte) {
            assert_eq!(kind as u8, byte);
        }
    }
}

#[test]
fn a_ping_without_a_source_is_answered_where_it_came_from() {
    let Message::Ping(ping) = decode(b"\x00\x82\xa4Node\xa2n1\xa5SeqNo\x07").unwrap() else { panic!("not a ping") };
    assert_eq!((ping.sequence, &*ping.target, ping.source), (7, "n1", None));
}

#[test]
fn a_member_that_names_no_versions_has_unknown_ones() {
    let bytes = b"\x04\x84\xa4Addr\xa4\x7f\x00\x00\x01\xabIncarnation\x01\xa4Node\xa2n1\xa4Port\x09";
    let Message::Alive(alive) = decode(bytes).unwrap() else { panic!("not an alive") };
    assert_eq!(alive.versions, Versions::UNKNOWN);
}

#[test]
fn an_address_of_another_length_is_refused() {
    let error = decode(b"\x04\x81\xa4Addr\xa3abc").unwrap_err();
    assert_eq!(error.to_string(), "Addr is not an address of 4 or 16 bytes");
}

#[test]
fn fields_that_are_not_known_are_passed_over() {
    assert!(decode(b"\x0b\x82\xa5Later\x91\x80\xa5SeqNo\x07").is_ok());
}

proptest! {
    #[test]
    fn a_message_comes_back(message in arbitrary::message()) {
        prop_assert_eq!(decode(&encode(&message)).unwrap(), message);
    }

    #[test]
    fn a_cut_message_is_refused_or_another_one(message in arbitrary::message(), at: prop::sample::Index) {
        let bytes = encode(&message);
        let _ = decode(&bytes[..at.index(bytes.len())]);
    }

    #[test]
    fn no_bytes_make_it_panic(kind in 0_u8..14, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&[&[kind], &bytes[..]].concat());
    }
}
