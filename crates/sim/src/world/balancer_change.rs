//! Changes to Octavia's objects: what a request makes, and what it must not.

use super::balancer::{
    HealthMonitor, Listener, LoadBalancer, Member, Operating, Pool, Provisioning, immutable, not_found,
};
use super::faults::Effect;
use super::network::without_owner;
use super::{Attributes, Caller, Meta, Refusal, World, overlay, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

const COMMON: [&str; 4] = ["name", "description", "tags", "admin_state_up"];
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
const POOL_UPDATE: &[&str] = &["lb_algorithm", "session_persistence"];
const MEMBER_UPDATE: &[&str] = &["weight", "backup", "monitor_address", "monitor_port"];
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
        let before = self.clone_balancer_state();
        let made = self.make_load_balancer(caller, given, fault);
        if made.is_err() {
            // One bad part of a graph and nothing of it exists.
            self.restore_balancer_state(before);
        }
        made
    }

    fn make_load_balancer(
        &mut self,
        caller: &Caller,
        given: &Attributes,
        fault: Option<&Effect>,
    ) -> Result<String, Refusal> {
        let given = without_owner(given);
        let provider = text(&given, "provider").unwrap_or("amphora").to_owned();
        if !matches!(provider.as_str(), "amphora" | "octavia") {
            return Err(Refusal::new(400, "ProviderNotFound", format!("Provider '{provider}' was not found.")));
        }
        let groups = given.get("vip_sg_ids").filter(|value| !value.is_null());
        if groups.is_some() && self.settings.octavia_minor < 29 {
            return Err(unknown_attribute("vip_sg_ids"));
        }
        let meta = Meta::new(&caller.project_id, self.now);
        let id = meta.id.clone();
        let vip = self.choose_vip(caller, &given, &id)?;
        let defaults = LoadBalancer {
            meta,
            provisioning_status: Provisioning::PendingCreate,
            admin_state_up: true,
            vip_address: vip.address,
            vip_port_id: vip.port_id,
            vip_subnet_id: vip.subnet_id,
            vip_network_id: vip.network_id,
            provider,
            vip_sg_ids: Vec::new(),
            service_group_id: None,
            owns_vip_port: vip.own,
            graph_stuck: fault == Some(&Effect::GraphStuck),
        };
        let plain = pick(&given, &[]);
        let mut balancer = overlay(&defaults, &plain, &COMMON)?;
        if let Some(groups) = groups {
            balancer.vip_sg_ids = self.vip_groups(caller, groups)?;
        }
        let stuck = balancer.graph_stuck;
        self.loadbalancers.insert(id.clone(), balancer);
        let mut names = BTreeMap::new();
        for pool in objects(&given, "pools") {
            self.add_pool_graph(caller, &id, &pool, &mut names)?;
        }
        for listener in objects(&given, "listeners") {
            let mut listener = listener;
            if let Some(Value::Object(pool)) = listener.remove("default_pool") {
                let known = text(&pool, "name").and_then(|name| names.get(name).cloned());
                let pool_id = match known {
                    Some(pool_id) => pool_id,
                    None => self.add_pool_graph(caller, &id, &pool, &mut names)?,
                };
                listener.insert("default_pool_id".to_owned(), pool_id.into());
            }
            let listener = self.new_listener(caller, &id, &listener)?;
            self.listeners.insert(listener.meta.id.clone(), listener);
        }
        if stuck {
            self.mark_stuck(&id);
        }
        self.open_vip(&id);
        self.settle_later(&id, self.settings.delays().balancer);
        Ok(id)
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
            let restricted = self
                .listeners
                .values()
                .any(|listener| listener.loadbalancer_id == id && !listener.allowed_cidrs.is_empty());
            if restricted && !new.vip_sg_ids.is_empty() {
                return Err(groups_and_cidrs());
            }
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
            return Err(immutable("Load Balancer", id));
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

    /// Adds a listener to a balancer.
    pub fn create_listener(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
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

    /// Adds a pool to a balancer, or to a listener as its default pool.
    pub fn create_pool(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        let listener = text(given, "listener_id").map(str::to_owned);
        let balancer = match &listener {
            Some(id) => {
                let listener = self.listener(caller, id)?;
                if listener.default_pool_id.is_some() {
                    return Err(Refusal::new(
                        409,
                        "DuplicatePoolEntry",
                        format!("Listener {id} already has a default pool."),
                    ));
                }
                if listener.provisioning_status != Provisioning::Active {
                    return Err(immutable("Listener", id));
                }
                listener.loadbalancer_id.clone()
            }
            None => text(given, "loadbalancer_id").unwrap_or_default().to_owned(),
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
        self.lock_pool(caller, id)?;
        new.meta.touch(now);
        new.provisioning_status = Provisioning::PendingUpdate;
        self.pools.insert(id.to_owned(), new);
        Ok(())
    }

    /// Begins to delete a pool.
    pub fn delete_pool(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        self.lock_pool(caller, id)?;
        if let Some(pool) = self.pools.get_mut(id) {
            pool.provisioning_status = Provisioning::PendingDelete;
        }
        Ok(())
    }

    /// Adds a member to a pool.
    pub fn create_member(&mut self, caller: &Caller, pool: &str, given: &Attributes) -> Result<String, Refusal> {
        self.pool(caller, pool)?;
        self.balancer_quota(&caller.project_id, "member")?;
        let member = self.new_member(caller, pool, given)?;
        let (address, port) = (member.address, member.protocol_port);
        if self.members_of(pool).any(|other| (other.address, other.protocol_port) == (address, port)) {
            return Err(Refusal::new(
                409,
                "DuplicateMemberEntry",
                format!("Another member on this pool is already using ip {address} on protocol_port {port}"),
            ));
        }
        self.lock_pool(caller, pool)?;
        let id = member.meta.id.clone();
        self.members.insert(id.clone(), member);
        Ok(id)
    }

    /// The member, if it is of this pool and the caller's.
    pub fn member(&self, caller: &Caller, pool: &str, id: &str) -> Result<&Member, Refusal> {
        self.pool(caller, pool)?;
        self.members.get(id).filter(|member| member.pool_id == pool).ok_or_else(|| not_found("Member", id))
    }

    /// Changes a member.
    pub fn update_member(&mut self, caller: &Caller, pool: &str, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let now = self.now;
        let old = self.member(caller, pool, id)?;
        let mut new = overlay(old, &pick(given, MEMBER_UPDATE), &[&COMMON[..], MEMBER_UPDATE].concat())?;
        if old.provisioning_status != Provisioning::Active {
            return Err(immutable("Member", id));
        }
        self.lock_pool(caller, pool)?;
        new.meta.touch(now);
        new.provisioning_status = Provisioning::PendingUpdate;
        self.members.insert(id.to_owned(), new);
        Ok(())
    }

    /// Begins to delete a member.
    pub fn delete_member(&mut self, caller: &Caller, pool: &str, id: &str) -> Result<(), Refusal> {
        if self.member(caller, pool, id)?.provisioning_status == Provisioning::PendingDelete {
            return Err(immutable("Member", id));
        }
        self.lock_pool(caller, pool)?;
        if let Some(member) = self.members.get_mut(id) {
            member.provisioning_status = Provisioning::PendingDelete;
        }
        Ok(())
    }

    /// Makes the members of a pool those of the list: matched by address and port; what is absent goes unless `additive`.
    pub fn batch_members(
        &mut self,
        caller: &Caller,
        pool: &str,
        given: &[Attributes],
        absent: Absent,
    ) -> Result<(), Refusal> {
        let now = self.now;
        self.pool(caller, pool)?;
        let mut wanted = Vec::new();
        for given in given {
            let member = self.new_member(caller, pool, given)?;
            let key = (member.address, member.protocol_port);
            if wanted.iter().any(|(other, _): &(Member, &Attributes)| (other.address, other.protocol_port) == key) {
                return Err(Refusal::new(
                    400,
                    "ValidationException",
                    "Validation failure: Member entries must be unique by ip_address and protocol_port.",
                ));
            }
            wanted.push((member, given));
        }
        let present: BTreeMap<(Ipv4Addr, u16), String> = self
            .members_of(pool)
            .map(|member| ((member.address, member.protocol_port), member.meta.id.clone()))
            .collect();
        let mut surplus: Vec<String> = Vec::new();
        if absent == Absent::Removed {
            let kept =
                |key: &(Ipv4Addr, u16)| wanted.iter().any(|(member, _)| (member.address, member.protocol_port) == *key);
            surplus.extend(present.iter().filter(|(key, _)| !kept(key)).map(|(_, id)| id.clone()));
        }
        if wanted.is_empty() && surplus.is_empty() {
            return Ok(());
        }
        for (member, _) in
            wanted.iter().filter(|(member, _)| !present.contains_key(&(member.address, member.protocol_port)))
        {
            self.balancer_quota(&member.meta.project_id, "member")?;
        }
        self.lock_pool(caller, pool)?;
        for (member, given) in wanted {
            match present.get(&(member.address, member.protocol_port)) {
                Some(id) => {
                    let Some(old) = self.members.get(id) else { continue };
                    let mut new = overlay(old, &pick(given, MEMBER_UPDATE), &[&COMMON[..], MEMBER_UPDATE].concat())?;
                    new.meta.touch(now);
                    new.provisioning_status = Provisioning::PendingUpdate;
                    self.members.insert(id.clone(), new);
                }
                None => {
                    self.members.insert(member.meta.id.clone(), member);
                }
            }
        }
        for id in surplus {
            if let Some(member) = self.members.get_mut(&id) {
                member.provisioning_status = Provisioning::PendingDelete;
            }
        }
        Ok(())
    }

    /// Gives a pool its health monitor.
    pub fn create_monitor(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
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
        if old.provisioning_status != Provisioning::Active {
            return Err(immutable("Health Monitor", id));
        }
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

    /// A change below a pool needs the pool's whole way up to be at rest.
    fn lock_pool(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        let pool = self.pool(caller, id)?;
        let balancer = pool.loadbalancer_id.clone();
        if self.load_balancer(caller, &balancer)?.provisioning_status != Provisioning::Active {
            return Err(immutable("Load Balancer", &balancer));
        }
        if pool.provisioning_status != Provisioning::Active {
            return Err(immutable("Pool", id));
        }
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

    fn add_pool_graph(
        &mut self,
        caller: &Caller,
        balancer: &str,
        given: &Attributes,
        names: &mut BTreeMap<String, String>,
    ) -> Result<String, Refusal> {
        let invalid =
            |message: &str| Refusal::new(400, "ValidationException", format!("Validation failure: {message}"));
        let name = text(given, "name").ok_or_else(|| invalid("Pools must be named."))?;
        if names.contains_key(name) {
            return Err(invalid("Pool names must be unique."));
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

    fn new_listener(&self, caller: &Caller, balancer: &str, given: &Attributes) -> Result<Listener, Refusal> {
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

    fn check_listener(&self, listener: &Listener) -> Result<(), Refusal> {
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

    fn new_pool(&self, caller: &Caller, balancer: &str, given: &Attributes) -> Result<Pool, Refusal> {
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
        overlay(
            &defaults,
            &pick(given, &[&allowed[..], &["listener_id"]].concat()),
            &[&allowed[..], &["listener_id"]].concat(),
        )
    }

    fn new_member(&self, caller: &Caller, pool: &str, given: &Attributes) -> Result<Member, Refusal> {
        let defaults = Member {
            meta: Meta::new(&caller.project_id, self.now),
            provisioning_status: Provisioning::PendingCreate,
            operating_status: Operating::NoMonitor,
            admin_state_up: true,
            pool_id: pool.to_owned(),
            address: Ipv4Addr::UNSPECIFIED,
            protocol_port: 0,
            weight: 1,
            backup: false,
            subnet_id: None,
            monitor_address: None,
            monitor_port: None,
            stuck: false,
        };
        required(given, "address")?;
        let allowed = [&COMMON[..], &["address", "protocol_port", "subnet_id"], MEMBER_UPDATE].concat();
        let member = overlay(&defaults, &pick(given, &allowed), &allowed)?;
        if let Some(subnet) = &member.subnet_id {
            self.subnet(caller, subnet).map_err(|_| not_found("Subnet", subnet))?;
        }
        Ok(member)
    }

    fn new_monitor(&self, caller: &Caller, pool: &str, given: &Attributes) -> Result<HealthMonitor, Refusal> {
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

    /// The VIP's port: the user's own, or one that Octavia makes.
    fn choose_vip(&mut self, caller: &Caller, given: &Attributes, id: &str) -> Result<Vip, Refusal> {
        let missing = |what: &str, id: &str| Refusal::new(400, "InvalidSubresource", format!("{what} {id} not found."));
        if let Some(port_id) = text(given, "vip_port_id") {
            let port = self.port(caller, port_id).map_err(|_| missing("Port", port_id))?;
            if !port.device_id.is_empty() {
                return Err(Refusal::new(409, "VIPInUse", format!("VIP port {port_id} is already in use.")));
            }
            let fixed = port.fixed_ips.first().ok_or_else(|| missing("Address of port", port_id))?;
            let vip = Vip {
                address: fixed.ip_address,
                port_id: port_id.to_owned(),
                subnet_id: fixed.subnet_id.clone(),
                network_id: port.network_id.clone(),
                own: false,
            };
            self.bind_vip(port_id, id);
            return Ok(vip);
        }
        let subnet = match (text(given, "vip_subnet_id"), text(given, "vip_network_id")) {
            (Some(subnet), _) => self.subnet(caller, subnet).map_err(|_| missing("Subnet", subnet))?.clone(),
            (None, Some(network)) => self
                .subnets
                .values()
                .find(|subnet| {
                    subnet.network_id == network
                        && self.networks.get(network).is_some_and(|network| network.visible_to(caller))
                })
                .ok_or_else(|| missing("Network", network))?
                .clone(),
            (None, None) => {
                return Err(Refusal::new(
                    400,
                    "ValidationException",
                    "Validation failure: VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.",
                ));
            }
        };
        let mut fixed = json!({ "subnet_id": subnet.meta.id });
        if let (Some(address), Some(map)) = (text(given, "vip_address"), fixed.as_object_mut()) {
            map.insert("ip_address".to_owned(), address.into());
        }
        // Octavia asks for the port with rights of its own, so that the network need not be the caller's.
        let maker = Caller { user_id: caller.user_id.clone(), project_id: subnet.meta.project_id.clone() };
        let mut port = Attributes::new();
        port.insert("network_id".to_owned(), subnet.network_id.clone().into());
        port.insert("name".to_owned(), format!("octavia-lb-{id}").into());
        port.insert("fixed_ips".to_owned(), json!([fixed]));
        port.insert("security_groups".to_owned(), json!([]));
        let port_id = self.create_port(&maker, &port).map_err(|refusal| match refusal.status {
            409 if refusal.kind == "IpAddressAlreadyAllocated" => {
                Refusal::new(409, "VIPInUse", format!("{}.", refusal.message))
            }
            _ => refusal,
        })?;
        let address = self
            .ports
            .get_mut(&port_id)
            .and_then(|port| {
                port.meta.project_id.clone_from(&caller.project_id);
                port.fixed_ips.first().map(|fixed| fixed.ip_address)
            })
            .unwrap_or(Ipv4Addr::UNSPECIFIED);
        self.bind_vip(&port_id, id);
        Ok(Vip { address, port_id, subnet_id: subnet.meta.id, network_id: subnet.network_id, own: true })
    }

    fn bind_vip(&mut self, port_id: &str, id: &str) {
        if let Some(port) = self.ports.get_mut(port_id) {
            port.device_id = format!("lb-{id}");
            "Octavia".clone_into(&mut port.device_owner);
        }
    }

    fn vip_groups(&self, caller: &Caller, groups: &Value) -> Result<Vec<String>, Refusal> {
        let groups: Vec<String> = serde_json::from_value(groups.clone()).unwrap_or_default();
        for group in &groups {
            self.security_group(caller, group)
                .map_err(|_| Refusal::new(400, "InvalidSubresource", format!("Security Group {group} not found.")))?;
        }
        Ok(groups)
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

    fn clone_balancer_state(&self) -> Box<Self> {
        Box::new(self.clone())
    }

    fn restore_balancer_state(&mut self, before: Box<Self>) {
        let settings = std::mem::take(&mut self.settings);
        *self = *before;
        self.settings = settings;
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

/// What becomes of members that a batch does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// They go.
    Removed,
    /// They stay: `additive_only=true`.
    Kept,
}

struct Vip {
    address: Ipv4Addr,
    port_id: String,
    subnet_id: String,
    network_id: String,
    own: bool,
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
    text(given, key).map(str::to_owned).ok_or_else(|| {
        Refusal::new(
            400,
            "Client",
            format!("Invalid input for field/attribute {key}. Value: 'None'. Mandatory field missing."),
        )
    })
}

fn unknown_attribute(name: &str) -> Refusal {
    Refusal::new(400, "Client", format!("Unknown attribute for argument: {name}"))
}

fn groups_and_cidrs() -> Refusal {
    Refusal::new(
        400,
        "ValidationException",
        "Validation failure: SG IDs are not supported when allowed_cidrs are set on a listener.",
    )
}
