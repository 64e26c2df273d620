//! Hosts of one test: addresses, files, an engine that runs what it is told, and questions.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name as DnsName, RData, RecordType};
use pontoon_agent::catalogue::{self, Instance, MonitoringPoint, Name, State, View};
use pontoon_agent::daemon::{self, Announced, Daemon, Engine, Pace, RingPace, Running, Settings, Silence, StartError};
use pontoon_agent::health;
use pontoon_agent::health::Outcome;
use pontoon_agent::health::probe::{Inside, Look};
use pontoon_agent::sockets::Sockets;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything takes on a machine that has much to do.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The key of a stack's ring, in base64.
pub(crate) const KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

const PORTS: [u16; 3] = [7946, 8500, 8600];

/// An address of this test alone.
pub(crate) fn address(number: u8) -> IpAddr {
    // A test has a thread of its own, or even a process.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NETWORK: u32 =
            std::process::id().wrapping_mul(7).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (40 * 256);
    }
    let network = NETWORK.with(|network| *network);
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 130, 0, 0)) + network * 256 + u32::from(number)).into()
}

/// An engine that runs what it is told. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Inner>);

#[derive(Default)]
struct Inner {
    running: Mutex<BTreeMap<Name, Running>>,
    silence: Mutex<Option<Silence>>,
    inside: Mutex<Option<Outcome>>,
    /// Whether looks into containers hang.
    hangs: watch::Sender<bool>,
    woken: Notify,
}

impl Engine for Fake {
    async fn running(&self) -> Result<BTreeMap<Name, Running>, Silence> {
        match self.0.silence.lock().unwrap().clone() {
            Some(silence) => Err(silence),
            None => Ok(self.0.running.lock().unwrap().clone()),
        }
    }

    async fn wake(&self, wake: &Notify) {
        loop {
            self.0.woken.notified().await;
            wake.notify_one();
        }
    }
}

impl Inside for Fake {
    async fn look(&self, _: &str, _: Look<'_>) -> Outcome {
        let _ = self.0.hangs.subscribe().wait_for(|hangs| !hangs).await;
        let outcome = self.0.inside.lock().unwrap().clone();
        outcome.unwrap_or(Outcome { state: State::Unknown, output: "nobody looks".to_owned() })
    }
}

impl Fake {
    /// A container that begins to run, or runs with something else from now on.
    pub(crate) fn run(&self, name: &str, running: Running) {
        self.0.running.lock().unwrap().insert(name.into(), running);
        self.0.woken.notify_one();
    }

    pub(crate) fn stop(&self, name: &str) {
        self.0.running.lock().unwrap().remove(name);
        self.0.woken.notify_one();
    }

    pub(crate) fn fall_silent(&self) {
        *self.0.silence.lock().unwrap() = Some(Silence { reason: "it is being updated".to_owned() });
        self.0.woken.notify_one();
    }

    pub(crate) fn speak(&self) {
        *self.0.silence.lock().unwrap() = None;
        self.0.woken.notify_one();
    }

    /// Whether looks into containers end.
    pub(crate) fn hang(&self, hangs: bool) {
        self.0.hangs.send_replace(hangs);
    }

    /// What every look into a container sees.
    pub(crate) fn looks(&self, state: State) {
        *self.0.inside.lock().unwrap() = Some(Outcome { state, output: format!("{state:?}") });
    }
}

/// A container of the service `web`.
pub(crate) fn web(number: u8, monitor: &[MonitoringPoint]) -> Running {
    Running {
        service: "web".into(),
        address: address(number),
        identity: "first".to_owned(),
        announced: Announced {
            capabilities: ["blog".into()].into(),
            monitor: monitor.to_vec(),
            check: None,
            port: Some(8080),
        },
    }
}

/// A host that is not started yet: its files and its engine. They outlive its agents.
pub(crate) struct Host {
    pub(crate) number: u8,
    pub(crate) engine: Fake,
    pub(crate) ring: RingPace,
    /// How long it waits for its containers before it joins the ring, and for the other hosts.
    pub(crate) gather: Duration,
    /// How long it waits for its containers before it says what it has.
    pub(crate) looks: Duration,
    pub(crate) directory: TempDir,
}

impl Host {
    /// The host `lxd<number>`, with the usual key.
    pub(crate) fn new(number: u8, seeds: &[u8]) -> Self {
        let Pace { gather, looks, .. } = pace();
        let (engine, directory) = (Fake::default(), tempfile::tempdir().unwrap());
        let host = Self { number, engine, ring: RingPace::Local, gather, looks, directory };
        std::fs::create_dir(host.state()).unwrap();
        host.set_key(KEY);
        let seeds: Vec<String> = seeds.iter().map(|seed| address(*seed).to_string()).collect();
        std::fs::write(host.directory.path().join("seeds"), seeds.join("\n")).unwrap();
        host
    }

    pub(crate) fn set_key(&self, key: &str) {
        std::fs::write(self.state().join("keyring"), format!("[\"{key}\"]")).unwrap();
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Waits until the file by which it finds its ring again names so many other members.
    pub(crate) async fn until_snapshot_names(&self, count: usize) {
        let path = self.state().join("snapshot");
        let waiting = timeout(PATIENCE, async {
            while std::fs::read_to_string(&path).unwrap_or_default().matches("\nalive: ").count() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        waiting.await.expect("the snapshot is written");
    }

    /// What a process in a container does: it says something at the socket that only that container sees.
    pub(crate) async fn says(&self, container: &str, words: &str) {
        let directory = self.directory.path().join("announce").join(container);
        std::fs::create_dir_all(&directory).unwrap();
        let began = Instant::now();
        let mut stream = loop {
            match UnixStream::connect(directory.join("socket")).await {
                Ok(stream) => break stream,
                Err(error) => assert!(began.elapsed() < PATIENCE, "the agent listens for {container}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let length = words.len();
        let request = format!(
            "PUT /v1/self HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{words}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("it answers").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    pub(crate) fn settings(&self) -> Settings {
        let path = |name: &str| self.directory.path().join(name);
        let text = json!({
            "stack": "demo", "host": format!("lxd{}", self.number), "networks": ["127.0.0.0/8"],
            "address": address(self.number), "state": self.state(), "announce": path("announce"),
            "picture": path("stack.json"), "seeds": path("seeds"),
        });
        Settings::parse(&path("agent.json"), &text.to_string()).unwrap()
    }

    fn pace(&self) -> Pace {
        Pace { ring: self.ring, gather: self.gather, looks: self.looks, ..pace() }
    }

    pub(crate) async fn try_start(&self) -> Result<Daemon, StartError> {
        daemon::start(self.settings(), self.engine.clone(), self.pace(), &mut Sockets::default()).await
    }

    /// Its agent, once it has tried its seeds.
    pub(crate) async fn start(&self) -> Agent {
        let mut daemon = self.try_start().await.unwrap();
        daemon.join().await;
        Agent { address: daemon.address(), views: daemon.views(), daemon }
    }
}

/// Several hosts that know each other; the first one is the seed of the others.
pub(crate) async fn started(count: u8) -> (Vec<Host>, Vec<Agent>) {
    started_at(RingPace::Local, count).await
}

/// The same, as patient with each other as on hosts, or less.
pub(crate) async fn started_at(ring: RingPace, count: u8) -> (Vec<Host>, Vec<Agent>) {
    let hosts: Vec<Host> = (1..=count).map(|number| Host { ring, ..Host::new(number, &[1]) }).collect();
    let mut agents = Vec::new();
    for host in &hosts {
        agents.push(host.start().await);
    }
    for agent in &mut agents {
        agent.until("all hosts", |view| alive(view) == usize::from(count)).await;
    }
    (hosts, agents)
}

/// Patience enough for a busy machine, and otherwise as little as possible.
fn pace() -> Pace {
    let often = Duration::from_millis(200);
    let checks = health::Settings { interval: often, timeout: Duration::from_secs(20), rise: 1, fall: 2 };
    Pace {
        ring: RingPace::Local,
        catalogue: catalogue::Pace { tag_interval: Duration::from_secs(1), ..catalogue::Pace::default() },
        outside: checks,
        inside: checks,
        poll: Duration::from_secs(20),
        engine_silence: Duration::from_secs(1),
        survey: Duration::from_secs(1),
        ..Pace::default()
    }
}

/// A running agent.
pub(crate) struct Agent {
    pub(crate) daemon: Daemon,
    pub(crate) address: IpAddr,
    pub(crate) views: watch::Receiver<Arc<View>>,
}

impl Agent {
    /// Waits until what it knows is so.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn(&View) -> bool) -> Arc<View> {
        let address = self.address;
        let waiting = timeout(PATIENCE, self.views.wait_for(|view| is_so(view))).await;
        if let Ok(view) = waiting.map(|view| view.unwrap().clone()) {
            return view;
        }
        panic!("not seen at {address}: {what}; it knows {:?}", self.daemon.views().borrow())
    }

    /// Addresses that it gives for a name below the zone.
    pub(crate) async fn dns(&self, name: &str) -> Vec<IpAddr> {
        At(self.address).dns(name).await
    }

    /// What it answers to a path.
    pub(crate) async fn http(&self, path: &str) -> Value {
        At(self.address).http(path).await
    }

    /// The same, where it is no JSON.
    pub(crate) async fn text(&self, path: &str) -> String {
        At(self.address).text(path).await
    }
}

/// Where an agent answers, or will.
#[derive(Clone, Copy)]
pub(crate) struct At(pub(crate) IpAddr);

impl At {
    fn port(self, port: usize) -> SocketAddr {
        SocketAddr::new(self.0, *PORTS.get(port).unwrap())
    }

    pub(crate) async fn dns(self, name: &str) -> Vec<IpAddr> {
        let name = DnsName::from_str(&format!("{name}.demo.internal.")).unwrap();
        let mut question = Message::new(7, MessageType::Query, OpCode::Query);
        question.add_query(Query::query(name, RecordType::A));
        let socket = UdpSocket::bind((self.0, 0)).await.unwrap();
        socket.send_to(&question.to_vec().unwrap(), self.port(2)).await.unwrap();
        let mut buffer = [0; 1500];
        let (length, _) = timeout(PATIENCE, socket.recv_from(&mut buffer)).await.expect("it answers").unwrap();
        let answer = Message::from_vec(&buffer[..length]).unwrap();
        let mut addresses: Vec<IpAddr> = answer
            .answers
            .iter()
            .filter_map(|record| match &record.data {
                RData::A(address) => Some(IpAddr::from(address.0)),
                _ => None,
            })
            .collect();
        addresses.sort();
        addresses
    }

    pub(crate) async fn http(self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).unwrap_or(Value::Null)
    }

    pub(crate) async fn text(self, path: &str) -> String {
        self.asks(path, "close").await.answer().await.body
    }

    /// Asks, and says what is to become of the connection.
    pub(crate) async fn asks(self, path: &str, connection: &str) -> Asked {
        let mut stream = TcpStream::connect(self.port(1)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: {connection}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Asked(stream)
    }
}

/// A question by HTTP that is not answered yet.
pub(crate) struct Asked(TcpStream);

impl Asked {
    /// Everything that comes until the agent ends the connection.
    pub(crate) async fn answer(mut self) -> Answer {
        let mut answer = String::new();
        timeout(PATIENCE, self.0.read_to_string(&mut answer)).await.expect("it answers").unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer { head: head.to_owned(), body: body.to_owned() }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

pub(crate) fn alive(view: &View) -> usize {
    view.hosts.values().filter(|host| host.state == catalogue::HostState::Alive).count()
}

/// How many copies of `web` serve.
pub(crate) fn serving(view: &View) -> usize {
    view.service("web").filter(Instance::serves).count()
}

/// The state of a container, where it is known.
pub(crate) fn state(view: &View, name: &str) -> Option<State> {
    view.container(name).next().map(|instance| instance.state())
}

/// A service on the port of [`web`] at an address of this test, until it is dropped. It answers with its address, as a
/// comment among numbers of which there are none.
pub(crate) struct Service(JoinHandle<()>);

impl Service {
    pub(crate) async fn start(number: u8) -> Self {
        let listener = TcpListener::bind((address(number), 8080)).await.unwrap();
        let page = format!("# {}\n", address(number));
        let length = page.len();
        let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{page}");
        Self(tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }))
    }

    pub(crate) async fn end(self) {
        self.0.abort();
        let _ = self.0.await;
    }
}
