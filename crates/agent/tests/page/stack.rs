//! A made-up stack in which something of everything is wrong, and one that is large.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pontoon_agent::catalogue::{Container, Health, HostState, HostView, MonitoringPoint, Part, State, Version, View};
use pontoon_agent::picture::{self, Picture};

/// A stack that can be changed, and looked at as an agent would.
pub(crate) struct Stack {
    /// What its hosts say.
    pub(crate) hosts: Vec<HostView>,
    /// What it should look like.
    pub(crate) picture: Picture,
    index: u64,
}

impl Stack {
    /// Nobody but this host, and no picture.
    pub(crate) fn empty() -> Self {
        Self { hosts: vec![host(0, Vec::new())], picture: Picture::default(), index: 0 }
    }

    /// Three hosts, of which one does not answer; a website, an API and a database.
    pub(crate) fn blog() -> Self {
        let mut hosts = vec![
            host(0, vec![copy("hugo", 0, 8080), copy("api", 0, 3000), copy("db", 0, 5432)]),
            host(1, vec![copy("hugo", 1, 8080), copy("api", 1, 3000), copy("mail", 0, 25)]),
            host(2, vec![copy("hugo", 2, 8080), copy("search", 0, 9200)]),
        ];
        hosts[2].state = HostState::Failed;
        hosts[2].stale_since = Some(0);
        let mut stack = Self { hosts, picture: Picture::default(), index: 0 };
        let text = r#"{"network": "default", "external": "external", "attachment": "pair-mac",
            "reason": "the cloud takes allowed address pairs, one for each container",
            "hosts": {"lxd0": {"address": "192.168.0.10", "floating_ip": "185.98.151.85"},
                      "lxd1": {"address": "192.168.0.11"}, "lxd2": {"address": "192.168.0.12"}},
            "services": {"hugo": {"replicas": 4, "port": 8080}, "api": {"replicas": 2, "port": 3000},
                         "db": {"replicas": 1, "port": 5432}, "mail": {"replicas": 1, "port": 25},
                         "search": {"replicas": 1, "port": 9200}},
            "containers": {"hugo-3": {"service": "hugo", "host": "lxd1", "address": "192.168.0.103", "mac": "00:16:3e:91:2c:03"}},
            "balancers": {
                "web": {"service": "hugo", "protocol": "http", "listen": 80, "method": "round-robin", "vip": "192.168.0.200",
                        "floating_ip": "185.98.151.139", "allow": ["0.0.0.0/0"]},
                "api": {"service": "api", "protocol": "tcp", "listen": 443, "method": "least-connections", "vip": "192.168.0.201",
                        "floating_ip": "185.98.151.140", "allow": ["198.51.100.0/24"]},
                "search": {"service": "search", "protocol": "http", "listen": 9200, "vip": "192.168.0.202"}}}"#;
        stack.picture = serde_json::from_str(text).expect("a picture");
        stack.draw();
        stack.say("api-1", State::Critical, "GET /health on port 3000: connection refused");
        stack.say("db-0", State::Warning, "disk is 91 % full");
        stack
    }

    /// So many hosts with so many containers each, well but for a few.
    pub(crate) fn large(hosts: u8, containers: u8) -> Self {
        let services =
            ["web", "api", "cart", "search", "mail", "queue", "cache", "db", "auth", "image", "feed", "stats"];
        let each = |number: u8| {
            let here = (0..containers).map(|other| {
                let service = services[usize::from(other) % services.len()];
                let mut made = copy(service, number, 8080);
                made.1.address = IpAddr::from([10, 0, number, other]);
                made
            });
            host(number, here.collect())
        };
        let mut stack = Self { hosts: (0..hosts).map(each).collect(), picture: Picture::default(), index: 0 };
        stack.draw();
        for (name, listen, last) in [("web", 80, 1), ("api", 443, 2), ("mail", 25, 3)] {
            let balancer = picture::Balancer {
                service: Some(name.into()),
                protocol: Some("tcp".to_owned()),
                listen: Some(listen),
                vip: Some(IpAddr::from([192, 168, 0, 200 + last])),
                floating_ip: Some(IpAddr::from([185, 98, 151, 139 + last])),
                ..picture::Balancer::default()
            };
            stack.picture.balancers.insert(name.into(), balancer);
        }
        stack.say("cart-17", State::Critical, "GET /: 503 Service Unavailable");
        stack.say("web-42", State::Warning, "slow: 1.9 s");
        stack
    }

    /// Another view, one later than the last.
    pub(crate) fn view(&mut self) -> Arc<View> {
        self.index += 1;
        Arc::new(View::new(self.index, self.hosts.iter().cloned().map(Arc::new)))
    }

    /// The container of this name is otherwise from now on.
    pub(crate) fn change(&mut self, name: &str, change: impl Fn(&mut Container)) {
        for host in &mut self.hosts {
            let mut part = Part::clone(&host.part);
            if let Some(container) = part.containers.get_mut(name) {
                let mut changed = Container::clone(container);
                change(&mut changed);
                *container = changed.into();
                part.version.change += 1;
            }
            host.part = part.into();
        }
    }

    /// How a container is from now on.
    pub(crate) fn say(&mut self, name: &str, state: State, output: &str) {
        self.change(name, |container| container.health = Health { state, output: output.to_owned() });
    }

    /// The picture has all that is there now.
    fn draw(&mut self) {
        for (number, host) in (0..).zip(&self.hosts) {
            for (name, container) in &host.part.containers {
                let wanted = picture::Container {
                    service: Some(container.service.clone()),
                    host: Some(host.name.clone()),
                    address: Some(container.address),
                    mac: Some(format!("00:16:3e:91:{number:02x}:{:02x}", name.len())),
                };
                self.picture.containers.insert(name.clone(), wanted);
            }
        }
    }
}

fn host(number: u8, containers: Vec<(String, Container)>) -> HostView {
    let containers = containers.into_iter().map(|(name, container)| (name.as_str().into(), container.into())).collect();
    HostView {
        name: format!("lxd{number}").as_str().into(),
        address: IpAddr::from([192, 168, 0, 10_u8.wrapping_add(number)]),
        state: HostState::Alive,
        round_trip: Some(Duration::from_micros(310 * u64::from(number))),
        part: Arc::new(Part { version: Version { epoch: 1_764_000_000, change: 7 }, containers }),
        stale_since: None,
    }
}

fn copy(service: &str, number: u8, port: u16) -> (String, Container) {
    let base = match service {
        "hugo" => 100,
        "api" => 110,
        "db" => 120,
        "mail" => 130,
        _ => 140,
    };
    let container = Container {
        service: service.into(),
        address: IpAddr::from([192, 168, 0, number.wrapping_add(base)]),
        port: Some(port),
        capabilities: [service.into(), "eu".into()].into(),
        monitor: vec![
            MonitoringPoint::Http("/health".to_owned()),
            MonitoringPoint::Metrics("/metrics".to_owned()),
            MonitoringPoint::CloudInit,
        ],
        says: [("version".to_owned(), format!("1.{number}.2")), ("commit".to_owned(), "9bcc965".to_owned())].into(),
        health: Health { state: State::Passing, output: "200 OK".to_owned() },
    };
    (format!("{service}-{number}"), container)
}
