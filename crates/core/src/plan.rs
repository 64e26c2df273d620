//! The plan: a stack and what the cloud has, made into ordered steps with reasons.
//!
//! Everything is decided here and shown before anything is done: names, addresses, Ethernet addresses, hosts, the way
//! past port security, order. Whoever carries a plan out has no policy of its own. [`Plan::up`] and [`Plan::down`]
//! take no hint of what changed; they look at all of it, every time, so that repair, recovery after a crash and a
//! changed file are one and the same thing.
//!
//! ```text
//! addresses   which address each container has, and who else holds it
//! attach      how packets pass port security here
//! placement   which container runs on which host (ten pairs a port)
//! network     allocation pool, security groups and rules
//! reservations  the ports that hold the containers' addresses
//! balancers   load balancers with their children (`parts`), VIP groups, floating IPs
//! providers   what carries a load balancer, and what that can
//! hosts       server groups, ports, servers, their floating IPs
//! leaving     containers that go, or give way to a new one
//! pairs       what each host's port lets through
//! containers  profiles, images, DHCP hosts, containers
//! agents      the program on each host, and the ring's key
//! rolling     containers that are replaced one after another, while the others serve
//! surplus     what carries a key of the stack and is wanted no more
//! preflight   what is missing before the first write, all named at once
//! ```
//!
//! Where an address changes hands, the order is: out of the pools, container away, pair away, reservation away, then
//! the same way in for whoever has it next. So at no time do two ports let one address through, and Neutron never
//! refuses an address that this very plan frees.

mod action;
mod addresses;
mod agents;
mod attach;
mod balancers;
mod build;
mod containers;
mod down;
mod floating_ips;
mod hosts;
mod leaving;
mod network;
mod pairs;
mod parts;
mod placement;
mod preflight;
mod providers;
mod reservations;
mod rolling;
mod surplus;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::Serialize;

pub use action::{
    Action, AgentFile, BalancerParts, Claim, HostKeySource, KeySource, ListenerParts, MemberParts, MonitorParts,
    PoolParts, Then, Write,
};
pub use attach::PAIR_LIMIT;
pub use containers::{PROVEN, image_name};
pub use ways::{LOGIN, Way, ways};

use crate::address::Mac;
use crate::key::{Key, Kind};
use crate::observed::{Agent, ExternalNetwork, Inside, Network, Observed, Port, Server, Subnet};
use crate::spec::model::{Attachment, Stack};
use build::Builder;

/// What is to be done, why, and in what order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In an order in which they can be done; [`Step::after`] says what really has to wait.
    pub steps: Vec<Step>,
    /// What is as it should be.
    pub unchanged: Vec<Key>,
    /// What stands in the way. With anything in here, nothing may be written.
    pub blocked: Vec<Blocked>,
    /// What the reader should know and no step can change.
    pub notes: Vec<String>,
    /// How containers pass port security, and why so.
    pub attachment: Option<(Attachment, String)>,
    /// Where every wanted container runs.
    pub places: Vec<Place>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is done to: one resource, or several of a kind that one request makes.
    pub keys: Vec<Key>,
    /// What becomes of it.
    pub verb: Verb,
    /// Why.
    pub reason: String,
    /// Steps, by their place in [`Plan::steps`], that must have ended well before.
    pub after: Vec<usize>,
    /// What exactly.
    pub action: Action,
}

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// It is made.
    Create,
    /// It is changed in place.
    Change,
    /// It is taken away, to be made anew by a later step.
    Replace,
    /// It is taken away.
    Delete,
    /// It is waited for.
    Wait,
}

impl Verb {
    /// Whether something is lost that a person may want to be asked about.
    pub fn destroys(self) -> bool {
        matches!(self, Self::Replace | Self::Delete)
    }
}

/// Something that stands in the way of the whole plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// What it is about: `address 192.168.0.100`, `quota instances`, `network default`.
    pub subject: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

/// Where a container runs and how it is known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The container's name.
    pub container: String,
    /// The service that it is a copy of.
    pub service: String,
    /// The host that it runs on.
    pub host: String,
    /// Its address on the network.
    pub address: Ipv4Addr,
    /// Its Ethernet address.
    pub mac: Mac,
}

impl Plan {
    /// What brings the cloud to where `stack` wants it. Nothing to do: [`Plan::is_empty`].
    pub fn up(stack: &Stack, seen: &Observed) -> Self {
        let mut build = Builder::new(&stack.name);
        let Some(ground) = preflight::ground(stack, seen, &mut build) else {
            return build.finish();
        };
        let attachment = attach::choose(stack, seen, &ground, &mut build);
        let places = placement::place(stack, seen, attachment, &ground, &mut build);
        let mut scene = Scene::new(stack, seen, ground, attachment, places);
        let fates = containers::fates(&scene);
        scene.turns = rolling::turns(&scene, &fates);

        network::plan(&scene, &mut build);
        floating_ips::release(&scene, &mut build);
        let mut reserved = reservations::early(&scene, &mut build);
        let late = balancers::plan(&scene, &mut reserved, &mut build);
        hosts::plan(&scene, &reserved, &mut build);
        leaving::containers(&scene, &fates, &mut build);
        leaving::hosts(&scene, &mut build);
        pairs::plan(&scene, &mut build);
        reservations::leave(&scene, &mut build);
        reservations::late(&scene, &mut build);
        balancers::plan_late(&scene, late, &mut build);
        containers::plan(&scene, &fates, &mut build);
        balancers::plan_joining(&scene, &mut build);
        rolling::plan(&scene, &fates, &mut build);
        balancers::plan_waits(&scene, &mut build);
        agents::plan(&scene, &mut build);
        surplus::plan(&scene, &mut build);
        network::restore(&scene, &mut build);
        preflight::quotas(&scene, &mut build);
        build.places(scene.places);
        build.finish()
    }

    /// What takes away everything that carries a key of the stack `name`, and nothing else.
    pub fn down(name: &str, seen: &Observed) -> Self {
        down::plan(name, seen)
    }

    /// Whether there is nothing to do and nothing in the way.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.blocked.is_empty()
    }

    /// Steps that lose something: deletions and replacements.
    pub fn destructive(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.verb.destroys())
    }
}

/// What every part of the planner looks at.
struct Scene<'a> {
    stack: &'a Stack,
    seen: &'a Observed,
    ground: Ground<'a>,
    attachment: Attachment,
    places: Vec<Place>,
    by_host: BTreeMap<String, Vec<usize>>,
    /// Hosts whose ports let an address of a container's through now, by the address; unwanted hosts too.
    open_at: BTreeMap<String, BTreeSet<String>>,
    /// Addresses of the stack's containers, those that go included, as pairs name them.
    own_addresses: BTreeSet<String>,
    /// Addresses that the stack itself holds now, each with the resource that must go before another one can have it.
    held: BTreeMap<Ipv4Addr, Key>,
    /// Containers that are replaced one after another, by name, with the address that each has until its turn.
    turns: BTreeMap<String, Ipv4Addr>,
}

/// What the stack stands on and does not own, and what it owns by key.
struct Ground<'a> {
    network: &'a Network,
    subnet: &'a Subnet,
    external: Option<&'a ExternalNetwork>,
    /// Wanted hosts with their group.
    hosts: BTreeMap<String, &'a str>,
    /// The stack's ports by key, one each.
    ports: BTreeMap<&'a Key, &'a Port>,
    /// The stack's servers by key, one each.
    servers: BTreeMap<&'a Key, &'a Server>,
}

/// The subnet that a stack stands on, and the network that its floating IPs come from, where there is exactly one.
pub(crate) fn ground<'a>(stack: &'a Stack, seen: &'a Observed) -> Option<(&'a Subnet, Option<&'a ExternalNetwork>)> {
    let ground = preflight::ground(stack, seen, &mut Builder::new(&stack.name))?;
    Some((ground.subnet, ground.external))
}

/// What is known of what lies on a wanted host.
enum Contents<'a> {
    /// All of it; of a host that this plan makes: nothing.
    Known(&'a Inside),
    /// The host is there and shows nothing yet: nothing is planned on it.
    Unknown,
}

/// What lies on a host that does not exist.
static NOTHING: Inside = Inside {
    profiles: BTreeMap::new(),
    images: BTreeSet::new(),
    dhcp_hosts: BTreeMap::new(),
    containers: BTreeMap::new(),
    foreign: BTreeSet::new(),
    agent: Agent::NONE,
};

impl<'a> Scene<'a> {
    fn new(
        stack: &'a Stack,
        seen: &'a Observed,
        ground: Ground<'a>,
        attachment: Attachment,
        places: Vec<Place>,
    ) -> Self {
        let mut by_host: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, place) in places.iter().enumerate() {
            by_host.entry(place.host.clone()).or_default().push(number);
        }
        let open_at = pairs::open_at(&ground);
        let own_addresses = placement::own_addresses(&ground, places.iter().map(|place| place.address));
        let held = addresses::held(stack, seen);
        Self { stack, seen, ground, attachment, places, by_host, open_at, own_addresses, held, turns: BTreeMap::new() }
    }

    /// What runs on a host.
    fn places_on(&self, host: &str) -> impl Iterator<Item = &Place> {
        self.numbered_places_on(host).map(|(_, place)| place)
    }

    /// What runs on a host, each with its number in the list of all.
    fn numbered_places_on(&self, host: &str) -> impl Iterator<Item = (usize, &Place)> {
        self.by_host.get(host).into_iter().flatten().filter_map(|number| Some((*number, self.places.get(*number)?)))
    }

    /// Where a container is replaced in its turn: the address that it has until then.
    fn turn(&self, place: &Place) -> Option<Ipv4Addr> {
        self.turns.get(&place.container).copied()
    }

    /// The address that a container has, or gets, before the first turn.
    fn address_now(&self, place: &Place) -> Ipv4Addr {
        self.turn(place).unwrap_or(place.address)
    }

    fn key(&self, kind: Kind, name: impl Into<String>) -> Key {
        Key::new(&self.stack.name, kind, name)
    }

    fn port(&self, kind: Kind, name: &str) -> Option<&'a Port> {
        self.ground.ports.get(&self.key(kind, name)).copied()
    }

    fn server(&self, host: &str) -> Option<&'a Server> {
        self.ground.servers.get(&self.key(Kind::Host, host)).copied()
    }

    fn wants_host(&self, name: &str) -> bool {
        self.ground.hosts.contains_key(name)
    }

    fn contents(&self, host: &str) -> Contents<'a> {
        match (self.server(host), self.seen.inside(host)) {
            (None, _) => Contents::Known(&NOTHING),
            (Some(server), _) if self.is_made_anew(server) => Contents::Known(&NOTHING),
            (Some(_), Some(inside)) => Contents::Known(inside),
            (Some(_), None) => Contents::Unknown,
        }
    }

    /// Pools that a container leaves before it goes: what sets their members, or takes them away.
    fn drained(&self) -> Vec<Key> {
        let set = self.stack.balancers.keys().map(|name| self.key(Kind::Members, name));
        let gone = self.seen.balancers.iter().map(|balancer| &balancer.key);
        set.chain(gone.filter(|key| !self.stack.balancers.contains_key(&key.name)).cloned()).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
