//! What a name stands for. No catalogue is asked here: only how names are built.
//!
//! ```text
//!   <zone>                                  the zone itself
//!   hugo.service.<zone>                     the copies of a service
//!   _hugo._tcp.<zone>                       the same, in the form of RFC 2782; also _hugo._tcp.service.<zone>
//!   hugo-0.container.<zone>                 one container
//!   blog.capability.<zone>                  whoever can do something
//!   lxd0.host.<zone>                        a host
//!   11.0.0.10.in-addr.arpa, ….ip6.arpa      an address
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use thiserror::Error;

use super::question::{Asked, Labels};
use crate::catalogue::Name;

/// What the server is authoritative for, and where it stands.
#[derive(Clone, Debug)]
pub struct Zone {
    wire: Vec<u8>,
    here: Name,
    networks: Vec<IpNet>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'q> {
    /// The zone itself.
    Apex,
    /// A name that has no records, and names below it ("empty non-terminal", RFC 8020).
    Branch,
    /// `NAME.service`.
    Service(&'q str),
    /// `_NAME._tcp`.
    ServicePort(&'q str),
    /// `NAME.container`.
    Container(&'q str),
    /// `WORD.capability`.
    Capability(&'q str),
    /// `NAME.host`.
    Host(&'q str),
    /// A reverse name: an address where it is whole, else the network that its labels are.
    Reverse(IpNet),
    /// In the zone, and never anything.
    Nowhere,
    /// Not ours.
    Outside,
}

/// Why a zone cannot be served.
#[derive(Debug, Error)]
pub enum ZoneError {
    /// It is no domain name, or leaves no room for names below it.
    #[error("`{0}` cannot be a DNS zone: it has to be a domain name of at most 100 letters, digits, hyphens and dots")]
    Name(String),
}

/// Two labels of 63 bytes, and the longest word between them and the zone, still fit into a name of 255.
const LONGEST_ZONE: usize = 100;
/// The longest label, in bytes.
const LONGEST_LABEL: usize = 63;
/// No name has more words than this before the zone's.
const MOST_WORDS: usize = 3;
/// What reverse names end in.
const REVERSE_4: &[u8] = b"\x07in-addr\x04arpa\0";
const REVERSE_6: &[u8] = b"\x03ip6\x04arpa\0";

impl Zone {
    /// The zone `domain` (such as `demo.internal`), served on the host `here`. `networks` are those of the stack, whose
    /// reverse names are served too.
    pub fn new(domain: &str, here: Name, networks: Vec<IpNet>) -> Result<Self, ZoneError> {
        let wrong = || ZoneError::Name(domain.to_owned());
        let domain_only = domain.strip_suffix('.').unwrap_or(domain);
        if domain_only.is_empty() || domain_only.len() > LONGEST_ZONE {
            return Err(wrong());
        }
        let mut wire = Vec::new();
        for label in domain_only.split('.') {
            let fits = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            let length = length(label).filter(|_| fits).ok_or_else(wrong)?;
            wire.push(length);
            wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        wire.push(0);
        Ok(Self { wire, here, networks })
    }

    /// The host on which it is served.
    pub fn here(&self) -> &Name {
        &self.here
    }

    /// Its name as a message has it.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// What a name stands for.
    pub fn place<'q>(&self, name: &'q Asked) -> Place<'q> {
        if let Some(own) = before(name.wire(), &self.wire) {
            return within(own);
        }
        reverse(name.wire()).map_or(Place::Outside, Place::Reverse)
    }

    /// The zone that a reverse name is in: the part of it that lies wholly in one of the stack's networks. A network that
    /// does not end where labels do is several zones. It begins so many bytes behind the beginning of the name.
    pub fn reverse_zone(&self, name: &Asked, asked: IpNet) -> Option<usize> {
        let network = self.networks.iter().find(|network| network.contains(&asked))?;
        let bits_each = if asked.addr().is_ipv4() { 8 } else { 4 };
        let labels = usize::from(network.prefix_len().div_ceil(bits_each)) + 2;
        let above = name.labels().count().saturating_sub(labels);
        Some(name.labels().take(above).map(|label| 1 + label.len()).sum())
    }
}

/// The length of a label; none where it cannot be one.
pub fn length(label: &str) -> Option<u8> {
    u8::try_from(label.len()).ok().filter(|length| (1..=LONGEST_LABEL).contains(&usize::from(*length)))
}

/// The labels of a name that stand before this end of it.
fn before<'q>(name: &'q [u8], end: &[u8]) -> Option<Labels<'q>> {
    let own = name.strip_suffix(end)?;
    // What looks like the end may begin within a label.
    let mut whole = Labels(name);
    while whole.0.len() > end.len() {
        whole.next()?;
    }
    (whole.0.len() == end.len()).then_some(Labels(own))
}

/// The words that come before the zone's name.
fn within(labels: Labels<'_>) -> Place<'_> {
    let mut words = [""; MOST_WORDS];
    let mut count = 0;
    for label in labels {
        let (Some(word), Ok(text)) = (words.get_mut(count), std::str::from_utf8(label)) else { return Place::Nowhere };
        *word = text;
        count += 1;
    }
    match words.get(..count).unwrap_or_default() {
        [] => Place::Apex,
        ["service" | "container" | "capability" | "host" | "_tcp"] | ["_tcp", "service"] => Place::Branch,
        [service, "_tcp"] | [service, "_tcp", "service"] => {
            service.strip_prefix('_').map_or(Place::Nowhere, Place::ServicePort)
        }
        [name, "service"] => Place::Service(name),
        [name, "container"] => Place::Container(name),
        [word, "capability"] => Place::Capability(word),
        [name, "host"] => Place::Host(name),
        _ => Place::Nowhere,
    }
}

/// The address or network of a reverse name (RFC 1035 3.5, RFC 3596 2.5).
fn reverse(name: &[u8]) -> Option<IpNet> {
    if let Some(parts) = before(name, REVERSE_4) {
        let mut octets = [0; 4];
        let count = fill(&mut octets, parts, octet)?;
        return network(Ipv4Addr::from(octets).into(), count * 8);
    }
    let parts = before(name, REVERSE_6)?;
    let mut nibbles = [0; 32];
    let count = fill(&mut nibbles, parts, nibble)?;
    let whole = nibbles.iter().fold(0_u128, |whole, nibble| (whole << 4) | u128::from(*nibble));
    network(Ipv6Addr::from(whole).into(), count * 4)
}

fn network(address: IpAddr, bits: usize) -> Option<IpNet> {
    IpNet::new(address, u8::try_from(bits).ok()?).ok()
}

/// Reads the parts from the last to the first; how many there are.
fn fill(values: &mut [u8], parts: Labels<'_>, read: fn(&str) -> Option<u8>) -> Option<usize> {
    let count = parts.clone().count();
    let values = values.get_mut(..count)?;
    for (value, part) in values.iter_mut().rev().zip(parts) {
        *value = read(std::str::from_utf8(part).ok()?)?;
    }
    Some(count)
}

fn octet(text: &str) -> Option<u8> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical)
}

fn nibble(text: &str) -> Option<u8> {
    let hexadecimal = text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u8::from_str_radix(text, 16).ok().filter(|_| hexadecimal)
}
