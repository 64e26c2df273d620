//! What a message about a member changes (`state.go`: `aliveNode`, `suspectNode`, `deadNode`, `refute`).
//!
//! Of two messages about a member the one with the higher incarnation is right; at the same incarnation dead beats
//! suspect, and suspect beats alive. Only the member itself raises its incarnation: that is how it refutes. Whatever
//! was news is told on.

use std::sync::Arc;

use super::config::MAX_META;
use super::suspicion::Limits;
use super::{Application, Change, Departure, Detection, Member, Swim};
use crate::time::Time;
use crate::wire::message::{Alive, Dead, Message, Name, State, Suspect, Versions, encode};

/// So many of those who died lately are remembered for telling them.
const DEAD: usize = 1024;

/// Where a message about a living member comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From this member, about itself.
    Own,
    /// From anybody.
    Gossip,
    /// From an exchange.
    Exchange,
    /// From the answer to a join of a member that was alone. Whoever told it has told the others before.
    Welcome,
}

impl<A: Application> Swim<A> {
    /// A member is said to be there.
    pub(super) fn alive(&mut self, now: Time, mut said: Alive, origin: Origin) {
        let mine = said.name == self.config.name;
        if mine && self.leaving.is_some() || !is_sound(&said) {
            return;
        }
        if said.address.port() == 0 {
            // Protocol 1 had no ports: all members of a ring had the same one.
            said.address.set_port(self.config.address.port());
        }
        let known = self.members.get(&said.name).cloned();
        let moves = known.as_ref().is_some_and(|known| known.address != said.address);
        if let Some(known) = &known {
            let stale = if mine { said.incarnation < known.incarnation } else { said.incarnation <= known.incarnation };
            if stale && !moves {
                return self.tell_the_forgotten(now, known, &said, origin);
            }
        } else if said.incarnation == 0 || self.members.len() >= self.config.max_members {
            return;
        }
        if origin != Origin::Own && self.application.admit(&said).is_err() {
            return;
        }
        if let Some(existing) = known.clone().filter(|known| moves && !self.gives_up_its_name(now, known)) {
            let claimant = said.address;
            return self.application.changed(now, Change::Conflict { existing, claimant });
        }
        if let Some(known) = known.as_ref().filter(|_| mine && origin != Origin::Own) {
            // Somebody speaks of a former life of this member, or tells its own message back.
            let same =
                said.incarnation == known.incarnation && said.meta == known.meta && said.versions == known.versions;
            if !same {
                self.refute(now, known, said.incarnation, None);
            }
            return;
        }

        self.suspicions.end(&said.name);
        if origin != Origin::Welcome {
            self.tell(&said.name, &Message::Alive(said.clone()));
        }
        if said.versions == Versions::UNKNOWN
            && let Some(known) = &known
        {
            said.versions = known.versions;
        }
        // The bytes are part of a whole datagram, which need not be kept.
        said.meta = bytes::Bytes::copy_from_slice(&said.meta);
        let since = known.as_ref().filter(|known| known.state == State::Alive).map_or(now, |known| known.since);
        let member = Member { said: Arc::new(said), state: State::Alive, since };
        self.members.put(member.clone(), &mut self.chance);
        match known {
            Some(known) if known.lives() && known.meta == member.meta => {}
            Some(known) if known.lives() => self.application.changed(now, Change::Updated(member)),
            _ => self.application.changed(now, Change::Joined(member)),
        }
    }

    /// A member is said not to answer.
    pub(super) fn suspect(&mut self, now: Time, suspect: Suspect) {
        let Some(known) = self.members.get(&suspect.name).cloned() else { return };
        if suspect.incarnation < known.incarnation {
            return self.correct(&known, &suspect.from);
        }
        // Further independent doubts are told on, even while the suspicion runs.
        if let Some(news) = self.suspicions.confirm(&suspect.name, &suspect.from) {
            if news {
                self.tell(&suspect.name.clone(), &Message::Suspect(suspect));
            }
            return;
        }
        if known.state != State::Alive {
            return;
        }
        if known.name == self.config.name {
            return self.refute(now, &known, suspect.incarnation, Some(&suspect.from));
        }
        self.tell(&known.name, &Message::Suspect(suspect.clone()));
        let limits = Limits::new(&self.config, self.members.living());
        self.suspicions.begin(now, known.name.clone(), suspect.from, limits);
        self.put_state(now, &known, suspect.incarnation, State::Suspect);
    }

    /// A member is said to be gone.
    pub(super) fn dead(&mut self, now: Time, dead: &Dead) {
        let Some(known) = self.members.get(&dead.name).cloned() else { return };
        if dead.incarnation < known.incarnation {
            return self.correct(&known, &dead.from);
        }
        self.suspicions.end(&dead.name);
        if !known.lives() {
            return;
        }
        if known.name == self.config.name && self.leaving.is_none() {
            return self.refute(now, &known, dead.incarnation, Some(&dead.from));
        }
        let ticket = self.tell(&known.name, &Message::Dead(dead.clone()));
        if known.name == self.config.name
            && let Some(leaving) = &mut self.leaving
        {
            leaving.say_farewell(ticket);
        }
        let (state, departure) =
            if dead.name == dead.from { (State::Left, Departure::Left) } else { (State::Dead, Departure::Failed) };
        let member = self.put_state(now, &known, dead.incarnation, state);
        if state == State::Dead && self.dead.len() < DEAD {
            self.dead.push_back((now, member.name.clone()));
        }
        self.application.changed(now, Change::Gone(member, departure));
        self.knock_if_alone(now);
    }

    /// A suspect's time is nearly over: it may have refuted, and this member did not hear of it.
    pub(super) fn warn(&mut self, name: &Name) {
        if let Some(known) = self.members.get(name).cloned() {
            let sequence = self.probing.next_sequence();
            self.ping_suspect(&known, sequence);
        }
    }

    /// Nobody refuted a suspicion in time.
    pub(super) fn give_up(&mut self, now: Time, name: &Name) {
        let Some(known) = self.members.get(name).filter(|known| known.state == State::Suspect) else { return };
        let dead = Dead { incarnation: known.incarnation, name: name.clone(), from: self.config.name.clone() };
        self.dead(now, &dead);
    }

    /// This member is said to be gone, or to be something else than it is: it says what is true, in a way that beats
    /// the other message.
    fn refute(&mut self, now: Time, me: &Member, accused: u32, accuser: Option<&Name>) {
        self.counters.refutations += 1;
        if self.config.detection >= Detection::Lifeguard {
            // Whoever has to refute was perhaps too slow to answer.
            self.awareness.worse(1);
        }
        let incarnation = me.incarnation.max(accused).saturating_add(1);
        let said = Alive { incarnation, ..Alive::clone(&me.said) };
        self.tell(&me.name, &Message::Alive(said.clone()));
        let since = if me.state == State::Alive { me.since } else { now };
        let me = Member { said: Arc::new(said), state: State::Alive, since };
        self.members.put(me.clone(), &mut self.chance);
        if let Some(accuser) = accuser {
            self.correct(&me, accuser);
        }
    }

    /// Somebody says of this member what it has refuted, or refutes now: he hears it directly too. Gossip reaches
    /// everybody almost always, and whoever it missed would go on.
    fn correct(&mut self, me: &Member, accuser: &Name) {
        if me.name != self.config.name || self.config.detection < Detection::Careful || self.leaving.is_some() {
            return;
        }
        if let Some(accuser) = self.members.get(accuser).filter(|accuser| accuser.name != me.name) {
            let (to, name) = (accuser.address, accuser.name.clone());
            let message = encode(&Message::Alive(Alive::clone(&me.said)));
            self.send_parts(to, Some(&name), &[message]);
        }
    }

    /// Whether somebody at another address may take the name of a member.
    fn gives_up_its_name(&self, now: Time, known: &Member) -> bool {
        match known.state {
            State::Left => true,
            State::Dead => now.since(known.since) > self.config.dead_member_reclaim,
            State::Alive | State::Suspect => false,
        }
    }

    /// Somebody is said to be alive who is known to have gone, and gossip does not reach the gone for ever. If it is a
    /// late message, this costs a datagram to nobody; if the member has come back, it learns what it has to refute.
    fn tell_the_forgotten(&mut self, now: Time, known: &Member, said: &Alive, origin: Origin) {
        let gone_for = now.since(known.since);
        if origin != Origin::Gossip || known.lives() || gone_for <= self.config.gossip_to_the_dead {
            return;
        }
        let from = if known.state == State::Left { known.name.clone() } else { self.config.name.clone() };
        let dead = Dead { incarnation: known.incarnation, name: known.name.clone(), from };
        let message = encode(&Message::Dead(dead));
        self.send_parts(said.address, Some(&known.name.clone()), &[message]);
    }

    fn put_state(&mut self, now: Time, known: &Member, incarnation: u32, state: State) -> Member {
        let said = if known.incarnation == incarnation {
            known.said.clone()
        } else {
            Arc::new(Alive { incarnation, ..Alive::clone(&known.said) })
        };
        let member = Member { said, state, since: now };
        self.members.put(member.clone(), &mut self.chance);
        member
    }
}

/// Whether somebody can be a member as which he is announced.
fn is_sound(said: &Alive) -> bool {
    let versions = said.versions;
    let speaks = versions == Versions::UNKNOWN
        || versions.protocol_min > 0 && versions.protocol_max > 0 && versions.protocol_min <= versions.protocol_max;
    speaks && !said.name.is_empty() && said.meta.len() <= MAX_META
}
