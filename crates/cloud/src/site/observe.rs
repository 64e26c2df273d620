//! Observing: the vendors' lists become facts.
//!
//! One request a kind, filtered by the service, all at once; none for each object. Hosts are looked into side by side.

mod agent;
mod balancers;
mod inside;
mod network;

pub(super) use balancers::{BY_PIECES, provisioning};

use std::collections::BTreeMap;

use futures_util::future::join_all;
use futures_util::{FutureExt, try_join};
use pontoon_core::key::{Key, Kind, stack_tag};
use pontoon_core::observed::{Catalogue, Flavor, HostView, Observed, Quota, Quotas, Server, ServerGroup};
use pontoon_core::plan;
use pontoon_core::spec::model::Stack;

use super::{Site, SiteError, chain, host_keys};
use crate::openstack;

/// Where a server keeps its key.
pub(super) const METADATA_KEY: &str = "pontoon.key";
/// Where a server keeps the hash of the user-data it was booted with.
pub(super) const METADATA_USER_DATA: &str = "pontoon.user-data";

/// What a host is asked one after another: to let us in, how its cloud-init is, what its engine has, what its dnsmasq
/// knows. One that lets nobody in is given up after the first; a small one in the middle of a container's first boot
/// needed more than 15 s for all of them.
const QUESTIONS: u32 = 4;

impl Site {
    /// Looks at everything that `stack` stands on and at everything of it that exists.
    pub async fn observe(&self, stack: &Stack) -> Result<Observed, SiteError> {
        self.hosts.set_ways(plan::ways(stack));
        let mut seen = self.lists(Some(stack)).await?;
        self.book.replace(seen.book());
        seen.agent_program = self.agent.facts();
        seen.hosts = self.look_into(stack, &seen.servers).await;
        if boots(stack, &seen) {
            seen.catalogue = self.catalogue(stack).await?;
        }
        Ok(seen)
    }

    /// Looks at what carries a key of the stack, for taking it away: no file is needed, and no host is looked into.
    pub async fn observe_remains(&self) -> Result<Observed, SiteError> {
        let seen = self.lists(None).await?;
        self.book.replace(seen.book());
        Ok(seen)
    }

    /// The lists of the services. A token that was kept may be of a project that was made anew under the same name since: the
    /// first request brings another login then, and what was asked about the former project is asked about this one.
    async fn lists(&self, stack: Option<&Stack>) -> Result<Observed, SiteError> {
        let project = self.project_id().await?;
        // Dozens of requests side by side make a large future, which belongs on the heap.
        let seen = Box::pin(self.lists_of(&project, stack)).await;
        let now = self.project_id().await?;
        if now == project { seen } else { Box::pin(self.lists_of(&now, stack)).await }
    }

    async fn lists_of(&self, project: &str, stack: Option<&Stack>) -> Result<Observed, SiteError> {
        let balances = stack.is_some_and(|stack| !stack.balancers.is_empty());
        let (network, compute, balancers) =
            try_join!(self.network(project, stack), self.compute(), self.balancers(project, balances))?;
        Ok(together(project.to_owned(), network, compute, balancers))
    }

    /// Limits and use of everything that a plan may make.
    pub async fn quotas(&self, project: &str, balancers: bool) -> Result<Quotas, SiteError> {
        let balancer_quotas =
            async { if balancers { self.openstack.load_balancer_quotas(project).await.map(Some) } else { Ok(None) } };
        let (network, compute, balancers) = try_join!(
            self.openstack.network_quotas(project),
            self.openstack.compute_quotas(project),
            balancer_quotas,
        )?;
        let mut quotas = BTreeMap::new();
        let mut note = |name: &str, limit: i64, used: i64| quotas.insert(name.to_owned(), Quota { limit, used });
        for (name, quota) in [
            ("port", network.port),
            ("floatingip", network.floatingip),
            ("security_group", network.security_group),
            ("security_group_rule", network.security_group_rule),
        ] {
            note(name, quota.limit, quota.used + quota.reserved);
        }
        for (name, quota) in [
            ("instances", compute.instances),
            ("cores", compute.cores),
            ("ram", compute.ram),
            ("server_groups", compute.server_groups),
        ] {
            note(name, quota.limit, quota.in_use + quota.reserved);
        }
        if let Some(quota) = balancers {
            // Octavia's API gives limits and not use, so what there is has to be counted.
            if let Some(limit) = quota.load_balancer {
                let own = self.openstack.load_balancers(&[("project_id", project), ("fields", "id")]).await?;
                note("load_balancer", limit, i64::try_from(own.len()).unwrap_or(i64::MAX));
            }
        }
        Ok(Quotas(quotas))
    }

    async fn project_id(&self) -> Result<String, SiteError> {
        let project = self.openstack.project_id().await?;
        project
            .ok_or_else(|| SiteError::Missing { what: "the project of the login (its token has no scope)".to_owned() })
    }

    async fn compute(&self) -> Result<Compute, SiteError> {
        let tag = stack_tag(&self.stack);
        let filters = [("tags", tag.as_str())];
        let groups = async {
            // A server group carries its key in its name, having nothing else; only stacks with several hosts make one.
            self.openstack.server_groups().await
        };
        let (found, groups) = try_join!(self.openstack.servers(&filters), groups)?;
        let mut servers = Vec::new();
        for server in found {
            // The filter is the service's; the key is the identity.
            let Some(key) = server.metadata.get(METADATA_KEY).and_then(|text| text.parse::<Key>().ok()) else {
                continue;
            };
            if key.stack != self.stack || key.kind != Kind::Host {
                continue;
            }
            // Another one of the same name has another key, and the connections to the old one are dead.
            if self.book.get(&key).is_some_and(|known| known.id != server.id) {
                self.hosts.forget(&key.name);
            }
            if let Some(check) = host_keys::noted(&server.metadata) {
                self.hosts.set_host_key(&key.name, check);
            }
            servers.push(Server {
                id: server.id,
                key,
                status: server.status,
                fault: server.fault.map(|fault| fault.message),
                user_data_hash: server.metadata.get(METADATA_USER_DATA).cloned(),
                host_key_injected: host_keys::was_injected(&server.metadata),
            });
        }
        let server_groups = groups
            .into_iter()
            .filter_map(|group| Some(ServerGroup { id: group.id, key: group.name.parse().ok()? }))
            .filter(|group| group.key.stack == self.stack)
            .collect();
        Ok(Compute { servers, server_groups })
    }

    /// What hosts are booted from.
    async fn catalogue(&self, stack: &Stack) -> Result<Catalogue, SiteError> {
        let names: std::collections::BTreeSet<&str> = stack.hosts.values().map(|hosts| hosts.image.as_str()).collect();
        let images = async {
            let lists =
                join_all(names.iter().map(|name| self.openstack.images_named(name).map(|list| (*name, list)))).await;
            let mut images: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (name, list) in lists {
                let ids = list?.into_iter().filter(|image| image.name == *name).map(|image| image.id);
                let ids: Vec<String> = ids.collect();
                if !ids.is_empty() {
                    images.insert(name.to_owned(), ids);
                }
            }
            Ok::<_, openstack::Error>(images)
        };
        let (images, flavors, keypairs) = try_join!(images, self.openstack.flavors(), self.openstack.keypairs())?;
        let mut catalogue = Catalogue { images, ..Catalogue::default() };
        for flavor in flavors {
            let ram_mib = u32::try_from(flavor.ram).unwrap_or(u32::MAX);
            catalogue.flavors.entry(flavor.name).or_default().push(Flavor {
                id: flavor.id,
                vcpus: flavor.vcpus,
                ram_mib,
            });
        }
        catalogue.key_pairs.extend(keypairs.into_iter().map(|pair| (pair.name, pair.public_key)));
        Ok(catalogue)
    }

    async fn look_into(&self, stack: &Stack, servers: &[Server]) -> BTreeMap<String, HostView> {
        let wanted: BTreeMap<String, &str> = stack.host_names().collect();
        let looks = servers.iter().filter(|server| server.status == "ACTIVE").filter_map(|server| {
            let group = stack.hosts.get(*wanted.get(&server.key.name)?)?;
            // Boxed: there is one for each host, and each holds an ssh login.
            Some(async move {
                let look = Box::pin(self.look_inside(server, group.engine));
                let limit = self.patience.look * QUESTIONS;
                let view = tokio::time::timeout(limit, look).await;
                let view = match view {
                    Ok(Ok(view)) => view,
                    Ok(Err(error)) => HostView::Unreachable(chain(&error)),
                    Err(_) => HostView::Unreachable(format!("it did not answer within {} s", limit.as_secs())),
                };
                (server.key.name.clone(), view)
            })
        });
        join_all(looks).await.into_iter().collect()
    }
}

/// Whether a host may have to be booted: one is missing, or cannot become what it should be.
fn boots(stack: &Stack, seen: &Observed) -> bool {
    let keeps = |host: &str| {
        let there = |server: &Server| server.key.name == host && server.status != "ERROR";
        let lost = matches!(seen.hosts.get(host), Some(HostView::Failed(_) | HostView::NoConsole(_)));
        !lost && seen.servers.iter().any(there)
    };
    stack.host_names().any(|(host, _)| !keeps(&host))
}

/// All lists in one place.
fn together(project: String, network: network::Seen, compute: Compute, octavia: balancers::Seen) -> Observed {
    let mut seen = Observed {
        networks: network.networks,
        external: network.external,
        ports: network.ports,
        security_groups: network.security_groups,
        floating_ips: network.floating_ips,
        server_groups: compute.server_groups,
        servers: compute.servers,
        balancers: octavia.balancers,
        ..Observed::default()
    };
    seen.capabilities.extensions = network.extensions;
    seen.capabilities.project_id = project;
    seen.capabilities.balancer_api = octavia.api;
    seen.capabilities.balancer_providers = octavia.providers;
    seen.capabilities.balancers_unseen = octavia.unseen;
    seen
}

struct Compute {
    servers: Vec<Server>,
    server_groups: Vec<ServerGroup>,
}
