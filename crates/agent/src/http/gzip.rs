//! Content that is sent squeezed to whoever can unfold it (RFC 9110, 8.4.1.3 and 12.5.3).

use std::io::{self, Write as _};

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Whether who asks takes gzip. What is said of `gzip` itself counts more than what is said of all others (`*`).
pub(super) fn is_taken(asked: &HeaderMap) -> bool {
    let codings = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut others = false;
    for coding in codings.flat_map(|value| value.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let taken = !is_zero(weight);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return taken,
            "*" => others = taken,
            _ => {}
        }
    }
    others
}

/// Whether a weight says "not at all": `q=0`, `q=0.000`.
fn is_zero(weight: &str) -> bool {
    let number = weight.trim().split_once('=').map(|(_, number)| number.trim());
    number.and_then(|number| number.parse::<f32>().ok()).is_some_and(|number| number <= 0.0)
}

/// The content, as small as it gets.
///
/// # Errors
/// Only those of writing to memory, which there are none of.
pub(super) fn squeeze(content: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    encoder.finish().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn taken(words: &[&'static str]) -> bool {
        let mut asked = HeaderMap::new();
        for word in words {
            asked.append(header::ACCEPT_ENCODING, word.parse().unwrap());
        }
        is_taken(&asked)
    }

    #[test]
    fn gzip_is_for_those_who_say_that_they_take_it() {
        for words in
            [&["gzip"][..], &["br, GZIP;q=0.5"], &["deflate", "gzip"], &["*"], &["gzip, *;q=0"], &["x-gzip;q=1.0"]]
        {
            assert!(taken(words), "{words:?}");
        }
        for words in [&[][..], &[""], &["identity"], &["gzip;q=0"], &["gzip; q=0.000, *"], &["*;q=0"], &["br"]] {
            assert!(!taken(words), "{words:?}");
        }
    }
}
