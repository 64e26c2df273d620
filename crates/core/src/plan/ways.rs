//! How an operator reaches each host by ssh.

use std::collections::BTreeMap;

use super::floating_ips;
use crate::key::Key;
use crate::spec::model::{FloatingIp, Stack};

/// The user that every host has for us, whatever image it was booted from.
pub const LOGIN: &str = "pontoon";

/// How an operator reaches a host by ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// At its floating IP.
    FloatingIp(Key),
    /// At its own address, through another host.
    Through(String),
    /// At its own address: the operator is on the network, or has a route to it.
    Address,
}

/// The way to every host of a stack: a host's own floating IP, else the jump host of its group, else any jump host.
pub fn ways(stack: &Stack) -> BTreeMap<String, Way> {
    let jump_of = |group: &str| {
        let hosts = stack.hosts.get(group)?;
        (hosts.count > 0 && hosts.floating_ip != FloatingIp::No).then(|| format!("{group}0"))
    };
    let any = stack.hosts.keys().find_map(|group| jump_of(group));
    stack
        .host_names()
        .map(|(host, group)| {
            let way = match jump_of(group).or_else(|| any.clone()) {
                Some(jump) if jump == host => Way::FloatingIp(floating_ips::of_host(stack, &host)),
                Some(jump) => Way::Through(jump),
                None => Way::Address,
            };
            (host, way)
        })
        .collect()
}
