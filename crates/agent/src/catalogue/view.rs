//! One consistent state of the whole catalogue, for those who answer questions.

mod indices;
mod pieces;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::model::{Container, HostState, Name, Part, State};
use indices::Indices;

/// The catalogue at one moment. It is made whole, shared, and never changed. One that comes after another shares with it
/// what did not change, so it costs little more than what did.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Grows by one with each view (Consul's `X-Consul-Index`).
    pub index: u64,
    /// The hosts that are known, by name.
    pub hosts: BTreeMap<Name, Arc<HostView>>,
    indices: Indices,
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
        Self::default().next(index, hosts)
    }

    /// The view that comes after this one. Hosts and containers that are one and the same are not looked into.
    #[must_use]
    pub fn next(&self, index: u64, hosts: impl IntoIterator<Item = Arc<HostView>>) -> Self {
        let hosts: BTreeMap<Name, Arc<HostView>> = hosts.into_iter().map(|host| (host.name.clone(), host)).collect();
        let mut indices = self.indices.clone();
        for gone in self.hosts.values().filter(|host| !hosts.contains_key(&host.name)) {
            indices.change(Some(gone), None);
        }
        for host in hosts.values() {
            match self.hosts.get(&host.name) {
                Some(before) if Arc::ptr_eq(before, host) => {}
                before => indices.change(before, Some(host)),
            }
        }
        Self { index, hosts, indices }
    }

    /// The names of all services.
    pub fn service_names(&self) -> impl Iterator<Item = &Name> {
        self.indices.services()
    }

    /// The copies of a service, well or not.
    pub fn service<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Instance<'a>> {
        self.indices.service(name)
    }

    /// Whoever can do something, well or not.
    pub fn capability<'a>(&'a self, word: &'a str) -> impl Iterator<Item = Instance<'a>> {
        self.indices.capability(word)
    }

    /// The container of a name; two only while it moves from host to host.
    pub fn container<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Instance<'a>> {
        self.indices.container(name)
    }

    /// Who has an address. Where several hosts that are there say so, nobody: whoever is believed might be the liar, and
    /// all views have to say the same. A host that is gone has no word against one that is there.
    pub fn holder(&self, address: IpAddr) -> Option<Instance<'_>> {
        let mut claims = self.claims(address);
        claims.next().filter(|_| claims.next().is_none())
    }

    /// The host that has an address; the first by name, where several say so.
    pub fn host_at(&self, address: IpAddr) -> Option<&HostView> {
        self.indices.host(address)
    }

    /// The addresses that several say to have, each with them all: a container that moves, a mistake, or a lie.
    pub fn contested(&self) -> impl Iterator<Item = (IpAddr, impl Iterator<Item = Instance<'_>>)> {
        let several = self.indices.addresses().filter(|address| self.claims(*address).nth(1).is_some());
        several.map(|address| (address, self.claims(address)))
    }

    /// Every container.
    pub fn instances(&self) -> impl Iterator<Item = Instance<'_>> {
        self.hosts
            .values()
            .flat_map(|host| host.part.containers.iter().map(|(name, container)| Instance { host, name, container }))
    }

    /// Who says to have an address, and is to be believed: nobody listens to the absent where somebody present says the
    /// same.
    fn claims(&self, address: IpAddr) -> impl Iterator<Item = Instance<'_>> {
        let is_present = |claim: &Instance<'_>| claim.host.state == HostState::Alive;
        let somebody = self.indices.address(address).any(|claim| is_present(&claim));
        self.indices.address(address).filter(move |claim| is_present(claim) || !somebody)
    }
}
