//! The path of a packet: every layer between a visitor and a container, in the order in which a packet meets them, and of
//! each whether it lets the packet through.
//!
//! ```text
//!  visitor ─▶ floating IP ─▶ router ─▶ who may connect ─▶ balancer ─▶ member ─┐
//!             ┌───────────────────────────────────────────────────────────────┘
//!             ▼
//!  rules, pairs of the host's port ─▶ host ─▶ container ─▶ its address ─▶ what listens there
//! ```
//!
//! Two kinds of evidence are put together. What the cloud and the engines say of themselves is in [`Observed`]. What comes
//! of asking is in [`Heard`]: a layer may look right and drop packets all the same, and nobody's API knows whether a
//! process still listens. Which [`questions`] are asked, and from where, is decided here as well.
//!
//! Whether a layer drops packets is judged by what the layer is, and not by what a plan would do about it: most of what a
//! plan changes stops no packet. The plan only tells how it is mended.

mod layers;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

use crate::observed::Observed;
use crate::plan::{self, Place, Plan};
use crate::spec::model::Stack;

/// The way to one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Path {
    /// The balancer that a visitor asks; `None` of a container without any, which is asked from its own subnet.
    pub balancer: Option<String>,
    /// The service that is asked for.
    pub service: String,
    /// The copy of it that is to answer.
    pub container: String,
    /// In the order in which a packet meets them.
    pub layers: Vec<Layer>,
}

/// One thing that a packet has to get past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// What it is: a resource as plans name it, or a word.
    pub name: String,
    /// Whether it lets the packet through.
    pub finding: Finding,
    /// What is known of it.
    pub says: String,
    /// What to do about it, where it does not pass.
    pub hint: Option<String>,
}

/// Whether a layer lets a packet through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// It does.
    Passes,
    /// It does not.
    Drops,
    /// It does, and has heard an answer of what is behind it.
    Vouches,
    /// It does, and misses a good answer of what is behind it.
    Complains,
    /// Nobody can tell.
    Unknown,
}

impl Path {
    /// Where packets get lost: the first layer that drops them. Where none is seen to, and one complains all the same, it is
    /// something behind the last one that does: what nobody can look into and nobody vouches for, or else that one itself.
    pub fn culprit(&self) -> Option<&Layer> {
        let is = |finding: Finding| move |layer: &&Layer| layer.finding == finding;
        self.layers.iter().find(is(Finding::Drops)).or_else(|| {
            let complaint = self.layers.iter().rposition(|layer| layer.finding == Finding::Complains)?;
            let mut behind = self.layers.iter().skip(complaint);
            let mut in_doubt = behind.clone().take_while(|layer| layer.finding != Finding::Vouches);
            in_doubt.find(is(Finding::Unknown)).or_else(|| behind.next())
        })
    }
}

/// What to ask about one container. None of it changes anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The container.
    pub container: String,
    /// The host that it runs on: its engine knows which addresses the container has, and over its bridge the container is
    /// reached without any port security.
    pub host: String,
    /// Another host, whose packets come through the container's host's port.
    pub neighbour: Option<String>,
    /// Where the container should answer.
    pub address: Ipv4Addr,
    /// The TCP port; without one it is asked by an ICMP echo request.
    pub port: Option<u16>,
    /// The path that a balancer's monitor asks for, where it asks for one.
    pub path: Option<String>,
}

/// What came of asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// What a visitor gets, by balancer.
    pub visitors: BTreeMap<String, Visit>,
    /// What came of the [`Question`]s, by container.
    pub containers: BTreeMap<String, Looked>,
}

/// What a visitor gets through a floating IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Where this machine asked.
    pub url: String,
    /// What came.
    pub answer: Answer,
}

/// What was heard of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The addresses that its engine sees in it, or why it was not asked.
    pub addresses: Result<Vec<Ipv4Addr>, String>,
    /// What its own host gets.
    pub own_host: Answer,
    /// What another host gets.
    pub neighbour: Option<(String, Answer)>,
}

/// An answer, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP status.
    Http(u16),
    /// A connection was accepted, or an echo came back.
    Open,
    /// None, in these words.
    Silence(String),
    /// Nobody could ask, for this reason.
    Unasked(String),
}

/// What to ask about the containers that `wanted` says, by name and service. One that does not run, or whose host lets
/// nobody in, is not asked.
pub fn questions(stack: &Stack, seen: &Observed, plan: &Plan, wanted: impl Fn(&str, &str) -> bool) -> Vec<Question> {
    let runs = |host: &str, container: &str| {
        seen.inside(host).and_then(|inside| inside.containers.get(container)).is_some_and(|one| one.running)
    };
    let places = plan.places.iter().filter(|place| wanted(&place.container, &place.service));
    places
        .filter(|place| runs(&place.host, &place.container))
        .map(|place| {
            let others = seen.hosts.keys().find(|host| **host != place.host && seen.inside(host).is_some());
            let mut balancers = stack.balancers.values().filter(|balancer| balancer.service == place.service);
            Question {
                container: place.container.clone(),
                host: place.host.clone(),
                neighbour: others.cloned(),
                address: place.address,
                port: stack.services.get(&place.service).and_then(|service| service.port),
                path: balancers.find_map(|balancer| balancer.monitor_path.clone()),
            }
        })
        .collect()
}

/// The ways to the containers that `wanted` says, by name and service: one for each balancer in front of it.
pub fn paths(
    stack: &Stack,
    seen: &Observed,
    plan: &Plan,
    heard: &Heard,
    wanted: impl Fn(&str, &str) -> bool,
) -> Vec<Path> {
    let judge = layers::Judge { stack, seen, plan, heard, ground: plan::ground(stack, seen) };
    let places: BTreeMap<&str, &Place> = plan.places.iter().map(|place| (place.container.as_str(), place)).collect();
    let mut paths = Vec::new();
    for (container, service) in stack.container_names().filter(|(container, service)| wanted(container, service)) {
        let of_service = stack.balancers.iter().filter(|(_, balancer)| balancer.service == service);
        let names: Vec<Option<&str>> = of_service.map(|(name, _)| Some(name.as_str())).collect();
        let names = if names.is_empty() { vec![None] } else { names };
        paths.extend(names.into_iter().map(|balancer| Path {
            balancer: balancer.map(str::to_owned),
            service: service.to_owned(),
            layers: judge.layers(balancer, &container, places.get(container.as_str()).copied()),
            container: container.clone(),
        }));
    }
    paths
}

#[cfg(test)]
mod tests;
