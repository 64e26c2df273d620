//! Performing: an action becomes requests, and the wait for what they began.
//!
//! Every create writes its key in the same request, so that a crash right after it leaves nothing nameless. What is gone
//! already counts as deleted.

mod agents;
mod balancers;
mod compute;
mod containers;
mod network;

use pontoon_core::key::Key;
use pontoon_core::plan::{Action, Step};

use super::{Site, SiteError, Waiting};
use crate::openstack;
use agents::Gifts;

impl Site {
    /// Does what a step says and waits until it is so; `waiting` is told what for.
    ///
    /// # Errors
    /// Where [`SiteError::is_unknown`] is true the step may have been done all the same. In every other case what was
    /// changed so far carries its key, and the next look finds it.
    pub async fn perform(&self, step: &Step, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let Some(key) = step.keys.first() else { return Ok(()) };
        match &step.action {
            Action::NarrowPools { subnet_id, pools, before } => {
                self.narrow_pools(subnet_id, pools, before.as_ref()).await
            }
            Action::RestorePools { subnet_id, before } => self.restore_pools(subnet_id, before).await,
            Action::CreateSecurityGroup { name } => self.create_security_group(key, name).await,
            Action::CreateRules { group, admits } => self.create_rules(key, group, admits).await,
            Action::DeleteRule { id } => gone(self.openstack.delete_security_group_rule(id).await),
            Action::CreateServerGroup { name } => self.create_server_group(key, name).await,
            Action::Reserve { network_id, subnet_id, addresses } => {
                self.reserve(network_id, subnet_id, addresses).await
            }
            Action::CreatePort { .. } => self.create_port(key, &step.action).await,
            Action::SetPairs { port, pairs, revision } => self.set_pairs(port, pairs, *revision).await,
            Action::SetPortSecurity { port, security_groups, port_security } => {
                self.set_port_security(port, security_groups, *port_security).await
            }
            Action::CreateServer { .. } => self.create_server(key, &step.action).await,
            Action::StartServer { id } => self.start_server(id).await,
            Action::AwaitHost { host, engine } => self.await_host(key, host, *engine, waiting).await,
            Action::CreateFloatingIp { external_id, port } => self.create_floating_ip(key, external_id, port).await,
            Action::MoveFloatingIp { id, port, claim } => self.move_floating_ip(key, id, port, *claim).await,
            Action::ReleaseFloatingIp { id } => self.release_floating_ip(id).await,
            Action::PutProfile { host, name, description, profile, write } => {
                self.put_profile(host, (name, description), profile, *write, waiting).await
            }
            Action::DeleteProfile { host, name } => self.delete_profile(host, name).await,
            Action::ImportImage { host, image } => self.import_image(key, host, image, waiting).await,
            Action::PutDhcpHost { host, name, line } => self.put_dhcp_host(host, name, line).await,
            Action::RemoveDhcpHost { host, name } => self.remove_dhcp_host(host, name).await,
            Action::PutAgent { host, program, files, key, others, then } => {
                let gifts = Gifts { program: program.as_deref(), files, key: key.as_ref(), others, then: *then };
                self.put_agent(host, gifts, waiting).await
            }
            Action::RemoveAgent { host } => self.remove_agent(host).await,
            Action::CreateContainer { host, name, image, config } => {
                self.create_container(host, name, image, config).await
            }
            Action::ConfigureContainer { host, name, config } => {
                self.configure_container(host, name, config, waiting).await
            }
            Action::StartContainer { host, name } => self.start_container(host, name, waiting).await,
            Action::AwaitContainer { host, name, address, port, generation } => {
                self.await_container(host, name, (*address, *port), generation, waiting).await
            }
            Action::DeleteContainer { host, name } => self.delete_container(host, name, waiting).await,
            Action::CreateBalancer { parts, write } => self.create_balancer(key, parts, *write).await,
            Action::AwaitBalancer { balancer } => self.await_balancer(balancer, waiting).await,
            Action::AwaitMember { pool, name, address, port, .. } => {
                self.await_member(pool, name, (*address, *port), waiting).await
            }
            Action::DeleteBalancer { id } => self.delete_balancer(id, waiting).await,
            Action::CreateListener { .. }
            | Action::ChangeListener { .. }
            | Action::DeleteListener { .. }
            | Action::CreatePool { .. }
            | Action::ChangePool { .. }
            | Action::DeletePool { .. }
            | Action::SetMembers { .. }
            | Action::CreateMonitor { .. }
            | Action::ChangeMonitor { .. }
            | Action::DeleteMonitor { .. } => self.change_balancer(key, &step.action, waiting).await,
            Action::SetVipSecurityGroups { balancer, groups } => self.set_vip_groups(balancer, groups, waiting).await,
            Action::DeleteFloatingIp { id } => gone(self.openstack.delete_floating_ip(id).await),
            Action::DeleteServer { id } => self.delete_server(key, id, waiting).await,
            Action::DeletePort { id } => gone(self.openstack.delete_port(id).await),
            Action::DeleteSecurityGroup { id } => self.delete_security_group(id, waiting).await,
            Action::DeleteServerGroup { id } => gone(self.openstack.delete_server_group(id).await),
        }
    }

    fn ids(&self, keys: &[Key]) -> Result<Vec<String>, SiteError> {
        keys.iter().map(|key| self.book.id(key)).collect()
    }
}

/// What was there when the plan was made and is gone now was removed by somebody else, or by a deletion that was under
/// way: the next look tells what that means.
fn there<T>(found: Result<T, openstack::Error>, what: impl FnOnce() -> String) -> Result<T, SiteError> {
    match found {
        Err(error) if error.is_not_found() => Err(SiteError::Missing { what: what() }),
        other => Ok(other?),
    }
}

/// What is gone already is deleted.
fn gone(deleted: Result<(), openstack::Error>) -> Result<(), SiteError> {
    match deleted {
        Err(error) if error.is_not_found() => Ok(()),
        other => Ok(other?),
    }
}
