//! Octavia's lists: one a kind, and one of members for each pool, for Octavia has no other.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use futures_util::try_join;
use pontoon_core::key::{Key, Kind, stack_tag};
use pontoon_core::observed::{Balancer, Listener, Member, Monitor, Pool, Provisioning};

use super::super::{Site, SiteError, chain};
use crate::openstack::{self, load_balancer};

/// The tag of a load balancer that was made piece by piece, because a graph got stuck on this cloud.
pub(in super::super) const BY_PIECES: &str = "pontoon-by-pieces";

/// What there is to know of Octavia.
#[derive(Default)]
pub(super) struct Seen {
    /// The highest version of the API.
    pub(super) api: Option<(u32, u32)>,
    /// The names of its providers.
    pub(super) providers: BTreeSet<String>,
    /// The stack's load balancers.
    pub(super) balancers: Vec<Balancer>,
    /// Why they could not be looked at.
    pub(super) unseen: Option<String>,
}

impl Site {
    /// Looks at the stack's load balancers; `wanted` says whether its file has any. Where it has none, a service that is
    /// in the catalogue and does not answer is a fact like others.
    pub(super) async fn balancers(&self, project: &str, wanted: bool) -> Result<Seen, SiteError> {
        match self.all_balancers(project, wanted).await {
            Err(error) if !wanted => Ok(Seen { unseen: Some(chain(&error)), ..Seen::default() }),
            other => other,
        }
    }

    async fn all_balancers(&self, project: &str, wanted: bool) -> Result<Seen, SiteError> {
        let tag = stack_tag(&self.stack);
        // Administrators are shown every project's, and a stack of the same name may be in several.
        let filters = [("project_id", project), ("tags", tag.as_str())];
        let found = async {
            match self.openstack.load_balancers(&filters).await {
                // A cloud without Octavia has none.
                Err(openstack::Error::NoEndpoint { .. }) => Ok(Vec::new()),
                other => other,
            }
        };
        let version = async { if wanted { self.balancer_api().await } else { Ok(None) } };
        let providers = async { if wanted { self.balancer_providers().await } else { Ok(BTreeSet::new()) } };
        let (api, providers, found) = try_join!(version, providers, found)?;
        let seen = Seen { api, providers, ..Seen::default() };
        if found.is_empty() || !wanted {
            let balancers = found.iter().filter_map(|one| self.balancer(one, &Parts::default())).collect();
            return Ok(Seen { balancers, ..seen });
        }
        let (listeners, pools, monitors) = try_join!(
            self.openstack.listeners(&filters),
            self.openstack.pools(&filters),
            self.openstack.health_monitors(&filters),
        )?;
        let members = pools.iter().map(|pool| async {
            let members = match self.openstack.members(&pool.id).await {
                // The pool was listed, and has been deleted since.
                Err(error) if error.is_not_found() => Vec::new(),
                other => other?,
            };
            Ok::<_, openstack::Error>((pool.id.clone(), members))
        });
        let members: BTreeMap<String, Vec<load_balancer::Member>> = try_join_all(members).await?.into_iter().collect();
        let balancers = found.iter().filter_map(|one| {
            let of_it = |all: &[load_balancer::Id]| all.iter().any(|owner| owner.id == one.id);
            let parts = Parts {
                listeners: listeners.iter().filter(|listener| of_it(&listener.loadbalancers)).collect(),
                pools: pools.iter().filter(|pool| of_it(&pool.loadbalancers)).collect(),
                monitors: &monitors,
                members: Some(&members),
            };
            self.balancer(one, &parts)
        });
        Ok(Seen { balancers: balancers.collect(), ..seen })
    }

    async fn balancer_api(&self) -> Result<Option<(u32, u32)>, openstack::Error> {
        let read = async || match self.openstack.load_balancer_versions().await {
            Ok(versions) => Ok(versions.iter().filter_map(|one| version(&one.id)).max()),
            Err(openstack::Error::NoEndpoint { .. }) => Ok(None),
            Err(error) => Err(error),
        };
        self.constant.balancer_api.get_or_try_init(read).await.copied()
    }

    async fn balancer_providers(&self) -> Result<BTreeSet<String>, openstack::Error> {
        let read = async || match self.openstack.load_balancer_providers().await {
            Ok(providers) => Ok(providers.into_iter().map(|provider| provider.name).collect()),
            // Older than 2.1, or not for everybody to see.
            Err(openstack::Error::NoEndpoint { .. }) => Ok(BTreeSet::new()),
            Err(error) if error.status().is_some_and(|status| status.is_client_error()) => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        };
        self.constant.balancer_providers.get_or_try_init(read).await.cloned()
    }

    fn balancer(&self, one: &load_balancer::LoadBalancer, parts: &Parts<'_>) -> Option<Balancer> {
        let key: Key = one.description.parse().ok()?;
        if key.stack != self.stack || key.kind != Kind::Balancer {
            return None;
        }
        let state = |status: &str| self.child_state(&one.id, status);
        let monitor = |pool: &load_balancer::Pool| {
            let monitor = parts.monitors.iter().find(|monitor| Some(&monitor.id) == pool.healthmonitor_id.as_ref())?;
            Some(Monitor {
                id: monitor.id.clone(),
                state: state(&monitor.provisioning_status),
                kind: monitor.kind.clone(),
                path: monitor.url_path.clone(),
            })
        };
        let pools = parts.pools.iter().map(|pool| Pool {
            id: pool.id.clone(),
            name: pool.name.clone(),
            state: state(&pool.provisioning_status),
            protocol: pool.protocol.clone(),
            algorithm: pool.lb_algorithm.clone(),
            members: parts
                .members
                .and_then(|all| all.get(&pool.id))
                .into_iter()
                .flatten()
                .filter_map(|member| self.seen_member(&one.id, member))
                .collect(),
            monitor: monitor(pool),
        });
        let listeners = parts.listeners.iter().map(|listener| Listener {
            id: listener.id.clone(),
            name: listener.name.clone(),
            state: state(&listener.provisioning_status),
            protocol: listener.protocol.clone(),
            port: listener.protocol_port,
            allowed_cidrs: listener.allowed_cidrs.iter().cloned().collect(),
            default_pool_id: listener.default_pool_id.clone(),
        });
        Some(Balancer {
            pools: pools.collect(),
            listeners: listeners.collect(),
            key,
            state: provisioning(&one.provisioning_status),
            provider: one.provider.clone(),
            vip: one.vip_address.parse().ok(),
            vip_security_groups: one.vip_sg_ids.iter().cloned().collect(),
            by_pieces: one.tags.iter().any(|tag| tag == BY_PIECES),
            operating: one.operating_status.clone(),
            vip_port_id: one.vip_port_id.clone(),
            id: one.id.clone(),
        })
    }

    fn seen_member(&self, balancer: &str, member: &load_balancer::Member) -> Option<Member> {
        Some(Member {
            id: member.id.clone(),
            name: member.name.clone(),
            address: member.address.parse().ok()?,
            port: member.protocol_port,
            state: self.child_state(balancer, &member.provisioning_status),
            operating: member.operating_status.clone(),
        })
    }

    fn child_state(&self, balancer: &str, status: &str) -> Provisioning {
        match provisioning(status) {
            Provisioning::Pending(status) if self.is_stuck(balancer) => Provisioning::Stuck(status),
            state => state,
        }
    }
}

/// What belongs to a load balancer, out of the lists of all.
#[derive(Default)]
struct Parts<'a> {
    listeners: Vec<&'a load_balancer::Listener>,
    pools: Vec<&'a load_balancer::Pool>,
    monitors: &'a [load_balancer::HealthMonitor],
    members: Option<&'a BTreeMap<String, Vec<load_balancer::Member>>>,
}

/// Octavia's `provisioning_status`.
pub(in super::super) fn provisioning(status: &str) -> Provisioning {
    match status {
        "ACTIVE" => Provisioning::Active,
        "ERROR" => Provisioning::Error,
        other => Provisioning::Pending(other.to_owned()),
    }
}

/// `v2.27` as (2, 27).
fn version(id: &str) -> Option<(u32, u32)> {
    let (major, minor) = id.strip_prefix('v')?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
