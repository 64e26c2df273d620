//! Streams: one task for each, which reads one message and writes one.
//!
//! A stream costs at most its deadline and a share of the memory that all streams have together, so that slow, silent or
//! lying peers cost what is stated here and no more.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::swim::{Exchange, ExchangeId, Failure};
use crate::wire::message::{MemberState, StreamMessage};
use crate::wire::stream::{self, Decoder, Direction};
use crate::wire::{Layers, Nonce};

/// How many streams of others are open at once. The oldest gives way to one more: whoever has a question asks it at once,
/// so those that are old are slow, silent, or held open to keep others out.
const INCOMING_MAX: usize = 256;
/// How many bytes all streams hold together, of messages that are not whole yet and of those that the member has not taken
/// yet: some of the largest, or very many of the usual ones. A few bytes may be decompressed to many.
const HELD_MAX: usize = 64 * 1024 * 1024;
/// How long others may take to ask and to take the answer (`TCPTimeout`).
const INCOMING_TIMEOUT: Duration = Duration::from_secs(10);
/// How much is read at a time, and the unit in which memory is counted.
const CHUNK: usize = 16 * 1024;

/// What a stream's task tells the member.
#[derive(Debug)]
pub(super) enum Report {
    /// Another member has asked something; the answer goes to `reply`, and where that is dropped there is none.
    Request { from: SocketAddr, message: StreamMessage, reply: oneshot::Sender<StreamMessage>, held: Held },
    /// An exchange has ended.
    Answered { exchange: ExchangeId, answer: Result<Option<StreamMessage>, Failure>, held: Held },
}

/// A share of the memory that all streams have together, given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Held {
    share: Option<OwnedSemaphorePermit>,
    chunks: usize,
}

/// What all streams of a member share.
#[derive(Debug)]
pub(super) struct Streams {
    shared: Shared,
    /// Those that others have opened, the oldest first; some have ended.
    incoming: VecDeque<AbortHandle>,
}

/// What each stream's task has of it.
#[derive(Clone, Debug)]
struct Shared {
    reports: mpsc::Sender<Report>,
    memory: Arc<Semaphore>,
}

impl Streams {
    pub(super) fn new(reports: mpsc::Sender<Report>) -> Self {
        let shared = Shared { reports, memory: Arc::new(Semaphore::new(HELD_MAX / CHUNK)) };
        Self { shared, incoming: VecDeque::new() }
    }

    /// Serves a stream that another member has opened.
    pub(super) fn serve(&mut self, stream: TcpStream, from: SocketAddr, layers: Arc<Layers>, nonce: Nonce) {
        self.make_room();
        let streams = self.shared.clone();
        let task = tokio::spawn(async move {
            let deadline = Instant::now() + INCOMING_TIMEOUT;
            match timeout_at(deadline, streams.answer(stream, from, &layers, nonce)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%from, %error, "a stream came to nothing"),
                Err(_) => tracing::debug!(%from, "a stream took too long"),
            }
        });
        self.incoming.push_back(task.abort_handle());
    }

    /// Opens a stream, and tells the member what came of it.
    pub(super) fn open(&self, exchange: Exchange, deadline: Instant, layers: Arc<Layers>, nonce: Nonce) {
        let streams = self.shared.clone();
        tokio::spawn(async move {
            let (id, to) = (exchange.id, exchange.to);
            let answer = timeout_at(deadline, streams.exchange(exchange, &layers, nonce)).await;
            let (answer, held) = match answer.unwrap_or(Err(Failure::TimedOut { to })) {
                Ok(Some((message, held))) => (Ok(Some(message)), held),
                Ok(None) => (Ok(None), Held::default()),
                Err(failure) => (Err(failure), Held::default()),
            };
            // Where nobody hears it, the member has ended.
            let _ = streams.reports.send(Report::Answered { exchange: id, answer, held }).await;
        });
    }

    fn make_room(&mut self) {
        if self.incoming.len() < INCOMING_MAX {
            return;
        }
        self.incoming.retain(|stream| !stream.is_finished());
        if self.incoming.len() >= INCOMING_MAX
            && let Some(oldest) = self.incoming.pop_front()
        {
            oldest.abort();
        }
    }
}

impl Shared {
    async fn answer(
        &self,
        mut stream: TcpStream,
        from: SocketAddr,
        layers: &Layers,
        nonce: Nonce,
    ) -> Result<(), ReadError> {
        let (message, held) = match self.read(&mut stream, layers, Direction::Request).await {
            // Somebody looked whether the port is open.
            Err(ReadError::Untouched) => return Ok(()),
            other => other?,
        };
        let (reply, answer) = oneshot::channel();
        if self.reports.send(Report::Request { from, message, reply, held }).await.is_err() {
            return Ok(());
        }
        if let Ok(answer) = answer.await {
            stream.write_all(&stream::encode(layers, Direction::Reply, &answer, nonce)?).await?;
            stream.shutdown().await?;
        }
        Ok(())
    }

    async fn exchange(
        &self,
        exchange: Exchange,
        layers: &Layers,
        nonce: Nonce,
    ) -> Result<Option<(StreamMessage, Held)>, Failure> {
        let to = exchange.to;
        let unreachable = |error: io::Error| Failure::Unreachable { to, reason: error.to_string() };
        let unintelligible = |reason: String| Failure::Unintelligible { to, reason };
        let request = stream::encode(layers, Direction::Request, &exchange.message, nonce)
            .map_err(|error| unintelligible(error.to_string()))?;
        let mut stream = TcpStream::connect(to).await.map_err(unreachable)?;
        stream.write_all(&request).await.map_err(unreachable)?;
        if !exchange.answered {
            stream.shutdown().await.map_err(unreachable)?;
            return Ok(None);
        }
        match self.read(&mut stream, layers, Direction::Reply).await {
            Ok(read) => Ok(Some(read)),
            Err(error) => Err(unintelligible(error.to_string())),
        }
    }

    async fn read(
        &self,
        stream: &mut TcpStream,
        layers: &Layers,
        direction: Direction,
    ) -> Result<(StreamMessage, Held), ReadError> {
        let mut decoder = Decoder::new(direction);
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut held = Held::default();
        let mut received = 0;
        loop {
            chunk.clear();
            let length = stream.read_buf(&mut chunk).await?;
            if length == 0 {
                return Err(if decoder.is_untouched() { ReadError::Untouched } else { ReadError::Cut });
            }
            received += length;
            self.hold(&mut held, received)?;
            if let Some(message) = decoder.feed(layers, &chunk)? {
                self.hold(&mut held, size(&message))?;
                return Ok((message, held));
            }
        }
    }

    /// Lets a stream hold so many bytes.
    fn hold(&self, held: &mut Held, bytes: usize) -> Result<(), ReadError> {
        while held.chunks < bytes / CHUNK {
            let share = self.memory.clone().try_acquire_owned().map_err(|_| ReadError::NoMemory)?;
            held.chunks += 1;
            match &mut held.share {
                Some(held) => held.merge(share),
                None => held.share = Some(share),
            }
        }
        Ok(())
    }
}

/// What a message takes, about.
fn size(message: &StreamMessage) -> usize {
    match message {
        StreamMessage::User(payload) => payload.len(),
        StreamMessage::PushPull(state) => {
            let member = |member: &MemberState| size_of::<MemberState>() + member.name.len() + member.meta.len();
            state.user_state.len() + state.members.iter().map(member).sum::<usize>()
        }
        StreamMessage::Ping(_) | StreamMessage::Ack(_) | StreamMessage::Refusal(_) => 0,
    }
}

/// Why a stream came to nothing.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the stream was closed without a word")]
    Untouched,
    #[error("the stream was closed in the middle of a message")]
    Cut,
    #[error("all streams together hold too much already")]
    NoMemory,
    #[error(transparent)]
    Wire(#[from] crate::wire::Error),
    #[error(transparent)]
    System(#[from] io::Error),
}
