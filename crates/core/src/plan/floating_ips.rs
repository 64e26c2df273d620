//! Floating IPs: of the first host of a group, and of balancers.
//!
//! Neutron leads at most one floating IP to an address. One that the stack has no more use for is therefore taken away
//! before its port gets another, and one of somebody else's that leads there already is left alone and named.
//!
//! A floating IP that the file gives stays the project's: it gets no key, only a tag that says who led it there, so that
//! it is let go, and never deleted, when the file gives it no more. Whoever led one to a port of ours by hand finds it
//! there afterwards.

use std::net::Ipv4Addr;

use super::{Action, Builder, Claim, Scene, Verb};
use crate::key::{Key, Kind};
use crate::observed::FloatingIp as Seen;
use crate::spec::model::{FloatingIp, Stack};

/// The key of a host's floating IP.
pub(super) fn of_host(stack: &Stack, host: &str) -> Key {
    Key::new(&stack.name, Kind::FloatingIp, format!("host-{host}"))
}

/// The key of a balancer's floating IP.
pub(super) fn of_balancer(stack: &Stack, balancer: &str) -> Key {
    Key::new(&stack.name, Kind::FloatingIp, format!("vip-{balancer}"))
}

/// The extension by which floating IPs have tags.
const TAGS: &str = "standard-attr-tag";

/// What stands in plans for a floating IP that the file gave once.
fn former(scene: &Scene<'_>, floating: &Seen) -> Key {
    scene.key(Kind::FloatingIp, floating.address.to_string())
}

/// Plans to let go of floating IPs that an earlier file gave and this one does not, and of those that lead to one port of
/// the stack where the file gives them to another: they are free before any port gets one, whichever is planned first.
pub(super) fn release(scene: &Scene<'_>, build: &mut Builder) {
    let given = given(scene.stack);
    for one in scene.seen.floating_ips.iter().filter(|one| one.key.is_none()) {
        let reason = match given.iter().find(|given| given.address == one.address) {
            None if one.given => "the file gives it no more; it stays the project's".to_owned(),
            Some(user) if user.is_led_elsewhere(scene, one) => format!("the file gives it to {}", user.key.label()),
            _ => continue,
        };
        build.settle(&one.id);
        let action = Action::ReleaseFloatingIp { id: one.id.clone() };
        build.step(Verb::Change, &former(scene, one), reason, &[], action);
    }
}

/// Plans one floating IP that leads to a port of the stack; `port_id` is the port's id where it exists and stays. An own
/// floating IP that leads nowhere is taken first.
pub(super) fn plan(
    scene: &Scene<'_>,
    key: &Key,
    wanted: FloatingIp,
    port: &Key,
    port_id: Option<&str>,
    build: &mut Builder,
) {
    let all = &scene.seen.floating_ips;
    let leads_here = |one: &Seen| port_id.is_some() && one.port_id.as_deref() == port_id;
    let mut after = vec![port.clone()];
    match wanted {
        FloatingIp::No => {}
        FloatingIp::Given(address) => match all.iter().find(|one| one.address == address) {
            None => build.blocked(
                format!("floating IP {address}"),
                "the project has no such floating IP",
                "give one that `openstack floating ip list` shows, or `floating_ip: true` for a new one",
            ),
            Some(one) if leads_here(one) => {
                build.settle(&one.id);
                build.unchanged(key.clone());
            }
            Some(one) if one.port_id.as_deref().is_some_and(|port| !is_own(scene, port)) => build.blocked(
                format!("floating IP {address}"),
                format!("it leads to port `{}`, which is not this one", one.port_id.as_deref().unwrap_or_default()),
                "disassociate it first, or give another",
            ),
            Some(one) => {
                after.push(former(scene, one));
                if make_way(scene, key, port_id, &mut after, build) {
                    build.settle(&one.id);
                    let keeps_tags = scene.seen.capabilities.extensions.contains(TAGS);
                    let claim = if keeps_tags { Claim::Given } else { Claim::Nothing };
                    let action = Action::MoveFloatingIp { id: one.id.clone(), port: port.clone(), claim };
                    build.step(Verb::Change, key, format!("the file gives {address}"), &after, action);
                }
            }
        },
        FloatingIp::Any => {
            let own = crate::book::meant(all, key);
            if own.is_some_and(leads_here) {
                build.unchanged(key.clone());
            } else if !make_way(scene, key, port_id, &mut after, build) {
                // Named as blocked: whose it is, only a person knows.
            } else if let Some(one) = own {
                let action = Action::MoveFloatingIp { id: one.id.clone(), port: port.clone(), claim: Claim::Nothing };
                build.step(Verb::Change, key, format!("{} leads elsewhere", one.address), &after, action);
            } else if let Some(spare) = spare(scene, build) {
                let action = Action::MoveFloatingIp { id: spare.id.clone(), port: port.clone(), claim: Claim::Key };
                build.settle(&spare.id);
                build.step(
                    Verb::Change,
                    key,
                    format!("{} is the stack's own and unused", spare.address),
                    &after,
                    action,
                );
            } else if let Some(external) = external(scene, key, build) {
                let action = Action::CreateFloatingIp { external_id: external, port: port.clone() };
                build.step(Verb::Create, key, "the stack has no unused one", &after, action);
            }
        }
    }
}

/// Takes away what else of the stack leads to the port; `false` when somebody else's floating IP does.
fn make_way(scene: &Scene<'_>, key: &Key, port_id: Option<&str>, after: &mut Vec<Key>, build: &mut Builder) -> bool {
    let Some(port_id) = port_id else { return true };
    let keep = wanted(scene.stack);
    let mut free = true;
    for other in scene.seen.floating_ips.iter().filter(|one| one.port_id.as_deref() == Some(port_id)) {
        match &other.key {
            Some(own) if !keep.contains(own) && !build.settled(&other.id) => {
                build.settle(&other.id);
                let reason = format!("{} gives way to the one that the file wants", other.address);
                build.step(Verb::Delete, own, reason, &[], Action::DeleteFloatingIp { id: other.id.clone() });
                after.push(own.clone());
            }
            Some(own) if build.touches(own) => after.push(own.clone()),
            None if build.settled(&other.id) => after.push(former(scene, other)),
            Some(own) => {
                block(key, other, &format!("is {}'s", own.label()), build);
                free = false;
            }
            None => {
                block(key, other, "is not this stack's", build);
                free = false;
            }
        }
    }
    free
}

/// Whether a port is the stack's: a floating IP that the file gives may be led away from it.
fn is_own(scene: &Scene<'_>, port_id: &str) -> bool {
    scene.ground.ports.values().any(|port| port.id == port_id)
        || scene.seen.balancers.iter().any(|balancer| balancer.vip_port_id == port_id)
}

/// A floating IP that the file gives.
pub(super) struct Given {
    pub(super) address: Ipv4Addr,
    /// Its key in plans.
    key: Key,
    /// The port that it is to lead to.
    port: Key,
}

impl Given {
    /// Whether it leads to another port of the stack.
    fn is_led_elsewhere(&self, scene: &Scene<'_>, seen: &Seen) -> bool {
        let its_port = match self.port.kind {
            Kind::VipPort => crate::book::meant(&scene.seen.balancers, &scene.key(Kind::Balancer, &self.port.name))
                .map(|balancer| &balancer.vip_port_id),
            _ => scene.port(Kind::Port, &self.port.name).map(|port| &port.id),
        };
        seen.port_id.as_ref().is_some_and(|port| Some(port) != its_port && is_own(scene, port))
    }
}

/// Floating IPs that the file gives, and to whom.
pub(super) fn given(stack: &Stack) -> Vec<Given> {
    let port = |kind, name: &str| Key::new(&stack.name, kind, name);
    let hosts = stack.hosts.iter().map(|(group, hosts)| {
        let host = format!("{group}0");
        (hosts.floating_ip, of_host(stack, &host), port(Kind::Port, &host))
    });
    let balancers = stack
        .balancers
        .iter()
        .map(|(name, one)| (one.floating_ip, of_balancer(stack, name), port(Kind::VipPort, name)));
    let address = |(one, key, port)| {
        let FloatingIp::Given(address) = one else { return None };
        Some(Given { address, key, port })
    };
    hosts.chain(balancers).filter_map(address).collect()
}

fn block(key: &Key, other: &Seen, whose: &str, build: &mut Builder) {
    build.blocked(
        key.label(),
        format!("floating IP {} leads to its port already and {whose}", other.address),
        format!("disassociate it (`openstack floating ip unset --port {}`), or give it in the file", other.address),
    );
}

/// A floating IP that carries a key of the stack, leads nowhere and is wanted under no other name.
fn spare<'a>(scene: &Scene<'a>, build: &Builder) -> Option<&'a Seen> {
    let keep = wanted(scene.stack);
    scene.seen.floating_ips.iter().find(|one| {
        one.port_id.is_none()
            && one.key.as_ref().is_some_and(|key| key.stack == scene.stack.name && !keep.contains(key))
            && !build.settled(&one.id)
    })
}

/// Keys of every floating IP of its own that a stack wants.
pub(super) fn wanted(stack: &Stack) -> Vec<Key> {
    let hosts = stack
        .hosts
        .iter()
        .filter(|(_, hosts)| hosts.count > 0 && hosts.floating_ip == FloatingIp::Any)
        .map(|(group, _)| of_host(stack, &format!("{group}0")));
    let balancers = stack.balancers.iter().filter(|(_, one)| one.floating_ip == FloatingIp::Any);
    hosts.chain(balancers.map(|(name, _)| of_balancer(stack, name))).collect()
}

fn external(scene: &Scene<'_>, key: &Key, build: &mut Builder) -> Option<String> {
    let named = scene.stack.network.external.as_deref();
    match (scene.ground.external, scene.seen.external.as_slice()) {
        (Some(external), _) if scene.ground.subnet.routed_to.contains(&external.id) => return Some(external.id.clone()),
        (Some(external), _) => build.blocked(
            format!("external network `{}`", external.name),
            format!("no router connects subnet {} to it, so a floating IP could not reach a port there", scene.ground.subnet.cidr),
            "connect the subnet to a router whose gateway is the external network: `openstack router add subnet ROUTER SUBNET`",
        ),
        (None, []) => build.blocked(
            format!("external network `{}`", named.unwrap_or("?")),
            format!("the cloud shows none of this name, and {} comes from one", key.label()),
            "`openstack network list --external` shows what there is; name it in `network.external`",
        ),
        (None, several) => {
            let listed: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
            build.blocked(
                "external network",
                format!("there are several: {}", listed.join(", ")),
                "name one in `network.external`",
            );
        }
    }
    None
}
