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

use hickory_proto::rr;
use ipnet::IpNet;
use thiserror::Error;

use crate::catalogue::Name;

/// What the server is authoritative for, and where it stands.
#[derive(Clone, Debug)]
pub struct Zone {
    labels: Vec<Vec<u8>>,
    here: Name,
    networks: Vec<IpNet>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The zone itself.
    Apex,
    /// A name that has no records, and names below it ("empty non-terminal", RFC 8020).
    Branch,
    /// `NAME.service`.
    Service(String),
    /// `_NAME._tcp`.
    ServicePort(String),
    /// `NAME.container`.
    Container(String),
    /// `WORD.capability`.
    Capability(String),
    /// `NAME.host`.
    Host(String),
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

impl Zone {
    /// The zone `domain` (such as `demo.internal`), served on the host `here`. `networks` are those of the stack, whose
    /// reverse names are served too.
    pub fn new(domain: &str, here: Name, networks: Vec<IpNet>) -> Result<Self, ZoneError> {
        let wrong = || ZoneError::Name(domain.to_owned());
        let domain_only = domain.strip_suffix('.').unwrap_or(domain);
        if domain_only.is_empty() || domain_only.len() > LONGEST_ZONE {
            return Err(wrong());
        }
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if !domain_only.split('.').all(is_label) {
            return Err(wrong());
        }
        let labels = domain_only.split('.').map(|label| label.to_ascii_lowercase().into_bytes()).collect();
        Ok(Self { labels, here, networks })
    }

    /// The host on which it is served.
    pub fn here(&self) -> &Name {
        &self.here
    }

    /// A name in the zone. There is none where a word is no label.
    pub fn name(&self, words: &[&str]) -> Option<rr::Name> {
        let words = words.iter().map(|word| word.as_bytes());
        rr::Name::from_labels(words.chain(self.labels.iter().map(Vec::as_slice))).ok()
    }

    /// What a name stands for. Case does not matter.
    pub fn place(&self, name: &rr::Name) -> Place {
        let labels: Vec<Vec<u8>> = name.iter().map(<[u8]>::to_ascii_lowercase).collect();
        if let Some(own) = labels.strip_suffix(self.labels.as_slice()) {
            return within(own);
        }
        reverse(&labels).map_or(Place::Outside, Place::Reverse)
    }

    /// The zone that a reverse name is in: the part of it that lies wholly in one of the stack's networks. A network that
    /// does not end where labels do is several zones.
    pub fn reverse_zone(&self, name: &rr::Name, asked: IpNet) -> Option<rr::Name> {
        let network = self.networks.iter().find(|network| network.contains(&asked))?;
        let bits_each = if asked.addr().is_ipv4() { 8 } else { 4 };
        let labels = usize::from(network.prefix_len().div_ceil(bits_each)) + 2;
        Some(name.trim_to(labels))
    }
}

/// The words that come before the zone's name.
fn within(labels: &[Vec<u8>]) -> Place {
    let words: Option<Vec<&str>> = labels.iter().map(|label| std::str::from_utf8(label).ok()).collect();
    match words.as_deref() {
        Some([]) => Place::Apex,
        Some(["service" | "container" | "capability" | "host" | "_tcp"] | ["_tcp", "service"]) => Place::Branch,
        Some([service, "_tcp"] | [service, "_tcp", "service"]) => {
            service.strip_prefix('_').map_or(Place::Nowhere, |name| Place::ServicePort(name.to_owned()))
        }
        Some([name, "service"]) => Place::Service((*name).to_owned()),
        Some([name, "container"]) => Place::Container((*name).to_owned()),
        Some([word, "capability"]) => Place::Capability((*word).to_owned()),
        Some([name, "host"]) => Place::Host((*name).to_owned()),
        _ => Place::Nowhere,
    }
}

/// The address or network of a reverse name (RFC 1035 3.5, RFC 3596 2.5).
fn reverse(labels: &[Vec<u8>]) -> Option<IpNet> {
    let (arpa, rest) = labels.split_last()?;
    let (family, parts) = rest.split_last()?;
    if arpa != b"arpa" {
        return None;
    }
    let (address, bits) = match family.as_slice() {
        b"in-addr" => {
            let mut octets = [0; 4];
            fill(&mut octets, parts, octet)?;
            (IpAddr::V4(Ipv4Addr::from(octets)), parts.len() * 8)
        }
        b"ip6" => {
            let mut nibbles = [0; 32];
            fill(&mut nibbles, parts, nibble)?;
            let whole = nibbles.iter().fold(0_u128, |whole, nibble| (whole << 4) | u128::from(*nibble));
            (IpAddr::V6(Ipv6Addr::from(whole)), parts.len() * 4)
        }
        _ => return None,
    };
    IpNet::new(address, u8::try_from(bits).ok()?).ok()
}

/// Reads the parts from the last to the first.
fn fill(values: &mut [u8], parts: &[Vec<u8>], read: fn(&str) -> Option<u8>) -> Option<()> {
    if parts.len() > values.len() {
        return None;
    }
    for (value, part) in values.iter_mut().zip(parts.iter().rev()) {
        *value = read(std::str::from_utf8(part).ok()?)?;
    }
    Some(())
}

fn octet(text: &str) -> Option<u8> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical)
}

fn nibble(text: &str) -> Option<u8> {
    let hexadecimal = text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u8::from_str_radix(text, 16).ok().filter(|_| hexadecimal)
}
