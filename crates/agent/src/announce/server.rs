//! The sockets of the containers, and what keeps what they say: all that waits.
//!
//! Each container has a task that lets in and seats of its own, so that one that floods its socket is slow to itself.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::serve::Listener;
use pontoon_ring::time::Time;
use tokio::net::UnixListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::book::{Book, Words};
use super::keep::File;
use super::pace::{Bucket, Pace};
use super::routes::{self, BODY_MAX, Speaker};
use super::said::Declared;
use super::socket::Socket;
use super::stream::Bounded;
use crate::catalogue::Name;
use crate::counts::Counts;

/// How often directories are looked for that are not there yet, and sockets that are not there any more.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Changes of many containers are gathered for so long.
const GATHER: Duration = Duration::from_millis(20);
/// The file is not written more often.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// A pause after an error of a socket, such as too many open files, so that it does not become a busy loop.
const PAUSE: Duration = Duration::from_millis(20);

/// Connections of one container at once; others wait in the kernel's queue.
const SEATS: usize = 4;
/// How long one may take.
const CONNECTION_TIME: Duration = Duration::from_secs(5);
/// How much of one is read: a head and the longest body, and what the last read may bring along.
const CONNECTION_BYTES: usize = 24 * 1024 + BODY_MAX;
/// How fast connections of one container are let in.
const CONNECTIONS: Pace = Pace { interval: Duration::from_millis(50), burst: 40 };

/// What the server is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The host on which it is.
    pub host: Name,
    /// Where each container has a directory of its own for its socket, such as `/var/lib/pontoon/announce`.
    pub directory: PathBuf,
    /// Where what was said is kept over a restart of the agent.
    pub state_file: PathBuf,
    /// Where it is counted.
    pub counts: Arc<Counts>,
}

/// One socket for each container of this host, and what was said there. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What sockets and daemon have in common.
#[derive(Debug)]
pub(super) struct Shared {
    settings: Settings,
    file: File,
    began: Instant,
    book: Mutex<Book>,
    words: watch::Sender<Arc<Words>>,
    /// Something is to be told, kept or looked for.
    woken: Notify,
    /// Whether it could not be kept the last time.
    save_fails: AtomicBool,
}

impl Shared {
    pub(super) fn now(&self) -> Time {
        Time::after(self.began.elapsed())
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.settings.counts
    }

    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }
}

impl Server {
    /// Reads what was said before the last end. Nothing listens yet: [`Server::run`] does that.
    pub async fn open(settings: Settings) -> Self {
        let file = File::new(settings.state_file.clone());
        let kept = file.read().await;
        let book = Mutex::new(Book::new(settings.host.clone(), kept));
        let shared = Shared {
            settings,
            file,
            began: Instant::now(),
            book,
            words: watch::Sender::default(),
            woken: Notify::new(),
            save_fails: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// These are the containers that run here now, all of them, and what the host says of them now. Others are forgotten
    /// with all that they have said: where the engine does not answer, this is not to be called. What was said before the
    /// agent's start is told only after the first call.
    pub fn set_containers(&self, containers: BTreeMap<Name, Declared>) {
        self.shared.book().set(self.shared.now(), containers);
        // What is known already is known to the caller when this returns.
        self.tell();
        self.shared.wake();
    }

    /// What is said, as it changes.
    pub fn said(&self) -> watch::Receiver<Arc<Words>> {
        self.shared.words.subscribe()
    }

    /// Listens for all containers until the future is dropped; the sockets go with it.
    pub async fn run(&self) {
        let mut sockets = Sockets::default();
        let (mut look_at, mut save_at) = (Instant::now(), Instant::now());
        loop {
            let now = Instant::now();
            self.tell();
            if self.shared.book().is_moved() || look_at <= now {
                sockets.look(&self.shared);
                look_at = now + LOOK_INTERVAL;
            }
            if save_at <= now && self.save().await {
                save_at = now + SAVE_INTERVAL;
            }
            // What is to be saved later is saved with the next look.
            let lapse = self.shared.book().lapses_at().map(|at| self.shared.began + at.elapsed());
            let next = lapse.map_or(look_at, |at| at.min(look_at));
            if timeout_at(next, self.shared.woken.notified()).await.is_ok() {
                sleep(GATHER).await;
            }
        }
    }

    /// Writes what was said last, if it is not written yet, and tells whether there was something to write; for the end of
    /// the agent.
    pub async fn save(&self) -> bool {
        let Some((changes, kept)) = self.shared.book().unsaved() else { return false };
        let written = self.shared.file.write(kept).await;
        let failed_before = self.shared.save_fails.swap(written.is_err(), Ordering::Relaxed);
        match written {
            Ok(()) => self.shared.book().set_saved(changes),
            // Said once, for it is tried again and again.
            Err(error) if !failed_before => {
                let path = self.shared.settings.state_file.display();
                tracing::warn!(%path, %error, "what containers say cannot be kept for the next start");
            }
            Err(_) => {}
        }
        true
    }

    fn tell(&self) {
        let mut book = self.shared.book();
        book.lapse(self.shared.now());
        if let Some(words) = book.news() {
            self.shared.words.send_replace(Arc::new(words));
        }
    }
}

/// What listens, by container.
#[derive(Debug, Default)]
struct Sockets {
    open: BTreeMap<Name, Open>,
    /// Why a container has none, as it was logged.
    failed: BTreeMap<Name, String>,
}

/// A socket and the task that lets in there, which ends with it.
#[derive(Debug)]
struct Open {
    identity: Arc<str>,
    socket: Socket,
    _task: JoinSet<()>,
}

impl Sockets {
    /// Sees to it that exactly the containers that are here have a socket, each its own.
    fn look(&mut self, shared: &Arc<Shared>) {
        let here: BTreeMap<Name, Arc<str>> =
            shared.book().here().map(|(name, identity)| (name.clone(), identity.into())).collect();
        self.open.retain(|name, open| here.get(name) == Some(&open.identity) && open.socket.is_there());
        self.failed.retain(|name, _| here.contains_key(name));
        for (name, identity) in here {
            if self.open.contains_key(&name) {
                continue;
            }
            let speaker = Speaker { shared: Arc::clone(shared), name: name.clone(), identity };
            match open(speaker) {
                Ok(open) => {
                    self.failed.remove(&name);
                    self.open.insert(name, open);
                }
                Err(error) => self.fail(name, &error, shared),
            }
        }
    }

    /// Said once, for it is tried again and again. A directory that is not there yet is no failure.
    fn fail(&mut self, name: Name, error: &io::Error, shared: &Shared) {
        let text = error.to_string();
        if error.kind() != io::ErrorKind::NotFound && self.failed.get(&name) != Some(&text) {
            let directory = shared.settings.directory.join(&*name);
            tracing::warn!(container = %name, directory = %directory.display(), error = %text, "cannot listen there");
            self.failed.insert(name, text);
        }
    }
}

fn open(speaker: Speaker) -> io::Result<Open> {
    let directory = speaker.shared.settings.directory.join(&*speaker.name);
    let (listener, socket) = Socket::bind(&directory)?;
    let identity = Arc::clone(&speaker.identity);
    let seats = Arc::new(Semaphore::new(SEATS));
    let bounds = Bounds { listener, seats, began: Instant::now(), bucket: Bucket::default() };
    let mut task = JoinSet::new();
    task.spawn(async move {
        // It ends with an error only where accepting does, and this one never does.
        let _ = axum::serve(bounds, routes::of(speaker)).await;
    });
    Ok(Open { identity, socket, _task: task })
}

/// A socket at which only so many are let in at once, and only so fast.
#[derive(Debug)]
struct Bounds {
    listener: UnixListener,
    seats: Arc<Semaphore>,
    began: Instant,
    bucket: Bucket,
}

impl Listener for Bounds {
    type Io = Bounded;
    type Addr = ();

    async fn accept(&mut self) -> (Bounded, ()) {
        loop {
            // The semaphore is never closed.
            let Ok(seat) = Arc::clone(&self.seats).acquire_owned().await else { std::future::pending().await };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    while let Err(wait) = self.bucket.take(Time::after(self.began.elapsed()), CONNECTIONS) {
                        sleep(wait).await;
                    }
                    return (Bounded::new(stream, CONNECTION_BYTES, CONNECTION_TIME, seat), ());
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}
