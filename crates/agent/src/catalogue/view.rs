//! One consistent state of the whole catalogue, for those who answer questions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::model::{Container, HostState, Name, Part, State};

/// The catalogue at one moment. It is made whole, shared, and never changed; parts that did not change are shared with
/// the view before.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Grows by one with each view (Consul's `X-Consul-Index`).
    pub index: u64,
    /// The hosts that are known, by name.
    pub hosts: BTreeMap<Name, Arc<HostView>>,
    services: BTreeMap<Name, BTreeSet<(Name, Name)>>,
    capabilities: BTreeMap<Name, BTreeSet<(Name, Name)>>,
    containers: BTreeMap<Name, BTreeSet<Name>>,
    addresses: BTreeMap<IpAddr, Claim>,
}

/// Who says to have an address.
#[derive(Clone, Debug)]
struct Claim {
    /// Whether those who say so are there: nobody listens to the absent where somebody present says the same.
    present: bool,
    places: BTreeSet<(Name, Name)>,
}

/// One host in a view.
#[derive(Clone, Debug, PartialEq)]
pub struct HostView {
    /// Its name.
    pub name: Name,
    /// Where its agent listens.
    pub address: IpAddr,
    /// Whether it is there.
    pub state: HostState,
    /// How far it is from here and back, where the ring's coordinates tell.
    pub round_trip: Option<Duration>,
    /// What it says.
    pub part: Arc<Part>,
    /// Nothing while it answers; else when it was last known to: whole seconds since the catalogue's beginning, since a
    /// view is not made anew for the passing of time. What it says is as old as the time since then.
    pub stale_since: Option<u64>,
}

/// A container where it is.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a> {
    /// The host that it is on.
    pub host: &'a HostView,
    /// Its name.
    pub name: &'a Name,
    /// What is said of it.
    pub container: &'a Container,
}

impl Instance<'_> {
    /// How it is, its host considered: whoever is on a host that does not answer is unknown at best.
    pub fn state(&self) -> State {
        match self.host.state {
            HostState::Alive => self.container.health.state,
            HostState::Failed | HostState::Left => self.container.health.state.max(State::Unknown),
        }
    }

    /// Whether it belongs in an answer to "who can serve me".
    pub fn serves(&self) -> bool {
        self.state() <= State::Warning
    }
}

impl View {
    /// A view of these hosts.
    pub fn new(index: u64, hosts: impl IntoIterator<Item = Arc<HostView>>) -> Self {
        let mut view = Self { index, ..Self::default() };
        for host in hosts {
            for (name, container) in &host.part.containers {
                let place = (host.name.clone(), name.clone());
                view.services.entry(container.service.clone()).or_default().insert(place.clone());
                for capability in &container.capabilities {
                    view.capabilities.entry(capability.clone()).or_default().insert(place.clone());
                }
                view.containers.entry(name.clone()).or_default().insert(host.name.clone());
                view.claim(container.address, host.state == HostState::Alive, place);
            }
            view.hosts.insert(host.name.clone(), host);
        }
        view
    }

    /// The names of all services.
    pub fn service_names(&self) -> impl Iterator<Item = &Name> {
        self.services.keys()
    }

    /// The copies of a service, well or not.
    pub fn service(&self, name: &str) -> impl Iterator<Item = Instance<'_>> {
        self.places(self.services.get(name))
    }

    /// Whoever can do something, well or not.
    pub fn capability(&self, word: &str) -> impl Iterator<Item = Instance<'_>> {
        self.places(self.capabilities.get(word))
    }

    /// The container of a name; two only while it moves from host to host.
    pub fn container<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Instance<'a>> {
        self.containers.get(name).into_iter().flatten().filter_map(|host| self.instance(host, name))
    }

    /// Who has an address. Where several hosts that are there say so, nobody: whoever is believed might be the liar, and
    /// all views have to say the same. A host that is gone has no word against one that is there.
    pub fn holder(&self, address: IpAddr) -> Option<Instance<'_>> {
        let places = &self.addresses.get(&address)?.places;
        let (host, name) = places.first().filter(|_| places.len() == 1)?;
        self.instance(host, name)
    }

    /// The addresses that several say to have, each with them all: a container that moves, a mistake, or a lie.
    pub fn contested(&self) -> impl Iterator<Item = (IpAddr, impl Iterator<Item = Instance<'_>>)> {
        let several = self.addresses.iter().filter(|(_, claim)| claim.places.len() > 1);
        several.map(|(address, claim)| (*address, self.places(Some(&claim.places))))
    }

    /// Every container.
    pub fn instances(&self) -> impl Iterator<Item = Instance<'_>> {
        self.hosts
            .values()
            .flat_map(|host| host.part.containers.iter().map(|(name, container)| Instance { host, name, container }))
    }

    fn claim(&mut self, address: IpAddr, present: bool, place: (Name, Name)) {
        let claim = self.addresses.entry(address).or_insert_with(|| Claim { present, places: BTreeSet::new() });
        if present && !claim.present {
            *claim = Claim { present, places: BTreeSet::new() };
        }
        if present == claim.present {
            claim.places.insert(place);
        }
    }

    fn places<'a>(&'a self, places: Option<&'a BTreeSet<(Name, Name)>>) -> impl Iterator<Item = Instance<'a>> {
        places.into_iter().flatten().filter_map(|(host, name)| self.instance(host, name))
    }

    fn instance(&self, host: &str, name: &str) -> Option<Instance<'_>> {
        let host = self.hosts.get(host)?;
        let (name, container) = host.part.containers.get_key_value(name)?;
        Some(Instance { host, name, container })
    }
}
