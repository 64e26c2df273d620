//! What each layer does to a packet: what comes before the host is in [`front`], the host and what runs there in [`back`].

mod back;
mod front;

use ipnet::Ipv4Net;

use super::{Finding, Heard, Layer};
use crate::book::meant;
use crate::key::{Key, Kind};
use crate::observed::{Admits, ExternalNetwork, Inside, Observed, Port, Subnet};
use crate::plan::{Place, Plan};
use crate::spec::model::{Attachment, Service, Stack};

/// Everything that a layer is judged by.
pub(super) struct Judge<'a> {
    pub(super) stack: &'a Stack,
    pub(super) seen: &'a Observed,
    pub(super) plan: &'a Plan,
    pub(super) heard: &'a Heard,
    /// The subnet, and where floating IPs come from.
    pub(super) ground: Option<(&'a Subnet, Option<&'a ExternalNetwork>)>,
}

/// What a container is asked for, and where it is.
#[derive(Clone, Copy)]
struct Target<'a> {
    place: &'a Place,
    service: &'a Service,
    /// What lies on its host, where that can be looked into.
    inside: Option<&'a Inside>,
}

impl Judge<'_> {
    /// All layers on the way to a container, through a balancer where it has one.
    pub(super) fn layers(&self, balancer: Option<&str>, container: &str, place: Option<&Place>) -> Vec<Layer> {
        let Some((place, service)) = place.and_then(|place| Some((place, self.stack.services.get(&place.service)?)))
        else {
            let says = "nothing has a place for it".to_owned();
            let hint = Some("`pontoon plan` shows what stands in the way".to_owned());
            return vec![Layer { name: format!("container/{container}"), finding: Finding::Drops, says, hint }];
        };
        let target = Target { place, service, inside: self.seen.inside(&place.host) };
        let described = balancer.and_then(|name| Some((name, self.stack.balancers.get(name)?)));
        let before = described.map(|(name, balancer)| self.before_the_host(name, balancer, target));
        let at_the_port = [self.rules(described, target), self.pairs(target), self.network(target)];
        let inside = [Some(self.host(&place.host)), Some(self.container(target)), self.address(target)];
        let all = before.into_iter().flatten().chain(at_the_port.into_iter().flatten());
        all.chain(inside.into_iter().flatten()).chain(self.service(target)).collect()
    }

    /// Whether containers share the Ethernet address of their host.
    fn is_routed(&self) -> bool {
        matches!(self.plan.attachment, Some((Attachment::PairIp, _)))
    }

    fn key(&self, kind: Kind, name: impl Into<String>) -> Key {
        Key::new(&self.stack.name, kind, name)
    }

    fn port(&self, place: &Place) -> Option<&Port> {
        meant(&self.seen.ports, &self.key(Kind::Port, place.host.as_str()))
    }

    /// What the stack's groups with such an id let in.
    fn rules_of(&self, is_meant: impl Fn(&str) -> bool) -> impl Iterator<Item = &Admits> {
        let groups = self.seen.security_groups.iter().filter(move |group| is_meant(&group.id));
        groups.flat_map(|group| &group.rules).map(|rule| &rule.admits)
    }

    /// A layer that drops what comes.
    fn drops(&self, key: &Key, says: String) -> Layer {
        Layer { finding: Finding::Drops, hint: self.cure(key), ..passes(key, says) }
    }

    /// How a resource becomes as the file says, where it is not.
    fn cure(&self, key: &Key) -> Option<String> {
        if !self.plan.blocked.is_empty() {
            return Some("`pontoon plan` shows what stands in the way of mending it".to_owned());
        }
        // A balancer that is made has its parts from the same request.
        let is_part = matches!(key.kind, Kind::Listener | Kind::Pool | Kind::Members);
        let is_whole = |one: &Key| is_part && one.kind == Kind::Balancer && one.name == key.name;
        let is_mended = |one: &Key| one == key || is_whole(one);
        let mended = self.plan.steps.iter().any(|step| step.keys.iter().any(is_mended));
        mended.then(|| "`pontoon up` mends it".to_owned())
    }
}

/// A layer that has heard an answer of what is behind it.
fn vouches(key: &Key, says: String) -> Layer {
    Layer { finding: Finding::Vouches, ..passes(key, says) }
}

/// A layer that lets packets through.
fn passes(key: &Key, says: String) -> Layer {
    Layer { name: key.label(), finding: Finding::Passes, says, hint: None }
}

/// Whether a rule lets in TCP to this port from all of these addresses.
fn admits(rule: &Admits, port: u16, from: Ipv4Net) -> bool {
    matches!(rule, Admits::TcpFrom(open, whom) if *open == port && whom.contains(&from))
}

fn listed(all: &[impl ToString]) -> String {
    let texts: Vec<String> = all.iter().map(|one| one.to_string().replace("0.0.0.0/0", "anywhere")).collect();
    texts.join(", ")
}
