//! Members, one by one and as a batch.

use super::{COMMON, mandatory, pick};
use crate::world::balancer::{Member, Operating, Provisioning, immutable, not_found};
use crate::world::{Attributes, Caller, Meta, Refusal, World, overlay};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

const MEMBER_UPDATE: &[&str] = &["weight", "backup", "monitor_address", "monitor_port"];
/// What a member is known by, or cannot change: a batch names whole members, the present ones too.
const MEMBER_FIXED: &[&str] = &["address", "protocol_port", "subnet_id"];

impl World {
    /// Adds a member to a pool.
    pub fn create_member(&mut self, caller: &Caller, pool: &str, given: &Attributes) -> Result<String, Refusal> {
        self.pool(caller, pool)?;
        self.balancer_quota(&caller.project_id, "member")?;
        let member = self.new_member(caller, pool, given)?;
        let (address, port) = (member.address, member.protocol_port);
        if self.members_of(pool).any(|other| (other.address, other.protocol_port) == (address, port)) {
            return Err(twin(address, port));
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
                // Zed finds out when it writes the second one down; newer releases look before.
                let looks_before = self.settings.octavia_minor > 26;
                let early = "Validation failure: Member entries must be unique by ip_address and protocol_port.";
                let early = || Refusal::new(400, "ValidationException", early);
                return Err(if looks_before { early() } else { twin(key.0, key.1) });
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
                    let mut change = pick(given, MEMBER_UPDATE);
                    change.retain(|name, _| !MEMBER_FIXED.contains(&name.as_str()));
                    let mut new = overlay(old, &change, &[&COMMON[..], MEMBER_UPDATE].concat())?;
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

    pub(super) fn new_member(&self, caller: &Caller, pool: &str, given: &Attributes) -> Result<Member, Refusal> {
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
        mandatory(given, &["address", "protocol_port"])?;
        let allowed = [&COMMON[..], MEMBER_FIXED, MEMBER_UPDATE].concat();
        let member = overlay(&defaults, &pick(given, &allowed), &allowed)?;
        if let Some(subnet) = &member.subnet_id {
            self.subnet(caller, subnet).map_err(|_| not_found("Subnet", subnet))?;
        }
        Ok(member)
    }
}

fn twin(address: Ipv4Addr, port: u16) -> Refusal {
    let message = format!("Another member on this pool is already using ip {address} on protocol_port {port}");
    Refusal::new(409, "DuplicateMemberEntry", message)
}

/// What becomes of members that a batch does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// They go.
    Removed,
    /// They stay: `additive_only=true`.
    Kept,
}
