//! A toy cloud: applies actions to an [`Observed`] the way the services would, and refuses what they would refuse.
//!
//! What it returns as an error is a defect of the plan: a request that no cloud would take, or an order in which packets
//! could reach the wrong container.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::book::{Book, Known};
use crate::key::{Key, Kind};
use crate::observed::*;
use crate::plan::{Action, Claim, HostKeySource, Step, Way};
use crate::run::Outcome;

/// A cloud in which one request at a time is carried out at once.
#[derive(Clone)]
pub(super) struct Toy {
    /// What a look at it shows, apart from what lies on hosts.
    pub(super) cloud: Observed,
    /// What lies on each server, by its id.
    pub(super) machines: BTreeMap<String, Machine>,
    /// Whether graphs get stuck here.
    pub(super) graphs_stick: bool,
    /// Whether Nova shows what servers print.
    pub(super) shows_consoles: bool,
    /// Where Neutron begins to look for a free address, and in which direction.
    pub(super) free_from: (u8, i8),
    /// How many containers each pool leads to at any moment, at least.
    pub(super) serving: usize,
    next: u32,
}

#[derive(Clone, Default)]
pub(super) struct Machine {
    pub(super) ready: bool,
    pub(super) failed: Option<HostFailure>,
    pub(super) inside: Inside,
    /// Address, Ethernet address and profile of each container.
    pub(super) cards: BTreeMap<String, (Ipv4Addr, String, String)>,
}

pub(super) type Applied = Result<Outcome, String>;

#[allow(clippy::unnecessary_wraps, reason = "it ends every arm of a match that can fail")]
pub(super) fn done() -> Applied {
    Ok(Outcome::Done)
}

impl Toy {
    pub(super) fn new(cloud: Observed) -> Self {
        Self {
            cloud,
            machines: BTreeMap::new(),
            graphs_stick: false,
            shows_consoles: true,
            free_from: (100, 1),
            serving: 0,
            next: 0,
        }
    }

    /// Everything that a look shows.
    pub(super) fn look(&self) -> Observed {
        let mut seen = self.cloud.clone();
        for server in seen.servers.iter().filter(|server| server.status == "ACTIVE") {
            let machine = self.machines.get(&server.id).cloned().unwrap_or_default();
            let view = match machine.failed {
                Some(failure) => HostView::Failed(failure),
                None if machine.ready => HostView::Ready(machine.inside),
                None if self.lets_in(server) => HostView::Preparing,
                None => HostView::NoConsole("403".to_owned()),
            };
            seen.hosts.insert(server.key.name.clone(), view);
        }
        seen
    }

    /// Whether the ssh host key of a new server can be known.
    fn lets_in(&self, server: &Server) -> bool {
        self.shows_consoles || server.host_key_injected
    }

    pub(super) fn id(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}-{:04}", self.next)
    }

    pub(super) fn subnet(&mut self) -> &mut Subnet {
        &mut self.cloud.networks[0].subnets[0]
    }

    fn port(&mut self, id: &str) -> Result<&mut Port, String> {
        self.cloud.ports.iter_mut().find(|port| port.id == id).ok_or(format!("no port {id}"))
    }

    pub(super) fn balancer(&mut self, id: &str) -> Result<&mut Balancer, String> {
        self.cloud.balancers.iter_mut().find(|one| one.id == id).ok_or(format!("no balancer {id}"))
    }

    /// The machine of a host that is ready.
    pub(super) fn host(&mut self, host: &str) -> Result<&mut Machine, String> {
        let server = self.cloud.servers.iter().find(|one| one.key.name == host && one.status == "ACTIVE");
        let id = server.ok_or(format!("no server {host}"))?.id.clone();
        self.machines.get_mut(&id).filter(|machine| machine.ready).ok_or(format!("{host} is not ready"))
    }

    fn holds(&self, address: Ipv4Addr) -> Option<&Port> {
        self.cloud.ports.iter().find(|port| port.addresses.contains(&address))
    }

    /// An address of Neutron's choice.
    pub(super) fn free_address(&self) -> Result<Ipv4Addr, String> {
        let pools = &self.cloud.networks[0].subnets[0].pools;
        let (mut last, step) = self.free_from;
        for _ in 0..256 {
            let address = Ipv4Addr::new(192, 168, 0, last);
            if pools.iter().any(|pool| pool.contains(address)) && self.holds(address).is_none() {
                return Ok(address);
            }
            last = last.wrapping_add_signed(step);
        }
        Err("no free address".to_owned())
    }

    pub(super) fn add_port(&mut self, port: Port) -> Result<String, String> {
        if let Some(other) = port.addresses.iter().find_map(|address| self.holds(*address)) {
            return Err(format!("409: {} is held by {} {:?}", port.addresses[0], other.id, other.key));
        }
        if port.mac.is_some() && self.cloud.ports.iter().any(|other| other.mac == port.mac) {
            return Err("409: Ethernet address in use".to_owned());
        }
        let id = port.id.clone();
        self.cloud.ports.push(port);
        Ok(id)
    }

    fn check_pairs(pairs: &[Pair]) -> Result<(), String> {
        let unique: BTreeSet<&Pair> = pairs.iter().collect();
        if pairs.len() > 10 || unique.len() != pairs.len() { Err(format!("400: pairs {pairs:?}")) } else { Ok(()) }
    }

    /// Whether packets of a container pass.
    pub(super) fn passes(&self, host: &str, address: Ipv4Addr, mac: &str) -> bool {
        let port = self.cloud.ports.iter().find(|port| {
            port.key.as_ref().is_some_and(|key| key.kind == Kind::Port && key.name == host)
                && !port.device_id.is_empty()
        });
        port.is_some_and(|port| {
            let own = port.mac.map(|mac| mac.to_string()).unwrap_or_default();
            !port.port_security
                || port
                    .pairs
                    .iter()
                    .any(|pair| pair.address == address.to_string() && (pair.mac == mac || pair.mac == own))
        })
    }

    fn lead(&mut self, id: &str, port: String) -> Result<(), String> {
        self.port(&port)?;
        if self.cloud.floating_ips.iter().any(|one| one.id != id && one.port_id.as_ref() == Some(&port)) {
            return Err(format!("409: {port} has a floating IP"));
        }
        let one = self.cloud.floating_ips.iter_mut().find(|one| one.id == id).ok_or(format!("no floating IP {id}"))?;
        one.port_id = Some(port);
        Ok(())
    }

    /// Carries out one step; new ids go into the book.
    pub(super) fn apply(&mut self, step: &Step, book: &mut Book, ways: &BTreeMap<String, Way>) -> Applied {
        let key = step.keys.first().ok_or("a step without a key")?.clone();
        let known =
            |book: &Book, key: &Key| book.get(key).map(|known| known.id.clone()).ok_or(format!("{key} not known"));
        let note = |book: &mut Book, key: &Key, id: &str, address| {
            book.insert(key.clone(), Known { id: id.to_owned(), address });
        };
        match &step.action {
            Action::NarrowPools { pools, before, .. } => {
                let subnet = self.subnet();
                if before.is_some() {
                    subnet.pools_before.clone_from(before);
                }
                subnet.pools.clone_from(pools);
                if subnet.pools_before.is_none() { Err("narrowed for ever".to_owned()) } else { done() }
            }
            Action::RestorePools { before, .. } => {
                self.subnet().pools.clone_from(&before.pools);
                self.subnet().pools_before = None;
                done()
            }
            Action::CreateSecurityGroup { .. } => {
                let id = self.id("group");
                note(book, &key, &id, None);
                self.cloud.security_groups.push(SecurityGroup { id, key, rules: Vec::new() });
                done()
            }
            Action::CreateRules { group, admits } => {
                let id = known(book, group)?;
                for admits in admits {
                    let rule = Rule { id: self.id("rule"), admits: admits.clone() };
                    let group = self.cloud.security_groups.iter_mut().find(|one| one.id == id).ok_or("no group")?;
                    if group.rules.iter().any(|one| one.admits == rule.admits) {
                        return Err("409: the rule exists".to_owned());
                    }
                    group.rules.push(rule);
                }
                done()
            }
            Action::DeleteRule { id } => {
                self.cloud.security_groups.iter_mut().for_each(|group| group.rules.retain(|rule| rule.id != *id));
                done()
            }
            Action::CreateServerGroup { name } => {
                let id = self.id("servers");
                note(book, &key, &id, None);
                self.cloud.server_groups.push(ServerGroup { id, key: name.parse().map_err(|_| "no key in the name")? });
                done()
            }
            Action::Reserve { addresses, .. } => {
                for (key, address) in addresses {
                    let id = self.id("port");
                    note(book, key, &id, Some(*address));
                    let name = key.name.clone();
                    self.add_port(Port {
                        id,
                        key: Some(key.clone()),
                        name,
                        addresses: vec![*address],
                        ..Port::default()
                    })?;
                }
                done()
            }
            Action::CreatePort { name, mac, security_groups, port_security, pairs, .. } => {
                Self::check_pairs(pairs)?;
                let bare = security_groups.is_empty() && pairs.is_empty();
                if !port_security && !bare {
                    return Err("409: port security is off".to_owned());
                }
                let address = self.free_address()?;
                let groups = security_groups.iter().map(|group| known(book, group)).collect::<Result<_, _>>()?;
                let id = self.id("port");
                note(book, &key, &id, Some(address));
                self.add_port(Port {
                    id,
                    key: Some(key),
                    name: name.clone(),
                    mac: Some(*mac),
                    addresses: vec![address],
                    security_groups: groups,
                    port_security: *port_security,
                    pairs: pairs.iter().cloned().collect(),
                    revision: Some(1),
                    ..Port::default()
                })?;
                done()
            }
            Action::SetPairs { port, pairs, revision } => {
                Self::check_pairs(pairs)?;
                let port = self.port(&known(book, port)?)?;
                if !port.port_security {
                    return Err("409: port security is off".to_owned());
                }
                if revision.is_some() && *revision != port.revision {
                    return Err(format!("412: revision {:?} and not {revision:?}", port.revision));
                }
                port.pairs = pairs.iter().cloned().collect();
                port.revision = port.revision.map(|revision| revision + 1);
                done()
            }
            Action::SetPortSecurity { port, security_groups, port_security } => {
                let groups = security_groups.iter().map(|group| known(book, group)).collect::<Result<_, _>>()?;
                let port = self.port(&known(book, port)?)?;
                port.port_security = *port_security;
                port.security_groups = groups;
                if !port_security {
                    port.pairs.clear();
                }
                port.revision = port.revision.map(|revision| revision + 1);
                done()
            }
            Action::CreateServer { name, image_id, flavor_id, port, user_data_hash, host_key, group, .. } => {
                if image_id.is_empty() || flavor_id.is_empty() {
                    return Err("400: no image or flavor".to_owned());
                }
                if let Some(group) = group {
                    let group = known(book, group)?;
                    self.cloud.server_groups.iter().find(|one| one.id == group).ok_or("400: no such server group")?;
                }
                let id = self.id("server");
                let port = self.port(&known(book, port)?)?;
                if !port.device_id.is_empty() {
                    return Err(format!("409: the port of {name} is in use"));
                }
                port.device_id.clone_from(&id);
                "compute:nova".clone_into(&mut port.device_owner);
                port.revision = port.revision.map(|revision| revision + 1);
                note(book, &key, &id, None);
                self.machines.insert(id.clone(), Machine::default());
                let user_data_hash = Some(user_data_hash.clone());
                let host_key_injected = *host_key == HostKeySource::Injected;
                let status = "ACTIVE".to_owned();
                self.cloud.servers.push(Server { id, key, status, fault: None, user_data_hash, host_key_injected });
                done()
            }
            Action::StartServer { id } => {
                let server = self.cloud.servers.iter_mut().find(|one| one.id == *id).ok_or("no server")?;
                if server.status != "SHUTOFF" {
                    return Err(format!("409: it is {}", server.status));
                }
                "ACTIVE".clone_into(&mut server.status);
                done()
            }
            Action::CreateFloatingIp { port, .. } => {
                let id = self.id("floating");
                let address = Ipv4Addr::new(203, 0, 113, u8::try_from(self.cloud.floating_ips.len()).unwrap() + 1);
                note(book, &key, &id, Some(address));
                let made = FloatingIp { id: id.clone(), key: Some(key), address, port_id: None, given: false };
                self.cloud.floating_ips.push(made);
                self.lead(&id, known(book, port)?)?;
                done()
            }
            Action::ReleaseFloatingIp { id } => {
                let mut all = self.cloud.floating_ips.iter_mut();
                let one = all.find(|one| one.id == *id && one.given && one.key.is_none()).ok_or("not given")?;
                (one.port_id, one.given) = (None, false);
                done()
            }
            Action::MoveFloatingIp { id, port, claim } => {
                self.lead(id, known(book, port)?)?;
                let one = self.cloud.floating_ips.iter_mut().find(|one| one.id == *id).ok_or("gone")?;
                note(book, &key, id, Some(one.address));
                match claim {
                    Claim::Key => one.key = Some(key),
                    Claim::Given => one.given = true,
                    Claim::Nothing => {}
                }
                done()
            }
            Action::AwaitHost { host, .. } => {
                match ways.get(host) {
                    Some(Way::Through(jump)) => {
                        self.host(jump)?;
                    }
                    Some(Way::FloatingIp(floating)) => {
                        let reached = known(book, floating).ok();
                        let one = self.cloud.floating_ips.iter().find(|one| Some(&one.id) == reached.as_ref());
                        one.and_then(|one| one.port_id.clone()).ok_or(format!("{host} has no floating IP"))?;
                    }
                    Some(Way::Address) => {}
                    None => return Err(format!("no way to {host}")),
                }
                let id = known(book, &key)?;
                if !self.cloud.servers.iter().any(|server| server.id == id && self.lets_in(server)) {
                    return Ok(Outcome::Unknown("nobody knows its ssh host key".to_owned()));
                }
                self.machines.get_mut(&id).ok_or("no such server")?.ready = true;
                done()
            }
            Action::CreateBalancer { parts, write } => self.create_balancer(&key, parts, *write, book),
            Action::AwaitBalancer { balancer } => {
                let balancer = self.balancer(&known(book, balancer)?)?;
                if balancer.listeners.iter().any(|one| one.state != Provisioning::Active) {
                    for listener in &mut balancer.listeners {
                        listener.state = Provisioning::Stuck("PENDING_CREATE".to_owned());
                    }
                    return Ok(Outcome::Unknown("its listener stays PENDING_CREATE".to_owned()));
                }
                balancer.state = Provisioning::Active;
                done()
            }
            Action::SetVipSecurityGroups { balancer, groups } => {
                let groups: BTreeSet<String> =
                    groups.iter().map(|group| known(book, group)).collect::<Result<_, _>>()?;
                let balancer = self.balancer(&known(book, balancer)?)?;
                let port = balancer.vip_port_id.clone();
                balancer.vip_security_groups.clone_from(&groups);
                self.port(&port)?.security_groups = groups;
                done()
            }
            Action::DeleteBalancer { id } => {
                let gone = self.balancer(id)?.vip_port_id.clone();
                self.cloud.balancers.retain(|one| one.id != *id);
                self.remove_port(&gone);
                done()
            }
            Action::DeleteFloatingIp { id } => {
                self.cloud.floating_ips.iter().find(|one| one.id == *id && one.key.is_some()).ok_or("not ours")?;
                self.cloud.floating_ips.retain(|one| one.id != *id);
                done()
            }
            Action::DeleteServer { id } => {
                self.cloud.servers.retain(|one| one.id != *id);
                self.machines.remove(id);
                for port in self.cloud.ports.iter_mut().filter(|port| port.device_id == *id) {
                    port.device_id.clear();
                    port.device_owner.clear();
                    port.revision = port.revision.map(|revision| revision + 1);
                }
                done()
            }
            Action::DeletePort { id } => {
                let port = self.port(id)?;
                if !port.device_id.is_empty() {
                    return Err(format!("409: port {} is in use", port.name));
                }
                if port.key.as_ref().is_none_or(|owner| owner.stack != key.stack) {
                    return Err(format!("port {} is somebody else's", port.name));
                }
                self.remove_port(id);
                done()
            }
            Action::DeleteSecurityGroup { id } => {
                if let Some(user) = self.cloud.ports.iter().find(|port| port.security_groups.contains(id)) {
                    return Err(format!("409: {key} is in use by port {} ({})", user.id, user.name));
                }
                self.cloud.security_groups.retain(|one| one.id != *id);
                done()
            }
            Action::DeleteServerGroup { id } => {
                self.cloud.server_groups.retain(|one| one.id != *id);
                done()
            }
            Action::CreateListener { .. }
            | Action::ChangeListener { .. }
            | Action::DeleteListener { .. }
            | Action::CreatePool { .. }
            | Action::ChangePool { .. }
            | Action::DeletePool { .. }
            | Action::SetMembers { .. }
            | Action::AwaitMember { .. }
            | Action::CreateMonitor { .. }
            | Action::ChangeMonitor { .. }
            | Action::DeleteMonitor { .. } => self.apply_to_balancer(&key, &step.action, book),
            _ => self.apply_on_host(&step.action),
        }
    }

    fn remove_port(&mut self, id: &str) {
        self.cloud.ports.retain(|one| one.id != *id);
        for floating in self.cloud.floating_ips.iter_mut().filter(|one| one.port_id.as_deref() == Some(id)) {
            floating.port_id = None;
        }
    }

    /// What must be true at every moment.
    pub(super) fn check(&self, stack: &str) -> Result<(), String> {
        let mut open: BTreeMap<&str, &str> = BTreeMap::new();
        let ours = |port: &&Port| port.key.as_ref().is_some_and(|key| key.stack == stack && key.kind == Kind::Port);
        for port in self.cloud.ports.iter().filter(ours) {
            let addresses =
                port.pairs.iter().map(|pair| pair.address.as_str()).filter(|address| address.starts_with("192.168.0."));
            for address in addresses.collect::<BTreeSet<_>>() {
                if let Some(other) = open.insert(address, &port.name) {
                    return Err(format!("{address} is open on {other} and on {}", port.name));
                }
            }
        }
        let mut running: BTreeMap<Ipv4Addr, &str> = BTreeMap::new();
        for machine in self.machines.values() {
            for (name, (address, ..)) in &machine.cards {
                if machine.inside.containers.get(name).is_some_and(|container| container.running)
                    && let Some(other) = running.insert(*address, name)
                {
                    return Err(format!("{other} and {name} both run at {address}"));
                }
            }
        }
        for pool in self.cloud.balancers.iter().flat_map(|one| &one.pools) {
            let answering = pool.members.iter().filter(|member| self.answers(member.address)).count();
            if answering < self.serving {
                return Err(format!("{answering} containers of {} answer, and not {}", pool.name, self.serving));
            }
            if answering < pool.members.len() && self.serving > 0 {
                return Err(format!("{} leads to a container that does not answer", pool.name));
            }
        }
        Ok(())
    }

    /// Whether a container at this address runs, was proven, and is let through.
    fn answers(&self, address: Ipv4Addr) -> bool {
        let host = |id: &str| self.cloud.servers.iter().find(|one| one.id == id).map(|one| one.key.name.clone());
        self.machines.iter().any(|(id, machine)| {
            let here = machine.cards.iter().find(|(_, (own, ..))| *own == address);
            here.is_some_and(|(name, (_, mac, _))| {
                let container = machine.inside.containers.get(name);
                container.is_some_and(|one| one.running && one.config.contains_key(crate::plan::PROVEN))
                    && host(id).is_some_and(|host| self.passes(&host, address, mac))
            })
        })
    }

    /// All that is not the stack's, in words: it must stay byte for byte.
    pub(super) fn foreign(&self, stack: &str) -> String {
        let vips: BTreeSet<&str> = self.cloud.balancers.iter().map(|one| one.vip_port_id.as_str()).collect();
        let ours = |key: &Option<Key>| key.as_ref().is_some_and(|key| key.stack == stack);
        let ports = self.cloud.ports.iter().filter(|port| !ours(&port.key) && !vips.contains(port.id.as_str()));
        let floating = self.cloud.floating_ips.iter().filter(|one| !ours(&one.key));
        let pairs = self.cloud.ports.iter().filter(|port| ours(&port.key)).map(|port| {
            let strange: Vec<&Pair> =
                port.pairs.iter().filter(|pair| !pair.address.starts_with("192.168.0.")).collect();
            (&port.id, strange)
        });
        let pairs: Vec<_> = pairs.filter(|(_, strange)| !strange.is_empty()).collect();
        let strangers: Vec<_> =
            self.machines.values().map(|one| (&one.inside.foreign, one.inside.profiles.get("default"))).collect();
        // Where the file gives a floating IP, it is led to a port of ours: that alone may change.
        let floating: Vec<_> = floating.map(|one| (&one.id, one.address)).collect();
        let strangers: Vec<_> = strangers.into_iter().filter(|(names, _)| !names.is_empty()).collect();
        format!("{:#?}", (ports.collect::<Vec<_>>(), floating, pairs, strangers))
    }
}
