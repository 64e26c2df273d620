//! The data plane: whether a TCP connection gets through, and where it ends.
//!
//! [`path`] is a pure function of the world and of what the machines put on the wire. It walks the layers that a real
//! packet meets, in their order, and names the one that drops it. Nothing is sent here; [`connect`] and [`publish`] do.

pub mod balance;
pub mod connect;
pub mod health;
pub mod publish;

use crate::guest::Nic;
use crate::world::World;
use crate::world::balancer::{LoadBalancer, Provisioning};
use crate::world::compute::ServerStatus;
use crate::world::port::Port;
use crate::world::security::Direction;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

/// What the machines put on the wire: their containers' network cards, by server id. A server without an entry has no
/// running machine.
pub type Wire = BTreeMap<String, Vec<Nic>>;

/// Where a connection comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// The world outside, from this address.
    Internet(Ipv4Addr),
    /// A server's own network stack.
    Machine {
        /// The server's id.
        server: String,
    },
    /// A container of a server.
    Container {
        /// The server's id.
        server: String,
        /// The container's name.
        container: String,
    },
    /// A balancer towards its members.
    Balancer {
        /// The balancer's id.
        id: String,
        /// Who asks through it, where the balancer's provider leaves clients their addresses.
        client: Option<Ipv4Addr>,
    },
}

/// Where a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A port of a server's own network stack.
    Machine {
        /// The server's id.
        server: String,
        /// The TCP port.
        port: u16,
    },
    /// A port of a container.
    Container {
        /// The server's id.
        server: String,
        /// The container's name.
        container: String,
        /// The TCP port.
        port: u16,
    },
    /// A balancer's listener.
    Listener {
        /// The listener's id.
        id: String,
        /// Who connects, as the balancer sees it.
        client: Ipv4Addr,
    },
}

/// The layer that dropped a connection, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Drop {
    /// The sender's own port does not let it send so.
    #[error("port security of port `{port}` drops what `{mac}` sends from `{address}`")]
    SenderPortSecurity {
        /// The Neutron port.
        port: String,
        /// The sender's MAC.
        mac: String,
        /// The sender's address.
        address: Ipv4Addr,
    },
    /// The sender has no address or no port.
    #[error("the sender has no address on a network")]
    SenderHasNoAddress,
    /// No egress rule of the sender's groups fits.
    #[error("no egress rule of the security groups of port `{port}` permits it")]
    Egress {
        /// The Neutron port.
        port: String,
    },
    /// No floating IP of this address leads anywhere.
    #[error("the floating IP `{address}` is not associated")]
    NoFloatingIp {
        /// The address.
        address: Ipv4Addr,
    },
    /// No router joins the two.
    #[error("no router leads to `{address}`")]
    NoRoute {
        /// The target.
        address: Ipv4Addr,
    },
    /// Nobody answers for the address.
    #[error("nobody has the address `{address}`")]
    NoSuchAddress {
        /// The target.
        address: Ipv4Addr,
    },
    /// The port that carries the address is not allowed to.
    #[error("port security of port `{port}` drops `{address}` at `{mac}`: no allowed address pair")]
    PortSecurity {
        /// The Neutron port.
        port: String,
        /// The receiver's MAC.
        mac: String,
        /// The target.
        address: Ipv4Addr,
    },
    /// No ingress rule of the receiver's groups fits.
    #[error("no ingress rule of the security groups of port `{port}` permits tcp {tcp} from `{peer}`")]
    Ingress {
        /// The Neutron port.
        port: String,
        /// The TCP port.
        tcp: u16,
        /// The sender.
        peer: Ipv4Addr,
    },
    /// A port or network or router is administratively down.
    #[error("`{what}` is administratively down")]
    Down {
        /// The object's id.
        what: String,
    },
    /// The server is not running.
    #[error("server `{server}` is not running")]
    ServerDown {
        /// The server's id.
        server: String,
    },
    /// The balancer or its listener is not ACTIVE, or has no such listener.
    #[error("balancer `{balancer}` does not listen on tcp {tcp}")]
    NotListening {
        /// The balancer's id.
        balancer: String,
        /// The TCP port.
        tcp: u16,
    },
    /// All layers let it pass and nothing listens there.
    #[error("connection refused: nothing listens on tcp {tcp} of `{address}`")]
    Refused {
        /// The target.
        address: Ipv4Addr,
        /// The TCP port.
        tcp: u16,
    },
}

/// Whether a TCP connection from `from` to `to` gets through, and where it ends.
pub fn path(world: &World, wire: &Wire, from: &From, to: SocketAddrV4) -> Result<Endpoint, Drop> {
    let source = Source::of(world, wire, from)?;
    let (address, tcp) = (*to.ip(), to.port());
    if let Some(port) = &source.port {
        permit_egress(world, port, address, tcp)?;
    }
    let floating = world.floatingips.values().find(|floating| floating.floating_ip_address == address);
    let (inner, network) = match (floating, &source.network) {
        (Some(floating), _) => {
            if let Some(network) = &source.network {
                outside_route(world, source.address, network, address)?;
            }
            let unassociated = || Drop::NoFloatingIp { address };
            let fixed = floating.fixed_ip_address.ok_or_else(unassociated)?;
            let port = floating.port_id.as_ref().and_then(|id| world.ports.get(id)).ok_or_else(unassociated)?;
            router_up(world, floating.router_id.as_deref(), address)?;
            (fixed, port.network_id.clone())
        }
        (None, None) => return Err(Drop::NoFloatingIp { address }),
        (None, Some(network)) => (address, reachable_network(world, network, address)?),
    };
    if world.networks.get(&network).is_some_and(|network| !network.admin_state_up) {
        return Err(Drop::Down { what: network });
    }
    deliver(world, wire, &network, &source, SocketAddrV4::new(inner, tcp))
}

/// Whether the sender reaches the world outside: its own port lets it send, and a router translates.
pub fn reaches_outside(world: &World, wire: &Wire, from: &From) -> Result<(), Drop> {
    let outside = Ipv4Addr::new(8, 8, 8, 8);
    let source = Source::of(world, wire, from)?;
    if let Some(port) = &source.port {
        permit_egress(world, port, outside, 53)?;
    }
    match &source.network {
        Some(network) => outside_route(world, source.address, network, outside),
        None => Ok(()),
    }
}

/// The sender as the network sees it.
struct Source {
    address: Ipv4Addr,
    /// `None` for the Internet.
    network: Option<String>,
    port: Option<Port>,
}

impl Source {
    fn of(world: &World, wire: &Wire, from: &From) -> Result<Self, Drop> {
        match from {
            From::Internet(address) => Ok(Self { address: *address, network: None, port: None }),
            From::Balancer { id, client } => {
                let balancer = world.loadbalancers.get(id).ok_or(Drop::SenderHasNoAddress)?;
                // The balancer's own machine is on the VIP's network; its port there is the operator's.
                let address = client.unwrap_or(balancer.vip_address);
                Ok(Self { address, network: Some(balancer.vip_network_id.clone()), port: None })
            }
            From::Machine { server } => {
                let port = machine_port(world, server)?;
                let address = port.fixed_ips.first().map(|fixed| fixed.ip_address).ok_or(Drop::SenderHasNoAddress)?;
                Ok(Self { address, network: Some(port.network_id.clone()), port: Some(port.clone()) })
            }
            From::Container { server, container } => {
                let nic = wire.get(server).into_iter().flatten().find(|nic| nic.container == *container);
                let nic = nic.ok_or(Drop::SenderHasNoAddress)?;
                let address = nic.address.ok_or(Drop::SenderHasNoAddress)?;
                let port = machine_port(world, server)?;
                if !carries(port, &nic.mac, address) {
                    return Err(Drop::SenderPortSecurity { port: port.meta.id.clone(), mac: nic.mac.clone(), address });
                }
                Ok(Self { address, network: Some(port.network_id.clone()), port: Some(port.clone()) })
            }
        }
    }
}

fn machine_port<'a>(world: &'a World, server: &str) -> Result<&'a Port, Drop> {
    world.servers.get(server).and_then(|server| server.first_port(world)).ok_or(Drop::SenderHasNoAddress)
}

fn permit_egress(world: &World, port: &Port, to: Ipv4Addr, tcp: u16) -> Result<(), Drop> {
    if !port.admin_state_up {
        return Err(Drop::Down { what: port.meta.id.clone() });
    }
    let permitted =
        !port.port_security_enabled || world.groups_permit(&port.security_groups, Direction::Egress, to, tcp);
    permitted.then_some(()).ok_or_else(|| Drop::Egress { port: port.meta.id.clone() })
}

/// Whether the port lets a machine behind it use this MAC and address.
pub fn carries(port: &Port, mac: &str, address: Ipv4Addr) -> bool {
    !port.port_security_enabled
        || (port.mac_address.eq_ignore_ascii_case(mac) && port.has_address(address))
        || port.allowed_address_pairs.iter().any(|pair| pair.allows(mac, address))
}

/// The way from a tenant network to the outside exists.
fn outside_route(world: &World, source: Ipv4Addr, network: &str, to: Ipv4Addr) -> Result<(), Drop> {
    let subnets = world.subnets.values().filter(|subnet| subnet.network_id == network && subnet.cidr.contains(&source));
    let up = subnets
        .flat_map(|subnet| world.routers_of(&subnet.meta.id))
        .any(|router| router.admin_state_up && router.external_gateway_info.is_some());
    up.then_some(()).ok_or(Drop::NoRoute { address: to })
}

fn router_up(world: &World, router: Option<&str>, address: Ipv4Addr) -> Result<(), Drop> {
    let router = router.and_then(|id| world.routers.get(id)).ok_or(Drop::NoRoute { address })?;
    router.admin_state_up.then_some(()).ok_or_else(|| Drop::Down { what: router.meta.id.clone() })
}

/// The network of an inner address: the sender's own, or one that shares a router with it.
fn reachable_network(world: &World, own: &str, address: Ipv4Addr) -> Result<String, Drop> {
    let subnets = || world.subnets.values();
    if subnets().any(|subnet| subnet.network_id == own && subnet.cidr.contains(&address)) {
        return Ok(own.to_owned());
    }
    let mine: Vec<&str> = subnets()
        .filter(|subnet| subnet.network_id == own)
        .flat_map(|subnet| world.routers_of(&subnet.meta.id))
        .map(|router| router.meta.id.as_str())
        .collect();
    subnets()
        .filter(|subnet| subnet.cidr.contains(&address))
        .find(|subnet| world.routers_of(&subnet.meta.id).any(|router| mine.contains(&router.meta.id.as_str())))
        .map(|subnet| subnet.network_id.clone())
        .ok_or(Drop::NoRoute { address })
}

/// The last mile: who on the network answers for the address, and whether its port lets the packet in.
fn deliver(world: &World, wire: &Wire, network: &str, source: &Source, to: SocketAddrV4) -> Result<Endpoint, Drop> {
    let (address, tcp) = (*to.ip(), to.port());
    let vip = world
        .loadbalancers
        .values()
        .find(|balancer| balancer.vip_network_id == network && balancer.vip_address == address);
    if let Some(balancer) = vip {
        return deliver_to_balancer(world, balancer, source, tcp);
    }
    let mut blocked = None;
    let on_network = world.servers.values().filter_map(|server| Some((server, server.first_port(world)?)));
    for (server, port) in on_network.filter(|(_, port)| port.network_id == network) {
        let id = &server.meta.id;
        if port.has_address(address) {
            permit_ingress(world, port, source.address, tcp)?;
            if server.status != ServerStatus::Active || !wire.contains_key(id) {
                return Err(Drop::ServerDown { server: id.clone() });
            }
            return Ok(Endpoint::Machine { server: id.clone(), port: tcp });
        }
        let nics = wire.get(id).into_iter().flatten();
        for nic in nics.filter(|nic| nic.address == Some(address)) {
            if !carries(port, &nic.mac, address) {
                blocked = Some(Drop::PortSecurity { port: port.meta.id.clone(), mac: nic.mac.clone(), address });
                continue;
            }
            // Two containers of one machine talk over its bridge and never meet the Neutron port.
            let beside = source.port.as_ref().is_some_and(|own| own.meta.id == port.meta.id);
            if !beside {
                permit_ingress(world, port, source.address, tcp)?;
            }
            if server.status != ServerStatus::Active {
                return Err(Drop::ServerDown { server: id.clone() });
            }
            return Ok(Endpoint::Container { server: id.clone(), container: nic.container.clone(), port: tcp });
        }
    }
    Err(blocked.unwrap_or(Drop::NoSuchAddress { address }))
}

fn deliver_to_balancer(world: &World, balancer: &LoadBalancer, source: &Source, tcp: u16) -> Result<Endpoint, Drop> {
    let id = &balancer.meta.id;
    let not_listening = || Drop::NotListening { balancer: id.clone(), tcp };
    if let Some(port) = world.ports.get(&balancer.vip_port_id).filter(|_| balancer.provider != "ovn") {
        // Packets arrive at Octavia's own ports, which carry its own group or those of `vip_sg_ids`; what else a tenant puts
        // on the port of the VIP meets none of them.
        let own = balancer.service_group_id.iter().cloned().collect();
        let groups = if balancer.vip_sg_ids.is_empty() { own } else { balancer.vip_sg_ids.clone() };
        let carrier = Port { security_groups: groups, admin_state_up: true, ..port.clone() };
        permit_ingress(world, &carrier, source.address, tcp)?;
    }
    // A balancer that is being changed keeps serving; one that is being made or deleted does not.
    let serves = |status: Provisioning| matches!(status, Provisioning::Active | Provisioning::PendingUpdate);
    if !serves(balancer.provisioning_status) || !balancer.admin_state_up {
        return Err(not_listening());
    }
    world
        .listeners
        .values()
        .find(|listener| listener.loadbalancer_id == *id && listener.protocol_port == tcp)
        .filter(|listener| serves(listener.provisioning_status) && listener.admin_state_up)
        .map(|listener| Endpoint::Listener { id: listener.meta.id.clone(), client: source.address })
        .ok_or_else(not_listening)
}

fn permit_ingress(world: &World, port: &Port, peer: Ipv4Addr, tcp: u16) -> Result<(), Drop> {
    if !port.admin_state_up {
        return Err(Drop::Down { what: port.meta.id.clone() });
    }
    let permitted =
        !port.port_security_enabled || world.groups_permit(&port.security_groups, Direction::Ingress, peer, tcp);
    permitted.then_some(()).ok_or_else(|| Drop::Ingress { port: port.meta.id.clone(), tcp, peer })
}
