//! The sockets. What is answered is decided elsewhere.
//!
//! A datagram is answered where it is read: a flood costs what the kernel drops, never memory. An address has a few
//! sockets, among which the kernel divides those who ask, and each has one task: where several wait for the same socket,
//! each datagram wakes them all. Datagrams are read and answered one by one: many at once would spare two calls into
//! the kernel of a sixth of a microsecond each, where an answer costs ten, and would take one more library.
//!
//! Connections take seats at the [`Door`], are served one question after the other, and end when nothing comes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::wire::{Carrier, respond};
use super::zone::Zone;
use crate::catalogue::View;
use crate::counts::Counts;
use crate::door::{Door, Seat};
use crate::sockets::Sockets;

/// How long a connection may wait between two questions, and for one to come or go whole.
const PATIENCE: Duration = Duration::from_secs(10);
/// A pause after an error of a socket, such as too many open files, so that it does not become a busy loop.
const PAUSE: Duration = Duration::from_millis(20);
/// The most sockets for the datagrams to one address. One answers a hundred thousand questions a second.
const MOST_SOCKETS: usize = 4;
/// The datagrams that are answered from one view at most. It is taken once for all that are there, and not held by who
/// waits for more.
const MOST_AT_ONCE: usize = 64;
/// The longest question that is read, in bytes. Ours fit into a tenth of it.
const LONGEST_QUESTION: usize = 4096;
/// The questions of one connection; then it has to come in again, and wait for a seat like all others.
const MOST_QUESTIONS: usize = 1000;

/// Sockets that are bound, and not served yet.
#[derive(Debug)]
pub struct Server {
    datagrams: Vec<UdpSocket>,
    connections: Vec<TcpListener>,
}

/// Why it cannot listen.
#[derive(Debug, Error)]
#[error("cannot listen for DNS on `{address}`")]
pub struct BindError {
    /// Where.
    pub address: SocketAddr,
    source: io::Error,
}

impl BindError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self.source.kind() {
            io::ErrorKind::PermissionDenied => {
                Some("ports below 1024 need the capability CAP_NET_BIND_SERVICE".to_owned())
            }
            io::ErrorKind::AddrInUse => Some(format!("`ss -lnp sport = :{}` shows who has it", self.address.port())),
            _ => None,
        }
    }
}

impl Server {
    /// Listens on all of these addresses, by UDP and TCP. They have to be single ones: a reply leaves from the address
    /// of its socket.
    pub fn bind(addresses: &[SocketAddr], sockets: &mut Sockets) -> Result<Self, BindError> {
        let mut server = Self { datagrams: Vec::new(), connections: Vec::new() };
        let sockets_each = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_SOCKETS);
        for &address in addresses {
            let failed = |source| BindError { address, source };
            // First, since it fails where another process listens already; the others share with whoever wants to.
            server.connections.push(sockets.listener(address).map_err(failed)?);
            server.datagrams.extend(sockets.datagrams(address, sockets_each).map_err(failed)?);
        }
        Ok(server)
    }

    /// Answers until the future is dropped, and counts that. `seed` is where the dice begin.
    pub async fn run(
        self,
        zone: Zone,
        door: Arc<Door>,
        views: watch::Receiver<Arc<View>>,
        counts: Arc<Counts>,
        seed: u64,
    ) {
        let shared = Arc::new(Shared { zone, door, views, counts });
        let mut dice = StdRng::seed_from_u64(seed);
        let mut tasks = JoinSet::new();
        for socket in self.datagrams {
            tasks.spawn(answer_datagrams(socket, Arc::clone(&shared), StdRng::from_rng(&mut dice)));
        }
        for listener in self.connections {
            tasks.spawn(accept(listener, Arc::clone(&shared), StdRng::from_rng(&mut dice)));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task that answers DNS has ended");
            }
        }
    }
}

struct Shared {
    zone: Zone,
    door: Arc<Door>,
    views: watch::Receiver<Arc<View>>,
    counts: Arc<Counts>,
}

impl Shared {
    fn view(&self) -> Arc<View> {
        Arc::clone(&self.views.borrow())
    }

    /// Writes the answer to a message and counts it; tells whether there is one.
    fn respond(&self, view: &View, request: &[u8], carrier: Carrier, dice: &mut StdRng, reply: &mut Vec<u8>) -> bool {
        let code = respond(&self.zone, view, request, carrier, dice, reply);
        code.map_or(&self.counts.dns.no_question, |code| self.counts.dns.answers(code)).one();
        code.is_some()
    }
}

async fn answer_datagrams(socket: UdpSocket, shared: Arc<Shared>, mut dice: StdRng) {
    let (mut request, mut reply) = ([0; LONGEST_QUESTION], Vec::new());
    loop {
        let answered = match socket.readable().await {
            Ok(()) => answer_those_there(&socket, &shared, &mut request, &mut reply, &mut dice).await,
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            tracing::debug!(%error, "cannot receive");
            sleep(PAUSE).await;
        }
        // Others have something to do as well.
        yield_now().await;
    }
}

/// Answers the datagrams that are there.
async fn answer_those_there(
    socket: &UdpSocket,
    shared: &Shared,
    request: &mut [u8],
    reply: &mut Vec<u8>,
    dice: &mut StdRng,
) -> io::Result<()> {
    let view = shared.view();
    for _ in 0..MOST_AT_ONCE {
        let (length, from) = match socket.try_recv_from(request) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        };
        if !shared.door.admits(from.ip()) {
            shared.counts.dns.outside.one();
            continue;
        }
        if !shared.respond(&view, request.get(..length).unwrap_or_default(), Carrier::Udp, dice, reply) {
            continue;
        }
        if let Err(error) = socket.send_to(reply, from).await {
            tracing::debug!(%error, %from, "cannot answer");
        }
    }
    Ok(())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut dice: StdRng) {
    let mut served = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = served.join_next() => continue,
        };
        match accepted {
            // Whoever gets no seat is hung up on at once.
            Ok((stream, from)) => {
                if let Some(seat) = shared.door.enter(from.ip()) {
                    served.spawn(answer_connection(stream, seat, Arc::clone(&shared), StdRng::from_rng(&mut dice)));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn answer_connection(mut stream: TcpStream, seat: Seat, shared: Arc<Shared>, mut dice: StdRng) {
    for _ in 0..MOST_QUESTIONS {
        let answered = timeout(PATIENCE, answer_one(&mut stream, &shared, &mut dice)).await;
        if !matches!(answered, Ok(Ok(()))) {
            break;
        }
    }
    drop(seat);
}

/// One question: two bytes of length, and the message (RFC 1035 4.2.2). What is not answered ends the connection.
async fn answer_one(stream: &mut TcpStream, shared: &Shared, dice: &mut StdRng) -> io::Result<()> {
    let length = usize::from(stream.read_u16().await?);
    if length > LONGEST_QUESTION {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut request = vec![0; length];
    stream.read_exact(&mut request).await?;
    let mut reply = Vec::new();
    if !shared.respond(&shared.view(), &request, Carrier::Tcp, dice, &mut reply) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let length = u16::try_from(reply.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    // In one piece: a length alone in a packet waits for the other side's acknowledgement.
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend(reply);
    stream.write_all(&framed).await
}
