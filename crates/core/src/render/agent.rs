//! What a host is given so that it has an agent: settings, a systemd unit, and a picture of the stack.
//!
//! The settings and the unit say what the agent is, and a change of them restarts it. The picture says what the stack
//! should look like, for whoever looks at the agent's page; it changes more often and is read again without a restart.
//! What only one run of Pontoon knows (the addresses of other hosts) is in neither, so that neither differs from one
//! look to the next.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::json;

use crate::spec::model::Engine;

use super::{BRIDGE, engine_sockets};

/// The account that agents run as. It is made at a host's first boot and owns nothing but what the agent writes.
pub const AGENT_USER: &str = "pontoon-agent";
/// The program on a host.
pub const AGENT_PROGRAM: &str = "/var/lib/pontoon/bin/pontoon";
/// The directory of the program; containers see it at [`PROGRAM_IN_CONTAINER`].
pub const AGENT_PROGRAM_DIRECTORY: &str = "/var/lib/pontoon/bin";
/// What the agent keeps: the ring's keys, and how to find the ring again.
pub const AGENT_STATE_DIRECTORY: &str = "/var/lib/pontoon/agent";
/// The ring's keys, in the form of Serf's keyring file; the first one seals.
pub const AGENT_KEYRING: &str = "/var/lib/pontoon/agent/keyring";
/// One directory a container, with the socket by which it speaks for itself.
pub const ANNOUNCE_DIRECTORY: &str = "/var/lib/pontoon/announce";
/// The agent's settings.
pub const AGENT_SETTINGS: &str = "/etc/pontoon/agent.json";
/// What the stack should look like.
pub const AGENT_PICTURE: &str = "/etc/pontoon/stack.json";
/// Addresses of other hosts, one a line, where the ring can be found.
pub const AGENT_SEEDS: &str = "/etc/pontoon/seeds";
/// There while something of the agent's is being changed: until it was told to take it up, it may run with what it had
/// before, whatever lies in its files.
pub const AGENT_UNFINISHED: &str = "/var/lib/pontoon/agent/unfinished";
/// The agent's systemd unit.
pub const AGENT_UNIT: &str = "/etc/systemd/system/pontoon-agent.service";
/// The name of the unit.
pub const AGENT_SERVICE: &str = "pontoon-agent.service";

/// Where a container finds the socket by which it speaks for itself: a directory of its own, read-only.
pub const ANNOUNCE_IN_CONTAINER: &str = "/dev/pontoon/announce";
/// Where a container finds the program.
pub const PROGRAM_IN_CONTAINER: &str = "/dev/pontoon/bin";

/// Where members of the ring listen, by UDP and TCP (Serf's port).
pub const RING_PORT: u16 = 7946;
/// Where agents ask each other for their parts of the catalogue, by TCP.
pub const EXCHANGE_PORT: u16 = 7947;
/// Where agents answer DNS. A host's dnsmasq passes the stack's zone on to it.
pub const AGENT_DNS_PORT: u16 = 8600;

/// What an agent is told about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentDocument {
    /// The stack.
    pub stack: String,
    /// Its host.
    pub host: String,
    /// The subnet of hosts and containers: whom it answers.
    pub subnet: Ipv4Net,
    /// What runs the containers.
    pub engine: Engine,
}

/// The content of [`AGENT_SETTINGS`].
pub fn agent_settings(document: &AgentDocument) -> String {
    pretty(&json!({
        "stack": document.stack,
        "host": document.host,
        "bridge": BRIDGE,
        "networks": [document.subnet.trunc()],
        "engine_sockets": engine_sockets(document.engine),
    }))
}

/// The questions of one container that a host's DNS servers are given each second, and how many at once after a rest. The
/// kernel drops what is more: dnsmasq and the agent take questions as they come, so that the others' would be lost among
/// those of one that floods them.
const QUESTIONS_A_SECOND: u32 = 1000;
const QUESTIONS_AT_ONCE: u32 = 2000;
/// The table of nftables that looks at questions.
const QUESTIONS_TABLE: &str = "inet pontoon-questions";

/// What `nft` is told so that a host's DNS servers answer the stack's subnet and nobody else, for dnsmasq looks at nobody's
/// address, and so that the questions of each container are counted. A bridged container is known by its Ethernet
/// address, which the engine holds it to, where it may write any IP address on its packets; a routed one by its card on
/// the host. What a host asks of itself, as its dnsmasq does of the agent, is not looked at.
fn question_rules(subnet: Ipv4Net) -> String {
    let table = QUESTIONS_TABLE;
    let members = "flags dynamic, timeout; timeout 10s; size 4096;";
    let limit = format!("limit rate over {QUESTIONS_A_SECOND}/second burst {QUESTIONS_AT_ONCE} packets");
    let rules = [
        format!("meta l4proto {{ tcp, udp }} th dport {{ 53, {AGENT_DNS_PORT} }} iifname != lo jump question"),
        format!("ip saddr != {subnet} counter drop", subnet = subnet.trunc()),
        "meta l4proto != udp accept".to_owned(),
        format!("iifname {BRIDGE} update @bridged {{ ether saddr {limit} }} counter drop"),
        format!("iifname veth* update @routed {{ iif {limit} }} counter drop"),
    ];
    let mut commands = vec![
        // There again by the next command, so that what an earlier start has put there is gone.
        format!("add table {table}; delete table {table}; add table {table}"),
        format!("add set {table} bridged {{ type ether_addr; {members} }}"),
        format!("add set {table} routed {{ type iface_index; {members} }}"),
        format!("add chain {table} question"),
        format!("add chain {table} input {{ type filter hook input priority -10; }}"),
    ];
    let chains = std::iter::once("input").chain(std::iter::repeat("question"));
    commands.extend(chains.zip(rules).map(|(chain, rule)| format!("add rule {table} {chain} {rule}")));
    commands.join("; \\\n    ")
}

/// The content of [`AGENT_UNIT`]. The group of the engine's socket is worth as much as root to whoever has it, since it
/// can start privileged containers; all else is taken away.
pub fn agent_unit(document: &AgentDocument) -> String {
    let group = match document.engine {
        Engine::Lxd => "lxd",
        Engine::Incus => "incus-admin",
    };
    format!(
        "\
[Unit]
Description=Agent of the stack {stack}: what its containers announce, and where the others are
Wants=network-online.target
After=network-online.target lxd.service snap.lxd.daemon.service incus.service
StartLimitIntervalSec=0

[Service]
Type=notify
# As root, and without it the agent still runs.
ExecStartPre=-+/usr/sbin/nft '{question_rules}'
ExecStopPost=-+/usr/sbin/nft delete table {QUESTIONS_TABLE}
ExecStart={AGENT_PROGRAM} agent run --config {AGENT_SETTINGS}
ExecReload=/bin/kill -HUP $MAINPID
# Meanwhile its sockets stay, so that whoever asks waits for the next one.
FileDescriptorStoreMax=32
# One that is only restarted does not say that it leaves: it is back before anybody minds.
RestartKillSignal=SIGQUIT
User={AGENT_USER}
SupplementaryGroups={group}
Restart=always
RestartSec=2
TimeoutStartSec=60
TimeoutStopSec=20

MemoryMax=256M
TasksMax=64
LimitNOFILE=16384
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={AGENT_STATE_DIRECTORY} {ANNOUNCE_DIRECTORY}
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077

[Install]
WantedBy=multi-user.target
",
        stack = document.stack,
        question_rules = question_rules(document.subnet),
    )
}

/// A keyring of one key, which is 32 bytes long.
pub fn keyring(key_in_base64: &str) -> String {
    format!("{}\n", json!([key_in_base64]))
}

/// What the stack should look like, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// The Neutron network.
    pub network: String,
    /// Where floating IPs come from.
    pub external: Option<String>,
    /// How containers pass port security, and why so.
    pub attachment: (String, String),
    /// Hosts.
    pub hosts: Vec<PictureHost>,
    /// Services: name, how many containers, port.
    pub services: Vec<(String, u32, Option<u16>)>,
    /// Containers.
    pub containers: Vec<PictureContainer>,
    /// Balancers.
    pub balancers: Vec<PictureBalancer>,
}

/// A host in a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of the plan")]
pub struct PictureHost {
    pub name: String,
    pub address: Option<Ipv4Addr>,
    pub floating_ip: Option<Ipv4Addr>,
}

/// A container in a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of the plan")]
pub struct PictureContainer {
    pub name: String,
    pub service: String,
    pub host: String,
    pub address: Ipv4Addr,
    pub mac: String,
}

/// A balancer in a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of the file")]
pub struct PictureBalancer {
    pub name: String,
    pub service: String,
    pub protocol: String,
    pub listen: u16,
    pub method: String,
    pub vip: Option<Ipv4Addr>,
    pub floating_ip: Option<Ipv4Addr>,
    pub allow: Vec<Ipv4Net>,
}

/// The content of [`AGENT_PICTURE`].
pub fn agent_picture(picture: &Picture) -> String {
    let (attachment, reason) = &picture.attachment;
    pretty(&json!({
        "network": picture.network,
        "external": picture.external,
        "attachment": attachment,
        "reason": reason,
        "hosts": named(&picture.hosts, |host| {
            (&host.name, json!({"address": host.address, "floating_ip": host.floating_ip}))
        }),
        "services": named(&picture.services, |(name, replicas, port)| {
            (name, json!({"replicas": replicas, "port": port}))
        }),
        "containers": named(&picture.containers, |one| {
            (&one.name, json!({"service": one.service, "host": one.host, "address": one.address, "mac": one.mac}))
        }),
        "balancers": named(&picture.balancers, |one| (&one.name, json!({
            "service": one.service,
            "protocol": one.protocol,
            "listen": one.listen,
            "method": one.method,
            "vip": one.vip,
            "floating_ip": one.floating_ip,
            "allow": one.allow,
        }))),
    }))
}

fn named<'a, T>(all: &'a [T], entry: impl Fn(&'a T) -> (&'a String, serde_json::Value)) -> serde_json::Value {
    all.iter().map(entry).map(|(name, value)| (name.clone(), value)).collect::<serde_json::Map<_, _>>().into()
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::Value;

    use super::*;

    fn document(engine: Engine) -> AgentDocument {
        let subnet = "192.168.0.0/24".parse().unwrap();
        AgentDocument { stack: "blog".into(), host: "lxd0".into(), subnet, engine }
    }

    #[test]
    fn an_agent_is_told_its_host_whom_it_answers_and_where_the_engine_is() {
        let settings: Value = serde_json::from_str(&agent_settings(&document(Engine::Incus))).unwrap();
        assert_eq!(settings["host"], "lxd0");
        assert_eq!(settings["networks"], json!(["192.168.0.0/24"]));
        assert_eq!(settings["engine_sockets"][0], "/var/lib/incus/unix.socket");
    }

    #[test]
    fn the_unit_has_the_group_of_the_engine_and_no_capability() {
        assert!(agent_unit(&document(Engine::Lxd)).contains("\nSupplementaryGroups=lxd\n"));
        let unit = agent_unit(&document(Engine::Incus));
        assert!(unit.contains("\nSupplementaryGroups=incus-admin\n"));
        assert!(unit.contains("\nCapabilityBoundingSet=\n"));
        assert!(unit.contains("\nUser=pontoon-agent\n"));
    }

    #[test]
    fn the_kernel_keeps_strangers_from_both_servers_of_a_host_and_counts_the_questions_of_each_container() {
        let unit = agent_unit(&document(Engine::Lxd));
        let has = |rule: &str| unit.lines().any(|line| line.contains(rule));
        assert!(has("input meta l4proto { tcp, udp } th dport { 53, 8600 } iifname != lo jump question"), "{unit}");
        assert!(has("question ip saddr != 192.168.0.0/24 counter drop"), "{unit}");
        for card in ["iifname br0 update @bridged { ether saddr", "iifname veth* update @routed { iif"] {
            assert!(has(&format!("question {card} limit rate over 1000/second")), "{unit}");
        }
    }

    #[test]
    fn what_is_not_known_yet_is_null_in_a_picture() {
        let picture = Picture {
            balancers: vec![PictureBalancer {
                name: "web".into(),
                service: "hugo".into(),
                protocol: "http".into(),
                listen: 80,
                method: "round-robin".into(),
                vip: Some("192.168.0.200".parse().unwrap()),
                floating_ip: None,
                allow: Vec::new(),
            }],
            ..Picture::default()
        };
        let read: Value = serde_json::from_str(&agent_picture(&picture)).unwrap();
        assert_eq!(read["balancers"]["web"]["vip"], "192.168.0.200");
        assert_eq!(read["balancers"]["web"]["floating_ip"], Value::Null);
    }
}
