//! What a question has to be answered, worked out from the list of all containers alone and in hickory's words. It shares
//! nothing with what it is compared with: no index, no bytes, no order of work.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::super::wire::Carrier;
use crate::catalogue::{HostState, HostView, Instance, MonitoringPoint, View};

pub(super) const ZONE: &str = "demo.internal.";
pub(super) const HERE: &str = "lxd0";
pub(super) const NETWORKS: [&str; 2] = ["10.0.0.0/22", "fd00::/64"];

/// What may be said: the best of these, as many as there may be.
#[derive(Default)]
struct Expected {
    candidates: Vec<(u16, RData)>,
    /// Those of each target; several of a container that moves from host to host.
    addresses: BTreeMap<Name, BTreeSet<IpAddr>>,
    most: usize,
    seconds: u32,
}

/// Fails where a reply is not what the question should be answered.
pub(super) fn check(view: &View, request: &Message, bytes: &[u8], carrier: Carrier) {
    let reply = Message::from_vec(bytes).expect("what we write can be read");
    let query = &request.queries[0];
    let limit = match (carrier, &request.edns) {
        (Carrier::Tcp, _) => 65535,
        (Carrier::Udp, Some(edns)) => edns.max_payload().clamp(512, 1232),
        (Carrier::Udp, None) => 512,
    };
    assert!(bytes.len() <= usize::from(limit), "{} bytes: {reply}", bytes.len());
    assert_eq!(reply.queries.len(), 1);
    assert_eq!(reply.queries[0].name.to_ascii(), query.name.to_ascii(), "letter by letter");
    assert_eq!(reply.metadata.id, request.metadata.id);
    assert_eq!(reply.metadata.recursion_desired, request.metadata.recursion_desired);
    assert_eq!(reply.edns.as_ref().map(Edns::max_payload), request.edns.as_ref().map(|_| 1232));

    let (code, expected) = expected(view, &query.name, query.query_type);
    assert_eq!(reply.metadata.response_code, code, "{request}");
    assert_eq!(reply.metadata.authoritative, code != ResponseCode::Refused);
    if reply.metadata.truncation {
        assert!(carrier == Carrier::Udp && !expected.candidates.is_empty(), "{reply}");
        assert!(reply.answers.is_empty() && reply.authorities.is_empty() && reply.additionals.is_empty(), "{reply}");
        return;
    }
    check_answers(&reply, &query.name, expected);
    let soa: Vec<&Record> = reply.authorities.iter().collect();
    if code == ResponseCode::Refused || !reply.answers.is_empty() {
        assert!(soa.is_empty(), "{reply}");
    } else {
        assert_eq!(soa.len(), 1, "{reply}");
        assert_eq!((soa[0].ttl, &soa[0].data), (3, &start(view)), "{reply}");
        assert!(soa[0].name.zone_of(&query.name), "{reply}");
    }
}

fn check_answers(reply: &Message, name: &Name, mut expected: Expected) {
    let mut nearest: Vec<u16> = expected.candidates.iter().map(|(distance, _)| *distance).collect();
    nearest.sort_unstable();
    nearest.truncate(expected.most);
    let mut given = Vec::new();
    for record in &reply.answers {
        assert_eq!((&record.name, record.ttl), (name, expected.seconds), "{reply}");
        let place = expected.candidates.iter().position(|(_, data)| *data == record.data);
        given.push(expected.candidates.swap_remove(place.unwrap_or_else(|| panic!("not to be said: {record}"))).0);
    }
    assert_eq!(given, nearest, "the nearest, and those first: {reply}");
    let targets: Vec<&Name> = reply.answers.iter().filter_map(|record| target(&record.data)).collect();
    let told: Vec<&Record> = targets
        .iter()
        .filter(|target| expected.addresses.contains_key(**target))
        .zip(&reply.additionals)
        .map(|(target, record)| {
            assert_eq!((&record.name, record.ttl), (*target, expected.seconds), "{reply}");
            let told = record.data.ip_addr();
            assert!(told.is_some_and(|told| expected.addresses[*target].contains(&told)), "{reply}");
            record
        })
        .collect();
    assert_eq!(told.len(), reply.additionals.len(), "{reply}");
}

fn target(data: &RData) -> Option<&Name> {
    match data {
        RData::SRV(srv) => Some(&srv.target),
        RData::NS(NS(name)) => Some(name),
        _ => None,
    }
}

fn expected(view: &View, name: &Name, kind: RecordType) -> (ResponseCode, Expected) {
    let text = name.to_ascii().to_ascii_lowercase();
    let refused = (ResponseCode::Refused, Expected::default());
    let found = if text == ZONE {
        Some(of_zone(view, kind))
    } else if let Some(own) = text.strip_suffix(&format!(".{ZONE}")) {
        let words: Vec<&str> = own.split('.').collect();
        of_words(view, &words, kind)
    } else if let Some(address) = address(&text) {
        let holder = holder(view, address);
        let is_ours = NETWORKS.iter().any(|network| network.parse::<ipnet::IpNet>().unwrap().contains(&address));
        if holder.is_none() && !is_ours {
            return refused;
        }
        holder.map(|holder| {
            let candidates = if kind == RecordType::PTR { vec![(0, RData::PTR(PTR(holder)))] } else { Vec::new() };
            Expected { candidates, most: 1, seconds: 30, ..Expected::default() }
        })
    } else {
        return refused;
    };
    found.map_or((ResponseCode::NXDomain, Expected::default()), |found| (ResponseCode::NoError, found))
}

fn of_words(view: &View, words: &[&str], kind: RecordType) -> Option<Expected> {
    let all = |belongs: &dyn Fn(&Instance<'_>) -> bool| view.instances().filter(belongs).collect::<Vec<_>>();
    let is_copy = |name: &str, copy: &Instance<'_>| *copy.container.service == *name;
    match words {
        ["service" | "container" | "capability" | "host" | "_tcp"] | ["_tcp", "service"] => Some(Expected::default()),
        [name, "service"] => of_copies(&all(&|copy| is_copy(name, copy)), kind),
        [name, "container"] => of_copies(&all(&|copy| **copy.name == **name), kind),
        [word, "capability"] => of_copies(&all(&|copy| copy.container.capabilities.contains(*word)), kind),
        [service, "_tcp"] | [service, "_tcp", "service"] => {
            let name = service.strip_prefix('_')?;
            let found = of_copies(&all(&|copy| is_copy(name, copy)), kind)?;
            Some(if kind == RecordType::SRV { found } else { Expected::default() })
        }
        [name, "host"] => {
            let host = view.hosts.get(*name)?;
            let data = of_address(host.address);
            let fits = data.record_type() == kind && host.state == HostState::Alive;
            let candidates = fits.then_some((0, data)).into_iter().collect();
            Some(Expected { candidates, most: 1, seconds: 30, ..Expected::default() })
        }
        _ => None,
    }
}

fn of_zone(view: &View, kind: RecordType) -> Expected {
    let mut expected = Expected { most: 3, seconds: 30, ..Expected::default() };
    match kind {
        RecordType::SOA => expected.candidates.push((0, start(view))),
        RecordType::NS => {
            for host in view.hosts.values().filter(|host| host.state == HostState::Alive) {
                expected.candidates.push((distance(host), RData::NS(NS(named(&host.name, "host")))));
                expected.addresses.entry(named(&host.name, "host")).or_default().insert(host.address);
            }
            if expected.candidates.is_empty() {
                expected.candidates.push((0, RData::NS(NS(named(HERE, "host")))));
            }
        }
        _ => {}
    }
    expected
}

fn of_copies(copies: &[Instance<'_>], kind: RecordType) -> Option<Expected> {
    let mut expected = Expected { seconds: 5, ..Expected::default() };
    expected.most = match kind {
        RecordType::SRV => 4,
        RecordType::TXT => 16,
        _ => 8,
    };
    for copy in copies.iter().filter(|copy| copy.serves()) {
        let distance = distance(copy.host);
        let address = of_address(copy.container.address);
        let data = match kind {
            RecordType::SRV => {
                let target = named(copy.name, "container");
                expected.addresses.entry(target.clone()).or_default().insert(copy.container.address);
                copy.container.port.map(|port| RData::SRV(SRV::new(1 + distance, 1, port, target)))
            }
            RecordType::TXT => Some(RData::TXT(TXT::new(texts(copy)))),
            _ => (address.record_type() == kind).then_some(address),
        };
        expected.candidates.extend(data.map(|data| (distance, data)));
    }
    (!copies.is_empty()).then_some(expected)
}

fn holder(view: &View, address: IpAddr) -> Option<Name> {
    let claims: Vec<_> = view.instances().filter(|copy| copy.container.address == address).collect();
    let present: Vec<_> = claims.iter().copied().filter(|copy| copy.host.state == HostState::Alive).collect();
    let container = match (&present[..], &claims[..]) {
        ([one], _) | ([], [one]) => Some(named(one.name, "container")),
        _ => None,
    };
    let host = || view.hosts.values().find(|host| host.address == address);
    container.or_else(|| host().map(|host| named(&host.name, "host")))
}

fn start(view: &View) -> RData {
    let mailbox = Name::from_ascii(format!("hostmaster.{ZONE}")).unwrap();
    let serial = u32::try_from(view.index).unwrap();
    RData::SOA(SOA::new(named(HERE, "host"), mailbox, serial, 60, 10, 3600, 3))
}

fn named(word: &str, branch: &str) -> Name {
    Name::from_ascii(format!("{word}.{branch}.{ZONE}")).unwrap()
}

fn distance(host: &HostView) -> u16 {
    match host.round_trip {
        _ if *host.name == *HERE => 0,
        Some(time) if time < Duration::from_millis(5) => 1,
        _ => 2,
    }
}

fn of_address(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    }
}

/// The address of a whole reverse name.
fn address(text: &str) -> Option<IpAddr> {
    if let Some(parts) = text.strip_suffix(".in-addr.arpa.") {
        let octets: Vec<&str> = parts.rsplit('.').collect();
        return octets.join(".").parse().ok().map(IpAddr::V4);
    }
    let nibbles: String = text.strip_suffix(".ip6.arpa.")?.rsplit('.').collect();
    let whole = u128::from_str_radix(&nibbles, 16).ok().filter(|_| nibbles.len() == 32)?;
    Some(IpAddr::V6(whole.into()))
}

fn texts(copy: &Instance<'_>) -> Vec<String> {
    let mut texts = vec![format!("container={}", copy.name), format!("host={}", copy.host.name)];
    texts.extend(copy.container.capabilities.iter().map(|word| format!("capability={word}")));
    texts.extend(copy.container.monitor.iter().map(|point| {
        format!(
            "monitor={}",
            match point {
                MonitoringPoint::Http(path) => format!("http:{path}"),
                MonitoringPoint::Tcp(port) => format!("tcp:{port}"),
                MonitoringPoint::Exec(_) => "exec".to_owned(),
                MonitoringPoint::Metrics(path) => format!("metrics:{path}"),
                MonitoringPoint::Unit(unit) => format!("unit:{unit}"),
                MonitoringPoint::CloudInit => "cloud-init".to_owned(),
            }
        )
    }));
    texts.extend(copy.container.says.iter().map(|(name, value)| format!("says.{name}={value}")));
    let shorten = |text: String| {
        text.chars()
            .scan(0, |length, letter| {
                *length += letter.len_utf8();
                (*length <= 255).then_some(letter)
            })
            .collect()
    };
    texts.into_iter().map(shorten).collect()
}
