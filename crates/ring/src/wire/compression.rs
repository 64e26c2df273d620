//! LZW around a message, in memberlist's own envelope.
//!
//! ```text
//!   9 │ {"Algo": 0, "Buf": LZW as GIF has it: least significant bit first, 8 bits a literal}
//! ```
//!
//! Source: `compress` in memberlist's `net.go` and `util.go`.

use weezl::{BitOrder, LzwStatus, decode, encode};

use super::error::{Error, malformed};
use super::message::Kind;
use super::msgpack::{Reader, Writer};

const LITERAL_BITS: u8 = 8;

/// The number of LZW, which is the only algorithm.
const LZW: u8 = 0;

/// Bytes that are made between two looks at the bound.
const STEP: usize = 8 * 1024;

/// The compressed message with its kind, where that is shorter than the message.
pub(crate) fn compress(message: &[u8]) -> Option<Vec<u8>> {
    // Below this, the envelope alone costs more than is gained.
    const TOO_SHORT: usize = 64;
    if message.len() < TOO_SHORT {
        return None;
    }
    let packed = encode::Encoder::new(BitOrder::Lsb, LITERAL_BITS).encode(message).ok()?;
    let mut writer = Writer::after(vec![Kind::Compressed as u8]);
    writer.map(2).text("Algo").unsigned(LZW).text("Buf").raw(&packed);
    let bytes = writer.finish();
    (bytes.len() < message.len()).then_some(bytes)
}

/// The message in an envelope; `envelope` begins behind the kind. More than `limit` bytes are not made.
pub(crate) fn decompress(envelope: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let mut algorithm = 0;
    let mut packed: &[u8] = &[];
    Reader::new(envelope).fields("a compressed message", |reader, name| {
        match name {
            b"Algo" => algorithm = reader.unsigned("Algo")?,
            b"Buf" => packed = reader.raw("Buf")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    if algorithm != LZW {
        return Err(malformed("Algo", "0, which is LZW"));
    }
    unpack(packed, limit)
}

fn unpack(mut packed: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    const WHAT: &str = "the compressed bytes";
    let mut decoder = decode::Decoder::new(BitOrder::Lsb, LITERAL_BITS);
    let mut message = Vec::new();
    let mut made = [0; STEP];
    loop {
        let step = decoder.decode_bytes(packed, &mut made);
        packed = packed.get(step.consumed_in..).unwrap_or_default();
        message.extend_from_slice(made.get(..step.consumed_out).unwrap_or_default());
        if message.len() > limit {
            return Err(Error::TooLarge { what: "the decompressed message", limit });
        }
        match step.status {
            Ok(LzwStatus::Done) => return Ok(message),
            Ok(LzwStatus::Ok) => {}
            Ok(LzwStatus::NoProgress) => return Err(Error::Truncated(WHAT)),
            Err(_) => return Err(malformed(WHAT, "LZW")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_gets_shorter_is_compressed() {
        assert_eq!(compress(b"short"), None);
        assert_eq!(compress(&(0..=255).collect::<Vec<u8>>()), None);
        assert!(compress(&[b'a'; 200]).unwrap().len() < 100);
    }

    #[test]
    fn a_bomb_is_stopped_at_the_bound() {
        let bomb = compress(&vec![0; 1_000_000]).unwrap();
        assert!(bomb.len() < 10_000);
        let error = decompress(&bomb[1..], 100_000).unwrap_err();
        assert_eq!(error.to_string(), "the decompressed message is larger than 100000");
        assert_eq!(decompress(&bomb[1..], 1_000_000).unwrap().len(), 1_000_000);
    }

    #[test]
    fn a_cut_or_foreign_envelope_is_refused() {
        let whole = compress(&[b'a'; 200]).unwrap();
        for length in 1..whole.len() {
            assert!(decompress(&whole[1..length], 1000).is_err());
        }
        assert!(decompress(b"\x82\xa4Algo\x01\xa3Buf\xa0", 1000).is_err());
        assert!(decompress(b"\x80", 1000).is_err());
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(words in prop::collection::vec("[a-d]{1,6}", 20..400)) {
            let message = words.concat().into_bytes();
            if let Some(packed) = compress(&message) {
                prop_assert_eq!(decompress(&packed[1..], message.len()).unwrap(), message);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = unpack(&bytes, 10_000);
            let _ = decompress(&bytes, 10_000);
        }
    }
}
