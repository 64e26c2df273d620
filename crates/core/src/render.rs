//! Every document that is handed to a machine: the user-data of a host, the line by which its dnsmasq knows a
//! container, the profile of a service and the configuration of a container.
//!
//! [`host`] and [`dnsmasq`] speak to the VM, [`profile`] and [`container`] to the engine on it, [`agent`] to the
//! program that speaks for all of them. All of them are
//! functions of their arguments: what a document says is decided before, in the plan. Nothing here knows how a
//! document travels, nor reads one back.
//!
//! Who reads a document decides its form. cloud-init and netplan read YAML 1.1, in which `on`, `0644` and
//! `52:54:00:12:34:56` are a boolean and two numbers; [`yaml`] quotes them.

mod agent;
mod container;
mod dnsmasq;
mod host;
mod profile;
mod yaml;

use crate::spec::model::Engine;

pub use agent::{
    AGENT_DNS_PORT, AGENT_KEYRING, AGENT_PICTURE, AGENT_PROGRAM, AGENT_PROGRAM_DIRECTORY, AGENT_SEEDS, AGENT_SERVICE,
    AGENT_SETTINGS, AGENT_STATE_DIRECTORY, AGENT_UNFINISHED, AGENT_UNIT, AGENT_USER, ANNOUNCE_DIRECTORY,
    ANNOUNCE_IN_CONTAINER, AgentDocument, EXCHANGE_PORT, PROGRAM_IN_CONTAINER, Picture, PictureBalancer,
    PictureContainer, PictureHost, RING_PORT, agent_picture, agent_settings, agent_unit, keyring,
};
pub use container::{ContainerDocument, HOST_ADDRESS, InstanceConfig, container, generation, limits};
pub use dnsmasq::{DHCP_HOSTS_DIRECTORY, dhcp_host};
pub use host::{HostDocument, HostKey, Login, host_user_data, with_host_key};
pub use profile::{ProfileConfig, profile};
pub use yaml::document as yaml;

/// The bridge of a host that its containers hang on.
pub const BRIDGE: &str = "br0";

/// The name of a container's network card, inside the container and as a device of the engine.
pub const CONTAINER_NIC: &str = "eth0";

/// The configuration key under which an engine keeps the [`Key`](crate::key::Key) of what is ours.
pub const KEY_CONFIG: &str = "user.pontoon.key";

/// The configuration key under which an engine keeps a container's [`generation`].
pub const GENERATION_CONFIG: &str = "user.pontoon.generation";

/// The configuration key under which a container notes its address, for whoever on the host speaks for it.
pub const ADDRESS_CONFIG: &str = "user.pontoon.address";

/// The configuration key under which a profile keeps what its service tells the others, as JSON.
pub const ANNOUNCE_CONFIG: &str = "user.pontoon.announce";

/// The most characters of base64 that Nova takes as user-data, about 48 KiB before encoding.
pub const USER_DATA_LIMIT: usize = 65_535;

/// Whether Nova takes `text` as user-data.
///
/// # Errors
/// The length in base64, in characters, when it is over [`USER_DATA_LIMIT`].
pub fn fits_user_data(text: &str) -> Result<(), usize> {
    let encoded = text.len().div_ceil(3) * 4;
    if encoded <= USER_DATA_LIMIT { Ok(()) } else { Err(encoded) }
}

/// Where the unix socket of `engine` may be on a host, the likeliest place first: which one it is depends on how the
/// engine was packaged.
pub fn engine_sockets(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Lxd => &["/var/snap/lxd/common/lxd/unix.socket", "/var/lib/lxd/unix.socket"],
        Engine::Incus => &["/var/lib/incus/unix.socket", "/run/incus/unix.socket"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_fits_up_to_the_last_byte_that_nova_takes() {
        assert_eq!(fits_user_data(&"a".repeat(49_149)), Ok(()));
        assert_eq!(fits_user_data(&"a".repeat(49_150)), Err(65_536));
    }
}
