//! Questions to the ring: asking, being asked, and the ways that answers take.
//!
//! A query rides on gossip to everybody. Whom it is for answers straight to the asker with one datagram, and where the
//! asker wants that, by way of other members too, for datagrams are lost. Names that begin with `_serf_` are the ring's
//! own: they are answered here and told to nobody.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::asked::{Purpose, Reminder, Votes};
use super::config::Conflicts;
use super::event::{Answer, Event, Query, QueryId};
use super::gossip::{Effect, Gossip};
use super::keys::{self, KeyChange, KeyReport};
use super::member::{Status, Tags};
use super::{Error, filter};
use crate::time::Time;
use crate::wire::message::Name;
use crate::wire::serf::{
    self, Filter, KeyResponse, LamportTime, MemberRecord, Query as QueryMessage, QueryFlags, QueryResponse, Relay,
    SerfMessage,
};

/// What the ring's own queries begin with.
const INTERNAL: &str = "_serf_";
/// Which member has this name?
const CONFLICT: &str = "_serf_conflict";
/// How many queries wait for this member's answer at most; the oldest give way.
const WAITING_MAX: usize = 1024;
/// How many members are asked again; where more have not answered, something else is wrong.
const REMINDED_MAX: usize = 64;
/// The longest time that an answer is waited for, whatever the asker says.
const TIMEOUT_MAX: Duration = Duration::from_hours(1);
/// By how many others an answer goes at most, so that one query of a liar does not become hundreds of datagrams.
const RELAYS_MAX: usize = 16;
/// Members of older versions cannot relay.
const RELAY_VERSION: u8 = 5;

/// Something that is asked of the ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// What.
    pub name: String,
    /// Whatever belongs to it.
    pub payload: Bytes,
    /// Only these members; all of them where there is none.
    pub names: Vec<Name>,
    /// Only members whose tags match these expressions.
    pub tags: Tags,
    /// Whether each member is to say at once that it has been reached.
    pub acks: Acks,
    /// By how many other members each answer comes too.
    pub relay_factor: u8,
    /// How long to wait; by the size of the ring where nothing is said.
    pub timeout: Option<Duration>,
}

/// Whether each member that a query is for says at once that it has been reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// Only answers come.
    #[default]
    NotWanted,
    /// An ack comes from each.
    Wanted,
}

/// A query of another member that waits for this member's answer.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    name: String,
    payload: Bytes,
    time: LamportTime,
    id: u32,
    asker: SocketAddr,
    source: Option<Name>,
    relay_factor: u8,
    deadline: Time,
}

impl Gossip {
    /// Asks the ring.
    pub(super) fn ask(&mut self, now: Time, question: Question, purpose: Purpose) -> Result<QueryId, Error> {
        if !self.asked.has_room() {
            return Err(Error::TooManyQueries);
        }
        let message = self.query_message(question)?;
        let encoded = serf::encode(&SerfMessage::Query(message.clone()));
        if encoded.len() > self.config.query_size {
            return Err(Error::QueryTooLarge { size: encoded.len(), limit: self.config.query_size });
        }
        let id = self.next_query();
        self.queries.tick();
        let is_counted = message.flags.ack || !matches!(purpose, Purpose::Answers);
        let reminder = is_counted.then(|| Reminder {
            at: now + message.timeout / 2,
            message: encoded.clone(),
            filters: message.filters.clone(),
        });
        let members = self.members.count().there;
        self.asked.open((message.time, message.id), id, now + message.timeout, purpose, reminder, members);
        self.query_heard(now, message);
        self.query_queue.push(None, encoded);
        Ok(id)
    }

    /// Answers a query.
    pub(super) fn respond(&mut self, now: Time, id: QueryId, payload: Bytes) -> Result<(), Error> {
        let Some(waiting) = self.waiting.get(&id).filter(|waiting| waiting.deadline >= now) else {
            self.waiting.remove(&id);
            return Err(Error::QueryOver);
        };
        let encoded = self.encoded_response(waiting, payload);
        if encoded.len() > self.config.response_size {
            return Err(Error::ResponseTooLarge { size: encoded.len(), limit: self.config.response_size });
        }
        if let Some(waiting) = self.waiting.remove(&id) {
            self.send_response(now, &waiting, encoded);
        }
        Ok(())
    }

    /// Answers a query that asked for a change of keys; what is too long for an answer is left out of it.
    pub(super) fn respond_about_keys(&mut self, now: Time, id: QueryId, mut response: KeyResponse) {
        let all = response.keys.len();
        loop {
            let payload = serf::encode(&SerfMessage::KeyResponse(response.clone()));
            match self.respond(now, id, payload) {
                Err(Error::ResponseTooLarge { .. }) if keys::shorten(&mut response, all) => {}
                // Done, or whoever asked does not wait any more.
                _ => return,
            }
        }
    }

    /// Another member has this member's name: lets the ring say whom it knows.
    pub(super) fn vote(&mut self, now: Time) {
        if self.config.conflicts == Conflicts::Endure || self.asked.is_voting() {
            return;
        }
        let payload = Bytes::copy_from_slice(self.name().as_bytes());
        let question = Question { name: CONFLICT.to_owned(), payload, ..Question::default() };
        // Where there is no room for it now, the next message of the other one brings the next occasion.
        let _ = self.ask(now, question, Purpose::Conflict(Votes::default()));
    }

    /// Takes in a query, and says whether it is to be passed on.
    pub(super) fn query_heard(&mut self, now: Time, query: QueryMessage) -> bool {
        if !self.queries.is_news(query.time, query.id, 0) {
            return false;
        }
        self.last_query = self.last_query.max(query.time);
        let pass_on = !query.flags.no_broadcast;
        if !filter::is_for(&query.filters, self.name(), &self.config.tags) {
            return pass_on;
        }
        let ack = query.flags.ack;
        let waiting = Waiting {
            name: query.name,
            payload: query.payload,
            time: query.time,
            id: query.id,
            asker: query.address,
            source: query.source,
            relay_factor: query.relay_factor,
            deadline: now + query.timeout.min(TIMEOUT_MAX),
        };
        if ack {
            let flags = QueryFlags { ack: true, no_broadcast: false };
            let response = self.response(&waiting, flags, Bytes::new());
            self.send_response(now, &waiting, serf::encode(&SerfMessage::QueryResponse(response)));
        }
        self.answer_or_tell(now, waiting);
        pass_on
    }

    /// Takes in an answer.
    pub(super) fn response_heard(&mut self, now: Time, response: QueryResponse) {
        let Some((open, answer)) = self.asked.hear(now, response) else { return };
        match (&mut open.purpose, answer) {
            (Purpose::Answers, answer) => self.effects.push(Effect::Answer { query: open.id, answer }),
            (Purpose::Conflict(votes), Answer::Response { payload, .. }) => {
                if let Ok(SerfMessage::ConflictResponse(Some(record))) = serf::decode(&payload) {
                    votes.all += 1;
                    votes.for_this_member += usize::from(record.address == self.config.swim.address);
                }
            }
            (Purpose::Keys(report), Answer::Response { from, payload }) => report.hear(from, &payload),
            (Purpose::Conflict(_) | Purpose::Keys(_), Answer::Ack { .. }) => {}
        }
    }

    /// Ends the queries whose time is over.
    pub(super) fn end_queries(&mut self, now: Time) {
        for open in self.asked.take_over(now) {
            self.effects.extend(match open.purpose {
                Purpose::Answers => Some(Effect::QueryEnded { query: open.id }),
                Purpose::Keys(report) => Some(Effect::KeysChanged { query: open.id, report }),
                Purpose::Conflict(votes) if votes.are_lost() => Some(Effect::ConflictLost),
                Purpose::Conflict(_) => None,
            });
        }
    }

    /// Asks those again whom gossip may have left out.
    pub(super) fn remind(&mut self, now: Time) {
        let me = &self.config.swim.name;
        let others = || self.members.iter().map(|entry| &entry.member).filter(|member| member.name != *me);
        for (reminder, open) in self.asked.take_reminders(now) {
            let silent = others()
                .filter(|member| member.status == Status::Alive && !open.has_heard(&member.name))
                .filter(|member| filter::is_for(&reminder.filters, &member.name, &member.tags))
                .take(REMINDED_MAX);
            self.effects
                .extend(silent.map(|member| Effect::Send { to: member.address, message: reminder.message.clone() }));
        }
    }

    /// What a change of keys is reported in.
    pub(super) fn empty_report(&self) -> KeyReport {
        KeyReport { members: self.members.count().there, ..KeyReport::default() }
    }

    fn next_query(&mut self) -> QueryId {
        self.next_query += 1;
        QueryId(self.next_query)
    }

    fn query_message(&mut self, question: Question) -> Result<QueryMessage, Error> {
        if let Some(expression) = question.tags.values().find(|expression| !filter::is_expression(expression)) {
            return Err(Error::Expression { expression: expression.clone() });
        }
        let mut filters = Vec::new();
        if !question.names.is_empty() {
            filters.push(Filter::Names(question.names));
        }
        filters.extend(question.tags.into_iter().map(|(tag, expression)| Filter::Tag { tag, expression }));
        Ok(QueryMessage {
            time: self.queries.clock().now(),
            // Serf draws 31 bits, and somebody may read them as a signed number.
            id: self.chance.random_range(0..=u32::MAX / 2),
            address: self.config.swim.address,
            source: Some(self.name().clone()),
            filters,
            flags: QueryFlags { ack: question.acks == Acks::Wanted, no_broadcast: false },
            relay_factor: question.relay_factor,
            timeout: question.timeout.unwrap_or_else(|| self.default_timeout()).min(TIMEOUT_MAX),
            name: question.name,
            payload: question.payload,
        })
    }

    /// `GossipInterval * QueryTimeoutMult * ceil(log10(members + 1))`: as long as gossip needs to reach everybody, and
    /// some more.
    fn default_timeout(&self) -> Duration {
        let members = self.members.count().there;
        let powers_of_ten = members.checked_ilog10().map_or(0, |log| log + 1);
        let intervals = self.config.query_timeout_mult.saturating_mul(powers_of_ten.max(1));
        self.config.swim.gossip_interval.saturating_mul(intervals)
    }

    fn answer_or_tell(&mut self, now: Time, waiting: Waiting) {
        if !waiting.name.starts_with(INTERNAL) {
            let id = self.wait(now, waiting.clone());
            let Waiting { name, payload, time, source, deadline, .. } = waiting;
            self.tell(now, Event::Query(Query { id, time, name, payload, source, deadline }));
        } else if waiting.name == CONFLICT {
            // Who is asked about himself is a party, and has no say.
            if *waiting.payload != *self.name().as_bytes() {
                let record = std::str::from_utf8(&waiting.payload).ok().and_then(|name| self.record_of(name));
                let payload = serf::encode(&SerfMessage::ConflictResponse(record));
                let encoded = self.encoded_response(&waiting, payload);
                if encoded.len() <= self.config.response_size {
                    self.send_response(now, &waiting, encoded);
                }
            }
        } else if let Some(change) = KeyChange::asked(&waiting.name, &waiting.payload) {
            let query = self.wait(now, waiting);
            self.effects.push(Effect::ChangeKeys { query, change });
        }
        // `_serf_ping` wants an ack, which it got; nobody knows any other.
    }

    fn wait(&mut self, now: Time, waiting: Waiting) -> QueryId {
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.retain(|_, waiting| waiting.deadline >= now);
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_first();
        }
        let id = self.next_query();
        self.waiting.insert(id, waiting);
        id
    }

    fn record_of(&self, name: &str) -> Option<MemberRecord> {
        let member = &self.members.get(name)?.member;
        Some(MemberRecord {
            name: member.name.clone(),
            address: member.address,
            tags: Tags::clone(&member.tags),
            status: member.status as u8,
            versions: member.versions,
        })
    }

    fn response(&self, waiting: &Waiting, flags: QueryFlags, payload: Bytes) -> QueryResponse {
        QueryResponse { time: waiting.time, id: waiting.id, from: self.name().clone(), flags, payload }
    }

    fn encoded_response(&self, waiting: &Waiting, payload: Bytes) -> Bytes {
        serf::encode(&SerfMessage::QueryResponse(self.response(waiting, QueryFlags::default(), payload)))
    }

    fn send_response(&mut self, now: Time, waiting: &Waiting, encoded: Bytes) {
        if waiting.asker == self.config.swim.address {
            if let Ok(SerfMessage::QueryResponse(response)) = serf::decode(&encoded) {
                self.response_heard(now, response);
            }
            return;
        }
        self.relay_response(waiting, &encoded);
        self.effects.push(Effect::Send { to: waiting.asker, message: encoded });
    }

    /// Sends a copy by way of others, where there are enough others for it to be worth it.
    fn relay_response(&mut self, waiting: &Waiting, encoded: &Bytes) {
        let factor = usize::from(waiting.relay_factor).min(RELAYS_MAX);
        if factor == 0 || self.members.count().known < factor + 1 {
            return;
        }
        let name = waiting.source.clone().unwrap_or_else(|| "".into());
        let relay = serf::encode(&SerfMessage::Relay(Relay { to: waiting.asker, name, message: encoded.clone() }));
        if relay.len() > self.config.response_size {
            return;
        }
        let can_relay: Vec<SocketAddr> = self
            .members
            .iter()
            .map(|entry| &entry.member)
            .filter(|member| member.status == Status::Alive && member.versions.protocol_max >= RELAY_VERSION)
            .filter(|member| member.name != self.config.swim.name)
            .map(|member| member.address)
            .collect();
        let chosen: Vec<SocketAddr> = can_relay.choose_multiple(&mut self.chance, factor).copied().collect();
        self.effects.extend(chosen.into_iter().map(|to| Effect::Send { to, message: relay.clone() }));
    }
}
