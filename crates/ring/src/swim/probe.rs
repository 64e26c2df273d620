//! Probing: one member after the other is asked whether it is there (`state.go`: `probe`, `probeNode`).
//!
//! ```text
//!  ping ──▶ answered: well
//!    │ no answer within the probe timeout
//!    ▼
//!  others are asked to ping it, a stream is tried, and it is pinged again ──▶ any answer: well
//!    │ nothing until the end of the probe interval (longer while this member finds itself slow)
//!    ▼
//!  suspect; and every other that was asked and did not even send a nack speaks against this member itself
//! ```

use std::net::SocketAddr;

use super::exchange::Purpose;
use super::{Application, Detection, Member, Swim};
use crate::time::Time;
use crate::wire::message::{
    Ack, Dead, IndirectPing, Message, Nack, Name, Ping, Source, State, StreamMessage, Suspect, encode,
};

/// The oldest protocol whose speakers answer a ping on a stream.
const STREAM_PINGS: u8 = 3;

/// The oldest protocol whose speakers send a nack.
const NACKS: u8 = 4;

#[derive(Debug)]
pub(super) struct Probing {
    next_at: Time,
    /// Where in the order of members the next one is.
    place: usize,
    /// The number of the last ping.
    sequence: u32,
    running: Option<Probe>,
}

#[derive(Debug)]
struct Probe {
    target: Name,
    sequence: u32,
    sent: Time,
    /// When the next attempt is due.
    again_at: Time,
    /// Whether others were asked.
    asked: bool,
    ends: Time,
    /// Who was asked and owes a nack.
    owing: Vec<SocketAddr>,
    /// How many were asked for a nack.
    nacks_wanted: usize,
}

impl Probing {
    pub(super) fn new(next_at: Time, sequence: u32) -> Self {
        Self { next_at, place: 0, sequence, running: None }
    }

    /// A number that no ping under way has.
    pub(super) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}

impl<A: Application> Swim<A> {
    pub(super) fn probe_due(&self) -> Time {
        match &self.probing.running {
            Some(probe) => probe.again_at.min(probe.ends),
            None => self.probing.next_at,
        }
    }

    /// Goes on with probing, as far as it is due.
    pub(super) fn probe(&mut self, now: Time) {
        if let Some(probe) = &mut self.probing.running {
            if probe.ends <= now {
                if let Some(probe) = self.probing.running.take() {
                    self.probe_failed(now, probe);
                }
            } else if probe.again_at <= now {
                self.try_again(now);
            }
        }
        if self.probing.running.is_none() && self.probing.next_at <= now {
            self.probing.next_at = now + self.config.probe_interval;
            if let Some(target) = self.next_target(now) {
                self.begin_probe(now, &target);
            }
        }
    }

    /// Ends the running probe without a verdict.
    pub(super) fn abandon_probe(&mut self, now: Time) {
        self.probing.running = None;
        self.probing.next_at = now;
    }

    /// The one that was pinged has answered: this member, or through it another one.
    pub(super) fn acknowledged(&mut self, now: Time, ack: &Ack) {
        match self.probing.running.take_if(|probe| probe.sequence == ack.sequence) {
            Some(probe) => {
                self.awareness.better();
                let target = self.members.get(&probe.target).filter(|_| !probe.asked);
                if let Some(target) = target.cloned() {
                    self.application.ping_answered(now, &target, now.since(probe.sent), &ack.payload);
                }
            }
            None => self.pass_on(ack.sequence),
        }
    }

    /// One that was asked for help is there, but got no answer either.
    pub(super) fn not_acknowledged(&mut self, from: SocketAddr, nack: Nack) {
        if let Some(probe) = self.probing.running.as_mut().filter(|probe| probe.sequence == nack.sequence) {
            probe.owing.retain(|owing| *owing != from);
        }
    }

    /// Answers a ping, if it is for this member.
    pub(super) fn answer_ping(&mut self, from: SocketAddr, ping: &Ping) {
        if self.is_meant(&ping.target) {
            let payload = self.application.ack_payload();
            let ack = Message::Ack(Ack { sequence: ping.sequence, payload });
            let (to, name) = reply_to(ping.source.as_ref(), from);
            match self.accusation(name.as_ref(), to) {
                Some(accusation) => self.send_parts(to, name.as_ref(), &[encode(&ack), encode(&accusation)]),
                None => self.send_with_gossip(to, name.as_ref(), &ack),
            }
        }
    }

    /// What this member believes of one that pings it and so cannot be dead: told by this, it refutes.
    fn accusation(&self, name: Option<&Name>, address: SocketAddr) -> Option<Message> {
        let member = self.members.get(name?).filter(|member| member.address == address)?;
        let (incarnation, name, from) = (member.incarnation, member.name.clone(), self.config.name.clone());
        match member.state {
            _ if self.config.detection < Detection::Careful => None,
            State::Suspect => Some(Message::Suspect(Suspect { incarnation, name, from })),
            State::Dead => Some(Message::Dead(Dead { incarnation, name, from })),
            State::Alive | State::Left => None,
        }
    }

    /// Whether a ping is for this member, and not for another one that had its address before.
    pub(super) fn is_meant(&self, target: &Name) -> bool {
        target.is_empty() || *target == self.config.name
    }

    pub(super) fn source(&self) -> Source {
        Source { name: self.config.name.clone(), address: self.config.address }
    }

    /// The next one that lives; at the end of a round, the order is made anew.
    fn next_target(&mut self, now: Time) -> Option<Member> {
        let mut passed_over = 0;
        while passed_over <= self.members.len() {
            let Some(member) = self.members.at(self.probing.place) else {
                self.members.new_round(now, self.config.remember_the_gone, &mut self.chance);
                self.probing.place = 0;
                passed_over += 1;
                continue;
            };
            self.probing.place += 1;
            if member.lives() && member.name != self.config.name {
                return Some(member.clone());
            }
            passed_over += 1;
        }
        None
    }

    fn begin_probe(&mut self, now: Time, target: &Member) {
        let sequence = self.probing.next_sequence();
        if target.state == State::Suspect && self.config.detection >= Detection::Lifeguard {
            self.ping_suspect(target, sequence);
        } else {
            let ping = Message::Ping(Ping { sequence, target: target.name.clone(), source: Some(self.source()) });
            self.send_with_gossip(target.address, Some(&target.name), &ping);
        }
        self.probing.running = Some(Probe {
            target: target.name.clone(),
            sequence,
            sent: now,
            // Not longer while this member is slow: a datagram that is lost does not come later.
            again_at: now + self.config.probe_timeout,
            asked: false,
            ends: now + self.awareness.scale(self.config.probe_interval),
            owing: Vec::new(),
            nacks_wanted: 0,
        });
    }

    /// Pings somebody who learns at once what it has to refute, and first, so that the refutation rides on the answer.
    pub(super) fn ping_suspect(&mut self, target: &Member, sequence: u32) {
        let (incarnation, from) = (target.incarnation, self.config.name.clone());
        let suspect = Message::Suspect(Suspect { incarnation, name: target.name.clone(), from });
        let ping = Message::Ping(Ping { sequence, target: target.name.clone(), source: Some(self.source()) });
        self.send_parts(target.address, Some(&target.name), &[encode(&suspect), encode(&ping)]);
    }

    /// There was no answer so far.
    fn try_again(&mut self, now: Time) {
        let careful = self.config.detection >= Detection::Careful;
        let Some(probe) = &mut self.probing.running else { return };
        let asked = std::mem::replace(&mut probe.asked, true);
        probe.again_at = if careful { now + self.config.probe_timeout } else { probe.ends };
        let (sequence, ends) = (probe.sequence, probe.ends);
        let Some(target) = self.members.get(&probe.target).cloned() else { return };
        if careful {
            let ping = Message::Ping(Ping { sequence, target: target.name.clone(), source: Some(self.source()) });
            self.send_with_gossip(target.address, Some(&target.name), &ping);
        }
        if !asked {
            self.ask_others(now, &target, sequence, ends);
        }
    }

    fn ask_others(&mut self, now: Time, target: &Member, sequence: u32, ends: Time) {
        let name = target.name.clone();
        let me = self.config.name.clone();
        let helpers = self.members.choose(self.config.indirect_probes, &mut self.chance, |member| {
            member.state == State::Alive && member.name != me && member.name != name
        });
        let mut owing = Vec::new();
        for helper in helpers {
            let nack = helper.versions.protocol_max >= NACKS && self.config.detection >= Detection::Lifeguard;
            if nack {
                owing.push(helper.address);
            }
            let request = Message::IndirectPing(IndirectPing {
                sequence,
                target: name.clone(),
                address: target.address,
                nack,
                source: Some(self.source()),
            });
            self.send_with_gossip(helper.address, Some(&helper.name), &request);
        }
        if let Some(probe) = &mut self.probing.running {
            probe.nacks_wanted = owing.len();
            probe.owing = owing;
        }
        if self.config.stream_probes && target.versions.protocol_max >= STREAM_PINGS {
            let ping = StreamMessage::Ping(Ping { sequence, target: name, source: Some(self.source()) });
            self.open_exchange(target.address, ping, Some(ends), now, Purpose::Probe { sequence });
        }
    }

    fn probe_failed(&mut self, now: Time, probe: Probe) {
        self.counters.failed_probes += 1;
        if self.config.detection >= Detection::Lifeguard {
            // Where nobody can send a nack, each failure counts a little against this member.
            let missing = if probe.nacks_wanted > 0 { probe.owing.len() } else { 1 };
            self.awareness.worse(u32::try_from(missing).unwrap_or(u32::MAX));
        }
        if let Some(target) = self.members.get(&probe.target).filter(|target| target.lives()) {
            let from = self.config.name.clone();
            self.suspect(now, Suspect { incarnation: target.incarnation, name: probe.target, from });
        }
    }
}

/// Where an answer goes: where the asker says that it listens, else where the question came from.
pub(super) fn reply_to(source: Option<&Source>, from: SocketAddr) -> (SocketAddr, Option<Name>) {
    match source {
        Some(source) => (source.address, Some(source.name.clone())),
        None => (from, None),
    }
}
