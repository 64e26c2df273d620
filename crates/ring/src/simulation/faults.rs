//! What happens to members: crashes, restarts, partitions, slowness, deafness, clocks that jump.

use std::time::Duration;

use rand::Rng;

use super::{Event, Machine, Simulation};
use crate::swim::Input;

/// A member that stands still now and then: Lifeguard's case. What comes meanwhile waits, and is too late.
#[derive(Clone, Copy, Debug)]
pub struct Slowness {
    /// What stands still.
    pub part: Part,
    /// How long, at least and at most.
    pub stopped: (Duration, Duration),
    /// How long it runs in between.
    pub running: (Duration, Duration),
}

/// What of a member stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it. When it runs again it looks first at what has come, as our driver promises.
    Process,
    /// All of it. When it runs again it looks first at its timers: a program that leaves the order to chance, on a bad
    /// day.
    ProcessTimersFirst,
    /// What it sends and receives, while its timers go on: an overloaded queue, or the blocked agents on which
    /// Lifeguard was measured.
    Network,
}

impl<M: Machine> Simulation<M> {
    /// Kills a member, as by `kill -9`.
    pub fn crash(&mut self, index: usize) {
        let now = self.now;
        if let Some(member) = self.members.get_mut(index) {
            member.machine = None;
            member.wake = None;
            member.paused = false;
            member.slowness = None;
            member.backlog.clear();
            member.outbox.clear();
            self.referee.went(index, now);
        }
    }

    /// Starts a member again that crashed or left, at its old address.
    pub fn restart(&mut self, index: usize) {
        self.crash(index);
        self.bear(index);
    }

    /// The same, at an address that nobody had before.
    pub fn restart_elsewhere(&mut self, index: usize) {
        let address = self.new_address(index);
        if let Some(member) = self.members.get_mut(index) {
            member.address = address;
        }
        self.restart(index);
    }

    /// Lets a member say that it leaves. It goes on passing on.
    pub fn leave(&mut self, index: usize) {
        self.act(index, M::leave);
        let now = self.now;
        if let Some(member) = self.members.get_mut(index) {
            member.left = true;
            self.referee.went(index, now);
        }
    }

    /// Cuts these off from all others, among themselves they are together.
    pub fn part(&mut self, members: &[usize]) {
        let side = 1 + self.members.iter().map(|member| member.side).max().unwrap_or(0);
        for index in members {
            if let Some(member) = self.members.get_mut(*index) {
                member.side = side;
            }
        }
        self.referee.parted();
    }

    /// Ends all partitions.
    pub fn heal(&mut self) {
        for member in &mut self.members {
            member.side = 0;
        }
        self.referee.healed(self.now);
    }

    /// Makes a member slow until [`Simulation::hasten`].
    pub fn slow(&mut self, index: usize, slowness: Slowness) {
        let Some(member) = self.members.get_mut(index) else { return };
        let life = member.life;
        member.slowness = Some(slowness);
        let first = between(slowness.running, &mut self.chance);
        self.referee.slowed(index);
        self.schedule(self.now + first, Event::Pause { member: index, life });
    }

    /// Ends a member's slowness.
    pub fn hasten(&mut self, index: usize) {
        if let Some(member) = self.members.get_mut(index) {
            member.slowness = None;
            if !member.paused {
                self.referee.recovered(index, self.now);
            }
        }
    }

    /// Stops a member once, as when its machine sleeps.
    pub fn stop_for(&mut self, index: usize, time: Duration) {
        let Some(member) = self.members.get_mut(index) else { return };
        member.paused = true;
        let life = member.life;
        self.referee.slowed(index);
        self.schedule(self.now + time, Event::Resume { member: index, life });
    }

    /// Lets no datagram reach a member, or again all of them. Its streams and what it sends are as before.
    pub fn set_deaf(&mut self, index: usize, deaf: bool) {
        if let Some(member) = self.members.get_mut(index) {
            member.deaf = deaf;
        }
    }

    /// Puts a member's clock forward.
    pub fn jump(&mut self, index: usize, forward: Duration) {
        if let Some(member) = self.members.get_mut(index) {
            member.ahead += forward;
            // Its timers are due earlier now.
            member.wake = None;
            self.settle(index);
        }
    }

    /// Changes the network.
    pub fn set_network(&mut self, network: super::Network) {
        self.network = network;
    }

    pub(super) fn pause(&mut self, index: usize, life: u32) {
        let Some(member) = self.members.get_mut(index).filter(|member| member.life == life) else { return };
        let Some(slowness) = member.slowness else { return };
        member.paused = true;
        let stopped = between(slowness.stopped, &mut self.chance);
        self.schedule(self.now + stopped, Event::Resume { member: index, life });
    }

    pub(super) fn resume(&mut self, index: usize, life: u32) {
        let now = self.local_time(index);
        let Some(member) = self.members.get_mut(index).filter(|member| member.life == life) else { return };
        member.paused = false;
        member.wake = None;
        let slowness = member.slowness;
        let inputs = std::mem::take(&mut member.backlog);
        for output in std::mem::take(&mut member.outbox) {
            self.put_out(index, output);
        }
        if slowness.is_some_and(|slowness| slowness.part == Part::ProcessTimersFirst) {
            self.tick_if_due(index, now);
        }
        for input in inputs {
            if let Some(machine) = self.members.get_mut(index).and_then(|member| member.machine.as_mut()) {
                machine.handle(now, input);
            }
        }
        self.tick_if_due(index, now);
        self.settle(index);
        if let Some(slowness) = slowness {
            let running = between(slowness.running, &mut self.chance);
            self.schedule(self.now + running, Event::Pause { member: index, life });
        } else {
            self.referee.recovered(index, self.now);
        }
    }

    fn tick_if_due(&mut self, index: usize, now: crate::time::Time) {
        if let Some(machine) = self.members.get_mut(index).and_then(|member| member.machine.as_mut())
            && machine.wake_at().is_some_and(|at| at <= now)
        {
            machine.handle(now, Input::Tick);
        }
    }
}

fn between((least, most): (Duration, Duration), chance: &mut impl Rng) -> Duration {
    least + most.saturating_sub(least).mul_f64(chance.random())
}
