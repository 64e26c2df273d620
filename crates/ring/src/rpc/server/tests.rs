//! A member and its server, asked by our own client over real connections.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::driver;
use crate::rpc::reply::{Answer, Event, Member};
use crate::rpc::request::{self, Query, Request, Secret};
use crate::rpc::{self, Body, Client, ClientError};
use crate::serf;
use crate::swim;

struct Agent {
    member: Handle,
    rpc: SocketAddr,
    log: Log,
    server: JoinHandle<std::io::Result<()>>,
}

/// Addresses of the loopback network that no other test process uses: one /24 for each.
fn loopback(last: u8) -> IpAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 128 | (high & 63), low, last))
}

async fn agent(last: u8, auth_key: Option<&str>) -> Agent {
    let name = format!("p{last}");
    let address = SocketAddr::new(loopback(last), 0);
    let mut config = driver::Config::new(serf::Config::new(swim::Config::local(name.as_str(), address)));
    config.serf.tags = [("role".to_owned(), "web".to_owned())].into();
    let member = driver::start(config).await.unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    let rpc = listener.local_addr().unwrap();
    let log = Log::default();
    let config = Config {
        member: member.clone(),
        auth_key: auth_key.map(str::to_owned),
        log: log.clone(),
        runtime: vec![("os".to_owned(), "linux".to_owned())],
    };
    Agent { member, rpc, log, server: tokio::spawn(serve(listener, config)) }
}

async fn client(agent: &Agent) -> Client {
    Client::connect(agent.rpc, None).await.unwrap()
}

async fn members(client: &mut Client) -> Vec<Member> {
    match client.call(Request::Members).await.unwrap().1 {
        Some(Body::Members(members)) => members,
        other => panic!("not members: {other:?}"),
    }
}

fn join(agent: &Agent) -> Request {
    Request::Join { existing: vec![agent.member.address().to_string()], replay: false }
}

#[tokio::test]
async fn an_agent_tells_its_members_by_name_address_tags_and_state() {
    let agent = agent(1, None).await;
    let mut client = client(&agent).await;
    let all = members(&mut client).await;
    assert_eq!(all.len(), 1);
    assert_eq!((&*all[0].name, all[0].address, all[0].status.as_str()), ("p1", agent.member.address(), "alive"));
    assert_eq!(all[0].tags["role"], "web");
    let filtered = |status: &str| Request::MembersFiltered {
        tags: [("role".to_owned(), "w.b".to_owned())].into(),
        status: status.to_owned(),
        name: String::new(),
    };
    let (_, body) = client.call(filtered("alive")).await.unwrap();
    assert_eq!(body, Some(Body::Members(all)));
    let (_, body) = client.call(filtered("failed")).await.unwrap();
    assert_eq!(body, Some(Body::Members(Vec::new())));
    let error = client.call(filtered("(")).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn a_join_says_how_many_were_reached_and_why_the_others_were_not() {
    let (one, two) = (agent(1, None).await, agent(2, None).await);
    let mut client = client(&one).await;
    let (_, body) = client.call(join(&two)).await.unwrap();
    assert_eq!(body, Some(Body::Joined(1)));
    let dead = Request::Join { existing: vec![SocketAddr::new(loopback(9), 9).to_string()], replay: false };
    match client.call(dead).await.unwrap_err() {
        ClientError::Refused { body: Some(body), reason, .. } => {
            assert_eq!(*body, Body::Joined(0));
            assert!(reason.contains("Failed to join"), "{reason}");
        }
        other => panic!("not refused: {other}"),
    }
    assert_eq!(members(&mut client).await.len(), 2);
}

#[tokio::test]
async fn a_stream_tells_what_its_words_ask_for_and_ends_when_it_is_stopped() {
    let agent = agent(1, None).await;
    let mut listener = client(&agent).await;
    let (stream, _) = listener.call(Request::Stream { kind: "user:deploy".to_owned() }).await.unwrap();
    let mut speaker = client(&agent).await;
    let event = |name: &str| Request::Event {
        name: name.to_owned(),
        payload: Bytes::from_static(b"\x00\xff"),
        coalesce: false,
    };
    for name in ["other", "deploy"] {
        speaker.call(event(name)).await.unwrap();
    }
    match listener.record().await.unwrap() {
        (from, Body::Event(Event::User { name, payload, coalesce, .. })) => {
            assert_eq!((from, name.as_str(), &payload[..], coalesce), (stream, "deploy", &b"\x00\xff"[..], false));
        }
        other => panic!("not the event: {other:?}"),
    }
    listener.call(Request::Stop { sequence: stream }).await.unwrap();
    speaker.call(event("deploy")).await.unwrap();
    assert!(timeout(Duration::from_millis(300), listener.record()).await.is_err());
    let error = listener.call(Request::Stream { kind: "weather".to_owned() }).await.unwrap_err();
    assert!(error.to_string().contains(rpc::INVALID_FILTER), "{error}");
}

#[tokio::test]
async fn a_query_is_answered_by_a_client_of_another_agent() {
    let (one, two) = (agent(1, None).await, agent(2, None).await);
    let mut asker = client(&one).await;
    asker.call(join(&two)).await.unwrap();
    let mut answerer = client(&two).await;
    answerer.call(Request::Stream { kind: "query:load".to_owned() }).await.unwrap();
    let query = Query {
        names: vec!["p2".to_owned()],
        ack: true,
        timeout: Duration::from_secs(3),
        name: "load".to_owned(),
        payload: Bytes::from_static(b"?"),
        ..Query::default()
    };
    asker.call(Request::Query(query)).await.unwrap();
    let (_, Body::Event(Event::Query { id, payload, .. })) = answerer.record().await.unwrap() else {
        panic!("not a query")
    };
    assert_eq!(payload, "?");
    answerer.call(Request::Respond { id, payload: Bytes::from_static(b"0.7") }).await.unwrap();
    let again = Request::Respond { id: u64::MAX, payload: Bytes::new() };
    assert!(matches!(answerer.call(again).await, Err(ClientError::Refused { .. })));
    let mut answers = Vec::new();
    while answers.last() != Some(&Answer::Done) {
        match asker.record().await.unwrap().1 {
            Body::Answer(answer) => answers.push(answer),
            other => panic!("not an answer: {other:?}"),
        }
    }
    let from = || "p2".to_owned();
    assert!(answers.contains(&Answer::Ack { from: from() }), "{answers:?}");
    assert!(answers.contains(&Answer::Response { from: from(), payload: Bytes::from_static(b"0.7") }), "{answers:?}");
}

#[tokio::test]
async fn tags_coordinates_and_statistics_are_told() {
    let agent = agent(1, None).await;
    let mut client = client(&agent).await;
    let set = [("color".to_owned(), "red".to_owned())].into();
    client.call(Request::Tags { set, delete: vec!["role".to_owned()] }).await.unwrap();
    let (_, Some(Body::Stats(stats))) = client.call(Request::Stats).await.unwrap() else { panic!("not statistics") };
    assert_eq!(stats["tags"], [("color".to_owned(), "red".to_owned())].into());
    assert_eq!((stats["serf"]["members"].as_str(), stats["serf"]["encrypted"].as_str()), ("1", "false"));
    assert_eq!((stats["agent"]["name"].as_str(), stats["runtime"]["os"].as_str()), ("p1", "linux"));
    let where_is = |name: &str| Request::GetCoordinate { name: name.to_owned() };
    assert!(matches!(client.call(where_is("p1")).await.unwrap().1, Some(Body::Coordinate(Some(_)))));
    assert_eq!(client.call(where_is("nobody")).await.unwrap().1, Some(Body::Coordinate(None)));
}

#[tokio::test]
async fn a_ring_without_keys_says_so_for_every_member() {
    let agent = agent(1, None).await;
    let mut client = client(&agent).await;
    match client.call(Request::ListKeys).await.unwrap_err() {
        ClientError::Refused { body: Some(body), reason, .. } => {
            assert_eq!(reason, "1/1 nodes reported failure");
            let Body::Keys(keys) = *body else { panic!("not about keys: {body:?}") };
            assert!(keys.messages.contains_key("p1"));
        }
        other => panic!("not refused: {other}"),
    }
    let error = client.call(Request::InstallKey(Secret("short".to_owned()))).await.unwrap_err();
    assert!(!error.to_string().contains("short"), "{error}");
}

#[tokio::test]
async fn an_agent_with_a_key_tells_nothing_without_it() {
    let agent = agent(1, Some("hush")).await;
    let mut stranger = client(&agent).await;
    let error = stranger.call(Request::Members).await.unwrap_err();
    assert!(error.to_string().contains(rpc::AUTHENTICATION_REQUIRED), "{error}");
    assert!(error.hint().is_some());
    let error = Client::connect(agent.rpc, Some("hus")).await.unwrap_err();
    assert!(error.to_string().contains(rpc::INVALID_TOKEN), "{error}");
    let mut friend = Client::connect(agent.rpc, Some("hush")).await.unwrap();
    assert_eq!(members(&mut friend).await.len(), 1);
}

#[tokio::test]
async fn the_log_is_told_from_the_level_that_was_asked_for() {
    let agent = agent(1, None).await;
    let mut client = client(&agent).await;
    client.call(Request::Monitor { level: "info".to_owned() }).await.unwrap();
    let error = client.call(Request::Monitor { level: "info".to_owned() }).await.unwrap_err();
    assert!(error.to_string().contains(rpc::MONITOR_EXISTS), "{error}");
    agent.log.say(Level::Debug, || "a detail".to_owned());
    agent.log.say(Level::Warn, || "a warning".to_owned());
    assert_eq!(client.record().await.unwrap().1, Body::Log("a warning".to_owned()));
    assert!(client.call(Request::Monitor { level: "loud".to_owned() }).await.is_err());
}

#[tokio::test]
async fn who_asks_an_agent_to_leave_is_told_when_it_has() {
    let agent = agent(1, None).await;
    let mut client = client(&agent).await;
    client.call(Request::Leave).await.unwrap();
    assert_eq!(agent.member.ended().await, driver::End::Left);
    timeout(Duration::from_secs(10), agent.server).await.unwrap().unwrap().unwrap();
    assert!(Client::connect(agent.rpc, None).await.is_err());
}

#[tokio::test]
async fn rubbish_and_requests_without_a_handshake_end_the_connection_and_nothing_else() {
    let agent = agent(1, None).await;
    let endless = [&b"\x82\xa7Command\xdb\x7f\xff\xff\xff"[..], &vec![b'a'; 300_000]].concat();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xc1; 100], &endless, &request::encode(1, &Request::Members)] {
        let mut stream = TcpStream::connect(agent.rpc).await.unwrap();
        // The agent may close before all is written.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
        assert!(answer.len() < 100);
    }
    assert_eq!(members(&mut client(&agent).await).await.len(), 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_only_itself() {
    let agent = agent(1, None).await;
    let mut lazy = client(&agent).await;
    lazy.call(Request::Stream { kind: "*".to_owned() }).await.unwrap();
    let mut busy = client(&agent).await;
    for number in 0..5000 {
        let event =
            Request::Event { name: format!("event-{number}"), payload: vec![b'x'; 400].into(), coalesce: false };
        timeout(Duration::from_secs(10), busy.call(event)).await.unwrap().unwrap();
    }
    assert_eq!(members(&mut busy).await.len(), 1);
}
