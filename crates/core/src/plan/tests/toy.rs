//! A toy cloud: applies actions to an [`Observed`] the way the services would, and refuses what they would refuse.
//!
//! What it returns as an error is a defect of the plan: a request that no cloud would take, or an order in which packets
//! could reach the wrong container.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::address::Mac;
use crate::book::{Book, Known};
use crate::key::{Key, Kind};
use crate::observed::*;
use crate::plan::{Action, BalancerParts, PROVEN, Step, Way, Write, image_name};
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
    /// Where Neutron begins to look for a free address, and in which direction.
    pub(super) free_from: (u8, i8),
    next: u32,
}

#[derive(Clone, Default)]
pub(super) struct Machine {
    pub(super) ready: bool,
    pub(super) inside: Inside,
    /// Address, Ethernet address and profile of each container.
    cards: BTreeMap<String, (Ipv4Addr, String, String)>,
}

pub(super) type Applied = Result<Outcome, String>;

fn done() -> Applied {
    Ok(Outcome::Done)
}

impl Toy {
    pub(super) fn new(cloud: Observed) -> Self {
        Self { cloud, machines: BTreeMap::new(), graphs_stick: false, free_from: (100, 1), next: 0 }
    }

    /// Everything that a look shows.
    pub(super) fn look(&self) -> Observed {
        let mut seen = self.cloud.clone();
        for server in seen.servers.iter().filter(|server| server.status == "ACTIVE") {
            let machine = self.machines.get(&server.id).cloned().unwrap_or_default();
            let view = if machine.ready { HostView::Ready(machine.inside) } else { HostView::Preparing };
            seen.hosts.insert(server.key.name.clone(), view);
        }
        seen
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

    fn balancer(&mut self, id: &str) -> Result<&mut Balancer, String> {
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

    fn add_port(&mut self, port: Port) -> Result<String, String> {
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
    fn passes(&self, host: &str, address: Ipv4Addr, mac: &str) -> bool {
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
                if !port_security && !(security_groups.is_empty() && pairs.is_empty()) {
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
            Action::CreateServer { name, image_id, flavor_id, port, user_data_hash, group, .. } => {
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
                self.cloud.servers.push(Server { id, key, status: "ACTIVE".to_owned(), fault: None, user_data_hash });
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
                self.cloud.floating_ips.push(FloatingIp { id: id.clone(), key: Some(key), address, port_id: None });
                self.lead(&id, known(book, port)?)?;
                done()
            }
            Action::MoveFloatingIp { id, port, adopt } => {
                self.lead(id, known(book, port)?)?;
                let one = self.cloud.floating_ips.iter_mut().find(|one| one.id == *id).ok_or("gone")?;
                note(book, &key, id, Some(one.address));
                if *adopt {
                    one.key = Some(key);
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
            Action::SetVipSecurityGroups { balancer, groups, by_octavia } => {
                let groups: BTreeSet<String> =
                    groups.iter().map(|group| known(book, group)).collect::<Result<_, _>>()?;
                let balancer = self.balancer(&known(book, balancer)?)?;
                let port = balancer.vip_port_id.clone();
                if *by_octavia {
                    balancer.vip_security_groups.clone_from(&groups);
                    self.port(&port)?.security_groups = groups;
                } else {
                    self.port(&port)?.security_groups.extend(groups);
                }
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

    fn create_balancer(&mut self, key: &Key, parts: &BalancerParts, write: Write, book: &mut Book) -> Applied {
        let vip = match parts.address {
            Some(address) => address,
            None => self.free_address()?,
        };
        let groups = parts.security_groups.iter().map(|group| book.get(group).map(|known| known.id.clone()));
        let groups: BTreeSet<String> = groups.collect::<Option<_>>().ok_or("400: no such security group")?;
        let port = Port {
            id: self.id("port"),
            name: "octavia-lb".to_owned(),
            device_owner: "Octavia".to_owned(),
            device_id: "lb".to_owned(),
            addresses: vec![vip],
            security_groups: groups.clone(),
            ..Port::default()
        };
        let vip_port_id = self.add_port(port)?;
        let id = self.id("lb");
        let pool_id = self.id("pool");
        let (mut listeners, mut pools) = (Vec::new(), Vec::new());
        if write == Write::Whole {
            let state = if self.graphs_stick {
                Provisioning::Pending("PENDING_CREATE".to_owned())
            } else {
                Provisioning::Active
            };
            let listener = &parts.listener;
            listeners.push(Listener {
                id: self.id("listener"),
                name: listener.name.clone(),
                state,
                protocol: listener.protocol.to_owned(),
                port: listener.port,
                allowed_cidrs: listener.allowed_cidrs.iter().cloned().collect(),
                default_pool_id: Some(pool_id.clone()),
            });
            pools.push(Pool {
                members: members(&parts.members),
                monitor: Some(Monitor {
                    id: self.id("monitor"),
                    state: Provisioning::Active,
                    kind: parts.monitor.kind.to_owned(),
                    path: parts.monitor.path.clone(),
                }),
                ..pool(pool_id, &parts.pool)
            });
        }
        book.insert(key.clone(), Known { id: id.clone(), address: Some(vip) });
        let vip_key = Key::new(&key.stack, Kind::VipPort, key.name.as_str());
        book.insert(vip_key, Known { id: vip_port_id.clone(), address: Some(vip) });
        self.cloud.balancers.push(Balancer {
            id,
            key: key.clone(),
            state: Provisioning::Pending("PENDING_CREATE".to_owned()),
            operating: "ONLINE".to_owned(),
            vip: Some(vip),
            vip_port_id,
            vip_security_groups: groups,
            by_pieces: write == Write::Part,
            listeners,
            pools,
        });
        done()
    }

    fn apply_to_balancer(&mut self, key: &Key, action: &Action, book: &mut Book) -> Applied {
        let known = |key: &Key| book.get(key).map(|known| known.id.clone()).ok_or(format!("{key} not known"));
        let new = self.id("part");
        let balancer_key = Key::new(&key.stack, Kind::Balancer, key.name.as_str());
        let one = self.balancer(&known(&balancer_key)?)?;
        if one.state != Provisioning::Active
            || one.listeners.iter().any(|listener| listener.state != Provisioning::Active)
        {
            return Err(format!("409: {balancer_key} is immutable"));
        }
        let pool_of = |pools: &mut Vec<Pool>, id: &str| {
            pools.iter().position(|pool| pool.id == *id).ok_or(format!("no pool {id}"))
        };
        match action {
            Action::CreateListener { pool, parts, .. } => {
                let pool = known(pool)?;
                pool_of(&mut one.pools, &pool)?;
                if one.listeners.iter().any(|listener| listener.port == parts.port) {
                    return Err("409: a listener has this port".to_owned());
                }
                one.listeners.push(Listener {
                    id: new,
                    name: parts.name.clone(),
                    state: Provisioning::Active,
                    protocol: parts.protocol.to_owned(),
                    port: parts.port,
                    allowed_cidrs: parts.allowed_cidrs.iter().cloned().collect(),
                    default_pool_id: Some(pool),
                });
            }
            Action::ChangeListener { id, allowed_cidrs, pool, .. } => {
                let pool = known(pool)?;
                pool_of(&mut one.pools, &pool)?;
                let listener = one.listeners.iter_mut().find(|one| one.id == *id).ok_or("no listener")?;
                listener.default_pool_id = Some(pool);
                listener.allowed_cidrs = allowed_cidrs.iter().cloned().collect();
            }
            Action::DeleteListener { id, .. } => {
                let before = one.listeners.len();
                one.listeners.retain(|one| one.id != *id);
                if one.listeners.len() == before {
                    return Err("no listener".to_owned());
                }
            }
            Action::CreatePool { parts, .. } => {
                one.pools.push(pool(new.clone(), parts));
                book.insert(key.clone(), Known { id: new, address: None });
            }
            Action::ChangePool { id, algorithm, .. } => {
                let place = pool_of(&mut one.pools, id)?;
                one.pools[place].algorithm.clone_from(algorithm);
            }
            Action::DeletePool { id, .. } => {
                pool_of(&mut one.pools, id)?;
                if one.listeners.iter().any(|one| one.default_pool_id.as_ref() == Some(id)) {
                    return Err("409: a listener leads to the pool".to_owned());
                }
                one.pools.retain(|pool| pool.id != *id);
            }
            Action::SetMembers { pool, members: wanted, .. } => {
                let place = pool_of(&mut one.pools, &known(pool)?)?;
                one.pools[place].members = members(wanted);
            }
            Action::CreateMonitor { pool, parts, .. } => {
                let place = pool_of(&mut one.pools, &known(pool)?)?;
                let pool = &mut one.pools[place];
                if pool.monitor.is_some() {
                    return Err("409: the pool has a monitor".to_owned());
                }
                let (kind, path) = (parts.kind.to_owned(), parts.path.clone());
                pool.monitor = Some(Monitor { id: new, state: Provisioning::Active, kind, path });
            }
            Action::ChangeMonitor { id, path, .. } => {
                let monitor = one.pools.iter_mut().filter_map(|pool| pool.monitor.as_mut()).find(|one| one.id == *id);
                monitor.ok_or("no monitor")?.path = Some(path.clone());
            }
            Action::DeleteMonitor { id, .. } => {
                for pool in &mut one.pools {
                    pool.monitor.take_if(|monitor| monitor.id == *id);
                }
            }
            other => return Err(format!("not of a balancer: {other:?}")),
        }
        done()
    }

    fn apply_on_host(&mut self, action: &Action) -> Applied {
        match action {
            Action::PutProfile { host, name, profile, write, .. } => {
                let there = self.host(host)?.inside.profiles.insert(name.clone(), profile.clone()).is_some();
                if there == (*write == Write::Whole) {
                    return Err(format!("profile {name} there: {there}, and written {write:?}"));
                }
            }
            Action::DeleteProfile { host, name } => {
                let machine = self.host(host)?;
                if machine.cards.values().any(|(.., profile)| profile == name) {
                    return Err(format!("profile {name} is in use"));
                }
                machine.inside.profiles.remove(name).ok_or("no profile")?;
            }
            Action::ImportImage { host, image } => {
                if !self.host(host)?.inside.images.insert(image_name(image)) {
                    return Err("the image is there".to_owned());
                }
            }
            Action::PutDhcpHost { host, name, line } => {
                if self.host(host)?.inside.dhcp_hosts.insert(name.clone(), line.clone()).is_some() {
                    return Err("dnsmasq still knows the old line".to_owned());
                }
            }
            Action::RemoveDhcpHost { host, name } => {
                self.host(host)?.inside.dhcp_hosts.remove(name).ok_or("no line")?;
            }
            Action::CreateContainer { host, name, image, config } => {
                let machine = self.host(host)?;
                let profile = config.profiles.last().cloned().unwrap_or_default();
                if machine.inside.containers.contains_key(name) || machine.inside.foreign.contains(name) {
                    return Err(format!("container {name} exists"));
                }
                if !machine.inside.profiles.contains_key(&profile)
                    || !machine.inside.images.contains(&image_name(image))
                {
                    return Err(format!("{name}: profile or image missing"));
                }
                let key = config.config[crate::render::KEY_CONFIG].parse().map_err(|_| "no key")?;
                let address = config.generation.split("address=").nth(1).and_then(|rest| rest.split(' ').next());
                let address = address.and_then(|text| text.parse().ok()).ok_or("no address")?;
                let mac = config.devices["eth0"]["hwaddr"].clone();
                machine.cards.insert(name.clone(), (address, mac, profile));
                let container = Container { key, running: false, config: config.config.clone() };
                machine.inside.containers.insert(name.clone(), container);
            }
            Action::ConfigureContainer { host, name, config } => {
                let container = self.host(host)?.inside.containers.get_mut(name).ok_or("no container")?;
                container.config.extend(config.clone());
                container.config.retain(|_, value| !value.is_empty());
            }
            Action::StartContainer { host, name } => {
                let (address, mac, _) = self.host(host)?.cards.get(name).cloned().ok_or("no container")?;
                if !self.passes(host, address, &mac) {
                    return Err(format!("{name} starts on {host} before its pair is set"));
                }
                let machine = self.host(host)?;
                let container = machine.inside.containers.get_mut(name).ok_or("no container")?;
                if std::mem::replace(&mut container.running, true) {
                    return Err(format!("{name} runs already"));
                }
            }
            Action::AwaitContainer { host, name, address, generation, .. } => {
                let (own, mac, _) = self.host(host)?.cards.get(name).cloned().ok_or("no container")?;
                if own != *address || !self.passes(host, own, &mac) {
                    return Err(format!("{name} does not answer at {address}"));
                }
                let container = self.host(host)?.inside.containers.get_mut(name).ok_or("no container")?;
                if !container.running {
                    return Err(format!("{name} does not run"));
                }
                container.config.insert(PROVEN.to_owned(), generation.clone());
            }
            Action::DeleteContainer { host, name } => {
                let machine = self.host(host)?;
                machine.cards.remove(name);
                machine.inside.containers.remove(name).ok_or(format!("no container {name}"))?;
            }
            other => return Err(format!("not on a host: {other:?}")),
        }
        done()
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
        Ok(())
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

fn pool(id: String, parts: &crate::plan::PoolParts) -> Pool {
    Pool {
        id,
        name: parts.name.clone(),
        state: Provisioning::Active,
        protocol: parts.protocol.to_owned(),
        algorithm: parts.algorithm.to_owned(),
        members: Vec::new(),
        monitor: None,
    }
}

fn members(parts: &[crate::plan::MemberParts]) -> Vec<Member> {
    let member = |part: &crate::plan::MemberParts| Member {
        id: part.name.clone(),
        name: part.name.clone(),
        address: part.address,
        port: part.port,
        state: Provisioning::Active,
        operating: "ONLINE".to_owned(),
    };
    parts.iter().map(member).collect()
}

/// An empty tenancy: the network `default` with a router to `external`, Neutron's own ports, and what others have there.
pub(super) fn tenancy() -> Observed {
    let text = |text: &str| text.to_owned();
    let port = |id: &str, owner: &str, last: u8| Port {
        id: text(id),
        name: text(id),
        device_owner: text(owner),
        device_id: text(owner),
        mac: Some(Mac::of_host("foreign", id)),
        addresses: vec![Ipv4Addr::new(192, 168, 0, last)],
        port_security: true,
        revision: Some(7),
        ..Port::default()
    };
    let other = |kind, name: &str, last| Port {
        key: Some(Key::new("other", kind, name)),
        device_id: String::new(),
        pairs: BTreeSet::from([Pair { mac: text("00:16:3e:00:00:01"), address: text("192.168.0.240") }]),
        ..port(&format!("other-{name}"), "", last)
    };
    let subnet = Subnet {
        id: text("subnet"),
        cidr: "192.168.0.0/24".parse().unwrap(),
        gateway: Some(Ipv4Addr::new(192, 168, 0, 1)),
        pools: vec!["192.168.0.2-192.168.0.254".parse().unwrap()],
        nameservers: vec![Ipv4Addr::new(8, 8, 4, 4)],
        routed_to: BTreeSet::from([text("net-external")]),
        pools_before: None,
        revision: Some(3),
    };
    let given = |last: u8| FloatingIp {
        id: format!("given-{last}"),
        key: None,
        address: Ipv4Addr::new(203, 0, 113, last),
        port_id: None,
    };
    Observed {
        capabilities: Capabilities {
            extensions: ["port-security", "allowed-address-pairs"].map(str::to_owned).into(),
            project_id: text("project"),
            balancer_api: Some((2, 29)),
            balancer_providers: BTreeSet::new(),
        },
        networks: vec![Network {
            id: text("net-default"),
            name: text("default"),
            project_id: text("project"),
            mtu: 1450,
            port_security: true,
            subnets: vec![subnet],
        }],
        external: vec![ExternalNetwork { id: text("net-external"), name: text("external") }],
        catalogue: Catalogue {
            images: BTreeMap::from([(text("Ubuntu 24.04"), vec![text("image-1")])]),
            flavors: BTreeMap::from([(
                text("dc1.2x4.40"),
                vec![Flavor { id: text("flavor-1"), vcpus: 2, ram_mib: 4096 }],
            )]),
            key_pairs: BTreeMap::from([(text("datacentred"), text("ssh-ed25519 AAAA user"))]),
        },
        ports: vec![
            port("router", "network:router_interface", 1),
            port("dhcp", "network:dhcp", 2),
            port("their-vm", "compute:nova", 60),
            other(Kind::Port, "lxd0", 61),
            other(Kind::Reservation, "hugo-0", 62),
        ],
        floating_ips: vec![given(240), given(241), given(242)],
        ..Observed::default()
    }
}
