//! What every host says of its containers.
//!
//! The catalogue is a set of [`Part`]s, one a host. Only the host changes its part, and counts its changes; so two
//! copies of a part never disagree, one is only older. Which is the newest version the ring carries in a few bytes;
//! whoever has an older one asks the owner.
//!
//! ```text
//!   Own ────────▶ own part ── version ──▶ Announce: the mark, and the step where it is short   (user event)
//!                    │ └───────────────▶ Tag: the mark, seldom                                (member's tag)
//!   Asked ───────────┴────────────────▶ Send: nothing, steps, or the whole                    (proven stream)
//!
//!   Announced ──▶ the very next step? ── yes ──▶ applied
//!   Tagged ─────┐         │ no
//!   Host alive ─┴─────────┴──────────▶ Ask the owner ──▶ Answered: the owner's word ends it
//!
//!   anything new ──▶ Publish: a View, with a greater index
//! ```
//!
//! Who is believed: a part comes from its owner's answer, and the stream has proven who that is. An announcement proves
//! nothing, since a user event does not tell its sender: every holder of the ring's key could make up a step in another's
//! name. Such a step has a seal that the owner does not know, so the owner, who hears it too, makes a newer version and
//! all ask; the lie lives for as long as that takes. What a host says of itself it is believed, also that it has an
//! address that another says to have: then [`View::holder`] names neither.
//!
//! The state machine has the shape of those in the ring: it takes an [`Input`] at a [`Time`], and hands back
//! [`Output`]s. After each call, [`Catalogue::poll`] until there is nothing left, then wait until
//! [`Catalogue::wake_at`] or for the next input.

mod change;
mod config;
mod io;
pub mod limits;
mod model;
mod own;
mod peer;
pub mod simulation;
#[cfg(test)]
mod tests;
mod view;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pontoon_ring::time::Time;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use change::{Change, Mark, Step};
pub use config::{Config, Pace};
pub use io::{Input, Output};
pub use model::{Container, Health, HostState, MonitoringPoint, Name, Part, State, Version};
pub use view::{HostView, Instance, View};

use own::Own;
use peer::{Asking, Heard, Peer};
use wire::{Announcement, Answer, Ask};

/// What one host knows of all.
#[derive(Debug)]
pub struct Catalogue {
    config: Config,
    chance: ChaCha8Rng,
    own: Own,
    peers: BTreeMap<Name, Peer>,
    /// When something is to be done about asking a host: to ask it, or to wait for it no longer.
    asks: BTreeSet<(Time, Name)>,
    open: usize,
    /// When each host was last answered.
    answered: BTreeMap<Name, Time>,
    /// The last one that was published.
    view: Arc<View>,
    /// When the next view is due; `None` while nothing is new.
    view_at: Option<Time>,
    outputs: VecDeque<Output>,
    counters: Counters,
}

/// What a catalogue has counted since it began, for whoever watches it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Views that were published.
    pub views: u64,
    /// Versions of this host's own part.
    pub versions: u64,
    /// What was heard of other hosts' parts and is known, or older.
    pub known: u64,
    /// What was heard and made a part newer.
    pub applied: u64,
    /// What was heard and did not follow on what is known, so that the owner has to be asked.
    pub gaps: u64,
    /// Messages that are rubbish, too long, of another version, or break a limit.
    pub refused: u64,
    /// Answers that nobody waited for.
    pub unasked: u64,
    /// Asks of hosts that ask again too soon.
    pub hurried: u64,
    /// Times that somebody else spoke in this host's name, or in that of nobody.
    pub strangers: u64,
    /// Own containers that were left out because they break a limit.
    pub left_out: u64,
    /// Times that a host was asked.
    pub asks: u64,
    /// Those of them that were answered, so that its part is known.
    pub answers: u64,
    /// Those of them that nobody answered in time.
    pub unanswered: u64,
}

impl Catalogue {
    /// The catalogue of a host that knows nobody yet and has no containers.
    pub fn new(config: Config, now: Time) -> Self {
        let mut chance = ChaCha8Rng::from_seed(config.seed);
        let own = Own::new(config.name.clone(), config.epoch, now, &mut chance);
        Self {
            own,
            chance,
            peers: BTreeMap::new(),
            asks: BTreeSet::new(),
            open: 0,
            answered: BTreeMap::new(),
            view: Arc::default(),
            view_at: Some(now),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            config,
        }
    }

    /// Takes this for known, without asking: for a catalogue that has been there for long, in a simulation.
    pub fn acquaint(&mut self, now: Time, host: &Name, address: IpAddr, mark: Mark, part: &Part) {
        if *host != self.config.name && limits::fits(&part.containers) {
            let mut peer = Peer::new(address, HostState::Alive, now);
            peer.put(mark, part.containers.clone());
            self.peers.insert(host.clone(), peer);
            self.changed(now);
        }
    }

    /// Something has happened.
    pub fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::Tick => {}
            Input::Own(containers) => self.counters.left_out += self.own.set(containers) as u64,
            Input::Host { name, address, state } => self.host(now, &name, address, state),
            Input::Forgotten(name) => self.forget(now, &name),
            Input::Distance { name, round_trip } => self.distance(now, &name, round_trip),
            Input::Announced(bytes) => match Announcement::decode(&bytes) {
                Ok(said) if said.owner == self.config.name => self.own.hear(said.mark),
                Ok(said) => self.hear(now, &said),
                Err(_) => self.counters.refused += 1,
            },
            Input::Tagged { host, bytes } => match Announcement::decode(&bytes) {
                Ok(said) if said.owner == host => self.tagged(now, &said),
                Ok(_) => self.counters.strangers += 1,
                Err(_) => self.counters.refused += 1,
            },
            Input::Asked { host, ask } => self.asked(now, &host, ask),
            Input::Answered { host, bytes } => self.answered(now, &host, &bytes),
        }
        self.do_what_is_due(now);
    }

    /// The next thing that this catalogue wants done.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due, if nothing else happens before. It may have passed already.
    pub fn wake_at(&self) -> Option<Time> {
        let ask = self.asks.first().map(|(time, _)| *time);
        [self.own.version_due(), self.own.tag_due(), ask, self.view_at].into_iter().flatten().min()
    }

    /// Which state of a host's part is known, this host's included.
    pub fn mark(&self, host: &str) -> Option<Mark> {
        if *host == *self.config.name { Some(self.own.mark()) } else { self.peers.get(host)?.mark }
    }

    /// What is known of a host's part, this host's included.
    pub fn part(&self, host: &str) -> Option<&Arc<Part>> {
        if *host == *self.config.name { Some(self.own.part()) } else { self.peers.get(host).map(|peer| &peer.part) }
    }

    /// Whether any other host is there.
    pub fn has_others(&self) -> bool {
        self.peers.values().any(|peer| peer.state == HostState::Alive)
    }

    /// Hosts that are there and of whose parts no state is known.
    pub fn untold(&self) -> impl Iterator<Item = &Name> {
        let is_untold = |peer: &Peer| peer.state == HostState::Alive && peer.mark.is_none();
        self.peers.iter().filter(move |(_, peer)| is_untold(peer)).map(|(name, _)| name)
    }

    /// Whether the view that was published last has all that is known.
    pub const fn is_published(&self) -> bool {
        self.view_at.is_none()
    }

    /// What it has counted.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// How it was told to behave.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    fn host(&mut self, now: Time, name: &Name, address: IpAddr, state: HostState) {
        if *name == self.config.name {
            return;
        }
        let known = self.peers.len();
        if known >= limits::HOSTS_MAX && !self.peers.contains_key(name) {
            self.counters.refused += 1;
            return;
        }
        let peer = self.peers.entry(name.clone()).or_insert_with(|| Peer::new(address, HostState::Left, now));
        let before = std::mem::replace(&mut peer.state, state);
        if before == HostState::Alive && state != HostState::Alive {
            peer.seen = now;
        }
        peer.address = address;
        peer.view = None;
        if state != HostState::Alive {
            self.set_asking(name, Asking::No);
        } else if before != HostState::Alive {
            peer.patience = self.config.pace.ask_interval;
            self.want(now, name, None);
        }
        self.changed(now);
    }

    fn forget(&mut self, now: Time, name: &Name) {
        self.set_asking(name, Asking::No);
        if self.peers.remove(name).is_some() {
            self.changed(now);
        }
    }

    /// Only a distance that is quite another is news: it trembles all the time.
    fn distance(&mut self, now: Time, name: &Name, round_trip: Duration) {
        let Some(peer) = self.peers.get_mut(name) else { return };
        let same = peer.round_trip.is_some_and(|known| known.abs_diff(round_trip) <= known / 4);
        if !same {
            peer.round_trip = Some(round_trip);
            peer.view = None;
            self.changed(now);
        }
    }

    fn hear(&mut self, now: Time, said: &Announcement) {
        let Some(peer) = self.peers.get_mut(&said.owner) else {
            self.counters.strangers += 1;
            return;
        };
        match peer.hear(said) {
            Heard::Known => self.counters.known += 1,
            Heard::Applied => {
                self.counters.applied += 1;
                self.changed(now);
            }
            Heard::Gap => {
                self.counters.gaps += 1;
                peer.behind = true;
                self.want(now, &said.owner, Some(said.mark));
            }
        }
    }

    /// The tag is as good as an announcement, and it is the member's own: where it says what is known, there is no need
    /// to ask, as after a short absence.
    fn tagged(&mut self, now: Time, said: &Announcement) {
        self.hear(now, said);
        let due = |peer: &Peer| peer.mark == Some(said.mark) && matches!(peer.asking, Asking::Due(_)) && !peer.behind;
        if self.peers.get(&said.owner).is_some_and(due) {
            self.set_asking(&said.owner, Asking::No);
        }
    }

    fn asked(&mut self, now: Time, host: &Name, ask: Ask) {
        // It may know of this host before this host knows of it, so it need not be among the peers.
        let interval = self.config.pace.ask_interval / 2;
        let hurried = self.answered.get(host).is_some_and(|at| now.since(*at) < interval);
        if !hurried && self.answered.len() >= limits::HOSTS_MAX {
            self.answered.retain(|_, at| now.since(*at) < interval);
        }
        if hurried || self.answered.len() >= limits::HOSTS_MAX {
            self.counters.hurried += 1;
            return;
        }
        self.answered.insert(host.clone(), now);
        let bytes = self.own.answer(ask.id, ask.since);
        self.outputs.push_back(Output::Send { host: host.clone(), bytes });
    }

    fn answered(&mut self, now: Time, host: &Name, bytes: &[u8]) {
        let Some(peer) = self.peers.get_mut(host) else {
            self.counters.unasked += 1;
            return;
        };
        let Asking::Open { id, newer, .. } = peer.asking else {
            self.counters.unasked += 1;
            return;
        };
        let before = peer.mark;
        let answered = match Answer::decode(bytes) {
            Ok(answer) if answer.id != id => {
                self.counters.unasked += 1;
                return;
            }
            Ok(answer) => {
                peer.behind = false;
                let mark = answer.mark;
                peer.answered(answer).map(|()| mark).ok()
            }
            Err(_) => None,
        };
        let pace = self.config.pace;
        let again = if let Some(mark) = answered {
            self.counters.answers += 1;
            newer.is_some_and(|newer| newer != mark)
        } else {
            // Its word is worth more than what was pieced together; without a state to go on from, it tells all.
            peer.mark = None;
            self.counters.refused += 1;
            true
        };
        let in_vain = answered.is_none() || peer.mark == before;
        peer.patience = if in_vain { (peer.patience * 2).min(pace.ask_interval_max) } else { pace.ask_interval };
        self.set_asking(host, Asking::No);
        if again {
            self.want(now, host, None);
        }
        if self.peers.get(host).is_some_and(|peer| peer.mark != before) {
            self.changed(now);
        }
    }

    /// Sees to it that a host is asked for its part, if it is there: after a time of chance, and not too soon after the
    /// last time.
    fn want(&mut self, now: Time, host: &Name, heard: Option<Mark>) {
        let pace = self.config.pace;
        let hosts = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        let spread = pace.ask_spread_each.saturating_mul(hosts).min(pace.ask_spread_max);
        let soon = now + spread.mul_f64(self.chance.random());
        let Some(peer) = self.peers.get_mut(host).filter(|peer| peer.state == HostState::Alive) else { return };
        match &mut peer.asking {
            Asking::No => {
                let at = peer.asked_at.map_or(soon, |asked| soon.max(asked + peer.patience));
                self.set_asking(host, Asking::Due(at));
            }
            Asking::Due(_) => {}
            Asking::Open { newer, .. } => *newer = heard.or(*newer),
        }
    }

    fn set_asking(&mut self, host: &Name, asking: Asking) {
        let Some(peer) = self.peers.get_mut(host) else { return };
        match std::mem::replace(&mut peer.asking, asking) {
            Asking::No => {}
            Asking::Due(time) => {
                self.asks.remove(&(time, host.clone()));
            }
            Asking::Open { deadline, .. } => {
                self.asks.remove(&(deadline, host.clone()));
                self.open = self.open.saturating_sub(1);
            }
        }
        match asking {
            Asking::No => {}
            Asking::Due(time) => {
                self.asks.insert((time, host.clone()));
            }
            Asking::Open { deadline, .. } => {
                self.asks.insert((deadline, host.clone()));
                self.open += 1;
            }
        }
    }

    fn changed(&mut self, now: Time) {
        let soon = now + self.config.pace.view_wait;
        self.view_at = Some(self.view_at.map_or(soon, |at| at.min(soon)));
    }

    fn do_what_is_due(&mut self, now: Time) {
        let pace = self.config.pace;
        if let Some(bytes) = self.own.version(now, pace.version_interval, &mut self.chance) {
            self.counters.versions += 1;
            self.outputs.push_back(Output::Announce(bytes));
            self.changed(now);
        }
        if let Some(bytes) = self.own.tag(now, pace.tag_interval) {
            self.outputs.push_back(Output::Tag(bytes));
        }
        while let Some((time, host)) = self.asks.first().cloned().filter(|(time, _)| *time <= now) {
            self.asks.remove(&(time, host.clone()));
            self.ask_or_give_up(now, &host);
        }
        if self.view_at.is_some_and(|at| at <= now) {
            self.publish();
        }
    }

    fn ask_or_give_up(&mut self, now: Time, host: &Name) {
        let pace = self.config.pace;
        let id = self.chance.random();
        let crowded = self.open >= pace.asks_open_max;
        let Some(peer) = self.peers.get_mut(host) else { return };
        let next = match peer.asking {
            Asking::No => Asking::No,
            Asking::Due(_) if crowded => Asking::Due(now + pace.ask_interval / 4),
            Asking::Due(_) => {
                peer.asked_at = Some(now);
                let since = peer.mark;
                self.outputs.push_back(Output::Ask { host: host.clone(), id, since });
                self.counters.asks += 1;
                Asking::Open { id, deadline: now + pace.ask_timeout, newer: None }
            }
            Asking::Open { .. } => {
                // It was lost, and the membership says that the host is there: asking less often is for vain answers.
                self.counters.unanswered += 1;
                Asking::Due(now + pace.ask_interval)
            }
        };
        self.set_asking(host, next);
    }

    fn publish(&mut self) {
        self.view_at = None;
        self.counters.views += 1;
        let own = HostView {
            name: self.config.name.clone(),
            address: self.config.address,
            state: HostState::Alive,
            round_trip: Some(Duration::ZERO),
            part: self.own.part().clone(),
            stale_since: None,
        };
        let others = self.peers.iter_mut().map(|(name, peer)| peer.view(name));
        let all = std::iter::once(Arc::new(own)).chain(others);
        self.view = Arc::new(self.view.next(self.view.index + 1, all));
        self.outputs.push_back(Output::Publish(self.view.clone()));
    }
}
