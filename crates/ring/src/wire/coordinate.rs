//! Where a member is, as far as round trips tell: what Serf adds to each answer to a ping.
//!
//! ```text
//!   1 │ {"Adjustment", "Error", "Height", "Vec"}
//! ```
//!
//! Sources: Serf's `coordinate/coordinate.go` and `ping_delegate.go`. What the numbers mean is not known here.

use bytes::Bytes;

use super::Error;
use super::error::malformed;
use super::msgpack::{Reader, Writer};

/// The most dimensions that are read; Serf uses eight.
const MAX_DIMENSIONS: usize = 64;

/// The only version of a payload of an ack (`PingVersion`).
const VERSION: u8 = 1;

/// A point of a Vivaldi space. All lengths are seconds of round trip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coordinate {
    /// The Euclidean part.
    pub vector: Vec<f64>,
    /// How little the point is to be believed; without a unit, at most 1.5.
    pub error: f64,
    /// What observations add to an estimate, or take away.
    pub adjustment: f64,
    /// What every way from or to this member has besides the Euclidean part.
    pub height: f64,
}

/// The payload of an ack.
pub fn encode_ack(coordinate: &Coordinate) -> Bytes {
    let mut writer = Writer::after(vec![VERSION]);
    write(&mut writer, coordinate);
    writer.finish().into()
}

/// The coordinate in the payload of an ack.
pub fn decode_ack(payload: &[u8]) -> Result<Coordinate, Error> {
    match payload {
        [] => Err(Error::Truncated("the payload of an ack")),
        [VERSION, rest @ ..] => read(&mut Reader::new(rest)),
        _ => Err(malformed("the version of a ping's payload", "1")),
    }
}

/// Writes a coordinate.
pub(crate) fn write(writer: &mut Writer, coordinate: &Coordinate) {
    writer.map(4).text("Adjustment").float(coordinate.adjustment).text("Error").float(coordinate.error);
    writer.text("Height").float(coordinate.height).text("Vec").array(coordinate.vector.len());
    for along in &coordinate.vector {
        writer.float(*along);
    }
}

/// Reads a coordinate. Its numbers may be of any size, and no numbers at all.
pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Coordinate, Error> {
    let mut coordinate = Coordinate::default();
    reader.fields("a coordinate", |reader, field| {
        match field {
            b"Adjustment" => coordinate.adjustment = reader.float("Adjustment")?,
            b"Error" => coordinate.error = reader.float("Error")?,
            b"Height" => coordinate.height = reader.float("Height")?,
            b"Vec" => coordinate.vector = reader.list("Vec", MAX_DIMENSIONS, |reader| reader.float("Vec"))?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(coordinate)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_payload_of_another_version_or_of_nothing_is_refused() {
        assert!(decode_ack(b"").is_err());
        assert!(decode_ack(b"\x02\x80").is_err());
        assert_eq!(decode_ack(b"\x01\x80"), Ok(Coordinate::default()));
    }

    proptest! {
        #[test]
        fn a_coordinate_comes_back(
            vector in prop::collection::vec(-1.0..1.0, 0..9), error in 0.0..1.5, adjustment in -1.0..1.0, height in 0.0..1.0,
        ) {
            let coordinate = Coordinate { vector, error, adjustment, height };
            prop_assert_eq!(decode_ack(&encode_ack(&coordinate)).unwrap(), coordinate);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_ack(&bytes);
        }
    }
}
