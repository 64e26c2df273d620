//! The client's side: asking an agent, ours or Serf's own.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::reply::{self, Expected};
use super::request::{self, Secret};
use super::{Body, Reply, Request, VERSION};
use crate::wire;

/// How long connecting and the handshake may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How many records of streams are kept while an answer is waited for.
const RECORDS_MAX: usize = 4096;

/// A connection to an agent. One thing is asked at a time; streams go on beside it.
#[derive(Debug)]
pub struct Client {
    agent: SocketAddr,
    stream: TcpStream,
    bytes: BytesMut,
    sequence: u64,
    /// What the replies to each open request have.
    open: BTreeMap<u64, Open>,
    /// Records that came while something else was waited for.
    records: VecDeque<(u64, Body)>,
    missed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    first: Option<Expected>,
    further: Option<Expected>,
}

/// Why an agent did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there, or the connection broke.
    #[error("cannot {what} the agent at {agent}")]
    Connection {
        /// What was tried.
        what: &'static str,
        /// Where.
        agent: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// What came is not the protocol.
    #[error("the agent at {agent} does not speak Serf's RPC protocol")]
    Protocol {
        /// Which.
        agent: SocketAddr,
        /// What was wrong.
        source: wire::Error,
    },
    /// The agent says no.
    #[error("the agent at {agent} refused `{command}`: {reason}")]
    Refused {
        /// Which.
        agent: SocketAddr,
        /// What it was asked.
        command: &'static str,
        /// Its words.
        reason: String,
        /// What it tells all the same: which members could not, for instance.
        body: Option<Box<Body>>,
    },
    /// The agent has ended.
    #[error("the agent at {agent} has closed the connection")]
    Closed {
        /// Which.
        agent: SocketAddr,
    },
}

impl ClientError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connection { what: "reach", agent, .. } => Some(format!(
                "`pontoon ring agent --rpc {agent}` and `serf agent -rpc-addr={agent}` start an agent that listens there"
            )),
            Self::Refused { reason, .. } if reason == super::AUTHENTICATION_REQUIRED => {
                Some("the agent wants a key from its clients: --rpc-auth-file FILE".to_owned())
            }
            _ => None,
        }
    }
}

impl Client {
    /// Connects, shakes hands, and brings the key where there is one.
    pub async fn connect(agent: SocketAddr, auth_key: Option<&str>) -> Result<Self, ClientError> {
        let reach = |source| ClientError::Connection { what: "reach", agent, source };
        let late = || reach(io::Error::from(io::ErrorKind::TimedOut));
        let stream = timeout(CONNECT_LIMIT, TcpStream::connect(agent)).await.map_err(|_| late())?.map_err(reach)?;
        let _ = stream.set_nodelay(true);
        let mut client = Self {
            agent,
            stream,
            bytes: BytesMut::new(),
            sequence: 0,
            open: BTreeMap::new(),
            records: VecDeque::new(),
            missed: 0,
        };
        let greetings = async {
            client.call(Request::Handshake { version: VERSION }).await?;
            match auth_key {
                Some(key) => client.call(Request::Auth(Secret(key.to_owned()))).await.map(|_| ()),
                None => Ok(()),
            }
        };
        timeout(CONNECT_LIMIT, greetings).await.map_err(|_| late())??;
        Ok(client)
    }

    /// Asks, and waits for the answer. Of a stream, a query or a log this is that it has begun; what it tells comes by
    /// [`record`](Self::record), under the number that is returned.
    pub async fn call(&mut self, request: Request) -> Result<(u64, Option<Body>), ClientError> {
        let sequence = self.sequence;
        self.sequence += 1;
        let command = request.command();
        self.open
            .insert(sequence, Open { first: Some(Expected::first(&request)), further: Expected::further(&request) });
        self.stream
            .write_all(&request::encode(sequence, &request))
            .await
            .map_err(|source| ClientError::Connection { what: "ask", agent: self.agent, source })?;
        loop {
            let reply = self.receive().await?;
            if reply.sequence != sequence {
                self.keep(reply);
            } else if reply.error.is_empty() {
                return Ok((sequence, reply.body));
            } else {
                self.open.remove(&sequence);
                let body = reply.body.map(Box::new);
                return Err(ClientError::Refused { agent: self.agent, command, reason: reply.error, body });
            }
        }
    }

    /// The next record of a stream, a query or a log, and the number of the request that began it. May be dropped while
    /// it waits, without losing anything.
    pub async fn record(&mut self) -> Result<(u64, Body), ClientError> {
        loop {
            if let Some(record) = self.records.pop_front() {
                return Ok(record);
            }
            let reply = self.receive().await?;
            self.keep(reply);
        }
    }

    /// How many records were lost because nobody took them.
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    fn keep(&mut self, reply: Reply) {
        if let Some(body) = reply.body {
            if self.records.len() >= RECORDS_MAX {
                self.records.pop_front();
                self.missed += 1;
            }
            self.records.push_back((reply.sequence, body));
        }
    }

    async fn receive(&mut self) -> Result<Reply, ClientError> {
        loop {
            let open = &self.open;
            let expected = |sequence| match open.get(&sequence) {
                Some(Open { first: Some(expected), .. } | Open { further: Some(expected), .. }) => *expected,
                _ => Expected::Nothing,
            };
            match reply::decode(&self.bytes, expected) {
                Ok((reply, length)) => {
                    self.bytes.advance(length);
                    self.heard(reply.sequence);
                    return Ok(reply);
                }
                Err(wire::Error::Truncated(_)) if self.bytes.len() < reply::MAX_BYTES => {
                    // Large answers are looked at again and again, so let them come in large pieces.
                    self.bytes.reserve(64 * 1024);
                    match self.stream.read_buf(&mut self.bytes).await {
                        Ok(0) => return Err(ClientError::Closed { agent: self.agent }),
                        Ok(_) => {}
                        Err(source) => {
                            return Err(ClientError::Connection { what: "hear", agent: self.agent, source });
                        }
                    }
                }
                Err(source) => return Err(ClientError::Protocol { agent: self.agent, source }),
            }
        }
    }

    /// The first reply to a request has come, or the only one.
    fn heard(&mut self, sequence: u64) {
        if let Some(open) = self.open.get_mut(&sequence) {
            open.first = None;
            if open.further.is_none() {
                self.open.remove(&sequence);
            }
        }
    }
}
