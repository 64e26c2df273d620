//! The task of a member: what comes is handed to [`Serf`], and what it wants is done.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::End;
use super::files::Files;
use super::handle::{Answers, Command, Joined, Reply};
use super::keyring;
use super::sockets::Sockets;
use super::streams::{Report, Streams};
use super::subscription::{EVENTS_MAX, Subscription};
use crate::serf::{Answer, Event, KeyReport, Output, QueryId, Serf};
use crate::swim::{self, Input, JoinId, StreamId};
use crate::time::Time;
use crate::wire::message::StreamMessage;
use crate::wire::{Layers, Nonce};

/// The largest datagram that there is.
const DATAGRAM_MAX: usize = 65_536;
/// How many datagrams are taken in before time is looked at again, so that a flood does not stop the clock.
const DATAGRAMS_AT_ONCE: usize = 512;
/// How many reports of streams may wait.
const REPORTS_MAX: usize = 64;

/// A member with all that belongs to it.
#[derive(Debug)]
pub(super) struct Member {
    serf: Serf,
    began: Instant,
    sockets: Sockets,
    files: Files,
    nonces: ChaCha20Rng,
    inbox: mpsc::Receiver<Command>,
    streams: Streams,
    reports: mpsc::Receiver<Report>,
    /// What streams need to know of the keys; made anew when they change.
    layers: Arc<Layers>,
    events: broadcast::Sender<Arc<Event>>,
    next_stream: u64,
    /// Streams of others that wait for an answer.
    asking: BTreeMap<StreamId, oneshot::Sender<StreamMessage>>,
    joins: BTreeMap<JoinId, Reply<Joined>>,
    queries: BTreeMap<QueryId, mpsc::UnboundedSender<Answer>>,
    key_changes: BTreeMap<QueryId, Reply<KeyReport>>,
    end: Option<End>,
}

/// What happens to a member.
enum Happening {
    Datagrams,
    Stream(TcpStream, SocketAddr),
    Report(Report),
    Command(Option<Command>),
    Time,
}

impl Member {
    pub(super) fn new(
        serf: Serf,
        sockets: Sockets,
        files: Files,
        nonces: [u8; 32],
        inbox: mpsc::Receiver<Command>,
    ) -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS_MAX);
        Self {
            layers: Arc::new(serf.layers().clone()),
            serf,
            began: Instant::now(),
            sockets,
            files,
            nonces: ChaCha20Rng::from_seed(nonces),
            inbox,
            streams: Streams::new(reporter),
            reports,
            events: broadcast::Sender::new(EVENTS_MAX),
            next_stream: 0,
            asking: BTreeMap::new(),
            joins: BTreeMap::new(),
            queries: BTreeMap::new(),
            key_changes: BTreeMap::new(),
            end: None,
        }
    }

    /// Runs until it ends, and frees everything that it holds.
    pub(super) async fn run(mut self) -> End {
        // Its pages are touched only as far as datagrams ever go.
        let mut datagram = Vec::with_capacity(DATAGRAM_MAX);
        loop {
            self.do_what_is_wanted().await;
            if let Some(end) = self.end {
                self.files.finish().await;
                return end;
            }
            match self.next_happening().await {
                Happening::Datagrams => self.take_datagrams(&mut datagram),
                Happening::Stream(stream, from) => {
                    let nonce = Nonce::random(&mut self.nonces);
                    self.streams.serve(stream, from, self.layers.clone(), nonce);
                }
                Happening::Report(report) => self.take_report(report),
                // The last handle is gone: nobody will ever ask it to leave.
                Happening::Command(None) => self.end = Some(End::Stopped),
                Happening::Command(Some(command)) => self.obey(command),
                Happening::Time => {
                    // Who answered in time is heard before anybody judges who did not.
                    self.take_datagrams(&mut datagram);
                    let now = self.now();
                    self.serf.handle(now, Input::Tick);
                }
            }
        }
    }

    async fn next_happening(&mut self) -> Happening {
        let wake_at = self.serf.wake_at().map(|at| self.began + at.elapsed());
        let sockets = &self.sockets;
        let time = async {
            match wake_at {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            result = sockets.datagrams.readable() => {
                yield_on_error(result).await;
                Happening::Datagrams
            }
            (stream, from) = accept(sockets) => Happening::Stream(stream, from),
            Some(report) = self.reports.recv() => Happening::Report(report),
            command = self.inbox.recv() => Happening::Command(command),
            () = time => Happening::Time,
        }
    }

    /// Hands in all datagrams that have come, up to a bound.
    fn take_datagrams(&mut self, buffer: &mut Vec<u8>) {
        for _ in 0..DATAGRAMS_AT_ONCE {
            buffer.clear();
            match self.sockets.datagrams.try_recv_buf_from(buffer) {
                Ok((_, from)) => {
                    let bytes = Bytes::copy_from_slice(buffer);
                    let now = self.now();
                    self.serf.handle(now, Input::Datagram { from, bytes });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The system tells that an earlier datagram did not arrive; who misses an answer finds out anyway.
                Err(error) => tracing::trace!(%error, "a datagram came to nothing"),
            }
        }
    }

    fn take_report(&mut self, report: Report) {
        // What it held is given back when it is handled.
        let (input, _held) = match report {
            Report::Request { from, message, reply, held } => {
                self.next_stream += 1;
                let stream = StreamId(self.next_stream);
                self.asking.insert(stream, reply);
                (Input::Request { stream, from, message }, held)
            }
            Report::Answered { exchange, answer, held } => (Input::Answered { exchange, answer }, held),
        };
        let now = self.now();
        self.serf.handle(now, input);
    }

    fn obey(&mut self, command: Command) {
        let now = self.now();
        // Whoever asked may be gone; then nobody minds what the answer is.
        match command {
            Command::Members(reply) => drop(reply.send(Ok(self.serf.members().cloned().collect()))),
            Command::Stats(reply) => drop(reply.send(Ok(self.serf.stats()))),
            Command::Keyring(reply) => drop(reply.send(Ok(self.layers.keyring.clone()))),
            Command::Coordinate(name, reply) => drop(reply.send(Ok(self.serf.coordinate(&name).cloned()))),
            Command::Subscribe(reply) => drop(reply.send(Ok(Subscription(self.events.subscribe())))),
            Command::UserEvent { name, payload, coalesce, reply } => {
                drop(reply.send(self.serf.user_event(now, &name, payload, coalesce)));
            }
            Command::Query(question, reply) => {
                let asked = self.serf.query(now, question).map(|id| {
                    // Serf bounds how many answers it takes.
                    let (sender, answers) = mpsc::unbounded_channel();
                    self.queries.insert(id, sender);
                    Answers(answers)
                });
                drop(reply.send(asked));
            }
            Command::Respond(id, payload, reply) => drop(reply.send(self.serf.respond(now, id, payload))),
            Command::ChangeKeys { change, relay_factor, reply } => {
                match self.serf.change_keys(now, &change, relay_factor) {
                    Ok(id) => drop(self.key_changes.insert(id, reply)),
                    Err(error) => drop(reply.send(Err(error))),
                }
            }
            Command::SetTags { set, delete, reply } => {
                let mut tags = self.serf.config().tags.clone();
                tags.retain(|tag, _| !delete.contains(tag));
                tags.extend(set);
                drop(reply.send(self.serf.set_tags(now, tags)));
            }
            Command::Join { seeds, persistence, replay, reply } => {
                match self.serf.join(now, seeds, persistence, replay) {
                    Ok(id) => drop(self.joins.insert(id, reply)),
                    Err(error) => drop(reply.send(Err(error))),
                }
            }
            Command::ForceLeave { name, prune, reply } => drop(reply.send(self.serf.force_leave(now, &name, prune))),
            Command::Leave => self.serf.leave(now),
            Command::Stop => self.end = Some(End::Stopped),
        }
    }

    /// Does all that the member wants done.
    async fn do_what_is_wanted(&mut self) {
        while let Some(output) = self.serf.poll() {
            match output {
                Output::Network(output) => self.send(output).await,
                // Where nobody listens, nobody is told.
                Output::Event(event) => drop(self.events.send(Arc::new(event))),
                Output::Answer { query, answer } => {
                    if let Some(answers) = self.queries.get(&query) {
                        let _ = answers.send(answer);
                    }
                }
                Output::QueryEnded { query } => drop(self.queries.remove(&query)),
                Output::KeysChanged { query, report } => {
                    if let Some(reply) = self.key_changes.remove(&query) {
                        let _ = reply.send(Ok(report));
                    }
                }
                Output::KeyringChanged => {
                    self.layers = Arc::new(self.serf.layers().clone());
                    if let Some(keyring) = &self.layers.keyring {
                        self.files.write_keyring(keyring::text(keyring));
                    }
                }
                Output::JoinEnded { join, reached, failed } => {
                    if let Some(reply) = self.joins.remove(&join) {
                        let _ = reply.send(Ok(Joined { reached, failed }));
                    }
                }
                Output::Snapshot(write) => self.files.write_snapshot(write),
                Output::ConflictLost => self.end = Some(End::ConflictLost),
                Output::Left => self.end = Some(End::Left),
            }
        }
    }

    async fn send(&mut self, output: swim::Output) {
        match output {
            swim::Output::Datagram { to, bytes } => {
                // Datagrams may be lost; here too.
                if let Err(error) = self.sockets.datagrams.send_to(&bytes, to).await {
                    tracing::debug!(%to, %error, "a datagram could not be sent");
                }
            }
            swim::Output::Exchange(exchange) => {
                let deadline = self.began + exchange.deadline.elapsed();
                let nonce = Nonce::random(&mut self.nonces);
                self.streams.open(exchange, deadline, self.layers.clone(), nonce);
            }
            swim::Output::Reply { stream, message } => {
                if let Some(reply) = self.asking.remove(&stream) {
                    let _ = reply.send(message);
                }
            }
            swim::Output::Close { stream } => drop(self.asking.remove(&stream)),
            // `Serf` keeps these to itself.
            swim::Output::JoinEnded { .. } | swim::Output::Left => {}
        }
    }

    fn now(&self) -> Time {
        Time::after(self.began.elapsed())
    }
}

/// The next stream of another member.
async fn accept(sockets: &Sockets) -> (TcpStream, SocketAddr) {
    loop {
        match sockets.streams.accept().await {
            Ok(accepted) => return accepted,
            // The other side has gone again, or the process has no descriptor left.
            Err(error) => yield_on_error(Err(error)).await,
        }
    }
}

/// An error that does not go away must not keep the processor busy.
async fn yield_on_error(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a socket fails");
        sleep_until(Instant::now() + std::time::Duration::from_millis(10)).await;
    }
}
