//! A container as its engine is asked to create it, and a note of what cannot change in place.
//!
//! The card replaces the one of the profile `default`, so it is complete in itself. cloud-init reads three documents:
//! the network configuration and the vendor-data here are ours and lie on the container, the user-data is the author's
//! and lies on the service's profile. Vendor-data is a boothook rather than a cloud-config: cloud-init would let a
//! `bootcmd` of the author's replace ours, and it runs a boothook at every boot.
//!
//! No data source is named for cloud-init: it finds the engine's own (`/dev/lxd/sock` or the seed that the image's
//! templates write) before any that asks the network, and the Neutron metadata service knows no container.

mod network;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::address::Mac;
use crate::key::Key;
use crate::spec::model::{Addressing, Attachment, ContainerImage, Install, Limits};

use super::{
    ADDRESS_CONFIG, AGENT_PROGRAM_DIRECTORY, ANNOUNCE_DIRECTORY, ANNOUNCE_IN_CONTAINER, BRIDGE, CONTAINER_NIC,
    GENERATION_CONFIG, KEY_CONFIG, PROGRAM_IN_CONTAINER,
};
use network::Way;

/// What stands for the address of a container's host in its documents: Neutron gives it when the host's port is made, which
/// may be in the same run. [`InstanceConfig::config_on`] puts the address in its place.
pub const HOST_ADDRESS: &str = "@HOST_ADDRESS@";

/// What is to be known to create a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerDocument {
    /// The stack that it belongs to.
    pub stack: String,
    /// Its identity.
    pub key: Key,
    /// Its service, which is also the name of the profile that it uses beside `default`.
    pub service: String,
    /// Its name, such as `hugo-0`.
    pub name: String,
    /// Its address on the Neutron network.
    pub address: Ipv4Addr,
    /// Its Ethernet address.
    pub mac: Mac,
    /// How its packets pass port security.
    pub attachment: Attachment,
    /// How it learns its address. A routed card ([`Attachment::PairIp`]) hears no DHCP: there its network configuration
    /// says it, whatever is asked for here.
    pub addressing: Addressing,
    /// The subnet of `address`.
    pub subnet: Ipv4Net,
    /// The subnet's gateway, where it has one.
    pub gateway: Option<Ipv4Addr>,
    /// The subnet's name servers, which a container asks that no dnsmasq tells whom to ask and whose host has no agent.
    pub nameservers: Vec<Ipv4Addr>,
    /// The MTU of the Neutron network, in bytes.
    pub mtu: u32,
    /// What it is made from.
    pub image: ContainerImage,
    /// The author's user-data, which its profile carries.
    pub user_data: Option<String>,
    /// What it may use.
    pub limits: Limits,
    /// Whether its host has an agent: then it can speak to that one for itself, and asks its host for names.
    pub agent: Install,
}

impl ContainerDocument {
    /// Whom it asks for names, where its host's dnsmasq does not tell: that dnsmasq itself where there is an agent, for
    /// it alone hands the stack's names to the agent, and all others to the subnet's name servers.
    fn asked(&self) -> Vec<String> {
        match self.agent {
            Install::Yes => vec![HOST_ADDRESS.to_owned()],
            Install::No => self.nameservers.iter().map(Ipv4Addr::to_string).collect(),
        }
    }
}

/// The part of an instance that a request to create or to change it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceConfig {
    /// For people.
    pub description: String,
    /// Its configuration keys, in whose values [`HOST_ADDRESS`] may stand.
    pub config: BTreeMap<String, String>,
    /// Its devices.
    pub devices: BTreeMap<String, BTreeMap<String, String>>,
    /// The profiles that it uses, the last one winning.
    pub profiles: Vec<String>,
    /// Its [`generation`], which `config` carries as well.
    pub generation: String,
}

impl InstanceConfig {
    /// The configuration keys of the container on a host of this address.
    pub fn config_on(&self, host: Ipv4Addr) -> BTreeMap<String, String> {
        let host = host.to_string();
        self.config.iter().map(|(key, value)| (key.clone(), value.replace(HOST_ADDRESS, &host))).collect()
    }
}

/// The configuration of a container.
pub fn container(document: &ContainerDocument) -> InstanceConfig {
    let keys = CloudInitKeys::of(&document.image);
    let way = Way::of(document);
    let generation = generation(document);
    let mut config = BTreeMap::from([
        (KEY_CONFIG.to_owned(), document.key.to_string()),
        (GENERATION_CONFIG.to_owned(), generation.clone()),
        (ADDRESS_CONFIG.to_owned(), document.address.to_string()),
        (keys.network_config().to_owned(), network::config(document, way)),
    ]);
    if let Some(boothook) = network::boothook(document, way) {
        config.insert(keys.vendor_data().to_owned(), boothook);
    }
    if way == Way::Lxc {
        config.insert("raw.lxc".to_owned(), network::raw_lxc(document));
        // For images of the time when the network configuration was not yet a key: they leave the card alone.
        config.insert("user.network_mode".to_owned(), "link-local".to_owned());
    }
    config.extend(limits(&document.limits));
    InstanceConfig {
        description: format!("Service {} of the stack {}", document.service, document.stack),
        config,
        devices: devices(document),
        profiles: vec!["default".to_owned(), document.service.clone()],
        generation,
    }
}

fn devices(document: &ContainerDocument) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut devices = BTreeMap::from([(CONTAINER_NIC.to_owned(), card(document))]);
    if document.agent == Install::Yes {
        let own = format!("{ANNOUNCE_DIRECTORY}/{}", document.name);
        devices.insert("announce".to_owned(), shared(&own, ANNOUNCE_IN_CONTAINER));
        devices.insert("program".to_owned(), shared(AGENT_PROGRAM_DIRECTORY, PROGRAM_IN_CONTAINER));
    }
    devices
}

/// A directory of the host that the container sees and cannot write to. Below `/dev`, where LXD has its own socket: systemd
/// lays an empty `/run` over what was mounted there before. A container starts without it too.
fn shared(source: &str, path: &str) -> BTreeMap<String, String> {
    [("type", "disk"), ("source", source), ("path", path), ("readonly", "true"), ("required", "false")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// The configuration keys by which an engine limits a container; they change while it runs.
pub fn limits(limits: &Limits) -> BTreeMap<String, String> {
    let keys = [("limits.cpu", &limits.cpu), ("limits.memory", &limits.memory)];
    keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect()
}

/// What a container has to be replaced for when it changes, as `image=… user_data=… address=… network=…`: the address as
/// it is, the others as eight hexadecimal digits of a hash. What changes in place (limits, what the service announces)
/// and what its host alone must know is left out. The hashes are of what is asked for and not of how it is rendered, so
/// that a better rendering replaces no container.
pub fn generation(document: &ContainerDocument) -> String {
    let image = match &document.image {
        ContainerImage::Simplestreams { server, alias } => json!({"server": server, "alias": alias}),
        ContainerImage::File { fingerprint, .. } => json!({"fingerprint": fingerprint}),
    };
    let told = match Way::of(document) {
        // All of it comes from dnsmasq, with the next lease.
        Way::Dhcp => json!(null),
        Way::Routed => json!({"nameservers": document.asked()}),
        Way::Static | Way::Lxc => {
            json!({"subnet": document.subnet, "gateway": document.gateway, "nameservers": document.asked()})
        }
    };
    let network = json!({
        "mac": document.mac,
        "attachment": document.attachment,
        "addressing": document.addressing,
        "mtu": document.mtu,
        "told": told,
    });
    format!(
        "image={} user_data={} address={} network={}",
        short_hash(&image.to_string()),
        document.user_data.as_deref().map_or_else(|| "none".to_owned(), short_hash),
        document.address,
        short_hash(&network.to_string()),
    )
}

fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(4).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The container's network card, in the engine's terms.
///
/// `security.mac_filtering` keeps a bridged container to its own Ethernet address, towards its neighbours on the host
/// too, where no port security sees it. `security.ipv4_filtering` stays off: on a bridge that the engine does not
/// manage it wants an `ipv4.address` on the device, for no more than port security does already.
fn card(document: &ContainerDocument) -> BTreeMap<String, String> {
    let mut card = BTreeMap::from([
        ("type", "nic".to_owned()),
        ("name", CONTAINER_NIC.to_owned()),
        ("parent", BRIDGE.to_owned()),
        ("hwaddr", document.mac.to_string()),
        ("mtu", document.mtu.to_string()),
    ]);
    match document.attachment {
        Attachment::PairMac | Attachment::Open => {
            card.insert("nictype", "bridged".to_owned());
            card.insert("security.mac_filtering", "true".to_owned());
        }
        Attachment::PairIp => {
            card.insert("nictype", "routed".to_owned());
            card.insert("ipv4.address", document.address.to_string());
        }
    }
    card.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The names under which an image looks for what cloud-init is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloudInitKeys {
    /// `cloud-init.*`, which LXD has since 4.22 and Incus has always had.
    CloudInit,
    /// `user.*`. LXD's documentation: images of Ubuntu 20.04 and older need these.
    User,
}

impl CloudInitKeys {
    /// The keys that `image` understands. What is in an image file is not known; it is taken to be recent.
    pub(super) fn of(image: &ContainerImage) -> Self {
        match image {
            ContainerImage::Simplestreams { alias, .. } if alias.split('/').any(is_ubuntu_20_04_or_older) => Self::User,
            _ => Self::CloudInit,
        }
    }

    pub(super) const fn user_data(self) -> &'static str {
        match self {
            Self::CloudInit => "cloud-init.user-data",
            Self::User => "user.user-data",
        }
    }

    const fn vendor_data(self) -> &'static str {
        match self {
            Self::CloudInit => "cloud-init.vendor-data",
            Self::User => "user.vendor-data",
        }
    }

    const fn network_config(self) -> &'static str {
        match self {
            Self::CloudInit => "cloud-init.network-config",
            Self::User => "user.network-config",
        }
    }
}

/// Whether one part of an alias names such a release, by its version (`20.04`) or its code name. Ubuntu releases in
/// April and October, which keeps versions of other systems out.
fn is_ubuntu_20_04_or_older(part: &str) -> bool {
    const CODE_NAMES: [&str; 4] = ["trusty", "xenial", "bionic", "focal"];
    let version = part.split_once('.').filter(|(_, month)| matches!(*month, "04" | "10"));
    match version.and_then(|(year, month)| Some((year.parse::<u32>().ok()?, month))) {
        Some((year, month)) => (10..20).contains(&year) || (year, month) == (20, "04"),
        None => CODE_NAMES.contains(&part),
    }
}

#[cfg(test)]
mod tests;
