//! The address of an interface, asked of the kernel by netlink (rtnetlink(7)). What it is for is not known here.
//!
//! The kernel is asked because no file tells it where the process may not see `/proc/net`, and because the way that a
//! packet would take says nothing of an interface that is not up yet.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use rustix::fd::AsFd;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice, recv, send, socket_with};
use thiserror::Error;

/// `RTM_GETADDR`, `RTM_NEWADDR`: rtnetlink's question and answer about addresses.
const GET_ADDRESS: u16 = 22;
const NEW_ADDRESS: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`: all of them.
const ALL: u16 = 0x301;
/// `NLMSG_ERROR`, `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `AF_INET`, `IFA_LOCAL`.
const INET: u8 = 2;
const LOCAL: u16 = 2;
/// Of `struct nlmsghdr`, `struct ifaddrmsg`, `struct rtattr`.
const HEAD: usize = 16;
const ADDRESS_HEAD: usize = 8;
const ATTRIBUTE_HEAD: usize = 4;

/// Why the address is not known.
#[derive(Debug, Error)]
pub enum AddressError {
    /// There is no such interface.
    #[error("there is no interface `{name}`")]
    Interface {
        /// Its name.
        name: String,
        /// The system's words.
        source: io::Error,
    },
    /// The kernel does not tell.
    #[error("cannot ask the kernel for the addresses of `{name}`")]
    Kernel {
        /// The interface.
        name: String,
        /// The system's words.
        source: io::Error,
    },
    /// It has none of the stack's.
    #[error("the interface `{name}` has no address in {}", join(networks))]
    None {
        /// The interface.
        name: String,
        /// The stack's networks.
        networks: Vec<IpNet>,
    },
}

impl AddressError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Interface { .. } => {
                Some("`bridge` in agent.json names the bridge that the containers are on".to_owned())
            }
            Self::Kernel { .. } => {
                Some("the process has to be allowed netlink sockets (`RestrictAddressFamilies=AF_NETLINK`)".to_owned())
            }
            Self::None { name, .. } => Some(format!("`ip address show {name}` tells whether it has one yet")),
        }
    }
}

/// The first IPv4 address of an interface that is in one of these networks.
pub(super) fn of_interface(name: &str, networks: &[IpNet]) -> Result<IpAddr, AddressError> {
    let kernel = |source: io::Error| AddressError::Kernel { name: name.to_owned(), source };
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .map_err(|error| kernel(error.into()))?;
    let index = netdevice::name_to_index(&socket, name)
        .map_err(|error| AddressError::Interface { name: name.to_owned(), source: error.into() })?;
    let found = addresses(&socket, index).map_err(kernel)?;
    let fits = |address: &IpAddr| networks.iter().any(|network| network.contains(address));
    let none = || AddressError::None { name: name.to_owned(), networks: networks.to_vec() };
    found.into_iter().map(IpAddr::from).find(fits).ok_or_else(none)
}

fn addresses(socket: &impl AsFd, index: u32) -> io::Result<Vec<Ipv4Addr>> {
    send(socket, &question(), SendFlags::empty())?;
    let mut found = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let (length, _) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let Some((kind, body, after)) = message(rest) {
            match kind {
                DONE => return Ok(found),
                ERROR => return Err(io::Error::other("the kernel refuses to list addresses")),
                NEW_ADDRESS => found.extend(local_address(body, index)),
                _ => {}
            }
            rest = after;
        }
    }
}

fn question() -> Vec<u8> {
    let length = u32::try_from(HEAD + ADDRESS_HEAD).unwrap_or_default();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(GET_ADDRESS.to_ne_bytes());
    bytes.extend(ALL.to_ne_bytes());
    // Number and sender, which one question does not need.
    bytes.extend([0; 8]);
    bytes.extend([INET, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// The first message: its kind, its content, and what comes after it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(HEAD..length)?;
    Some((kind, body, bytes.get(aligned(length)..).unwrap_or_default()))
}

/// The address in an answer, where it is one of this interface.
fn local_address(body: &[u8], index: u32) -> Option<Ipv4Addr> {
    let of = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
    if *body.first()? != INET || of != index {
        return None;
    }
    let mut rest = body.get(ADDRESS_HEAD..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(ATTRIBUTE_HEAD..length)?;
        if kind == LOCAL {
            return Some(Ipv4Addr::from(*value.first_chunk::<4>()?));
        }
        rest = rest.get(aligned(length)..)?;
    }
}

/// Messages and attributes begin at multiples of four.
const fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn join(networks: &[IpNet]) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_its_address() {
        let networks = |text: &str| vec![text.parse().unwrap()];
        assert_eq!(of_interface("lo", &networks("127.0.0.0/8")).unwrap(), IpAddr::from([127, 0, 0, 1]));
        let none = of_interface("lo", &networks("192.0.2.0/24")).unwrap_err();
        assert_eq!(none.to_string(), "the interface `lo` has no address in 192.0.2.0/24");
        let nowhere = of_interface("no-such", &networks("127.0.0.0/8")).unwrap_err();
        assert_eq!(nowhere.to_string(), "there is no interface `no-such`");
        assert!(nowhere.hint().is_some());
    }

    #[test]
    fn messages_that_are_cut_are_no_messages() {
        let whole = question();
        for length in 0..whole.len() {
            assert_eq!(message(&whole[..length]), None);
        }
        assert!(message(&whole).is_some());
        // A length of nothing would be read for ever.
        assert_eq!(message(&[0; 32]), None);
        assert_eq!(local_address(&[INET, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], u32::from_ne_bytes([1, 0, 0, 0])), None);
    }
}
