//! Quotas: what a project may hold of each kind, and what it holds.

use super::{Refusal, World};

impl World {
    /// How many objects of a Neutron kind the project holds.
    pub fn network_usage(&self, project: &str, resource: &str) -> i64 {
        let count = match resource {
            "network" => self.networks.values().filter(|object| object.meta.project_id == project).count(),
            "subnet" => self.subnets.values().filter(|object| object.meta.project_id == project).count(),
            "port" => self.ports.values().filter(|object| object.meta.project_id == project).count(),
            "router" => self.routers.values().filter(|object| object.meta.project_id == project).count(),
            "floatingip" => self.floatingips.values().filter(|object| object.meta.project_id == project).count(),
            "security_group" => {
                self.security_groups.values().filter(|object| object.meta.project_id == project).count()
            }
            "security_group_rule" => {
                self.security_group_rules.values().filter(|object| object.meta.project_id == project).count()
            }
            _ => 0,
        };
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// Refuses `more` objects of a Neutron kind where they pass the limit.
    pub(crate) fn network_quota(&self, project: &str, resource: &str, more: i64) -> Result<(), Refusal> {
        let limit = self.settings.quotas.network.get(resource).copied().unwrap_or(-1);
        if limit >= 0 && self.network_usage(project, resource).saturating_add(more) > limit {
            return Err(Refusal::new(409, "OverQuota", format!("Quota exceeded for resources: ['{resource}'].")));
        }
        Ok(())
    }

    /// Instances, cores and MiB of memory that the project's servers hold.
    pub fn compute_usage(&self, project: &str) -> [(&'static str, i64); 3] {
        let mut usage = [("instances", 0), ("cores", 0), ("ram", 0)];
        for server in self.servers.values().filter(|server| server.meta.project_id == project) {
            let flavor = self.flavors.get(&server.flavor_id);
            let size = [1, flavor.map_or(0, |flavor| flavor.vcpus), flavor.map_or(0, |flavor| flavor.ram)];
            for (row, more) in usage.iter_mut().zip(size) {
                row.1 += more;
            }
        }
        usage
    }

    /// Refuses so many more servers of this flavor where they pass a limit; all limits that they pass are named.
    pub(crate) fn compute_quota(&self, project: &str, flavor_id: &str, count: i64) -> Result<(), Refusal> {
        let flavor = self.flavors.get(flavor_id);
        let each = [1, flavor.map_or(0, |flavor| flavor.vcpus), flavor.map_or(0, |flavor| flavor.ram)];
        let mut over = Vec::new();
        for ((resource, used), each) in self.compute_usage(project).into_iter().zip(each) {
            let limit = self.settings.quotas.compute.get(resource).copied().unwrap_or(-1);
            let more = each.saturating_mul(count);
            if limit >= 0 && used.saturating_add(more) > limit {
                over.push((resource, more, used, limit));
            }
        }
        if over.is_empty() {
            return Ok(());
        }
        over.sort_unstable();
        let names = over.iter().map(|row| row.0).collect::<Vec<_>>().join(", ");
        let numbers = |column: fn(&(&str, i64, i64, i64)) -> i64| {
            over.iter().map(|row| column(row).to_string()).collect::<Vec<_>>().join(", ")
        };
        let (asked, used, limits) = (numbers(|row| row.1), numbers(|row| row.2), numbers(|row| row.3));
        let message =
            format!("Quota exceeded for {names}: Requested {asked}, but already used {used} of {limits} {names}");
        Err(Refusal::new(403, "TooManyInstances", message))
    }

    /// How many objects of an Octavia kind the project holds.
    pub fn balancer_usage(&self, project: &str, resource: &str) -> i64 {
        let count = match resource {
            "load_balancer" => self.loadbalancers.values().filter(|object| object.meta.project_id == project).count(),
            "listener" => self.listeners.values().filter(|object| object.meta.project_id == project).count(),
            "pool" => self.pools.values().filter(|object| object.meta.project_id == project).count(),
            "member" => self.members.values().filter(|object| object.meta.project_id == project).count(),
            "health_monitor" => self.healthmonitors.values().filter(|object| object.meta.project_id == project).count(),
            _ => 0,
        };
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// Refuses another object of an Octavia kind where it passes the limit.
    pub(crate) fn balancer_quota(&self, project: &str, resource: &str) -> Result<(), Refusal> {
        let limit = self.settings.quotas.balancer.get(resource).copied().unwrap_or(-1);
        if limit >= 0 && self.balancer_usage(project, resource) >= limit {
            return Err(Refusal::new(
                403,
                "QuotaException",
                "Quota has been met for resources: ".to_owned() + resource,
            ));
        }
        Ok(())
    }
}
