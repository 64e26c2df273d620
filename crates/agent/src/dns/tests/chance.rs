//! Views and questions of chance, each answer compared with the reference.

use std::net::Ipv6Addr;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use proptest::sample::{Index, select, subsequence};

use super::reference::{HERE, NETWORKS, ZONE, check};
use super::*;

const WORDS: [&str; 6] =
    ["hugo", "hugo-0", "hugo-1", "a", "lxd1", "a-name-that-is-as-long-as-a-label-may-ever-be-and-not-a-letter"];
const ADDRESSES: [&str; 8] =
    ["10.0.0.2", "10.0.0.3", "10.0.3.255", "10.0.4.0", "172.16.0.1", "fd00::1", "fd00::abcd", "fd01::1"];
const KINDS: [RecordType; 9] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::TXT,
    RecordType::PTR,
    RecordType::SOA,
    RecordType::NS,
    RecordType::MX,
    RecordType::HTTPS,
];

fn some_container() -> impl Strategy<Value = Container> {
    let points = vec![
        MonitoringPoint::Http("/".to_owned()),
        MonitoringPoint::Tcp(5432),
        MonitoringPoint::Exec(vec!["secret".to_owned()]),
        MonitoringPoint::Metrics("/metrics".to_owned()),
        MonitoringPoint::Unit("hugo.service".to_owned()),
        MonitoringPoint::CloudInit,
    ];
    let says =
        prop::collection::btree_map(select(vec!["motto".to_owned(), "version".to_owned()]), "[a-zé]{0,300}", 0..2);
    let states = select(vec![State::Passing, State::Passing, State::Warning, State::Unknown, State::Critical]);
    let words = subsequence(WORDS.to_vec(), 0..3);
    (
        select(WORDS.to_vec()),
        select(ADDRESSES.to_vec()),
        any::<Option<u16>>(),
        words,
        subsequence(points, 0..6),
        says,
        states,
    )
        .prop_map(|(service, address, port, words, monitor, says, state)| Container {
            service: service.into(),
            address: address.parse().unwrap(),
            port,
            capabilities: words.into_iter().map(Into::into).collect(),
            monitor,
            says,
            health: Health { state, output: String::new() },
        })
}

fn some_host(name: &'static str) -> impl Strategy<Value = Arc<HostView>> {
    let names = prop_oneof![select(WORDS.to_vec()).prop_map(str::to_owned), "c[0-9]"];
    let containers = prop::collection::vec((names, some_container()), 0..12);
    let states = select(vec![HostState::Alive, HostState::Alive, HostState::Failed, HostState::Left]);
    let round_trips = select(vec![None, Some(Duration::from_millis(1)), Some(Duration::from_millis(50))]);
    (select(ADDRESSES.to_vec()), states, round_trips, containers).prop_map(
        move |(address, state, round_trip, containers)| {
            let host = HostView { round_trip, ..HostView::clone(&host(name, address, state, containers)) };
            Arc::new(host)
        },
    )
}

/// A view, and those before it.
fn some_view() -> impl Strategy<Value = View> {
    let hosts = || ([HERE, "lxd1", "lxd2", "lxd3"].map(some_host), 0..=4_usize);
    prop::collection::vec(hosts(), 1..4).prop_map(|states| {
        let next =
            |view: View, (hosts, count): ([Arc<HostView>; 4], usize)| view.next(7, hosts.into_iter().take(count));
        states.into_iter().fold(View::default(), next)
    })
}

/// A name such as might be asked for.
fn some_name() -> impl Strategy<Value = String> {
    let branches = ["service", "container", "capability", "host", "_tcp", "_tcp.service", "_udp", ""];
    let inside =
        (select(WORDS.to_vec()), select(branches.to_vec()), any::<Index>()).prop_map(|(word, branch, form)| {
            let name = match form.index(6) {
                0 => ZONE.to_owned(),
                1 => format!("{branch}.{ZONE}"),
                2 => format!("_{word}.{branch}.{ZONE}"),
                _ => format!("{word}.{branch}.{ZONE}"),
            };
            name.replace("..", ".").trim_start_matches('.').to_owned()
        });
    let of_address = select(ADDRESSES.to_vec()).prop_map(|text| match text.parse().unwrap() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(address) => reverse_6(address),
    });
    let outside = select(vec![".", "internal.", "xdemo.internal.", "example.org.", "arpa."]).prop_map(str::to_owned);
    prop_oneof![6 => inside, 3 => of_address, 1 => outside]
}

fn reverse_6(address: Ipv6Addr) -> String {
    let nibbles = format!("{:032x}", address.to_bits());
    nibbles.chars().rev().flat_map(|nibble| [nibble, '.']).collect::<String>() + "ip6.arpa."
}

fn in_any_case(name: &str, upper: u64) -> String {
    let letter = |(place, letter): (usize, char)| {
        if upper >> (place % 64) & 1 == 1 { letter.to_ascii_uppercase() } else { letter }
    };
    name.chars().enumerate().map(letter).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_asked_of_whatever_is_known_is_answered_as_the_reference_says(
        view in some_view(),
        questions in prop::collection::vec((some_name(), select(KINDS.to_vec()), any::<u64>(), any::<bool>(), any::<Option<u16>>()), 20),
        seed: u64,
    ) {
        let zone = Zone::new(ZONE, HERE.into(), NETWORKS.map(|network| network.parse().unwrap()).into()).unwrap();
        let mut dice = StdRng::seed_from_u64(seed);
        for (name, kind, upper, by_tcp, payload) in questions {
            let mut request = Message::new(4711, MessageType::Query, OpCode::Query);
            request.metadata.recursion_desired = by_tcp;
            request.add_query(Query::query(Name::from_ascii(in_any_case(&name, upper)).unwrap(), kind));
            if let Some(payload) = payload {
                let mut edns = Edns::new();
                edns.set_max_payload(payload);
                request.set_edns(edns);
            }
            let carrier = if by_tcp { Carrier::Tcp } else { Carrier::Udp };
            let reply = respond(&zone, &view, &request.to_bytes().unwrap(), carrier, &mut dice).expect("an answer");
            check(&view, &request, &reply, carrier);
        }
    }
}
