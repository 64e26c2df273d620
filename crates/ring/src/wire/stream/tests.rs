//! Streams as the real program writes them, and as chance does.

use std::net::SocketAddr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::Label;
use crate::wire::message::{MemberState, Name, State, Versions};
use crate::wire::serf::{self, SerfMessage};
use crate::wire::tests::arbitrary;
use crate::wire::tests::captures::{self, Capture};

const NONCE: Nonce = Nonce([3; 12]);

/// What comes out when the bytes come in pieces of this size.
fn decode(layers: &Layers, direction: Direction, bytes: &[u8], piece: usize) -> Result<Option<StreamMessage>, Error> {
    let mut decoder = Decoder::new(direction);
    for piece in bytes.chunks(piece) {
        if let Some(message) = decoder.feed(layers, piece)? {
            return Ok(Some(message));
        }
    }
    Ok(None)
}

fn recordings() -> [Capture; 2] {
    [captures::plain(), captures::encrypted()]
}

#[test]
fn every_state_exchange_of_the_real_program_is_understood() {
    for recording in recordings() {
        let mut largest = 0;
        for (sort, direction) in [("request", Direction::Request), ("reply", Direction::Reply)] {
            for bytes in recording.all(sort) {
                for piece in [1, 7, usize::MAX] {
                    let message = decode(&recording.layers, direction, &bytes, piece).unwrap().unwrap();
                    let StreamMessage::PushPull(exchange) = message else { panic!("not an exchange: {message:?}") };
                    assert!(exchange.members.iter().all(|member| member.name.starts_with('n')));
                    assert!(matches!(serf::decode(&exchange.user_state), Ok(SerfMessage::PushPull(_))));
                    largest = largest.max(exchange.members.len());
                }
            }
        }
        assert!(largest >= 2);
    }
}

#[test]
fn a_state_exchange_is_written_as_the_real_program_writes_it_byte_for_byte() {
    let recording = captures::plain();
    for (sort, direction) in [("request", Direction::Request), ("reply", Direction::Reply)] {
        for bytes in recording.all(sort) {
            let message = decode(&recording.layers, direction, &bytes, usize::MAX).unwrap().unwrap();
            assert_eq!(encode(&recording.layers, direction, &message, NONCE).unwrap(), bytes);
            let uncompressed = Layers { compression: Compression::Off, ..Layers::default() };
            let inside = compression::decompress(&bytes[1..], MAX_BYTES).unwrap();
            assert_eq!(encode(&uncompressed, direction, &message, NONCE).unwrap(), inside);
        }
    }
}

#[test]
fn only_the_side_that_opens_a_stream_sends_the_label() {
    let layers = Layers { label: Label::new("blue").unwrap(), ..Layers::default() };
    let message = StreamMessage::Refusal("no".to_owned());
    let request = encode(&layers, Direction::Request, &message, NONCE).unwrap();
    let reply = encode(&layers, Direction::Reply, &message, NONCE).unwrap();
    assert_eq!(request, [b"\xf4\x04blue", &reply[..]].concat());
    assert_eq!(decode(&layers, Direction::Request, &request, 1).unwrap().as_ref(), Some(&message));
    assert_eq!(decode(&layers, Direction::Reply, &reply, 1).unwrap().as_ref(), Some(&message));
    assert!(decode(&layers, Direction::Request, &reply, 1).is_err());
    assert!(decode(&Layers::default(), Direction::Request, &request, 100).is_err());
}

#[test]
fn a_ring_with_keys_takes_nothing_in_the_clear_and_the_other_way_round() {
    let keyed = captures::encrypted().layers;
    let message = StreamMessage::Refusal("no".to_owned());
    let clear = encode(&Layers::default(), Direction::Reply, &message, NONCE).unwrap();
    assert_eq!(decode(&keyed, Direction::Reply, &clear, 1), Err(Error::NotEncrypted));
    let sealed = encode(&keyed, Direction::Reply, &message, NONCE).unwrap();
    assert_eq!(decode(&Layers::default(), Direction::Reply, &sealed, 1), Err(Error::Encrypted));
    let twice = super::super::encryption::seal(
        keyed.keyring.as_ref().unwrap(),
        keyed.encryption,
        NONCE,
        &sealed,
        &encrypted_head(29 + sealed.len()).unwrap(),
    )
    .unwrap();
    let twice = [&encrypted_head(twice.len()).unwrap()[..], &twice].concat();
    assert_eq!(decode(&keyed, Direction::Reply, &twice, 1), Err(Error::Kind(10)));
}

#[test]
fn announcements_beyond_the_bounds_are_refused_at_once() {
    let announced: [(&[u8], &str); 4] = [
        (b"\x0a\x02\x00\x00\x00", "what is encrypted is larger than 20971520"),
        (b"\x08\x81\xaaUserMsgLen\xce\x7f\xff\xff\xff", "UserMsgLen is larger than 20971520"),
        (b"\x06\x82\xa5Nodes\xce\x00\x10\x00\x00\xacUserStateLen\x00", "Nodes is larger than 131072"),
        (b"\x06\x82\xa5Nodes\x01\xacUserStateLen\xce\x7f\xff\xff\xff", "UserStateLen is larger than 20971520"),
    ];
    for (bytes, refusal) in announced {
        let layers = if bytes[0] == 10 { captures::encrypted().layers } else { Layers::default() };
        let error = decode(&layers, Direction::Request, bytes, usize::MAX).unwrap_err();
        assert_eq!(error.to_string(), refusal);
    }
}

#[test]
fn a_structure_that_never_ends_is_refused() {
    // A member whose name claims 16 MiB.
    let mut bytes = b"\x06\x81\xa5Nodes\x01\x81\xa4Name\xdb\x01\x00\x00\x00".to_vec();
    bytes.resize(200_000, b'a');
    let error = decode(&Layers::default(), Direction::Request, &bytes, 1000).unwrap_err();
    assert_eq!(error, Error::TooLarge { what: "Node", limit: 65_536 });
}

#[test]
fn more_than_a_stream_may_carry_is_refused() {
    let bytes = b"\x09\x81\xa3Buf\xdb\x7f\xff\xff\xff";
    let mut decoder = Decoder::new(Direction::Request);
    assert_eq!(decoder.feed(&Layers::default(), bytes), Ok(None));
    let piece = vec![0; 1024 * 1024];
    let error = (0..40).find_map(|_| decoder.feed(&Layers::default(), &piece).err());
    assert_eq!(error, Some(Error::TooLarge { what: "what came on the stream", limit: MAX_BYTES }));
}

#[test]
fn a_large_ring_is_exchanged() {
    let member = |at: u32| MemberState {
        name: Name::from(format!("member-{at}").as_str()),
        address: SocketAddr::from((at.to_be_bytes(), 7946)),
        meta: vec![b'm'; 40].into(),
        incarnation: at,
        state: State::Alive,
        versions: Versions::default(),
    };
    let message = StreamMessage::PushPull(PushPull {
        join: true,
        members: (0..4_000).map(member).collect(),
        user_state: vec![1; 100_000].into(),
    });
    for layers in
        [Layers::default(), Layers { compression: Compression::Off, ..Layers::default() }, captures::encrypted().layers]
    {
        let bytes = encode(&layers, Direction::Request, &message, NONCE).unwrap();
        assert_eq!(decode(&layers, Direction::Request, &bytes, 4096).unwrap().as_ref(), Some(&message));
    }
}

proptest! {
    #[test]
    fn a_message_comes_back_however_its_bytes_are_cut(
        layers in arbitrary::layers(), message in arbitrary::stream_message(), opened: bool, nonce in arbitrary::nonce(),
        piece in 1_usize..100,
    ) {
        let direction = if opened { Direction::Request } else { Direction::Reply };
        let bytes = encode(&layers, direction, &message, nonce).unwrap();
        prop_assert_eq!(decode(&layers, direction, &bytes, piece).unwrap(), Some(message));
    }

    #[test]
    fn a_cut_message_is_waited_for(
        layers in arbitrary::layers(), message in arbitrary::stream_message(), at: prop::sample::Index,
    ) {
        let bytes = encode(&layers, Direction::Request, &message, NONCE).unwrap();
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert_eq!(decode(&layers, Direction::Request, cut, 50).unwrap(), None);
    }

    #[test]
    fn no_bytes_make_it_panic(
        layers in arbitrary::layers(), kind in 0_u8..14, bytes in vec(any::<u8>(), 0..300), piece in 1_usize..100,
    ) {
        let _ = decode(&layers, Direction::Request, &bytes, piece);
        let _ = decode(&Layers::default(), Direction::Reply, &[&[kind], &bytes[..]].concat(), piece);
    }
}
