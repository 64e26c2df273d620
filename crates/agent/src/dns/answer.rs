//! Which records a name has. Pure: a question and a view in, records out.
//!
//! - Only who serves is given (`Instance::serves`); who is known and serves nobody is a name without records, and not a
//!   name that does not exist (RFC 2308: NODATA, and not NXDOMAIN).
//! - Near ones come first: the same host, then hosts within [`NEAR`], then all others; in each of these groups at random.
//!   SRV says the groups as priorities.
//! - There are few: clients use one or two, and the reply has to fit into a datagram.

use std::fmt::Arguments;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use rand::Rng;

use super::few::Few;
use super::numbers::{Code, kind};
use super::question::Asked;
use super::zone::{self, Place, Zone};
use crate::catalogue::{HostState, HostView, Instance, MonitoringPoint, View};

/// How long who serves may be remembered, in seconds. A failed one is told within a second; so this is what a client
/// adds.
pub const TTL_SERVING: u32 = 5;
/// How long hosts, name servers and who has an address may be remembered, in seconds.
pub const TTL_STANDING: u32 = 30;
/// How long it may be remembered that there is nothing, in seconds: a service that starts is found this late at most.
pub const TTL_NOTHING: u32 = 3;

/// A host is near where a round trip takes less: the same site.
pub const NEAR: Duration = Duration::from_millis(5);

/// The most addresses in an answer.
const MOST_ADDRESSES: usize = 8;
/// The most targets of SRV: four with their addresses fit into 512 bytes with names of usual length.
const MOST_TARGETS: usize = 4;
/// The most containers that TXT tells of.
const MOST_TEXTS: usize = 16;
/// The most name servers.
const MOST_SERVERS: usize = 3;

/// What is answered. All records are of the type that was asked for, or of the first one where all were, and bear the
/// name that was asked for.
#[derive(Clone, Debug)]
pub struct Answer<'v> {
    /// How it went.
    pub code: Code,
    /// How long the records may be remembered.
    pub seconds: u32,
    /// What the records say.
    pub data: Few<Data<'v>>,
    /// Where the zone's name begins in the name that was asked for, in bytes. Where there are no records, the zone's SOA
    /// is said.
    pub zone_at: Option<usize>,
}

/// What a record says.
#[derive(Clone, Copy, Debug)]
pub enum Data<'v> {
    /// A or AAAA.
    Address(IpAddr),
    /// SRV, and the address that is told with it.
    Target {
        /// The lesser is the nearer.
        priority: u16,
        /// Where the container listens.
        port: u16,
        /// Which container.
        name: Named<'v>,
        /// Its address.
        address: IpAddr,
    },
    /// NS, and the address that is told with it.
    Server(Named<'v>, Option<IpAddr>),
    /// PTR.
    Holder(Named<'v>),
    /// TXT, which [`texts`] are said of this container.
    Texts(Instance<'v>),
    /// SOA.
    Zone(Start<'v>),
}

/// A name in the zone: `WORD.BRANCH.ZONE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'v> {
    /// The first word.
    pub word: &'v str,
    /// The second.
    pub branch: &'static str,
}

/// What SOA says of a zone.
#[derive(Clone, Copy, Debug)]
pub struct Start<'v> {
    /// Who answers.
    pub server: Named<'v>,
    /// It counts the views of this agent; zones are not transferred, so no two agents' serials are compared.
    pub serial: u32,
}

impl Answer<'_> {
    /// Nothing but a code.
    pub fn only(code: Code) -> Self {
        Self { code, seconds: 0, data: Few::default(), zone_at: None }
    }
}

/// The records of a name.
#[derive(Default)]
struct Records<'v> {
    seconds: u32,
    data: Few<Data<'v>>,
}

impl<'v> Records<'v> {
    fn new(seconds: u32, data: impl IntoIterator<Item = Data<'v>>) -> Self {
        let mut records = Self { seconds, ..Self::default() };
        data.into_iter().for_each(|data| records.data.push(data));
        records
    }
}

/// Answers a question of class IN.
pub fn answer<'v>(zone: &'v Zone, view: &'v View, name: &'v Asked, kind: u16, dice: &mut impl Rng) -> Answer<'v> {
    if matches!(kind, kind::AXFR | kind::IXFR) {
        return Answer::only(Code::Refused);
    }
    let place = zone.place(name);
    let Some(zone_at) = zone_at(zone, view, name, place) else {
        return Answer::only(Code::Refused);
    };
    let found = if kind == kind::ANY {
        any(zone, view, place, zone_at, dice)
    } else {
        records(zone, view, place, zone_at, kind, dice)
    };
    let code = if found.is_some() { Code::NoError } else { Code::NxDomain };
    let Records { seconds, data } = found.unwrap_or_default();
    Answer { code, seconds, data, zone_at: Some(zone_at) }
}

/// What is said of a zone.
pub fn start<'v>(zone: &'v Zone, view: &View) -> Start<'v> {
    Start {
        server: Named { word: zone.here(), branch: "host" },
        serial: u32::try_from(view.index & u64::from(u32::MAX)).unwrap_or_default(),
    }
}

/// Where the zone that a name is in begins; none where it is not ours. An address that is known is ours, whatever network
/// it is in.
fn zone_at(zone: &Zone, view: &View, name: &Asked, place: Place<'_>) -> Option<usize> {
    match place {
        Place::Outside => None,
        Place::Reverse(asked) => zone.reverse_zone(name, asked).or_else(|| holder(view, asked).map(|_| 0)),
        _ => name.wire().len().checked_sub(zone.wire().len()),
    }
}

/// One set of records, as RFC 8482 advises: whoever asks for all wants to amplify, or does not know what he wants.
fn any<'v>(
    zone: &'v Zone,
    view: &'v View,
    place: Place<'v>,
    zone_at: usize,
    dice: &mut impl Rng,
) -> Option<Records<'v>> {
    let mut found = None;
    for kind in [kind::SOA, kind::A, kind::AAAA, kind::PTR, kind::SRV] {
        found = records(zone, view, place, zone_at, kind, dice);
        if found.as_ref().is_none_or(|records| !records.data.is_empty()) {
            break;
        }
    }
    found
}

/// The records of one kind; none of the kind is another thing than no such name.
fn records<'v>(
    zone: &'v Zone,
    view: &'v View,
    place: Place<'v>,
    zone_at: usize,
    kind: u16,
    dice: &mut impl Rng,
) -> Option<Records<'v>> {
    match place {
        Place::Apex => Some(of_apex(zone, view, kind, dice)),
        Place::Branch => Some(Records::default()),
        Place::Service(service) => of_copies(zone, view.service(service), kind, dice),
        Place::Capability(word) => of_copies(zone, view.capability(word), kind, dice),
        Place::Container(container) => of_copies(zone, view.container(container), kind, dice),
        Place::ServicePort(service) => {
            let found = of_copies(zone, view.service(service), kind, dice)?;
            Some(if kind == kind::SRV { found } else { Records::default() })
        }
        Place::Host(host) => view.hosts.get(host).map(|host| of_host(host, kind)),
        Place::Reverse(asked) if is_network(asked) => {
            let is_zone = zone_at == 0 && matches!(kind, kind::SOA | kind::NS);
            Some(if is_zone { of_apex(zone, view, kind, dice) } else { Records::default() })
        }
        Place::Reverse(asked) => {
            let holder = holder(view, asked);
            // Where the whole address is a network of the stack, it is a zone, and its name is there.
            let exists = holder.is_some() || zone_at == 0;
            let data = holder.filter(|_| kind == kind::PTR).map(Data::Holder);
            exists.then(|| Records::new(TTL_STANDING, data))
        }
        Place::Nowhere | Place::Outside => None,
    }
}

/// A zone itself: its SOA and its name servers, which are the agents.
fn of_apex<'v>(zone: &'v Zone, view: &'v View, kind: u16, dice: &mut impl Rng) -> Records<'v> {
    match kind {
        kind::SOA => Records::new(TTL_STANDING, [Data::Zone(start(zone, view))]),
        kind::NS => {
            let there = view.hosts.values().map(|host| &**host).filter(|host| there(host) && is_label(&host.name));
            let servers = nearest(there, |host| distance(zone, host), MOST_SERVERS, dice);
            let server =
                |host: &&'v HostView| Data::Server(Named { word: &host.name, branch: "host" }, Some(host.address));
            // It stands here, whatever the view has heard of.
            let here = Data::Server(Named { word: zone.here(), branch: "host" }, None);
            let here = servers.is_empty().then_some(here);
            Records::new(TTL_STANDING, servers.iter().map(|(_, host)| server(host)).chain(here))
        }
        _ => Records::new(TTL_STANDING, None),
    }
}

/// Containers that can stand for each other.
fn of_copies<'v>(
    zone: &Zone,
    copies: impl Iterator<Item = Instance<'v>>,
    kind: u16,
    dice: &mut impl Rng,
) -> Option<Records<'v>> {
    let mut known = copies.peekable();
    known.peek()?;
    let serving = known.filter(Instance::serves);
    let far = |copy: &Instance<'v>| distance(zone, copy.host);
    Some(match kind {
        kind::A | kind::AAAA => {
            let of_family = serving.filter(|copy| copy.container.address.is_ipv4() == (kind == kind::A));
            let chosen = nearest(of_family, far, MOST_ADDRESSES, dice);
            Records::new(TTL_SERVING, chosen.iter().map(|(_, copy)| Data::Address(copy.container.address)))
        }
        kind::SRV => {
            let listening = serving.filter(|copy| copy.container.port.is_some() && is_label(copy.name));
            let chosen = nearest(listening, far, MOST_TARGETS, dice);
            let target = |copy: &Instance<'v>| {
                let port = copy.container.port?;
                let name = Named { word: copy.name, branch: "container" };
                Some(Data::Target { priority: 1 + far(copy), port, name, address: copy.container.address })
            };
            Records::new(TTL_SERVING, chosen.iter().filter_map(|(_, copy)| target(copy)))
        }
        kind::TXT => {
            let chosen = nearest(serving, far, MOST_TEXTS, dice);
            Records::new(TTL_SERVING, chosen.iter().map(|(_, copy)| Data::Texts(*copy)))
        }
        _ => Records::new(TTL_SERVING, None),
    })
}

fn of_host<'v>(host: &HostView, kind: u16) -> Records<'v> {
    let of_family = match kind {
        kind::A => host.address.is_ipv4(),
        kind::AAAA => host.address.is_ipv6(),
        _ => false,
    };
    Records::new(TTL_STANDING, (of_family && there(host)).then_some(Data::Address(host.address)))
}

/// The name of who has an address.
fn holder(view: &View, asked: IpNet) -> Option<Named<'_>> {
    if is_network(asked) {
        return None;
    }
    let address = asked.addr();
    let container = || view.holder(address).map(|container| Named { word: container.name, branch: "container" });
    let host = || view.host_at(address).map(|host| Named { word: &host.name, branch: "host" });
    container().or_else(host).filter(|named| is_label(named.word))
}

/// Whether it is more than one address.
fn is_network(asked: IpNet) -> bool {
    asked.prefix_len() < asked.max_prefix_len()
}

/// The best few with how good they are: near ones first, at random among those that are as near. It looks at each once,
/// and keeps no more of them than it gives.
fn nearest<T>(
    all: impl Iterator<Item = T>,
    distance: impl Fn(&T) -> u16,
    most: usize,
    dice: &mut impl Rng,
) -> Few<((u16, u32), T)> {
    let mut best: Few<((u16, u32), T)> = Few::default();
    for one in all {
        // Who is as near draws lots.
        let rank = (distance(&one), dice.random());
        let place = best.iter().take_while(|(better, _)| *better <= rank).count();
        best.insert(place, most, (rank, one));
    }
    best
}

/// How far away a host is, in three steps.
fn distance(zone: &Zone, host: &HostView) -> u16 {
    match host.round_trip {
        _ if host.name == *zone.here() => 0,
        Some(round_trip) if round_trip < NEAR => 1,
        _ => 2,
    }
}

fn there(host: &HostView) -> bool {
    host.state == HostState::Alive
}

/// A name that is no label has no place in a message.
fn is_label(name: &str) -> bool {
    zone::length(name).is_some()
}

/// What is told of a container, as `key=value` (RFC 1464). What it says itself has a key of its own, so that it cannot be
/// taken for the host's word.
pub fn texts(copy: &Instance<'_>, mut say: impl FnMut(Arguments<'_>)) {
    say(format_args!("container={}", copy.name));
    say(format_args!("host={}", copy.host.name));
    for word in &copy.container.capabilities {
        say(format_args!("capability={word}"));
    }
    for point in &copy.container.monitor {
        match point {
            MonitoringPoint::Http(path) => say(format_args!("monitor=http:{path}")),
            MonitoringPoint::Tcp(port) => say(format_args!("monitor=tcp:{port}")),
            // What runs inside is nobody's business but the container's.
            MonitoringPoint::Exec(_) => say(format_args!("monitor=exec")),
            MonitoringPoint::Metrics(path) => say(format_args!("monitor=metrics:{path}")),
            MonitoringPoint::Unit(unit) => say(format_args!("monitor=unit:{unit}")),
            MonitoringPoint::CloudInit => say(format_args!("monitor=cloud-init")),
        }
    }
    for (name, value) in &copy.container.says {
        say(format_args!("says.{name}={value}"));
    }
}
