//! What a step does, fully decided: whoever carries it out only looks up ids.
//!
//! Resources of the stack are named by [`Key`], because most of them do not exist yet when the plan is made; resources
//! of others, and surplus ones that share a key, are named by id.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

use crate::address::{AddressRange, Mac};
use crate::key::Key;
use crate::observed::{Admits, Pair, PoolsBefore, Profile};
use crate::render::InstanceConfig;
use crate::spec::model::{ContainerImage, Engine};

/// One thing to do to one cloud, engine or host. The fields are named as in the services' own requests.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variant says it; the fields are the words of the services' API references")]
pub enum Action {
    /// Note a subnet's pools in a tag of it, then narrow them.
    NarrowPools { subnet_id: String, pools: Vec<AddressRange>, before: Option<PoolsBefore> },
    /// Give a subnet its pools back, then remove the tag.
    RestorePools { subnet_id: String, before: PoolsBefore },
    /// Make an empty security group.
    CreateSecurityGroup { name: String },
    /// Make ingress rules in one request.
    CreateRules { group: Key, admits: Vec<Admits> },
    /// Remove an ingress rule.
    DeleteRule { id: String },
    /// Make a server group with soft anti-affinity.
    CreateServerGroup { name: String },
    /// Hold addresses by unbound ports, in one request.
    Reserve { network_id: String, subnet_id: String, addresses: Vec<(Key, Ipv4Addr)> },
    /// Make a host's port.
    CreatePort {
        name: String,
        network_id: String,
        subnet_id: String,
        mac: Mac,
        security_groups: Vec<Key>,
        port_security: bool,
        pairs: Vec<Pair>,
    },
    /// Set the whole list of pairs of a port, if it is still the one that was seen.
    SetPairs { port: Key, pairs: Vec<Pair>, revision: Option<u64> },
    /// Set a port's security groups and whether port security is on.
    SetPortSecurity { port: Key, security_groups: Vec<Key>, port_security: bool },
    /// Boot a server.
    CreateServer {
        name: String,
        image_id: String,
        flavor_id: String,
        key_name: String,
        port: Key,
        user_data: String,
        user_data_hash: String,
        host_key: HostKeySource,
        group: Option<Key>,
        availability_zone: Option<String>,
    },
    /// Start a server that was stopped.
    StartServer { id: String },
    /// Take a new floating IP and lead it to a port, in one request.
    CreateFloatingIp { external_id: String, port: Key },
    /// Lead a floating IP that exists to a port, and note on it why.
    MoveFloatingIp { id: String, port: Key, claim: Claim },
    /// Lead a floating IP that the file gave nowhere, and take the note away. It stays the project's.
    ReleaseFloatingIp { id: String },
    /// Wait until a host's server is active, it answers ssh, its cloud-init ended clean and its engine answers.
    AwaitHost { host: String, engine: Engine },
    /// Write a profile.
    PutProfile { host: String, name: String, description: String, profile: Profile, write: Write },
    /// Remove a profile.
    DeleteProfile { host: String, name: String },
    /// Bring an image to a host.
    ImportImage { host: String, image: ContainerImage },
    /// Make a container known to its host's dnsmasq.
    PutDhcpHost { host: String, name: String, line: String },
    /// Make a host's dnsmasq forget a container.
    RemoveDhcpHost { host: String, name: String },
    /// Give a host the agent or what of it is missing, and have it run with that. `program` is the hash of the program
    /// to push, `others` are the hosts whose addresses it is told as places where the ring may be.
    PutAgent {
        host: String,
        program: Option<String>,
        files: Vec<AgentFile>,
        key: Option<KeySource>,
        others: Vec<String>,
        then: Then,
    },
    /// Take the agent off a host.
    RemoveAgent { host: String },
    /// Make a container, stopped.
    CreateContainer { host: String, name: String, image: ContainerImage, config: Box<InstanceConfig> },
    /// Change a container's configuration while it runs; an empty value removes a key.
    ConfigureContainer { host: String, name: String, config: BTreeMap<String, String> },
    /// Start a container.
    StartContainer { host: String, name: String },
    /// Wait until a container's cloud-init ended clean and its address answers, then note that on it.
    AwaitContainer { host: String, name: String, address: Ipv4Addr, port: Option<u16>, generation: String },
    /// Stop and remove a container.
    DeleteContainer { host: String, name: String },
    /// Make a load balancer: with all its children in one request, or alone.
    CreateBalancer { parts: Box<BalancerParts>, write: Write },
    /// Wait until a load balancer and its children are settled.
    AwaitBalancer { balancer: Key },
    /// Make a listener.
    CreateListener { balancer: Key, pool: Key, parts: ListenerParts },
    /// Change who may connect to a listener, and the pool that it leads to.
    ChangeListener { balancer: Key, id: String, allowed_cidrs: Vec<String>, pool: Key },
    /// Remove a listener.
    DeleteListener { balancer: Key, id: String },
    /// Make a pool.
    CreatePool { balancer: Key, parts: PoolParts },
    /// Change how a pool chooses its members.
    ChangePool { balancer: Key, id: String, algorithm: String },
    /// Remove a pool.
    DeletePool { balancer: Key, id: String },
    /// Set all members of a pool in one request.
    SetMembers { balancer: Key, pool: Key, members: Vec<MemberParts> },
    /// Wait until a pool's member is settled and takes requests.
    AwaitMember { balancer: Key, pool: Key, name: String, address: Ipv4Addr, port: u16 },
    /// Make a pool's health monitor.
    CreateMonitor { balancer: Key, pool: Key, parts: MonitorParts },
    /// Change the path that a health monitor asks for.
    ChangeMonitor { balancer: Key, id: String, path: String },
    /// Remove a health monitor.
    DeleteMonitor { balancer: Key, id: String },
    /// Set the security groups of a VIP, through Octavia.
    SetVipSecurityGroups { balancer: Key, groups: Vec<Key> },
    /// Remove a load balancer with its children and wait until it is gone.
    DeleteBalancer { id: String },
    /// Remove a floating IP.
    DeleteFloatingIp { id: String },
    /// Remove a server and wait until it is gone.
    DeleteServer { id: String },
    /// Remove a port.
    DeletePort { id: String },
    /// Remove a security group.
    DeleteSecurityGroup { id: String },
    /// Remove a server group.
    DeleteServerGroup { id: String },
}

/// A file of an agent's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFile {
    /// Where it lies on the host.
    pub path: String,
    /// All of it.
    pub content: String,
}

/// Where a host gets the ring's key from. The key itself is in no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Nobody has one yet: the run draws one, the same for all hosts.
    Drawn,
    /// From another host.
    Host(String),
}

/// What makes an agent take up what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It ends and begins anew, and is ready before the step is over.
    Restart,
    /// It reads the picture again.
    Reload,
}

/// Where the ssh host key of a new server comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HostKeySource {
    /// It makes one, and shows its public half on its console.
    Console,
    /// One is drawn for the request that makes the server, which carries both halves: the private one at the end of the
    /// user-data, the public one as metadata. It is in no plan.
    Injected,
}

/// What a floating IP that is led to a port is marked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: it carries our key already, or the cloud keeps no tags.
    Nothing,
    /// Our key: from now on it is the stack's.
    Key,
    /// A tag that says that the file gave it: it stays the project's.
    Given,
}

/// How something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It does not exist, or (a balancer) it is made whole in one request.
    Whole,
    /// It exists, or (a balancer) it is made alone and its children follow.
    Part,
}

/// A load balancer with all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct BalancerParts {
    /// Its name, for people.
    pub name: String,
    /// What carries it, where the file says so; else Octavia's own choice.
    pub provider: Option<String>,
    /// The subnet of the VIP.
    pub subnet_id: String,
    /// The VIP, where the file gives one.
    pub address: Option<Ipv4Addr>,
    /// Security groups of the VIP, where Octavia takes them.
    pub security_groups: Vec<Key>,
    /// Its listener.
    pub listener: ListenerParts,
    /// Its pool.
    pub pool: PoolParts,
    /// The members of the pool.
    pub members: Vec<MemberParts>,
    /// The monitor of the pool.
    pub monitor: MonitorParts,
}

/// A listener, in Octavia's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerParts {
    /// Its name.
    pub name: String,
    /// `HTTP` or `TCP`.
    pub protocol: &'static str,
    /// The port that it listens on.
    pub port: u16,
    /// Who may connect; empty where security groups say so.
    pub allowed_cidrs: Vec<String>,
}

/// A pool, in Octavia's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolParts {
    /// Its name, by which a graph refers to it.
    pub name: String,
    /// `HTTP` or `TCP`.
    pub protocol: &'static str,
    /// `ROUND_ROBIN`, `LEAST_CONNECTIONS`, `SOURCE_IP`, `SOURCE_IP_PORT`.
    pub algorithm: &'static str,
}

/// A member of a pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberParts {
    /// The container's name.
    pub name: String,
    /// The container's address.
    pub address: Ipv4Addr,
    /// The port that the service listens on.
    pub port: u16,
    /// The subnet of the address.
    pub subnet_id: String,
}

/// A health monitor, in Octavia's words; the numbers are seconds and tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorParts {
    /// Its name.
    pub name: String,
    /// `HTTP` or `TCP`.
    pub kind: &'static str,
    /// The path that it asks for, for `HTTP`.
    pub path: Option<String>,
}
