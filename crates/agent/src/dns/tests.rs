#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod chance;
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::wire::{self, Carrier};
use super::zone::Zone;
use crate::catalogue::{Container, Health, HostState, HostView, MonitoringPoint, Part, State, View};

fn container(service: &str, address: &str, state: State) -> Container {
    Container {
        service: service.into(),
        address: address.parse().unwrap(),
        port: Some(8080),
        capabilities: BTreeSet::from(["blog".into()]),
        monitor: vec![MonitoringPoint::Http("/health".to_owned())],
        says: BTreeMap::from([("version".to_owned(), "1.2".to_owned())]),
        health: Health { state, output: String::new() },
    }
}

fn host(name: &str, address: &str, state: HostState, containers: Vec<(String, Container)>) -> Arc<HostView> {
    let containers = containers.into_iter().map(|(name, container)| (name.as_str().into(), container.into())).collect();
    Arc::new(HostView {
        name: name.into(),
        address: address.parse().unwrap(),
        state,
        round_trip: (name == "lxd1").then_some(Duration::from_millis(1)),
        part: Arc::new(Part { containers, ..Part::default() }),
        stale_since: None,
    })
}

/// Three hosts, each with a copy of hugo that serves and one that does not; a fourth that is gone.
fn view() -> View {
    let mut hosts = Vec::new();
    for number in 0..4_u8 {
        let state = if number == 3 { HostState::Failed } else { HostState::Alive };
        let well = container("hugo", &format!("10.0.0.{}", 10 + number), State::Passing);
        let ill = container("hugo", &format!("10.0.0.{}", 20 + number), State::Critical);
        let six = container("six", &format!("fd00::{}", 10 + number), State::Passing);
        let lost = container("lost", &format!("10.0.0.{}", 30 + number), State::Critical);
        let containers = vec![
            (format!("hugo-{number}"), well),
            (format!("hugo-ill-{number}"), ill),
            (format!("six-{number}"), six),
            (format!("lost-{number}"), lost),
        ];
        hosts.push(host(&format!("lxd{number}"), &format!("10.0.0.{}", 2 + number), state, containers));
    }
    View::new(7, hosts)
}

fn zone() -> Zone {
    let networks = vec!["10.0.0.0/22".parse().unwrap(), "fd00::/64".parse().unwrap()];
    Zone::new("demo.internal", "lxd0".into(), networks).unwrap()
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn respond(zone: &Zone, view: &View, request: &[u8], carrier: Carrier, dice: &mut StdRng) -> Option<Vec<u8>> {
    let mut reply = Vec::new();
    wire::respond(zone, view, request, carrier, dice, &mut reply);
    (!reply.is_empty()).then_some(reply)
}

fn send(view: &View, message: &Message, carrier: Carrier) -> Message {
    let mut dice = StdRng::seed_from_u64(1);
    let bytes = respond(&zone(), view, &message.to_bytes().unwrap(), carrier, &mut dice).expect("an answer");
    Message::from_bytes(&bytes).unwrap()
}

fn ask(name: &str, kind: RecordType) -> Message {
    send(&view(), &question(name, kind), Carrier::Udp)
}

fn addresses(reply: &Message) -> Vec<IpAddr> {
    reply.answers.iter().filter_map(|record| record.data.ip_addr()).collect()
}

#[test]
fn a_service_is_who_serves_and_the_near_ones_come_first() {
    let reply = ask("hugo.service.demo.internal.", RecordType::A);
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    assert!(reply.metadata.authoritative && !reply.metadata.recursion_available);
    let expected: Vec<IpAddr> = ["10.0.0.10", "10.0.0.11", "10.0.0.12"].map(|address| address.parse().unwrap()).into();
    assert_eq!(addresses(&reply), expected, "here, near, far; not the ill ones, and not whose host is gone");
    assert!(reply.answers.iter().all(|record| (1..=30).contains(&record.ttl)));
}

#[test]
fn those_that_are_as_near_come_in_any_order() {
    let zone = Zone::new("demo.internal", "elsewhere".into(), Vec::new()).unwrap();
    let request = question("six.service.demo.internal.", RecordType::AAAA).to_bytes().unwrap();
    let mut firsts = BTreeSet::new();
    for seed in 0..40 {
        let mut dice = StdRng::seed_from_u64(seed);
        let reply = respond(&zone, &view(), &request, Carrier::Udp, &mut dice).unwrap();
        let found = addresses(&Message::from_bytes(&reply).unwrap());
        assert_eq!(found[0].to_string(), "fd00::11", "its host is near");
        firsts.insert(found[1]);
    }
    assert_eq!(firsts.len(), 2);
}

#[test]
fn srv_says_port_target_and_nearness_and_brings_the_addresses() {
    for name in ["hugo.service", "_hugo._tcp", "_hugo._tcp.service", "blog.capability"] {
        let reply = ask(&format!("{name}.demo.internal."), RecordType::SRV);
        let RData::SRV(first) = &reply.answers[0].data else { panic!("no SRV: {reply}") };
        assert_eq!((first.priority, first.port), (1, 8080), "{name}");
        assert!(first.target.to_ascii().ends_with("-0.container.demo.internal."), "{name}: {}", first.target);
        assert_eq!(reply.additionals.len(), reply.answers.len(), "{name}");
        assert!(reply.answers.len() <= 4, "{name}");
    }
}

#[test]
fn txt_tells_the_host_s_word_and_the_container_s_apart() {
    let reply = ask("hugo-1.container.demo.internal.", RecordType::TXT);
    let RData::TXT(text) = &reply.answers[0].data else { panic!("no TXT: {reply}") };
    let texts: Vec<String> = text.txt_data.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    let expected = ["container=hugo-1", "host=lxd1", "capability=blog", "monitor=http:/health", "says.version=1.2"];
    assert_eq!(texts, expected);
}

#[test]
fn a_name_without_such_records_is_not_a_name_that_does_not_exist() {
    let nothing_of_the_kind = [
        ("hugo.service.demo.internal.", RecordType::AAAA),
        ("hugo.service.demo.internal.", RecordType::MX),
        ("lost.service.demo.internal.", RecordType::A),
        ("lost-0.container.demo.internal.", RecordType::A),
        ("lxd3.host.demo.internal.", RecordType::A),
        ("service.demo.internal.", RecordType::A),
        ("_tcp.demo.internal.", RecordType::SRV),
        ("_hugo._tcp.demo.internal.", RecordType::A),
        ("demo.internal.", RecordType::A),
        ("10.0.0.10.in-addr.arpa.", RecordType::A),
        ("0.0.10.in-addr.arpa.", RecordType::PTR),
    ];
    let no_such_name = [
        "nobody.service.demo.internal.",
        "x.hugo.service.demo.internal.",
        "hugo.demo.internal.",
        "_hugo._udp.demo.internal.",
        "lxd9.host.demo.internal.",
        "99.0.0.10.in-addr.arpa.",
    ];
    for (name, kind) in nothing_of_the_kind {
        let reply = ask(name, kind);
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0), "{name} {kind}");
        assert_eq!(reply.authorities[0].record_type(), RecordType::SOA, "{name} {kind}");
    }
    for name in no_such_name {
        let reply = ask(name, RecordType::A);
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NXDomain, 0), "{name}");
        assert_eq!(reply.authorities[0].record_type(), RecordType::SOA, "{name}");
        let asked = Name::from_ascii(name).unwrap();
        assert!(reply.authorities[0].name.zone_of(&asked), "{name}: its SOA is of {}", reply.authorities[0].name);
    }
}

#[test]
fn addresses_have_names() {
    for (name, expected) in [
        ("10.0.0.10.in-addr.arpa.", "hugo-0.container.demo.internal."),
        ("20.0.0.10.in-addr.arpa.", "hugo-ill-0.container.demo.internal."),
        ("3.0.0.10.in-addr.arpa.", "lxd1.host.demo.internal."),
        ("0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.", "six-0.container.demo.internal."),
    ] {
        let reply = ask(name, RecordType::PTR);
        let RData::PTR(target) = &reply.answers[0].data else { panic!("no PTR: {reply}") };
        assert_eq!(target.0.to_ascii(), expected, "{name}");
    }
}

#[test]
fn a_network_that_ends_within_a_label_claims_no_more_than_itself() {
    let inside = ask("99.3.0.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!(inside.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(inside.authorities[0].name.to_ascii(), "3.0.10.in-addr.arpa.");
    let outside = ask("99.4.0.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!(outside.metadata.response_code, ResponseCode::Refused);
    let above = ask("0.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!(above.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn the_zone_has_its_soa_and_name_servers_that_are_there() {
    let soa = ask("demo.internal.", RecordType::SOA);
    let RData::SOA(soa) = &soa.answers[0].data else { panic!("no SOA: {soa}") };
    assert_eq!((soa.mname.to_ascii(), soa.serial), ("lxd0.host.demo.internal.".to_owned(), 7));
    let servers = ask("demo.internal.", RecordType::NS);
    let names: Vec<String> = servers.answers.iter().map(|record| record.data.to_string()).collect();
    assert_eq!(names[0], "lxd0.host.demo.internal.");
    assert!(names.len() > 1 && !names.contains(&"lxd3.host.demo.internal.".to_owned()), "{names:?}");
    assert_eq!(servers.additionals.len(), names.len());
}

#[test]
fn the_question_comes_back_letter_by_letter() {
    let reply = ask("HuGo.sErViCe.DeMo.InTeRnAl.", RecordType::A);
    assert_eq!(reply.answers.len(), 3);
    for name in std::iter::once(&reply.queries[0].name).chain(reply.answers.iter().map(|record| &record.name)) {
        assert_eq!(name.to_ascii(), "HuGo.sErViCe.DeMo.InTeRnAl.");
    }
}

#[test]
fn what_is_not_ours_is_refused_and_nothing_is_forwarded() {
    let mut chaos = question("version.bind.", RecordType::TXT);
    chaos.queries[0].query_class = DNSClass::CH;
    let others = [
        question("example.org.", RecordType::A),
        question("internal.", RecordType::SOA),
        question("xdemo.internal.", RecordType::A),
        question(".", RecordType::NS),
        question("demo.internal.", RecordType::AXFR),
        chaos,
    ];
    for message in others {
        let reply = send(&view(), &message, Carrier::Tcp);
        assert_eq!(reply.metadata.response_code, ResponseCode::Refused, "{message}");
        assert!(!reply.metadata.authoritative, "{message}");
        assert!(reply.answers.is_empty() && reply.authorities.is_empty() && reply.additionals.is_empty(), "{message}");
    }
}

#[test]
fn rubbish_is_answered_as_the_standards_say_and_answers_are_not_answered() {
    let code = |bytes: &[u8]| {
        let mut dice = StdRng::seed_from_u64(1);
        respond(&zone(), &view(), bytes, Carrier::Udp, &mut dice).map(|reply| {
            assert_eq!(reply[..2], bytes[..2], "the number is that of the question");
            reply[3] & 0x0f
        })
    };
    let good = question("hugo.service.demo.internal.", RecordType::A).to_bytes().unwrap();
    assert_eq!(code(&good), Some(0));
    assert_eq!(code(&good[..11]), None);
    assert_eq!(code(&good[..20]), Some(1), "cut off");
    for operation in 1..16_u8 {
        let mut other = good.clone();
        other[2] |= operation << 3;
        assert_eq!(code(&other), Some(4), "operation {operation}");
    }
    let mut an_answer = good.clone();
    an_answer[2] |= 0x80;
    assert_eq!(code(&an_answer), None);
    for (place, value) in [(5, 0), (5, 2), (4, 255), (7, 1), (9, 2), (10, 255)] {
        let mut counts = good.clone();
        counts[place] = value;
        assert_eq!(code(&counts), Some(1), "count at {place} is {value}");
    }
}

#[test]
fn edns_is_answered_with_edns_and_only_then() {
    assert!(ask("hugo.service.demo.internal.", RecordType::A).edns.is_none());
    let mut message = question("hugo.service.demo.internal.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(4096).set_dnssec_ok(true);
    message.set_edns(edns.clone());
    let reply = send(&view(), &message, Carrier::Udp);
    let said = reply.edns.as_ref().expect("EDNS");
    assert_eq!((said.max_payload(), said.version(), said.flags().dnssec_ok), (1232, 0, true));
    assert_eq!(reply.answers.len(), 3);

    edns.set_version(1);
    message.set_edns(edns);
    let reply = send(&view(), &message, Carrier::Udp);
    // BADVERS and BADSIG are one number.
    assert_eq!(u16::from(reply.metadata.response_code), 16);
    assert_eq!(reply.edns.as_ref().map(Edns::version), Some(0));
    assert!(reply.answers.is_empty());
}

#[test]
fn what_does_not_fit_is_marked_and_comes_whole_by_tcp() {
    let containers = (0..16).map(|number| {
        let mut talker = container("talker", &format!("10.0.1.{number}"), State::Passing);
        talker.says.insert("long".to_owned(), "é".repeat(300));
        (format!("talker-{number}"), talker)
    });
    let view = View::new(1, [host("lxd0", "10.0.0.2", HostState::Alive, containers.collect())]);
    let mut message = question("talker.service.demo.internal.", RecordType::TXT);
    for payload in [0, 512, 1232, 65535] {
        if payload > 0 {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            message.set_edns(edns);
        }
        let mut dice = StdRng::seed_from_u64(1);
        let bytes = respond(&zone(), &view, &message.to_bytes().unwrap(), Carrier::Udp, &mut dice).unwrap();
        assert!(bytes.len() <= usize::from(payload.clamp(512, 1232)), "{payload}: {}", bytes.len());
        let reply = Message::from_bytes(&bytes).unwrap();
        assert!(reply.metadata.truncation && reply.answers.is_empty(), "{payload}");
        assert_eq!(reply.edns.is_some(), payload > 0);
    }
    let whole = send(&view, &message, Carrier::Tcp);
    assert!(!whole.metadata.truncation);
    assert_eq!(whole.answers.len(), 16);
}

#[test]
fn addresses_of_targets_are_left_out_before_anything_is_cut() {
    let name = "a-service-with-a-name-that-is-as-long-as-a-label-may-ever-be-it";
    let containers = (0..4).map(|number| {
        let copy = container(name, &format!("10.0.1.{number}"), State::Passing);
        (format!("a-container-with-a-name-that-is-as-long-as-a-label-may-{number}"), copy)
    });
    let view = View::new(1, [host("lxd0", "10.0.0.2", HostState::Alive, containers.collect())]);
    let message = question(&format!("{name}.service.demo.internal."), RecordType::SRV);
    let reply = send(&view, &message, Carrier::Udp);
    assert!(!reply.metadata.truncation);
    assert_eq!((reply.answers.len(), reply.additionals.len()), (4, 0));
}

#[test]
fn whoever_asks_for_all_gets_one_set() {
    let reply = ask("hugo.service.demo.internal.", RecordType::ANY);
    assert!(reply.answers.len() == 3 && reply.answers.iter().all(|record| record.record_type() == RecordType::A));
    assert_eq!(ask("six.service.demo.internal.", RecordType::ANY).answers[0].record_type(), RecordType::AAAA);
    assert_eq!(ask("demo.internal.", RecordType::ANY).answers[0].record_type(), RecordType::SOA);
    assert_eq!(ask("no.service.demo.internal.", RecordType::ANY).metadata.response_code, ResponseCode::NXDomain);
}

#[test]
fn a_zone_has_to_be_a_domain_name() {
    for domain in ["demo.internal", "demo.internal.", "x"] {
        Zone::new(domain, "lxd0".into(), Vec::new()).unwrap();
    }
    for domain in ["", ".", "a..b", "a b", &"a.".repeat(60), &"a".repeat(64)] {
        assert!(Zone::new(domain, "lxd0".into(), Vec::new()).is_err(), "{domain}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_bad_and_no_answer_too_long(mut bytes in prop::collection::vec(any::<u8>(), 0..200), plausible: bool) {
        if plausible && bytes.len() >= 12 {
            bytes[2] = 0;
            let additionals = bytes[11] & 3;
            bytes[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, additionals]);
        }
        let mut dice = StdRng::seed_from_u64(1);
        if let Some(reply) = respond(&zone(), &view(), &bytes, Carrier::Udp, &mut dice) {
            prop_assert!(reply.len() >= 12 && reply.len() <= 1232);
            prop_assert_eq!(&reply[..2], &bytes[..2]);
            prop_assert_eq!(reply[2] & 0x80, 0x80);
            Message::from_bytes(&reply).expect("what we write can be read");
        }
    }
}
