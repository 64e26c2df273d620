//! What the cloud has, as the plan needs to know it: plain facts, read once, in no vendor's wire format.
//!
//! Whoever observes fills this in from lists (one request a kind). What carries no key of ours is kept only where it
//! matters: as a holder of an address, as a neighbour in a list that we share, as a resource that the file names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::address::{AddressRange, Mac};
use crate::key::Key;

/// Everything that was seen of one stack and of what it stands on.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// What the cloud's services can do, and what this user may do.
    pub capabilities: Capabilities,
    /// Every network with the name that the file gives.
    pub networks: Vec<Network>,
    /// The external network of the file's name, when there is exactly one.
    pub external: Vec<ExternalNetwork>,
    /// Names of what the file refers to, as the cloud has it.
    pub catalogue: Catalogue,
    /// Limits and use, where the service tells.
    pub quotas: Quotas,
    /// All ports on the network, ours and others'.
    pub ports: Vec<Port>,
    /// Security groups that carry a key of this stack.
    pub security_groups: Vec<SecurityGroup>,
    /// Server groups of this stack.
    pub server_groups: Vec<ServerGroup>,
    /// Servers of this stack.
    pub servers: Vec<Server>,
    /// Every floating IP of the project.
    pub floating_ips: Vec<FloatingIp>,
    /// Load balancers of this stack, with their children.
    pub balancers: Vec<Balancer>,
    /// What lies on each host, by the host's name. A host that is missing here was not looked into.
    pub hosts: BTreeMap<String, HostView>,
    /// The program that hosts can be given as their agent; `None` where nobody asked for it.
    pub agent_program: Option<AgentProgram>,
}

impl Observed {
    /// What lies on a host, where it could be looked into.
    pub fn inside(&self, host: &str) -> Option<&Inside> {
        match self.hosts.get(host) {
            Some(HostView::Ready(inside)) => Some(inside),
            _ => None,
        }
    }
}

/// What the operator's machine has to give hosts as their agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentProgram {
    /// This one.
    Here {
        /// SHA-256 of its content in hexadecimal.
        sha256: String,
        /// How long it is.
        bytes: u64,
        /// What it says that it is.
        version: String,
    },
    /// None, for this reason.
    Missing(String),
}

/// What the cloud can do and what this user may do.
#[derive(Clone, Debug, Default)]
pub struct Capabilities {
    /// Aliases of Neutron's extensions, from `GET /v2.0/extensions`.
    pub extensions: BTreeSet<String>,
    /// The project that the token is for.
    pub project_id: String,
    /// The highest version of the load-balancer API as (major, minor); `None` where there is no such service.
    pub balancer_api: Option<(u32, u32)>,
    /// Names of Octavia's providers; empty where they cannot be listed.
    pub balancer_providers: BTreeSet<String>,
    /// Why the stack's load balancers could not be looked at, where they could not: what is left of them is not known.
    pub balancers_unseen: Option<String>,
}

/// A Neutron network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The project that owns it: only its members may set pairs and choose addresses on it.
    pub project_id: String,
    /// In bytes, as Neutron computes it for the overlay.
    pub mtu: u32,
    /// The default for its ports.
    pub port_security: bool,
    /// Its IPv4 subnets.
    pub subnets: Vec<Subnet>,
}

/// A Neutron IPv4 subnet.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its addresses.
    pub cidr: Ipv4Net,
    /// Where packets leave it.
    pub gateway: Option<Ipv4Addr>,
    /// What Neutron gives away by itself.
    pub pools: Vec<AddressRange>,
    /// Resolvers.
    pub nameservers: Vec<Ipv4Addr>,
    /// Ids of external networks that a router connects it to.
    pub routed_to: BTreeSet<String>,
    /// The pools it had before the stack narrowed them, kept in a tag of the subnet.
    pub pools_before: Option<PoolsBefore>,
    /// For If-Match.
    pub revision: Option<u64>,
}

/// What a subnet's pools were before a stack narrowed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolsBefore {
    /// The tag that keeps them, as it stands on the subnet.
    pub tag: String,
    /// The pools.
    pub pools: Vec<AddressRange>,
}

impl PoolsBefore {
    /// What `stack` writes on a subnet before it narrows `pools`.
    pub fn of(stack: &str, pools: &[AddressRange]) -> Self {
        let listed: Vec<String> = pools.iter().map(ToString::to_string).collect();
        Self { tag: format!("{}:pools={}", crate::key::stack_tag(stack), listed.join("+")), pools: pools.to_vec() }
    }

    /// Reads one of a subnet's tags; `None` when it is not such a tag of `stack`.
    pub fn read(stack: &str, tag: &str) -> Option<Self> {
        let listed = tag.strip_prefix(&crate::key::stack_tag(stack))?.strip_prefix(":pools=")?;
        let pools = listed.split('+').map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self { tag: tag.to_owned(), pools })
    }
}

/// A network that floating IPs come from.
#[derive(Clone, Debug, Default)]
pub struct ExternalNetwork {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Ids behind the names in the file. More than one id for a name is an ambiguity that the plan reports.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Glance images by name.
    pub images: BTreeMap<String, Vec<String>>,
    /// Nova flavors by name.
    pub flavors: BTreeMap<String, Vec<Flavor>>,
    /// Nova key pairs by name, with the public key.
    pub key_pairs: BTreeMap<String, String>,
}

/// A Nova flavor.
#[derive(Clone, Debug, Default)]
pub struct Flavor {
    /// Its id.
    pub id: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub ram_mib: u32,
}

/// What is left of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The most there may be; negative: no limit.
    pub limit: i64,
    /// Used and reserved together.
    pub used: i64,
}

/// Quotas by resource, in the services' own words (`port`, `floatingip`, `instances`, `cores`, `ram`, `load_balancer`, …).
#[derive(Clone, Debug, Default)]
pub struct Quotas(pub BTreeMap<String, Quota>);

/// A Neutron port.
#[derive(Clone, Debug, Default)]
pub struct Port {
    /// Its id.
    pub id: String,
    /// The key that it carries, when it is of a stack.
    pub key: Option<Key>,
    /// Its name, for people.
    pub name: String,
    /// Who made it (`network:dhcp`, `compute:nova`, `Octavia`, …); empty when unbound.
    pub device_owner: String,
    /// What it is plugged into; empty when unbound.
    pub device_id: String,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
    /// Its addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// Ids of its security groups.
    pub security_groups: BTreeSet<String>,
    /// Whether port security is on.
    pub port_security: bool,
    /// Its allowed address pairs.
    pub pairs: BTreeSet<Pair>,
    /// For If-Match.
    pub revision: Option<u64>,
}

/// An allowed address pair.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// As Neutron fills it in.
    pub mac: String,
    /// An address, or a range in CIDR notation.
    pub address: String,
}

/// A security group of the stack.
#[derive(Clone, Debug)]
pub struct SecurityGroup {
    /// Its id.
    pub id: String,
    /// Its key.
    pub key: Key,
    /// Its ingress rules.
    pub rules: Vec<Rule>,
}

/// An ingress rule as it stands.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// What it lets in.
    pub admits: Admits,
}

/// What an ingress rule lets in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admits {
    /// TCP to one port from addresses.
    TcpFrom(u16, Ipv4Net),
    /// TCP to one port from members of the same group.
    TcpFromGroup(u16),
    /// UDP to one port from addresses.
    UdpFrom(u16, Ipv4Net),
    /// Something else, which we did not write.
    Other(String),
}

/// A Nova server group of the stack.
#[derive(Clone, Debug)]
pub struct ServerGroup {
    /// Its id.
    pub id: String,
    /// Its key.
    pub key: Key,
}

/// A server of the stack.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// Its key.
    pub key: Key,
    /// Nova's status, such as `ACTIVE`, `BUILD`, `ERROR`.
    pub status: String,
    /// Why it is in `ERROR`, where Nova says.
    pub fault: Option<String>,
    /// Hash of the user-data it was booted with, from its metadata.
    pub user_data_hash: Option<String>,
    /// Whether it was handed its ssh host key, from its metadata: on a cloud that shows no consoles.
    pub host_key_injected: bool,
}

/// A floating IP of the project.
#[derive(Clone, Debug)]
pub struct FloatingIp {
    /// Its id.
    pub id: String,
    /// The key that it carries, when it is of a stack.
    pub key: Option<Key>,
    /// The address.
    pub address: Ipv4Addr,
    /// The port that it leads to.
    pub port_id: Option<String>,
    /// Whether the stack led it there because its file gave it: the project's own, and to be let go and not deleted.
    pub given: bool,
}

impl FloatingIp {
    /// What `stack` notes on a floating IP that its file gives.
    pub fn given_tag(stack: &str) -> String {
        format!("{}:given", crate::key::stack_tag(stack))
    }
}

/// An Octavia load balancer of the stack with its children.
#[derive(Clone, Debug)]
pub struct Balancer {
    /// Its id.
    pub id: String,
    /// Its key.
    pub key: Key,
    /// Whether it is settled.
    pub state: Provisioning,
    /// Octavia's operating status, such as `ONLINE`.
    pub operating: String,
    /// What carries it: `amphora`, `ovn`, …
    pub provider: String,
    /// The VIP.
    pub vip: Option<Ipv4Addr>,
    /// The VIP's port.
    pub vip_port_id: String,
    /// Security groups given at creation (`vip_sg_ids`).
    pub vip_security_groups: BTreeSet<String>,
    /// Whether it was made piece by piece because a graph got stuck here before.
    pub by_pieces: bool,
    /// Its listeners.
    pub listeners: Vec<Listener>,
    /// Its pools.
    pub pools: Vec<Pool>,
}

/// Octavia's `provisioning_status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provisioning {
    /// Settled.
    Active,
    /// Being worked on, with Octavia's word for it.
    Pending(String),
    /// Said to be worked on for longer than anything takes, though its load balancer is settled. Only a rebuild helps.
    Stuck(String),
    /// Failed.
    Error,
}

/// A listener as it stands.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is settled.
    pub state: Provisioning,
    /// Octavia's protocol word.
    pub protocol: String,
    /// The port that it listens on.
    pub port: u16,
    /// Who may connect; empty: all.
    pub allowed_cidrs: BTreeSet<String>,
    /// The pool that it leads to.
    pub default_pool_id: Option<String>,
}

/// A pool as it stands.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is settled.
    pub state: Provisioning,
    /// Octavia's protocol word.
    pub protocol: String,
    /// Octavia's algorithm word.
    pub algorithm: String,
    /// Its members.
    pub members: Vec<Member>,
    /// Its health monitor.
    pub monitor: Option<Monitor>,
}

/// A member of a pool as it stands.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: Ipv4Addr,
    /// The port that it serves on.
    pub port: u16,
    /// Whether it is settled.
    pub state: Provisioning,
    /// Octavia's operating status, such as `ONLINE`, `ERROR`, `NO_MONITOR`.
    pub operating: String,
}

/// A health monitor as it stands.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// Its id.
    pub id: String,
    /// Whether it is settled.
    pub state: Provisioning,
    /// Octavia's type word: `HTTP`, `TCP`.
    pub kind: String,
    /// The path that it asks for.
    pub path: Option<String>,
}

/// What was seen of a host from inside.
#[derive(Clone, Debug)]
pub enum HostView {
    /// Not yet: it cannot be reached, for this reason.
    Unreachable(String),
    /// Its cloud-init is still at work.
    Preparing,
    /// Its cloud-init ended with errors.
    Failed(HostFailure),
    /// Its ssh host key cannot be learned, now or later: Nova shows no console of it, in these words.
    NoConsole(String),
    /// All that lies on it.
    Ready(Inside),
}

/// How the cloud-init of a host failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFailure {
    /// The failing modules with their errors, in one line.
    pub errors: String,
    /// The end of its log.
    pub log: String,
    /// Names of the stack's containers on it; `None` where its engine does not answer. A host that was well before may
    /// fail in a later boot.
    pub containers: Option<BTreeSet<String>>,
}

impl fmt::Display for HostFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.errors, self.log.trim_end())
    }
}

/// What lies on a host.
#[derive(Clone, Debug, Default)]
pub struct Inside {
    /// Profiles by name, each with the key it carries.
    pub profiles: BTreeMap<String, Profile>,
    /// Aliases and fingerprints of images.
    pub images: BTreeSet<String>,
    /// Files in the directory of DHCP hosts: name and content.
    pub dhcp_hosts: BTreeMap<String, String>,
    /// Containers that carry a key of this stack, by name.
    pub containers: BTreeMap<String, Container>,
    /// Names of containers that do not carry one.
    pub foreign: BTreeSet<String>,
    /// What there is of the agent.
    pub agent: Agent,
}

/// What of the agent lies on a host: each thing as SHA-256 of its content in hexadecimal, where it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// The program.
    pub program: Option<String>,
    /// Its settings.
    pub settings: Option<String>,
    /// Its systemd unit.
    pub unit: Option<String>,
    /// The picture of the stack that it has.
    pub picture: Option<String>,
    /// The key that the ring is sealed with: a hash that tells one from another, and nothing of the key.
    pub ring_key: Option<String>,
    /// Whether it runs.
    pub running: bool,
    /// Whether a run has begun to change it and did not get to its end: it may run with what it had before.
    pub unfinished: bool,
}

impl Agent {
    /// What is observed of a host without any.
    pub const NONE: Self = Self {
        program: None,
        settings: None,
        unit: None,
        picture: None,
        ring_key: None,
        running: false,
        unfinished: false,
    };
}

/// A profile as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Its configuration.
    pub config: BTreeMap<String, String>,
    /// Its devices.
    pub devices: BTreeMap<String, BTreeMap<String, String>>,
}

/// A container of the stack as it stands.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its key.
    pub key: Key,
    /// Whether its creation came to its end. One whose engine died in the middle is listed, has no disk, and never starts.
    pub whole: bool,
    /// Whether it runs.
    pub running: bool,
    /// Its own configuration, without what it inherits.
    pub config: BTreeMap<String, String>,
}
