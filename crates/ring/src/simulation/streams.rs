//! Streams between members: connecting, one message each way, and the opener's deadline.

use super::{Event, Machine, Simulation, Table};
use crate::swim::{Exchange, ExchangeId, Failure, StreamId};
use crate::wire::message::StreamMessage;

#[derive(Default)]
pub(super) struct Streams {
    last: u64,
    /// Those that somebody waits for: by whom, and in which life of his.
    waiting: Table<(usize, ExchangeId), u32>,
    /// Those that were handed to the other side: who opened them, and whether he expects an answer.
    handed: Table<StreamId, (usize, ExchangeId, bool)>,
}

impl<M: Machine> Simulation<M> {
    pub(super) fn open_stream(&mut self, index: usize, exchange: Exchange) {
        let Some(member) = self.members.get(index) else { return };
        let (from, life, ahead) = (member.address, member.life, member.ahead);
        let Exchange { id, to, message, answered, deadline } = exchange;
        self.traffic.streams += 1;
        self.streams.last += 1;
        let stream = StreamId(self.streams.last);
        self.streams.waiting.insert((index, id), life);
        self.streams.handed.insert(stream, (index, id, answered));
        let arrives = self.now + self.network.connect(&mut self.chance) + self.network.carry(&mut self.chance);
        let expires = crate::time::Time::after(deadline.elapsed().saturating_sub(ahead)).max(self.now);
        if arrives < expires {
            self.schedule(arrives, Event::Request { stream, from, to, message });
        }
        self.schedule(expires, Event::Expire { member: index, exchange: id, to });
    }

    /// A message has come over a stream that another member opened.
    pub(super) fn request(
        &mut self,
        stream: StreamId,
        from: std::net::SocketAddr,
        to: std::net::SocketAddr,
        message: StreamMessage,
    ) {
        let Some((opener, exchange, _)) = self.streams.handed.get(&stream).copied() else { return };
        if !self.streams.waiting.contains_key(&(opener, exchange)) {
            self.streams.handed.remove(&stream);
            return;
        }
        match self.reaches(from, to) {
            Some(index) if self.machine(index).is_some() => {
                self.deliver(index, crate::swim::Input::Request { stream, from, message });
            }
            // Nobody listens there any more, and the machine says so.
            Some(_) => {
                self.streams.handed.remove(&stream);
                let reason = "connection refused".to_owned();
                self.answer(opener, exchange, Err(Failure::Unreachable { to, reason }));
            }
            // Nothing comes back: the deadline ends it.
            None => {
                self.streams.handed.remove(&stream);
            }
        }
    }

    /// The other side has answered, or closed without.
    pub(super) fn end_stream(&mut self, stream: StreamId, message: Option<StreamMessage>) {
        let Some((member, exchange, answered)) = self.streams.handed.remove(&stream) else { return };
        let Some(to) = self.address(member) else { return };
        let answer = match message {
            None if answered => {
                Err(Failure::Unintelligible { to, reason: "it closed the stream without an answer".to_owned() })
            }
            message => Ok(message),
        };
        let arrives = self.now + self.network.carry(&mut self.chance);
        self.schedule(arrives, Event::Answer { member, exchange, answer });
    }

    /// An exchange ends, if it has not ended before.
    pub(super) fn answer(
        &mut self,
        index: usize,
        exchange: ExchangeId,
        answer: Result<Option<StreamMessage>, Failure>,
    ) {
        let life = self.streams.waiting.remove(&(index, exchange));
        if life.is_some() && life == self.members.get(index).map(|member| member.life) {
            self.deliver(index, crate::swim::Input::Answered { exchange, answer });
        }
    }
}
