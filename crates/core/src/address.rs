//! Addresses as a stack uses them: ranges of IPv4 addresses and Ethernet addresses.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An inclusive range of IPv4 addresses, written `192.168.0.100-192.168.0.199`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

/// Why a text is not an [`AddressRange`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Not two addresses with a `-` between them.
    #[error("`{0}` is not a range of IPv4 addresses such as `192.168.0.100-192.168.0.199`")]
    Form(String),
    /// The last address lies before the first one.
    #[error("the range `{0}` ends before it begins")]
    Backwards(String),
}

impl AddressRange {
    /// The range from `first` to `last`, both included; `None` when it would end before it begins.
    pub fn new(first: Ipv4Addr, last: Ipv4Addr) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The lowest address of the range.
    pub fn first(self) -> Ipv4Addr {
        self.first
    }

    /// The highest address of the range.
    pub fn last(self) -> Ipv4Addr {
        self.last
    }

    /// Whether `address` lies in the range.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// How many addresses the range holds; a range is never empty.
    pub fn size(self) -> u64 {
        u64::from(u32::from(self.last)) - u64::from(u32::from(self.first)) + 1
    }

    /// Every address of the range, ascending.
    pub fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        (u32::from(self.first)..=u32::from(self.last)).map(Ipv4Addr::from)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for AddressRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || RangeError::Form(text.to_owned());
        let (first, last) = text.split_once('-').ok_or_else(form)?;
        let first = first.trim().parse().map_err(|_| form())?;
        let last = last.trim().parse().map_err(|_| form())?;
        Self::new(first, last).ok_or_else(|| RangeError::Backwards(text.to_owned()))
    }
}

/// An Ethernet address, printed in lower case with colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mac([u8; 6]);

impl Mac {
    /// The address of a container's NIC. The prefix is the one that LXC gives to containers; the rest follows from
    /// the stack and the container's name, so that it is known before anything exists and is the same on every run.
    pub fn of_container(stack: &str, container: &str) -> Self {
        Self::derived([0x00, 0x16, 0x3e], &["container", stack, container])
    }

    /// The address of a host's Neutron port, with Neutron's own default prefix (`base_mac`).
    pub fn of_host(stack: &str, host: &str) -> Self {
        Self::derived([0xfa, 0x16, 0x3e], &["host", stack, host])
    }

    fn derived(prefix: [u8; 3], parts: &[&str]) -> Self {
        let digest = Sha256::digest(parts.join("\0").as_bytes());
        Self([prefix[0], prefix[1], prefix[2], digest[0], digest[1], digest[2]])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, byte) in self.0.iter().enumerate() {
            let colon = if number == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

/// A text that is not an Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an Ethernet address such as `00:16:3e:91:2c:9c`")]
pub struct MacError(String);

impl TryFrom<String> for Mac {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || MacError(text.to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        if parts.next().is_some() { Err(wrong()) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_range_reads_as_it_prints_and_refuses_nonsense() {
        let range: AddressRange = "192.168.0.100-192.168.0.199".parse().unwrap();
        assert_eq!(range.to_string(), "192.168.0.100-192.168.0.199");
        assert_eq!(range.size(), 100);
        assert!(range.contains("192.168.0.150".parse().unwrap()));
        assert!(!range.contains("192.168.0.200".parse().unwrap()));
        assert_eq!(
            "10.0.0.2-10.0.0.1".parse::<AddressRange>(),
            Err(RangeError::Backwards("10.0.0.2-10.0.0.1".to_owned()))
        );
        assert!("10.0.0.1".parse::<AddressRange>().is_err());
    }

    #[test]
    fn the_whole_address_space_is_a_range_that_can_be_counted() {
        let all: AddressRange = "0.0.0.0-255.255.255.255".parse().unwrap();
        assert_eq!(all.size(), 1 << 32);
    }

    #[test]
    fn macs_of_two_stacks_or_two_containers_differ_and_stay_the_same() {
        let mac = Mac::of_container("blog", "hugo-0");
        assert_eq!(mac, Mac::of_container("blog", "hugo-0"));
        assert_ne!(mac, Mac::of_container("blog", "hugo-1"));
        assert_ne!(mac, Mac::of_container("shop", "hugo-0"));
        assert!(mac.to_string().starts_with("00:16:3e:"));
        assert_eq!(mac.to_string().parse::<Mac>().unwrap(), mac);
        assert!("00:16:3e:91:2c".parse::<Mac>().is_err());
        assert!("00:16:3e:91:2c:9c:00".parse::<Mac>().is_err());
    }
}
