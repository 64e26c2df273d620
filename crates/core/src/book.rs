//! The book of ids: which resource of the cloud a key means now.
//!
//! A crash between a request and its reply, or two writers, can leave two resources with one key. Exactly one of them
//! is meant; [`one_of_each`] chooses it the same way on every look, and the others are surplus.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::key::{Key, Kind};
use crate::observed::{Balancer, FloatingIp, Observed, Pool, Port, Provisioning, SecurityGroup, Server, ServerGroup};

/// What is known of a resource that a key names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its id at the service that keeps it.
    pub id: String,
    /// Its address, where it has one: a port's fixed address, a floating IP, a VIP.
    pub address: Option<Ipv4Addr>,
}

/// Ids by key.
pub type Book = BTreeMap<Key, Known>;

/// Something that may share its key with another one.
pub(crate) trait Keyed {
    fn key(&self) -> Option<&Key>;
    fn id(&self) -> &str;
    /// How much would be lost with it: the one with the most is the one that is meant.
    fn weight(&self) -> u8;
}

/// The one that is meant of each key, and the surplus ones.
pub(crate) fn one_of_each<T: Keyed>(items: &[T]) -> (BTreeMap<&Key, &T>, Vec<&T>) {
    let mut meant: BTreeMap<&Key, &T> = BTreeMap::new();
    let mut surplus = Vec::new();
    for item in items {
        let Some(key) = item.key() else { continue };
        match meant.get(key) {
            None => {
                meant.insert(key, item);
            }
            Some(other) if (item.weight(), other.id()) > (other.weight(), item.id()) => {
                surplus.extend(meant.insert(key, item));
            }
            Some(_) => surplus.push(item),
        }
    }
    (meant, surplus)
}

/// The one that is meant of one key.
pub(crate) fn meant<'a, T: Keyed>(items: &'a [T], key: &Key) -> Option<&'a T> {
    let of_key = items.iter().filter(|item| item.key() == Some(key));
    of_key.max_by(|a, b| a.weight().cmp(&b.weight()).then_with(|| b.id().cmp(a.id())))
}

/// The pool of a balancer that the plan and its steps mean: the one of the balancer's name, if several have it the one
/// that a listener leads to.
pub(crate) fn own_pool(balancer: &Balancer) -> Option<&Pool> {
    let label = label(&balancer.key);
    let led_to =
        |pool: &Pool| balancer.listeners.iter().any(|listener| listener.default_pool_id.as_ref() == Some(&pool.id));
    let named = balancer.pools.iter().filter(|pool| pool.name == label);
    named.min_by_key(|pool| (!led_to(pool), pool.id.as_str()))
}

/// The name that a balancer and its parts have for people.
pub(crate) fn label(balancer: &Key) -> String {
    format!("{}-{}", balancer.stack, balancer.name)
}

impl Observed {
    /// The book of everything of the stack that exists.
    pub fn book(&self) -> Book {
        let mut book = Book::new();
        let mut note = |key: &Key, id: &str, address: Option<Ipv4Addr>| {
            book.insert(key.clone(), Known { id: id.to_owned(), address });
        };
        for (key, group) in one_of_each(&self.security_groups).0 {
            note(key, &group.id, None);
        }
        for (key, group) in one_of_each(&self.server_groups).0 {
            note(key, &group.id, None);
        }
        for (key, port) in one_of_each(&self.ports).0 {
            note(key, &port.id, port.addresses.first().copied());
        }
        for (key, server) in one_of_each(&self.servers).0 {
            note(key, &server.id, None);
        }
        for (key, balancer) in one_of_each(&self.balancers).0 {
            let name = key.name.as_str();
            note(key, &balancer.id, balancer.vip);
            note(&Key::new(&key.stack, Kind::VipPort, name), &balancer.vip_port_id, balancer.vip);
            if let Some(pool) = own_pool(balancer) {
                note(&Key::new(&key.stack, Kind::Pool, name), &pool.id, None);
                if let Some(monitor) = &pool.monitor {
                    note(&Key::new(&key.stack, Kind::Monitor, name), &monitor.id, None);
                }
            }
        }
        self.note_floating_ips(&mut book);
        book
    }

    /// A floating IP that the file gives carries no key: what it leads to says which one it is. One that carries a key is
    /// what its key says.
    fn note_floating_ips(&self, book: &mut Book) {
        let mut of_port: BTreeMap<&str, Key> = BTreeMap::new();
        for (key, port) in one_of_each(&self.ports).0.into_iter().filter(|(key, _)| key.kind == Kind::Port) {
            of_port.insert(&port.id, Key::new(&key.stack, Kind::FloatingIp, format!("host-{}", key.name)));
        }
        for (key, balancer) in one_of_each(&self.balancers).0 {
            of_port.insert(&balancer.vip_port_id, Key::new(&key.stack, Kind::FloatingIp, format!("vip-{}", key.name)));
        }
        let known = |floating: &FloatingIp| Known { id: floating.id.clone(), address: Some(floating.address) };
        for floating in self.floating_ips.iter().filter(|floating| floating.key.is_none()) {
            if let Some(key) = floating.port_id.as_deref().and_then(|port| of_port.get(port)) {
                book.insert(key.clone(), known(floating));
            }
        }
        book.extend(
            one_of_each(&self.floating_ips).0.into_iter().map(|(key, floating)| (key.clone(), known(floating))),
        );
    }
}

impl Keyed for Port {
    fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn weight(&self) -> u8 {
        u8::from(!self.device_id.is_empty())
    }
}

impl Keyed for SecurityGroup {
    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn weight(&self) -> u8 {
        0
    }
}

impl Keyed for ServerGroup {
    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn weight(&self) -> u8 {
        0
    }
}

impl Keyed for Server {
    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn weight(&self) -> u8 {
        match self.status.as_str() {
            "ACTIVE" => 2,
            "ERROR" => 0,
            _ => 1,
        }
    }
}

impl Keyed for FloatingIp {
    fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn weight(&self) -> u8 {
        u8::from(self.port_id.is_some())
    }
}

impl Keyed for Balancer {
    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn weight(&self) -> u8 {
        match self.state {
            Provisioning::Active => 2,
            Provisioning::Pending(_) => 1,
            Provisioning::Stuck(_) | Provisioning::Error => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(id: &str, device: &str) -> Port {
        Port {
            id: id.to_owned(),
            key: Some(Key::new("blog", Kind::Port, "lxd0")),
            device_id: device.to_owned(),
            ..Port::default()
        }
    }

    #[test]
    fn of_two_ports_with_one_key_the_one_in_use_is_meant_whatever_the_order() {
        for ports in [[port("a", ""), port("b", "server")], [port("b", "server"), port("a", "")]] {
            let (meant, surplus) = one_of_each(&ports);
            assert_eq!(meant.values().map(|port| port.id.as_str()).collect::<Vec<_>>(), ["b"]);
            assert_eq!(surplus.iter().map(|port| port.id.as_str()).collect::<Vec<_>>(), ["a"]);
        }
    }

    #[test]
    fn a_floating_ip_without_a_key_is_known_by_the_port_that_it_leads_to() {
        let floating = |id: &str, key: Option<Key>| FloatingIp {
            id: id.to_owned(),
            key,
            address: Ipv4Addr::new(203, 0, 113, 7),
            port_id: Some("a".to_owned()),
            given: false,
        };
        let own = Key::new("blog", Kind::FloatingIp, "host-lxd0");
        let mut seen = Observed {
            ports: vec![port("a", "server")],
            floating_ips: vec![floating("given", None)],
            ..Observed::default()
        };
        assert_eq!(seen.book().get(&own).map(|known| known.id.as_str()), Some("given"));
        seen.floating_ips.push(floating("own", Some(own.clone())));
        assert_eq!(seen.book().get(&own).map(|known| known.id.as_str()), Some("own"));
    }

    #[test]
    fn of_two_equal_ports_the_lower_id_is_meant_whatever_the_order() {
        for ports in [[port("a", ""), port("b", "")], [port("b", ""), port("a", "")]] {
            let (meant, _) = one_of_each(&ports);
            assert_eq!(meant.values().map(|port| port.id.as_str()).collect::<Vec<_>>(), ["a"]);
        }
    }
}
