//! Load balancers. Octavia answers at once and works afterwards; each change here ends when the work is done.

use std::net::Ipv4Addr;

use pontoon_core::key::{Key, Kind, stack_tag};
use pontoon_core::observed::Provisioning;
use pontoon_core::plan::{Action, BalancerParts, ListenerParts, MemberParts, MonitorParts, PoolParts, Write};

use super::super::observe::{BY_PIECES, provisioning};
use super::super::patience::until;
use super::super::{Site, SiteError, Waiting};
use crate::openstack::load_balancer::{
    HealthMonitorChange, ListenerChange, LoadBalancerChange, LoadBalancerStatus, Member, NewHealthMonitor, NewListener,
    NewLoadBalancer, NewMember, NewPool, PoolChange,
};
use crate::openstack::{self};

/// A health monitor asks every five seconds, waits three for the answer, and believes three of a kind.
const MONITOR_DELAY_SECS: u32 = 5;
const MONITOR_TIMEOUT_SECS: u32 = 3;
const MONITOR_TRIES: u32 = 3;

impl Site {
    pub(super) async fn create_balancer(
        &self,
        key: &Key,
        parts: &BalancerParts,
        write: Write,
    ) -> Result<(), SiteError> {
        let tags = self.tags();
        let security_groups = self.ids(&parts.security_groups)?;
        let mut balancer = NewLoadBalancer {
            name: parts.name.clone(),
            description: Some(key.to_string()),
            provider: parts.provider.clone(),
            vip_subnet_id: Some(parts.subnet_id.clone()),
            vip_address: parts.address.map(|address| address.to_string()),
            vip_sg_ids: (!security_groups.is_empty()).then_some(security_groups),
            tags: Some(tags.clone()),
            ..NewLoadBalancer::default()
        };
        match write {
            Write::Whole => {
                let pool = NewPool {
                    members: Some(parts.members.iter().map(|member| self.member(member)).collect()),
                    healthmonitor: Some(self.monitor(&parts.monitor)),
                    ..self.pool(&parts.pool)
                };
                balancer.listeners =
                    Some(vec![NewListener { default_pool: Some(pool), ..self.listener(&parts.listener) }]);
            }
            Write::Part => balancer.tags = Some(tags.into_iter().chain([BY_PIECES.to_owned()]).collect()),
        }
        let made = self.openstack.create_load_balancer(&balancer).await?;
        let vip: Option<Ipv4Addr> = made.vip_address.parse().ok();
        self.book.set(key, &made.id, vip);
        self.book.set(&Key::new(&key.stack, Kind::VipPort, key.name.as_str()), &made.vip_port_id, vip);
        Ok(())
    }

    /// Waits for the load balancer, then for everything in it: ACTIVE of the one says nothing of the other.
    pub(super) async fn await_balancer(&self, key: &Key, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let id = self.book.id(key)?;
        self.settled(&id, &key.name, waiting).await?;
        let look = async |state: &mut String| {
            let tree =
                super::there(self.openstack.load_balancer_statuses(&id).await, || format!("balancer `{}`", key.name))?;
            let unsettled = children(&tree).into_iter().find(|(_, status)| status != "ACTIVE");
            match unsettled {
                None => Ok(Some(None)),
                // The next plan sees it and decides what becomes of it.
                Some((what, status)) if status == "ERROR" => Ok(Some(Some((what, status)))),
                Some((what, status)) => {
                    *state = format!("its {what} is {status}");
                    Ok(None)
                }
            }
        };
        let what = format!("the parts of balancer `{}`", key.name);
        match until(&what, self.patience.stuck, look, waiting).await {
            Ok(None) => Ok(()),
            Ok(Some((what, status))) => Err(SiteError::Stuck { what: format!("{what} of `{}`", key.name), status }),
            Err(SiteError::Deadline { last, .. }) => {
                self.mark_stuck(&id);
                Err(SiteError::Stuck {
                    what: format!("balancer `{}`", key.name),
                    status: format!("unfinished ({last})"),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until a pool's member takes requests, as far as its monitor can tell.
    pub(super) async fn await_member(
        &self,
        pool: &Key,
        name: &str,
        (address, port): (Ipv4Addr, u16),
        waiting: Waiting<'_>,
    ) -> Result<(), SiteError> {
        let id = self.book.id(pool)?;
        let look = async |state: &mut String| {
            let members = super::there(self.openstack.members(&id).await, || pool.label())?;
            let here = |member: &&Member| member.protocol_port == port && member.address == address.to_string();
            let Some(member) = members.iter().find(here) else {
                return Err(SiteError::Missing { what: format!("member `{name}` of balancer `{}`", pool.name) });
            };
            let (provisioning, operating) = (member.provisioning_status.as_str(), member.operating_status.as_str());
            if provisioning == "ACTIVE" && matches!(operating, "ONLINE" | "NO_MONITOR") {
                return Ok(Some(()));
            }
            *state = format!("Octavia calls it {provisioning} and {operating}");
            Ok(None)
        };
        let what = format!("member `{name}` of balancer `{}` to be ONLINE", pool.name);
        until(&what, self.patience.answer.min(self.patience.step), look, waiting).await
    }

    /// Waits until the load balancer can be changed.
    async fn settled(&self, id: &str, name: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let look = async |state: &mut String| {
            let balancer = super::there(self.openstack.load_balancer(id).await, || format!("balancer `{name}`"))?;
            match provisioning(&balancer.provisioning_status) {
                Provisioning::Active => Ok(Some(())),
                Provisioning::Error => Err(SiteError::Broken {
                    what: format!("balancer `{name}`"),
                    reason: "Octavia calls it ERROR and does not say why; its operator's log does".to_owned(),
                }),
                Provisioning::Pending(status) | Provisioning::Stuck(status) => {
                    *state = format!("Octavia calls it {status}");
                    Ok(None)
                }
            }
        };
        until(&format!("balancer `{name}` to settle"), self.patience.step, look, waiting).await
    }

    /// One change of one part, between two settled states of the load balancer.
    pub(super) async fn change_balancer(
        &self,
        key: &Key,
        action: &Action,
        waiting: Waiting<'_>,
    ) -> Result<(), SiteError> {
        let Some(balancer) = balancer_of(action) else { return Ok(()) };
        let id = self.book.id(balancer)?;
        self.settled(&id, &balancer.name, waiting).await?;
        match self.send_change(&id, key, action).await {
            Err(SiteError::OpenStack(error)) if error.is_not_found() && deletes(action) => {}
            other => other?,
        }
        self.settled(&id, &balancer.name, waiting).await
    }

    async fn send_change(&self, id: &str, key: &Key, action: &Action) -> Result<(), SiteError> {
        let octavia = &self.openstack;
        match action {
            Action::CreateListener { pool, parts, .. } => {
                let listener = NewListener {
                    loadbalancer_id: Some(id.to_owned()),
                    default_pool_id: Some(self.book.id(pool)?),
                    ..self.listener(parts)
                };
                self.book.set(key, &octavia.create_listener(&listener).await?.id, None);
            }
            Action::ChangeListener { id, allowed_cidrs, pool, .. } => {
                let change = ListenerChange {
                    allowed_cidrs: Some(allowed_cidrs.clone()),
                    default_pool_id: Some(self.book.id(pool)?),
                    ..ListenerChange::default()
                };
                octavia.update_listener(id, &change).await?;
            }
            Action::DeleteListener { id, .. } => octavia.delete_listener(id).await?,
            Action::CreatePool { parts, .. } => {
                let pool = NewPool { loadbalancer_id: Some(id.to_owned()), ..self.pool(parts) };
                self.book.set(key, &octavia.create_pool(&pool).await?.id, None);
            }
            Action::ChangePool { id, algorithm, .. } => {
                let change = PoolChange { lb_algorithm: Some(algorithm.clone()), ..PoolChange::default() };
                octavia.update_pool(id, &change).await?;
            }
            Action::DeletePool { id, .. } => octavia.delete_pool(id).await?,
            Action::SetMembers { pool, members, .. } => {
                let members: Vec<NewMember> = members.iter().map(|member| self.member(member)).collect();
                octavia.replace_members(&self.book.id(pool)?, &members).await?;
            }
            Action::CreateMonitor { pool, parts, .. } => {
                let monitor = NewHealthMonitor { pool_id: Some(self.book.id(pool)?), ..self.monitor(parts) };
                self.book.set(key, &octavia.create_health_monitor(&monitor).await?.id, None);
            }
            Action::ChangeMonitor { id, path, .. } => {
                let change = HealthMonitorChange { url_path: Some(path.clone()), ..HealthMonitorChange::default() };
                octavia.update_health_monitor(id, &change).await?;
            }
            Action::DeleteMonitor { id, .. } => octavia.delete_health_monitor(id).await?,
            _ => {}
        }
        Ok(())
    }

    pub(super) async fn set_vip_groups(
        &self,
        balancer: &Key,
        groups: &[Key],
        waiting: Waiting<'_>,
    ) -> Result<(), SiteError> {
        let id = self.book.id(balancer)?;
        let groups = self.ids(groups)?;
        self.settled(&id, &balancer.name, waiting).await?;
        let change = LoadBalancerChange { vip_sg_ids: Some(groups), ..LoadBalancerChange::default() };
        self.openstack.update_load_balancer(&id, &change).await?;
        self.settled(&id, &balancer.name, waiting).await
    }

    pub(super) async fn delete_balancer(&self, id: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let mut asked = false;
        let look = async |state: &mut String| {
            if !asked {
                match self.openstack.delete_load_balancer(id).await {
                    Ok(()) => asked = true,
                    Err(error) if error.is_not_found() => return Ok(Some(())),
                    // It is being changed; Octavia takes the deletion when that is over.
                    Err(error) if error.is_conflict() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            match self.openstack.load_balancer(id).await {
                Err(error) if error.is_not_found() => Ok(Some(())),
                Ok(balancer) if balancer.provisioning_status == "DELETED" => Ok(Some(())),
                Ok(balancer) if asked && balancer.provisioning_status == "ERROR" => Err(SiteError::Broken {
                    what: "deleting a load balancer".to_owned(),
                    reason: format!("`{id}` is in ERROR"),
                }),
                Ok(balancer) => {
                    *state = format!("Octavia calls it {}", balancer.provisioning_status);
                    Ok(None)
                }
                Err(error) => Err(openstack::Error::into(error)),
            }
        };
        until("the load balancer to be gone", self.patience.step, look, waiting).await
    }

    fn tags(&self) -> Vec<String> {
        vec![stack_tag(&self.stack)]
    }

    fn listener(&self, parts: &ListenerParts) -> NewListener {
        NewListener {
            name: parts.name.clone(),
            protocol: parts.protocol.to_owned(),
            protocol_port: parts.port,
            allowed_cidrs: (!parts.allowed_cidrs.is_empty()).then(|| parts.allowed_cidrs.clone()),
            tags: Some(self.tags()),
            ..NewListener::default()
        }
    }

    fn pool(&self, parts: &PoolParts) -> NewPool {
        NewPool {
            name: parts.name.clone(),
            protocol: Some(parts.protocol.to_owned()),
            lb_algorithm: Some(parts.algorithm.to_owned()),
            tags: Some(self.tags()),
            ..NewPool::default()
        }
    }

    fn member(&self, parts: &MemberParts) -> NewMember {
        NewMember {
            name: Some(parts.name.clone()),
            address: parts.address.to_string(),
            protocol_port: parts.port,
            subnet_id: Some(parts.subnet_id.clone()),
            tags: Some(self.tags()),
            ..NewMember::default()
        }
    }

    fn monitor(&self, parts: &MonitorParts) -> NewHealthMonitor {
        NewHealthMonitor {
            name: parts.name.clone(),
            kind: parts.kind.to_owned(),
            delay: MONITOR_DELAY_SECS,
            timeout: MONITOR_TIMEOUT_SECS,
            max_retries: MONITOR_TRIES,
            url_path: parts.path.clone(),
            tags: Some(self.tags()),
            ..NewHealthMonitor::default()
        }
    }
}

fn balancer_of(action: &Action) -> Option<&Key> {
    match action {
        Action::CreateListener { balancer, .. }
        | Action::ChangeListener { balancer, .. }
        | Action::DeleteListener { balancer, .. }
        | Action::CreatePool { balancer, .. }
        | Action::ChangePool { balancer, .. }
        | Action::DeletePool { balancer, .. }
        | Action::SetMembers { balancer, .. }
        | Action::CreateMonitor { balancer, .. }
        | Action::ChangeMonitor { balancer, .. }
        | Action::DeleteMonitor { balancer, .. } => Some(balancer),
        _ => None,
    }
}

fn deletes(action: &Action) -> bool {
    matches!(action, Action::DeleteListener { .. } | Action::DeletePool { .. } | Action::DeleteMonitor { .. })
}

/// Every part of a load balancer with its provisioning status.
pub(in super::super) fn children(tree: &LoadBalancerStatus) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let pools = tree.listeners.iter().flat_map(|listener| &listener.pools).chain(&tree.pools);
    for listener in &tree.listeners {
        all.push((format!("listener `{}`", listener.name), listener.provisioning_status.clone()));
    }
    for pool in pools {
        all.push((format!("pool `{}`", pool.name), pool.provisioning_status.clone()));
        all.extend(
            pool.members.iter().map(|member| (format!("member `{}`", member.name), member.provisioning_status.clone())),
        );
        all.extend(
            pool.health_monitor
                .iter()
                .map(|monitor| ("health monitor".to_owned(), monitor.provisioning_status.clone())),
        );
    }
    all
}
