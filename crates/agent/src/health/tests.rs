#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use pontoon_ring::time::Time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::probe::{Inside, Look, Target};
use super::*;
use crate::catalogue::MonitoringPoint;

fn outcome(state: State) -> Outcome {
    Outcome { state, output: format!("{state:?}") }
}

/// The states of a check with the usual settings after each of these outcomes.
fn states(outcomes: &[State]) -> Vec<State> {
    let mut check = Check::new(Settings::default(), 1, Time::ZERO);
    let after = |state: &State| {
        let now = check.wake_at();
        let run = check.handle(now, Event::Tick).unwrap();
        check.handle(now, Event::Ended(run, outcome(*state)));
        check.health().state
    };
    outcomes.iter().map(after).collect()
}

#[test]
fn one_failure_is_no_fall_and_one_success_no_rise() {
    use State::{Critical as C, Passing as P, Unknown as U, Warning as W};
    assert_eq!(states(&[P, C, C, P, C, C, C, P, C, P, P]), [P, P, P, P, P, P, C, C, C, C, P]);
    assert_eq!(states(&[P, W, P, W]), [P, W, P, W], "a warning is good enough, and said at once");
    assert_eq!(states(&[C, W, W]), [C, C, W], "the first outcome counts at once");
    assert_eq!(states(&[P, U, U, C, U, U, U]), [P, P, P, P, P, P, U], "who cannot look does not say critical");
}

#[test]
fn what_takes_too_long_is_critical_and_its_late_answer_counts_for_nothing() {
    let settings = Settings { fall: 1, ..Settings::default() };
    let mut check = Check::new(settings, 1, Time::ZERO);
    let run = check.handle(check.wake_at(), Event::Tick).unwrap();
    let deadline = check.wake_at();
    assert_eq!(check.handle(deadline, Event::Tick), None);
    assert_eq!(*check.health(), Health { state: State::Critical, output: "no answer in 2s".to_owned() });
    check.handle(deadline, Event::Ended(run, outcome(State::Passing)));
    assert_eq!(check.health().state, State::Critical);
}

#[test]
fn a_check_looks_once_in_an_interval_and_two_checks_do_not_look_together() {
    let course = |seed: u64| {
        let mut check = Check::new(Settings::default(), seed, Time::ZERO);
        let mut look = || {
            let now = check.wake_at();
            let run = check.handle(now, Event::Tick).unwrap();
            check.handle(now, Event::Ended(run, outcome(State::Passing)));
            now
        };
        (0..100).map(|_| look()).collect::<Vec<Time>>()
    };
    let one = course(1);
    assert!(one.windows(2).all(|pair| {
        let wait = pair[1] - pair[0];
        (Duration::from_millis(4500)..=Duration::from_millis(5500)).contains(&wait)
    }));
    assert_eq!(one, course(1));
    assert_ne!(one, course(2));
}

#[test]
fn an_output_is_cut_between_two_characters() {
    let long = "é".repeat(200);
    assert_eq!(cut(&long).len(), 256);
    let odd = format!("x{long}");
    assert_eq!(cut(&odd).len(), 255);
    assert_eq!(cut("short"), "short");
}

#[test]
fn the_worst_check_speaks_for_the_container() {
    let health = |state: State| Health { state, output: "why".to_owned() };
    let (good, warning, bad) = (health(State::Passing), health(State::Warning), health(State::Critical));
    let of = of_container([("http /", &good), ("tcp 80", &bad), ("exec", &warning)]);
    assert_eq!(of, Health { state: State::Critical, output: "tcp 80: why".to_owned() });
    assert_eq!(of_container([]).state, State::Passing);
    let long = Health { state: State::Warning, output: "x".repeat(256) };
    assert_eq!(of_container([("tcp 80", &long)]).output.len(), 256);
}

/// A service that gives each connection these bytes, once something was sent.
async fn service(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
        }
    });
    address
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

fn target(address: SocketAddr) -> Target<'static> {
    Target { container: "web-0", address: address.ip(), port: Some(address.port()) }
}

#[tokio::test]
async fn http_is_well_by_its_status() {
    for (answer, state, output) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"[..], State::Passing, "GET /up: 200"),
        (b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", State::Passing, "GET /up: 302"),
        (b"HTTP/1.1 429 Slow\r\n\r\n", State::Warning, "GET /up: 429"),
        (b"HTTP/1.1 404 No\r\n\r\n", State::Critical, "GET /up: 404"),
        (b"HTTP/1.1 503 No\r\n\r\n", State::Critical, "GET /up: 503"),
    ] {
        let found = probe::http(target(service(answer).await), "/up").await;
        assert_eq!((found.state, found.output.as_str()), (state, output));
    }
}

#[tokio::test]
async fn who_does_not_speak_http_or_does_not_listen_is_critical() {
    for answer in [&b""[..], b"220 smtp ready\r\n", b"HTTP/1.1 "] {
        let found = probe::http(target(service(answer).await), "/").await;
        assert_eq!(found.state, State::Critical, "{found:?}");
        assert!(found.output.contains("no HTTP answer"), "{found:?}");
    }
    let silent = nobody().await;
    let found = probe::http(target(silent), "/").await;
    assert!(found.state == State::Critical && found.output.contains("refused"), "{found:?}");
    assert_eq!(probe::http(target(silent), "not a path\r\n").await.state, State::Critical);
}

#[tokio::test]
async fn tcp_is_well_where_somebody_accepts() {
    assert_eq!(probe::tcp(service(b"").await).await.state, State::Passing);
    assert_eq!(probe::tcp(nobody().await).await.state, State::Critical);
}

/// An engine that tells what it was asked.
struct Engine;

impl Inside for Engine {
    async fn look(&self, container: &str, what: Look<'_>) -> Outcome {
        probe::exited(1, &format!(" {container} {what:?}\n"))
    }
}

#[tokio::test]
async fn what_is_within_the_engine_looks_at() {
    let address: IpAddr = Ipv4Addr::LOCALHOST.into();
    let target = Target { container: "web-0", address, port: None };
    let found = probe::look(target, &MonitoringPoint::Unit("nginx".to_owned()), &Engine).await.unwrap();
    assert_eq!(found, Outcome { state: State::Warning, output: "web-0 Unit(\"nginx\")".to_owned() });
    assert_eq!(probe::look(target, &MonitoringPoint::Metrics("/metrics".to_owned()), &Engine).await, None);
    assert_eq!(probe::exited(0, "").output, "ended with 0");
    assert_eq!(probe::exited(127, "").state, State::Critical);
}
