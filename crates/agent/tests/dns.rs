//! The DNS server on real sockets, asked by the real `dig`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pontoon_agent::catalogue::{Container, Health, HostState, HostView, Part, State, View};
use pontoon_agent::dns::{Server, Zone};
use pontoon_agent::door::Door;
use pontoon_agent::sockets::Sockets;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::timeout;

const PORT: u16 = 5300;
/// Longer than anything takes on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server on an address of this test alone.
struct Running {
    address: SocketAddr,
    views: watch::Sender<Arc<View>>,
}

/// `networks` are those that are answered.
fn start(networks: &[&str]) -> Running {
    let [high, low] = u16::try_from(std::process::id() % 60_000).unwrap().to_be_bytes();
    let address = SocketAddr::from(([127, 53, high, low.max(1)], PORT));
    let server = Server::bind(&[address], &mut Sockets::default()).expect("the server listens");
    let zone = Zone::new("demo.internal", "lxd0".into(), vec!["10.0.0.0/24".parse().unwrap()]).unwrap();
    let door = Door::new(networks.iter().map(|network| network.parse().unwrap()).collect(), 8, 4);
    let (views, watched) = watch::channel(Arc::new(view(1, State::Passing)));
    tokio::spawn(server.run(zone, door, watched, Arc::default(), 1));
    Running { address, views }
}

/// A host with forty copies of `hugo`.
fn view(index: u64, state: State) -> View {
    let containers = (0..40).map(|number| {
        let container = Container {
            service: "hugo".into(),
            address: format!("10.0.0.{}", 10 + number).parse().unwrap(),
            port: Some(80),
            capabilities: BTreeSet::from(["blog".into()]),
            monitor: Vec::new(),
            says: [("motto".to_owned(), "x".repeat(200))].into(),
            health: Health { state, output: String::new() },
        };
        (format!("hugo-{number}").as_str().into(), container.into())
    });
    let host = HostView {
        name: "lxd0".into(),
        address: IpAddr::from([10, 0, 0, 2]),
        state: HostState::Alive,
        round_trip: None,
        part: Arc::new(Part { containers: containers.collect(), ..Part::default() }),
        stale_since: None,
    };
    View::new(index, [Arc::new(host)])
}

/// What `dig` prints; nothing where it is not installed.
async fn dig(address: SocketAddr, arguments: &[&str]) -> Option<String> {
    if Command::new("dig").arg("-v").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "`dig` is not installed; CI is set, so nothing may be left out");
        eprintln!("LEFT OUT: `dig` is not installed (Debian package bind9-dnsutils), so this test shows nothing");
        return None;
    }
    let mut dig = Command::new("dig");
    dig.arg(format!("@{}", address.ip())).args(["-p", &PORT.to_string(), "+time=30", "+tries=1"]).args(arguments);
    let output = tokio::task::spawn_blocking(move || dig.output().unwrap()).await.unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn has(printed: &str, parts: &[&str]) {
    for part in parts {
        assert!(printed.contains(part), "`{part}` is not in what dig printed:\n{printed}");
    }
}

#[tokio::test]
async fn dig_finds_services_targets_and_names_of_addresses() {
    let running = start(&["127.0.0.0/8"]);
    let Some(found) = dig(running.address, &["hugo.service.demo.internal", "A"]).await else { return };
    has(&found, &["status: NOERROR", "flags: qr aa rd;", "ANSWER: 8,", "EDNS: version: 0", "udp: 1232"]);
    let found = dig(running.address, &["_hugo._tcp.demo.internal", "SRV"]).await.unwrap();
    has(&found, &["ANSWER: 4,", "SRV\t1 1 80 hugo-", "ADDITIONAL: 5"]);
    let found = dig(running.address, &["-x", "10.0.0.17", "+short"]).await.unwrap();
    assert_eq!(found, "hugo-7.container.demo.internal.\n");
    let found = dig(running.address, &["lxd0.host.demo.internal", "+short"]).await.unwrap();
    assert_eq!(found, "10.0.0.2\n");
}

#[tokio::test]
async fn dig_is_told_what_there_is_not_and_what_is_not_ours() {
    let running = start(&["127.0.0.0/8"]);
    let Some(found) = dig(running.address, &["nobody.service.demo.internal"]).await else { return };
    has(&found, &["status: NXDOMAIN", "SOA\tlxd0.host.demo.internal. hostmaster.demo.internal. 1 "]);
    let found = dig(running.address, &["hugo.service.demo.internal", "AAAA"]).await.unwrap();
    has(&found, &["status: NOERROR", "ANSWER: 0, AUTHORITY: 1"]);
    let found = dig(running.address, &["example.org"]).await.unwrap();
    has(&found, &["status: REFUSED"]);
    let found = dig(running.address, &["hugo.service.demo.internal", "+edns=1", "+noednsneg"]).await.unwrap();
    has(&found, &["status: BADVERS"]);
    let found = dig(running.address, &["+opcode=notify", "demo.internal", "SOA"]).await.unwrap();
    has(&found, &["status: NOTIMP"]);
}

#[tokio::test]
async fn dig_asks_again_by_tcp_for_what_does_not_fit() {
    let running = start(&["127.0.0.0/8"]);
    let Some(cut) = dig(running.address, &["hugo.service.demo.internal", "TXT", "+ignore"]).await else { return };
    has(&cut, &["flags: qr aa tc rd;", "ANSWER: 0,"]);
    let whole = dig(running.address, &["hugo.service.demo.internal", "TXT"]).await.unwrap();
    has(&whole, &["Truncated, retrying in TCP mode", "ANSWER: 16,", "says.motto=xxx"]);
    let several = ["+tcp", "+keepopen", "hugo-0.container.demo.internal", "hugo-1.container.demo.internal", "+short"];
    assert_eq!(dig(running.address, &several).await.unwrap(), "10.0.0.10\n10.0.0.11\n");
}

#[tokio::test]
async fn a_new_view_is_answered_from_at_once() {
    let running = start(&["127.0.0.0/8"]);
    let Some(before) = dig(running.address, &["hugo-0.container.demo.internal", "+short"]).await else { return };
    assert_eq!(before, "10.0.0.10\n");
    running.views.send_replace(Arc::new(view(2, State::Critical)));
    let after = dig(running.address, &["hugo-0.container.demo.internal", "+short"]).await.unwrap();
    assert_eq!(after, "");
}

/// A question for `hugo.service.demo.internal`, type A.
fn question() -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["hugo", "service", "demo", "internal"] {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

#[tokio::test]
async fn who_is_outside_the_networks_hears_nothing() {
    let running = start(&["127.99.0.0/16"]);
    let socket = |from: [u8; 4]| async move { UdpSocket::bind(SocketAddr::from((from, 0))).await.unwrap() };
    let (stranger, friend) = (socket([127, 98, 0, 1]).await, socket([127, 99, 0, 1]).await);
    stranger.send_to(&question(), running.address).await.unwrap();
    friend.send_to(&question(), running.address).await.unwrap();
    let mut buffer = [0; 2048];
    timeout(PATIENCE, friend.recv_from(&mut buffer)).await.expect("the friend is answered").unwrap();
    // The stranger's may lie at another socket, so it could still be on its way; answers to later ones of the friend show
    // that all tasks have been at work since.
    for _ in 0..64 {
        friend.send_to(&question(), running.address).await.unwrap();
        timeout(PATIENCE, friend.recv_from(&mut buffer)).await.expect("the friend is answered").unwrap();
    }
    assert!(stranger.try_recv_from(&mut buffer).is_err());
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let read = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("the stranger is hung up on");
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_second_agent_is_told_that_the_address_is_taken() {
    let running = start(&["127.0.0.0/8"]);
    let error = Server::bind(&[running.address], &mut Sockets::default()).expect_err("taken");
    assert!(error.hint().is_some_and(|hint| hint.contains("5300")), "{:?}", error.hint());
}

#[tokio::test]
async fn one_address_cannot_keep_others_from_connecting() {
    let running = start(&["127.0.0.0/8"]);
    let connect = |from: [u8; 4]| async move {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        socket.connect(running.address).await.unwrap()
    };
    let mut idle = Vec::new();
    for _ in 0..6 {
        idle.push(connect([127, 98, 0, 1]).await);
    }
    // Four of them have seats; the last two are hung up on.
    for refused in idle.iter_mut().skip(4) {
        let read = timeout(PATIENCE, refused.read_u8()).await.expect("hung up on");
        assert!(read.is_err());
    }
    let mut other = connect([127, 98, 0, 2]).await;
    let mut framed = u16::try_from(question().len()).unwrap().to_be_bytes().to_vec();
    framed.extend(question());
    other.write_all(&framed).await.unwrap();
    let length = timeout(PATIENCE, other.read_u16()).await.expect("answered").unwrap();
    assert!(length > 100);
}
