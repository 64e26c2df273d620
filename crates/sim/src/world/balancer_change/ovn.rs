//! What the provider `ovn` refuses, in the words of its driver (`ovn_octavia_provider/driver.py`): it is a rule of the
//! virtual switch and knows neither HTTP nor any choice of a member but one.

use crate::world::balancer::{HealthMonitor, Listener, Pool};
use crate::world::{Refusal, World};

const OVN: &str = "ovn";
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
const MONITORS: [&str; 2] = ["TCP", "UDP-CONNECT"];

impl World {
    /// The provider of a new balancer: the one that is asked for, or Octavia's own choice.
    pub(super) fn provider(&self, asked: Option<&str>) -> Result<String, Refusal> {
        let enabled = &self.settings.octavia_providers;
        let provider = match asked {
            Some(asked) if enabled.iter().any(|name| name == asked) => asked,
            Some(asked) => {
                let message = format!("Provider '{asked}' is not enabled.");
                return Err(Refusal::new(400, "ProviderNotEnabledError", message));
            }
            None => enabled.first().map_or("amphora", String::as_str),
        };
        // `octavia` is an alias; what is made says `amphora`.
        Ok(if provider == "octavia" { "amphora" } else { provider }.to_owned())
    }

    fn carried_by_ovn(&self, balancer: &str) -> bool {
        self.loadbalancers.get(balancer).is_some_and(|balancer| balancer.provider == OVN)
    }

    pub(super) fn check_listener_of_ovn(&self, listener: &Listener) -> Result<(), Refusal> {
        if !self.carried_by_ovn(&listener.loadbalancer_id) {
            return Ok(());
        }
        check_protocol(&listener.protocol)?;
        if listener.allowed_cidrs.is_empty() { Ok(()) } else { Err(unsupported("allowed_cidrs option")) }
    }

    pub(super) fn check_pool_of_ovn(&self, pool: &Pool) -> Result<(), Refusal> {
        if !self.carried_by_ovn(&pool.loadbalancer_id) {
            return Ok(());
        }
        check_protocol(&pool.protocol)?;
        if pool.lb_algorithm == "SOURCE_IP_PORT" {
            Ok(())
        } else {
            Err(unsupported(&format!("{} algorithm", pool.lb_algorithm)))
        }
    }

    pub(super) fn check_monitor_of_ovn(&self, monitor: &HealthMonitor) -> Result<(), Refusal> {
        let carried = self.pools.get(&monitor.pool_id).is_some_and(|pool| self.carried_by_ovn(&pool.loadbalancer_id));
        if carried && !MONITORS.contains(&monitor.kind.as_str()) {
            return Err(unsupported(&format!("{} health monitor type", monitor.kind)));
        }
        Ok(())
    }
}

pub(super) fn check_vip_groups(provider: &str, groups: &[String]) -> Result<(), Refusal> {
    if provider == OVN && !groups.is_empty() { Err(unsupported("VIP security groups")) } else { Ok(()) }
}

fn check_protocol(protocol: &str) -> Result<(), Refusal> {
    if PROTOCOLS.contains(&protocol) { Ok(()) } else { Err(unsupported(&format!("{protocol} protocol"))) }
}

fn unsupported(what: &str) -> Refusal {
    let message = format!("Provider 'ovn' does not support a requested option: OVN provider does not support {what}");
    Refusal::new(501, "ProviderUnsupportedOptionError", message)
}
