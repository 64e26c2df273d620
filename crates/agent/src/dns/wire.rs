//! From the bytes of a question to the bytes of its answer.
//!
//! | what comes | what goes |
//! |---|---|
//! | less than a header, or an answer | nothing, so that two servers never talk to each other |
//! | another operation than a query | NOTIMP |
//! | no question, or several (RFC 9619), or what cannot be read | FORMERR |
//! | EDNS of another version than 0 | BADVERS |
//! | another class than IN, a name outside, a transfer | REFUSED |
//! | a name in the zone | its records, or the SOA: NXDOMAIN, or NOERROR for a name without such records |
//!
//! The question is given back as it came, letter by letter: resolvers that mix upper and lower case at random look for it.

use rand::Rng;

use super::answer::{Answer, answer};
use super::numbers::{Code, INTERNET};
use super::question::{self, HEADER};
use super::reply::{self, LARGEST_DATAGRAM};
use super::zone::Zone;
use crate::catalogue::View;

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// In a datagram; the answer has to fit into one.
    Udp,
    /// On a connection.
    Tcp,
}

/// What fits into a datagram for those who say nothing (RFC 1035 2.3.4), in bytes.
const LARGEST_PLAIN: u16 = 512;
/// The bit of a header's third byte that marks an answer.
const IS_ANSWER: u8 = 0x80;

/// Answers a message. `reply` becomes the bytes of the answer, whose code is returned; some messages have none, and it is
/// left empty.
pub fn respond(
    zone: &Zone,
    view: &View,
    request: &[u8],
    carrier: Carrier,
    dice: &mut impl Rng,
    reply: &mut Vec<u8>,
) -> Option<Code> {
    reply.clear();
    let header = request.first_chunk::<HEADER>()?;
    let [_, _, flags, ..] = header;
    if flags & IS_ANSWER != 0 {
        return None;
    }
    let read = if (flags >> 3) & 0x0f != 0 { Err(Code::NotImp) } else { question::read(request).ok_or(Code::FormErr) };
    let question = match read {
        Ok(question) => question,
        Err(code) => {
            reply::write_bare(header, code, reply);
            return Some(code);
        }
    };
    let answer = match question.edns {
        Some(edns) if edns.version > 0 => Answer::only(Code::BadVers),
        _ if question.class != INTERNET => Answer::only(Code::Refused),
        _ => answer(zone, view, &question.name, question.kind, dice),
    };
    let limit = match (carrier, question.edns) {
        (Carrier::Tcp, _) => u16::MAX,
        (Carrier::Udp, Some(edns)) => edns.payload.clamp(LARGEST_PLAIN, LARGEST_DATAGRAM),
        (Carrier::Udp, None) => LARGEST_PLAIN,
    };
    reply::write(zone, view, header, &question, &answer, limit, reply);
    Some(answer.code)
}
