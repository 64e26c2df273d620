//! What each decoder must do with any bytes: not panic, not run away, and agree with itself.

use pontoon_ring::rpc::reply::{self, Expected};
use pontoon_ring::rpc::request::{self, Asked};
use pontoon_ring::serf::Snapshot;
use pontoon_ring::serf::snapshot::AfterLeave;
use pontoon_ring::wire::stream::{Decoder, Direction};
use pontoon_ring::wire::{Label, Layers, coordinate, message, packet, serf, stream, tags};

/// A datagram. What is understood is the same when it is written and read again.
pub fn packet(bytes: &[u8]) {
    let Ok(opened) = packet::open(&Layers::default(), bytes) else { return };
    for message in opened.messages {
        assert_eq!(message::decode(&message::encode(&message)).as_ref(), Ok(&message));
    }
}

/// One direction of a stream. What is understood does not depend on how the bytes were cut, and is the same when it is
/// written and read again.
pub fn stream(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let direction = if choice & 1 == 0 { Direction::Request } else { Direction::Reply };
    let layers = Layers {
        label: Label::new(if choice & 2 == 0 { "" } else { "blue" }).unwrap_or_default(),
        ..Layers::default()
    };
    let piece = usize::from(choice >> 2).max(1);
    let whole = Decoder::new(direction).feed(&layers, bytes);
    if let Ok(Some(message)) = whole {
        assert_eq!(in_pieces(&layers, direction, bytes, piece).as_ref(), Some(&message));
        let written = stream::encode(&layers, direction, &message, pontoon_ring::wire::Nonce([0; 12]));
        assert_eq!(written.ok().and_then(|written| in_pieces(&layers, direction, &written, 4096)), Some(message));
    }
}

fn in_pieces(
    layers: &Layers,
    direction: Direction,
    bytes: &[u8],
    piece: usize,
) -> Option<pontoon_ring::wire::message::StreamMessage> {
    let mut decoder = Decoder::new(direction);
    bytes.chunks(piece).find_map(|piece| decoder.feed(layers, piece).ok().flatten())
}

/// A message of Serf.
pub fn serf(bytes: &[u8]) {
    if let Ok(message) = serf::decode(bytes) {
        assert_eq!(serf::decode(&serf::encode(&message)).as_ref(), Ok(&message));
    }
}

/// Tags, and the coordinate of an ack.
pub fn tags(bytes: &[u8]) {
    if let Ok(read) = tags::decode(bytes) {
        assert_eq!(tags::decode(&tags::encode(&read)).as_ref(), Ok(&read));
    }
    if let Ok(read) = coordinate::decode_ack(bytes) {
        // Some numbers are no numbers, and not equal to themselves; their bytes are.
        let written = coordinate::encode_ack(&read);
        let again = coordinate::decode_ack(&written).map(|again| coordinate::encode_ack(&again));
        assert_eq!(again, Ok(written));
    }
}

/// A snapshot file. What is understood is the same when it is written and read again.
pub fn snapshot(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let after_leave = if choice & 1 == 0 { AfterLeave::StayAway } else { AfterLeave::Rejoin };
    let read = Snapshot::read(bytes, after_leave);
    assert_eq!(Snapshot::read(read.text().as_bytes(), after_leave), read);
}

/// What a client asks. A request is whole or it is not, whatever follows it.
pub fn request(bytes: &[u8]) {
    let Ok((sequence, asked, length)) = request::decode(bytes) else { return };
    assert!(length <= bytes.len());
    let Some(whole) = bytes.get(..length) else { return };
    assert_eq!(request::decode(whole), Ok((sequence, asked.clone(), length)));
    if let Asked::Request(request) = asked {
        let written = request::encode(sequence, &request);
        assert_eq!(request::decode(&written), Ok((sequence, Asked::Request(request), written.len())));
    }
}

/// What an agent answers.
pub fn reply(bytes: &[u8]) {
    const ALL: [Expected; 9] = [
        Expected::Nothing,
        Expected::Members,
        Expected::Joined,
        Expected::Keys,
        Expected::Stats,
        Expected::Coordinate,
        Expected::Event,
        Expected::Answer,
        Expected::Log,
    ];
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let Some(expected) = ALL.get(usize::from(*choice) % ALL.len()).copied() else { return };
    if let Ok((read, length)) = reply::decode(bytes, |_| expected) {
        assert!(length <= bytes.len());
        let written = reply::encode(&read);
        // Some numbers of a coordinate are no numbers, and not equal to themselves; their bytes are.
        let again = reply::decode(&written, |_| expected).map(|(again, length)| (reply::encode(&again), length));
        assert_eq!(again, Ok((written.clone(), written.len())));
    }
}
