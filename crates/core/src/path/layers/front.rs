//! From the visitor to the member of a pool.

use ipnet::Ipv4Net;

use super::{Judge, Target, admits, listed, passes, vouches};
use crate::book::{meant, own_pool};
use crate::key::Kind;
use crate::observed::{self, Provisioning};
use crate::path::{Answer, Finding, Layer};
use crate::plan::Place;
use crate::spec::model::{Balancer, FloatingIp};

impl Judge<'_> {
    /// What a packet meets before it comes to a host.
    pub(super) fn before_the_host(&self, name: &str, balancer: &Balancer, target: Target<'_>) -> Vec<Layer> {
        let present = meant(&self.seen.balancers, &self.key(Kind::Balancer, name));
        let mut layers = Vec::new();
        if balancer.floating_ip != FloatingIp::No {
            layers.extend(self.visitor(name, balancer));
            layers.push(self.floating_ip(name, balancer, present));
            layers.extend(self.router());
        }
        let Some(present) = present else {
            layers.push(self.drops(&self.key(Kind::Balancer, name), "it does not exist".to_owned()));
            return layers;
        };
        layers.push(self.admission(name, balancer, present));
        layers.push(self.balancer(name, balancer, present));
        layers.push(self.member(name, present, target));
        layers
    }

    /// What a visitor gets says what the layers behind do, and not which.
    fn visitor(&self, name: &str, balancer: &Balancer) -> Option<Layer> {
        let visit = self.heard.visitors.get(name)?;
        let (finding, says) = match &visit.answer {
            Answer::Http(status @ 500..) => (Finding::Complains, format!("this machine is answered {status}")),
            Answer::Http(status) => (Finding::Passes, format!("this machine is answered {status}")),
            Answer::Open => (Finding::Passes, "this machine can connect".to_owned()),
            Answer::Silence(words) => (Finding::Complains, format!("this machine gets no answer: {words}")),
            Answer::Unasked(words) => (Finding::Unknown, format!("it was not asked: {words}")),
        };
        let admits_all = balancer.allow.iter().any(|from| from.prefix_len() == 0);
        let hint = match visit.answer {
            Answer::Http(500..) => Some("a balancer takes some seconds to notice what is well again: ask once more"),
            Answer::Silence(_) if !admits_all => Some("the balancer's `allow` may not admit this machine"),
            Answer::Silence(_) => Some("what is between this machine and the router does not let it through"),
            _ => None,
        };
        let hint = hint.map(str::to_owned);
        Some(Layer { name: visit.url.clone(), finding, says, hint })
    }

    fn floating_ip(&self, name: &str, balancer: &Balancer, present: Option<&observed::Balancer>) -> Layer {
        let key = self.key(Kind::FloatingIp, format!("vip-{name}"));
        let Some(present) = present else {
            return Layer {
                finding: Finding::Unknown,
                ..passes(&key, "there is no VIP that it could lead to".to_owned())
            };
        };
        let found = match balancer.floating_ip {
            FloatingIp::Given(address) => self.seen.floating_ips.iter().find(|one| one.address == address),
            _ => meant(&self.seen.floating_ips, &key),
        };
        match found {
            None => self.drops(&key, "the stack has none".to_owned()),
            Some(one) if one.port_id.is_none() => self.drops(&key, format!("{} leads nowhere", one.address)),
            Some(one) if one.port_id.as_ref() != Some(&present.vip_port_id) => {
                self.drops(&key, format!("{} leads elsewhere than to the VIP", one.address))
            }
            Some(one) => {
                let vip = present.vip.map_or_else(String::new, |vip| format!(" {vip}"));
                passes(&key, format!("{} leads to the VIP{vip}", one.address))
            }
        }
    }

    /// Floating IPs are translated by the router of the subnet.
    fn router(&self) -> Option<Layer> {
        let (subnet, external) = self.ground?;
        let external = external?;
        let name = "router".to_owned();
        Some(if subnet.routed_to.contains(&external.id) {
            let says = format!("one leads from {} to `{}`", subnet.cidr, external.name);
            Layer { name, finding: Finding::Passes, says, hint: None }
        } else {
            let says = format!("none leads from {} to `{}`", subnet.cidr, external.name);
            let hint = format!("`openstack router add subnet ROUTER {}` connects it", subnet.id);
            Layer { name, finding: Finding::Drops, says, hint: Some(hint) }
        })
    }

    /// Who may connect is said by security groups of the VIP, or else by the listener.
    fn admission(&self, name: &str, balancer: &Balancer, present: &observed::Balancer) -> Layer {
        let listener = present.listeners.iter().find(|listener| listener.port == balancer.listen);
        let by_groups = !present.vip_security_groups.is_empty();
        let admitted = |from: &Ipv4Net| match listener {
            _ if by_groups => self
                .rules_of(|id| present.vip_security_groups.contains(id))
                .any(|one| admits(one, balancer.listen, *from)),
            Some(listener) if !listener.allowed_cidrs.is_empty() => {
                let mut cidrs = listener.allowed_cidrs.iter().filter_map(|text| text.parse::<Ipv4Net>().ok());
                cidrs.any(|cidr| cidr.contains(from))
            }
            _ => true,
        };
        let key = if by_groups {
            self.key(Kind::SecurityGroupRule, format!("vip-{name}"))
        } else {
            self.key(Kind::Listener, name)
        };
        let (inside, outside): (Vec<Ipv4Net>, Vec<Ipv4Net>) = balancer.allow.iter().copied().partition(admitted);
        if outside.is_empty() {
            passes(&key, format!("lets in tcp {} from {}", balancer.listen, listed(&inside)))
        } else {
            self.drops(&key, format!("does not let in tcp {} from {}", balancer.listen, listed(&outside)))
        }
    }

    fn balancer(&self, name: &str, balancer: &Balancer, present: &observed::Balancer) -> Layer {
        let key = self.key(Kind::Balancer, name);
        if let Some(word) = unsettled(&present.state) {
            return self.drops(&key, format!("Octavia calls it {word}"));
        }
        let Some(listener) = present.listeners.iter().find(|listener| listener.port == balancer.listen) else {
            return self.drops(&self.key(Kind::Listener, name), format!("nothing listens on tcp {}", balancer.listen));
        };
        if let Some(word) = unsettled(&listener.state) {
            return self.drops(&self.key(Kind::Listener, name), format!("Octavia calls it {word}"));
        }
        let pool = own_pool(present).filter(|pool| listener.default_pool_id.as_ref() == Some(&pool.id));
        match pool.map(|pool| unsettled(&pool.state)) {
            None => self.drops(&self.key(Kind::Pool, name), "the listener does not lead to it".to_owned()),
            Some(Some(word)) => self.drops(&self.key(Kind::Pool, name), format!("Octavia calls it {word}")),
            Some(None) => {
                let says = format!("ACTIVE and {}, {} on tcp {}", present.operating, listener.protocol, listener.port);
                // It says so of its members.
                let misses = matches!(present.operating.as_str(), "ERROR" | "OFFLINE");
                Layer { finding: if misses { Finding::Complains } else { Finding::Passes }, ..passes(&key, says) }
            }
        }
    }

    fn member(&self, name: &str, present: &observed::Balancer, target: Target<'_>) -> Layer {
        let key = self.key(Kind::Members, name);
        let Place { container, address, .. } = target.place;
        let Some(port) = target.service.port else {
            return self.drops(&key, format!("the file gives the service of `{container}` no port"));
        };
        let mut members = own_pool(present).into_iter().flat_map(|pool| &pool.members);
        let place = format!("`{container}` at {address}:{port}");
        match members.find(|member| member.address == *address && member.port == port) {
            None => self.drops(&key, format!("{place} is no member of the pool")),
            Some(member) => match (unsettled(&member.state), member.operating.as_str()) {
                (Some(word), _) => self.drops(&key, format!("Octavia calls {place} {word}")),
                (None, "ONLINE") => vouches(&key, format!("{place} is ONLINE")),
                (None, "NO_MONITOR") => passes(&key, format!("{place} has no monitor")),
                (None, word) => Layer {
                    finding: Finding::Complains,
                    hint: Some("`pontoon up` waits until its monitor is content".to_owned()),
                    ..passes(&key, format!("the monitor calls {place} {word}"))
                },
            },
        }
    }
}

/// Octavia's word for what does not serve. What is being changed goes on serving.
fn unsettled(state: &Provisioning) -> Option<&str> {
    match state {
        Provisioning::Active => None,
        Provisioning::Pending(word) if word == "PENDING_UPDATE" => None,
        Provisioning::Pending(word) | Provisioning::Stuck(word) => Some(word),
        Provisioning::Error => Some("ERROR"),
    }
}
