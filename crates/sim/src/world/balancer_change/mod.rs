//! Changes to Octavia's objects: what a request makes, and what it must not.

mod listener;
mod member;
mod monitor;
mod ovn;
mod pool;
mod vip;

pub use member::Absent;

use crate::world::balancer::{LoadBalancer, Provisioning, in_state};
use crate::world::faults::Effect;
use crate::world::network::without_owner;
use crate::world::{Attributes, Caller, Meta, Refusal, World, overlay, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

const COMMON: [&str; 4] = ["name", "description", "tags", "admin_state_up"];
/// Parts of requests that name or hold other objects and are read by hand.
const NESTED: [&str; 7] =
    ["listeners", "pools", "members", "healthmonitor", "default_pool", "l7policies", "loadbalancer_id"];

impl World {
    /// Begins to make a balancer, with its whole tree where one is given, and answers its id.
    pub fn create_load_balancer(
        &mut self,
        caller: &Caller,
        given: &Attributes,
        fault: Option<&Effect>,
    ) -> Result<String, Refusal> {
        self.balancer_quota(&caller.project_id, "load_balancer")?;
        let given = without_owner(given);
        let id = self.make_load_balancer(caller, &given, fault)?;
        if let Err(refusal) = self.add_graph(caller, &id, &given) {
            // One bad part of a graph and nothing of it exists, but for the VIP's port, which Octavia has had made and forgets.
            self.drop_tree(&id);
            return Err(refusal);
        }
        self.open_vip(&id);
        self.settle_later(&id, self.settings.delays().balancer);
        Ok(id)
    }

    fn make_load_balancer(
        &mut self,
        caller: &Caller,
        given: &Attributes,
        fault: Option<&Effect>,
    ) -> Result<String, Refusal> {
        let provider = self.provider(text(given, "provider"))?;
        let groups = given.get("vip_sg_ids").filter(|value| !value.is_null());
        if groups.is_some() && self.settings.octavia_minor < 29 {
            return Err(unknown_attribute("vip_sg_ids"));
        }
        let vip_sg_ids = groups.map_or(Ok(Vec::new()), |groups| self.vip_groups(caller, groups))?;
        ovn::check_vip_groups(&provider, &vip_sg_ids)?;
        let defaults = LoadBalancer {
            meta: Meta::new(&caller.project_id, self.now),
            provisioning_status: Provisioning::PendingCreate,
            admin_state_up: true,
            vip_address: Ipv4Addr::UNSPECIFIED,
            vip_port_id: String::new(),
            vip_subnet_id: String::new(),
            vip_network_id: String::new(),
            provider,
            vip_sg_ids,
            service_group_id: None,
            owns_vip_port: false,
            graph_stuck: fault == Some(&Effect::GraphStuck),
        };
        let balancer = overlay(&defaults, &pick(given, &[]), &COMMON)?;
        let id = balancer.meta.id.clone();
        // Last, since it makes the port.
        let vip = self.choose_vip(caller, given, &id)?;
        let balancer = LoadBalancer {
            vip_address: vip.address,
            vip_port_id: vip.port_id,
            vip_subnet_id: vip.subnet_id,
            vip_network_id: vip.network_id,
            owns_vip_port: vip.own,
            ..balancer
        };
        self.loadbalancers.insert(id.clone(), balancer);
        Ok(id)
    }

    /// The tree of a new balancer.
    fn add_graph(&mut self, caller: &Caller, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let mut names = BTreeMap::new();
        for pool in objects(given, "pools") {
            self.add_pool_graph(caller, id, &pool, &mut names)?;
        }
        for listener in objects(given, "listeners") {
            let mut listener = listener;
            if let Some(Value::Object(pool)) = listener.remove("default_pool") {
                let known = text(&pool, "name").and_then(|name| names.get(name).cloned());
                let pool_id = match known {
                    Some(pool_id) => pool_id,
                    None => self.add_pool_graph(caller, id, &pool, &mut names)?,
                };
                listener.insert("default_pool_id".to_owned(), pool_id.into());
            }
            let listener = self.new_listener(caller, id, &listener)?;
            self.listeners.insert(listener.meta.id.clone(), listener);
        }
        if self.loadbalancers.get(id).is_some_and(|balancer| balancer.graph_stuck) {
            self.mark_stuck(id);
        }
        Ok(())
    }

    /// Changes a balancer; it must be mutable.
    pub fn update_load_balancer(&mut self, caller: &Caller, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let now = self.now;
        let old = self.load_balancer(caller, id)?;
        let mut new = overlay(old, &pick(given, &["vip_sg_ids"]), &[&COMMON[..], &["vip_sg_ids"]].concat())?;
        if let Some(groups) = given.get("vip_sg_ids") {
            if self.settings.octavia_minor < 29 {
                return Err(unknown_attribute("vip_sg_ids"));
            }
            new.vip_sg_ids = self.vip_groups(caller, groups)?;
            ovn::check_vip_groups(&new.provider, &new.vip_sg_ids)?;
            let restricted = self
                .listeners
                .values()
                .any(|listener| listener.loadbalancer_id == id && !listener.allowed_cidrs.is_empty());
            if restricted && !new.vip_sg_ids.is_empty() {
                return Err(groups_and_cidrs());
            }
        }
        if old.provisioning_status != Provisioning::Active {
            return Err(in_state(old.provisioning_status, id));
        }
        self.lock_balancer(id)?;
        new.meta.touch(now);
        new.provisioning_status = Provisioning::PendingUpdate;
        self.loadbalancers.insert(id.to_owned(), new);
        self.open_vip(id);
        Ok(())
    }

    /// Begins to delete a balancer; `cascade` takes its tree along.
    pub fn delete_load_balancer(&mut self, caller: &Caller, id: &str, cascade: Cascade) -> Result<(), Refusal> {
        let status = self.load_balancer(caller, id)?.provisioning_status;
        if !matches!(status, Provisioning::Active | Provisioning::Error) {
            return Err(in_state(status, id));
        }
        let has_children = self.pools_of(id).next().is_some()
            || self.listeners.values().any(|listener| listener.loadbalancer_id == id);
        if has_children && cascade == Cascade::No {
            return Err(Refusal::new(
                400,
                "ValidationException",
                format!("Validation failure: Cannot delete Load Balancer {id} - it has children"),
            ));
        }
        if let Some(balancer) = self.loadbalancers.get_mut(id) {
            balancer.provisioning_status = Provisioning::PendingDelete;
        }
        self.settle_later(id, self.settings.delays().balancer_change);
        Ok(())
    }

    fn add_pool_graph(
        &mut self,
        caller: &Caller,
        balancer: &str,
        given: &Attributes,
        names: &mut BTreeMap<String, String>,
    ) -> Result<String, Refusal> {
        let invalid =
            |message: &str| Refusal::new(400, "ValidationException", format!("Validation failure: {message}"));
        let name = text(given, "name")
            .ok_or_else(|| invalid("Pools must be named when creating a fully populated loadbalancer."))?;
        if names.contains_key(name) {
            return Err(invalid("Pool names must be unique when creating a fully populated loadbalancer."));
        }
        let pool = self.new_pool(caller, balancer, given)?;
        let id = pool.meta.id.clone();
        names.insert(name.to_owned(), id.clone());
        self.pools.insert(id.clone(), pool);
        for member in objects(given, "members") {
            let member = self.new_member(caller, &id, &member)?;
            self.members.insert(member.meta.id.clone(), member);
        }
        if let Some(Value::Object(monitor)) = given.get("healthmonitor") {
            let monitor = self.new_monitor(caller, &id, monitor)?;
            self.healthmonitors.insert(monitor.meta.id.clone(), monitor);
        }
        Ok(id)
    }

    fn mark_stuck(&mut self, id: &str) {
        let pools: Vec<String> = self.pools_of(id).map(|pool| pool.meta.id.clone()).collect();
        self.listeners.values_mut().filter(|child| child.loadbalancer_id == id).for_each(|child| child.stuck = true);
        self.pools.values_mut().filter(|child| child.loadbalancer_id == id).for_each(|child| child.stuck = true);
        self.members.values_mut().filter(|child| pools.contains(&child.pool_id)).for_each(|child| child.stuck = true);
        self.healthmonitors
            .values_mut()
            .filter(|child| pools.contains(&child.pool_id))
            .for_each(|child| child.stuck = true);
    }
}

/// Whether a delete takes the children along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cascade {
    /// It does.
    Yes,
    /// It is refused while there are any.
    No,
}

/// The attributes without those that were read by hand, and without nulls that Octavia reads as "not given".
fn pick(given: &Attributes, keep: &[&str]) -> Attributes {
    const BY_HAND: [&str; 9] = [
        "vip_subnet_id",
        "vip_network_id",
        "vip_port_id",
        "vip_address",
        "vip_sg_ids",
        "provider",
        "flavor_id",
        "vip_qos_policy_id",
        "additional_vips",
    ];
    without_owner(given)
        .into_iter()
        .filter(|(key, _)| {
            keep.contains(&key.as_str()) || (!BY_HAND.contains(&key.as_str()) && !NESTED.contains(&key.as_str()))
        })
        .filter(|(key, _)| key != "vip_sg_ids" && key != "listener_id")
        .collect()
}

fn objects(given: &Attributes, key: &str) -> Vec<Attributes> {
    let list = given.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    list.into_iter()
        .filter_map(|value| match value {
            Value::Object(map) => Some(map),
            _ => None,
        })
        .collect()
}

fn required(given: &Attributes, key: &str) -> Result<String, Refusal> {
    text(given, key).map(str::to_owned).ok_or_else(|| missing(key))
}

/// The form of a request is looked at before anything that it names.
fn mandatory(given: &Attributes, keys: &[&str]) -> Result<(), Refusal> {
    match keys.iter().find(|key| given.get(**key).is_none_or(Value::is_null)) {
        Some(key) => Err(missing(key)),
        None => Ok(()),
    }
}

fn missing(key: &str) -> Refusal {
    let message = format!("Invalid input for field/attribute {key}. Value: 'None'. Mandatory field missing.");
    Refusal::new(400, "Client", message)
}

fn unknown_attribute(name: &str) -> Refusal {
    Refusal::invalid(format!("Unrecognized attribute(s) '{name}'"))
}

fn groups_and_cidrs() -> Refusal {
    Refusal::new(
        400,
        "ValidationException",
        "Validation failure: SG IDs are not supported when allowed_cidrs are set on a listener.",
    )
}
