//! The servers: how each is told the names, and how it is started.

use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::measured::{Process, Stack};
use super::{ROLE, STACK, ZONE};

/// The core of the servers; who asks has another.
const CORE: &str = "0";
/// As long as a server may take to begin.
const PATIENCE: Duration = Duration::from_mins(1);
/// As many as our server gives.
const ADDRESSES: u32 = 8;
const TARGETS: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Pontoon,
    Dnsmasq,
    Unbound,
    Knot,
}

impl Peer {
    pub(crate) const ALL: [Self; 4] = [Self::Pontoon, Self::Dnsmasq, Self::Unbound, Self::Knot];
    /// Those that have to be there, with their packages.
    pub(crate) const PROGRAMS: [(&str, &str); 3] =
        [("dnsmasq", "dnsmasq-base"), ("unbound", "unbound"), ("knotd", "knot")];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pontoon => "pontoon",
            Self::Dnsmasq => "dnsmasq",
            Self::Unbound => "unbound",
            Self::Knot => "knot",
        }
    }

    pub(crate) fn address(self) -> SocketAddr {
        let number = match self {
            Self::Pontoon => 1,
            Self::Dnsmasq => 2,
            Self::Unbound => 3,
            Self::Knot => 4,
        };
        ([127, 0, 2, number], 5300).into()
    }

    /// The program with its arguments, after its files are written.
    fn command(self, directory: &Path) -> (&'static str, Vec<String>) {
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        match self {
            Self::Pontoon => ("", Vec::new()),
            Self::Dnsmasq => {
                write("hosts", hosts());
                let file = write("dnsmasq.conf", dnsmasq(directory));
                // Without this it wants to become another user, of which the namespace has none.
                ("dnsmasq", vec!["--no-daemon".to_owned(), format!("--conf-file={file}")])
            }
            Self::Unbound => {
                let file = write("unbound.conf", unbound(directory));
                ("unbound", vec!["-d".to_owned(), "-c".to_owned(), file])
            }
            Self::Knot => {
                write("zone", zone());
                write("reverse", reverse_zone());
                let file = write("knot.conf", knot(directory));
                ("knotd", vec!["-c".to_owned(), file])
            }
        }
    }
}

/// A server that answers.
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) process: Process,
}

impl Running {
    pub(crate) fn start(peer: Peer, directory: &Path) -> Self {
        let (program, arguments) = peer.command(directory);
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", CORE]);
        if peer == Peer::Pontoon {
            command.arg(std::env::current_exe().unwrap()).arg("--bench").env(ROLE, "server");
        } else {
            command.arg(program).args(arguments);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut process = Process::start(&mut command);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let began = Instant::now();
        // The status of a server, which any answers somehow.
        let question = [&[0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5][..], b"bench\x08internal", &[0, 0, 6, 0, 1]].concat();
        loop {
            let _ = socket.send_to(&question, peer.address());
            if socket.recv(&mut [0; 512]).is_ok() {
                return Self { peer, process };
            }
            process.is_there(peer.name());
            assert!(began.elapsed() < PATIENCE, "{} does not answer", peer.name());
        }
    }
}

/// Each container, and whether it is among those that are given for its service.
fn containers() -> impl Iterator<Item = (u32, u32)> {
    (0..STACK.services).flat_map(|service| (0..STACK.copies).map(move |copy| (service, copy)))
}

fn hosts() -> String {
    let mut text = String::new();
    for (service, copy) in containers() {
        let (address, name) = (STACK.container_address(service, copy), Stack::container_name(service, copy));
        let alias = if copy < ADDRESSES { format!("service-{service}.service.{ZONE}") } else { String::new() };
        writeln!(text, "{address} {name}.container.{ZONE} {alias}").unwrap();
    }
    text
}

fn dnsmasq(directory: &Path) -> String {
    let (address, directory) = (Peer::Dnsmasq.address(), directory.display());
    let mut text = format!(
        "port={}\nlisten-address={}\nbind-interfaces\nuser=root\ngroup=root\npid-file=\nno-resolv\nno-hosts\ncache-size=10000\n\
         addn-hosts={directory}/hosts\nlocal=/{ZONE}/\nlocal=/10.in-addr.arpa/\nlocal-ttl=5\n",
        address.port(),
        address.ip()
    );
    for (service, copy) in containers().filter(|(_, copy)| *copy < TARGETS) {
        let target = Stack::container_name(service, copy);
        writeln!(text, "srv-host=_service-{service}._tcp.{ZONE},{target}.container.{ZONE},8080,1,1").unwrap();
    }
    text
}

fn head(origin: &str) -> String {
    format!(
        "$ORIGIN {origin}.\n$TTL 5\n@ SOA lxd100.host.{ZONE}. hostmaster.{ZONE}. 1 60 10 3600 3\n\
         @ NS lxd100.host.{ZONE}.\n"
    )
}

/// The names in a zone, each line with a name, a type and its data.
fn records() -> Vec<(String, &'static str, String)> {
    let mut records = vec![(format!("lxd{}.host", STACK.hosts), "A", Stack::host_address(STACK.hosts).to_string())];
    for (service, copy) in containers() {
        let (address, name) = (STACK.container_address(service, copy), Stack::container_name(service, copy));
        records.push((format!("{name}.container"), "A", address.to_string()));
        if copy < ADDRESSES {
            records.push((format!("service-{service}.service"), "A", address.to_string()));
        }
        if copy < TARGETS {
            records.push((format!("_service-{service}._tcp"), "SRV", format!("1 1 8080 {name}.container.{ZONE}.")));
        }
    }
    records
}

fn reverse_records() -> impl Iterator<Item = (String, String)> {
    containers().map(|(service, copy)| {
        let [_, b, c, d] = STACK.container_address(service, copy).octets();
        (format!("{d}.{c}.{b}"), format!("{}.container.{ZONE}.", Stack::container_name(service, copy)))
    })
}

fn zone() -> String {
    records().into_iter().fold(head(ZONE), |text, (name, kind, data)| format!("{text}{name} {kind} {data}\n"))
}

fn reverse_zone() -> String {
    reverse_records().fold(head("10.in-addr.arpa"), |text, (name, target)| format!("{text}{name} PTR {target}\n"))
}

fn knot(directory: &Path) -> String {
    let (address, directory) = (Peer::Knot.address(), directory.display());
    let (ip, port) = (address.ip(), address.port());
    format!(
        "server:\n  rundir: {directory}\n  listen: {ip}@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
         database:\n  storage: {directory}\n\
         template:\n  - id: default\n    storage: {directory}\n    zonefile-sync: -1\n    journal-content: none\n\
         zone:\n  - domain: {ZONE}\n    file: zone\n  - domain: 10.in-addr.arpa\n    file: reverse\n"
    )
}

fn unbound(directory: &Path) -> String {
    let (address, directory) = (Peer::Unbound.address(), directory.display());
    let (ip, port) = (address.ip(), address.port());
    let mut text = format!(
        "server:\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  directory: \"{directory}\"\n  pidfile: \"\"\n  \
         use-syslog: no\n  num-threads: 1\n  interface: {ip}@{port}\n  access-control: 127.0.0.0/8 allow\n  \
         module-config: \"iterator\"\n  local-zone: \"{ZONE}.\" static\n  local-zone: \"10.in-addr.arpa.\" static\n"
    );
    for (zone, label) in [(ZONE, ""), ("10.in-addr.arpa", "")] {
        let soa = format!("{label}{zone}. 3 SOA lxd100.host.{ZONE}. hostmaster.{ZONE}. 1 60 10 3600 3");
        writeln!(text, "  local-data: \"{soa}\"").unwrap();
    }
    for (name, kind, data) in records() {
        writeln!(text, "  local-data: \"{name}.{ZONE}. 5 {kind} {data}\"").unwrap();
    }
    for (name, target) in reverse_records() {
        writeln!(text, "  local-data: \"{name}.10.in-addr.arpa. 5 PTR {target}\"").unwrap();
    }
    text
}
