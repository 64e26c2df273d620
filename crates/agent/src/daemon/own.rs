//! What this host says: the containers that run here, with what they say of themselves and how they are.
//!
//! One task holds all of it. A look at a container is a task of its own, which that one drops when its time is over.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;

use pontoon_ring::time::Time;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::checks::{Checks, Do, Id};
use super::engine::{Engine, Running, Silence};
use super::pace::Pace;
use super::until;
use super::watch::Seen;
use crate::announce::{self, Declared, Said, Words, merge};
use crate::catalogue::limits::container_fits;
use crate::catalogue::{Container, Health, Name, State};
use crate::counts::Counts;
use crate::health::probe::{self, Target};
use crate::health::{Outcome, Run, cut};

/// What this host has to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ours {
    /// Its containers.
    pub(super) containers: BTreeMap<Name, Container>,
    /// Whether each of them was looked at as often as it takes to say how it is.
    pub(super) looked: bool,
}

/// Where what is known comes from, and where it goes.
pub(super) struct Ways<E> {
    pub(super) engine: Arc<E>,
    pub(super) seen: watch::Receiver<Option<Seen>>,
    /// The containers' sockets.
    pub(super) voices: announce::Server,
    pub(super) ours: watch::Sender<Ours>,
    pub(super) counts: Arc<Counts>,
}

struct Own<E> {
    engine: Arc<E>,
    began: Instant,
    checks: Checks,
    looks: JoinSet<(Id, Run, Outcome)>,
    running: BTreeMap<Id, AbortHandle>,
    containers: BTreeMap<Name, Entry>,
    silence: Option<Silence>,
    changed: bool,
    counts: Arc<Counts>,
}

struct Entry {
    running: Running,
    said: Arc<Said>,
    /// The host's word.
    declared: Container,
    /// With what the container adds.
    whole: Container,
}

enum Happening {
    Seen,
    Said,
    Looked(Id, Run, Outcome),
    Time,
}

/// Goes on until the future is dropped, or nobody watches the engine any more.
pub(super) async fn run<E: Engine>(mut ways: Ways<E>, pace: &Pace, seed: u64) {
    let mut own = Own {
        engine: Arc::clone(&ways.engine),
        began: Instant::now(),
        checks: Checks::new(pace.outside, pace.inside, seed),
        looks: JoinSet::new(),
        running: BTreeMap::new(),
        containers: BTreeMap::new(),
        silence: None,
        changed: false,
        counts: Arc::clone(&ways.counts),
    };
    let mut words = ways.voices.said();
    let mut heard = true;
    loop {
        let wake = own.checks.wake_at().map(|at| own.began + at.elapsed());
        let happening = tokio::select! {
            changed = ways.seen.changed() => match changed {
                Ok(()) => Happening::Seen,
                Err(_) => return,
            },
            changed = words.changed(), if heard => {
                heard = changed.is_ok();
                Happening::Said
            }
            looked = own.next_outcome() => looked,
            () = until(wake) => Happening::Time,
        };
        match happening {
            Happening::Seen | Happening::Said => {
                let seen = ways.seen.borrow_and_update().clone();
                let said = Arc::clone(&words.borrow_and_update());
                if let Some(seen) = seen {
                    own.take(seen, &said);
                }
            }
            Happening::Looked(id, run, outcome) => own.looked(id, run, outcome),
            Happening::Time => {}
        }
        own.pass_time();
        let known = ways.seen.borrow().is_some();
        own.tell(&ways, known, &words);
    }
}

impl<E: Engine> Own<E> {
    fn now(&self) -> Time {
        Time::after(self.began.elapsed())
    }

    async fn next_outcome(&mut self) -> Happening {
        loop {
            match self.looks.join_next().await {
                Some(Ok((id, run, outcome))) => {
                    self.running.remove(&id);
                    return Happening::Looked(id, run, outcome);
                }
                // It was dropped.
                Some(Err(_)) => {}
                None => pending().await,
            }
        }
    }

    /// Takes in what runs and what was said.
    fn take(&mut self, seen: Seen, words: &Words) {
        let now = self.now();
        let gone: Vec<Name> =
            self.containers.keys().filter(|name| !seen.containers.contains_key(*name)).cloned().collect();
        for name in gone {
            tracing::info!(container = %name, "runs here no longer");
            self.checks.forget(&name);
            self.containers.remove(&name);
            self.changed = true;
        }
        self.silence = seen.silence;
        for (name, running) in seen.containers {
            let said = words.get(&name).cloned().unwrap_or_default();
            let known = self.containers.get(&name);
            if known.is_some_and(|known| known.said == said && known.running == running) {
                self.refresh(&name);
                continue;
            }
            if known.is_none_or(|known| known.running.identity != running.identity) {
                tracing::info!(container = %name, service = %running.service, address = %running.address, "runs here");
            }
            let other =
                |known: &Entry| known.running.identity != running.identity || known.running.address != running.address;
            if known.is_some_and(other) {
                self.checks.forget(&name);
            }
            let declared = declared(&running);
            if !container_fits(&name, &declared) {
                tracing::warn!(container = %name, "what is to be announced of it breaks a limit, so it is left out");
            }
            let whole = merge(&declared, &said);
            self.checks.set(now, &name, &whole.monitor, running.announced.check);
            self.containers.insert(name.clone(), Entry { running, said, declared, whole });
            self.changed = true;
            self.refresh(&name);
        }
    }

    fn looked(&mut self, id: Id, run: Run, outcome: Outcome) {
        let state = outcome.state;
        if let Some(container) = self.checks.ended(self.now(), id, run, outcome) {
            self.counts.checks.ended(state).one();
            self.refresh(&container);
        }
    }

    /// Begins and drops the looks that are due.
    fn pass_time(&mut self) {
        for container in self.checks.tick(self.now()) {
            self.counts.checks.late.one();
            self.refresh(&container);
        }
        for todo in self.checks.take_todo() {
            match todo {
                Do::Drop(id) => {
                    if let Some(look) = self.running.remove(&id) {
                        look.abort();
                    }
                }
                Do::Look { id, run, container, point } => {
                    let Some(entry) = self.containers.get(&container) else { continue };
                    let (address, port) = (entry.whole.address, entry.whole.port);
                    let engine = Arc::clone(&self.engine);
                    let look = self.looks.spawn(async move {
                        let target = Target { container: &container, address, port };
                        let outcome = probe::look(target, &point, &*engine).await;
                        let none = || Outcome { state: State::Unknown, output: String::new() };
                        (id, run, outcome.unwrap_or_else(none))
                    });
                    self.running.insert(id, look);
                }
            }
        }
    }

    /// Says anew how a container is.
    fn refresh(&mut self, name: &Name) {
        let health = match &self.silence {
            Some(silence) => Health { state: State::Unknown, output: cut(&silence.to_string()).to_owned() },
            None => self.checks.health(name),
        };
        let Some(entry) = self.containers.get_mut(name) else { return };
        entry.declared.health = health;
        let whole = merge(&entry.declared, &entry.said);
        if entry.whole != whole {
            if entry.whole.health.state != whole.health.state {
                let (state, why) = (whole.health.state, &whole.health.output);
                tracing::info!(container = %name, ?state, why, "its health is another");
            }
            entry.whole = whole;
            self.changed = true;
        }
    }

    /// Hands on what is new. Containers that have said something before the last start are told together with it.
    fn tell(&mut self, ways: &Ways<E>, known: bool, words: &watch::Receiver<Arc<Words>>) {
        let changed = std::mem::take(&mut self.changed);
        if changed {
            let declared = self.containers.iter().map(|(name, entry)| {
                let identity = entry.running.identity.clone();
                (name.clone(), Declared { identity, container: entry.declared.clone() })
            });
            ways.voices.set_containers(declared.collect());
        }
        let heard = !words.has_changed().unwrap_or(false);
        let looked = known && heard && (self.silence.is_some() || self.checks.have_looked());
        if changed {
            let whole = self.containers.iter().map(|(name, entry)| (name.clone(), entry.whole.clone()));
            ways.ours.send_replace(Ours { containers: whole.collect(), looked });
        } else if ways.ours.borrow().looked != looked {
            ways.ours.send_modify(|ours| ours.looked = looked);
        }
    }
}

/// What the host says of a container before anybody has looked at it.
fn declared(running: &Running) -> Container {
    Container {
        service: running.service.clone(),
        address: running.address,
        port: running.announced.port,
        capabilities: running.announced.capabilities.clone(),
        monitor: running.announced.monitor.clone(),
        says: BTreeMap::new(),
        health: Health { state: State::Unknown, output: String::new() },
    }
}
