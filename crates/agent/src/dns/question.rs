//! What is asked: from the bytes of a message to a question. No zone is known here.
//!
//! Nothing is reserved for what a message only claims to have: it is read where it lies, and a name is copied into a
//! place of fixed length.

use super::numbers::kind;

/// The length of a header, in bytes.
pub const HEADER: usize = 12;
/// The longest name, in bytes (RFC 1035 2.3.4).
const LONGEST_NAME: usize = 255;
/// The longest label, in bytes. A greater length is a pointer into the message.
const LONGEST_LABEL: u8 = 63;
/// The first byte of such a pointer is at least this.
const POINTER: u8 = 0xc0;
/// The additional records that a question may have: EDNS, a signature, and one to spare.
const MOST_ADDITIONAL: u16 = 3;

/// A question.
#[derive(Clone, Debug)]
pub struct Question<'r> {
    /// Its bytes as they came, with type and class.
    pub section: &'r [u8],
    /// The name.
    pub name: Asked,
    /// The type that is asked for.
    pub kind: u16,
    /// The class that is asked for.
    pub class: u16,
    /// What it says by EDNS, if it does.
    pub edns: Option<Edns>,
}

/// What a client says of itself (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The longest datagram that it takes, in bytes.
    pub payload: u16,
    /// Of which EDNS this is.
    pub version: u8,
    /// Whether it wants signatures, which is to be given back (RFC 3225).
    pub wants_signatures: bool,
}

/// A name that is asked for, in lower case and as a message has it: each label behind its length, and a zero.
#[derive(Clone, Debug)]
pub struct Asked {
    bytes: [u8; LONGEST_NAME],
    length: usize,
}

impl Asked {
    /// The whole.
    pub fn wire(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Its labels, without the empty one at its end.
    pub fn labels(&self) -> Labels<'_> {
        Labels(self.wire())
    }
}

/// Labels that follow each other.
#[derive(Clone, Debug)]
pub struct Labels<'a>(pub &'a [u8]);

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first().filter(|(length, _)| **length > 0)?;
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        self.0 = rest;
        Some(label)
    }
}

/// The question of a message that is longer than its header; none where it has several or cannot be read (RFC 9619).
pub fn read(message: &[u8]) -> Option<Question<'_>> {
    let (header, body) = message.split_first_chunk::<HEADER>()?;
    let (_, mut counts) = header.split_at_checked(HEADER - 8)?;
    let [questions, answers] = [number(&mut counts)?, number(&mut counts)?];
    let [authorities, additionals] = [number(&mut counts)?, number(&mut counts)?];
    // A question for a transfer brings an authority (RFC 1995).
    if questions != 1 || answers != 0 || authorities > 1 || additionals > MOST_ADDITIONAL {
        return None;
    }
    let mut rest = body;
    let name = name(&mut rest)?;
    let (kind, class) = (number(&mut rest)?, number(&mut rest)?);
    let section = body.get(..body.len() - rest.len())?;
    for _ in 0..authorities {
        record(&mut rest)?;
    }
    let mut edns = None;
    for _ in 0..additionals {
        let found = record(&mut rest)?;
        if found.is_some() && edns.is_some() {
            return None;
        }
        edns = edns.or(found);
    }
    Some(Question { section, name, kind, class, edns })
}

fn number(rest: &mut &[u8]) -> Option<u16> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u16::from_be_bytes(*bytes))
}

/// The name of a question. There is nothing before it that it could point to.
fn name(rest: &mut &[u8]) -> Option<Asked> {
    let mut length = 0;
    loop {
        let label = *rest.get(length)?;
        length += 1 + usize::from(label);
        if label > LONGEST_LABEL || length > LONGEST_NAME {
            return None;
        }
        if label == 0 {
            break;
        }
    }
    let (name, behind) = rest.split_at_checked(length)?;
    let mut bytes = [0; LONGEST_NAME];
    // Lengths are below the letters, so they stay as they are.
    for (lower, byte) in bytes.iter_mut().zip(name) {
        *lower = byte.to_ascii_lowercase();
    }
    *rest = behind;
    Some(Asked { bytes, length })
}

/// Reads over a record; what it says where it is EDNS.
#[expect(clippy::option_option, reason = "unreadable is another thing than no EDNS")]
fn record(rest: &mut &[u8]) -> Option<Option<Edns>> {
    let is_root = rest.first() == Some(&0);
    loop {
        let (label, behind) = rest.split_first()?;
        *rest = behind;
        match *label {
            0 => break,
            POINTER.. => {
                *rest = rest.get(1..)?;
                break;
            }
            1..=LONGEST_LABEL => *rest = rest.get(usize::from(*label)..)?,
            _ => return None,
        }
    }
    let (kind, payload) = (number(rest)?, number(rest)?);
    let (upper, flags) = (number(rest)?, number(rest)?);
    let length = usize::from(number(rest)?);
    *rest = rest.get(length..)?;
    let [_, version] = upper.to_be_bytes();
    let edns = Edns { payload, version, wants_signatures: flags & 0x8000 != 0 };
    Some((kind == kind::OPT && is_root).then_some(edns))
}
