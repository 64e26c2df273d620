//! Health monitors.

use super::{COMMON, mandatory, pick, required};
use crate::world::balancer::{HealthMonitor, Operating, Provisioning, not_found};
use crate::world::{Attributes, Caller, Meta, Refusal, World, overlay, text};

const MONITOR_UPDATE: &[&str] = &[
    "delay",
    "timeout",
    "max_retries",
    "max_retries_down",
    "http_method",
    "url_path",
    "expected_codes",
    "http_version",
    "domain_name",
];

impl World {
    /// Gives a pool its health monitor.
    pub fn create_monitor(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        mandatory(given, &["type", "delay", "timeout", "max_retries", "pool_id"])?;
        let pool = text(given, "pool_id").unwrap_or_default().to_owned();
        self.pool(caller, &pool)?;
        self.balancer_quota(&caller.project_id, "health_monitor")?;
        if self.monitor_of(&pool).is_some() {
            return Err(Refusal::new(409, "DuplicateHealthMonitor", "This pool already has a health monitor"));
        }
        let monitor = self.new_monitor(caller, &pool, given)?;
        self.lock_pool(caller, &pool)?;
        let id = monitor.meta.id.clone();
        self.healthmonitors.insert(id.clone(), monitor);
        Ok(id)
    }

    /// The monitor, if it is the caller's.
    pub fn monitor(&self, caller: &Caller, id: &str) -> Result<&HealthMonitor, Refusal> {
        let found = self.healthmonitors.get(id).filter(|monitor| monitor.meta.project_id == caller.project_id);
        found.ok_or_else(|| not_found("Health Monitor", id))
    }

    /// Changes a health monitor.
    pub fn update_monitor(&mut self, caller: &Caller, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let now = self.now;
        let old = self.monitor(caller, id)?;
        let mut new = overlay(old, &pick(given, MONITOR_UPDATE), &[&COMMON[..], MONITOR_UPDATE].concat())?;
        self.lock_pool(caller, &new.pool_id)?;
        new.meta.touch(now);
        new.provisioning_status = Provisioning::PendingUpdate;
        self.healthmonitors.insert(id.to_owned(), new);
        Ok(())
    }

    /// Begins to delete a health monitor; its pool's members are then not checked any more.
    pub fn delete_monitor(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        let pool = self.monitor(caller, id)?.pool_id.clone();
        self.lock_pool(caller, &pool)?;
        if let Some(monitor) = self.healthmonitors.get_mut(id) {
            monitor.provisioning_status = Provisioning::PendingDelete;
        }
        for member in self.members.values_mut().filter(|member| member.pool_id == pool) {
            member.operating_status = Operating::NoMonitor;
        }
        Ok(())
    }

    pub(super) fn new_monitor(
        &self,
        caller: &Caller,
        pool: &str,
        given: &Attributes,
    ) -> Result<HealthMonitor, Refusal> {
        let kind = required(given, "type")?;
        let http = kind.starts_with("HTTP");
        let for_http = |value: &str| http.then(|| value.to_owned());
        let defaults = HealthMonitor {
            meta: Meta::new(&caller.project_id, self.now),
            provisioning_status: Provisioning::PendingCreate,
            admin_state_up: true,
            pool_id: pool.to_owned(),
            kind,
            delay: 0,
            timeout: 0,
            max_retries: 0,
            max_retries_down: 3,
            http_method: for_http("GET"),
            url_path: for_http("/"),
            expected_codes: for_http("200"),
            http_version: None,
            domain_name: None,
            stuck: false,
        };
        let allowed = [&COMMON[..], &["type", "pool_id"], MONITOR_UPDATE].concat();
        let monitor = overlay(&defaults, &pick(given, &allowed), &allowed)?;
        self.check_monitor_of_ovn(&monitor)?;
        if monitor.delay == 0 || monitor.timeout == 0 || !(1..=10).contains(&monitor.max_retries) {
            return Err(Refusal::new(
                400,
                "Client",
                "Invalid input for field/attribute delay, timeout or max_retries.",
            ));
        }
        if monitor.timeout > monitor.delay {
            return Err(Refusal::new(
                400,
                "ValidationException",
                "Validation failure: \"timeout\" must be less than or equal to \"delay\".",
            ));
        }
        Ok(monitor)
    }
}
