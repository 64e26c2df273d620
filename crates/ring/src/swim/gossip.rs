//! Telling on: what is new rides on every datagram, and goes to a few members by chance now and then
//! (`state.go`: `gossip`; `net.go`: `sendMsg`).
//!
//! memberlist's gossip has a fixed beat. Here the beat is only the shortest distance: what comes up in a quiet moment
//! goes out at once, what nobody was told yet soon after, and where there is nothing to say nobody is woken.

use std::net::SocketAddr;

use bytes::Bytes;
use rand::Rng;

use super::{Application, Backlog, Output, Swim, Ticket};
use crate::time::Time;
use crate::wire::Nonce;
use crate::wire::message::{Dead, Message, Name, State, encode};
use crate::wire::packet::{self, Checksum};

/// The oldest protocol whose speakers understand a checksum.
const CHECKSUMS: u8 = 5;

/// What nobody was told yet waits for a part of the beat: each step to the next member would cost a whole one, while other
/// news is on its way. It is a part, so that much that comes at the same time is told together.
const NEWS_SOONER: u32 = 4;

/// What the byte costs that says that a message is the application's.
const USER: usize = 1;

impl<A: Application> Swim<A> {
    /// Tells everybody something about a member, in place of what was being told about it.
    pub(super) fn tell(&mut self, name: &Name, message: &Message) -> Ticket {
        self.news.push(Some(name.clone()), encode(message))
    }

    /// When there is something to say, and to somebody, and it is time.
    pub(super) fn gossip_due(&self) -> Option<Time> {
        let backlog = self.news.backlog().max(self.application.backlog());
        // This member is one of the living. Alone among the dead it has all the time there is.
        match (backlog, self.members.living()) {
            (Backlog::Empty, _) => None,
            (_, ..=1) => (!self.dead.is_empty()).then_some(self.gossip_at),
            (Backlog::Repeats, _) => Some(self.gossip_at),
            (Backlog::News, _) => Some(self.news_at.min(self.gossip_at)),
        }
    }

    /// Tells a few members what is new.
    pub(super) fn gossip(&mut self, now: Time) {
        if self.gossip_due().is_none_or(|due| due > now) {
            return;
        }
        if self.gossip_at <= now {
            self.gossip_at = now + self.config.gossip_interval;
            self.tell_one_of_the_dead(now);
        }
        self.news_at = now + self.config.gossip_interval / NEWS_SOONER;
        let me = self.config.name.clone();
        let chosen = self
            .members
            .choose(self.config.gossip_members, &mut self.chance, |member| member.lives() && member.name != me);
        let room = packet::room(&self.layers, self.config.datagram_size);
        for member in chosen {
            let parts = self.gather(room);
            if parts.is_empty() {
                return;
            }
            self.send_parts(member.address, Some(&member.name), &parts);
        }
    }

    /// Whoever is dead by mistake has to hear of it to refute it. It is told just that: memberlist gives the dead a share
    /// of the gossip, which in a small ring is missing to the living.
    fn tell_one_of_the_dead(&mut self, now: Time) {
        while self.dead.front().is_some_and(|(at, _)| now.since(*at) > self.config.gossip_to_the_dead) {
            self.dead.pop_front();
        }
        if self.dead.is_empty() {
            return;
        }
        let chosen = self.chance.random_range(0..self.dead.len());
        let name = self.dead.get(chosen).map(|(_, name)| name.clone());
        if let Some(member) = name.and_then(|name| self.members.get(&name).cloned())
            && member.state == State::Dead
        {
            let (incarnation, from) = (member.incarnation, self.config.name.clone());
            let dead = Message::Dead(Dead { incarnation, name: member.name.clone(), from });
            self.send_parts(member.address, Some(&member.name), &[encode(&dead)]);
        }
    }

    /// Sends a message, and what is new beside it as far as there is room. `name` is who is thought to listen there.
    pub(super) fn send_with_gossip(&mut self, to: SocketAddr, name: Option<&Name>, message: &Message) {
        let first = encode(message);
        let room = packet::room(&self.layers, self.config.datagram_size);
        let mut parts = self.gather(room.saturating_sub(first.len() + packet::PER_MESSAGE));
        parts.insert(0, first);
        self.send_parts(to, name, &parts);
    }

    /// Sends messages as they are.
    pub(super) fn send_parts(&mut self, to: SocketAddr, name: Option<&Name>, parts: &[Bytes]) {
        let known = name.and_then(|name| self.members.get(name));
        let checksum = match known {
            Some(member) if member.versions.protocol_max >= CHECKSUMS => Checksum::Understood,
            _ => Checksum::Unknown,
        };
        for some in parts.chunks(packet::MAX_MESSAGES) {
            let nonce = Nonce::random(&mut self.chance);
            match packet::seal(&self.layers, checksum, some, nonce) {
                Ok(bytes) => self.outputs.push_back(Output::Datagram { to, bytes }),
                // Only a message of the application can be too long.
                Err(_) => self.counters.unsendable += 1,
            }
        }
    }

    /// What is new, as far as it fits: about members first, then the application's.
    fn gather(&mut self, room: usize) -> Vec<Bytes> {
        let members = self.members.living();
        let mut parts = self.news.take(packet::PER_MESSAGE, room, members);
        let used: usize = parts.iter().map(|part| part.len() + packet::PER_MESSAGE).sum();
        let overhead = packet::PER_MESSAGE + USER;
        let left = room.saturating_sub(used);
        if left > overhead {
            let messages = self.application.broadcasts(overhead, left, members);
            parts.extend(messages.into_iter().map(|message| encode(&Message::User(message))));
        }
        parts
    }
}
