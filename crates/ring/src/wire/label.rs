//! The ring's name, before everything else.
//!
//! ```text
//!   244 │ length: 1 byte │ label
//! ```
//!
//! Two rings on one network keep apart by it, and encryption authenticates it. A ring without a label sends no header.
//! Source: memberlist's `label.go`.

use std::sync::Arc;

use super::error::{Error, malformed};
use super::message::Kind;

/// A ring's name on the network: at most 255 bytes, empty where it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label(Arc<str>);

impl Label {
    /// The longest label, in bytes.
    pub const MAX: usize = u8::MAX as usize;

    /// A label of this text; empty for none.
    pub fn new(text: &str) -> Result<Self, Error> {
        if text.len() > Self::MAX {
            return Err(Error::TooLarge { what: "the label", limit: Self::MAX });
        }
        Ok(Self(text.into()))
    }

    /// Its bytes, as encryption authenticates them.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// What stands before a datagram, and before what the opener of a stream sends.
    pub(crate) fn header(&self) -> Vec<u8> {
        match u8::try_from(self.0.len()) {
            Ok(length) if length > 0 => [&[Kind::Label as u8, length], self.as_bytes()].concat(),
            _ => Vec::new(),
        }
    }

    /// How many bytes [`header`](Self::header) takes.
    pub(crate) fn header_length(&self) -> usize {
        if self.0.is_empty() { 0 } else { 2 + self.0.len() }
    }

    /// What stands behind the header, where the header is this label's.
    pub(crate) fn strip<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let (found, rest) = split(bytes)?;
        if found == self.as_bytes() {
            Ok(rest)
        } else {
            Err(Error::Label { found: String::from_utf8_lossy(found).into_owned(), expected: self.0.to_string() })
        }
    }
}

/// The label, empty where there is no header, and what follows.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    match bytes {
        [kind, rest @ ..] if *kind == Kind::Label as u8 => match rest {
            [] => Err(Error::Truncated("the label")),
            [0, ..] => Err(malformed("the label", "at least one byte long")),
            [length, rest @ ..] => rest.split_at_checked(usize::from(*length)).ok_or(Error::Truncated("the label")),
        },
        _ => Ok((&[], bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_written_and_taken_off_again() {
        let label = Label::new("blue").unwrap();
        let bytes = [label.header(), vec![1, 2]].concat();
        assert_eq!(bytes, b"\xf4\x04blue\x01\x02");
        assert_eq!(label.header_length(), 6);
        assert_eq!(label.strip(&bytes), Ok(&[1, 2][..]));
    }

    #[test]
    fn another_rings_bytes_are_refused_by_name() {
        let error = Label::new("blue").unwrap().strip(b"\xf4\x03red\x01").unwrap_err();
        assert_eq!(error.to_string(), "the label is `red` and not `blue`");
        assert!(Label::default().strip(b"\xf4\x03red\x01").is_err());
        assert!(Label::new("blue").unwrap().strip(&[1]).is_err());
    }

    #[test]
    fn a_cut_or_empty_header_is_refused() {
        for bytes in [&b"\xf4"[..], b"\xf4\x00", b"\xf4\x04blu"] {
            assert!(Label::default().strip(bytes).is_err(), "{bytes:?}");
        }
    }
}
