//! The fields of the file: their names, what they hold, their defaults and their meaning.
//!
//! One table serves the reader (unknown fields, defaults), the overlay (what can be merged) and the JSON Schema, so
//! that the three cannot tell different stories.

/// One field of a table of the file.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) presence: Presence,
    /// One or two sentences for the author of a file.
    pub(super) about: &'static str,
}

/// Whether a field may be left out.
#[derive(Clone, Copy)]
pub(super) enum Presence {
    Required,
    Optional,
    /// It may, and then it is this, written as in the file.
    Default(&'static str),
}

/// What a field holds.
pub(super) enum Shape {
    /// A text that matches a pattern.
    Text(&'static str),
    /// A whole number, both ends included.
    Whole(u64, u64),
    /// A whole number or a text that matches a pattern.
    WholeOrText(&'static str),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these truths.
    Flag(&'static [bool]),
    /// `true`, `false` or an address.
    FloatingIp,
    /// Any number of the same.
    List(&'static Shape),
    /// A table of these fields.
    Table(&'static [Field]),
    /// A table of exactly one of these fields.
    OneOf(&'static [Field]),
    /// Tables of these fields, each under a name that the author chooses.
    Named(&'static [Field]),
}

/// A name that becomes part of a host name: an RFC 1123 label in lower case.
pub(super) const LABEL: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
const TEXT: &str = "^[^\\x00-\\x1f]+$";
const ANY: &str = "";
const ADDRESS: &str = "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$";
const RANGE: &str = "^[0-9.]+ *- *[0-9.]+$";
const CIDR: &str = "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$";
const PATH: &str = "^/[^ \\x00-\\x1f]*$";
const WORD: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

/// More hosts than this in one group is a slip of the keyboard.
pub(super) const MOST_HOSTS: u32 = 10_000;
/// More containers than this of one service is a slip of the keyboard.
pub(super) const MOST_REPLICAS: u32 = 100_000;
/// A check that looks more rarely than once in an hour watches nothing.
pub(super) const MOST_SECONDS: u32 = 3600;
/// More looks than this in a row are a slip of the keyboard.
pub(super) const MOST_LOOKS: u32 = 100;
const PORT: Shape = Shape::Whole(1, 65_535);

pub(super) const ATTACH: &[&str] = &["auto", "pair-mac", "pair-ip", "open"];
pub(super) const ADDRESSING: &[&str] = &["dnsmasq", "network-config", "raw-lxc"];
pub(super) const ENGINE: &[&str] = &["lxd", "incus"];
pub(super) const STORAGE: &[&str] = &["dir", "btrfs", "zfs"];
pub(super) const HOST_KEY: &[&str] = &["auto", "console", "injected"];
pub(super) const PROTOCOL: &[&str] = &["http", "tcp"];
pub(super) const INSTALL: &[&str] = &["true", "false"];
pub(super) const METHOD: &[&str] = &["round-robin", "least-connections", "source-ip", "source-ip-port"];

const fn field(name: &'static str, shape: Shape, presence: Presence, about: &'static str) -> Field {
    Field { name, shape, presence, about }
}

use Presence::{Default, Optional, Required};

pub(super) static FILE: &[Field] = &[
    field(
        "stack",
        Shape::Text("^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"),
        Required,
        "The name of the stack. Everything that it makes carries this name, so it must be its own in a project.",
    ),
    field(
        "cloud",
        Shape::Text("^[^/\\x00-\\x1f]+$"),
        Default("embedded"),
        "An entry of clouds.yaml; `embedded` is the built-in, simulated cloud. `--cloud` overrides it.",
    ),
    field("network", Shape::Table(NETWORK), Required, "The Neutron network that hosts and containers live on."),
    field(
        "hosts",
        Shape::Named(HOST_GROUP),
        Required,
        "Groups of hosts by name. The hosts of a group `lxd` are `lxd0`, `lxd1`, ….",
    ),
    field(
        "services",
        Shape::Named(SERVICE),
        Required,
        "Services by name. The containers of a service `hugo` are `hugo-0`, `hugo-1`, ….",
    ),
    field("balancers", Shape::Named(BALANCER), Optional, "Octavia load balancers by name."),
    field("agent", Shape::Table(AGENT), Optional, "The agents on the hosts, by which services find each other."),
];

static AGENT: &[Field] = &[
    field("install", Shape::Flag(&[true, false]), Default("true"), "Whether each host gets an agent."),
    field(
        "ring_from",
        Shape::List(&Shape::Text(CIDR)),
        Default("[]"),
        "From where others than the stack's own hosts may join the ring, which its key allows them.",
    ),
];

static NETWORK: &[Field] = &[
    field("name", Shape::Text(TEXT), Required, "The name of a network that the project owns."),
    field(
        "subnet",
        Shape::Text(CIDR),
        Optional,
        "The IPv4 subnet of that network; needed when it has several. Addresses are checked against it.",
    ),
    field("external", Shape::Text(TEXT), Optional, "The external network that floating IPs come from."),
    field(
        "containers",
        Shape::Text(RANGE),
        Required,
        "The range that containers without an address of their own get theirs from.",
    ),
    field(
        "dhcp_pool",
        Shape::Text(RANGE),
        Optional,
        "What the subnet's DHCP pool is narrowed to, so that Neutron never gives a container's address away.",
    ),
    field("attach", Shape::Choice(ATTACH), Default("auto"), "How containers pass port security."),
    field("addressing", Shape::Choice(ADDRESSING), Default("dnsmasq"), "How a container learns its address."),
];

static HOST_GROUP: &[Field] = &[
    field("count", Shape::Whole(1, MOST_HOSTS as u64), Default("1"), "How many hosts."),
    field("image", Shape::Text(TEXT), Required, "The name of a Glance image: Debian 12 or 13, Ubuntu 22.04 or 24.04."),
    field("flavor", Shape::Text(TEXT), Required, "The name of a Nova flavor."),
    field("key", Shape::Text(TEXT), Required, "The name of a Nova key pair."),
    field(
        "ssh_from",
        Shape::List(&Shape::Text(CIDR)),
        Default("[]"),
        "Who may connect to port 22. Pontoon itself has to be among them.",
    ),
    field(
        "floating_ip",
        Shape::FloatingIp,
        Default("true"),
        "Whether the first host gets a floating IP, or which; it is the jump host of the others.",
    ),
    field("engine", Shape::Choice(ENGINE), Default("lxd"), "What runs the containers."),
    field("storage", Shape::Choice(STORAGE), Default("dir"), "The driver of the engine's storage pool."),
    field(
        "host_key",
        Shape::Choice(HOST_KEY),
        Default("auto"),
        "How a host's ssh key becomes known: from Nova's console log, or injected with the user-data.",
    ),
    field("availability_zone", Shape::Text(TEXT), Optional, "The Nova availability zone."),
];

static SERVICE: &[Field] = &[
    field(
        "image",
        Shape::Text(TEXT),
        Required,
        "`ubuntu:ALIAS`, `images:ALIAS`, or a unified image tarball on this machine such as `./hugo.tar.zst`.",
    ),
    field("replicas", Shape::Whole(0, MOST_REPLICAS as u64), Default("1"), "How many containers."),
    field(
        "address",
        Shape::Text(ADDRESS),
        Optional,
        "The address of the first container; the others get theirs from `network.containers`.",
    ),
    field("port", PORT, Optional, "The TCP port that the service listens on."),
    field(
        "user_data",
        Shape::Text(ANY),
        Optional,
        "The name of a `#cloud-config` file beside this one, or its text. Containers run it once, on their first boot.",
    ),
    field(
        "hosts",
        Shape::Text(LABEL),
        Optional,
        "The group of hosts that its containers run on; needed when there are several.",
    ),
    field("limits", Shape::Table(LIMITS), Optional, "What a container may use of its host."),
    field("announce", Shape::Table(ANNOUNCE), Optional, "What the service tells the others about itself."),
];

static LIMITS: &[Field] = &[
    field(
        "cpu",
        Shape::WholeOrText("^[0-9,-]+$"),
        Optional,
        "A number of CPUs, or a set of them such as `0-3` or `1,3`.",
    ),
    field("memory", Shape::Text("^[0-9]+(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB|%)$"), Optional, "Such as `512MiB` or `25%`."),
];

static ANNOUNCE: &[Field] = &[
    field("capabilities", Shape::List(&Shape::Text(WORD)), Default("[]"), "Words that others look it up by."),
    field("monitor", Shape::List(&Shape::OneOf(MONITORING_POINT)), Default("[]"), "How its health is seen."),
    field("check", Shape::Table(CHECK), Optional, "How the monitoring points are looked at."),
];

static CHECK: &[Field] = &[
    field("interval", Shape::Whole(1, MOST_SECONDS as u64), Default("5"), "Seconds between two looks."),
    field("timeout", Shape::Whole(1, MOST_SECONDS as u64), Default("2"), "Seconds that a look may take."),
    field("rise", Shape::Whole(1, MOST_LOOKS as u64), Default("2"), "How many good looks in a row end a bad state."),
    field("fall", Shape::Whole(1, MOST_LOOKS as u64), Default("3"), "How many bad looks in a row end a good state."),
];

pub(super) static MONITORING_POINT: &[Field] = &[
    field("http", Shape::Text(PATH), Optional, "A path that answers HTTP with success."),
    field("tcp", PORT, Optional, "A TCP port that accepts connections."),
    field("metrics", Shape::Text(PATH), Optional, "A path where metrics are read."),
    field("exec", Shape::List(&Shape::Text(TEXT)), Optional, "A command in the container that ends with 0, in words."),
    field("unit", Shape::Text(TEXT), Optional, "A systemd unit of the container that is active."),
    field("cloud-init", Shape::Flag(&[true]), Optional, "`true`: cloud-init of the container has ended clean."),
];

static BALANCER: &[Field] = &[
    field("service", Shape::Text(LABEL), Required, "The service whose containers are its members."),
    field("listen", PORT, Required, "The port that it listens on."),
    field("protocol", Shape::Choice(PROTOCOL), Default("http"), "What it speaks."),
    field("method", Shape::Choice(METHOD), Default("round-robin"), "How it chooses a member."),
    field("address", Shape::Text(ADDRESS), Optional, "Its VIP; left to Neutron when absent."),
    field("floating_ip", Shape::FloatingIp, Default("false"), "Whether it is published on a floating IP, or on which."),
    field("allow", Shape::List(&Shape::Text(CIDR)), Default("[0.0.0.0/0]"), "Who may connect."),
    field("monitor", Shape::Table(MONITOR), Optional, "How it sees whether a member is well."),
    field(
        "provider",
        Shape::Text(WORD),
        Optional,
        "Octavia's provider, such as `amphora` or `ovn`; left to Octavia when absent.",
    ),
];

static MONITOR: &[Field] = &[field(
    "path",
    Shape::Text(PATH),
    Optional,
    "The path that is asked for. When absent: that of the service's first `http` monitoring point, else `/` for `http` \
     and none for `tcp`, where the port has to accept a connection.",
)];
