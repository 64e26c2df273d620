//! What the embedded cloud is told at its start: where it listens, how fast it is, what it can do and what it forbids.
//!
//! Knows nothing of HTTP or of the objects of the world.

use crate::guest::GuestDelays;
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be chosen about one embedded cloud. `Config::default()` is the seed world with brief delays.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the HTTP APIs listen; port 0 takes any free one.
    pub bind: SocketAddr,
    /// Where the world is kept between two starts; `None` forgets it.
    pub state_file: Option<PathBuf>,
    /// How long a state takes.
    pub delays: Delays,
    /// How many objects of a kind a project may hold.
    pub quotas: Quotas,
    /// The aliases that `GET /v2.0/extensions` of Neutron lists.
    pub extensions: BTreeSet<String>,
    /// The newest Octavia API: `29` stands for v2.29.
    pub octavia_minor: u8,
    /// Octavia's providers, the first being its own choice: `amphora` with its old name `octavia`, and `ovn`.
    pub octavia_providers: Vec<String>,
    /// Who owns the tenant network of the seed.
    pub network_owner: NetworkOwner,
    /// Whether Nova gives out what servers print.
    pub console: Console,
    /// The external subnet. Its addresses must be loopback addresses, for balancers really listen on them.
    pub external: Ipv4Net,
    /// Where Neutron's DHCP server of the seed's tenant network sits; the first free address of the pool unless given.
    pub dhcp_address: Option<Ipv4Addr>,
    /// The OpenSSH public key line of the seed's key pair; without one a placeholder is used that nobody can log in with.
    pub public_key: Option<String>,
}

/// Who owns the seed's tenant network, and so may set address pairs and choose addresses on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkOwner {
    /// The user's own project.
    Demo,
    /// Another project that shares it, as provider networks are.
    Another,
}

/// What Nova answers to `os-getConsoleOutput`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Console {
    /// The console log.
    #[default]
    Shown,
    /// 403: the policy `os_compute_api:os-console-output` does not admit the caller.
    Forbidden,
    /// 404: the hypervisor gives servers no console that is kept.
    Unavailable,
    /// 501: the driver cannot, as that of ironic.
    NotImplemented,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            state_file: None,
            delays: Delays::brief(),
            quotas: Quotas::default(),
            extensions: EXTENSIONS.iter().map(|alias| (*alias).to_owned()).collect(),
            octavia_minor: 29,
            octavia_providers: ["amphora", "octavia", "ovn"].map(str::to_owned).to_vec(),
            network_owner: NetworkOwner::Demo,
            console: Console::Shown,
            external: Ipv4Net::new_assert(Ipv4Addr::new(127, 77, 0, 0), 16),
            dhcp_address: None,
            public_key: None,
        }
    }
}

/// The Neutron extensions that are on unless a test switches one off.
pub const EXTENSIONS: &[&str] = &[
    "address-scope",
    "allowed-address-pairs",
    "binding",
    "dns-integration",
    "ext-gw-mode",
    "external-net",
    "extraroute",
    "net-mtu",
    "net-mtu-writable",
    "network-ip-availability",
    "pagination",
    "port-security",
    "project-id",
    "provider",
    "quota_details",
    "quotas",
    "revision-if-match",
    "router",
    "security-group",
    "shared-security-group",
    "sorting",
    "standard-attr-description",
    "standard-attr-revisions",
    "standard-attr-tag",
    "standard-attr-timestamp",
    "stateful-security-group",
    "subnet_allocation",
    "tag-ports-during-bulk-creation",
];

/// How long each state takes. All of them are wall-clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// A server from BUILD to ACTIVE.
    pub server: Duration,
    /// A server from its deletion until it is gone.
    pub server_delete: Duration,
    /// A balancer from PENDING_CREATE to ACTIVE.
    pub balancer: Duration,
    /// A balancer from any other PENDING state to ACTIVE or gone.
    pub balancer_change: Duration,
    /// From ACTIVE until the machine's ssh server answers.
    pub guest_boot: Duration,
    /// The machine's cloud-init after that.
    pub guest_cloud_init: Duration,
    /// A container from its start until it has its address.
    pub container_start: Duration,
    /// A container's cloud-init.
    pub container_cloud_init: Duration,
}

impl Delays {
    /// Every state is reached at the next look.
    pub const fn zero() -> Self {
        Self::of([0; 8])
    }

    /// Seconds in place of minutes: enough to see the states go by.
    pub const fn brief() -> Self {
        Self::of([1000, 300, 3000, 300, 2000, 1000, 500, 1000])
    }

    /// About what a small public cloud takes.
    pub const fn real() -> Self {
        Self::of([25_000, 5_000, 90_000, 8_000, 30_000, 45_000, 3_000, 30_000])
    }

    const fn of(milliseconds: [u64; 8]) -> Self {
        let [server, delete, balancer, change, boot, init, start, container_init] = milliseconds;
        Self {
            server: Duration::from_millis(server),
            server_delete: Duration::from_millis(delete),
            balancer: Duration::from_millis(balancer),
            balancer_change: Duration::from_millis(change),
            guest_boot: Duration::from_millis(boot),
            guest_cloud_init: Duration::from_millis(init),
            container_start: Duration::from_millis(start),
            container_cloud_init: Duration::from_millis(container_init),
        }
    }

    /// The part of the delays that a guest machine keeps.
    pub(crate) fn guest(&self) -> GuestDelays {
        GuestDelays {
            boot: self.guest_boot,
            cloud_init: self.guest_cloud_init,
            container_start: self.container_start,
            container_cloud_init: self.container_cloud_init,
        }
    }
}

/// Limits a project, by the name that the owning service gives the resource; a missing name or -1 is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// Neutron: `network`, `subnet`, `port`, `router`, `floatingip`, `security_group`, `security_group_rule`.
    pub network: BTreeMap<String, i64>,
    /// Nova: `instances`, `cores`, `ram` (MiB), `key_pairs`, `server_groups`, `server_group_members`.
    pub compute: BTreeMap<String, i64>,
    /// Octavia: `load_balancer`, `listener`, `pool`, `member`, `health_monitor`.
    pub balancer: BTreeMap<String, i64>,
}

impl Default for Quotas {
    /// The defaults of Neutron and Nova; Octavia has no limit by default.
    fn default() -> Self {
        let table = |rows: &[(&str, i64)]| rows.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect();
        Self {
            network: table(&[
                ("network", 100),
                ("subnet", 100),
                ("subnetpool", -1),
                ("port", 500),
                ("router", 10),
                ("floatingip", 50),
                ("rbac_policy", 10),
                ("security_group", 10),
                ("security_group_rule", 100),
            ]),
            compute: table(&[
                ("instances", 10),
                ("cores", 20),
                ("ram", 51_200),
                ("key_pairs", 100),
                ("metadata_items", 128),
                ("server_groups", 10),
                ("server_group_members", 10),
            ]),
            balancer: table(&[
                ("load_balancer", -1),
                ("listener", -1),
                ("pool", -1),
                ("member", -1),
                ("health_monitor", -1),
                ("l7policy", -1),
                ("l7rule", -1),
            ]),
        }
    }
}
