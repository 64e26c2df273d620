//! Octavia's objects, and when they may be changed.
//!
//! The balancer is the lock of its whole tree: only an ACTIVE balancer with an ACTIVE listener is mutable, every change
//! makes what it touches PENDING, and after a while the whole tree settles at once (octavia `common/constants.py`,
//! MUTABLE_STATUSES and DELETABLE_STATUSES).

use super::{Caller, Change, Meta, Refusal, World};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// `provisioning_status`: whether the object was made as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Provisioning {
    /// Done.
    Active,
    /// Being made.
    PendingCreate,
    /// Being changed.
    PendingUpdate,
    /// Being deleted.
    PendingDelete,
    /// It failed.
    Error,
}

/// A load balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// What all objects share.
    #[serde(flatten)]
    pub meta: Meta,
    /// Where it is.
    pub provisioning_status: Provisioning,
    /// Off: nothing passes.
    pub admin_state_up: bool,
    /// Where it listens.
    pub vip_address: Ipv4Addr,
    /// The Neutron port of that address.
    pub vip_port_id: String,
    /// The subnet of that address.
    pub vip_subnet_id: String,
    /// The network of that address.
    pub vip_network_id: String,
    /// `amphora` or `ovn`.
    pub provider: String,
    /// The user's own groups for the VIP port, from 2.29 on.
    pub vip_sg_ids: Vec<String>,
    /// The group that Octavia keeps while there are none of the user's.
    pub service_group_id: Option<String>,
    /// Octavia made the VIP port, and takes it away.
    pub owns_vip_port: bool,
    /// A fault wants the children of the first graph to stay behind.
    pub graph_stuck: bool,
}

/// A listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listener {
    /// What all objects share.
    #[serde(flatten)]
    pub meta: Meta,
    /// Where it is.
    pub provisioning_status: Provisioning,
    /// Off: nothing passes.
    pub admin_state_up: bool,
    /// Its balancer.
    pub loadbalancer_id: String,
    /// `HTTP` or `TCP`; others are accepted and carried as bytes.
    pub protocol: String,
    /// Unique in its balancer.
    pub protocol_port: u16,
    /// Where requests go.
    pub default_pool_id: Option<String>,
    /// Who may connect; empty is everybody.
    pub allowed_cidrs: Vec<String>,
    /// -1 is no limit.
    pub connection_limit: i64,
    /// `X-Forwarded-For` and its kin: name to `"true"`.
    pub insert_headers: BTreeMap<String, String>,
    /// Milliseconds.
    pub timeout_client_data: u32,
    /// Milliseconds.
    pub timeout_member_connect: u32,
    /// Milliseconds.
    pub timeout_member_data: u32,
    /// Milliseconds.
    pub timeout_tcp_inspect: u32,
    /// Stays PENDING_CREATE though its balancer settles.
    pub stuck: bool,
}

/// A pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pool {
    /// What all objects share.
    #[serde(flatten)]
    pub meta: Meta,
    /// Where it is.
    pub provisioning_status: Provisioning,
    /// Off: nothing passes.
    pub admin_state_up: bool,
    /// Its balancer.
    pub loadbalancer_id: String,
    /// `HTTP`, `TCP`, `PROXY`, …
    pub protocol: String,
    /// `ROUND_ROBIN`, `LEAST_CONNECTIONS`, `SOURCE_IP` or `SOURCE_IP_PORT`.
    pub lb_algorithm: String,
    /// Kept and not acted on.
    pub session_persistence: Option<Value>,
    /// Stays PENDING_CREATE though its balancer settles.
    pub stuck: bool,
}

/// A member of a pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// What all objects share.
    #[serde(flatten)]
    pub meta: Meta,
    /// Where it is.
    pub provisioning_status: Provisioning,
    /// What its health check says.
    pub operating_status: Operating,
    /// Off: it gets nothing.
    pub admin_state_up: bool,
    /// Its pool.
    pub pool_id: String,
    /// Unique in its pool together with the port.
    pub address: Ipv4Addr,
    /// See `address`.
    pub protocol_port: u16,
    /// 0 is never, 1 the usual.
    pub weight: u16,
    /// Used only when all others fail.
    pub backup: bool,
    /// Where the balancer reaches it from.
    pub subnet_id: Option<String>,
    /// Checked in place of `address`.
    pub monitor_address: Option<Ipv4Addr>,
    /// Checked in place of `protocol_port`.
    pub monitor_port: Option<u16>,
    /// Stays PENDING_CREATE though its balancer settles.
    pub stuck: bool,
}

/// `operating_status`: whether it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Operating {
    /// It answers.
    Online,
    /// It is switched off or not there yet.
    Offline,
    /// It does not answer.
    Error,
    /// Some of its members do not answer.
    Degraded,
    /// Nobody checks.
    NoMonitor,
}

/// A health monitor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HealthMonitor {
    /// What all objects share.
    #[serde(flatten)]
    pub meta: Meta,
    /// Where it is.
    pub provisioning_status: Provisioning,
    /// Off: nothing is checked.
    pub admin_state_up: bool,
    /// Its pool; a pool has one at most.
    pub pool_id: String,
    /// `HTTP`, `TCP`, `PING`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Seconds between checks.
    pub delay: u32,
    /// Seconds a check may take.
    pub timeout: u32,
    /// Good checks until ONLINE.
    pub max_retries: u8,
    /// Bad checks until ERROR.
    pub max_retries_down: u8,
    /// For HTTP.
    pub http_method: Option<String>,
    /// For HTTP.
    pub url_path: Option<String>,
    /// For HTTP: `200`, `200,202` or `200-204`.
    pub expected_codes: Option<String>,
    /// For HTTP.
    pub http_version: Option<f32>,
    /// For HTTP.
    pub domain_name: Option<String>,
    /// Stays PENDING_CREATE though its balancer settles.
    pub stuck: bool,
}

impl World {
    /// The balancer, if it is the caller's.
    pub fn load_balancer(&self, caller: &Caller, id: &str) -> Result<&LoadBalancer, Refusal> {
        self.loadbalancers
            .get(id)
            .filter(|balancer| balancer.meta.project_id == caller.project_id)
            .ok_or_else(|| not_found("Load Balancer", id))
    }

    /// Refuses while the tree is not to be changed, and otherwise makes its balancer and its listeners PENDING_UPDATE.
    pub(crate) fn lock_balancer(&mut self, id: &str) -> Result<(), Refusal> {
        self.check_balancer(id)?;
        if let Some(balancer) = self.loadbalancers.get_mut(id) {
            balancer.provisioning_status = Provisioning::PendingUpdate;
        }
        self.settle_later(id, self.settings.delays().balancer_change);
        Ok(())
    }

    /// Refuses while the tree is not to be changed.
    pub(crate) fn check_balancer(&self, id: &str) -> Result<(), Refusal> {
        match self.loadbalancers.get(id) {
            Some(balancer) if balancer.provisioning_status == Provisioning::Active => Ok(()),
            Some(_) => Err(immutable("Load Balancer", id)),
            None => Err(not_found("Load Balancer", id)),
        }
    }

    /// Refuses while the listeners of a pool are not to be changed.
    pub(crate) fn check_listeners(&self, pool_id: &str) -> Result<(), Refusal> {
        let busy = self.listeners.values().find(|listener| {
            listener.default_pool_id.as_deref() == Some(pool_id) && listener.provisioning_status != Provisioning::Active
        });
        match busy {
            Some(listener) => Err(immutable("Listener", &listener.meta.id)),
            None => Ok(()),
        }
    }

    pub(crate) fn settle_later(&mut self, id: &str, delay: std::time::Duration) {
        self.later(delay, Change::BalancerSettled(id.to_owned()));
    }

    /// Everything PENDING in the tree becomes what it was on its way to.
    pub(super) fn balancer_settled(&mut self, id: &str) {
        let Some(balancer) = self.loadbalancers.get_mut(id) else { return };
        if balancer.provisioning_status == Provisioning::PendingDelete {
            self.drop_balancer(id);
            return;
        }
        settle(&mut balancer.provisioning_status);
        let pools: Vec<String> = self.pools_of(id).map(|pool| pool.meta.id.clone()).collect();
        let gone = |status: Provisioning| status == Provisioning::PendingDelete;
        self.members.retain(|_, member| !(pools.contains(&member.pool_id) && gone(member.provisioning_status)));
        self.healthmonitors
            .retain(|_, monitor| !(pools.contains(&monitor.pool_id) && gone(monitor.provisioning_status)));
        for pool in &pools {
            if self.pools.get(pool).is_some_and(|pool| gone(pool.provisioning_status)) {
                self.drop_pool(pool);
            }
        }
        self.listeners.retain(|_, listener| !(listener.loadbalancer_id == id && gone(listener.provisioning_status)));
        for listener in self.listeners.values_mut().filter(|listener| listener.loadbalancer_id == id && !listener.stuck)
        {
            settle(&mut listener.provisioning_status);
        }
        for pool in self.pools.values_mut().filter(|pool| pool.loadbalancer_id == id && !pool.stuck) {
            settle(&mut pool.provisioning_status);
        }
        for member in self.members.values_mut().filter(|member| pools.contains(&member.pool_id) && !member.stuck) {
            settle(&mut member.provisioning_status);
        }
        for monitor in
            self.healthmonitors.values_mut().filter(|monitor| pools.contains(&monitor.pool_id) && !monitor.stuck)
        {
            settle(&mut monitor.provisioning_status);
        }
        self.open_vip(id);
    }

    /// Keeps the VIP port's groups and the service's own rules in step with the listeners.
    pub(crate) fn open_vip(&mut self, id: &str) {
        let Some(balancer) = self.loadbalancers.get(id).cloned() else { return };
        let own = balancer.service_group_id.clone();
        let group = if balancer.vip_sg_ids.is_empty() {
            let mut open = Vec::new();
            for listener in self.listeners.values().filter(|listener| listener.loadbalancer_id == id) {
                if listener.allowed_cidrs.is_empty() {
                    open.push((listener.protocol_port, "0.0.0.0/0".to_owned()));
                }
                open.extend(listener.allowed_cidrs.iter().map(|range| (listener.protocol_port, range.clone())));
            }
            Some(self.set_service_group(own.as_deref(), &format!("lb-{id}"), &open))
        } else {
            None
        };
        if let Some(port) = self.ports.get_mut(&balancer.vip_port_id) {
            match (&group, &own) {
                // A user who has put groups of their own in place of Octavia's keeps them.
                (Some(group), None) => port.security_groups = vec![group.clone()],
                (Some(_), Some(_)) => {}
                (None, _) => port.security_groups.clone_from(&balancer.vip_sg_ids),
            }
        }
        if let (None, Some(own)) = (&group, &own) {
            self.drop_group(own);
        }
        if let Some(balancer) = self.loadbalancers.get_mut(id) {
            balancer.service_group_id = group;
        }
    }

    /// Removes a balancer, its tree, its group and the port that Octavia made.
    pub(crate) fn drop_balancer(&mut self, id: &str) {
        let Some(balancer) = self.drop_tree(id) else { return };
        if balancer.owns_vip_port {
            self.drop_port(&balancer.vip_port_id);
        } else if let Some(port) = self.ports.get_mut(&balancer.vip_port_id) {
            port.device_id.clear();
            port.device_owner.clear();
            "DOWN".clone_into(&mut port.status);
        }
        if let Some(group) = balancer.service_group_id {
            for port in self.ports.values_mut() {
                port.security_groups.retain(|used| *used != group);
            }
            self.drop_group(&group);
        }
    }

    /// Removes a balancer and its tree, and answers what it was. What the VIP has is there still.
    pub(crate) fn drop_tree(&mut self, id: &str) -> Option<LoadBalancer> {
        let pools: Vec<String> = self.pools_of(id).map(|pool| pool.meta.id.clone()).collect();
        for pool in pools {
            self.drop_pool(&pool);
        }
        self.listeners.retain(|_, listener| listener.loadbalancer_id != id);
        self.loadbalancers.shift_remove(id)
    }

    /// Removes a pool with its members and monitor.
    pub(crate) fn drop_pool(&mut self, id: &str) {
        self.pools.shift_remove(id);
        self.members.retain(|_, member| member.pool_id != id);
        self.healthmonitors.retain(|_, monitor| monitor.pool_id != id);
        for listener in self.listeners.values_mut().filter(|listener| listener.default_pool_id.as_deref() == Some(id)) {
            listener.default_pool_id = None;
        }
    }

    /// The pools of a balancer.
    pub fn pools_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Pool> {
        self.pools.values().filter(move |pool| pool.loadbalancer_id == id)
    }

    /// The members of a pool.
    pub fn members_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Member> {
        self.members.values().filter(move |member| member.pool_id == id)
    }

    /// The monitor of a pool.
    pub fn monitor_of(&self, pool_id: &str) -> Option<&HealthMonitor> {
        self.healthmonitors.values().find(|monitor| monitor.pool_id == pool_id)
    }

    /// What a pool's members make of it.
    pub fn pool_operating(&self, pool: &Pool) -> Operating {
        if pool.provisioning_status == Provisioning::PendingCreate || !pool.admin_state_up {
            return Operating::Offline;
        }
        let (mut bad, mut all) = (0, 0);
        for member in self.members_of(&pool.meta.id) {
            all += 1;
            bad += usize::from(member.operating_status == Operating::Error);
        }
        match bad {
            0 => Operating::Online,
            _ if bad == all => Operating::Error,
            _ => Operating::Degraded,
        }
    }

    /// What a listener's pool makes of it.
    pub fn listener_operating(&self, listener: &Listener) -> Operating {
        if listener.provisioning_status == Provisioning::PendingCreate || !listener.admin_state_up {
            return Operating::Offline;
        }
        let pool = listener.default_pool_id.as_ref().and_then(|id| self.pools.get(id));
        match pool.map(|pool| self.pool_operating(pool)) {
            Some(Operating::Error | Operating::Degraded) => Operating::Degraded,
            _ => Operating::Online,
        }
    }

    /// What the pools make of a balancer.
    pub fn balancer_operating(&self, balancer: &LoadBalancer) -> Operating {
        if balancer.provisioning_status == Provisioning::PendingCreate || !balancer.admin_state_up {
            return Operating::Offline;
        }
        let mut worst = Operating::Online;
        for pool in self.pools_of(&balancer.meta.id) {
            match self.pool_operating(pool) {
                Operating::Error => return Operating::Error,
                Operating::Degraded => worst = Operating::Degraded,
                _ => {}
            }
        }
        worst
    }
}

fn settle(status: &mut Provisioning) {
    if matches!(status, Provisioning::PendingCreate | Provisioning::PendingUpdate) {
        *status = Provisioning::Active;
    }
}

/// Octavia's words for a tree that is being changed.
pub fn immutable(what: &str, id: &str) -> Refusal {
    Refusal::new(409, "ImmutableObject", format!("{what} {id} is immutable and cannot be updated."))
}

/// Octavia's words for a balancer that is itself to be changed or deleted, and is not at rest.
pub fn in_state(status: Provisioning, id: &str) -> Refusal {
    let state = serde_json::to_value(status).unwrap_or_default();
    let state = state.as_str().unwrap_or_default();
    Refusal::new(409, "LBPendingStateError", format!("Invalid state {state} of loadbalancer resource {id}"))
}

/// Octavia's words for what is not there.
pub fn not_found(what: &str, id: &str) -> Refusal {
    Refusal::new(404, "NotFound", format!("{what} {id} not found."))
}
