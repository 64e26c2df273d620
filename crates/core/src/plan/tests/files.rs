//! Stacks for tests: the walk-through's, and any that a generator thinks of.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use indexmap::IndexMap;
use proptest::prelude::*;

use crate::spec::model::*;

/// The walk-through's stack.
pub(super) fn blog() -> Stack {
    Stack {
        name: "blog".to_owned(),
        cloud: "embedded".to_owned(),
        network: Network {
            name: "default".to_owned(),
            subnet: None,
            external: Some("external".to_owned()),
            containers: "192.168.0.100-192.168.0.199".parse().unwrap(),
            dhcp_pool: None,
            attach: AttachChoice::Auto,
            addressing: Addressing::Dnsmasq,
        },
        hosts: IndexMap::from([("lxd".to_owned(), group(1, FloatingIp::Any))]),
        services: IndexMap::from([(
            "hugo".to_owned(),
            Service { address: Some(Ipv4Addr::new(192, 168, 0, 100)), ..service("lxd", 1) },
        )]),
        balancers: IndexMap::from([("web".to_owned(), balancer("hugo", 80))]),
        agent: Agent::default(),
    }
}

pub(super) fn group(count: u32, floating_ip: FloatingIp) -> HostGroup {
    HostGroup {
        count,
        image: "Ubuntu 24.04".to_owned(),
        flavor: "dc1.2x4.40".to_owned(),
        key: "datacentred".to_owned(),
        ssh_from: vec!["198.51.100.0/24".parse().unwrap()],
        floating_ip,
        engine: Engine::Lxd,
        storage: Storage::Dir,
        host_key: HostKeyChoice::Auto,
        availability_zone: None,
    }
}

pub(super) fn service(hosts: &str, replicas: u32) -> Service {
    Service {
        image: ContainerImage::Simplestreams { server: "https://images.example".to_owned(), alias: "24.04".to_owned() },
        replicas,
        address: None,
        port: Some(8080),
        user_data: Some("#cloud-config\npackages: [hugo]\n".to_owned()),
        hosts: hosts.to_owned(),
        limits: Limits::default(),
        announce: Announce::default(),
    }
}

pub(super) fn balancer(service: &str, listen: u16) -> Balancer {
    Balancer {
        service: service.to_owned(),
        listen,
        protocol: Protocol::Http,
        method: Method::RoundRobin,
        address: Some(Ipv4Addr::new(192, 168, 0, 200)),
        floating_ip: FloatingIp::Any,
        allow: vec!["0.0.0.0/0".parse().unwrap()],
        monitor_path: Some("/".to_owned()),
        provider: None,
    }
}

/// Fourteen containers, as `examples/shop` has them, on so many hosts.
pub(super) fn fourteen(hosts: u32) -> Stack {
    let mut stack = blog();
    stack.hosts["lxd"].count = hosts;
    stack.services["hugo"].replicas = 14;
    stack
}

/// Numbers that a generator chooses, made into a stack by [`Shape::stack`].
#[derive(Clone, Debug)]
pub(super) struct Shape {
    groups: Vec<(u32, u8)>,
    services: Vec<ServiceShape>,
    balancers: Vec<(usize, u8, u8, u8, bool)>,
    attach: u8,
    addressing: u8,
    dhcp_pool: u8,
}

/// Replicas, fixed address, group, user-data, image, limits, name.
type ServiceShape = (u32, u8, usize, u8, u8, u8, u8);

pub(super) fn shapes() -> impl Strategy<Value = Shape> {
    let groups = prop::collection::vec((1_u32..=3, 0_u8..4), 1..=2);
    let services = prop::collection::vec((1_u32..=3, 0_u8..10, 0_usize..2, 0_u8..3, 0_u8..2, 0_u8..3, 0_u8..2), 0..=4);
    let balancers = prop::collection::vec((0_usize..4, 0_u8..4, 0_u8..8, 0_u8..4, any::<bool>()), 0..=2);
    (groups, services, balancers, 0_u8..8, 0_u8..4, 0_u8..4).prop_map(
        |(groups, services, balancers, attach, addressing, dhcp_pool)| Shape {
            groups,
            services,
            balancers,
            attach,
            addressing,
            dhcp_pool,
        },
    )
}

/// A stack as it is and as it shall be: two shapes that often have much in common.
pub(super) fn changes() -> impl Strategy<Value = (Shape, Shape)> {
    (shapes(), shapes(), any::<[bool; 6]>()).prop_map(|(a, b, keep)| {
        let one = |keep: bool, from_a: Shape, from_b: Shape| if keep { from_a } else { from_b };
        let pick = |number: usize| one(keep[number], a.clone(), b.clone());
        let b = Shape {
            groups: pick(0).groups,
            services: pick(1).services,
            balancers: pick(2).balancers,
            attach: pick(3).attach,
            addressing: pick(4).addressing,
            dhcp_pool: pick(5).dhcp_pool,
        };
        (a, b)
    })
}

impl Shape {
    pub(super) fn stack(&self) -> Stack {
        let mut given = BTreeSet::new();
        let mut floating = |kind: u8| match kind {
            0 => FloatingIp::No,
            1 if given.len() < 3 => {
                let last = 240 + u8::try_from(given.len()).unwrap();
                given.insert(last);
                FloatingIp::Given(Ipv4Addr::new(203, 0, 113, last))
            }
            _ => FloatingIp::Any,
        };
        let mut taken = BTreeSet::new();
        let mut fixed =
            |number: u8| (number < 6 && taken.insert(number)).then(|| Ipv4Addr::new(192, 168, 0, 100 + number));
        let mut stack = blog();
        stack.network.attach = match self.attach {
            0 | 1 => AttachChoice::Only(Attachment::PairIp),
            2 | 3 => AttachChoice::Only(Attachment::Open),
            _ => AttachChoice::Auto,
        };
        stack.network.addressing = match self.addressing {
            0 => Addressing::NetworkConfig,
            1 => Addressing::RawLxc,
            _ => Addressing::Dnsmasq,
        };
        stack.network.dhcp_pool = match self.dhcp_pool {
            0 => Some("192.168.0.3-192.168.0.40".parse().unwrap()),
            1 => Some("192.168.0.3-192.168.0.50".parse().unwrap()),
            _ => None,
        };
        let groups = ["lxd", "big"];
        stack.hosts = self
            .groups
            .iter()
            .zip(groups)
            .map(|((count, kind), name)| (name.to_owned(), group(*count, floating(*kind))))
            .collect();
        let names = [["hugo", "site"], ["api", "apis"], ["front", "door"], ["search", "find"]];
        stack.services.clear();
        for ((replicas, address, hosts, user_data, image, limits, name), names) in self.services.iter().zip(names) {
            let hosts = groups[hosts % self.groups.len()];
            let described = Service {
                address: fixed(*address),
                image: ContainerImage::Simplestreams {
                    server: "https://images.example".to_owned(),
                    alias: format!("{image}.04"),
                },
                user_data: (*user_data > 0).then(|| format!("#cloud-config\npackages: [a{user_data}]\n")),
                limits: Limits { cpu: (*limits > 0).then(|| limits.to_string()), memory: None },
                ..service(hosts, *replicas)
            };
            stack.services.insert(names[usize::from(*name)].to_owned(), described);
        }
        stack.balancers.clear();
        for ((service, kind, address, method, http), name) in self.balancers.iter().zip(["web", "shop"]) {
            if stack.services.is_empty() {
                continue;
            }
            let (service, _) = stack.services.get_index(service % stack.services.len()).unwrap();
            let described = Balancer {
                address: fixed(*address),
                floating_ip: floating(*kind),
                method: [Method::RoundRobin, Method::LeastConnections, Method::SourceIp, Method::SourceIpPort]
                    [usize::from(*method)],
                protocol: if *http { Protocol::Http } else { Protocol::Tcp },
                monitor_path: http.then(|| format!("/{method}")),
                listen: 80 + u16::from(*method % 2),
                ..balancer(service, 80)
            };
            stack.balancers.insert(name.to_owned(), described);
        }
        stack
    }
}
