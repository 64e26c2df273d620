//! The stream of changes, as server-sent events.
//!
//! ```text
//!   view ─▶ between: what differs from the view before ─▶ History, the last few thousand ─▶ one stream a listener
//! ```
//!
//! Each change is one event of the type `change` with an id `RUN-NUMBER`. Whoever comes back with `Last-Event-ID` gets
//! what it has missed; where that is no longer kept, or is of another run of the agent, it gets `reset` instead, and reads
//! the catalogue anew. The first event of a stream is `at`: its id is where the stream begins, which is now, or as many
//! changes ago as the listener asks for.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::response::sse::Event;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::watch;

use crate::catalogue::{HostState, HostView, Instance, Name, State, View};
use crate::door::Seat;
use crate::picture::Picture;

/// The changes that are kept for those who come back.
const KEPT: usize = 4096;

/// One thing that differs between two views, or the picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Change {
    /// A host.
    Host {
        /// Its name.
        host: Name,
        /// How it is; nothing where it is no longer known.
        state: Option<HostState>,
        /// How it was; nothing where it is new.
        was: Option<HostState>,
    },
    /// A container.
    Container {
        /// The host that it is or was on.
        host: Name,
        /// Its name.
        container: Name,
        /// The service of which it is a copy.
        service: Name,
        /// Its address.
        address: IpAddr,
        /// How it is; nothing where it is gone.
        state: Option<State>,
        /// How it was; nothing where it is new. The same as `state` where it announces something else.
        was: Option<State>,
        /// Why, in words for people.
        output: String,
    },
    /// The picture is another, and is to be read anew.
    Picture,
}

/// A change, and when it was seen here.
#[derive(Serialize)]
struct Dated<'a> {
    unix_ms: u64,
    #[serde(flatten)]
    change: &'a Change,
}

/// What differs. Parts that two views share are not looked into, so it costs what has changed.
pub fn between(before: &View, after: &View) -> Vec<Change> {
    let mut changes = Vec::new();
    let names: BTreeSet<&Name> = before.hosts.keys().chain(after.hosts.keys()).collect();
    for name in names {
        let (old, new) = (before.hosts.get(name), after.hosts.get(name));
        if matches!((old, new), (Some(old), Some(new)) if Arc::ptr_eq(old, new)) {
            continue;
        }
        let (was, state) = (old.map(|host| host.state), new.map(|host| host.state));
        if was != state {
            changes.push(Change::Host { host: name.clone(), state, was });
        }
        let same_part = matches!((old, new), (Some(old), Some(new)) if Arc::ptr_eq(&old.part, &new.part));
        if was != state || !same_part {
            containers(name, old.map(|host| &**host), new.map(|host| &**host), &mut changes);
        }
    }
    changes
}

fn containers(host: &Name, old: Option<&HostView>, new: Option<&HostView>, changes: &mut Vec<Change>) {
    let names = |view: Option<&HostView>| -> BTreeSet<Name> {
        view.into_iter().flat_map(|view| view.part.containers.keys().cloned()).collect()
    };
    for name in names(old).union(&names(new)) {
        let (before, after) = (find(old, name), find(new, name));
        let (was, state) = (before.map(|instance| instance.state()), after.map(|instance| instance.state()));
        let says_the_same = before.map(|instance| instance.container) == after.map(|instance| instance.container);
        if was == state && says_the_same {
            continue;
        }
        let Some(shown) = after.or(before) else { continue };
        changes.push(Change::Container {
            host: host.clone(),
            container: name.clone(),
            service: shown.container.service.clone(),
            address: shown.container.address,
            state,
            was,
            output: shown.container.health.output.clone(),
        });
    }
}

fn find<'a>(view: Option<&'a HostView>, name: &Name) -> Option<Instance<'a>> {
    let host = view?;
    let (name, container) = host.part.containers.get_key_value(name)?;
    Some(Instance { host, name, container })
}

/// The last changes, and who waits for the next.
#[derive(Debug)]
pub struct History {
    run: u64,
    kept: Mutex<Kept>,
    last: watch::Sender<u64>,
}

/// Numbers begin with 1 and follow each other.
#[derive(Debug, Default)]
struct Kept {
    first: u64,
    changes: VecDeque<Arc<str>>,
}

/// What comes next for a listener.
#[derive(Clone, Debug, PartialEq)]
enum Next {
    /// This change.
    Change(u64, Arc<str>),
    /// What it wants is not kept: it goes on after this number.
    Reset(u64),
    /// Nothing yet.
    Nothing,
}

impl History {
    /// An empty one. `run` tells this run of the agent from the others.
    pub fn new(run: u64) -> Arc<Self> {
        let kept = Kept { first: 1, changes: VecDeque::new() };
        Arc::new(Self { run, kept: Mutex::new(kept), last: watch::Sender::new(0) })
    }

    /// Keeps what differs between each view and the next, and that there is another picture, until there are no more
    /// views.
    pub async fn record(
        self: Arc<Self>,
        mut views: watch::Receiver<Arc<View>>,
        mut pictures: watch::Receiver<Arc<Picture>>,
    ) {
        let mut before = Arc::clone(&views.borrow_and_update());
        let mut redrawn = true;
        loop {
            tokio::select! {
                viewed = views.changed() => {
                    if viewed.is_err() {
                        return;
                    }
                    let after = Arc::clone(&views.borrow_and_update());
                    self.keep(&between(&before, &after), SystemTime::now());
                    before = after;
                }
                drawn = pictures.changed(), if redrawn => match drawn {
                    Ok(()) => self.keep(&[Change::Picture], SystemTime::now()),
                    Err(_) => redrawn = false,
                },
            }
        }
    }

    /// Keeps these changes, which were seen at that time.
    pub fn keep(&self, changes: &[Change], seen: SystemTime) {
        if changes.is_empty() {
            return;
        }
        let unix_ms = milliseconds(seen);
        let mut kept = self.kept();
        for change in changes {
            // A change has nothing that JSON cannot say.
            let Ok(text) = serde_json::to_string(&Dated { unix_ms, change }) else { continue };
            kept.changes.push_back(text.into());
            if kept.changes.len() > KEPT {
                kept.changes.pop_front();
                kept.first += 1;
            }
        }
        let last = kept.last();
        drop(kept);
        self.last.send_replace(last);
    }

    /// The events for one listener. `after` is the `Last-Event-ID` that it brings; without one it gets the `last` so many
    /// changes of those that are kept first. `seat` is kept for as long as it listens.
    pub fn listen(
        self: &Arc<Self>,
        after: Option<&str>,
        last: u64,
        seat: Seat,
    ) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
        let begin = match after {
            Some(id) => self.number(id).map_or(Begin::Reset, Begin::After),
            None => Begin::Last(last),
        };
        let listener = Listener { history: Arc::clone(self), last: self.last.subscribe(), begin, at: 0, _seat: seat };
        stream::unfold(listener, async |mut listener| {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        })
    }

    /// The number of an id of this run.
    fn number(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        (run.parse() == Ok(self.run)).then(|| number.parse().ok()).flatten()
    }

    /// The number before the last so many of those that are kept.
    fn before_last(&self, count: u64) -> u64 {
        let kept = self.kept();
        kept.last().saturating_sub(count).max(kept.first - 1)
    }

    fn after(&self, number: u64) -> Next {
        let kept = self.kept();
        let last = kept.last();
        if number == last {
            return Next::Nothing;
        }
        let wanted = number.checked_add(1).and_then(|wanted| wanted.checked_sub(kept.first));
        let change = wanted.and_then(|place| kept.changes.get(usize::try_from(place).ok()?));
        change.map_or(Next::Reset(last), |change| Next::Change(number + 1, Arc::clone(change)))
    }

    fn event(&self, number: u64, kind: &str, data: &str) -> Event {
        Event::default().id(format!("{}-{number}", self.run)).event(kind).data(data)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn last(&self) -> u64 {
        self.first + self.changes.len() as u64 - 1
    }
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug)]
enum Begin {
    /// So many changes ago.
    Last(u64),
    After(u64),
    Reset,
    Begun,
}

struct Listener {
    history: Arc<History>,
    last: watch::Receiver<u64>,
    begin: Begin,
    at: u64,
    _seat: Seat,
}

impl Listener {
    /// The next event; nothing once there can be none.
    async fn next(&mut self) -> Option<Event> {
        match std::mem::replace(&mut self.begin, Begin::Begun) {
            Begin::Begun => {}
            Begin::After(number) => self.at = number,
            Begin::Last(count) => {
                self.at = self.history.before_last(count);
                return Some(self.history.event(self.at, "at", &now()));
            }
            Begin::Reset => {
                self.at = *self.last.borrow();
                return Some(self.history.event(self.at, "reset", &now()));
            }
        }
        loop {
            self.last.borrow_and_update();
            match self.history.after(self.at) {
                Next::Change(number, data) => {
                    self.at = number;
                    return Some(self.history.event(number, "change", &data));
                }
                Next::Reset(number) => {
                    self.at = number;
                    return Some(self.history.event(number, "reset", &now()));
                }
                Next::Nothing => self.last.changed().await.ok()?,
            }
        }
    }
}

/// What tells a listener which changes are older than its stream.
fn now() -> String {
    format!("{{\"unix_ms\":{}}}", milliseconds(SystemTime::now()))
}

fn milliseconds(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
