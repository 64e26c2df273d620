//! Catalogues of many hosts in virtual time, on a ring that loses, doubles, delays and is cut: all of it from one seed.
//!
//! The ring itself is only as good as needed here: an event reaches each other host or does not, a tag reaches all who
//! can be reached, and hosts learn after a while who is there. How the gossip does that is tested where it is made.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pontoon_ring::time::Time;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::wire::Ask;
use super::{Catalogue, Config, Container, HostState, Input, Name, Output, Pace, View};

/// How well the ring carries.
#[derive(Clone, Copy, Debug)]
pub struct Carriage {
    /// The longest that an event takes to a host; the shortest is nothing, so they overtake each other.
    pub gossip: Duration,
    /// The longest that a message between two hosts takes.
    pub latency: Duration,
    /// The part of events that a host never gets, and of messages between two hosts that are lost with their stream.
    pub loss: f64,
    /// The part of both that comes twice.
    pub duplicates: f64,
    /// How long the membership takes to say that somebody fails or is back.
    pub detection: Duration,
}

impl Default for Carriage {
    fn default() -> Self {
        Self {
            gossip: Duration::from_millis(400),
            latency: Duration::from_millis(2),
            loss: 0.0,
            duplicates: 0.0,
            detection: Duration::from_secs(3),
        }
    }
}

/// Many hosts.
#[derive(Debug)]
pub struct Simulation {
    now: Time,
    chance: ChaCha8Rng,
    carriage: Carriage,
    pace: Pace,
    hosts: Vec<Host>,
    names: BTreeMap<Name, usize>,
    queue: BTreeMap<(Time, u64), (usize, Happening)>,
    count: u64,
}

#[derive(Debug)]
struct Host {
    name: Name,
    catalogue: Option<Catalogue>,
    /// Whose hosts hear each other.
    side: u8,
    tag: Option<Bytes>,
    view: Arc<View>,
    wakes: BTreeSet<Time>,
    received: u64,
}

#[derive(Clone, Debug)]
enum Happening {
    Wake(Time),
    /// From a host, by way of the network.
    Input(usize, Input),
    /// The membership has found out about another host.
    Noticed(usize),
}

impl Simulation {
    /// Nobody yet.
    pub fn new(seed: u64, carriage: Carriage, pace: Pace) -> Self {
        Self {
            now: Time::ZERO,
            chance: ChaCha8Rng::seed_from_u64(seed),
            carriage,
            pace,
            hosts: Vec::new(),
            names: BTreeMap::new(),
            queue: BTreeMap::new(),
            count: 0,
        }
    }

    /// One host more, which the others do not know yet; its number.
    pub fn add(&mut self) -> usize {
        let index = self.hosts.len();
        let name: Name = format!("lxd{index}").into();
        self.names.insert(name.clone(), index);
        let view = Arc::default();
        let host = Host { name, catalogue: None, side: 0, tag: None, view, wakes: BTreeSet::new(), received: 0 };
        self.hosts.push(host);
        index
    }

    /// Starts a host's agent, which knows nothing; those who can be reached find out after a while.
    pub fn start(&mut self, index: usize, epoch: u64) {
        let config = self.config(index, epoch);
        let Some(host) = self.hosts.get_mut(index) else { return };
        host.catalogue = Some(Catalogue::new(config, self.now));
        host.tag = None;
        host.wakes.clear();
        self.input(index, Input::Tick);
        self.notice(index);
    }

    /// Starts so many hosts that know each other and their containers already.
    pub fn settled(&mut self, number: usize, containers: impl Fn(usize) -> BTreeMap<Name, Container>) {
        let first = self.hosts.len();
        let indices: Vec<usize> = (0..number).map(|_| self.add()).collect();
        for index in indices {
            let mut catalogue = Catalogue::new(self.config(index, 1), self.now);
            catalogue.handle(self.now, Input::Own(containers(index)));
            if let Some(host) = self.hosts.get_mut(index) {
                while let Some(output) = catalogue.poll() {
                    if let Output::Tag(bytes) = output {
                        host.tag = Some(bytes);
                    }
                }
                host.catalogue = Some(catalogue);
            }
        }
        let parts: Vec<_> = self.hosts.iter().skip(first).filter_map(known_of).collect();
        for (offset, host) in self.hosts.iter_mut().skip(first).enumerate() {
            let Some(catalogue) = &mut host.catalogue else { continue };
            for (index, (name, mark, part)) in parts.iter().enumerate() {
                if index != offset {
                    catalogue.acquaint(self.now, name, address(first + index), *mark, part);
                }
            }
        }
        for index in first..self.hosts.len() {
            self.input(index, Input::Tick);
        }
    }

    /// Ends a host's agent without a word.
    pub fn stop(&mut self, index: usize) {
        if let Some(host) = self.hosts.get_mut(index) {
            host.catalogue = None;
        }
        self.notice(index);
    }

    /// Cuts the ring: hosts hear only those of the same side.
    pub fn cut(&mut self, side: impl Fn(usize) -> u8) {
        for (index, host) in self.hosts.iter_mut().enumerate() {
            host.side = side(index);
        }
        for index in 0..self.hosts.len() {
            self.notice(index);
        }
    }

    /// Hands something to one host at once.
    pub fn input(&mut self, index: usize, input: Input) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(index) else { return };
        let Some(catalogue) = &mut host.catalogue else { return };
        catalogue.handle(now, input);
        let mut outputs = Vec::new();
        while let Some(output) = catalogue.poll() {
            outputs.push(output);
        }
        let wake = catalogue.wake_at().map(|wake| wake.max(now)).filter(|wake| host.wakes.first() != Some(wake));
        if let Some(wake) = wake.filter(|wake| host.wakes.first().is_none_or(|first| wake < first)) {
            host.wakes.insert(wake);
            self.push(wake, index, Happening::Wake(wake));
        }
        for output in outputs {
            self.output(index, output);
        }
    }

    /// Says something to all as a user event, whatever it is.
    pub fn say(&mut self, from: usize, bytes: &Bytes) {
        for to in (0..self.hosts.len()).filter(|to| *to != from) {
            let wait = self.carriage.gossip;
            self.send(from, to, wait, &Input::Announced(bytes.clone()));
        }
    }

    /// Lets time pass until something holds, which is looked at each 10 ms; how long that took, or `None` if it did not
    /// within `limit`.
    pub fn until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) -> Option<Duration> {
        let began = self.now;
        while !holds(self) {
            if self.now.since(began) >= limit {
                return None;
            }
            self.run_for(Duration::from_millis(10));
        }
        Some(self.now.since(began))
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), (to, happening)) = entry.remove_entry();
            self.now = at;
            self.happen(to, happening);
        }
        self.now = end;
    }

    /// Whether all who run and are on one side know the newest state of each other's part.
    pub fn agree(&self) -> bool {
        (0..self.hosts.len()).all(|owner| self.agree_on(owner))
    }

    /// Whether all who can reach a host know the newest state of its part.
    pub fn agree_on(&self, owner: usize) -> bool {
        let Some(host) = self.hosts.get(owner) else { return false };
        let Some(mark) = host.catalogue.as_ref().and_then(|catalogue| catalogue.mark(&host.name)) else { return true };
        let others = self.hosts.iter().filter(|other| other.side == host.side);
        others.filter_map(|other| other.catalogue.as_ref()).all(|other| other.mark(&host.name) == Some(mark))
    }

    /// A host's catalogue, while it runs.
    pub fn catalogue(&self, index: usize) -> Option<&Catalogue> {
        self.hosts.get(index)?.catalogue.as_ref()
    }

    /// The last view of a host.
    pub fn view(&self, index: usize) -> Option<&Arc<View>> {
        self.hosts.get(index).map(|host| &host.view)
    }

    /// How many hosts there are.
    pub const fn size(&self) -> usize {
        self.hosts.len()
    }

    /// What time it is.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The bytes that all hosts together have received of the catalogue's messages, each message counted once a host.
    pub fn received(&self) -> u64 {
        self.hosts.iter().map(|host| host.received).sum()
    }

    fn config(&mut self, index: usize, epoch: u64) -> Config {
        Config {
            name: format!("lxd{index}").into(),
            address: address(index),
            epoch,
            seed: self.chance.random(),
            pace: self.pace,
        }
    }

    fn happen(&mut self, to: usize, happening: Happening) {
        match happening {
            Happening::Wake(at) => {
                if self.hosts.get_mut(to).is_some_and(|host| host.wakes.remove(&at)) {
                    self.input(to, Input::Tick);
                }
            }
            Happening::Input(from, input) if self.connected(from, to) => {
                let bytes = match &input {
                    Input::Announced(bytes) | Input::Tagged { bytes, .. } | Input::Answered { bytes, .. } => {
                        bytes.len()
                    }
                    Input::Asked { ask, .. } => ask.encode().len(),
                    _ => 0,
                };
                if let Some(host) = self.hosts.get_mut(to) {
                    host.received += bytes as u64;
                }
                self.input(to, input);
            }
            Happening::Input(..) => {}
            Happening::Noticed(other) => self.noticed(to, other),
        }
    }

    /// One host learns how another is, and if it is there, its tag.
    fn noticed(&mut self, to: usize, other: usize) {
        let here = self.connected(to, other);
        let Some(host) = self.hosts.get(other) else { return };
        let (name, tag) = (host.name.clone(), host.tag.clone());
        let known = self.catalogue(to).is_some_and(|catalogue| catalogue.part(&name).is_some());
        if !here && !known {
            return;
        }
        let state = if here { HostState::Alive } else { HostState::Failed };
        self.input(to, Input::Host { name: name.clone(), address: address(other), state });
        if let Some(bytes) = tag.filter(|_| here) {
            self.input(to, Input::Tagged { host: name, bytes });
        }
    }

    /// Lets a host and all others find out about each other.
    fn notice(&mut self, index: usize) {
        for other in (0..self.hosts.len()).filter(|other| *other != index) {
            for (one, two) in [(index, other), (other, index)] {
                let at = self.now + self.carriage.detection.mul_f64(self.chance.random());
                self.push(at, one, Happening::Noticed(two));
            }
        }
    }

    fn output(&mut self, from: usize, output: Output) {
        let latency = self.carriage.latency;
        let Some(name) = self.hosts.get(from).map(|host| host.name.clone()) else { return };
        match output {
            Output::Announce(bytes) => self.say(from, &bytes),
            Output::Tag(bytes) => {
                if let Some(host) = self.hosts.get_mut(from) {
                    host.tag = Some(bytes.clone());
                }
                for to in (0..self.hosts.len()).filter(|to| *to != from) {
                    let at = self.now + self.carriage.gossip.mul_f64(self.chance.random());
                    let input = Input::Tagged { host: name.clone(), bytes: bytes.clone() };
                    self.push(at, to, Happening::Input(from, input));
                }
            }
            Output::Ask { host, id, since } => {
                if let Some(to) = self.names.get(&host).copied() {
                    self.send(from, to, latency, &Input::Asked { host: name, ask: Ask::new(id, since) });
                }
            }
            Output::Send { host, bytes } => {
                if let Some(to) = self.names.get(&host).copied() {
                    self.send(from, to, latency, &Input::Answered { host: name, bytes });
                }
            }
            Output::Publish(view) => {
                if let Some(host) = self.hosts.get_mut(from) {
                    host.view = view;
                }
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, longest: Duration, input: &Input) {
        if self.happens(self.carriage.loss) || !self.connected(from, to) {
            return;
        }
        let copies = if self.happens(self.carriage.duplicates) { 2 } else { 1 };
        for _ in 0..copies {
            let at = self.now + longest.mul_f64(self.chance.random());
            self.push(at, to, Happening::Input(from, input.clone()));
        }
    }

    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.chance.random::<f64>() < probability
    }

    fn connected(&self, one: usize, two: usize) -> bool {
        let running = |index: usize| self.hosts.get(index).filter(|host| host.catalogue.is_some());
        running(one).zip(running(two)).is_some_and(|(one, two)| one.side == two.side)
    }

    fn push(&mut self, at: Time, to: usize, happening: Happening) {
        self.count += 1;
        self.queue.insert((at, self.count), (to, happening));
    }
}

type Known = (Name, super::Mark, Arc<super::Part>);

fn known_of(host: &Host) -> Option<Known> {
    let catalogue = host.catalogue.as_ref()?;
    Some((host.name.clone(), catalogue.mark(&host.name)?, catalogue.part(&host.name)?.clone()))
}

/// Where a host's agent listens.
fn address(index: usize) -> IpAddr {
    let number = u32::try_from(index).unwrap_or(u32::MAX);
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 200, 0, 1).to_bits().saturating_add(number)).into()
}
