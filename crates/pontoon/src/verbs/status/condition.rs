//! The condition of a stack: what was observed and what the plan makes of it, put in one table of facts.
//!
//! Pure: two looks at the same world give equal conditions, which is how `--watch` knows that something changed. The
//! JSON of these structs is an interface that `docs/json.md` documents.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use pontoon_core::book::Book;
use pontoon_core::key::{Key, Kind};
use pontoon_core::observed::{self, HostView, Observed, Provisioning};
use pontoon_core::plan::{Blocked, PROVEN, Plan};
use pontoon_core::render::GENERATION_CONFIG;
use pontoon_core::spec::model::{Attachment, Engine, FloatingIp, Protocol, Stack};
use serde::Serialize;

/// How a stack is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Condition {
    /// The name of the stack.
    pub(crate) stack: String,
    /// The name of the cloud.
    pub(crate) cloud: String,
    /// Whether that cloud is the embedded one.
    pub(crate) simulated: bool,
    /// Whether everything is as the file says, and every balancer and member is up.
    pub(crate) well: bool,
    /// How many resources differ from the file.
    pub(crate) differences: usize,
    /// What stands in the way of a plan.
    pub(crate) blocked: Vec<Blocked>,
    /// How containers pass port security.
    pub(crate) attachment: Option<AttachmentChosen>,
    /// In the order of the file.
    pub(crate) hosts: Vec<Host>,
    /// By service in the order of the file; then those that the file does not want.
    pub(crate) containers: Vec<Container>,
    /// In the order of the file; then those that the file does not want.
    pub(crate) balancers: Vec<Balancer>,
}

/// A way past port security, and why this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AttachmentChosen {
    pub(crate) mode: Attachment,
    pub(crate) reason: String,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) state: HostState,
    /// Nova's word; `None` where there is no server.
    pub(crate) server: Option<String>,
    /// Why it is not ready, where something is known.
    pub(crate) reason: Option<String>,
    /// On the network.
    pub(crate) address: Option<Ipv4Addr>,
    /// Where it has one.
    pub(crate) floating_ip: Option<Ipv4Addr>,
    /// What runs its containers; `None` of a host that the file does not want.
    pub(crate) engine: Option<Engine>,
    /// Whether the engine answered; only a look from inside tells.
    pub(crate) engine_answers: bool,
    /// Its agent.
    pub(crate) agent: Agent,
    /// How many containers of the stack run there.
    pub(crate) running: usize,
    /// How many containers of the stack are there.
    pub(crate) containers: usize,
}

/// How a host's agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Agent {
    /// The host was not looked into.
    Unknown,
    /// There is none.
    None,
    /// It is there and does not run.
    Stopped,
    /// It runs.
    Running,
}

impl Agent {
    fn of(inside: Option<&observed::Inside>) -> Self {
        match inside.map(|inside| &inside.agent) {
            None => Self::Unknown,
            Some(agent) if agent.running => Self::Running,
            Some(agent) if agent.program.is_some() => Self::Stopped,
            Some(_) => Self::None,
        }
    }
}

/// How far a host has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HostState {
    /// There is no server.
    Missing,
    /// There is one, and Nova does not call it ACTIVE.
    Inactive,
    /// It runs and cannot be reached.
    Unreachable,
    /// Its cloud-init is at work.
    Preparing,
    /// Its cloud-init failed.
    Failed,
    /// It answers.
    Ready,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) state: ContainerState,
    /// Where it is, or where the plan puts it.
    pub(crate) host: Option<String>,
    pub(crate) address: Option<Ipv4Addr>,
    /// Whether its cloud-init was seen to end clean, and its address to answer.
    pub(crate) proven: bool,
    /// Whether the file has it.
    pub(crate) wanted: bool,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ContainerState {
    /// It runs.
    Running,
    /// It is there and does not run.
    Stopped,
    /// It is not there.
    Missing,
    /// Its host could not be looked into.
    Unknown,
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Balancer {
    pub(crate) name: String,
    /// Octavia's word for whether it is settled; `None` where it is missing.
    pub(crate) provisioning: Option<String>,
    /// Octavia's word for whether it works.
    pub(crate) operating: Option<String>,
    pub(crate) vip: Option<Ipv4Addr>,
    pub(crate) floating_ip: Option<Ipv4Addr>,
    /// The port that it listens on; `None` of one that the file does not want.
    pub(crate) listen: Option<u16>,
    /// What a browser is pointed at.
    pub(crate) url: Option<String>,
    pub(crate) members_up: usize,
    pub(crate) members: Vec<Member>,
    /// Whether the file has it.
    pub(crate) wanted: bool,
    /// `http` or `tcp`, for the URL.
    #[serde(skip)]
    pub(crate) scheme: &'static str,
}

/// A member of a balancer's pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u16,
    /// Octavia's word for whether it works.
    pub(crate) operating: String,
    pub(crate) up: bool,
}

impl Balancer {
    /// Whether it is settled and works. One whose pool is empty has nothing to be online with.
    pub(crate) fn is_well(&self) -> bool {
        self.provisioning.as_deref() == Some("ACTIVE")
            && self.members_up == self.members.len()
            && (self.operating.as_deref().is_some_and(works) || self.members.is_empty())
    }
}

/// Where a stack was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) cloud: &'a str,
    pub(crate) simulated: bool,
}

impl Condition {
    /// Puts together what one look saw and what the plan says to it.
    pub(crate) fn of(stack: &Stack, place: Place<'_>, seen: &Observed, plan: &Plan) -> Self {
        let book = seen.book();
        let balancers = balancers(stack, seen, &book);
        let differing: BTreeSet<&Key> = plan.steps.iter().flat_map(|step| &step.keys).collect();
        Self {
            stack: stack.name.clone(),
            cloud: place.cloud.to_owned(),
            simulated: place.simulated,
            well: plan.is_empty() && balancers.iter().all(Balancer::is_well),
            differences: differing.len(),
            blocked: plan.blocked.clone(),
            attachment: plan
                .attachment
                .as_ref()
                .map(|(mode, reason)| AttachmentChosen { mode: *mode, reason: reason.clone() }),
            hosts: hosts(stack, seen, &book),
            containers: containers(stack, seen, plan, &book),
            balancers,
        }
    }
}

fn hosts(stack: &Stack, seen: &Observed, book: &Book) -> Vec<Host> {
    let wanted: Vec<(String, Option<Engine>)> =
        stack.host_names().map(|(name, group)| (name, stack.hosts.get(group).map(|group| group.engine))).collect();
    let surplus: BTreeSet<&str> = seen
        .servers
        .iter()
        .map(|server| server.key.name.as_str())
        .filter(|name| !wanted.iter().any(|(wanted, _)| wanted == name))
        .collect();
    let surplus: Vec<(String, Option<Engine>)> = surplus.into_iter().map(|name| (name.to_owned(), None)).collect();
    wanted.into_iter().chain(surplus).map(|(name, engine)| host(stack, seen, book, name, engine)).collect()
}

fn host(stack: &Stack, seen: &Observed, book: &Book, name: String, engine: Option<Engine>) -> Host {
    let key = |kind, name: &str| Key::new(&stack.name, kind, name);
    // Of two servers with one key the book knows which one is meant.
    let meant = book.get(&key(Kind::Host, &name));
    let server = meant.and_then(|known| seen.servers.iter().find(|server| server.id == known.id));
    let view = seen.hosts.get(&name);
    let (state, reason) = match (server, view) {
        (None, _) => (HostState::Missing, None),
        (Some(server), _) if server.status != "ACTIVE" => (HostState::Inactive, server.fault.clone()),
        (Some(_), None) => (HostState::Unreachable, Some("it was not looked into".to_owned())),
        (Some(_), Some(HostView::Unreachable(reason))) => (HostState::Unreachable, Some(reason.clone())),
        (Some(_), Some(HostView::Preparing)) => (HostState::Preparing, None),
        (Some(_), Some(HostView::Failed(failure))) => (HostState::Failed, Some(failure.to_string())),
        (Some(_), Some(HostView::NoConsole(words))) => {
            let reason = format!("its ssh host key cannot be learned: Nova shows no console ({words})");
            (HostState::Unreachable, Some(reason))
        }
        (Some(_), Some(HostView::Ready(_))) => (HostState::Ready, None),
    };
    let inside = seen.inside(&name);
    let floating = book.get(&key(Kind::FloatingIp, &format!("host-{name}"))).and_then(|known| known.address);
    let given = stack.host_names().find(|(host, _)| *host == name).and_then(|(_, group)| {
        let first = name == format!("{group}0");
        match stack.hosts.get(group)?.floating_ip {
            FloatingIp::Given(address) if first => Some(address),
            _ => None,
        }
    });
    Host {
        state,
        reason,
        server: server.map(|server| server.status.clone()),
        address: book.get(&key(Kind::Port, &name)).and_then(|known| known.address),
        floating_ip: given.or(floating),
        engine,
        engine_answers: inside.is_some(),
        agent: Agent::of(inside),
        running: inside.map_or(0, |inside| inside.containers.values().filter(|one| one.running).count()),
        containers: inside.map_or(0, |inside| inside.containers.len()),
        name,
    }
}

fn containers(stack: &Stack, seen: &Observed, plan: &Plan, book: &Book) -> Vec<Container> {
    let mut present: BTreeMap<&str, (&str, &observed::Container)> = BTreeMap::new();
    for (host, view) in &seen.hosts {
        if let HostView::Ready(inside) = view {
            present.extend(inside.containers.iter().map(|(name, one)| (name.as_str(), (host.as_str(), one))));
        }
    }
    let blind = seen.servers.iter().any(|server| seen.inside(&server.key.name).is_none());
    let mut all: Vec<(String, String, bool)> =
        stack.container_names().map(|(name, service)| (name, service.to_owned(), true)).collect();
    for name in present.keys() {
        if !all.iter().any(|(wanted, ..)| wanted == name) {
            let service = name.rsplit_once('-').map_or(*name, |(service, _)| service);
            all.push(((*name).to_owned(), service.to_owned(), false));
        }
    }
    let rows = all.into_iter().map(|(name, service, wanted)| {
        let place = plan.places.iter().find(|place| place.container == name);
        let there = present.get(name.as_str());
        let state = match there {
            Some((_, one)) if one.running => ContainerState::Running,
            Some(_) => ContainerState::Stopped,
            None if blind => ContainerState::Unknown,
            None => ContainerState::Missing,
        };
        let reserved = book.get(&Key::new(&stack.name, Kind::Reservation, &name)).and_then(|known| known.address);
        Container {
            state,
            service,
            host: there.map(|(host, _)| (*host).to_owned()).or_else(|| place.map(|place| place.host.clone())),
            address: reserved.or(place.map(|place| place.address)),
            proven: there.is_some_and(|(_, one)| {
                one.config.get(PROVEN).is_some_and(|proven| one.config.get(GENERATION_CONFIG) == Some(proven))
            }),
            wanted,
            name,
        }
    });
    rows.collect()
}

fn balancers(stack: &Stack, seen: &Observed, book: &Book) -> Vec<Balancer> {
    let surplus: BTreeSet<&str> = seen
        .balancers
        .iter()
        .map(|balancer| balancer.key.name.as_str())
        .filter(|name| !stack.balancers.contains_key(*name))
        .collect();
    let names = stack.balancers.keys().map(String::as_str).chain(surplus);
    names.map(|name| balancer(stack, seen, book, name)).collect()
}

fn balancer(stack: &Stack, seen: &Observed, book: &Book, name: &str) -> Balancer {
    let meant = book.get(&Key::new(&stack.name, Kind::Balancer, name));
    let present = meant.and_then(|known| seen.balancers.iter().find(|one| one.id == known.id));
    let described = stack.balancers.get(name);
    let floating = book.get(&Key::new(&stack.name, Kind::FloatingIp, format!("vip-{name}")));
    let member = |one: &observed::Member| Member {
        name: one.name.clone(),
        address: one.address,
        port: one.port,
        up: is_made(one) && works(&one.operating),
        operating: if is_made(one) { one.operating.clone() } else { word(&one.state) },
    };
    let members: Vec<Member> =
        present.into_iter().flat_map(|one| &one.pools).flat_map(|pool| &pool.members).map(member).collect();
    Balancer {
        name: name.to_owned(),
        provisioning: present.map(|one| word(&one.state)),
        operating: present.map(|one| one.operating.clone()),
        vip: present.and_then(|one| one.vip),
        floating_ip: match described.map(|described| described.floating_ip) {
            Some(FloatingIp::Given(address)) => Some(address),
            _ => floating.and_then(|known| known.address),
        },
        listen: described.map(|described| described.listen),
        url: None,
        members_up: members.iter().filter(|member| member.up).count(),
        members,
        wanted: described.is_some(),
        scheme: match described.map(|described| described.protocol) {
            Some(Protocol::Tcp) => "tcp",
            _ => "http",
        },
    }
}

/// Whether a member is there, so that its operating status means something: one that is being made says `NO_MONITOR`
/// too, until its monitor looks at it.
fn is_made(member: &observed::Member) -> bool {
    match &member.state {
        Provisioning::Active => true,
        Provisioning::Pending(word) => word == "PENDING_UPDATE",
        Provisioning::Stuck(_) | Provisioning::Error => false,
    }
}

/// Octavia calls a member without a health monitor `NO_MONITOR` for good.
fn works(operating: &str) -> bool {
    matches!(operating, "ONLINE" | "NO_MONITOR")
}

fn word(state: &Provisioning) -> String {
    match state {
        Provisioning::Active => "ACTIVE".to_owned(),
        Provisioning::Error => "ERROR".to_owned(),
        Provisioning::Pending(word) | Provisioning::Stuck(word) => word.clone(),
    }
}

#[cfg(test)]
mod tests;
