#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod hostile;
mod messages;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::*;

fn name(text: &str) -> Name {
    text.into()
}

fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 168, 0, last).into()
}

/// A copy of the service `web` that is well.
fn web(address: IpAddr) -> Container {
    Container {
        service: name("web"),
        address,
        port: Some(8080),
        capabilities: BTreeSet::from([name("blog")]),
        monitor: vec![MonitoringPoint::Http("/up".to_owned())],
        says: BTreeMap::new(),
        health: Health { state: State::Passing, output: "200".to_owned() },
    }
}

/// These containers of a host, each with its own address.
fn containers(of: &[(&str, u8)]) -> BTreeMap<Name, Container> {
    of.iter().map(|(container, last)| (name(container), web(ip(*last)))).collect()
}
