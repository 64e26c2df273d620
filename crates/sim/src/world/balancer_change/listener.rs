//! Listeners: what a request makes of them.

use super::{COMMON, groups_and_cidrs, mandatory, pick, required, unknown_attribute};
use crate::world::balancer::{Listener, Provisioning, immutable, not_found};
use crate::world::{Attributes, Caller, Meta, Refusal, World, overlay, text};
use serde_json::Value;
use std::collections::BTreeMap;

const LISTENER_UPDATE: &[&str] = &[
    "default_pool_id",
    "allowed_cidrs",
    "connection_limit",
    "insert_headers",
    "timeout_client_data",
    "timeout_member_connect",
    "timeout_member_data",
    "timeout_tcp_inspect",
];

impl World {
    /// Adds a listener to a balancer.
    pub fn create_listener(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        mandatory(given, &["protocol", "protocol_port"])?;
        let balancer = text(given, "loadbalancer_id").unwrap_or_default().to_owned();
        self.load_balancer(caller, &balancer)?;
        if given.get("default_pool").is_some_and(Value::is_object) {
            // Seen on a real cloud (Zed): a pool nested in a listener is understood in a balancer's graph only.
            return Err(Refusal::new(500, "Server", "Internal Server Error"));
        }
        self.balancer_quota(&caller.project_id, "listener")?;
        let listener = self.new_listener(caller, &balancer, given)?;
        self.lock_balancer(&balancer)?;
        // Rebuilding the balancer's configuration brings listeners to life that an earlier graph left behind.
        for other in self.listeners.values_mut().filter(|other| other.loadbalancer_id == balancer) {
            other.stuck = false;
        }
        let id = listener.meta.id.clone();
        self.listeners.insert(id.clone(), listener);
        Ok(id)
    }

    /// The listener, if it is the caller's.
    pub fn listener(&self, caller: &Caller, id: &str) -> Result<&Listener, Refusal> {
        let found = self.listeners.get(id).filter(|listener| listener.meta.project_id == caller.project_id);
        found.ok_or_else(|| not_found("Listener", id))
    }

    /// Changes a listener.
    pub fn update_listener(&mut self, caller: &Caller, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let now = self.now;
        let mut new = overlay(
            self.listener(caller, id)?,
            &pick(given, LISTENER_UPDATE),
            &[&COMMON[..], LISTENER_UPDATE].concat(),
        )?;
        self.check_listener(&new)?;
        self.check_balancer(&new.loadbalancer_id)?;
        if self.listener(caller, id)?.provisioning_status != Provisioning::Active {
            return Err(immutable("Listener", id));
        }
        self.lock_balancer(&new.loadbalancer_id)?;
        new.meta.touch(now);
        new.provisioning_status = Provisioning::PendingUpdate;
        self.listeners.insert(id.to_owned(), new);
        Ok(())
    }

    /// Begins to delete a listener.
    pub fn delete_listener(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        let listener = self.listener(caller, id)?;
        self.check_balancer(&listener.loadbalancer_id)?;
        if !matches!(listener.provisioning_status, Provisioning::Active | Provisioning::Error) {
            return Err(immutable("Listener", id));
        }
        let balancer = listener.loadbalancer_id.clone();
        self.lock_balancer(&balancer)?;
        if let Some(listener) = self.listeners.get_mut(id) {
            listener.provisioning_status = Provisioning::PendingDelete;
        }
        Ok(())
    }

    pub(super) fn new_listener(
        &self,
        caller: &Caller,
        balancer: &str,
        given: &Attributes,
    ) -> Result<Listener, Refusal> {
        let defaults = Listener {
            meta: Meta::new(&caller.project_id, self.now),
            provisioning_status: Provisioning::PendingCreate,
            admin_state_up: true,
            loadbalancer_id: balancer.to_owned(),
            protocol: required(given, "protocol")?,
            protocol_port: 0,
            default_pool_id: None,
            allowed_cidrs: Vec::new(),
            connection_limit: -1,
            insert_headers: BTreeMap::new(),
            timeout_client_data: 50_000,
            timeout_member_connect: 5_000,
            timeout_member_data: 50_000,
            timeout_tcp_inspect: 0,
            stuck: false,
        };
        let own = ["protocol", "protocol_port"];
        let allowed = [&COMMON[..], &own, LISTENER_UPDATE].concat();
        let listener = overlay(&defaults, &pick(given, &allowed), &allowed)?;
        let taken = self
            .listeners
            .values()
            .any(|other| other.loadbalancer_id == balancer && other.protocol_port == listener.protocol_port);
        if taken {
            return Err(Refusal::new(
                409,
                "DuplicateListenerEntry",
                format!(
                    "Another Listener on this Load Balancer is already using protocol {} and protocol_port {}",
                    listener.protocol, listener.protocol_port
                ),
            ));
        }
        self.check_listener(&listener)?;
        Ok(listener)
    }

    pub(super) fn check_listener(&self, listener: &Listener) -> Result<(), Refusal> {
        self.check_listener_of_ovn(listener)?;
        if let Some(pool) = &listener.default_pool_id
            && self.pools.get(pool).is_none_or(|pool| pool.loadbalancer_id != listener.loadbalancer_id)
        {
            return Err(not_found("Pool", pool));
        }
        if !listener.allowed_cidrs.is_empty() {
            if self.settings.octavia_minor < 12 {
                return Err(unknown_attribute("allowed_cidrs"));
            }
            if self.loadbalancers.get(&listener.loadbalancer_id).is_some_and(|balancer| !balancer.vip_sg_ids.is_empty())
            {
                return Err(groups_and_cidrs());
            }
        }
        Ok(())
    }
}
