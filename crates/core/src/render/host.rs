//! The user-data of a host: a `#cloud-config` that makes a plain cloud image into a host of containers.
//!
//! It declares as much as it can, as files with a place of their own (bridge, dnsmasq, engine preseed, sysctls, the
//! login), and one script, [`SCRIPT`], puts them in force: it finds out who configures the network on this image, moves
//! the card into the bridge without a reboot, installs what is missing and only that, and fails by name. cloud-init runs
//! the script in its last stage and reports its failure as its own.

mod engine;
mod network;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use crate::address::Mac;
use crate::spec::model::{Engine, Install, Storage};

use super::{AGENT_USER, DHCP_HOSTS_DIRECTORY, dnsmasq, yaml};

/// What a host is told about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostDocument {
    /// Its name, such as `lxd0`.
    pub name: String,
    /// The stack that it belongs to.
    pub stack: String,
    /// The Ethernet address of its Neutron port.
    pub mac: Mac,
    /// The MTU of the Neutron network, in bytes.
    pub mtu: u32,
    /// The IPv4 subnet of hosts and containers.
    pub subnet: Ipv4Net,
    /// The subnet's gateway, where it has one.
    pub gateway: Option<Ipv4Addr>,
    /// The subnet's name servers; where there are none, containers get the host's.
    pub nameservers: Vec<Ipv4Addr>,
    /// What runs its containers.
    pub engine: Engine,
    /// The driver of the engine's storage pool.
    pub storage: Storage,
    /// Who logs in to drive the engine.
    pub login: Login,
    /// Whether it is to have an agent.
    pub agent: Install,
}

/// The account by which a host is driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its name.
    pub user: String,
    /// The public key that opens it, as a line of `authorized_keys`.
    pub public_key: String,
}

/// An Ed25519 host key.
#[derive(Clone, PartialEq, Eq)]
pub struct HostKey {
    /// The private key in OpenSSH's own format.
    pub private: String,
    /// The public key, as a line of a `.pub` file.
    pub public: String,
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// The script that every host runs; what differs between hosts is in `/etc/pontoon/host.conf`, and between engines in
/// `/etc/pontoon/engine.sh`.
const SCRIPT: &str = include_str!("host/pontoon-host.sh");

/// Where the script lies on a host.
const SCRIPT_PATH: &str = "/usr/local/sbin/pontoon-host";

/// The user-data of a host: `#cloud-config` and YAML 1.1.
pub fn host_user_data(document: &HostDocument) -> String {
    let config = json!({
        "users": users(document),
        "ssh_pwauth": false,
        // The console is where the host key is learned from, unless one is handed in. One key is enough, and Ed25519 is
        // made in no time; those of the image go in either case.
        "ssh": {"emit_keys_to_console": true},
        "ssh_deletekeys": true,
        "ssh_genkeytypes": ["ed25519"],
        "write_files": files(document),
        "runcmd": [[SCRIPT_PATH]],
    });
    format!("#cloud-config\n# {} of the stack {}\n{}", document.name, document.stack, yaml::document(&config))
}

fn users(document: &HostDocument) -> Vec<Value> {
    let Login { user, public_key } = &document.login;
    // The image's own user stays: the Nova key pair opens it when ours is lost.
    let mut users = vec![
        json!("default"),
        json!({
            "name": user,
            "gecos": "Pontoon",
            "shell": "/bin/bash",
            "lock_passwd": true,
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "ssh_authorized_keys": [public_key],
        }),
    ];
    if document.agent == Install::Yes {
        users.push(json!({
            "name": AGENT_USER,
            "gecos": "Agent of Pontoon",
            "shell": "/usr/sbin/nologin",
            "lock_passwd": true,
            "system": true,
            "no_create_home": true,
        }));
    }
    users
}

/// The user-data of a host with the ssh host key that it is to use, where the cloud has no console to read a generated
/// one from: cloud-init then makes none. Whoever asks the metadata service from the host's port can read it.
pub fn with_host_key(user_data: &str, HostKey { private, public }: &HostKey) -> String {
    let keys = json!({"ed25519_private": with_newline(private), "ed25519_public": with_newline(public)});
    format!("{}\n{}", user_data.trim_end(), yaml::document(&json!({"ssh_keys": keys})))
}

fn files(document: &HostDocument) -> Vec<Value> {
    let mut files = network::files(document);
    files.extend([
        file("/etc/dnsmasq.d/pontoon.conf", &dnsmasq::configuration(document)),
        file("/etc/systemd/system/dnsmasq.service.d/pontoon.conf", dnsmasq::unit_drop_in()),
        file("/etc/pontoon/preseed.yaml", &engine::preseed(document)),
        file("/etc/pontoon/host.conf", &settings(document)),
        file("/etc/pontoon/engine.sh", engine::script(document.engine)),
        json!({"path": SCRIPT_PATH, "permissions": "0755", "content": SCRIPT}),
    ]);
    files
}

/// A file that root writes and everybody reads. The content is plain text: what a host is told can be read in its
/// user-data.
fn file(path: &str, content: &str) -> Value {
    json!({"path": path, "permissions": "0644", "content": content})
}

/// What the script must know, as assignments of the shell.
fn settings(document: &HostDocument) -> String {
    format!(
        "# Read by {SCRIPT_PATH}.\nMAC='{}'\nMTU='{}'\nENGINE='{}'\nSTORAGE='{}'\nLOGIN={}\nDHCP_HOSTS='{DHCP_HOSTS_DIRECTORY}'\n",
        document.mac,
        document.mtu,
        document.engine,
        document.storage,
        shell_quoted(&document.login.user),
    )
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn with_newline(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

#[cfg(test)]
mod tests;
