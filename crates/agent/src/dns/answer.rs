//! Which records a name has. Pure: a question and a view in, records out.
//!
//! - Only who serves is given (`Instance::serves`); who is known and serves nobody is a name without records, and not a
//!   name that does not exist (RFC 2308: NODATA, and not NXDOMAIN).
//! - Near ones come first: the same host, then hosts within [`NEAR`], then all others; in each of these groups at random.
//!   SRV says the groups as priorities.
//! - There are few: clients use one or two, and the reply has to fit into a datagram.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use ipnet::IpNet;
use rand::Rng;
use rand::seq::SliceRandom;

use super::zone::{Place, Zone};
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
/// The longest string of TXT, in bytes (RFC 1035 3.3).
const LONGEST_STRING: usize = 255;

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How it went.
    pub code: ResponseCode,
    /// The records that were asked for.
    pub answers: Vec<Record>,
    /// Where there are none: the zone's SOA.
    pub authorities: Vec<Record>,
    /// The addresses of the targets in the answers.
    pub additionals: Vec<Record>,
}

impl Answer {
    /// Nothing but a code.
    pub fn only(code: ResponseCode) -> Self {
        Self { code, answers: Vec::new(), authorities: Vec::new(), additionals: Vec::new() }
    }
}

/// The records of a name.
#[derive(Default)]
struct Records {
    seconds: u32,
    data: Vec<RData>,
    glue: Vec<Record>,
}

/// Answers a question of class IN. The records bear the name as it was asked, with its case.
pub fn answer(zone: &Zone, view: &View, name: &Name, kind: RecordType, dice: &mut impl Rng) -> Answer {
    if matches!(kind, RecordType::AXFR | RecordType::IXFR) {
        return Answer::only(ResponseCode::Refused);
    }
    let place = zone.place(name);
    let Some(apex) = apex(zone, view, name, &place) else {
        return Answer::only(ResponseCode::Refused);
    };
    let found = if kind == RecordType::ANY {
        any(zone, view, name, &apex, &place, dice)
    } else {
        records(zone, view, name, &apex, &place, kind, dice)
    };
    let code = if found.is_some() { ResponseCode::NoError } else { ResponseCode::NXDomain };
    let Records { seconds, data, glue } = found.unwrap_or_default();
    let answers: Vec<Record> = data.into_iter().map(|data| Record::from_rdata(name.clone(), seconds, data)).collect();
    let authorities = if answers.is_empty() {
        soa(zone, view).map(|soa| Record::from_rdata(apex, TTL_NOTHING, soa)).into_iter().collect()
    } else {
        Vec::new()
    };
    Answer { code, answers, authorities, additionals: glue }
}

/// The zone that a name is in; none where it is not ours. An address that is known is ours, whatever network it is in.
fn apex(zone: &Zone, view: &View, name: &Name, place: &Place) -> Option<Name> {
    match place {
        Place::Outside => None,
        Place::Reverse(asked) => {
            zone.reverse_zone(name, *asked).or_else(|| holder(zone, view, *asked).map(|_| name.clone()))
        }
        _ => zone.name(&[]),
    }
}

/// One set of records, as RFC 8482 advises: whoever asks for all wants to amplify, or does not know what he wants.
fn any(zone: &Zone, view: &View, name: &Name, apex: &Name, place: &Place, dice: &mut impl Rng) -> Option<Records> {
    let kinds = [RecordType::SOA, RecordType::A, RecordType::AAAA, RecordType::PTR, RecordType::SRV];
    let mut found = None;
    for kind in kinds {
        found = records(zone, view, name, apex, place, kind, dice);
        if found.as_ref().is_none_or(|records| !records.data.is_empty()) {
            break;
        }
    }
    found
}

/// The records of one kind; none of the kind is another thing than no such name.
fn records(
    zone: &Zone,
    view: &View,
    name: &Name,
    apex: &Name,
    place: &Place,
    kind: RecordType,
    dice: &mut impl Rng,
) -> Option<Records> {
    match place {
        Place::Apex => Some(of_apex(zone, view, kind, dice)),
        Place::Branch => Some(Records::default()),
        Place::Service(service) => of_copies(zone, view.service(service), kind, dice),
        Place::Capability(word) => of_copies(zone, view.capability(word), kind, dice),
        Place::Container(container) => of_copies(zone, view.container(container), kind, dice),
        Place::ServicePort(service) => {
            let found = of_copies(zone, view.service(service), kind, dice)?;
            Some(if kind == RecordType::SRV { found } else { Records::default() })
        }
        Place::Host(host) => view.hosts.get(host.as_str()).map(|host| of_host(host, kind)),
        Place::Reverse(asked) if name == apex && matches!(kind, RecordType::SOA | RecordType::NS) => {
            let is_network = asked.prefix_len() < asked.max_prefix_len();
            Some(if is_network { of_apex(zone, view, kind, dice) } else { Records::default() })
        }
        Place::Reverse(asked) if asked.prefix_len() < asked.max_prefix_len() => Some(Records::default()),
        Place::Reverse(asked) => {
            let holder = holder(zone, view, *asked)?;
            let data = if kind == RecordType::PTR { vec![RData::PTR(PTR(holder))] } else { Vec::new() };
            Some(Records { seconds: TTL_STANDING, data, glue: Vec::new() })
        }
        Place::Nowhere | Place::Outside => None,
    }
}

/// A zone itself: its SOA and its name servers, which are the agents.
fn of_apex(zone: &Zone, view: &View, kind: RecordType, dice: &mut impl Rng) -> Records {
    let mut found = Records { seconds: TTL_STANDING, ..Records::default() };
    match kind {
        RecordType::SOA => found.data.extend(soa(zone, view)),
        RecordType::NS => {
            let mut hosts: Vec<&HostView> =
                view.hosts.values().map(|host| &**host).filter(|host| there(host)).collect();
            hosts.shuffle(dice);
            hosts.sort_by_key(|host| distance(zone, host));
            for host in hosts.into_iter().take(MOST_SERVERS) {
                if let Some(name) = zone.name(&[&host.name, "host"]) {
                    found.glue.push(Record::from_rdata(name.clone(), TTL_STANDING, of_address(host.address)));
                    found.data.push(RData::NS(NS(name)));
                }
            }
            // It stands here, whatever the view has heard of.
            if found.data.is_empty() {
                found.data.extend(zone.name(&[zone.here(), "host"]).map(|name| RData::NS(NS(name))));
            }
        }
        _ => {}
    }
    found
}

/// Containers that can stand for each other.
fn of_copies<'v>(
    zone: &Zone,
    copies: impl Iterator<Item = Instance<'v>>,
    kind: RecordType,
    dice: &mut impl Rng,
) -> Option<Records> {
    let mut known = copies.peekable();
    known.peek()?;
    let serving = known.filter(Instance::serves);
    let mut found = Records { seconds: TTL_SERVING, ..Records::default() };
    match kind {
        RecordType::A | RecordType::AAAA => {
            let of_family = serving.filter(|copy| copy.container.address.is_ipv4() == (kind == RecordType::A));
            let chosen = choose(zone, of_family, MOST_ADDRESSES, dice);
            found.data.extend(chosen.iter().map(|copy| of_address(copy.container.address)));
        }
        RecordType::SRV => {
            for copy in choose(zone, serving.filter(|copy| copy.container.port.is_some()), MOST_TARGETS, dice) {
                if let (Some(target), Some(port)) = (zone.name(&[copy.name, "container"]), copy.container.port) {
                    let address = of_address(copy.container.address);
                    found.glue.push(Record::from_rdata(target.clone(), TTL_SERVING, address));
                    found.data.push(RData::SRV(SRV::new(1 + distance(zone, copy.host), 1, port, target)));
                }
            }
        }
        RecordType::TXT => {
            let chosen = choose(zone, serving, MOST_TEXTS, dice);
            found.data.extend(chosen.iter().map(|copy| RData::TXT(TXT::new(texts(copy)))));
        }
        _ => {}
    }
    Some(found)
}

fn of_host(host: &HostView, kind: RecordType) -> Records {
    let of_family = match kind {
        RecordType::A => host.address.is_ipv4(),
        RecordType::AAAA => host.address.is_ipv6(),
        _ => false,
    };
    let data = if of_family && there(host) { vec![of_address(host.address)] } else { Vec::new() };
    Records { seconds: TTL_STANDING, data, glue: Vec::new() }
}

/// The name of who has an address.
fn holder(zone: &Zone, view: &View, asked: IpNet) -> Option<Name> {
    if asked.prefix_len() < asked.max_prefix_len() {
        return None;
    }
    let address = asked.addr();
    if let Some(container) = view.holder(address) {
        return zone.name(&[container.name, "container"]);
    }
    let host = view.hosts.values().find(|host| host.address == address)?;
    zone.name(&[&host.name, "host"])
}

/// Its serial counts the views of this agent; zones are not transferred, so no two agents' serials are compared.
fn soa(zone: &Zone, view: &View) -> Option<RData> {
    const REFRESH: i32 = 60;
    const RETRY: i32 = 10;
    const EXPIRE: i32 = 3600;
    let server = zone.name(&[zone.here(), "host"])?;
    let mailbox = zone.name(&["hostmaster"])?;
    let serial = u32::try_from(view.index & u64::from(u32::MAX)).unwrap_or_default();
    Some(RData::SOA(SOA::new(server, mailbox, serial, REFRESH, RETRY, EXPIRE, TTL_NOTHING)))
}

/// The best few: near ones first, at random among those that are as near.
fn choose<'v>(
    zone: &Zone,
    copies: impl Iterator<Item = Instance<'v>>,
    most: usize,
    dice: &mut impl Rng,
) -> Vec<Instance<'v>> {
    let mut chosen: Vec<Instance<'v>> = copies.collect();
    chosen.shuffle(dice);
    chosen.sort_by_key(|copy| distance(zone, copy.host));
    chosen.truncate(most);
    chosen
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

fn of_address(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    }
}

/// What is told of a container, as `key=value` (RFC 1464). What it says itself has a key of its own, so that it cannot be
/// taken for the host's word.
fn texts(copy: &Instance<'_>) -> Vec<String> {
    let mut texts = vec![format!("container={}", copy.name), format!("host={}", copy.host.name)];
    texts.extend(copy.container.capabilities.iter().map(|word| format!("capability={word}")));
    texts.extend(copy.container.monitor.iter().map(|point| format!("monitor={}", monitoring_point(point))));
    texts.extend(copy.container.says.iter().map(|(name, value)| format!("says.{name}={value}")));
    texts.into_iter().map(shorten).collect()
}

fn monitoring_point(point: &MonitoringPoint) -> String {
    match point {
        MonitoringPoint::Http(path) => format!("http:{path}"),
        MonitoringPoint::Tcp(port) => format!("tcp:{port}"),
        // What runs inside is nobody's business but the container's.
        MonitoringPoint::Exec(_) => "exec".to_owned(),
        MonitoringPoint::Metrics(path) => format!("metrics:{path}"),
        MonitoringPoint::Unit(unit) => format!("unit:{unit}"),
        MonitoringPoint::CloudInit => "cloud-init".to_owned(),
    }
}

fn shorten(mut text: String) -> String {
    let end = text.floor_char_boundary(LONGEST_STRING);
    text.truncate(end);
    text
}
