//! The file as its author wrote it: every value of its type and with its place, nothing checked against anything else.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::diagnostic::{Diagnostic, Located, Place, Report, listed};
use super::fields::{self, FILE, MONITORING_POINT, MOST_HOSTS, MOST_LOOKS, MOST_REPLICAS, MOST_SECONDS};
use super::model::{
    Addressing, AttachChoice, Attachment, Engine, FloatingIp, HostKeyChoice, Install, Method, MonitoringPoint,
    Protocol, Storage,
};
use super::reader::{Named, Read, Table, Unfit};
use super::scalars::{
    address, choice, cidr, cloud, cpus, floating_ip, memory, monitoring_point, path, port, range, text, whole, word,
};
use super::tree::{Node, Scalar};
use crate::address::AddressRange;

/// The whole file.
pub(super) struct File {
    pub(super) stack: Read<String>,
    pub(super) cloud: Read<String>,
    pub(super) network: Network,
    pub(super) hosts: Named<HostGroup>,
    pub(super) services: Named<Service>,
    pub(super) balancers: Named<Balancer>,
    pub(super) install: Read<Install>,
    pub(super) ring_from: Read<Vec<Located<Ipv4Net>>>,
}

pub(super) struct Network {
    pub(super) name: Read<String>,
    pub(super) subnet: Read<Ipv4Net>,
    pub(super) external: Read<String>,
    pub(super) containers: Read<AddressRange>,
    pub(super) dhcp_pool: Read<AddressRange>,
    pub(super) attach: Read<AttachChoice>,
    pub(super) addressing: Read<Addressing>,
}

pub(super) struct HostGroup {
    pub(super) count: Read<u32>,
    pub(super) image: Read<String>,
    pub(super) flavor: Read<String>,
    pub(super) key: Read<String>,
    pub(super) ssh_from: Read<Vec<Located<Ipv4Net>>>,
    pub(super) floating_ip: Read<FloatingIp>,
    pub(super) engine: Read<Engine>,
    pub(super) storage: Read<Storage>,
    pub(super) host_key: Read<HostKeyChoice>,
    pub(super) availability_zone: Read<String>,
}

pub(super) struct Service {
    pub(super) image: Read<String>,
    pub(super) replicas: Read<u32>,
    pub(super) address: Read<Ipv4Addr>,
    pub(super) port: Read<u16>,
    pub(super) user_data: Read<Scalar>,
    pub(super) hosts: Read<String>,
    pub(super) cpu: Read<String>,
    pub(super) memory: Read<String>,
    pub(super) capabilities: Read<Vec<Located<String>>>,
    pub(super) monitor: Read<Vec<Located<MonitoringPoint>>>,
    pub(super) check: Check,
}

pub(super) struct Check {
    pub(super) interval: Read<u16>,
    pub(super) timeout: Read<u16>,
    pub(super) rise: Read<u16>,
    pub(super) fall: Read<u16>,
}

pub(super) struct Balancer {
    pub(super) service: Read<String>,
    pub(super) listen: Read<u16>,
    pub(super) protocol: Read<Protocol>,
    pub(super) method: Read<Method>,
    pub(super) address: Read<Ipv4Addr>,
    pub(super) floating_ip: Read<FloatingIp>,
    pub(super) allow: Read<Vec<Located<Ipv4Net>>>,
    pub(super) monitor_path: Read<String>,
    pub(super) provider: Read<String>,
}

/// Reads the merged tree; what cannot be read goes to `report`.
pub(super) fn read(root: &Node, report: &Report) -> File {
    let start = Place::new(root.place.source(), 0, 0);
    let table = Table::open(root, &start, "the file".to_owned(), FILE, report);
    table.read_with(|table| {
        let (install, ring_from) = table.table("agent", |agent| {
            let install = choice(fields::INSTALL, &[Install::Yes, Install::No]);
            (agent.scalar("install", install), agent.scalars("ring_from", cidr))
        });
        File {
            stack: table.scalar("stack", text),
            cloud: table.scalar("cloud", cloud),
            network: table.table("network", network),
            hosts: table.named("hosts", "host group", host_group),
            services: table.named("services", "service", service),
            balancers: table.named("balancers", "balancer", balancer),
            install,
            ring_from,
        }
    })
}

fn network(table: &Table<'_>) -> Network {
    Network {
        name: table.scalar("name", text),
        subnet: table.scalar("subnet", cidr),
        external: table.scalar("external", text),
        containers: table.scalar("containers", range),
        dhcp_pool: table.scalar("dhcp_pool", range),
        attach: table.scalar("attach", attach),
        addressing: table.scalar(
            "addressing",
            choice(fields::ADDRESSING, &[Addressing::Dnsmasq, Addressing::NetworkConfig, Addressing::RawLxc]),
        ),
    }
}

fn attach(scalar: &Scalar) -> Result<AttachChoice, Unfit> {
    use Attachment::{Open, PairIp, PairMac};
    if scalar.text == "trunk" {
        return Err(Unfit {
            message: "`trunk` is not supported yet".to_owned(),
            expected: "one of `auto`, `pair-mac`, `pair-ip`, `open`".to_owned(),
            hint: Some("`auto` takes the best way that the cloud allows".to_owned()),
        });
    }
    let only = AttachChoice::Only;
    choice(fields::ATTACH, &[AttachChoice::Auto, only(PairMac), only(PairIp), only(Open)])(scalar)
}

fn host_group(table: &Table<'_>) -> HostGroup {
    HostGroup {
        count: table.scalar("count", whole(1, MOST_HOSTS.into())),
        image: table.scalar("image", text),
        flavor: table.scalar("flavor", text),
        key: table.scalar("key", text),
        ssh_from: table.scalars("ssh_from", cidr),
        floating_ip: table.scalar("floating_ip", floating_ip),
        engine: table.scalar("engine", choice(fields::ENGINE, &[Engine::Lxd, Engine::Incus])),
        storage: table.scalar("storage", choice(fields::STORAGE, &[Storage::Dir, Storage::Btrfs, Storage::Zfs])),
        host_key: table.scalar(
            "host_key",
            choice(fields::HOST_KEY, &[HostKeyChoice::Auto, HostKeyChoice::Console, HostKeyChoice::Injected]),
        ),
        availability_zone: table.scalar("availability_zone", text),
    }
}

fn service(table: &Table<'_>) -> Service {
    let (cpu, memory) = table.table("limits", |limits| (limits.scalar("cpu", cpus), limits.scalar("memory", memory)));
    let (capabilities, monitor, check) = table.table("announce", |announce| {
        (
            announce.scalars("capabilities", word),
            announce.list("monitor", |node| read_monitoring_point(node, &announce.what, announce.report)),
            announce.table("check", |check| Check {
                interval: check.scalar("interval", whole(1, MOST_SECONDS.into())),
                timeout: check.scalar("timeout", whole(1, MOST_SECONDS.into())),
                rise: check.scalar("rise", whole(1, MOST_LOOKS.into())),
                fall: check.scalar("fall", whole(1, MOST_LOOKS.into())),
            }),
        )
    });
    Service {
        image: table.scalar("image", text),
        replicas: table.scalar("replicas", whole(0, MOST_REPLICAS.into())),
        address: table.scalar("address", address),
        port: table.scalar("port", port),
        user_data: table.document("user_data"),
        hosts: table.scalar("hosts", text),
        cpu,
        memory,
        capabilities,
        monitor,
        check,
    }
}

/// A monitoring point is a table of exactly one field, which says what kind it is.
fn read_monitoring_point(node: &Node, what: &str, report: &Report) -> Option<MonitoringPoint> {
    let what = format!("a monitoring point in {what}");
    let table = Table::open(node, &node.place, what.clone(), MONITORING_POINT, report);
    let mut points: Vec<Read<MonitoringPoint>> = table.read_with(|table| {
        let read = |name| match name {
            "exec" => table.scalars(name, text).and_then(|words, _| Some(command(words))),
            _ => table.scalar(name, |scalar| monitoring_point(name, scalar)),
        };
        let given = MONITORING_POINT.iter().map(|field| read(field.name));
        given.filter(|point| !matches!(point, Read::Absent)).collect()
    });
    if points.len() == 1 {
        let point = match points.pop() {
            Some(Read::Is(point)) => Some(point.value),
            _ => None,
        };
        if !matches!(&point, Some(MonitoringPoint::Exec(words)) if words.is_empty()) {
            return point;
        }
        report.error(|| {
            Diagnostic::error(&node.place, format!("{what} runs no command"))
                .expected("a list of the command and its arguments")
                .hint("write `{exec: [/usr/local/bin/check, argument]}`")
        });
        return None;
    }
    // What is no table, or holds an unknown field, has been reported already.
    if matches!(&node.value, super::tree::Value::Map(map) if map.len() == points.len()) {
        report.error(|| {
            Diagnostic::error(&node.place, format!("{what} is {} things at once", points.len()))
                .expected(format!("exactly one of {}", listed(MONITORING_POINT.iter().map(|field| field.name))))
                .hint("write one item for each, as in `[{http: /}, {metrics: /metrics}]`")
        });
    }
    None
}

fn command(words: &[Located<String>]) -> MonitoringPoint {
    MonitoringPoint::Exec(words.iter().map(|word| word.value.clone()).collect())
}

fn balancer(table: &Table<'_>) -> Balancer {
    use Method::{LeastConnections, RoundRobin, SourceIp, SourceIpPort};
    Balancer {
        service: table.scalar("service", text),
        listen: table.scalar("listen", port),
        protocol: table.scalar("protocol", choice(fields::PROTOCOL, &[Protocol::Http, Protocol::Tcp])),
        method: table.scalar("method", choice(fields::METHOD, &[RoundRobin, LeastConnections, SourceIp, SourceIpPort])),
        address: table.scalar("address", address),
        floating_ip: table.scalar("floating_ip", floating_ip),
        allow: table.scalars("allow", cidr),
        monitor_path: table.table("monitor", |monitor| monitor.scalar("path", path)),
        provider: table.scalar("provider", text),
    }
}
