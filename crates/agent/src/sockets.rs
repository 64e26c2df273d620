//! Sockets that outlive a run of the agent. systemd keeps them while the agent is restarted (its file descriptor store,
//! systemd.service(5)), so that whoever asks meanwhile waits at the socket, and the next run answers.
//!
//! Where nobody keeps sockets, each run binds its own.

use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};

use listenfd::ListenFd;
use rustix::net::sockopt::set_socket_reuseport;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// What an earlier run has left, and what of it and beside it this run has taken.
#[derive(Debug, Default)]
pub struct Sockets {
    datagrams: Vec<net::UdpSocket>,
    listeners: Vec<net::TcpListener>,
    taken: Vec<OwnedFd>,
}

impl Sockets {
    /// Those that whoever started this process hands over, as sd_listen_fds(3) says. Taken once, before anything else
    /// runs: the variables that tell of them are taken out of the environment, so that no child believes they are its own.
    pub fn handed_over() -> Self {
        let mut handed = ListenFd::from_env();
        let mut sockets = Self::default();
        for place in 0..handed.len() {
            // What is neither stays where it is, and is nobody's.
            if let Ok(Some(listener)) = handed.take_tcp_listener(place) {
                sockets.listeners.push(listener);
            } else if let Ok(Some(datagrams)) = handed.take_udp_socket(place) {
                sockets.datagrams.push(datagrams);
            }
        }
        sockets
    }

    /// The one that takes connections to an address: an earlier run's, or a new one.
    pub fn listener(&mut self, address: SocketAddr) -> io::Result<TcpListener> {
        let listens_there = |listener: &mut net::TcpListener| is_at(listener.local_addr(), address);
        let listener = match self.listeners.extract_if(.., listens_there).next() {
            Some(kept) => {
                kept.set_nonblocking(true)?;
                TcpListener::from_std(kept)?
            }
            None => listen(address)?,
        };
        self.taken.push(listener.as_fd().try_clone_to_owned()?);
        Ok(listener)
    }

    /// Those for the datagrams to an address, among which the kernel divides them: all of an earlier run's, for each has
    /// its share whether it is read or not, and new ones until they are as many as wanted.
    pub fn datagrams(&mut self, address: SocketAddr, wanted: usize) -> io::Result<Vec<UdpSocket>> {
        let receives_there = |socket: &mut net::UdpSocket| is_at(socket.local_addr(), address);
        let mut sockets: Vec<net::UdpSocket> = self.datagrams.extract_if(.., receives_there).collect();
        while sockets.len() < wanted {
            sockets.push(sharing(address)?);
        }
        for socket in &sockets {
            socket.set_nonblocking(true)?;
            self.taken.push(socket.try_clone()?.into());
        }
        sockets.into_iter().map(UdpSocket::from_std).collect()
    }

    /// What is to be kept for the next run: all that were taken. Those that nobody wanted are closed.
    pub fn to_keep(self) -> Vec<OwnedFd> {
        self.taken
    }
}

fn is_at(local: io::Result<SocketAddr>, address: SocketAddr) -> bool {
    local.is_ok_and(|local| local == address)
}

/// A socket for connections, also where those of an earlier run have not wholly ended yet.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A socket for datagrams that has its address together with others of the same user.
fn sharing(address: SocketAddr) -> io::Result<net::UdpSocket> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    set_socket_reuseport(&socket, true)?;
    bind(&socket, &address)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one run hands to the next, without systemd between them.
    fn next_run(kept: Vec<OwnedFd>) -> Sockets {
        let mut sockets = Sockets::default();
        for socket in kept {
            if rustix::net::sockopt::socket_type(&socket).unwrap() == SocketType::DGRAM {
                sockets.datagrams.push(socket.into());
            } else {
                sockets.listeners.push(socket.into());
            }
        }
        sockets
    }

    #[tokio::test]
    async fn what_is_sent_between_two_runs_is_read_by_the_second() {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut first = Sockets::default();
        let listener = first.listener(free).unwrap();
        let connections = listener.local_addr().unwrap();
        let place = first.datagrams(free, 1).unwrap().remove(0).local_addr().unwrap();
        drop(listener);
        let kept = first.to_keep();

        let asker = UdpSocket::bind(free).await.unwrap();
        asker.send_to(b"a question", place).await.unwrap();
        let waiting = tokio::net::TcpStream::connect(connections).await.unwrap();

        let mut second = next_run(kept);
        let datagrams = second.datagrams(place, 1).unwrap();
        let mut buffer = [0; 64];
        let (length, from) = datagrams[0].recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], from), (b"a question".as_slice(), asker.local_addr().unwrap()));
        let (_, from) = second.listener(connections).unwrap().accept().await.unwrap();
        assert_eq!(from, waiting.local_addr().unwrap());
    }

    #[tokio::test]
    async fn all_sockets_of_an_address_are_read_and_missing_ones_join_them() {
        let place = sharing(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap().local_addr().unwrap();
        let mut first = Sockets::default();
        first.datagrams(place, 3).unwrap();
        let mut second = next_run(first.to_keep());
        assert_eq!(second.datagrams(place, 1).unwrap().len(), 3);
        let mut third = next_run(second.to_keep());
        assert_eq!(third.datagrams(place, 4).unwrap().len(), 4);
        assert_eq!(third.to_keep().len(), 4);
    }

    #[tokio::test]
    async fn what_is_at_another_address_is_closed() {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut first = Sockets::default();
        let old = first.listener(free).unwrap().local_addr().unwrap();
        let mut second = next_run(first.to_keep());
        second.listener(free).unwrap();
        assert_eq!(second.to_keep().len(), 1);
        assert!(tokio::net::TcpStream::connect(old).await.is_err());
    }
}
