//! A checked stack: what is left of the file when every default is filled in and every check has passed.

use std::fmt;
use std::net::Ipv4Addr;

use indexmap::IndexMap;
use ipnet::Ipv4Net;
use serde::Serialize;

use crate::address::AddressRange;

/// One stack. Maps keep the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// The name of the stack, part of every [`Key`](crate::key::Key).
    pub name: String,
    /// The entry of clouds.yaml that it runs on; `embedded` is the built-in cloud.
    pub cloud: String,
    /// The Neutron network that hosts and containers live on.
    pub network: Network,
    /// Groups of hosts.
    pub hosts: IndexMap<String, HostGroup>,
    /// Services, each of which runs in one or more containers.
    pub services: IndexMap<String, Service>,
    /// Balancers in front of services.
    pub balancers: IndexMap<String, Balancer>,
    /// The agents on the hosts.
    pub agent: Agent,
}

/// The agents, one on each host, and the ring that they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// Whether hosts have one.
    pub install: Install,
    /// Who else may join the ring, beside the stack's own hosts; the ring's key is asked for in any case.
    pub ring_from: Vec<Ipv4Net>,
}

/// Whether hosts have an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Install {
    /// Each has one.
    #[default]
    Yes,
    /// None has one; one that is there is taken away.
    No,
}

/// The network that hosts and containers share.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its name in Neutron.
    pub name: String,
    /// Which of its subnets; may be left out when it has exactly one IPv4 subnet.
    pub subnet: Option<Ipv4Net>,
    /// The external network that floating IPs come from; may be left out when no floating IP is wanted.
    pub external: Option<String>,
    /// Where containers without an address of their own get one.
    pub containers: AddressRange,
    /// What the subnet's DHCP allocation pool is to be narrowed to, so that Neutron never gives a container's address away.
    pub dhcp_pool: Option<AddressRange>,
    /// How containers pass port security.
    pub attach: AttachChoice,
    /// How a container learns its address.
    pub addressing: Addressing,
}

/// How containers shall pass port security: one way, or whatever the cloud allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachChoice {
    /// Chosen by probing extensions, rights and limits.
    Auto,
    /// This one or none.
    Only(Attachment),
}

/// How a container's packets pass the port security of its host's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attachment {
    /// A bridged NIC with a MAC of its own, and a pair of exactly this address and this MAC on the host's port.
    PairMac,
    /// A routed NIC that shares the host's MAC, and a pair of exactly this address.
    PairIp,
    /// A bridged NIC on a host whose port has port security switched off.
    Open,
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PairMac => "pair-mac",
            Self::PairIp => "pair-ip",
            Self::Open => "open",
        })
    }
}

/// How a container learns its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Addressing {
    /// From the host's dnsmasq, which knows the container's MAC.
    Dnsmasq,
    /// From cloud-init's network configuration (version 2) in the container's configuration.
    NetworkConfig,
    /// From LXC itself by `raw.lxc` keys, with cloud-init's own network configuration kept to link-local.
    RawLxc,
}

/// Hosts that are made alike: `count` servers named `lxd0`, `lxd1`, ….
#[derive(Clone, Debug, PartialEq)]
pub struct HostGroup {
    /// How many.
    pub count: u32,
    /// The name of a Glance image.
    pub image: String,
    /// The name of a Nova flavor.
    pub flavor: String,
    /// The name of a Nova key pair.
    pub key: String,
    /// Who may open ssh connections to a host.
    pub ssh_from: Vec<Ipv4Net>,
    /// Whether the first host gets a floating IP; it is then the jump host of the others.
    pub floating_ip: FloatingIp,
    /// What runs the containers.
    pub engine: Engine,
    /// The driver of the engine's storage pool.
    pub storage: Storage,
    /// How a host's ssh key becomes known.
    pub host_key: HostKeyChoice,
    /// The Nova availability zone, where the author cares.
    pub availability_zone: Option<String>,
}

/// Whether something is to have a floating IP, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatingIp {
    /// None.
    No,
    /// One of the stack's own; an unused one first, else a new one.
    Any,
    /// This one, which the project has already: it is associated and, in the end, disassociated, never deleted.
    Given(Ipv4Addr),
}

/// What runs containers on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Canonical's LXD.
    Lxd,
    /// The Linux Containers project's Incus.
    Incus,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lxd => "lxd",
            Self::Incus => "incus",
        })
    }
}

/// The driver of an engine's storage pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// A plain directory.
    Dir,
    /// A btrfs file system, on a loop file.
    Btrfs,
    /// A ZFS pool, on a loop file.
    Zfs,
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dir => "dir",
            Self::Btrfs => "btrfs",
            Self::Zfs => "zfs",
        })
    }
}

/// How the ssh host key of a host becomes known to whoever logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeyChoice {
    /// From the console, and where Nova shows none, injected.
    Auto,
    /// From the console: the host makes its key, and nobody else ever has the private half.
    Console,
    /// It is handed in with the user-data, which whoever asks the metadata service from the host's port can read.
    Injected,
}

/// A service: `replicas` containers made alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// What its containers are made from.
    pub image: ContainerImage,
    /// How many containers.
    pub replicas: u32,
    /// The address of the first container; the others get theirs from `network.containers`.
    pub address: Option<Ipv4Addr>,
    /// The TCP port that the service listens on.
    pub port: Option<u16>,
    /// The `#cloud-config` that its containers run once, on their first boot.
    pub user_data: Option<String>,
    /// The group of hosts that its containers run on.
    pub hosts: String,
    /// What a container may use of its host.
    pub limits: Limits,
    /// What it tells the others about itself.
    pub announce: Announce,
}

/// What containers are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerImage {
    /// An alias of a simplestreams server, which the engine fetches by itself.
    Simplestreams {
        /// The server's URL.
        server: String,
        /// The alias there, such as `24.04`.
        alias: String,
    },
    /// A unified image tarball on the operator's machine, uploaded to each host.
    File {
        /// Where it lies, relative to the file.
        path: String,
        /// SHA-256 of its content in hexadecimal, which is also the engine's fingerprint of it.
        fingerprint: String,
    },
}

/// What a container may use; what is left out is not limited. Changed in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `limits.cpu` of the engine: a number of CPUs, or a set of them.
    pub cpu: Option<String>,
    /// `limits.memory` of the engine, such as `512MiB`.
    pub memory: Option<String>,
}

/// What a service tells the others about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announce {
    /// Words that others look it up by.
    pub capabilities: Vec<String>,
    /// How its health is seen.
    pub monitor: Vec<MonitoringPoint>,
    /// How often it is looked at, and what so many looks in a row mean.
    pub check: Check,
}

/// How the monitoring points of a service are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Seconds from the beginning of one look to that of the next, more or less a tenth.
    pub interval: u16,
    /// Seconds that a look may take; a longer one is critical.
    pub timeout: u16,
    /// How many good looks in a row end a bad state.
    pub rise: u16,
    /// How many bad looks in a row end a good state.
    pub fall: u16,
}

impl Default for Check {
    fn default() -> Self {
        Self { interval: 5, timeout: 2, rise: 2, fall: 3 }
    }
}

/// One way to see whether a service is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MonitoringPoint {
    /// A path that answers HTTP with success.
    Http(String),
    /// A TCP port that accepts connections.
    Tcp(u16),
    /// A path where metrics are read; it is no check.
    Metrics(String),
    /// A command in the container that ends with 0: its words.
    Exec(Vec<String>),
    /// A systemd unit of the container that is active.
    Unit(String),
    /// cloud-init of the container has ended clean.
    CloudInit,
}

/// An Octavia load balancer in front of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Balancer {
    /// The service whose containers are its members.
    pub service: String,
    /// The port that it listens on.
    pub listen: u16,
    /// What it speaks.
    pub protocol: Protocol,
    /// How it chooses a member.
    pub method: Method,
    /// The VIP; left to Neutron when absent.
    pub address: Option<Ipv4Addr>,
    /// Whether it is published.
    pub floating_ip: FloatingIp,
    /// Who may connect.
    pub allow: Vec<Ipv4Net>,
    /// The path that its health monitor asks for; `None` checks that the port accepts connections.
    pub monitor_path: Option<String>,
    /// Octavia's provider, such as `amphora` or `ovn`; Octavia's own choice when absent.
    pub provider: Option<String>,
}

/// What a balancer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// Any bytes.
    Tcp,
}

/// How a balancer chooses a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest connections.
    LeastConnections,
    /// Always the same one for a client's address.
    SourceIp,
    /// Always the same one for a client's address and port; the only one that the OVN provider knows.
    SourceIpPort,
}

impl Stack {
    /// The names of all hosts with their group, in order: `lxd0`, `lxd1`, ….
    pub fn host_names(&self) -> impl Iterator<Item = (String, &str)> {
        self.hosts
            .iter()
            .flat_map(|(group, hosts)| (0..hosts.count).map(move |n| (format!("{group}{n}"), group.as_str())))
    }

    /// The names of all containers with their service, in order: `hugo-0`, `hugo-1`, ….
    pub fn container_names(&self) -> impl Iterator<Item = (String, &str)> {
        self.services
            .iter()
            .flat_map(|(name, service)| (0..service.replicas).map(move |n| (format!("{name}-{n}"), name.as_str())))
    }
}
