//! A whole ring in one thread and in virtual time: from one seed, the same trace each time.
//!
//! What is simulated is a [`Machine`], the pure part of a member; the simulation is its driver, its network and its bad
//! luck. Datagrams are the bytes that would go on the wire. Streams carry messages as they are: their bytes are tested
//! where they are made.
//!
//! ```text
//!   Simulation ── members (machine, clock, backlog) ── network (latency, loss, duplicates, order, partitions)
//!        │                                                 └ streams (connecting, retransmissions, deadlines)
//!        ├ faults   crash, restart, new address, leave, slow, deaf, clock jumps
//!        └ referee  what nobody may see: false deaths, resurrections, incarnations that go back
//! ```
//!
//! It is compiled always and not behind a feature: it is pure, small, and left out of every program that does not call
//! it; and a test that can be forgotten is.

mod faults;
mod machine;
mod network;
mod referee;
mod seeds;
mod streams;
mod talk;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use self::faults::{Part, Slowness};
pub use self::machine::{Announces, Birth, Machine};
pub use self::network::Network;
pub use self::referee::{Check, Death, Violation};
pub use self::seeds::each_seed;
pub use self::talk::{Talk, ring, swim};

use self::referee::Referee;
use self::streams::Streams;
use crate::swim::{ExchangeId, Failure, Input, Output, StreamId};
use crate::time::Time;
use crate::wire::message::StreamMessage;

/// So many datagrams wait for a member that is not running; about what Linux keeps for a socket by default.
const BACKLOG: usize = 256;

/// A ring, its network and its time.
pub struct Simulation<M> {
    now: Time,
    chance: ChaCha8Rng,
    network: Network,
    members: Vec<Member<M>>,
    /// Who has which address, by the number in it.
    addresses: Vec<usize>,
    events: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    streams: Streams,
    referee: Referee,
    make: Maker<M>,
    traffic: Traffic,
    trace: Trace,
}

/// What went over the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams that were sent.
    pub datagrams: u64,
    /// Their bytes, without the headers of IP and UDP.
    pub bytes: u64,
    /// Streams that were opened.
    pub streams: u64,
}

struct Member<M> {
    /// `None` while it is crashed.
    machine: Option<M>,
    /// Grows with each start, so that what was meant for a former life does not reach the next one.
    life: u32,
    address: SocketAddr,
    /// How far its clock is before that of the simulation.
    ahead: Duration,
    /// The side of a partition that it is on.
    side: u32,
    slowness: Option<Slowness>,
    /// Whether it gets no time to run at present.
    paused: bool,
    backlog: VecDeque<Input>,
    /// What it wants done and nobody does yet.
    outbox: Vec<Output>,
    /// Whether no datagram reaches it.
    deaf: bool,
    left: bool,
    /// When it is to be woken.
    wake: Option<Time>,
}

struct Scheduled {
    at: Time,
    order: u64,
    event: Event,
}

enum Event {
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Bytes },
    Request { stream: StreamId, from: SocketAddr, to: SocketAddr, message: StreamMessage },
    Answer { member: usize, exchange: ExchangeId, answer: Result<Option<StreamMessage>, Failure> },
    Expire { member: usize, exchange: ExchangeId, to: SocketAddr },
    Wake { member: usize },
    Pause { member: usize, life: u32 },
    Resume { member: usize, life: u32 },
}

impl<M: Machine> Simulation<M> {
    /// A ring without members. `make` makes the machine of one that starts, or nothing if it cannot start.
    pub fn new(seed: u64, network: Network, make: impl FnMut(&Birth) -> Option<M> + 'static) -> Self {
        Self {
            now: Time::ZERO,
            chance: ChaCha8Rng::seed_from_u64(seed),
            network,
            members: Vec::new(),
            addresses: Vec::new(),
            events: BinaryHeap::new(),
            scheduled: 0,
            streams: Streams::default(),
            referee: Referee::default(),
            make: Box::new(make),
            traffic: Traffic::default(),
            trace: Trace::default(),
        }
    }

    /// The time of the simulation.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many members there ever were.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Those that run and have not left.
    pub fn running(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.members.len()).filter(|index| self.is_running(*index))
    }

    /// Whether a member runs and has not left.
    pub fn is_running(&self, index: usize) -> bool {
        self.members.get(index).is_some_and(|member| member.machine.is_some() && !member.left)
    }

    /// The machine of a member, unless it is crashed.
    pub fn machine(&self, index: usize) -> Option<&M> {
        self.members.get(index).and_then(|member| member.machine.as_ref())
    }

    /// The address that a member has now.
    pub fn address(&self, index: usize) -> Option<SocketAddr> {
        self.members.get(index).map(|member| member.address)
    }

    /// What went over the network so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// A number that is the same for the same run: of what was delivered, where, and when.
    pub fn trace(&self) -> u64 {
        self.trace.0
    }

    /// Starts one more member, and returns its number.
    pub fn start(&mut self) -> usize {
        let index = self.members.len();
        let address = self.new_address(index);
        self.members.push(Member {
            machine: None,
            life: 0,
            address,
            ahead: Duration::ZERO,
            side: 0,
            slowness: None,
            paused: false,
            backlog: VecDeque::new(),
            outbox: Vec::new(),
            deaf: false,
            left: false,
            wake: None,
        });
        self.bear(index);
        index
    }

    /// Lets a member do something that nobody sent it to do.
    pub fn act<R>(&mut self, index: usize, action: impl FnOnce(&mut M, Time) -> R) -> Option<R> {
        let now = self.local_time(index);
        let machine = self.members.get_mut(index)?.machine.as_mut()?;
        let result = action(machine, now);
        self.settle(index);
        Some(result)
    }

    /// Makes every member know every other one, without a message: a ring that has been there for long.
    pub fn acquaint_all(&mut self) {
        let all: Vec<_> = self.running().filter_map(|index| self.machine(index)?.introduces_itself()).collect();
        for index in 0..self.members.len() {
            let now = self.local_time(index);
            let Some(machine) = self.members.get_mut(index).and_then(|member| member.machine.as_mut()) else {
                continue;
            };
            machine.acquaint(now, &all);
            machine.take_changes();
            self.settle(index);
        }
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.pass(time);
        self.check_incarnations();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(Reverse(next)) = self.events.peek() {
            if next.at > end {
                break;
            }
            let Some(Reverse(Scheduled { at, event, .. })) = self.events.pop() else { break };
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    /// Lets time pass until something is so, looking ten times a second; how long it took, or `None` if it was not so
    /// in time.
    pub fn run_until(&mut self, limit: Duration, is_so: impl Fn(&Self) -> bool) -> Option<Duration> {
        let began = self.now;
        while !is_so(self) {
            if self.now.since(began) >= limit {
                return None;
            }
            self.pass(Duration::from_millis(100));
        }
        self.check_incarnations();
        Some(self.now.since(began))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Datagram { from, to, bytes } => {
                let Some(index) = self.reaches(from, to) else { return };
                if self.members.get(index).is_some_and(|member| !member.deaf) {
                    self.trace.note(self.now, index, &bytes);
                    self.deliver(index, Input::Datagram { from, bytes });
                }
            }
            Event::Request { stream, from, to, message } => self.request(stream, from, to, message),
            Event::Answer { member, exchange, answer } => self.answer(member, exchange, answer),
            Event::Expire { member, exchange, to } => {
                self.answer(member, exchange, Err(Failure::TimedOut { to }));
            }
            Event::Wake { member } => self.wake(member),
            Event::Pause { member, life } => self.pause(member, life),
            Event::Resume { member, life } => self.resume(member, life),
        }
    }

    /// Hands something to a member, now or when it runs again.
    fn deliver(&mut self, index: usize, input: Input) {
        let now = self.local_time(index);
        let Some(member) = self.members.get_mut(index) else { return };
        if member.paused {
            if member.backlog.len() < BACKLOG {
                member.backlog.push_back(input);
            }
            return;
        }
        if let Some(machine) = &mut member.machine {
            machine.handle(now, input);
            self.settle(index);
        }
    }

    fn wake(&mut self, index: usize) {
        let now = self.local_time(index);
        let Some(member) = self.members.get_mut(index) else { return };
        let timers_run = member.slowness.is_some_and(|slowness| slowness.part == Part::Network);
        if member.paused && !timers_run || member.wake != Some(self.now) {
            return;
        }
        member.wake = None;
        if let Some(machine) = member.machine.as_mut() {
            if machine.wake_at().is_some_and(|at| at <= now) {
                machine.handle(now, Input::Tick);
            }
            self.settle(index);
        }
    }

    /// Does what a member wants done, and arranges for its waking.
    fn settle(&mut self, index: usize) {
        while let Some(output) = self.members.get_mut(index).and_then(|member| member.machine.as_mut()?.poll()) {
            match self.members.get_mut(index) {
                Some(member) if member.paused => member.outbox.push(output),
                _ => self.put_out(index, output),
            }
        }
        let Some(member) = self.members.get_mut(index) else { return };
        let Some(machine) = member.machine.as_mut() else { return };
        let changes = machine.take_changes();
        // An earlier waking that is not needed any more costs less than finding it.
        let wanted = machine.wake_at().map(|at| self.now.max(Time::after(at.since(Time::after(member.ahead)))));
        if let Some(at) = wanted.filter(|at| member.wake.is_none_or(|wake| *at < wake)) {
            member.wake = Some(at);
            self.schedule(at, Event::Wake { member: index });
        }
        for change in changes {
            self.judge(index, &change);
        }
    }

    fn put_out(&mut self, index: usize, output: Output) {
        let Some(from) = self.address(index) else { return };
        match output {
            Output::Datagram { to, bytes } => {
                self.traffic.datagrams += 1;
                self.traffic.bytes += bytes.len() as u64;
                for delay in self.network.datagram(&mut self.chance).into_iter().flatten() {
                    self.schedule(self.now + delay, Event::Datagram { from, to, bytes: bytes.clone() });
                }
            }
            Output::Exchange(exchange) => self.open_stream(index, exchange),
            Output::Reply { stream, message } => self.end_stream(stream, Some(message)),
            Output::Close { stream } => self.end_stream(stream, None),
            Output::JoinEnded { .. } | Output::Left => {}
        }
    }

    fn schedule(&mut self, at: Time, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse(Scheduled { at, order: self.scheduled, event }));
    }

    /// The member at an address, if one is there and no partition is between.
    fn reaches(&self, from: SocketAddr, to: SocketAddr) -> Option<usize> {
        let index = self.at(to)?;
        let sender = self.number_of(from)?;
        (self.side(sender) == self.side(index)).then_some(index)
    }

    /// The side of a partition that a member is on.
    fn side(&self, index: usize) -> u32 {
        self.members.get(index).map_or(0, |member| member.side)
    }

    /// The member that has an address now.
    fn at(&self, address: SocketAddr) -> Option<usize> {
        self.number_of(address).filter(|index| self.address(*index) == Some(address))
    }

    /// The member that has or had an address.
    fn number_of(&self, address: SocketAddr) -> Option<usize> {
        let IpAddr::V4(ip) = address.ip() else { return None };
        let number = ip.to_bits().checked_sub(FIRST_ADDRESS)?;
        self.addresses.get(usize::try_from(number).ok()?).copied()
    }

    fn new_address(&mut self, index: usize) -> SocketAddr {
        let number = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        self.addresses.push(index);
        (Ipv4Addr::from_bits(FIRST_ADDRESS.saturating_add(number)), 7946).into()
    }

    /// The time that a member's own clock shows.
    fn local_time(&self, index: usize) -> Time {
        self.now + self.members.get(index).map_or(Duration::ZERO, |member| member.ahead)
    }

    fn bear(&mut self, index: usize) {
        let now = self.local_time(index);
        let Some(member) = self.members.get_mut(index) else { return };
        member.life += 1;
        member.left = false;
        member.paused = false;
        member.backlog.clear();
        let birth = Birth { index, address: member.address, life: member.life, seed: self.chance.random(), now };
        member.machine = (self.make)(&birth);
        self.settle(index);
    }
}

/// 10.0.0.1.
const FIRST_ADDRESS: u32 = 0x0A00_0001;

/// A running sum (FNV-1a) of everything that was delivered.
struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Trace {
    fn note(&mut self, at: Time, member: usize, bytes: &[u8]) {
        let at = at.elapsed();
        for number in [at.as_secs(), at.subsec_nanos().into(), member as u64, crc32fast::hash(bytes).into()] {
            self.0 = (self.0 ^ number).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Makes the machine of a member that starts.
type Maker<M> = Box<dyn FnMut(&Birth) -> Option<M>>;

/// Streams that are open, and members that were seen, by what identifies them.
type Table<K, V> = BTreeMap<K, V>;
