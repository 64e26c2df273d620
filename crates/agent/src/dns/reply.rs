//! The bytes of an answer, written once and in order. Nothing is decided here but what has to be left out for want of
//! room.
//!
//! ```text
//!   header │ question, as it came │ records, or the zone's SOA │ addresses of targets │ EDNS
//! ```
//!
//! Records point to the name in the question; names in the zone point to where the zone's name already stands. Targets
//! of SRV are written out (RFC 2782), and their addresses point to them.

use std::fmt::Arguments;
use std::io::Write as _;
use std::net::IpAddr;

use super::answer::{Answer, Data, Named, Start, TTL_NOTHING, start, texts};
use super::few::Few;
use super::numbers::{Code, INTERNET, kind};
use super::question::{HEADER, Question};
use super::zone::{self, Zone};
use crate::catalogue::View;

/// What fits into a datagram that is not cut anywhere (DNS flag day 2020), in bytes.
pub const LARGEST_DATAGRAM: u16 = 1232;
/// The length of EDNS, in bytes.
const EDNS: usize = 11;
/// The longest string of TXT, in bytes (RFC 1035 3.3).
const LONGEST_STRING: usize = 255;
/// A pointer has this in its two upper bits, and reaches as far as the others can say.
const POINTER: u16 = 0xc000;
/// Bits of a header: an answer; from who is responsible; cut; asked to look further; asked not to check.
const IS_ANSWER: u8 = 0x80;
const AUTHORITATIVE: u8 = 0x04;
const TRUNCATED: u8 = 0x02;
const RECURSION_DESIRED: u8 = 0x01;
const CHECKING_DISABLED: u8 = 0x10;

/// Writes an answer of at most `limit` bytes. Addresses of targets go first where it is too long, since whoever needs them
/// can ask (RFC 2181 9); then the answer as a whole, with the bit that says "ask again by TCP".
pub fn write(
    zone: &Zone,
    view: &View,
    header: &[u8; HEADER],
    question: &Question<'_>,
    answer: &Answer<'_>,
    limit: u16,
    reply: &mut Vec<u8>,
) {
    let room = usize::from(limit) - if question.edns.is_some() { EDNS } else { 0 };
    reply.extend_from_slice(&[0; HEADER]);
    reply.extend_from_slice(question.section);
    let question_end = reply.len();
    let mut writer = Writer { reply, zone, zone_at: None, targets: Few::default() };
    let mut counts = [1, 0, 0, 0];
    if let Some(at) = answer.zone_at.filter(|at| question.name.wire().get(*at..) == Some(zone.wire())) {
        writer.zone_at = pointer(HEADER + at);
    }
    for data in answer.data.iter() {
        counts[1] += 1;
        writer.record(HEADER, answer.seconds, data);
    }
    if let Some(at) = answer.zone_at.filter(|_| answer.data.is_empty()) {
        counts[2] = 1;
        writer.record(HEADER + at, TTL_NOTHING, &Data::Zone(start(zone, view)));
    }
    let answer_end = writer.reply.len();
    if answer_end <= room {
        counts[3] = writer.addresses(answer);
    }
    if writer.reply.len() > room {
        writer.reply.truncate(answer_end);
        counts[3] = 0;
    }
    let truncated = writer.reply.len() > room;
    if truncated {
        writer.reply.truncate(question_end);
        counts = [1, 0, 0, 0];
    }
    if let Some(asked) = question.edns {
        counts[3] += 1;
        let flags = if asked.wants_signatures { 0x80 } else { 0 };
        let [high, low] = LARGEST_DATAGRAM.to_be_bytes();
        writer.reply.extend([0, 0, kind::OPT.to_be_bytes()[1], high, low, answer.code.high(), 0, flags, 0, 0, 0]);
    }
    let [id_high, id_low, flags, more_flags, ..] = *header;
    let of_ours = matches!(answer.code, Code::NoError | Code::NxDomain);
    let flags = (flags & RECURSION_DESIRED)
        | IS_ANSWER
        | if of_ours { AUTHORITATIVE } else { 0 }
        | if truncated { TRUNCATED } else { 0 };
    let [q, a, n, r] = counts.map(u16::to_be_bytes);
    let more_flags = (more_flags & CHECKING_DISABLED) | answer.code.low();
    let written = [id_high, id_low, flags, more_flags, q[0], q[1], a[0], a[1], n[0], n[1], r[0], r[1]];
    if let Some(header) = reply.first_chunk_mut() {
        *header = written;
    }
}

/// A header alone, for what could not be read any further. The operation and "recursion desired" are given back.
pub fn write_bare(header: &[u8; HEADER], code: Code, reply: &mut Vec<u8>) {
    let [id_high, id_low, flags, ..] = *header;
    reply.extend([id_high, id_low, IS_ANSWER | (flags & 0x79), code.low()]);
    reply.resize(HEADER, 0);
}

struct Writer<'b> {
    reply: &'b mut Vec<u8>,
    zone: &'b Zone,
    /// A pointer to the zone's name, once it stands somewhere.
    zone_at: Option<u16>,
    /// Pointers to the names that addresses are told of.
    targets: Few<Option<u16>>,
}

impl Writer<'_> {
    fn number(&mut self, number: u16) {
        self.reply.extend_from_slice(&number.to_be_bytes());
    }

    fn long(&mut self, number: u32) {
        self.reply.extend_from_slice(&number.to_be_bytes());
    }

    /// A record of the name that stands at a place of the message.
    fn record(&mut self, name: usize, seconds: u32, data: &Data<'_>) {
        // The question is at the beginning, where a pointer reaches.
        self.number(pointer(name).unwrap_or(POINTER));
        match data {
            Data::Address(address) => self.address(seconds, *address),
            Data::Target { priority, port, name, .. } => self.with_length(kind::SRV, seconds, |writer| {
                let weight = 1;
                for number in [*priority, weight, *port] {
                    writer.number(number);
                }
                let at = pointer(writer.reply.len());
                writer.targets.push(at);
                writer.words(*name);
                let zone = writer.zone;
                writer.reply.extend_from_slice(zone.wire());
            }),
            Data::Server(name, _) => self.with_length(kind::NS, seconds, |writer| {
                let at = pointer(writer.reply.len());
                writer.targets.push(at);
                writer.name(*name);
            }),
            Data::Holder(name) => self.with_length(kind::PTR, seconds, |writer| writer.name(*name)),
            Data::Texts(copy) => self.with_length(kind::TXT, seconds, |writer| {
                texts(copy, |text| writer.string(text));
            }),
            Data::Zone(start) => self.with_length(kind::SOA, seconds, |writer| writer.start(*start)),
        }
    }

    /// The addresses of targets; how many there are.
    fn addresses(&mut self, answer: &Answer<'_>) -> u16 {
        let mut count = 0;
        let targets = self.targets.clone();
        for (data, at) in answer.data.iter().zip(targets.iter()) {
            let (Data::Target { address, .. } | Data::Server(_, Some(address))) = data else { continue };
            if let Some(pointer) = at {
                count += 1;
                self.number(*pointer);
                self.address(answer.seconds, *address);
            }
        }
        count
    }

    fn address(&mut self, seconds: u32, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                self.head(kind::A, seconds, 4);
                self.reply.extend_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                self.head(kind::AAAA, seconds, 16);
                self.reply.extend_from_slice(&address.octets());
            }
        }
    }

    /// What stands between a record's name and its data.
    fn head(&mut self, kind: u16, seconds: u32, length: u16) {
        let [k, kk] = kind.to_be_bytes();
        let [c, cc] = INTERNET.to_be_bytes();
        let [t, tt, ttt, tttt] = seconds.to_be_bytes();
        let [l, ll] = length.to_be_bytes();
        self.reply.extend_from_slice(&[k, kk, c, cc, t, tt, ttt, tttt, l, ll]);
    }

    /// Data whose length is known when it is written. What is longer than a record can be, the message is too short for.
    fn with_length(&mut self, kind: u16, seconds: u32, write: impl FnOnce(&mut Self)) {
        self.head(kind, seconds, 0);
        let begin = self.reply.len();
        write(self);
        let length = u16::try_from(self.reply.len() - begin).unwrap_or(u16::MAX).to_be_bytes();
        if let Some(place) = self.reply.get_mut(begin - length.len()..begin) {
            place.copy_from_slice(&length);
        }
    }

    fn start(&mut self, Start { server, serial }: Start<'_>) {
        const REFRESH: u32 = 60;
        const RETRY: u32 = 10;
        const EXPIRE: u32 = 3600;
        self.name(server);
        self.label("hostmaster");
        self.zone();
        for number in [serial, REFRESH, RETRY, EXPIRE, TTL_NOTHING] {
            self.long(number);
        }
    }

    fn name(&mut self, name: Named<'_>) {
        self.words(name);
        self.zone();
    }

    fn words(&mut self, Named { word, branch }: Named<'_>) {
        self.label(word);
        self.label(branch);
    }

    /// A word that is no label is left out, so that what is written can be read.
    fn label(&mut self, word: &str) {
        if let Some(length) = zone::length(word) {
            self.reply.push(length);
            self.reply.extend_from_slice(word.as_bytes());
        }
    }

    fn zone(&mut self) {
        if let Some(pointer) = self.zone_at {
            self.number(pointer);
        } else {
            self.zone_at = pointer(self.reply.len());
            self.reply.extend_from_slice(self.zone.wire());
        }
    }

    /// A string, cut where it is too long and between two letters.
    fn string(&mut self, text: Arguments<'_>) {
        let begin = self.reply.len();
        self.reply.push(0);
        // Writing to memory does not fail.
        let _ = self.reply.write_fmt(text);
        let written = self.reply.get(begin + 1..).unwrap_or_default();
        let whole = std::str::from_utf8(written).map_or(0, |text| text.floor_char_boundary(LONGEST_STRING));
        self.reply.truncate(begin + 1 + whole);
        if let Some(length) = self.reply.get_mut(begin) {
            *length = u8::try_from(whole).unwrap_or_default();
        }
    }
}

/// A pointer to a place of the message, where it reaches that far.
fn pointer(place: usize) -> Option<u16> {
    u16::try_from(place).ok().filter(|place| *place < 0x4000).map(|place| place | POINTER)
}
