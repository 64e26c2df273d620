//! Asking a host for its part of the catalogue, and answering: one round trip over a connection, sealed with the keys of
//! the ring.
//!
//! ```text
//!   asker                                                     owner, at the address that the membership gives for it
//!     │ length │ sealed { head: from, to, nonce ─ LF ─ ask }    │
//!     │────────────────────────────────────────────────────────▶│ opens: somebody of the ring asks; `to` is this host
//!     │ length │ sealed { head: from, to, nonce ─ LF ─ answer } │
//!     │◀────────────────────────────────────────────────────────│
//!     opens: the nonce is its own, `from` is whom it asked
//! ```
//!
//! What is sealed says in which direction it goes, so that a question is never taken for an answer, and nothing of the
//! gossip for either. An answer counts for one question: an old one has another nonce. A question that is sent twice by
//! somebody who recorded it costs an answer and tells him nothing, since he cannot open it.
//!
//! Who can seal is a member of the ring, and no member is prevented from claiming another's name: as in the gossip, all
//! that hold a key trust each other. The address is what ties an answer to its owner.

mod frame;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pontoon_ring::driver::Handle;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::catalogue::wire::Ask;
use crate::catalogue::{Name, limits};
use crate::counts::{Counts, Exchange as Exchanged};
use crate::door::{Door, Seat};
use frame::{Direction, Head};

/// How long a connection may take, from its beginning to its end.
const SERVE_LIMIT: Duration = Duration::from_secs(5);
/// The longest question, sealed: two names, a nonce and an ask.
const QUESTION_MAX: usize = 1024;
/// The longest answer, sealed.
const ANSWER_MAX: usize = limits::ANSWER_MAX + QUESTION_MAX;
/// A pause after an error of a socket, such as too many open files, so that it does not become a busy loop.
const PAUSE: Duration = Duration::from_millis(20);

/// Why there is no answer, or none that counts.
#[derive(Debug, Error)]
pub(super) enum ExchangeError {
    #[error("the connection failed")]
    Connection(#[from] std::io::Error),
    #[error("a message of {bytes} bytes, and {most} is the most")]
    TooLong { bytes: usize, most: usize },
    #[error("it is not sealed with a key of this ring")]
    Sealed(#[from] pontoon_ring::wire::Error),
    #[error("it is something else than an exchange")]
    Rubbish,
    #[error("it is for `{0}`")]
    NotForUs(Name),
    #[error("it answers another question, or another host does")]
    NotTheAnswer,
    #[error("the member does not run any more, or has no keys")]
    NoKeys,
    #[error("no answer in {0:?}")]
    Late(Duration),
}

/// A question of another host, and the way back to it. Where that is dropped, the connection ends without an answer.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) host: Name,
    pub(super) ask: Ask,
    pub(super) reply: oneshot::Sender<Bytes>,
}

/// What both sides need to know.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// This host.
    pub(super) name: Name,
    /// The member whose keys seal.
    pub(super) ring: Handle,
    /// Where it is counted.
    pub(super) counts: Arc<Counts>,
}

impl Exchange {
    /// Asks the owner at this address, from `own`, and returns what it answers.
    pub(super) async fn ask(
        &self,
        own: IpAddr,
        owner: Name,
        at: SocketAddr,
        ask: Ask,
        limit: Duration,
    ) -> Result<Bytes, ExchangeError> {
        let asked = timeout(limit, async {
            let stream = connect(own, at).await?;
            self.ask_on(stream, owner, ask).await
        });
        let answer = asked.await.unwrap_or(Err(ExchangeError::Late(limit)));
        let Exchanged { answered, failed, .. } = &self.counts.exchange;
        let count = if answer.is_ok() { answered } else { failed };
        count.one();
        answer
    }

    async fn ask_on(&self, mut stream: TcpStream, owner: Name, ask: Ask) -> Result<Bytes, ExchangeError> {
        let head = Head { from: self.name.clone(), to: owner, nonce: rand::random() };
        let sealed = frame::seal(&self.keys().await?, Direction::Ask, &head, &ask.encode())?;
        self.write(&mut stream, &sealed).await?;
        let answer = self.read(&mut stream, ANSWER_MAX).await?;
        // They may have changed meanwhile, and the owner seals with the newest.
        let (back, answer) = frame::open(&self.keys().await?, Direction::Answer, &answer)?;
        let fits = back.nonce == head.nonce && back.from == head.to && back.to == head.from;
        if fits { Ok(answer) } else { Err(ExchangeError::NotTheAnswer) }
    }

    /// Answers until the future is dropped. Who is not let in by the door is hung up on unheard.
    pub(super) async fn serve(self, listener: TcpListener, door: Arc<Door>, asked: mpsc::Sender<Asked>) {
        let mut served = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = served.join_next() => continue,
            };
            match accepted {
                Ok((stream, from)) => {
                    if let Some(seat) = door.enter(from.ip()) {
                        let (exchange, asked) = (self.clone(), asked.clone());
                        served.spawn(async move { exchange.answer(stream, from, asked, seat).await });
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn answer(&self, stream: TcpStream, from: SocketAddr, asked: mpsc::Sender<Asked>, seat: Seat) {
        let answered = timeout(SERVE_LIMIT, self.answer_on(stream, &asked)).await;
        match answered.unwrap_or(Err(ExchangeError::Late(SERVE_LIMIT))) {
            Ok(true) => self.counts.exchange.served.one(),
            // It asks too often; it will ask again.
            Ok(false) => self.counts.exchange.unserved.one(),
            Err(error) => {
                self.counts.exchange.unserved.one();
                tracing::debug!(%from, error = &error as &dyn std::error::Error, "not answered");
            }
        }
        drop(seat);
    }

    /// Tells whether there was an answer to give.
    async fn answer_on(&self, mut stream: TcpStream, asked: &mpsc::Sender<Asked>) -> Result<bool, ExchangeError> {
        let question = self.read(&mut stream, QUESTION_MAX).await?;
        let (head, ask) = frame::open(&self.keys().await?, Direction::Ask, &question)?;
        if head.to != self.name {
            return Err(ExchangeError::NotForUs(head.to));
        }
        let ask = Ask::decode(&ask).map_err(|_| ExchangeError::Rubbish)?;
        let (reply, answer) = oneshot::channel();
        let question = Asked { host: head.from.clone(), ask, reply };
        asked.send(question).await.map_err(|_| ExchangeError::NoKeys)?;
        let Ok(answer) = answer.await else { return Ok(false) };
        let back = Head { from: self.name.clone(), to: head.from, nonce: head.nonce };
        let sealed = frame::seal(&self.keys().await?, Direction::Answer, &back, &answer)?;
        self.write(&mut stream, &sealed).await?;
        Ok(true)
    }

    async fn read(&self, stream: &mut TcpStream, most: usize) -> Result<Vec<u8>, ExchangeError> {
        let message = frame::read(stream, most).await?;
        self.counts.exchange.received_bytes.add(message.len() as u64);
        Ok(message)
    }

    async fn write(&self, stream: &mut TcpStream, message: &[u8]) -> Result<(), ExchangeError> {
        frame::write(stream, message).await?;
        self.counts.exchange.sent_bytes.add(message.len() as u64);
        Ok(())
    }

    async fn keys(&self) -> Result<pontoon_ring::wire::keyring::Keyring, ExchangeError> {
        self.ring.keyring().await.ok().flatten().ok_or(ExchangeError::NoKeys)
    }
}

/// A connection from this host's own address: it is the one that the other side's door knows.
async fn connect(own: IpAddr, at: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if own.is_ipv4() == at.is_ipv4() {
        socket.bind(SocketAddr::new(own, 0))?;
    }
    socket.connect(at).await
}

#[cfg(test)]
mod tests;
