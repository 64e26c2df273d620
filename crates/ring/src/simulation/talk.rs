//! The simplest application of a membership: members say numbers to all, and note what changes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Announces, Birth, Machine, Network, Simulation};
use crate::swim::{Application, Backlog, Change, Config, Input, Member, Output, Persistence, Queue, Swim};
use crate::time::Time;
use crate::wire::message::Alive;
use crate::wire::{Compression, Layers};

/// What is said to all is heard by all, like Serf's events: told on by gossip, and part of the state that members
/// exchange. So a member hears what was said before it came, too.
#[derive(Debug)]
pub struct Talk {
    queue: Queue,
    heard: BTreeSet<u64>,
    changes: Vec<Change>,
    /// What the member says of itself.
    pub meta: Bytes,
    /// The round trips that were measured.
    pub round_trips: Vec<Duration>,
}

impl Talk {
    /// Nothing said yet.
    pub fn new(retransmit_multiplier: u32) -> Self {
        Self {
            queue: Queue::new(retransmit_multiplier, 1024),
            heard: BTreeSet::new(),
            changes: Vec::new(),
            meta: Bytes::new(),
            round_trips: Vec::new(),
        }
    }

    /// Says or hears a number; what is new is told on.
    pub fn hear(&mut self, number: u64) {
        if self.heard.insert(number) {
            self.queue.push(None, Bytes::copy_from_slice(&number.to_be_bytes()));
        }
    }

    /// Takes what has changed since the last time.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }
}

impl Application for Talk {
    fn meta(&self) -> Bytes {
        self.meta.clone()
    }

    fn backlog(&self) -> Backlog {
        self.queue.backlog()
    }

    fn broadcasts(&mut self, overhead: usize, limit: usize, members: usize) -> Vec<Bytes> {
        self.queue.take(overhead, limit, members)
    }

    fn message(&mut self, _: Time, message: &[u8]) {
        if let Ok(number) = message.try_into() {
            self.hear(u64::from_be_bytes(number));
        }
    }

    fn local_state(&mut self, _: bool) -> Bytes {
        self.heard.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn merge_remote_state(&mut self, _: Time, state: &[u8], _: bool) {
        for number in state.as_chunks().0 {
            self.hear(u64::from_be_bytes(*number));
        }
    }

    fn admit(&self, _: &Alive) -> Result<(), String> {
        Ok(())
    }

    fn ack_payload(&mut self) -> Bytes {
        Bytes::new()
    }

    fn ping_answered(&mut self, _: Time, _: &Member, round_trip: Duration, _: &[u8]) {
        if self.round_trips.len() < 1024 {
            self.round_trips.push(round_trip);
        }
    }

    fn changed(&mut self, _: Time, change: Change) {
        self.changes.push(change);
    }
}

impl Machine for Swim<Talk> {
    fn handle(&mut self, now: Time, input: Input) {
        self.handle(now, input);
    }

    fn poll(&mut self) -> Option<Output> {
        self.poll()
    }

    fn wake_at(&self) -> Option<Time> {
        self.wake_at()
    }

    fn join(&mut self, now: Time, seeds: Vec<SocketAddr>) {
        self.join(now, seeds, Persistence::UntilReached);
    }

    fn leave(&mut self, now: Time) {
        self.leave(now);
    }

    fn introduces_itself(&self) -> Option<Arc<Alive>> {
        self.local().map(|me| me.said.clone())
    }

    fn acquaint(&mut self, now: Time, members: &[Arc<Alive>]) {
        self.acquaint(now, members);
    }

    fn member(&self, name: &str) -> Option<&Member> {
        self.member(name)
    }

    fn living(&self) -> usize {
        self.living()
    }

    fn take_changes(&mut self) -> Vec<Change> {
        self.application_mut().take_changes()
    }
}

impl Announces for Swim<Talk> {
    fn announce(&mut self, _: Time, number: u64) {
        self.application_mut().hear(number);
    }

    fn has_heard(&self, number: u64) -> bool {
        self.application().heard.contains(&number)
    }
}

/// A simulation of members with a [`Talk`]; `tune` changes their configuration from that for a LAN. Nothing is
/// compressed or encrypted: that is slow, and changes nothing but the size.
pub fn swim(seed: u64, network: Network, tune: impl Fn(&mut Config) + 'static) -> Simulation<Swim<Talk>> {
    Simulation::new(seed, network, move |birth: &Birth| {
        let mut config = Config::lan(birth.name(), birth.address);
        tune(&mut config);
        let talk = Talk::new(config.retransmit_multiplier);
        let layers = Layers { compression: Compression::Off, ..Layers::default() };
        Swim::new(config, talk, layers, birth.seed, birth.now).ok()
    })
}

/// A simulation of members that know each other already.
pub fn ring(
    seed: u64,
    members: usize,
    network: Network,
    tune: impl Fn(&mut Config) + 'static,
) -> Simulation<Swim<Talk>> {
    let mut simulation = swim(seed, network, tune);
    for _ in 0..members {
        simulation.start();
    }
    simulation.acquaint_all();
    simulation
}
