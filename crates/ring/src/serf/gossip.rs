//! What Serf keeps and how it takes in what the membership brings.
//!
//! [`Gossip`] is the [`Application`] of the membership: it is called while the membership handles an input, and so only
//! notes what there is to do, as [`Effect`]s, which [`Serf`](super::Serf) carries out afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;

use super::asked::Asked;
use super::clock::Clock;
use super::coalesce::Coalescer;
use super::config::{Config, Coordinates};
use super::event::{Answer, Change, Coalesce, Event, QueryId, UserEvent};
use super::keys::{KeyChange, KeyReport};
use super::member::Status;
use super::members::{Heard, Members, Prune};
use super::queries::Waiting;
use super::recent::Recent;
use super::snapshot::{Recorder, Snapshot};
use super::vivaldi::Vivaldi;
use crate::swim::{self, Application, Backlog, Queue};
use crate::time::Time;
use crate::wire::coordinate::{self, Coordinate};
use crate::wire::message::{Alive, Name};
use crate::wire::serf::{
    self, EventsAt, Join, LamportTime, Leave, PushPull, SerfMessage, UserEvent as UserEventMessage,
};
use crate::wire::tags;

/// How many messages of each kind may wait to be sent (Serf's `MaxQueueDepth`).
const QUEUE_MAX: usize = 4096;
/// How many bytes of user events are remembered. All of them ride on each state exchange.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many bytes of query numbers are remembered.
const QUERY_BYTES_MAX: usize = 1024 * 1024;
/// The longest user event that is taken from others (`UserEventSizeLimit` in `serf/serf.go`).
pub(super) const USER_EVENT_SIZE_MAX: usize = 9 * 1024;

/// So much later than the last word on a member is what this one says of it. Agents of Serf count a leave one later each
/// time that they hear of it in an exchange of states, and would take the next word, such as a prune, for an older one.
const OUTRUN: u64 = 16;

/// What is to be done once the membership has handled its input.
#[derive(Debug)]
pub(super) enum Effect {
    /// Send a message to one member.
    Send { to: SocketAddr, message: Bytes },
    /// Change this member's keys, and answer the query that asked for it.
    ChangeKeys { query: QueryId, change: Result<KeyChange, String> },
    /// Tell whoever asked.
    Answer { query: QueryId, answer: Answer },
    /// Tell whoever asked that nothing more comes.
    QueryEnded { query: QueryId },
    /// Tell whoever asked what came of a change of keys.
    KeysChanged { query: QueryId, report: KeyReport },
    /// The ring knows another member by this name.
    ConflictLost,
}

/// Whether this member takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    Leaving,
}

/// Whether user events from before a member joined are told to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replay {
    /// Only what is said from now on.
    #[default]
    No,
    /// All that the ring still remembers.
    Yes,
}

/// All that Serf keeps.
#[derive(Debug)]
pub(super) struct Gossip {
    pub(super) config: Config,
    pub(super) presence: Presence,
    pub(super) members: Members,
    /// The clock of intents.
    pub(super) clock: Clock,
    pub(super) events: Recent<(String, Bytes)>,
    pub(super) queries: Recent<u32>,
    /// Queries of others that wait for this member's answer.
    pub(super) waiting: BTreeMap<QueryId, Waiting>,
    /// Queries of this member that wait for others' answers.
    pub(super) asked: Asked,
    pub(super) next_query: u64,
    pub(super) intent_queue: Queue,
    pub(super) query_queue: Queue,
    pub(super) event_queue: Queue,
    pub(super) vivaldi: Vivaldi,
    /// Where the others say that they are.
    pub(super) coordinates: BTreeMap<Name, Coordinate>,
    pub(super) chance: ChaCha8Rng,
    pub(super) recorder: Option<Recorder>,
    last_event: LamportTime,
    pub(super) last_query: LamportTime,
    pub(super) coalescer: Coalescer,
    pub(super) effects: Vec<Effect>,
    /// What there is to tell now.
    pub(super) told: Vec<Event>,
    /// When a member is to be forgotten on somebody's word.
    pub(super) prune_at: Option<Time>,
    /// Joins under way that somebody asked for.
    pub(super) joins: BTreeMap<swim::JoinId, Replay>,
}

impl Gossip {
    pub(super) fn new(config: Config, snapshot: Option<Snapshot>, chance: ChaCha8Rng, now: Time) -> Self {
        let queue = || Queue::new(config.swim.retransmit_multiplier, QUEUE_MAX);
        let mut gossip = Self {
            presence: Presence::Here,
            members: Members::default(),
            clock: Clock::default(),
            events: Recent::new(EVENT_BYTES_MAX),
            queries: Recent::new(QUERY_BYTES_MAX),
            waiting: BTreeMap::new(),
            asked: Asked::default(),
            next_query: 0,
            intent_queue: queue(),
            query_queue: queue(),
            event_queue: queue(),
            vivaldi: Vivaldi::default(),
            coordinates: BTreeMap::new(),
            chance,
            recorder: None,
            last_event: LamportTime(0),
            last_query: LamportTime(0),
            coalescer: Coalescer::new(config.coalesce_members, config.coalesce_user_events),
            effects: Vec::new(),
            told: Vec::new(),
            prune_at: None,
            joins: BTreeMap::new(),
            config,
        };
        if let Some(snapshot) = snapshot {
            gossip.restore(snapshot, now);
        }
        gossip
    }

    /// Goes on where the last run ended: what was told then is not told again.
    fn restore(&mut self, snapshot: Snapshot, now: Time) {
        self.clock.witness(snapshot.clock);
        self.events.witness(snapshot.event_clock);
        self.events.ignore_before(LamportTime(snapshot.event_clock.0.saturating_add(1)));
        self.queries.witness(snapshot.query_clock);
        self.queries.ignore_before(LamportTime(snapshot.query_clock.0.saturating_add(1)));
        (self.last_event, self.last_query) = (snapshot.event_clock, snapshot.query_clock);
        self.recorder = Some(Recorder::new(snapshot, now));
    }

    /// This member's name.
    pub(super) const fn name(&self) -> &Name {
        &self.config.swim.name
    }

    /// Says that this member has joined, or still is here.
    pub(super) fn say_joined(&mut self, now: Time) {
        let intent = Join { time: self.clock.tick(), name: self.name().clone() };
        self.members.join_intent(now, &intent.name, intent.time);
        self.intent_queue.push(None, serf::encode(&SerfMessage::Join(intent)));
    }

    /// Says that a member leaves. The ticket tells when enough have been told.
    pub(super) fn say_leaves(&mut self, now: Time, name: Name, prune: Prune) -> swim::Ticket {
        if let Some(entry) = self.members.get(&name) {
            self.clock.witness(LamportTime(entry.status_time.0.saturating_add(OUTRUN)));
        }
        let leave = Leave { time: self.clock.tick(), name, prune: prune == Prune::Yes };
        self.leave_intent(now, &leave);
        self.intent_queue.push(None, serf::encode(&SerfMessage::Leave(leave)))
    }

    /// Says something to all.
    pub(super) fn say(&mut self, now: Time, event: UserEventMessage) {
        let encoded = serf::encode(&SerfMessage::UserEvent(event.clone()));
        self.events.tick();
        self.user_event(now, event);
        self.event_queue.push(None, encoded);
    }

    /// What happened to members since it was last asked becomes events, lines of the snapshot, and room in tables.
    pub(super) fn tell_of_members(&mut self, now: Time) {
        for event in std::mem::take(&mut self.members.events) {
            if let (Event::Members { change, members }, Some(recorder)) = (&event, &mut self.recorder) {
                for member in members {
                    match change {
                        Change::Joined => recorder.alive(now, &member.name, member.address),
                        Change::Left | Change::Failed => recorder.not_alive(now, &member.name),
                        Change::Updated | Change::Reaped => {}
                    }
                }
            }
            self.tell(now, event);
        }
        if let Some(recorder) = &mut self.recorder {
            let seen = LamportTime(self.clock.now().0.saturating_sub(1));
            recorder.clocks(now, seen, self.last_event, self.last_query);
        }
    }

    pub(super) fn tell(&mut self, now: Time, event: Event) {
        self.told.extend(self.coalescer.hold(now, event));
    }

    /// Forgets a member's measurements along with it.
    pub(super) fn forget(&mut self, name: &Name) {
        self.vivaldi.forget(name);
        self.coordinates.remove(name);
    }

    fn user_event(&mut self, now: Time, event: UserEventMessage) -> bool {
        let size = event.name.len() + event.payload.len();
        if size > USER_EVENT_SIZE_MAX
            || !self.events.is_news(event.time, (event.name.clone(), event.payload.clone()), size)
        {
            return false;
        }
        self.last_event = self.last_event.max(event.time);
        let coalesce = if event.coalesce { Coalesce::Allowed } else { Coalesce::Forbidden };
        let UserEventMessage { time, name, payload, .. } = event;
        self.tell(now, Event::User(UserEvent { time, name, payload, coalesce }));
        true
    }

    fn join_intent(&mut self, now: Time, name: &Name, time: LamportTime) -> bool {
        self.clock.witness(time);
        time <= super::clock::LATEST && self.members.join_intent(now, name, time) == Heard::News
    }

    fn leave_intent(&mut self, now: Time, leave: &Leave) -> bool {
        self.clock.witness(leave.time);
        if leave.time > super::clock::LATEST {
            return false;
        }
        // Whoever is still there gets the time to say goodbye himself.
        let prune_at = leave.prune.then(|| now + self.config.broadcast_timeout + self.config.leave_propagate_delay);
        let me = self.name().clone();
        let staying = (self.presence == Presence::Here).then_some(&me);
        match self.members.leave_intent(now, &leave.name, leave.time, staying, prune_at) {
            Heard::News => {
                // The first look takes those that are gone already.
                self.prune_at = prune_at.map(|_| now).or(self.prune_at);
                true
            }
            Heard::Old => false,
            Heard::Wrong => {
                self.say_joined(now);
                false
            }
        }
    }

    /// Another member has it that a member left.
    fn left_elsewhere(&mut self, now: Time, name: &Name, time: LamportTime) {
        self.clock.witness(time);
        let me = self.name().clone();
        let staying = (self.presence == Presence::Here).then_some(&me);
        if time <= super::clock::LATEST && self.members.left_elsewhere(now, name, time, staying) == Heard::Wrong {
            self.say_joined(now);
        }
    }

    /// Takes in a message, and says whether others are to get it too, and by which queue.
    fn take(&mut self, now: Time, message: SerfMessage) -> Option<&mut Queue> {
        match message {
            SerfMessage::Leave(leave) => self.leave_intent(now, &leave).then_some(&mut self.intent_queue),
            SerfMessage::Join(join) => self.join_intent(now, &join.name, join.time).then_some(&mut self.intent_queue),
            SerfMessage::UserEvent(event) => self.user_event(now, event).then_some(&mut self.event_queue),
            SerfMessage::Query(query) => self.query_heard(now, query).then_some(&mut self.query_queue),
            SerfMessage::QueryResponse(response) => {
                self.response_heard(now, response);
                None
            }
            SerfMessage::Relay(relay) => {
                self.effects.push(Effect::Send { to: relay.to, message: relay.message });
                None
            }
            // These stand inside of others and have no place here.
            SerfMessage::PushPull(_)
            | SerfMessage::ConflictResponse(_)
            | SerfMessage::KeyRequest(_)
            | SerfMessage::KeyResponse(_) => None,
        }
    }

    fn merge(&mut self, now: Time, state: PushPull, is_join: bool) {
        // Others take the times of what they say next; nothing has been said at these yet.
        let before = |time: LamportTime| LamportTime(time.0.saturating_sub(1));
        self.clock.witness(before(state.time));
        self.events.witness(before(state.event_time));
        self.queries.witness(before(state.query_time));
        // Who left first: that must not be taken for something older than a join of the same state.
        let left: BTreeSet<&Name> = state.left.iter().collect();
        for name in &left {
            let time = state.status_times.get(*name).copied().unwrap_or_default();
            self.left_elsewhere(now, name, time);
        }
        for (name, time) in state.status_times.iter().filter(|(name, _)| !left.contains(name)) {
            self.join_intent(now, name, *time);
        }
        if is_join && self.joins.values().any(|replay| *replay == Replay::No) {
            self.events.ignore_before(state.event_time);
        }
        for at in state.events {
            for (name, payload) in at.events {
                self.user_event(now, UserEventMessage { time: at.time, name, payload, coalesce: false });
            }
        }
    }
}

impl Application for Gossip {
    fn meta(&self) -> Bytes {
        tags::encode(&self.config.tags)
    }

    fn backlog(&self) -> Backlog {
        self.intent_queue.backlog().max(self.query_queue.backlog()).max(self.event_queue.backlog())
    }

    fn broadcasts(&mut self, overhead: usize, limit: usize, members: usize) -> Vec<Bytes> {
        let mut free = limit;
        let mut messages = Vec::new();
        for queue in [&mut self.intent_queue, &mut self.query_queue, &mut self.event_queue] {
            let taken = queue.take(overhead, free, members);
            free = free.saturating_sub(taken.iter().map(|message| message.len() + overhead).sum());
            messages.extend(taken);
        }
        messages
    }

    fn message(&mut self, now: Time, message: &[u8]) {
        // What cannot be read is of a newer version, or rubbish: nobody is to hear of it from this member.
        let Ok(decoded) = serf::decode(message) else { return };
        if let Some(queue) = self.take(now, decoded) {
            queue.push(None, Bytes::copy_from_slice(message));
        }
    }

    fn local_state(&mut self, _join: bool) -> Bytes {
        let entries = || self.members.iter();
        let events =
            self.events.iter().map(|(time, events)| EventsAt { time, events: events.iter().cloned().collect() });
        serf::encode(&SerfMessage::PushPull(PushPull {
            time: self.clock.now(),
            status_times: entries().map(|entry| (entry.member.name.clone(), entry.status_time)).collect(),
            left: entries()
                .filter(|entry| entry.member.status == Status::Left)
                .map(|entry| entry.member.name.clone())
                .collect(),
            event_time: self.events.clock().now(),
            events: events.collect(),
            query_time: self.queries.clock().now(),
        }))
    }

    fn merge_remote_state(&mut self, now: Time, state: &[u8], join: bool) {
        if let Ok(SerfMessage::PushPull(state)) = serf::decode(state) {
            self.merge(now, state, join);
        }
    }

    fn admit(&self, _candidate: &Alive) -> Result<(), String> {
        Ok(())
    }

    fn ack_payload(&mut self) -> Bytes {
        match self.config.coordinates {
            Coordinates::Measure => coordinate::encode_ack(self.vivaldi.position()),
            Coordinates::Off => Bytes::new(),
        }
    }

    fn ping_answered(&mut self, _now: Time, member: &swim::Member, round_trip: Duration, payload: &[u8]) {
        if self.config.coordinates == Coordinates::Off || payload.is_empty() {
            return;
        }
        // A coordinate that makes no sense says nothing about the member: it answered, and that is known already.
        if let Ok(there) = coordinate::decode_ack(payload)
            && self.vivaldi.measured(&member.name, &there, round_trip, &mut self.chance).is_ok()
            && self.members.get(&member.name).is_some()
        {
            self.coordinates.insert(member.name.clone(), there);
        }
    }

    fn changed(&mut self, now: Time, change: swim::Change) {
        match change {
            swim::Change::Joined(member) => self.members.joined(&member),
            swim::Change::Updated(member) => self.members.updated(&member),
            swim::Change::Gone(member, departure) => self.members.gone(now, &member.name, departure),
            swim::Change::Conflict { existing, .. } => {
                if existing.name == *self.name() {
                    self.vote(now);
                }
            }
        }
    }
}
