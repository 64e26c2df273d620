//! How long a plan with nothing to do takes, and how much memory, as a stack grows: 100, 300 and 1,000 hosts with ten
//! containers each. Both should grow linearly: the last column stays about the same.
//!
//! Run with `cargo bench -p pontoon-core`. Each size runs in a process of its own, because the peak of memory that Linux
//! tells (`VmHWM`) never falls.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs)]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Instant;

use pontoon_core::address::Mac;
use pontoon_core::key::{Key, Kind};
use pontoon_core::observed::{
    Admits, Capabilities, Container, ExternalNetwork, FloatingIp, HostView, Inside, Observed, Pair, Port, Profile,
    Rule, SecurityGroup, Server, ServerGroup, Subnet,
};
use pontoon_core::plan::{PROVEN, Plan, image_name};
use pontoon_core::render;
use pontoon_core::spec::model::{
    Addressing, Agent, Announce, AttachChoice, Attachment, ContainerImage, Engine, FloatingIp as Wanted, HostGroup,
    HostKeyChoice, Limits, Network, Service, Stack, Storage,
};

const CONTAINERS_ON_A_HOST: u32 = 10;

fn main() {
    if let Ok(hosts) = std::env::var("PONTOON_BENCH_HOSTS") {
        return measure(hosts.parse().unwrap());
    }
    let titles = ["hosts", "containers", "time", "peak growth", "µs/container", "KiB/container"];
    println!(
        "{:>6} {:>11} {:>10} {:>12} {:>14} {:>15}",
        titles[0], titles[1], titles[2], titles[3], titles[4], titles[5]
    );
    for hosts in [100, 300, 1000] {
        let program = std::env::current_exe().unwrap();
        assert!(Command::new(program).env("PONTOON_BENCH_HOSTS", hosts.to_string()).status().unwrap().success());
    }
}

fn measure(hosts: u32) {
    let stack = stack(hosts);
    let seen = in_place(&stack);
    let before = peak_kib();
    let began = Instant::now();
    let plan = Plan::up(&stack, &seen);
    let time = began.elapsed();
    let grown = peak_kib().saturating_sub(before);
    let left: Vec<_> = plan.steps.iter().take(3).map(|step| (&step.keys, &step.reason)).collect();
    assert!(plan.is_empty(), "there is something to do: {left:?} {:?}", plan.blocked);
    let containers = f64::from(hosts * CONTAINERS_ON_A_HOST);
    println!(
        "{hosts:>6} {containers:>11} {:>7.1} ms {:>8.1} MiB {:>14.2} {:>15.2}",
        time.as_secs_f64() * 1e3,
        grown as f64 / 1024.0,
        time.as_secs_f64() * 1e6 / containers,
        grown as f64 / containers,
    );
}

/// The most memory that this process ever had, in KiB; 0 where `/proc` does not tell.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
}

fn stack(hosts: u32) -> Stack {
    let group = HostGroup {
        count: hosts,
        image: "Ubuntu 24.04".to_owned(),
        flavor: "small".to_owned(),
        key: "me".to_owned(),
        ssh_from: vec!["198.51.100.0/24".parse().unwrap()],
        floating_ip: Wanted::Any,
        engine: Engine::Lxd,
        storage: Storage::Dir,
        host_key: HostKeyChoice::Auto,
        availability_zone: None,
    };
    let service = |replicas| Service {
        image: ContainerImage::Simplestreams { server: "https://images.example".to_owned(), alias: "24.04".to_owned() },
        replicas,
        address: None,
        port: Some(8080),
        user_data: Some(format!("#cloud-config\npackages:\n{}", "  - a-package\n".repeat(50))),
        hosts: "lxd".to_owned(),
        limits: Limits::default(),
        announce: Announce::default(),
    };
    let share = hosts * CONTAINERS_ON_A_HOST / 4;
    Stack {
        name: "bench".to_owned(),
        cloud: "none".to_owned(),
        network: Network {
            name: "default".to_owned(),
            subnet: None,
            external: Some("external".to_owned()),
            containers: "10.0.64.0-10.0.191.255".parse().unwrap(),
            dhcp_pool: None,
            attach: AttachChoice::Auto,
            addressing: Addressing::Dnsmasq,
        },
        hosts: [("lxd".to_owned(), group)].into_iter().collect(),
        services: ["a", "b", "c", "d"].map(|name| (name.to_owned(), service(share))).into_iter().collect(),
        balancers: indexmap::IndexMap::new(),
        agent: Agent::default(),
    }
}

/// The cloud as it is when the stack is up, made without a plan: what a plan leaves behind in the allocator would hide
/// how much the measured one takes.
fn in_place(stack: &Stack) -> Observed {
    let mut seen = tenancy();
    let key = |kind, name: &str| Key::new(&stack.name, kind, name);
    let subnet = seen.networks[0].subnets[0].clone();
    let hosts: Vec<String> = stack.host_names().map(|(host, _)| host).collect();
    let mut inside: Vec<Inside> = hosts.iter().map(|_| Inside::default()).collect();
    let mut pairs: Vec<BTreeSet<Pair>> = hosts.iter().map(|_| BTreeSet::new()).collect();
    let admits = [
        Admits::TcpFrom(22, stack.hosts["lxd"].ssh_from[0]),
        Admits::TcpFrom(22, subnet.cidr),
        Admits::TcpFrom(8080, subnet.cidr),
        Admits::TcpFrom(render::RING_PORT, subnet.cidr),
        Admits::UdpFrom(render::RING_PORT, subnet.cidr),
        Admits::TcpFrom(render::EXCHANGE_PORT, subnet.cidr),
    ];
    let rules = admits.into_iter().map(|admits| Rule { id: "rule".to_owned(), admits }).collect();
    seen.security_groups.push(SecurityGroup {
        id: "group".to_owned(),
        key: key(Kind::SecurityGroup, "hosts-lxd"),
        rules,
    });
    seen.server_groups.push(ServerGroup { id: "group".to_owned(), key: key(Kind::ServerGroup, "lxd") });

    let addresses = stack.network.containers.addresses();
    for (number, ((name, service_name), address)) in stack.container_names().zip(addresses).enumerate() {
        let (at, service) = (number % hosts.len(), &stack.services[service_name]);
        let mac = Mac::of_container(&stack.name, &name);
        let config = render::container(&render::ContainerDocument {
            stack: stack.name.clone(),
            key: key(Kind::Container, &name),
            service: service_name.to_owned(),
            name: name.clone(),
            address,
            mac,
            attachment: Attachment::PairMac,
            addressing: stack.network.addressing,
            subnet: subnet.cidr,
            gateway: subnet.gateway,
            nameservers: subnet.nameservers.clone(),
            mtu: seen.networks[0].mtu,
            image: service.image.clone(),
            user_data: service.user_data.clone(),
            limits: service.limits.clone(),
            agent: stack.agent.install,
        });
        let profile = render::profile(&key(Kind::Profile, &format!("{}/{service_name}", hosts[at])), service);
        let mut settings = config.config;
        settings.insert(PROVEN.to_owned(), config.generation);
        let there = &mut inside[at];
        there.profiles.insert(service_name.to_owned(), Profile { config: profile.config, devices: profile.devices });
        there.images.insert(image_name(&service.image));
        there.dhcp_hosts.insert(name.clone(), render::dhcp_host(mac, &name, address));
        there.containers.insert(
            name.clone(),
            Container { key: key(Kind::Container, &name), whole: true, running: true, config: settings },
        );
        pairs[at].insert(Pair { mac: mac.to_string(), address: address.to_string() });
        let reservation = key(Kind::Reservation, &name);
        seen.ports.push(Port {
            id: format!("reservation-{number}"),
            key: Some(reservation),
            name,
            addresses: vec![address],
            ..Port::default()
        });
    }
    for ((number, host), (inside, pairs)) in hosts.iter().enumerate().zip(inside.into_iter().zip(pairs)) {
        let number = u32::try_from(number).unwrap();
        seen.ports.push(Port {
            id: format!("port-{number}"),
            key: Some(key(Kind::Port, host)),
            name: host.clone(),
            device_id: "server".to_owned(),
            mac: Some(Mac::of_host(&stack.name, host)),
            addresses: vec![Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 1, 0)) + number)],
            security_groups: ["group".to_owned()].into(),
            port_security: true,
            pairs,
            revision: Some(1),
            ..Port::default()
        });
        let server = Server {
            id: format!("server-{number}"),
            key: key(Kind::Host, host),
            status: "ACTIVE".to_owned(),
            fault: None,
            user_data_hash: None,
            host_key_injected: false,
        };
        seen.servers.push(server);
        seen.hosts.insert(host.clone(), HostView::Ready(inside));
    }
    let address = Ipv4Addr::new(203, 0, 113, 1);
    let floating = FloatingIp {
        id: "floating".to_owned(),
        key: Some(key(Kind::FloatingIp, "host-lxd0")),
        address,
        port_id: Some("port-0".to_owned()),
        given: false,
    };
    seen.floating_ips.push(floating);
    seen
}

fn tenancy() -> Observed {
    let subnet = Subnet {
        id: "subnet".to_owned(),
        cidr: "10.0.0.0/16".parse().unwrap(),
        gateway: Some(Ipv4Addr::new(10, 0, 0, 1)),
        pools: vec!["10.0.0.2-10.0.255.254".parse().unwrap()],
        nameservers: vec![Ipv4Addr::new(8, 8, 4, 4)],
        routed_to: ["external".to_owned()].into(),
        pools_before: None,
        revision: Some(1),
    };
    Observed {
        capabilities: Capabilities {
            extensions: ["port-security", "allowed-address-pairs"].map(str::to_owned).into(),
            project_id: "project".to_owned(),
            ..Capabilities::default()
        },
        networks: vec![pontoon_core::observed::Network {
            id: "net".to_owned(),
            name: "default".to_owned(),
            project_id: "project".to_owned(),
            mtu: 1450,
            port_security: true,
            subnets: vec![subnet],
        }],
        external: vec![ExternalNetwork { id: "external".to_owned(), name: "external".to_owned() }],
        ..Observed::default()
    }
}
