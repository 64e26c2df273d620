//! From the host's port to what listens in the container.

use ipnet::Ipv4Net;

use super::{Judge, Target, admits, listed, passes};
use crate::book::meant;
use crate::key::{Key, Kind};
use crate::observed::HostView;
use crate::path::{Answer, Finding, Layer};
use crate::plan::Place;
use crate::spec::model::{Addressing, Balancer};

impl Judge<'_> {
    /// Whether the security groups of the host's port let in whoever asks the container.
    pub(super) fn rules(&self, described: Option<(&str, &Balancer)>, target: Target<'_>) -> Option<Layer> {
        let port = target.service.port?;
        let key = self.key(Kind::SecurityGroupRule, format!("hosts-{}", target.service.hosts));
        let at = self.port(target.place)?;
        if !at.port_security {
            return Some(passes(&key, format!("port security of {} is off", at.name)));
        }
        let subnet = self.ground?.0.cidr.trunc();
        let keeps_clients = |name: &str| {
            meant(&self.seen.balancers, &self.key(Kind::Balancer, name))
                .is_some_and(|present| present.provider == "ovn")
        };
        let from = match described {
            Some((name, balancer)) if keeps_clients(name) => balancer.allow.clone(),
            _ => vec![subnet],
        };
        let is_its_own = |id: &str| at.security_groups.contains(id);
        let outside: Vec<Ipv4Net> = from
            .iter()
            .filter(|from| !self.rules_of(is_its_own).any(|one| admits(one, port, **from)))
            .copied()
            .collect();
        if outside.is_empty() {
            return Some(passes(&key, format!("lets in tcp {port} from {}", listed(&from))));
        }
        let ours = |id: &String| self.seen.security_groups.iter().any(|group| group.id == *id);
        let foreign = at.security_groups.iter().find(|id| !ours(id));
        let says = format!("nothing lets in tcp {port} from {}", listed(&outside));
        Some(match foreign {
            None => self.drops(&key, says),
            Some(id) => {
                Layer { finding: Finding::Unknown, ..self.drops(&key, format!("{says}, unless group {id} does")) }
            }
        })
    }

    /// Whether the host's port lets the container's address through.
    pub(super) fn pairs(&self, target: Target<'_>) -> Option<Layer> {
        let Place { host, address, mac, .. } = target.place;
        let key = self.key(Kind::Pairs, host);
        let Some(port) = self.port(target.place) else {
            return Some(self.drops(&self.key(Kind::Port, host), "it does not exist".to_owned()));
        };
        if !port.port_security {
            return None; // the layer before has said so
        }
        let mac = if self.is_routed() { port.mac? } else { *mac };
        let covers = |text: &str| match text.parse::<Ipv4Net>() {
            Ok(net) => net.contains(address),
            Err(_) => text.parse() == Ok(*address),
        };
        let open = port.pairs.iter().any(|pair| pair.mac.parse() == Ok(mac) && covers(&pair.address));
        Some(if open {
            passes(&key, format!("let {address} through with {mac}"))
        } else {
            self.drops(&key, format!("port security drops {address} with {mac}, which no pair lets through"))
        })
    }

    /// What another host gets, which comes by the network and through the port.
    pub(super) fn network(&self, target: Target<'_>) -> Option<Layer> {
        let looked = self.heard.containers.get(&target.place.container)?;
        let (from, answer) = looked.neighbour.as_ref()?;
        let name = format!("network from {from}");
        let (finding, says, hint) = match (answer, &looked.own_host) {
            (Answer::Http(_) | Answer::Open, _) => (Finding::Vouches, "it is answered".to_owned(), None),
            (Answer::Silence(words), Answer::Http(_) | Answer::Open) => {
                let says = format!("no answer, which the container's own host gets: {words}");
                let hint = "if the rules and pairs are right, the operator has to look at the network".to_owned();
                (Finding::Drops, says, Some(hint))
            }
            (Answer::Silence(words), _) => (Finding::Complains, format!("no answer: {words}"), None),
            (Answer::Unasked(words), _) => (Finding::Unknown, format!("it could not ask: {words}"), None),
        };
        Some(Layer { name, finding, says, hint })
    }

    pub(super) fn host(&self, name: &str) -> Layer {
        let key = self.key(Kind::Host, name);
        let Some(server) = meant(&self.seen.servers, &key) else {
            return self.drops(&key, "it does not exist".to_owned());
        };
        if server.status != "ACTIVE" {
            let fault = server.fault.as_ref().map_or_else(String::new, |fault| format!(": {fault}"));
            return self.drops(&key, format!("Nova calls it {}{fault}", server.status));
        }
        let unseen = |key: &Key, reason: &str| Layer {
            finding: Finding::Unknown,
            hint: Some(format!("`pontoon logs {name}` shows its console")),
            ..passes(key, format!("ACTIVE, and nobody can look into it: {reason}"))
        };
        match self.seen.hosts.get(name) {
            Some(HostView::Ready(_)) => passes(&key, "ACTIVE, and its engine answers".to_owned()),
            Some(HostView::Preparing) => self.drops(&key, "its cloud-init is at work still".to_owned()),
            Some(HostView::Failed(failure)) => self.drops(&key, format!("its cloud-init failed: {}", failure.errors)),
            Some(HostView::Unreachable(reason)) => unseen(&key, reason),
            Some(HostView::NoConsole(words)) => unseen(&key, &format!("Nova shows no console ({words})")),
            None => unseen(&key, "it was not tried"),
        }
    }

    pub(super) fn container(&self, target: Target<'_>) -> Layer {
        let Place { container: name, host, .. } = target.place;
        let key = self.key(Kind::Container, name.as_str());
        let Some(inside) = target.inside else {
            return Layer { finding: Finding::Unknown, ..passes(&key, format!("{host} does not show it")) };
        };
        match inside.containers.get(name) {
            None => self.drops(&key, format!("it does not exist on {host}")),
            Some(one) if !one.whole => self.drops(&key, "its creation was interrupted: it has no disk".to_owned()),
            Some(one) if !one.running => self.drops(&key, "it does not run".to_owned()),
            Some(_) => passes(&key, format!("runs on {host}")),
        }
    }

    /// Whether the container has the address that everything else expects of it.
    pub(super) fn address(&self, target: Target<'_>) -> Option<Layer> {
        let Place { container, host, address, .. } = target.place;
        let looked = self.heard.containers.get(container)?;
        let key = if self.stack.network.addressing == Addressing::Dnsmasq && !self.is_routed() {
            self.key(Kind::DhcpHost, format!("{host}/{container}"))
        } else {
            self.key(Kind::Container, container.as_str())
        };
        let name = "address".to_owned();
        Some(match &looked.addresses {
            Ok(all) if all.contains(address) => Layer { name, ..passes(&key, format!("`{container}` has {address}")) },
            Ok(all) => {
                let has = if all.is_empty() { "none".to_owned() } else { listed(all) };
                let says = format!("`{container}` has {has}, and not {address}");
                let hint = self
                    .cure(&key)
                    .unwrap_or_else(|| format!("`pontoon logs {container}` shows what its cloud-init said"));
                Layer { name, finding: Finding::Drops, says, hint: Some(hint) }
            }
            Err(words) => {
                Layer { name, finding: Finding::Unknown, ..passes(&key, format!("{host} did not say: {words}")) }
            }
        })
    }

    /// What listens in the container, as its own host hears it over the bridge.
    pub(super) fn service(&self, target: Target<'_>) -> Option<Layer> {
        let Place { container, host, service, .. } = target.place;
        let looked = self.heard.containers.get(container)?;
        let what = target.service.port.map_or_else(|| "an echo".to_owned(), |port| format!("tcp {port}"));
        let (finding, says) = match &looked.own_host {
            Answer::Http(200) => (Finding::Vouches, format!("answers {host} 200 on {what}")),
            Answer::Http(status) => {
                (Finding::Drops, format!("answers {host} {status} on {what}, where a balancer's monitor wants 200"))
            }
            Answer::Open => (Finding::Vouches, format!("answers {host} on {what}")),
            Answer::Silence(words) => (Finding::Drops, format!("does not answer {host} on {what}: {words}")),
            Answer::Unasked(words) => (Finding::Unknown, format!("{host} could not ask it: {words}")),
        };
        let hint = format!(
            "`pontoon exec {container} -- systemctl --failed` shows what does not run, `pontoon logs {container}` why"
        );
        let hint = (finding == Finding::Drops).then_some(hint);
        Some(Layer { name: format!("service {service}"), finding, says, hint })
    }
}
