//! Small translations of text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The text behind base64 (line breaks allowed), or nothing where it is neither.
pub(crate) fn from_base64(encoded: &str) -> Option<String> {
    String::from_utf8(bytes_from_base64(encoded)?).ok()
}

/// The bytes behind base64 (line breaks allowed).
pub(crate) fn bytes_from_base64(encoded: &str) -> Option<Vec<u8>> {
    let packed: String = encoded.chars().filter(|letter| !letter.is_whitespace()).collect();
    STANDARD.decode(packed).ok()
}

/// The pairs of a query string, decoded, in order and with repetitions.
pub(crate) fn query_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (percent_decoded(&key.replace('+', " ")), percent_decoded(&value.replace('+', " ")))
        })
        .collect()
}

/// `%41` becomes `A`; what is no such code stays.
pub(crate) fn percent_decoded(encoded: &str) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The reverse, for values in links.
pub(crate) fn percent_encoded(plain: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b':');
    plain.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
