//! Names for what a step is done to, and for many things at once.

use std::net::Ipv4Addr;

use pontoon_core::key::Key;
use pontoon_core::plan::Step;

use super::action;

/// What a step is done to: one resource, several of a kind, or one with the parts that are made with it.
pub(crate) fn keys(keys: &[Key]) -> String {
    let Some((first, rest)) = keys.split_first() else { return "nothing".to_owned() };
    if rest.is_empty() {
        return first.label();
    }
    if rest.iter().all(|key| key.kind == first.kind) {
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        return match names.as_slice() {
            [only] => format!("{}/{only}", first.kind),
            [first_name, .., last] if names.len() > 3 => {
                format!("{}/{first_name} … {last} ({})", first.kind, names.len())
            }
            _ => format!("{}/{}", first.kind, names.join(", ")),
        };
    }
    let parts: Vec<&str> = rest.iter().map(|key| key.kind.word()).collect();
    format!("{} with {}", first.label(), parts.join(", "))
}

/// What a step does, in a few words: `create host/lxd0`, `start container/hugo-0`.
pub(crate) fn step(step: &Step) -> String {
    format!("{} {}", action::phrase(step.verb, &step.action), keys(&step.keys))
}

/// Addresses with runs of neighbours drawn together: `192.168.0.100-192.168.0.105, 192.168.0.110`.
pub(crate) fn addresses(addresses: impl IntoIterator<Item = Ipv4Addr>) -> String {
    let mut sorted: Vec<Ipv4Addr> = addresses.into_iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut runs: Vec<(Ipv4Addr, Ipv4Addr)> = Vec::new();
    for address in sorted {
        match runs.last_mut() {
            Some((_, last)) if u32::from(*last).checked_add(1) == Some(u32::from(address)) => *last = address,
            _ => runs.push((address, address)),
        }
    }
    let texts: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pontoon_core::key::Kind;

    fn named(kind: Kind, names: &[&str]) -> Vec<Key> {
        names.iter().map(|name| Key::new("blog", kind, *name)).collect()
    }

    #[test]
    fn many_resources_of_a_kind_are_the_first_the_last_and_their_number() {
        assert_eq!(keys(&named(Kind::Reservation, &["hugo-0"])), "reservation/hugo-0");
        assert_eq!(keys(&named(Kind::Reservation, &["a", "b", "c"])), "reservation/a, b, c");
        assert_eq!(keys(&named(Kind::Reservation, &["a", "b", "c", "d"])), "reservation/a … d (4)");
    }

    #[test]
    fn a_resource_with_its_parts_is_named_with_them() {
        let graph: Vec<Key> =
            [Kind::Balancer, Kind::Listener, Kind::Pool].map(|kind| Key::new("blog", kind, "web")).to_vec();
        assert_eq!(keys(&graph), "balancer/web with listener, pool");
    }

    #[test]
    fn neighbouring_addresses_are_drawn_together() {
        let list = ["10.0.0.3", "10.0.0.1", "10.0.0.2", "10.0.0.9", "255.255.255.255"].map(str::parse);
        assert_eq!(addresses(list.into_iter().flatten()), "10.0.0.1-10.0.0.3, 10.0.0.9, 255.255.255.255");
    }
}
