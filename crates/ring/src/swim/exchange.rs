//! Exchanges by stream: now and then two members tell each other all that they know, which mends whatever gossip left
//! out (`state.go`: `pushPull`, `verifyProtocol`, `mergeState`; `net.go`: `handleConn`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::suspicion::decimal_logarithm;
use super::{
    Application, Detection, Exchange, ExchangeId, Failure, JoinId, Member, Origin, Output, StreamId, Swim, some_of,
};
use crate::time::Time;
use crate::wire::message::{Ack, Alive, Dead, MemberState, PushPull, State, StreamMessage, Suspect, Versions};

/// So many streams of its own a member has open at most.
const AT_ONCE: usize = 256;

/// An exchange that changes more than this part of the living brought much.
const MUCH: usize = 20;

/// Up to so many members the interval of exchanges does not grow (`pushPullScaleThreshold`).
const SCALE_FROM: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Exchanges {
    last: u64,
    open: BTreeMap<ExchangeId, Purpose>,
}

/// What a stream was opened for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// To reach a member that answers no datagram.
    Probe { sequence: u32 },
    /// To exchange what is known.
    PushPull { with: SocketAddr, join: bool },
    /// The same, for a join that somebody waits for.
    Join { join: JoinId, seed: SocketAddr },
    /// To deliver a message of the application.
    Message,
}

impl<A: Application> Swim<A> {
    /// Sends a message to another member's application by a stream. Nothing is heard of it again.
    pub fn send_reliably(&mut self, now: Time, to: SocketAddr, message: Bytes) {
        self.open_exchange(to, StreamMessage::User(message), None, now, Purpose::Message);
    }

    /// Opens a stream; whether there was room for one more.
    pub(super) fn open_exchange(
        &mut self,
        to: SocketAddr,
        message: StreamMessage,
        deadline: Option<Time>,
        now: Time,
        purpose: Purpose,
    ) -> bool {
        if self.exchanges.open.len() >= AT_ONCE {
            return false;
        }
        self.exchanges.last += 1;
        let id = ExchangeId(self.exchanges.last);
        self.exchanges.open.insert(id, purpose);
        let answered = !matches!(purpose, Purpose::Message);
        let deadline = deadline.unwrap_or(now + self.config.stream_timeout);
        self.outputs.push_back(Output::Exchange(Exchange { id, to, message, answered, deadline }));
        true
    }

    /// Opens a stream to tell all that is known and hear the same.
    pub(super) fn open_push_pull(&mut self, to: SocketAddr, join: bool, now: Time, purpose: Purpose) -> bool {
        let state = self.state(join);
        self.open_exchange(to, StreamMessage::PushPull(state), None, now, purpose)
    }

    pub(super) fn push_pull_due(&self) -> Option<Time> {
        self.leaving.is_none().then_some(self.push_pull_at)
    }

    /// Exchanges everything with one member by chance, if it is time.
    pub(super) fn push_pull(&mut self, now: Time) {
        if self.push_pull_due().is_none_or(|due| due > now) {
            return;
        }
        let usual = scaled(self.config.push_pull_interval, self.members.living());
        let wait = if self.push_pull_wait < usual {
            let wait = self.push_pull_wait;
            self.push_pull_wait = wait * 2;
            wait / 2 + some_of(wait / 2, &mut self.chance)
        } else {
            usual
        };
        self.push_pull_at = now + wait;
        let me = self.config.name.clone();
        let partner =
            self.members.choose(1, &mut self.chance, |member| member.state == State::Alive && member.name != me);
        for member in partner {
            self.open_push_pull(member.address, false, now, Purpose::PushPull { with: member.address, join: false });
        }
        self.knock_at_missing_seeds(now);
    }

    /// Exchanges follow soon, and then become rarer again: after a join, and where an exchange brought much that gossip
    /// did not. While many join at once or two halves find together, gossip misses some. (memberlist waits for the
    /// next turn, which in a ring of 500 is two and a half minutes.)
    pub(super) fn push_pull_soon(&mut self, now: Time) {
        self.push_pull_wait = self.config.probe_interval;
        let soon = self.push_pull_wait + some_of(self.push_pull_wait, &mut self.chance);
        self.push_pull_at = self.push_pull_at.min(now + soon);
    }

    /// Another member has opened a stream.
    pub(super) fn request(&mut self, now: Time, stream: StreamId, from: SocketAddr, message: StreamMessage) {
        let reply = match message {
            StreamMessage::Ping(ping) if self.is_meant(&ping.target) => {
                Some(StreamMessage::Ack(Ack { sequence: ping.sequence, payload: Bytes::new() }))
            }
            StreamMessage::PushPull(remote) => {
                // What the other side says is not told back to it.
                let local = self.state(remote.join);
                if let Err(failure) = self.merge(now, from, remote, Origin::Exchange) {
                    self.application.exchange_failed(now, &failure);
                }
                Some(StreamMessage::PushPull(local))
            }
            StreamMessage::User(message) => {
                self.application.message(now, &message);
                None
            }
            StreamMessage::Ping(_) | StreamMessage::Ack(_) | StreamMessage::Refusal(_) => None,
        };
        self.outputs.push_back(match reply {
            Some(message) => Output::Reply { stream, message },
            None => Output::Close { stream },
        });
    }

    /// A stream that this member opened has ended.
    pub(super) fn answered(&mut self, now: Time, id: ExchangeId, answer: Result<Option<StreamMessage>, Failure>) {
        let Some(purpose) = self.exchanges.open.remove(&id) else { return };
        match purpose {
            Purpose::Probe { sequence } => {
                if let Ok(Some(StreamMessage::Ack(ack))) = answer
                    && ack.sequence == sequence
                {
                    self.acknowledged(now, &ack);
                }
            }
            Purpose::PushPull { with, join } => {
                if let Err(failure) = self.welcome(now, with, answer, join) {
                    self.application.exchange_failed(now, &failure);
                }
            }
            Purpose::Join { join, seed } => {
                let outcome = self.welcome(now, seed, answer, true);
                self.seed_answered(now, join, seed, outcome);
            }
            Purpose::Message => {
                if let Err(failure) = answer {
                    self.application.exchange_failed(now, &failure);
                }
            }
        }
    }

    /// Takes over what the other side of an exchange answered.
    fn welcome(
        &mut self,
        now: Time,
        from: SocketAddr,
        answer: Result<Option<StreamMessage>, Failure>,
        join: bool,
    ) -> Result<(), Failure> {
        let mut remote = match answer? {
            Some(StreamMessage::PushPull(remote)) => remote,
            Some(StreamMessage::Refusal(reason)) => return Err(Failure::Refused { by: from, reason }),
            _ => {
                let reason = "another message than its state".to_owned();
                return Err(Failure::Unintelligible { to: from, reason });
            }
        };
        remote.join = join;
        let origin = if join && self.members.living() <= 1 { Origin::Welcome } else { Origin::Exchange };
        self.merge(now, from, remote, origin)
    }

    /// All that this member knows.
    fn state(&mut self, join: bool) -> PushPull {
        let user_state = self.application.local_state(join);
        let members = self.members.iter().map(|member| MemberState {
            name: member.name.clone(),
            address: member.address,
            meta: member.meta.clone(),
            incarnation: member.incarnation,
            state: member.state,
            versions: member.versions,
        });
        PushPull { join, members: members.collect(), user_state }
    }

    fn merge(&mut self, now: Time, from: SocketAddr, remote: PushPull, origin: Origin) -> Result<(), Failure> {
        if let Some(name) = self.incompatible(&remote.members) {
            let reason = format!("`{name}` speaks a protocol that others in the ring do not understand");
            return Err(Failure::Refused { by: from, reason });
        }
        let me = self.config.name.clone();
        let before = self.members.living();
        for MemberState { name, address, meta, incarnation, state, versions } in remote.members {
            match state {
                State::Alive => self.alive(now, Alive { incarnation, name, address, meta, versions }, origin),
                State::Left => self.dead(now, &Dead { incarnation, from: name.clone(), name }),
                // A doubt that is only passed on must not count as one more witness.
                State::Suspect if self.config.detection >= Detection::Careful && name != me => {}
                // The other side may be wrong: the member gets the chance to refute.
                State::Dead | State::Suspect => {
                    self.suspect(now, Suspect { incarnation, name, from: me.clone() });
                }
            }
        }
        let living = self.members.living();
        if living.abs_diff(before) > living / MUCH {
            self.push_pull_soon(now);
        }
        if !remote.user_state.is_empty() {
            self.application.merge_remote_state(now, &remote.user_state, remote.join);
        }
        Ok(())
    }

    /// Somebody, here or there, who speaks what somebody else cannot understand.
    fn incompatible(&self, remote: &[MemberState]) -> Option<String> {
        let local = self.members.iter().map(|member: &Member| (&member.name, member.versions, member.state));
        let remote = remote.iter().map(|member| (&member.name, member.versions, member.state));
        let all = local.chain(remote).filter(|(_, versions, _)| *versions != Versions::UNKNOWN);
        let living = all.clone().filter(|(_, _, state)| *state == State::Alive);
        let mut understood = (0, u8::MAX, 0, u8::MAX);
        for (_, versions, _) in living {
            understood.0 = versions.protocol_min.max(understood.0);
            understood.1 = versions.protocol_max.min(understood.1);
            understood.2 = versions.delegate_min.max(understood.2);
            understood.3 = versions.delegate_max.min(understood.3);
        }
        let mut all = all;
        all.find(|(_, versions, _)| {
            !(understood.0..=understood.1).contains(&versions.protocol)
                || !(understood.2..=understood.3).contains(&versions.delegate)
        })
        .map(|(name, _, _)| name.to_string())
    }
}

/// Doubled from the 33rd member on, tripled from the 65th, and so on (`pushPullScale`).
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a logarithm of a count is small")]
fn scaled(interval: Duration, members: usize) -> Duration {
    let doublings = (decimal_logarithm(members) - decimal_logarithm(SCALE_FROM)) / 2_f64.log10();
    interval.saturating_mul(doublings.max(0.0).ceil() as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_become_rarer_as_the_ring_grows() {
        let seconds = |members| scaled(Duration::from_secs(30), members).as_secs();
        assert_eq!([1, 32, 33, 64, 65, 1000].map(seconds), [30, 30, 60, 60, 90, 180]);
    }
}
