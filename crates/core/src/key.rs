//! Keys: the identity of one resource of one stack.
//!
//! The cloud is Pontoon's only state, so every resource carries its key from the request that creates it: as the
//! `description` of what Neutron and Octavia keep, as metadata of a server, as `user.pontoon.key` of what an engine
//! keeps. Names are labels for people and never an identity.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What a key names, in the terms of the services that keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The Neutron subnet whose allocation pool the stack narrows.
    Subnet,
    /// A Neutron security group.
    SecurityGroup,
    /// One rule of a security group.
    SecurityGroupRule,
    /// A Nova server group.
    ServerGroup,
    /// The Neutron port of a host.
    Port,
    /// An unbound Neutron port that holds a container's address.
    Reservation,
    /// The allowed address pairs of a host's port.
    Pairs,
    /// A Nova server that runs LXD or Incus.
    Host,
    /// A Neutron floating IP.
    FloatingIp,
    /// A profile on one host.
    Profile,
    /// A container image on one host.
    Image,
    /// The line by which a host's dnsmasq knows a container.
    DhcpHost,
    /// The agent on a host.
    Agent,
    /// A container.
    Container,
    /// An Octavia load balancer.
    Balancer,
    /// The Neutron port of a balancer's VIP.
    VipPort,
    /// A listener of a balancer.
    Listener,
    /// A pool of a balancer.
    Pool,
    /// The members of a pool.
    Members,
    /// The health monitor of a pool.
    Monitor,
}

const KINDS: [(Kind, &str); 20] = [
    (Kind::Subnet, "subnet"),
    (Kind::SecurityGroup, "security-group"),
    (Kind::SecurityGroupRule, "rule"),
    (Kind::ServerGroup, "server-group"),
    (Kind::Port, "port"),
    (Kind::Reservation, "reservation"),
    (Kind::Pairs, "pairs"),
    (Kind::Host, "host"),
    (Kind::FloatingIp, "floating-ip"),
    (Kind::Profile, "profile"),
    (Kind::Image, "image"),
    (Kind::DhcpHost, "dhcp-host"),
    (Kind::Agent, "agent"),
    (Kind::Container, "container"),
    (Kind::Balancer, "balancer"),
    (Kind::VipPort, "vip-port"),
    (Kind::Listener, "listener"),
    (Kind::Pool, "pool"),
    (Kind::Members, "members"),
    (Kind::Monitor, "monitor"),
];

impl Kind {
    /// The word for this kind in keys, plans and messages.
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("resource", |(_, word)| word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The identity of one resource of one stack, written `pontoon:blog:port/lxd0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The stack that owns the resource.
    pub stack: String,
    /// What it is.
    pub kind: Kind,
    /// Which one of its kind: `lxd0`, `hugo-0`, `web`; for what lies on a host `lxd0/hugo`.
    pub name: String,
}

impl Key {
    /// The key of `kind` `name` in `stack`.
    pub fn new(stack: impl Into<String>, kind: Kind, name: impl Into<String>) -> Self {
        Self { stack: stack.into(), kind, name: name.into() }
    }

    /// The key without its stack, as plans show it: `port/lxd0`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// The tag that every taggable resource of a stack carries, so that one request lists them all. Nova allows no `/`
/// and no `,` in a tag, and at most 60 characters.
pub fn stack_tag(stack: &str) -> String {
    format!("pontoon:{stack}")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pontoon:{}:{}/{}", self.stack, self.kind, self.name)
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is no key of ours: somebody else's resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a key of a stack")]
pub struct NotAKey;

impl FromStr for Key {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("pontoon:").ok_or(NotAKey)?;
        let (stack, rest) = rest.split_once(':').ok_or(NotAKey)?;
        let (word, name) = rest.split_once('/').ok_or(NotAKey)?;
        let kind = KINDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind).ok_or(NotAKey)?;
        if stack.is_empty() || name.is_empty() { Err(NotAKey) } else { Ok(Self::new(stack, kind, name)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_kind_of_key_reads_as_it_prints() {
        for (kind, _) in KINDS {
            let key = Key::new("blog", kind, "lxd0/hugo");
            assert_eq!(key.to_string().parse::<Key>(), Ok(key));
        }
    }

    #[test]
    fn what_somebody_else_wrote_is_no_key() {
        for text in ["", "ssh access", "pontoon:blog", "pontoon::port/a", "pontoon:blog:thing/a", "pontoon:blog:port/"]
        {
            assert_eq!(text.parse::<Key>(), Err(NotAKey), "{text}");
        }
    }
}
