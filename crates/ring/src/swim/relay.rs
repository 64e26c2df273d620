//! Pings for others: one member asks this one to try where it got no answer itself (`net.go`: `handleIndirectPing`).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;

use super::probe::reply_to;
use super::{Application, Swim};
use crate::time::Time;
use crate::wire::message::{Ack, IndirectPing, Message, Nack, Name, Ping};

/// So many at once: more than a ring asks of one member, and few enough that nobody can fill its memory by asking.
const AT_ONCE: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Relays {
    /// By the number of this member's own ping.
    open: BTreeMap<u32, Relay>,
    /// All wait equally long, so the first ones end first.
    deadlines: VecDeque<(Time, u32)>,
}

#[derive(Debug)]
struct Relay {
    /// Who asked.
    to: SocketAddr,
    name: Option<Name>,
    /// The asker's number.
    sequence: u32,
    /// Whether it wants to know that nobody answered.
    nack: bool,
}

impl Relays {
    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }
}

impl<A: Application> Swim<A> {
    /// Pings somebody for another member.
    pub(super) fn ask_for(&mut self, now: Time, from: SocketAddr, request: IndirectPing) {
        if self.relays.deadlines.len() >= AT_ONCE {
            return;
        }
        let mut address = request.address;
        if address.port() == 0 {
            address.set_port(self.config.address.port());
        }
        let (to, name) = reply_to(request.source.as_ref(), from);
        let own = self.probing.next_sequence();
        self.relays.open.insert(own, Relay { to, name, sequence: request.sequence, nack: request.nack });
        self.relays.deadlines.push_back((now + self.config.probe_timeout, own));
        let target = request.target;
        let ping = Message::Ping(Ping { sequence: own, target: target.clone(), source: Some(self.source()) });
        self.send_with_gossip(address, Some(&target), &ping);
    }

    /// The one that was pinged for another member has answered.
    pub(super) fn pass_on(&mut self, sequence: u32) {
        if let Some(relay) = self.relays.open.remove(&sequence) {
            let ack = Message::Ack(Ack { sequence: relay.sequence, payload: Bytes::new() });
            self.send_with_gossip(relay.to, relay.name.as_ref(), &ack);
        }
    }

    /// Those who asked are told that nobody answered in time.
    pub(super) fn send_nacks(&mut self, now: Time) {
        while let Some((_, sequence)) = self.relays.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            if let Some(relay) = self.relays.open.remove(&sequence).filter(|relay| relay.nack) {
                let nack = Message::Nack(Nack { sequence: relay.sequence });
                self.send_with_gossip(relay.to, relay.name.as_ref(), &nack);
            }
        }
    }
}
