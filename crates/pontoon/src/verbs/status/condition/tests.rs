#![allow(clippy::unwrap_used)]

use super::*;
use crate::show::status::verdict;
use pontoon_core::observed::{Inside, Pool, Server};
use pontoon_core::spec::{self, Files, SourceText, Sources};

struct NoFiles;

impl Files for NoFiles {
    fn text(&self, _: &str) -> Result<String, String> {
        Err("no such file".to_owned())
    }
    fn sha256(&self, _: &str) -> Result<String, String> {
        Err("no such file".to_owned())
    }
}

const FILE: &str = "
stack: blog
network: {name: default, external: external, containers: 192.168.0.100-192.168.0.199}
hosts: {lxd: {image: Ubuntu 24.04, flavor: small, key: me, ssh_from: [0.0.0.0/0]}}
services: {hugo: {image: 'ubuntu:24.04', port: 8080, replicas: 2}}
balancers: {web: {service: hugo, listen: 80, floating_ip: true}}
";

fn stack() -> Stack {
    let main = SourceText::new("pontoon.yaml", FILE.to_owned());
    let sources = Sources { main, overlay: None, sets: Vec::new(), cloud: None };
    spec::load(&sources, &NoFiles).unwrap().stack
}

fn key(kind: Kind, name: &str) -> Key {
    Key::new("blog", kind, name)
}

fn container(name: &str, running: bool, proven: &str) -> (String, observed::Container) {
    let config =
        BTreeMap::from([(GENERATION_CONFIG.to_owned(), "g2".to_owned()), (PROVEN.to_owned(), proven.to_owned())]);
    (name.to_owned(), observed::Container { key: key(Kind::Container, name), whole: true, running, config })
}

fn member(name: &str, operating: &str) -> observed::Member {
    observed::Member {
        id: name.to_owned(),
        name: name.to_owned(),
        address: Ipv4Addr::new(192, 168, 0, 100),
        port: 8080,
        state: Provisioning::Active,
        operating: operating.to_owned(),
    }
}

/// A stack that runs: one host with two containers and a balancer.
fn running() -> Observed {
    let server = Server {
        id: "s".to_owned(),
        key: key(Kind::Host, "lxd0"),
        status: "ACTIVE".to_owned(),
        fault: None,
        user_data_hash: None,
        host_key_injected: false,
    };
    let inside = Inside {
        containers: [container("hugo-0", true, "g2"), container("hugo-1", true, "g2")].into(),
        ..Inside::default()
    };
    let pool = Pool {
        id: "p".to_owned(),
        name: "web".to_owned(),
        state: Provisioning::Active,
        protocol: "HTTP".to_owned(),
        algorithm: "ROUND_ROBIN".to_owned(),
        members: vec![member("hugo-0", "ONLINE"), member("hugo-1", "ONLINE")],
        monitor: None,
    };
    let balancer = observed::Balancer {
        id: "b".to_owned(),
        key: key(Kind::Balancer, "web"),
        state: Provisioning::Active,
        operating: "ONLINE".to_owned(),
        provider: "amphora".to_owned(),
        vip: None,
        vip_port_id: String::new(),
        vip_security_groups: BTreeSet::new(),
        by_pieces: false,
        listeners: Vec::new(),
        pools: vec![pool],
    };
    Observed {
        servers: vec![server],
        hosts: [("lxd0".to_owned(), HostView::Ready(inside))].into(),
        balancers: vec![balancer],
        ..Observed::default()
    }
}

/// The condition where the plan has nothing to say.
fn condition(seen: &Observed) -> Condition {
    Condition::of(&stack(), Place { cloud: "mine", simulated: false }, seen, &Plan::default())
}

#[test]
fn a_stack_that_runs_is_well() {
    let condition = condition(&running());
    assert!(condition.well);
    assert_eq!(verdict(&condition), "as the file says");
    assert_eq!((condition.hosts[0].state, condition.hosts[0].running), (HostState::Ready, 2));
    assert!(condition.containers.iter().all(|one| one.proven && one.state == ContainerState::Running));
}

#[test]
fn a_failing_member_makes_a_stack_unwell_though_nothing_is_to_be_done() {
    let mut seen = running();
    seen.balancers[0].pools[0].members[1].operating = "ERROR".to_owned();
    let condition = condition(&seen);
    assert!(!condition.well);
    assert_eq!((condition.balancers[0].members_up, condition.balancers[0].members.len()), (1, 2));
    assert_eq!(verdict(&condition), "as the file says, but not well: balancer web");
    let text = crate::show::status::text(&condition, crate::show::style::Style::PLAIN);
    assert!(text.contains("web: member hugo-1 at 192.168.0.100:8080 is ERROR"), "{text}");
}

#[test]
fn a_member_that_is_being_made_is_not_up_whatever_its_operating_status_says() {
    let mut seen = running();
    let member = &mut seen.balancers[0].pools[0].members[1];
    (member.state, member.operating) = (Provisioning::Pending("PENDING_CREATE".to_owned()), "NO_MONITOR".to_owned());
    let made = condition(&seen);
    assert!(!made.well);
    assert_eq!((made.balancers[0].members_up, made.balancers[0].members[1].operating.as_str()), (1, "PENDING_CREATE"));
    seen.balancers[0].pools[0].members[1].state = Provisioning::Pending("PENDING_UPDATE".to_owned());
    assert_eq!(condition(&seen).balancers[0].members_up, 2);
}

#[test]
fn containers_of_a_host_that_does_not_answer_are_unknown_and_not_missing() {
    let mut seen = running();
    seen.hosts.insert("lxd0".to_owned(), HostView::Unreachable("no route".to_owned()));
    let condition = condition(&seen);
    assert_eq!(condition.hosts[0].state, HostState::Unreachable);
    assert_eq!(condition.hosts[0].reason.as_deref(), Some("no route"));
    assert!(condition.containers.iter().all(|one| one.state == ContainerState::Unknown));
}

#[test]
fn a_container_is_proven_for_what_it_was_made_from_only() {
    let mut seen = running();
    if let Some(HostView::Ready(inside)) = seen.hosts.get_mut("lxd0") {
        inside.containers.extend([container("hugo-1", true, "g1"), container("old-0", false, "g2")]);
    }
    let condition = condition(&seen);
    let row = |name: &str| condition.containers.iter().find(|one| one.name == name).unwrap();
    assert!(!row("hugo-1").proven);
    assert!(!row("old-0").wanted);
    assert_eq!((row("old-0").service.as_str(), row("old-0").state), ("old", ContainerState::Stopped));
}

#[test]
fn nothing_at_all_is_missing_everywhere() {
    let condition = condition(&Observed::default());
    assert_eq!(condition.hosts[0].state, HostState::Missing);
    assert!(condition.containers.iter().all(|one| one.state == ContainerState::Missing));
    assert_eq!(condition.balancers[0].provisioning, None);
}

#[test]
fn tables_are_aligned_with_and_without_colour() {
    use crate::show::style::Style;
    let condition = condition(&running());
    let plain = crate::show::status::text(&condition, Style::PLAIN);
    let colored = crate::show::status::text(&condition, Style::COLORED);
    let bare: String = colored
        .split('\x1b')
        .map(|part| part.split_once('m').map_or(part, |(code, rest)| if code.starts_with('[') { rest } else { part }))
        .collect();
    assert_eq!(bare, plain);
}
