//! One client: its requests one after the other, and what it listens to beside them.

use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::filter::EventFilter;
use super::{Config, FAREWELL, Level, MAX_STREAMS, QUEUE, ask, stream};
use crate::rpc::reply::{self, Expected};
use crate::rpc::request::{self, Asked};
use crate::rpc::{self, Body, Reply, Request};
use crate::wire;

/// Why a client is served no longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// It has gone.
    #[error("it has gone")]
    Gone,
    /// It sent something else than requests.
    #[error("it sent something else than requests: {0}")]
    Rubbish(wire::Error),
    /// It asked for something that ends a connection, such as a command that nobody knows.
    #[error("it asked for what there is not")]
    Refused,
    /// The member has ended, as this client asked or another one.
    #[error("the member has ended")]
    Member,
}

/// Serves one client until it goes.
pub(super) async fn run(stream: TcpStream, config: &Config) -> Ended {
    // Replies are small, and somebody waits for each.
    let _ = stream.set_nodelay(true);
    let (reading, writing) = stream.into_split();
    let (replies, outbox) = mpsc::channel(QUEUE);
    let mut tasks = JoinSet::new();
    let session = Session {
        config,
        replies,
        version: None,
        is_trusted: config.auth_key.is_none(),
        listening: BTreeMap::new(),
        monitor: None,
        tasks: JoinSet::new(),
    };
    tasks.spawn(write(writing, outbox));
    let ended = session.run(reading).await;
    // What was answered last is still to go out. With the session all senders have gone, so the writer ends.
    let _ = tokio::time::timeout(FAREWELL, tasks.join_next()).await;
    ended
}

async fn write(mut stream: OwnedWriteHalf, mut outbox: mpsc::Receiver<Bytes>) {
    while let Some(reply) = outbox.recv().await {
        if stream.write_all(&reply).await.is_err() {
            return;
        }
    }
}

struct Session<'a> {
    config: &'a Config,
    replies: mpsc::Sender<Bytes>,
    version: Option<u64>,
    is_trusted: bool,
    /// What it listens to, by the number of the request.
    listening: BTreeMap<u64, AbortHandle>,
    /// The one of these that tells the log.
    monitor: Option<u64>,
    tasks: JoinSet<()>,
}

/// Whether a request leaves the connection as it is.
enum Then {
    GoOn,
    End(Ended),
}

impl Session<'_> {
    async fn run(mut self, mut stream: OwnedReadHalf) -> Ended {
        let mut bytes = BytesMut::new();
        loop {
            match request::decode(&bytes) {
                Ok((sequence, asked, length)) => {
                    bytes.advance(length);
                    if let Then::End(ended) = self.take(sequence, asked).await {
                        return ended;
                    }
                }
                Err(wire::Error::Truncated(_)) if bytes.len() < request::MAX_BYTES => {
                    tokio::select! {
                        _ = self.config.member.ended() => return Ended::Member,
                        read = stream.read_buf(&mut bytes) => match read {
                            Ok(0) | Err(_) => return Ended::Gone,
                            Ok(_) => {}
                        },
                    }
                }
                Err(error) => return Ended::Rubbish(error),
            }
        }
    }

    async fn take(&mut self, sequence: u64, asked: Asked) -> Then {
        while self.tasks.try_join_next().is_some() {}
        let request = match asked {
            Asked::Request(request) => request,
            Asked::Unknown(_) => return self.refuse(sequence, rpc::UNSUPPORTED_COMMAND).await,
        };
        match &request {
            Request::Handshake { version } => return self.handshake(sequence, *version).await,
            _ if self.version.is_none() => return self.refuse(sequence, rpc::HANDSHAKE_REQUIRED).await,
            Request::Auth(key) => return self.authenticate(sequence, &key.0).await,
            _ if !self.is_trusted => return self.say(sequence, rpc::AUTHENTICATION_REQUIRED, None).await,
            _ => {}
        }
        match request {
            Request::Stream { kind } => self.stream(sequence, &kind).await,
            Request::Monitor { level } => self.monitor(sequence, &level).await,
            Request::Query(query) => self.query(sequence, query).await,
            Request::Stop { sequence: stopped } => {
                if let Some(task) = self.listening.remove(&stopped) {
                    task.abort();
                }
                if self.monitor == Some(stopped) {
                    self.monitor = None;
                }
                self.say(sequence, "", None).await
            }
            Request::Leave => {
                self.config.member.leave().await;
                self.say(sequence, "", None).await;
                Then::End(Ended::Member)
            }
            request => {
                let expected = Expected::first(&request);
                let (error, body) = match ask::answer(self.config, request).await {
                    Ok((body, error)) => (error, body),
                    // A client waits for the body, whatever the error is.
                    Err(error) => (error, ask::empty(expected)),
                };
                self.say(sequence, &error, body).await
            }
        }
    }

    async fn handshake(&mut self, sequence: u64, version: u64) -> Then {
        let error = if version != rpc::VERSION {
            rpc::UNSUPPORTED_VERSION
        } else if self.version.is_some() {
            rpc::DUPLICATE_HANDSHAKE
        } else {
            self.version = Some(version);
            ""
        };
        self.say(sequence, error, None).await
    }

    async fn authenticate(&mut self, sequence: u64, key: &str) -> Then {
        let is_right = self.config.auth_key.as_deref().is_none_or(|wanted| is_same(wanted, key));
        self.is_trusted |= is_right;
        self.say(sequence, if is_right { "" } else { rpc::INVALID_TOKEN }, None).await
    }

    async fn stream(&mut self, sequence: u64, kind: &str) -> Then {
        let Some(filter) = EventFilter::parse(kind) else {
            return self.say(sequence, rpc::INVALID_FILTER, None).await;
        };
        if let Err(error) = self.has_room(sequence) {
            return self.say(sequence, error, None).await;
        }
        // It listens from before the client is told so.
        match self.config.member.subscribe().await {
            Ok(events) => {
                let then = self.say(sequence, "", None).await;
                self.listen(sequence, stream::events(sequence, events, filter, self.replies.clone()));
                then
            }
            Err(error) => self.say(sequence, &error.to_string(), None).await,
        }
    }

    async fn monitor(&mut self, sequence: u64, level: &str) -> Then {
        let Some(level) = Level::parse(level) else {
            return self.say(sequence, &format!("Unknown log level: {}", level.to_uppercase()), None).await;
        };
        let is_listening = self.monitor.is_some_and(|monitor| self.listening.contains_key(&monitor));
        if is_listening {
            return self.say(sequence, rpc::MONITOR_EXISTS, None).await;
        }
        if let Err(error) = self.has_room(sequence) {
            return self.say(sequence, error, None).await;
        }
        let lines = self.config.log.listen();
        let then = self.say(sequence, "", None).await;
        self.monitor = Some(sequence);
        self.listen(sequence, stream::log(sequence, lines, level, self.replies.clone()));
        then
    }

    async fn query(&mut self, sequence: u64, query: request::Query) -> Then {
        if let Err(error) = self.has_room(sequence) {
            return self.say(sequence, error, None).await;
        }
        match self.config.member.query(ask::question(query)).await {
            Ok(answers) => {
                let then = self.say(sequence, "", None).await;
                self.listen(sequence, stream::answers(sequence, answers, self.replies.clone()));
                then
            }
            Err(error) => self.say(sequence, &error.to_string(), None).await,
        }
    }

    /// Whether it may listen to one thing more, under this number.
    fn has_room(&mut self, sequence: u64) -> Result<(), &'static str> {
        self.listening.retain(|_, task| !task.is_finished());
        if self.listening.contains_key(&sequence) {
            Err(rpc::STREAM_EXISTS)
        } else if self.listening.len() >= MAX_STREAMS {
            Err("Too many streams")
        } else {
            Ok(())
        }
    }

    fn listen(&mut self, sequence: u64, telling: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(telling);
        self.listening.insert(sequence, task);
    }

    /// Says why not, and ends the connection.
    async fn refuse(&self, sequence: u64, error: &str) -> Then {
        self.say(sequence, error, None).await;
        Then::End(Ended::Refused)
    }

    async fn say(&self, sequence: u64, error: &str, body: Option<Body>) -> Then {
        let reply = reply::encode(&Reply { sequence, error: error.to_owned(), body });
        match self.replies.send(reply).await {
            Ok(()) => Then::GoOn,
            Err(_) => Then::End(Ended::Gone),
        }
    }
}

/// Whether two keys are the same, in a time that does not tell where they differ.
fn is_same(wanted: &str, given: &str) -> bool {
    let differences = wanted.bytes().zip(given.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    wanted.len() == given.len() && differences == 0
}
