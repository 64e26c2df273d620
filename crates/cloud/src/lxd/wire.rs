//! Small things of the wire format.

use serde::{Deserialize, Deserializer};

/// Reads `null` as the default: the daemon writes it for empty lists and maps now and then.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A name as one segment of a path, or as a value in a query (RFC 3986: everything but unreserved is encoded).
pub(super) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

const HEX: [u8; 16] = *b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_their_path_segment() {
        assert_eq!(segment("hugo-0"), "hugo-0");
        assert_eq!(segment("../a b?c/é"), "..%2Fa%20b%3Fc%2F%C3%A9");
    }
}
