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
    addresses: BTreeMap<IpAddr, (Name, Name)>,
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
    /// How old that may be: nothing while it answers, else how long it has not. In whole seconds, since a view is not
    /// made anew for the passing of time.
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
                view.addresses.insert(container.address, place);
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

    /// Who has an address.
    pub fn holder(&self, address: IpAddr) -> Option<Instance<'_>> {
        let (host, name) = self.addresses.get(&address)?;
        self.instance(host, name)
    }

    /// Every container.
    pub fn instances(&self) -> impl Iterator<Item = Instance<'_>> {
        self.hosts
            .values()
            .flat_map(|host| host.part.containers.iter().map(|(name, container)| Instance { host, name, container }))
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
