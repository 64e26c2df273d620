//! By what containers are looked up in a view.
//!
//! Each index is a sorted set of entries, of which those of one word follow each other. An entry has its container at
//! hand, and the seat of its host: what is said of a host may change without any entry of its containers. Words are in
//! the order of their hashes, so that looking one up compares numbers that lie side by side, and not texts that do not.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;

use super::pieces::Pieces;
use super::{HostView, Instance};
use crate::catalogue::model::{Container, Name};

/// All of them, of one state of the catalogue.
#[derive(Clone, Debug, Default)]
pub(super) struct Indices {
    /// The hosts, each where it stays for as long as it is known; a seat that nobody has is given to the next.
    seats: Vec<Option<Arc<HostView>>>,
    seat_of: Arc<BTreeMap<Name, usize>>,
    services: Pieces<Entry<Word>>,
    capabilities: Pieces<Entry<Word>>,
    containers: Pieces<Entry<Word>>,
    addresses: Pieces<Entry<IpAddr>>,
    host_addresses: Pieces<(IpAddr, Name)>,
}

/// What somebody may look for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    hash: u64,
    text: Name,
}

/// A container, behind what it is looked up by.
#[derive(Clone, Debug)]
struct Entry<K> {
    key: K,
    placed: Arc<Placed>,
}

/// A container where it is.
#[derive(Debug)]
struct Placed {
    seat: usize,
    host: Name,
    name: Name,
    container: Arc<Container>,
}

impl<K: Ord> Ord for Entry<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two) = (&self.placed, &other.placed);
        self.key.cmp(&other.key).then_with(|| one.host.cmp(&two.host)).then_with(|| one.name.cmp(&two.name))
    }
}

impl<K: Ord> PartialOrd for Entry<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for Entry<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord> Eq for Entry<K> {}

impl Indices {
    /// What a host was, and what it is now.
    pub(super) fn change(&mut self, before: Option<&Arc<HostView>>, after: Option<&Arc<HostView>>) {
        let Some(name) = before.or(after).map(|host| &host.name) else { return };
        let seat = self.seat(name);
        if let Some(before) = before {
            self.host_addresses.remove(&(before.address, name.clone()));
        }
        if let Some(after) = after {
            self.host_addresses.insert((after.address, name.clone()));
        }
        let part = |host: Option<&Arc<HostView>>| host.map(|host| host.part.clone()).unwrap_or_default();
        let (old, new) = (part(before), part(after));
        if !Arc::ptr_eq(&old, &new) {
            let placed = |(container, what): (&Name, &Arc<Container>)| Placed {
                seat,
                host: name.clone(),
                name: container.clone(),
                container: what.clone(),
            };
            let is_same = |one: &BTreeMap<Name, Arc<Container>>, name: &Name, container: &Arc<Container>| {
                one.get(name).is_some_and(|other| Arc::ptr_eq(other, container))
            };
            for gone in old.containers.iter().filter(|(name, it)| !is_same(&new.containers, name, it)) {
                self.remove(placed(gone));
            }
            for put in new.containers.iter().filter(|(name, it)| !is_same(&old.containers, name, it)) {
                self.insert(placed(put));
            }
        }
        if after.is_none() {
            Arc::make_mut(&mut self.seat_of).remove(name);
        }
        if let Some(place) = self.seats.get_mut(seat) {
            *place = after.cloned();
        }
    }

    /// The seat of a host; it gets one where it has none.
    fn seat(&mut self, host: &Name) -> usize {
        if let Some(seat) = self.seat_of.get(host) {
            return *seat;
        }
        let seat = self.seats.iter().position(Option::is_none).unwrap_or(self.seats.len());
        if seat == self.seats.len() {
            self.seats.push(None);
        }
        Arc::make_mut(&mut self.seat_of).insert(host.clone(), seat);
        seat
    }

    fn insert(&mut self, placed: Placed) {
        let placed = Arc::new(placed);
        let Container { service, capabilities, address, .. } = &*placed.container;
        put(&mut self.services, service, &placed);
        for word in capabilities {
            put(&mut self.capabilities, word, &placed);
        }
        put(&mut self.containers, &placed.name, &placed);
        self.addresses.insert(Entry { key: *address, placed: placed.clone() });
    }

    fn remove(&mut self, placed: Placed) {
        let placed = Arc::new(placed);
        let Container { service, capabilities, address, .. } = &*placed.container;
        let entry = |text: &Name| Entry { key: Word { hash: hash(text), text: text.clone() }, placed: placed.clone() };
        self.services.remove(&entry(service));
        for word in capabilities {
            self.capabilities.remove(&entry(word));
        }
        self.containers.remove(&entry(&placed.name));
        self.addresses.remove(&Entry { key: *address, placed: placed.clone() });
    }

    pub(super) fn services(&self) -> impl Iterator<Item = &Name> {
        self.services.iter().map(|entry| &entry.key.text).collect::<BTreeSet<_>>().into_iter()
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let mut last = None;
        self.addresses.iter().map(|entry| entry.key).filter(move |address| last.replace(*address) != Some(*address))
    }

    pub(super) fn service<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Instance<'a>> {
        of(&self.services, name).filter_map(|entry| self.instance(entry))
    }

    pub(super) fn capability<'a>(&'a self, word: &'a str) -> impl Iterator<Item = Instance<'a>> {
        of(&self.capabilities, word).filter_map(|entry| self.instance(entry))
    }

    pub(super) fn container<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Instance<'a>> {
        of(&self.containers, name).filter_map(|entry| self.instance(entry))
    }

    pub(super) fn address(&self, address: IpAddr) -> impl Iterator<Item = Instance<'_>> {
        self.addresses.range(move |entry| entry.key.cmp(&address)).filter_map(|entry| self.instance(entry))
    }

    pub(super) fn host(&self, address: IpAddr) -> Option<&HostView> {
        let (_, name) = self.host_addresses.range(|(other, _)| other.cmp(&address)).next()?;
        self.seats.get(*self.seat_of.get(name)?)?.as_deref()
    }

    fn instance<'a, K>(&'a self, Entry { placed, .. }: &'a Entry<K>) -> Option<Instance<'a>> {
        let host = self.seats.get(placed.seat)?.as_deref()?;
        Some(Instance { host, name: &placed.name, container: &placed.container })
    }
}

/// The entries of a word.
fn of<'a>(index: &'a Pieces<Entry<Word>>, text: &'a str) -> impl Iterator<Item = &'a Entry<Word>> {
    let hash = hash(text);
    index.range(move |Entry { key, .. }| key.hash.cmp(&hash).then_with(|| (*key.text).cmp(text)))
}

/// Puts a container in; all entries of a word share one copy of it.
fn put(index: &mut Pieces<Entry<Word>>, text: &Name, placed: &Arc<Placed>) {
    let known = of(index, text).next().map(|entry| entry.key.clone());
    let key = known.unwrap_or_else(|| Word { hash: hash(text), text: text.clone() });
    index.insert(Entry { key, placed: placed.clone() });
}

/// The same in each run.
fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
