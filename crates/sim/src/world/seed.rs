//! The world at its first start: one project with one network behind a router, and public images and flavors.

use super::compute::Flavor;
use super::identity::{Project, User};
use super::network::{Network, Pool, Subnet};
use super::router::{Gateway, Router};
use super::{Caller, Meta, Settings, World};
use crate::config::{Config, NetworkOwner};
use ipnet::Ipv4Net;
use jiff::Timestamp;
use std::net::Ipv4Addr;

/// The user's project.
pub const PROJECT: &str = "d3300000000000000000000000000001";
/// The user.
pub const USER: &str = "d3300000000000000000000000000002";
/// The project of the operator: owns images, the external network and what services keep for themselves.
pub const SERVICE_PROJECT: &str = "d3300000000000000000000000000003";
/// A user's project next door, which may share its network.
pub const OTHER_PROJECT: &str = "d3300000000000000000000000000004";
/// The one region.
pub const REGION: &str = "RegionOne";

const PLACEHOLDER_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA nobody@nowhere";

impl World {
    /// The world as `config` wants it at its first start.
    pub fn seed(config: &Config, now: Timestamp) -> Self {
        let mut world = Self { now, ..Self::default() };
        world.settle(config);
        world.seed_identity();
        for (name, distro, version) in [
            ("Ubuntu 24.04", "ubuntu", "24.04"),
            ("Ubuntu 22.04", "ubuntu", "22.04"),
            ("Debian 12", "debian", "12"),
            ("Debian 13", "debian", "13"),
        ] {
            world.add_image(name, distro, version, SERVICE_PROJECT);
        }
        for (id, name, vcpus, ram, disk) in
            [("1", "dc1.1x2.20", 1, 2048, 20), ("2", "dc1.2x4.40", 2, 4096, 40), ("3", "dc1.4x8.80", 4, 8192, 80)]
        {
            let flavor = Flavor { id: id.to_owned(), name: name.to_owned(), vcpus, ram, disk };
            world.flavors.insert(id.to_owned(), flavor);
        }
        let caller = Caller { user_id: USER.to_owned(), project_id: PROJECT.to_owned() };
        let key = config.public_key.as_deref().unwrap_or(PLACEHOLDER_KEY);
        let added = world.create_keypair(&caller, "datacentred", key);
        debug_assert!(added.is_ok(), "an empty world has no key pair of that name");
        world.default_group(PROJECT);
        world.seed_networks(config);
        world
    }

    /// Takes over what `config` says about this start; also for a world that was read from a file.
    pub fn settle(&mut self, config: &Config) {
        self.settings = Settings {
            delays: Some(config.delays),
            quotas: config.quotas.clone(),
            extensions: config.extensions.clone(),
            octavia_minor: config.octavia_minor,
            octavia_providers: config.octavia_providers.clone(),
            console: config.console,
            faults: super::faults::Faults::default(),
        };
    }

    fn seed_identity(&mut self) {
        for (id, name) in [(PROJECT, "demo"), (SERVICE_PROJECT, "service"), (OTHER_PROJECT, "other")] {
            self.projects.insert(id.to_owned(), Project { id: id.to_owned(), name: name.to_owned() });
        }
        let user = User {
            id: USER.to_owned(),
            name: "demo".to_owned(),
            password: "secret".to_owned(),
            project_id: PROJECT.to_owned(),
        };
        self.users.insert(USER.to_owned(), user);
    }

    fn seed_networks(&mut self, config: &Config) {
        let owner = match config.network_owner {
            NetworkOwner::Demo => PROJECT,
            NetworkOwner::Another => OTHER_PROJECT,
        };
        let shared = config.network_owner == NetworkOwner::Another;
        let external = self.seed_network(SERVICE_PROJECT, "external", 1500, |network| network.external = true);
        let hosts = u32::from(config.external.network());
        let last = u32::from(config.external.broadcast()).saturating_sub(1);
        let outside = Subnet {
            gateway_ip: Some(Ipv4Addr::from(hosts.saturating_add(1))),
            dns_nameservers: Vec::new(),
            allocation_pools: vec![Pool { start: hosts.saturating_add(10).into(), end: last.into() }],
            enable_dhcp: false,
            ..blank_subnet(self, SERVICE_PROJECT, &external, "external-subnet", config.external)
        };
        self.subnets.insert(outside.meta.id.clone(), outside);

        let tenant = self.seed_network(owner, "default", 1442, |network| network.shared = shared);
        let cidr = Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 24);
        let inside = blank_subnet(self, owner, &tenant, "default", cidr);
        let inside_id = inside.meta.id.clone();
        self.subnets.insert(inside_id.clone(), inside);
        self.add_dhcp_port(&inside_id, config.dhcp_address);

        let mut meta = Meta::new(owner, self.now);
        "default".clone_into(&mut meta.name);
        let router = meta.id.clone();
        let mut gateway = Gateway { network_id: external.clone(), enable_snat: true, external_fixed_ips: Vec::new() };
        let outer =
            self.subnets.values().find(|subnet| subnet.network_id == external).map(|subnet| subnet.meta.id.clone());
        if let Some(port) = outer
            .and_then(|subnet| self.add_system_port("", &subnet, None, ("network:router_gateway", &router)))
            .and_then(|port| self.ports.get(&port))
        {
            gateway.external_fixed_ips.clone_from(&port.fixed_ips);
        }
        let router_object = Router {
            meta,
            admin_state_up: true,
            status: "ACTIVE".to_owned(),
            external_gateway_info: Some(gateway),
            routes: Vec::new(),
        };
        self.routers.insert(router.clone(), router_object);
        self.attach_router(&router, &inside_id, Ipv4Addr::new(192, 168, 0, 1));
    }

    fn seed_network(&mut self, project: &str, name: &str, mtu: u32, change: impl FnOnce(&mut Network)) -> String {
        let mut network = Network {
            meta: Meta::new(project, self.now),
            admin_state_up: true,
            mtu,
            shared: false,
            external: false,
            port_security_enabled: true,
            status: "ACTIVE".to_owned(),
        };
        name.clone_into(&mut network.meta.name);
        change(&mut network);
        let id = network.meta.id.clone();
        self.networks.insert(id.clone(), network);
        id
    }
}

/// A subnet with the gateway at its first address, the rest as its pool.
fn blank_subnet(world: &World, project: &str, network_id: &str, name: &str, cidr: Ipv4Net) -> Subnet {
    let first = u32::from(cidr.network()).saturating_add(1);
    let last = u32::from(cidr.broadcast()).saturating_sub(1);
    let mut meta = Meta::new(project, world.now);
    name.clone_into(&mut meta.name);
    Subnet {
        meta,
        network_id: network_id.to_owned(),
        cidr,
        gateway_ip: Some(first.into()),
        dns_nameservers: vec![Ipv4Addr::new(8, 8, 4, 4), Ipv4Addr::new(8, 8, 8, 8)],
        allocation_pools: vec![Pool { start: first.saturating_add(1).into(), end: last.into() }],
        enable_dhcp: true,
        host_routes: Vec::new(),
        ip_version: 4,
    }
}
