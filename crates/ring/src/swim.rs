//! Membership: who is there, found out by probing and passed on by gossip.
//!
//! SWIM with Lifeguard as memberlist speaks it. The state machine is driven by [`Input`]s at a [`Time`] and hands back
//! [`Output`]s; what rides on the membership is an [`Application`]. It knows no socket, no clock and no other source of
//! chance than its seed.
//!
//! ```text
//!                  ┌ probe ─────▶ a member that answers nobody is suspected; awareness: is it perhaps me?
//!  Tick ───────────┤ suspicion ─▶ a suspicion that nobody refuted in time is a death
//!                  │ gossip ────▶ what the queue and the application have to say, to a few by chance
//!                  └ exchange ──▶ now and then, everything, with one by chance; join: with seeds
//!
//!  Datagram ─┐               ┌ alive    it is there, with a newer incarnation ─────▶ told on
//!            ├─▶ rules ──────┤ suspect  somebody doubts it; is it me? refute ──────▶ told on
//!  exchange ─┘               └ dead     nobody refuted, or it says itself that it leaves ─▶ told on
//! ```
//!
//! The driver's side of the contract: after each call, [`Swim::poll`] until there is nothing left, then wait until
//! [`Swim::wake_at`] or for the next input. All datagrams that have come are handed in before [`Input::Tick`]: only the
//! tick judges who did not answer in time, so a member that was stopped for a while hears first and judges then.

mod application;
mod awareness;
mod config;
mod exchange;
mod gossip;
mod io;
mod join;
mod leave;
mod members;
mod probe;
mod queue;
mod relay;
mod rules;
mod suspicion;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use self::application::{Application, Change, Departure, Member};
pub use self::config::{Config, ConfigError, Detection, MAX_META, MAX_NAME};
pub use self::io::{Exchange, ExchangeId, Failure, Input, JoinId, Output, StreamId};
pub use self::join::Persistence;
pub use self::queue::{Backlog, Queue, Ticket};

use self::awareness::Awareness;
use self::exchange::Exchanges;
use self::join::Joins;
use self::leave::Leaving;
use self::members::Members;
use self::probe::Probing;
use self::relay::Relays;
use self::rules::Origin;
use self::suspicion::{Due, Suspicions};
use crate::time::Time;
use crate::wire::message::{Alive, Message, Name, State};
use crate::wire::{Layers, packet};

/// One member of a ring.
#[derive(Debug)]
pub struct Swim<A> {
    config: Config,
    application: A,
    layers: Layers,
    chance: ChaCha8Rng,
    members: Members,
    suspicions: Suspicions,
    awareness: Awareness,
    /// What is to be told on about members, by their names.
    news: Queue,
    probing: Probing,
    relays: Relays,
    /// Those who died lately, and when.
    dead: VecDeque<(Time, Name)>,
    /// When gossip may be sent again, and when what nobody was told yet.
    gossip_at: Time,
    news_at: Time,
    push_pull_at: Time,
    /// How long it is to the next exchange after that, where that is less than usual.
    push_pull_wait: Duration,
    exchanges: Exchanges,
    joins: Joins,
    leaving: Option<Leaving>,
    outputs: VecDeque<Output>,
    counters: Counters,
}

/// What a member has counted since it began, for whoever watches it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that were not of this ring, or rubbish.
    pub refused_datagrams: u64,
    /// Messages within datagrams that were rubbish.
    pub refused_messages: u64,
    /// Messages of the application that fit into no datagram.
    pub unsendable: u64,
    /// Probes that nobody answered.
    pub failed_probes: u64,
    /// Times that this member had to say that it is alive.
    pub refutations: u64,
    /// Times that it was woken much too late.
    pub stalls: u64,
}

impl<A: Application> Swim<A> {
    /// A member that is alone so far. `seed` is all of its chance: where messages are encrypted, it has to come from
    /// the system's source of randomness.
    pub fn new(config: Config, application: A, layers: Layers, seed: [u8; 32], now: Time) -> Result<Self, ConfigError> {
        config.check()?;
        let meta = application.meta();
        if meta.len() > MAX_META {
            return Err(ConfigError::Meta { name: config.name, bytes: meta.len() });
        }
        let mut chance = ChaCha8Rng::from_seed(seed);
        let first = Alive {
            incarnation: 1,
            name: config.name.clone(),
            address: config.address,
            meta,
            versions: config.versions,
        };
        let mut swim = Self {
            members: Members::default(),
            suspicions: Suspicions::default(),
            awareness: Awareness::new(config.awareness_max),
            news: Queue::new(config.retransmit_multiplier, config.max_members),
            probing: Probing::new(now + some_of(config.probe_interval, &mut chance), chance.random()),
            relays: Relays::default(),
            dead: VecDeque::new(),
            gossip_at: now,
            news_at: now,
            push_pull_at: now + some_of(config.push_pull_interval, &mut chance),
            push_pull_wait: Duration::MAX,
            exchanges: Exchanges::default(),
            joins: Joins::default(),
            leaving: None,
            outputs: VecDeque::new(),
            counters: Counters::default(),
            config,
            application,
            layers,
            chance,
        };
        swim.alive(now, first, Origin::Own);
        Ok(swim)
    }

    /// Takes these for members that are there, without a word to anybody: for a ring that is known by other means, such
    /// as a simulated one.
    pub fn acquaint(&mut self, now: Time, members: &[Arc<Alive>]) {
        self.members.reserve(members.len().min(self.config.max_members));
        for said in members {
            if self.members.get(&said.name).is_none() && self.members.len() < self.config.max_members {
                let member = Member { said: said.clone(), state: State::Alive, since: now };
                self.members.put(member.clone(), &mut self.chance);
                self.application.changed(now, Change::Joined(member));
            }
        }
    }

    /// Something has happened.
    pub fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::Tick => self.tick(now),
            Input::Datagram { from, bytes } => self.datagram(now, from, &bytes),
            Input::Request { stream, from, message } => self.request(now, stream, from, message),
            Input::Answered { exchange, answer } => self.answered(now, exchange, answer),
        }
    }

    /// The next thing that this member wants done.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due, if nothing else happens before. It may have passed already.
    pub fn wake_at(&self) -> Option<Time> {
        [
            Some(self.probe_due()),
            self.relays.deadline(),
            self.suspicions.deadline(),
            self.gossip_due(),
            self.push_pull_due(),
            self.joins.deadline(),
            self.leaving.as_ref().and_then(Leaving::deadline),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Who is known, in no order: those who live, this member among them, and for a while those who went.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// The member of a name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.get(name)
    }

    /// This member, as it last told the others; `None` never happens while it runs.
    pub fn local(&self) -> Option<&Member> {
        self.members.get(&self.config.name)
    }

    /// How many live, this member among them.
    pub fn living(&self) -> usize {
        self.members.living()
    }

    /// How unwell this member finds itself: 0 is well.
    pub fn health(&self) -> u32 {
        self.awareness.score()
    }

    /// What it has counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How it behaves.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What rides on it.
    pub fn application(&self) -> &A {
        &self.application
    }

    /// What rides on it, for whoever has something to say by it; ask [`Swim::wake_at`] again afterwards.
    pub fn application_mut(&mut self) -> &mut A {
        &mut self.application
    }

    /// What is put around messages: label, compression, keys.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The same, for changing the keys.
    pub fn layers_mut(&mut self) -> &mut Layers {
        &mut self.layers
    }

    /// Sends a message to another member's application in one datagram, which may be lost.
    pub fn send(&mut self, _now: Time, to: SocketAddr, message: Bytes) {
        self.send_with_gossip(to, None, &Message::User(message));
    }

    /// Asks the application again what this member says of itself, and tells the others. What is longer than
    /// [`MAX_META`] is refused, and nothing changes.
    pub fn update_meta(&mut self, now: Time) -> Result<(), ConfigError> {
        let meta = self.application.meta();
        if meta.len() > MAX_META {
            return Err(ConfigError::Meta { name: self.config.name.clone(), bytes: meta.len() });
        }
        if let Some(me) = self.local().filter(|_| self.leaving.is_none()) {
            let said = Alive { incarnation: me.incarnation.saturating_add(1), meta, ..Alive::clone(&me.said) };
            self.alive(now, said, Origin::Own);
        }
        Ok(())
    }

    fn tick(&mut self, now: Time) {
        self.notice_stall(now);
        self.probe(now);
        self.send_nacks(now);
        while let Some(due) = self.suspicions.due(now) {
            match due {
                Due::Warning(name) => self.warn(&name),
                Due::End(name) => self.give_up(now, &name),
            }
        }
        self.push_pull(now);
        self.retry_joins(now);
        self.gossip(now);
        self.end_leave(now);
    }

    /// Whether this member was stopped: its process, its machine, or its clock. It cannot know then who answered
    /// meanwhile, so it judges nobody by the time that it missed.
    fn notice_stall(&mut self, now: Time) {
        let missed = now.since(self.probe_due());
        if missed <= self.config.probe_timeout || self.config.detection < Detection::Careful {
            return;
        }
        self.counters.stalls += 1;
        self.awareness.worse(1);
        self.abandon_probe(now);
        self.suspicions.postpone(missed);
    }

    fn datagram(&mut self, now: Time, from: SocketAddr, bytes: &Bytes) {
        let Ok(opened) = packet::open(&self.layers, bytes) else {
            self.counters.refused_datagrams += 1;
            return;
        };
        self.counters.refused_messages += opened.refused.len() as u64;
        for message in opened.messages {
            match message {
                Message::Ping(ping) => self.answer_ping(from, &ping),
                Message::IndirectPing(request) => self.ask_for(now, from, request),
                Message::Ack(ack) => self.acknowledged(now, &ack),
                Message::Nack(nack) => self.not_acknowledged(from, nack),
                Message::Suspect(suspect) => self.suspect(now, suspect),
                Message::Alive(alive) => self.alive(now, alive, Origin::Gossip),
                Message::Dead(dead) => self.dead(now, &dead),
                Message::User(message) => self.application.message(now, &message),
            }
        }
    }
}

/// A random part of a time, so that members that started together do not act together.
fn some_of(time: Duration, chance: &mut impl Rng) -> Duration {
    time.mul_f64(chance.random::<f64>())
}
