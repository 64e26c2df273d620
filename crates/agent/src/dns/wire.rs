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

use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::DNSClass;
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable};
use rand::Rng;

use super::answer::{Answer, answer};
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
/// What fits into a datagram that is not cut anywhere (DNS flag day 2020), in bytes.
const LARGEST_DATAGRAM: u16 = 1232;
/// The length of the header, in bytes.
const HEADER: usize = 12;
/// The bit of a header's third byte that marks an answer.
const IS_ANSWER: u8 = 0x80;
/// The additional records that a question may have: EDNS, a signature, and one to spare.
const MOST_ADDITIONAL: u16 = 3;

/// Answers a message; some are not answered.
pub fn respond(zone: &Zone, view: &View, request: &[u8], carrier: Carrier, dice: &mut impl Rng) -> Option<Vec<u8>> {
    let header: &[u8; HEADER] = request.first_chunk()?;
    let [_, _, flags, _, counts @ ..] = header;
    if flags & IS_ANSWER != 0 {
        return None;
    }
    if (flags >> 3) & 0x0f != u8::from(OpCode::Query) {
        return Some(bare(header, ResponseCode::NotImp));
    }
    if !is_sane(*counts) {
        return Some(bare(header, ResponseCode::FormErr));
    }
    let Ok(request) = Message::from_bytes(request) else {
        return Some(bare(header, ResponseCode::FormErr));
    };
    let Some(question) = request.queries.first() else {
        return Some(bare(header, ResponseCode::FormErr));
    };

    let answer = match &request.edns {
        Some(edns) if edns.version() > 0 => Answer::only(ResponseCode::BADVERS),
        _ if question.query_class != DNSClass::IN => Answer::only(ResponseCode::Refused),
        _ => answer(zone, view, &question.name, question.query_type, dice),
    };
    let limit = match (carrier, &request.edns) {
        (Carrier::Tcp, _) => u16::MAX,
        (Carrier::Udp, Some(edns)) => edns.max_payload().clamp(LARGEST_PLAIN, LARGEST_DATAGRAM),
        (Carrier::Udp, None) => LARGEST_PLAIN,
    };
    Some(fit(reply(&request, answer), limit).unwrap_or_else(|| bare(header, ResponseCode::ServFail)))
}

/// The counts of questions, answers, authorities and additional records. They are looked at before anything is read, so
/// that a header alone reserves no memory. A question for a transfer brings an authority (RFC 1995).
fn is_sane(counts: [u8; HEADER - 4]) -> bool {
    let [questions, answers, authorities, additionals] =
        [[counts[0], counts[1]], [counts[2], counts[3]], [counts[4], counts[5]], [counts[6], counts[7]]]
            .map(u16::from_be_bytes);
    questions == 1 && answers == 0 && authorities <= 1 && additionals <= MOST_ADDITIONAL
}

fn reply(request: &Message, answer: Answer) -> Message {
    let mut reply = Message::response(request.metadata.id, OpCode::Query);
    reply.metadata.recursion_desired = request.metadata.recursion_desired;
    reply.metadata.checking_disabled = request.metadata.checking_disabled;
    reply.metadata.authoritative = matches!(answer.code, ResponseCode::NoError | ResponseCode::NXDomain);
    reply.metadata.response_code = answer.code;
    reply.queries.clone_from(&request.queries);
    reply.answers = answer.answers;
    reply.authorities = answer.authorities;
    reply.additionals = answer.additionals;
    if let Some(asked) = &request.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(LARGEST_DATAGRAM).set_version(0).set_dnssec_ok(asked.flags().dnssec_ok);
        reply.set_edns(edns);
    }
    reply
}

/// The bytes of a reply. Addresses of targets go first where it is too long, since whoever needs them can ask (RFC 2181
/// 9); then the answer as a whole, with the bit that says "ask again by TCP".
fn fit(mut reply: Message, limit: u16) -> Option<Vec<u8>> {
    let fits = |bytes: &Vec<u8>| bytes.len() <= usize::from(limit);
    if let Some(bytes) = reply.to_bytes().ok().filter(fits) {
        return Some(bytes);
    }
    reply.additionals.clear();
    if let Some(bytes) = reply.to_bytes().ok().filter(fits) {
        return Some(bytes);
    }
    reply.answers.clear();
    reply.authorities.clear();
    reply.metadata.truncation = true;
    reply.to_bytes().ok().filter(fits)
}

/// A header alone, for what could not be read any further.
fn bare(request: &[u8; HEADER], code: ResponseCode) -> Vec<u8> {
    let [id_high, id_low, flags, ..] = *request;
    // The operation and "recursion desired" are given back.
    let flags = IS_ANSWER | (flags & 0x79);
    let mut reply = vec![id_high, id_low, flags, code.low()];
    reply.resize(HEADER, 0);
    reply
}
