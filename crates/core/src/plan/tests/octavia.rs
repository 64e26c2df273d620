//! The load balancers of the toy cloud.

use std::collections::BTreeSet;

use super::toy::{Applied, Toy, done};
use crate::book::{Book, Known};
use crate::key::{Key, Kind};
use crate::observed::*;
use crate::plan::{Action, BalancerParts, Write};

impl Toy {
    pub(super) fn create_balancer(
        &mut self,
        key: &Key,
        parts: &BalancerParts,
        write: Write,
        book: &mut Book,
    ) -> Applied {
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
        let known = &self.cloud.capabilities.balancer_providers;
        let first = known.first().cloned().unwrap_or_else(|| "amphora".to_owned());
        let provider = parts.provider.clone().unwrap_or(first);
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
            provider,
            vip: Some(vip),
            vip_port_id,
            vip_security_groups: groups,
            by_pieces: write == Write::Part,
            listeners,
            pools,
        });
        done()
    }

    pub(super) fn apply_to_balancer(&mut self, key: &Key, action: &Action, book: &mut Book) -> Applied {
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
        if one.provider == "ovn" {
            refused_by_ovn(action)?;
        }
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
            Action::AwaitMember { pool, name, address, port, .. } => {
                let place = pool_of(&mut one.pools, &known(pool)?)?;
                let here = |member: &Member| (member.address, member.port) == (*address, *port);
                one.pools[place].members.iter().find(|member| here(member)).ok_or(format!("no member {name}"))?;
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
}

/// What OVN's provider answers 501 to.
fn refused_by_ovn(action: &Action) -> Result<(), String> {
    let fits = match action {
        Action::CreateListener { parts, .. } => parts.protocol == "TCP" && parts.allowed_cidrs.is_empty(),
        Action::ChangeListener { allowed_cidrs, .. } => allowed_cidrs.is_empty(),
        Action::CreatePool { parts, .. } => parts.protocol == "TCP" && parts.algorithm == "SOURCE_IP_PORT",
        Action::ChangePool { algorithm, .. } => algorithm == "SOURCE_IP_PORT",
        Action::CreateMonitor { parts, .. } => parts.kind == "TCP",
        Action::ChangeMonitor { .. } | Action::SetVipSecurityGroups { .. } => false,
        _ => true,
    };
    if fits { Ok(()) } else { Err(format!("501: OVN provider does not support {action:?}")) }
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
