//! One address, for datagrams and for streams.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, UdpSocket};

/// How often another free port is tried, where any will do: one that is free for streams may be taken for datagrams.
const ATTEMPTS: u32 = 16;

/// Both sockets of a member.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) datagrams: UdpSocket,
    pub(super) streams: TcpListener,
    pub(super) address: SocketAddr,
}

impl Sockets {
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            let streams = TcpListener::bind(address).await?;
            let address_of_both = streams.local_addr()?;
            match UdpSocket::bind(address_of_both).await {
                Ok(datagrams) => return Ok(Self { datagrams, streams, address: address_of_both }),
                Err(error) if address.port() != 0 || attempt == ATTEMPTS => return Err(error),
                Err(_) => attempt += 1,
            }
        }
    }
}
