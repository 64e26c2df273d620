//! What Serf adds to the membership: tags, user events, queries, keys, coordinates, and a memory of the ring.
//!
//! [`Serf`] has the shape of the membership below it: it takes [`Input`](swim::Input)s at a [`Time`], and hands back
//! [`Output`]s; besides, it has a method for each thing that a user may want of it. It has no socket, clock or file: the
//! driver has.
//!
//! ```text
//!   commands ──▶ ┌ Serf ────────────────────────────────────┐ ──▶ events, answers, lines of the snapshot
//!                │  gossip   what is known; an Application   │
//!                │     ▲ message, state, change              │
//!   inputs ────▶ │  Swim<Gossip>                             │ ──▶ datagrams, exchanges
//!                └───────────────────────────────────────────┘
//! ```
//!
//! - `members`, `intents`: who is there; `recent`: what is news; `clock`: what came before what;
//! - `queries`, `asked`, `filter`, `keys`: questions, and the answers to them;
//! - `vivaldi`: where members lie; `coalesce`: events told together;
//! - `snapshot`, `rejoin`: coming back after a restart.
//!
//! The source of the facts is Serf's own code at `hashicorp/serf`, in the files that the modules name.

mod asked;
mod clock;
mod coalesce;
mod config;
mod error;
mod event;
mod filter;
mod gossip;
mod intents;
mod keys;
mod leave;
mod member;
mod members;
mod output;
mod queries;
mod recent;
mod rejoin;
pub mod snapshot;
pub mod vivaldi;

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use config::{Config, Conflicts, Coordinates, Window};
pub use error::Error;
pub use event::{Answer, Change, Coalesce, Event, Query, QueryId, UserEvent};
pub use gossip::Replay;
pub use keys::{KeyChange, KeyReport};
pub use member::{Member, Status, Tags};
pub use members::Prune;
pub use output::{Output, Stats};
pub use queries::{Acks, Question};
pub use snapshot::Snapshot;

use asked::Purpose;
use gossip::{Effect, Gossip, Presence};
use leave::Leaving;
use members::Ages;
use rejoin::Rejoin;

use crate::swim::{self, Input, JoinId, Persistence, Swim};
use crate::time::Time;
use crate::wire::coordinate::Coordinate;
use crate::wire::serf::{self as messages, SerfMessage};
use crate::wire::{Layers, tags};

/// One member of a ring.
#[derive(Debug)]
pub struct Serf {
    swim: Swim<Gossip>,
    leaving: Option<Leaving>,
    rejoin: Rejoin,
    reap_at: Time,
    reconnect_at: Time,
    outputs: VecDeque<Output>,
}

impl Serf {
    /// A member that is alone so far. With a snapshot it goes back to the ring that this names, and keeps it up to date.
    /// `seed` is all of its chance: where messages are encrypted, it has to come from the system's source of randomness.
    pub fn new(
        config: Config,
        layers: Layers,
        snapshot: Option<Snapshot>,
        seed: [u8; 32],
        now: Time,
    ) -> Result<Self, Error> {
        check_tags(&config.tags)?;
        // The membership draws from the same seed: another stream of it keeps the two apart.
        let mut chance = ChaCha8Rng::from_seed(seed);
        chance.set_stream(1);
        let mut known: Vec<SocketAddr> =
            snapshot.iter().flat_map(|snapshot| snapshot.alive.values().copied()).collect();
        known.retain(|address| *address != config.swim.address);
        known.shuffle(&mut chance);
        let (reap, reconnect) = (config.reap_interval, config.reconnect_interval);
        let swim_config = config.swim.clone();
        let gossip = Gossip::new(config, snapshot, chance, now);
        let mut serf = Self {
            swim: Swim::new(swim_config, gossip, layers, seed, now)?,
            leaving: None,
            rejoin: Rejoin::new(known, now),
            reap_at: now + reap,
            reconnect_at: now + reconnect,
            outputs: VecDeque::new(),
        };
        serf.settle(now);
        Ok(serf)
    }

    /// Something has happened.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.swim.handle(now, input);
        self.do_what_is_due(now);
        self.settle(now);
    }

    /// The next thing that this member wants done or tells.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due, if nothing else happens before. It may have passed already.
    pub fn wake_at(&self) -> Option<Time> {
        let gossip = self.gossip();
        [
            self.swim.wake_at(),
            Some(self.reap_at),
            Some(self.reconnect_at),
            gossip.prune_at,
            gossip.asked.wake_at(),
            gossip.coalescer.wake_at(),
            gossip.recorder.as_ref().and_then(snapshot::Recorder::wake_at),
            self.rejoin.wake_at(),
            self.leaving.as_ref().and_then(Leaving::wake_at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// All members that are known, by name.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.gossip().members.iter().map(|entry| &entry.member)
    }

    /// The member of a name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.gossip().members.get(name).map(|entry| &entry.member)
    }

    /// What rides below: the membership.
    pub const fn membership(&self) -> &Swim<impl swim::Application + use<>> {
        &self.swim
    }

    /// How it behaves; the tags are those of now.
    pub fn config(&self) -> &Config {
        &self.gossip().config
    }

    /// What is put around messages, for whoever reads and writes streams.
    pub fn layers(&self) -> &Layers {
        self.swim.layers()
    }

    /// What there is to say about this member to an operator.
    pub fn stats(&self) -> Stats {
        let gossip = self.gossip();
        let count = gossip.members.count();
        Stats {
            members: count.known,
            failed: count.failed,
            left: count.left,
            health_score: self.swim.health(),
            member_time: gossip.clock.now().0,
            event_time: gossip.events.clock().now().0,
            query_time: gossip.queries.clock().now().0,
            intent_queue: gossip.intent_queue.len(),
            event_queue: gossip.event_queue.len(),
            query_queue: gossip.query_queue.len(),
            is_encrypted: self.layers().keyring.is_some(),
            coordinate_resets: gossip.vivaldi.resets(),
        }
    }

    /// Where a member lies: this one, or another that has answered a ping.
    pub fn coordinate(&self, name: &str) -> Option<&Coordinate> {
        let gossip = self.gossip();
        match gossip.config.coordinates {
            Coordinates::Off => None,
            Coordinates::Measure if name == &**gossip.name() => Some(gossip.vivaldi.position()),
            Coordinates::Measure => gossip.coordinates.get(name),
        }
    }

    /// Joins the ring of whoever answers at one of the addresses; [`Output::JoinEnded`] tells the end.
    pub fn join(
        &mut self,
        now: Time,
        seeds: Vec<SocketAddr>,
        persistence: Persistence,
        replay: Replay,
    ) -> Result<JoinId, Error> {
        self.check_is_here()?;
        let join = self.swim.join(now, seeds, persistence);
        self.gossip_mut().joins.insert(join, replay);
        self.settle(now);
        Ok(join)
    }

    /// Says something to all.
    pub fn user_event(&mut self, now: Time, name: &str, payload: Bytes, coalesce: Coalesce) -> Result<(), Error> {
        self.check_is_here()?;
        let gossip = self.gossip_mut();
        let limit = gossip.config.user_event_size.min(gossip::USER_EVENT_SIZE_MAX);
        let event = messages::UserEvent {
            time: gossip.events.clock().now(),
            name: name.to_owned(),
            payload,
            coalesce: coalesce == Coalesce::Allowed,
        };
        // Serf counts twice: what the user says, and what goes on the network.
        let size = event.name.len() + event.payload.len();
        let size = size.max(messages::encode(&SerfMessage::UserEvent(event.clone())).len());
        if size > limit {
            return Err(Error::EventTooLarge { size, limit });
        }
        gossip.say(now, event);
        self.settle(now);
        Ok(())
    }

    /// Asks the ring; [`Output::Answer`]s follow, and [`Output::QueryEnded`].
    pub fn query(&mut self, now: Time, question: Question) -> Result<QueryId, Error> {
        self.check_is_here()?;
        let id = self.gossip_mut().ask(now, question, Purpose::Answers)?;
        self.settle(now);
        Ok(id)
    }

    /// Answers an [`Event::Query`].
    pub fn respond(&mut self, now: Time, query: QueryId, payload: Bytes) -> Result<(), Error> {
        self.gossip_mut().respond(now, query, payload)?;
        self.settle(now);
        Ok(())
    }

    /// Asks each member to change its keys; [`Output::KeysChanged`] tells what came of it.
    pub fn change_keys(&mut self, now: Time, change: &KeyChange, relay_factor: u8) -> Result<QueryId, Error> {
        self.check_is_here()?;
        let gossip = self.gossip_mut();
        let (name, payload) = (change.query().to_owned(), change.request());
        let question = Question { name, payload, relay_factor, ..Question::default() };
        let report = gossip.empty_report();
        let id = gossip.ask(now, question, Purpose::Keys(report))?;
        self.settle(now);
        Ok(id)
    }

    /// Says something else of this member.
    pub fn set_tags(&mut self, now: Time, tags: Tags) -> Result<(), Error> {
        self.check_is_here()?;
        check_tags(&tags)?;
        self.gossip_mut().config.tags = tags;
        self.swim.update_meta(now)?;
        self.settle(now);
        Ok(())
    }

    /// Says for a member that does not answer that it has left, so that nobody tries to reach it any longer.
    pub fn force_leave(&mut self, now: Time, name: &str, prune: Prune) -> Result<(), Error> {
        self.check_is_here()?;
        let gossip = self.gossip_mut();
        let Some(entry) = gossip.members.get(name) else { return Err(Error::NoMember { name: name.to_owned() }) };
        let name = entry.member.name.clone();
        gossip.say_leaves(now, name, prune);
        self.settle(now);
        Ok(())
    }

    /// Leaves the ring; [`Output::Left`] tells when the others know.
    pub fn leave(&mut self, now: Time) {
        if self.leaving.is_some() {
            return;
        }
        let gossip = self.gossip_mut();
        gossip.presence = Presence::Leaving;
        if let Some(recorder) = &mut gossip.recorder {
            recorder.leave(now);
        }
        let is_alone = gossip.members.count().there <= 1;
        let name = gossip.name().clone();
        let ticket = gossip.say_leaves(now, name, Prune::No);
        let until = now + gossip.config.broadcast_timeout;
        self.leaving = Some(if is_alone { Leaving::alone() } else { Leaving::saying(ticket, until) });
        self.settle(now);
    }

    fn check_is_here(&self) -> Result<(), Error> {
        if self.gossip().presence == Presence::Here { Ok(()) } else { Err(Error::Left) }
    }

    fn gossip(&self) -> &Gossip {
        self.swim.application()
    }

    fn gossip_mut(&mut self) -> &mut Gossip {
        self.swim.application_mut()
    }

    /// What only time brings.
    fn do_what_is_due(&mut self, now: Time) {
        self.gossip_mut().end_queries(now);
        self.gossip_mut().remind(now);
        if self.reap_at <= now || self.gossip().prune_at.is_some_and(|at| at <= now) {
            self.reap(now);
        }
        if self.reconnect_at <= now {
            self.reconnect_at = now + self.config().reconnect_interval;
            self.reconnect(now);
        }
        if let Some(seeds) = self.rejoin.take_due(now)
            && self.gossip().presence == Presence::Here
        {
            let join = self.swim.join(now, seeds, Persistence::Once);
            self.rejoin.asked(join);
        }
    }

    fn reap(&mut self, now: Time) {
        let config = self.config();
        let ages = Ages {
            failed: config.reconnect_timeout,
            left: config.tombstone_timeout,
            intents: config.recent_intent_timeout,
        };
        self.reap_at = now + config.reap_interval;
        let gossip = self.gossip_mut();
        for name in gossip.members.reap(now, ages) {
            gossip.forget(&name);
        }
        gossip.prune_at = gossip.members.next_prune();
    }

    /// Tries one of the failed members, so often that the whole ring tries each about once in an interval.
    fn reconnect(&mut self, now: Time) {
        let gossip = self.gossip_mut();
        let count = gossip.members.count();
        let failed = gossip.members.iter().map(|entry| &entry.member).filter(|member| member.status == Status::Failed);
        let failed: Vec<SocketAddr> = failed.map(|member| member.address).collect();
        if failed.is_empty() || gossip.chance.random_range(0..count.there.max(1)) >= failed.len() {
            return;
        }
        let which = gossip.chance.random_range(0..failed.len());
        if let Some(address) = failed.get(which) {
            self.swim.join(now, vec![*address], Persistence::Once);
        }
    }

    /// Carries out what the last call left to do, until nothing more comes of it.
    fn settle(&mut self, now: Time) {
        loop {
            self.gossip_mut().tell_of_members(now);
            for effect in std::mem::take(&mut self.gossip_mut().effects) {
                self.carry_out(now, effect);
            }
            self.go_on_leaving(now);
            while let Some(output) = self.swim.poll() {
                self.pass_on(now, output);
            }
            let gossip = self.gossip();
            if gossip.effects.is_empty() && gossip.members.events.is_empty() {
                break;
            }
        }
        let gossip = self.swim.application_mut();
        let due = gossip.coalescer.take_due(now);
        self.outputs.extend(std::mem::take(&mut gossip.told).into_iter().chain(due).map(Output::Event));
        self.outputs.extend(gossip.recorder.as_mut().and_then(|recorder| recorder.poll(now)).map(Output::Snapshot));
    }

    fn carry_out(&mut self, now: Time, effect: Effect) {
        match effect {
            Effect::Send { to, message } => self.swim.send(now, to, message),
            Effect::ChangeKeys { query, change } => {
                let keyring = self.swim.layers_mut().keyring.as_mut();
                let is_list = matches!(change, Ok(KeyChange::List));
                let response = match change {
                    Ok(change) => change.apply(keyring),
                    Err(reason) => keys::refused(reason),
                };
                let has_changed = response.result && !is_list;
                self.gossip_mut().respond_about_keys(now, query, response);
                self.outputs.extend(has_changed.then_some(Output::KeyringChanged));
            }
            Effect::Answer { query, answer } => self.outputs.push_back(Output::Answer { query, answer }),
            Effect::QueryEnded { query } => self.outputs.push_back(Output::QueryEnded { query }),
            Effect::KeysChanged { query, report } => self.outputs.push_back(Output::KeysChanged { query, report }),
            Effect::ConflictLost => self.outputs.push_back(Output::ConflictLost),
        }
    }

    fn pass_on(&mut self, now: Time, output: swim::Output) {
        match output {
            swim::Output::JoinEnded { join, reached, failed } => {
                let pause = self.config().reconnect_interval;
                let is_rejoin = self.rejoin.ended(now, join, !reached.is_empty(), pause);
                let is_asked_for = self.gossip_mut().joins.remove(&join).is_some();
                // A member that tries a failed one again has been in the ring all the time, and says nothing. One that
                // has said that it leaves does not take it back because a slow answer has come at last.
                if !reached.is_empty() && (is_rejoin || is_asked_for) && self.leaving.is_none() {
                    self.gossip_mut().say_joined(now);
                }
                if is_asked_for {
                    self.outputs.push_back(Output::JoinEnded { join, reached, failed });
                }
            }
            swim::Output::Left => self.goodbye_was_said(now),
            output => self.outputs.push_back(Output::Network(output)),
        }
    }
}

fn check_tags(tags: &Tags) -> Result<(), Error> {
    let size = tags::encode(tags).len();
    if size > tags::MAX_BYTES { Err(Error::TagsTooLarge { size }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
