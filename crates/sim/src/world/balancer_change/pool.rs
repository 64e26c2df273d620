//! Pools, and the lock that a change of anything below a pool takes.

use super::{COMMON, mandatory, pick, required};
use crate::world::balancer::{Pool, Provisioning, immutable, not_found};
use crate::world::{Attributes, Caller, Meta, Refusal, World, overlay, text};

const POOL_UPDATE: &[&str] = &["lb_algorithm", "session_persistence"];

impl World {
    /// Adds a pool to a balancer, or to a listener as its default pool.
    pub fn create_pool(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        mandatory(given, &["protocol", "lb_algorithm"])?;
        let listener = text(given, "listener_id").map(str::to_owned);
        let balancer = match &listener {
            Some(id) => {
                let listener = self.listener(caller, id)?;
                if listener.default_pool_id.is_some() {
                    return Err(Refusal::new(409, "DuplicatePoolEntry", "This listener already has a default pool"));
                }
                self.check_balancer(&listener.loadbalancer_id)?;
                if listener.provisioning_status != Provisioning::Active {
                    return Err(immutable("Listener", id));
                }
                listener.loadbalancer_id.clone()
            }
            None => text(given, "loadbalancer_id").map(str::to_owned).ok_or_else(|| {
                let message = "Validation failure: Must provide at least one of: loadbalancer_id, listener_id";
                Refusal::new(400, "ValidationException", message)
            })?,
        };
        self.load_balancer(caller, &balancer)?;
        self.balancer_quota(&caller.project_id, "pool")?;
        let pool = self.new_pool(caller, &balancer, given)?;
        self.lock_balancer(&balancer)?;
        let id = pool.meta.id.clone();
        self.pools.insert(id.clone(), pool);
        if let Some(listener) = listener.and_then(|id| self.listeners.get_mut(&id)) {
            listener.default_pool_id = Some(id.clone());
            listener.provisioning_status = Provisioning::PendingUpdate;
        }
        Ok(id)
    }

    /// The pool, if it is the caller's.
    pub fn pool(&self, caller: &Caller, id: &str) -> Result<&Pool, Refusal> {
        let found = self.pools.get(id).filter(|pool| pool.meta.project_id == caller.project_id);
        found.ok_or_else(|| not_found("Pool", id))
    }

    /// Changes a pool.
    pub fn update_pool(&mut self, caller: &Caller, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let now = self.now;
        let mut new = overlay(self.pool(caller, id)?, &pick(given, POOL_UPDATE), &[&COMMON[..], POOL_UPDATE].concat())?;
        self.check_pool_of_ovn(&new)?;
        self.check_balancer(&new.loadbalancer_id)?;
        self.lock_pool(caller, id)?;
        new.meta.touch(now);
        new.provisioning_status = Provisioning::PendingUpdate;
        self.pools.insert(id.to_owned(), new);
        Ok(())
    }

    /// Begins to delete a pool.
    pub fn delete_pool(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        let balancer = self.pool(caller, id)?.loadbalancer_id.clone();
        self.check_balancer(&balancer)?;
        self.lock_pool(caller, id)?;
        if let Some(pool) = self.pools.get_mut(id) {
            pool.provisioning_status = Provisioning::PendingDelete;
        }
        Ok(())
    }

    /// A change below a pool needs the pool's whole way up to be at rest.
    pub(super) fn lock_pool(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        let pool = self.pool(caller, id)?;
        let balancer = pool.loadbalancer_id.clone();
        if pool.provisioning_status != Provisioning::Active {
            return Err(immutable("Pool", id));
        }
        self.check_balancer(&balancer)?;
        self.check_listeners(id)?;
        self.lock_balancer(&balancer)?;
        for listener in self.listeners.values_mut().filter(|listener| listener.default_pool_id.as_deref() == Some(id)) {
            listener.provisioning_status = Provisioning::PendingUpdate;
        }
        if let Some(pool) = self.pools.get_mut(id) {
            pool.provisioning_status = Provisioning::PendingUpdate;
        }
        Ok(())
    }

    pub(super) fn new_pool(&self, caller: &Caller, balancer: &str, given: &Attributes) -> Result<Pool, Refusal> {
        let defaults = Pool {
            meta: Meta::new(&caller.project_id, self.now),
            provisioning_status: Provisioning::PendingCreate,
            admin_state_up: true,
            loadbalancer_id: balancer.to_owned(),
            protocol: required(given, "protocol")?,
            lb_algorithm: required(given, "lb_algorithm")?,
            session_persistence: None,
            stuck: false,
        };
        let allowed = [&COMMON[..], &["protocol"], POOL_UPDATE].concat();
        let pool = overlay(
            &defaults,
            &pick(given, &[&allowed[..], &["listener_id"]].concat()),
            &[&allowed[..], &["listener_id"]].concat(),
        )?;
        self.check_pool_of_ovn(&pool)?;
        Ok(pool)
    }
}
