//! Datagrams as the real program writes them, and as chance does.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::keyring::{Key, Keyring};
use crate::wire::message::encode;
use crate::wire::tests::arbitrary;
use crate::wire::tests::captures::{self, Capture};
use crate::wire::{Compression, Label};

fn recordings() -> [Capture; 2] {
    [captures::plain(), captures::encrypted()]
}

/// The messages of a recorded datagram as their bytes, and whether they were compressed.
fn raw_messages(layers: &Layers, datagram: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let opened = layers.keyring.as_ref().map(|keyring| encryption::open(keyring, datagram, b"").unwrap());
    let bytes = verify(opened.as_deref().unwrap_or(datagram)).unwrap().to_vec();
    let compressed = bytes[0] == Kind::Compressed as u8;
    let bytes = if compressed { compression::decompress(&bytes[1..], MAX_DECOMPRESSED).unwrap() } else { bytes };
    let messages = if bytes[0] == Kind::Compound as u8 {
        split(&bytes[1..]).map(|part| part.unwrap().to_vec()).collect()
    } else {
        vec![bytes]
    };
    (messages, compressed)
}

#[test]
fn every_datagram_of_the_real_program_is_understood() {
    for recording in recordings() {
        let mut kinds = BTreeSet::new();
        for datagram in recording.all("datagram") {
            let opened = open(&recording.layers, &datagram).unwrap();
            assert_eq!(opened.refused, []);
            assert!(!opened.messages.is_empty());
            kinds.extend(opened.messages.iter().map(|message| encode(message)[0]));
        }
        let wanted = [Kind::Ping, Kind::IndirectPing, Kind::Ack, Kind::Suspect, Kind::Alive, Kind::Dead, Kind::User];
        for kind in wanted {
            assert!(kinds.contains(&(kind as u8)), "{kind:?} was not recorded");
        }
    }
}

#[test]
fn messages_are_written_as_the_real_program_writes_them_byte_for_byte() {
    for recording in recordings() {
        for datagram in recording.all("datagram") {
            for bytes in raw_messages(&recording.layers, &datagram).0 {
                assert_eq!(encode(&decode(&bytes).unwrap()), bytes);
            }
        }
    }
}

#[test]
fn datagrams_are_sealed_as_the_real_program_seals_them_byte_for_byte() {
    let keys = captures::encrypted().layers.keyring.unwrap();
    for mut recording in recordings() {
        for datagram in recording.all("datagram") {
            let (messages, compressed) = raw_messages(&recording.layers, &datagram);
            recording.layers.compression = if compressed { Compression::On } else { Compression::Off };
            let messages: Vec<Bytes> = messages.into_iter().map(Bytes::from).collect();
            let mut candidates = Vec::new();
            for key in keys.keys() {
                if recording.layers.keyring.is_some() {
                    recording.layers.keyring = Some(keys.clone());
                    recording.layers.keyring.as_mut().unwrap().use_key(key).unwrap();
                }
                for checksum in [Checksum::Understood, Checksum::Unknown] {
                    let nonce = Nonce(datagram[1..].first_chunk().copied().unwrap_or_default());
                    candidates.push(seal(&recording.layers, checksum, &messages, nonce).unwrap());
                }
            }
            assert!(candidates.iter().any(|candidate| *candidate == datagram), "{datagram:02x?}");
        }
    }
}

#[test]
fn one_bad_message_does_not_spoil_its_neighbours() {
    let good = encode(&Message::User(Bytes::from_static(b"good")));
    let bad = Bytes::from_static(b"\x00\xff");
    let datagram = seal(&Layers::default(), Checksum::Understood, &[good.clone(), bad, good], Nonce([0; 12])).unwrap();
    let opened = open(&Layers::default(), &datagram).unwrap();
    assert_eq!((opened.messages.len(), opened.refused.len()), (2, 1));
}

#[test]
fn a_compound_that_is_cut_keeps_what_came() {
    let opened = open(&Layers::default(), b"\x07\x02\x00\x02\x00\x09\x08ab").unwrap();
    assert_eq!(opened.messages, [Message::User(Bytes::from_static(b"a"))]);
    assert_eq!(opened.refused, [Error::Truncated("a compound message")]);
    for cut in [&b"\x07"[..], b"\x07\x02\x00"] {
        assert_eq!(open(&Layers::default(), cut).unwrap().refused, [Error::Truncated("a compound message")]);
    }
}

#[test]
fn a_changed_datagram_is_refused_by_its_checksum() {
    let message = encode(&Message::User(Bytes::from_static(b"message")));
    let mut datagram = seal(&Layers::default(), Checksum::Understood, &[message], Nonce([0; 12])).unwrap().to_vec();
    datagram[7] ^= 1;
    assert_eq!(open(&Layers::default(), &datagram), Err(Error::Checksum));
}

#[test]
fn rings_with_other_keys_labels_or_none_do_not_meet() {
    let with = |key: Option<u8>, label| Layers {
        keyring: key.map(|key| Keyring::new(Key::from_bytes(&[key; 16]).unwrap())),
        label: Label::new(label).unwrap(),
        ..Layers::default()
    };
    let rings = [with(None, ""), with(Some(1), ""), with(Some(2), ""), with(Some(1), "blue"), with(None, "blue")];
    let message = encode(&Message::User(Bytes::from_static(b"message")));
    for (at, from) in rings.iter().enumerate() {
        let datagram = seal(from, Checksum::Unknown, std::slice::from_ref(&message), Nonce([5; 12])).unwrap();
        for (other, to) in rings.iter().enumerate() {
            let understood = open(to, &datagram).is_ok_and(|opened| !opened.messages.is_empty());
            assert_eq!(understood, at == other, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn a_datagram_of_bombs_costs_one_of_them() {
    let bomb = compression::compress(&vec![0; MAX_DECOMPRESSED]).unwrap();
    let bombs: Vec<Bytes> = std::iter::repeat_n(Bytes::from(bomb), 20).collect();
    let datagram = join(&bombs).unwrap();
    assert!(datagram.len() < 65_000);
    let opened = open(&Layers::default(), &datagram).unwrap();
    assert_eq!(opened.messages.len() + opened.refused.len(), 20);
    assert!(opened.refused.iter().filter(|error| matches!(error, Error::TooLarge { .. })).count() >= 19);
}

#[test]
fn messages_in_messages_end_at_a_depth() {
    let mut message = encode(&Message::User(Bytes::new()));
    for _ in 0..1000 {
        message = join(&[message]).unwrap().into();
    }
    let opened = open(&Layers::default(), &message).unwrap();
    assert_eq!(opened.messages, []);
    assert_eq!(opened.refused.len(), 1);
}

#[test]
fn an_empty_datagram_is_an_error_in_either_direction() {
    assert!(seal(&Layers::default(), Checksum::Unknown, &[], Nonce([0; 12])).is_err());
    assert!(open(&Layers::default(), b"").unwrap().messages.is_empty());
}

proptest! {
    #[test]
    fn messages_come_back_through_all_layers(
        layers in arbitrary::layers(), messages in vec(arbitrary::message(), 1..20), understood: bool, nonce in arbitrary::nonce(),
    ) {
        let checksum = if understood { Checksum::Understood } else { Checksum::Unknown };
        let encoded: Vec<Bytes> = messages.iter().map(encode).collect();
        let datagram = seal(&layers, checksum, &encoded, nonce).unwrap();
        prop_assert_eq!(open(&layers, &datagram).unwrap(), Opened { messages, refused: vec![] });
    }

    #[test]
    fn a_datagram_is_never_larger_than_was_counted(
        layers in arbitrary::layers(), lengths in vec(1_usize..400, 1..300), size in 200_usize..1500, nonce in arbitrary::nonce(),
    ) {
        let mut space = Space::new(&layers, size);
        let messages: Vec<Bytes> =
            lengths.into_iter().filter(|length| space.take(*length)).map(|length| vec![8; length].into()).collect();
        if !messages.is_empty() {
            prop_assert!(seal(&layers, Checksum::Understood, &messages, nonce).unwrap().len() <= size);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(layers in arbitrary::layers(), kind in 0_u8..14, bytes in vec(any::<u8>(), 0..300)) {
        let _ = open(&layers, &bytes);
        let _ = open(&Layers::default(), &[&[kind], &bytes[..]].concat());
    }

    #[test]
    fn a_cut_or_changed_datagram_does_not_make_it_panic(
        messages in vec(arbitrary::message(), 1..5), at: prop::sample::Index, change: u8,
    ) {
        let encoded: Vec<Bytes> = messages.iter().map(encode).collect();
        let mut datagram = seal(&Layers::default(), Checksum::Unknown, &encoded, Nonce([0; 12])).unwrap().to_vec();
        let at = at.index(datagram.len());
        let _ = open(&Layers::default(), &datagram[..at]);
        datagram[at] ^= change;
        let _ = open(&Layers::default(), &datagram);
    }
}
