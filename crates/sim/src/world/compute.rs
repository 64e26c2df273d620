//! Nova's objects: flavors, key pairs, servers and server groups.
//!
//! What runs inside a server is not known here, only that something does from ACTIVE on.

use super::{Attributes, Caller, Change, Meta, Refusal, World, text, whole_seconds};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A flavor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Flavor {
    /// The id.
    pub id: String,
    /// Unique.
    pub name: String,
    /// Virtual processors.
    pub vcpus: i64,
    /// MiB.
    pub ram: i64,
    /// GiB.
    pub disk: i64,
}

/// A key pair; only its public half is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Keypair {
    /// Unique for its user.
    pub name: String,
    /// Whose it is.
    pub user_id: String,
    /// One line in OpenSSH's form.
    pub public_key: String,
    /// MD5, in pairs of hexadecimal digits.
    pub fingerprint: String,
    /// To the second.
    pub created_at: Timestamp,
}

/// A server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Server {
    /// What all objects share.
    #[serde(flatten)]
    pub meta: Meta,
    /// Whose request made it.
    pub user_id: String,
    /// Where it is in its life.
    pub status: ServerStatus,
    /// What it was booted from.
    pub image_id: String,
    /// Its size.
    pub flavor_id: String,
    /// The key pair's name.
    pub key_name: Option<String>,
    /// The public key itself, as it was at boot.
    pub public_key: Option<String>,
    /// Base64, as it was given.
    pub user_data: Option<String>,
    /// Free.
    pub metadata: BTreeMap<String, String>,
    /// Its network cards in order.
    pub ports: Vec<ServerPort>,
    /// The server group it was put into.
    pub group_id: Option<String>,
    /// Since ACTIVE.
    pub launched_at: Option<Timestamp>,
    /// Whether a fault lets its first boot fail.
    #[serde(default)]
    pub first_boot_fails: bool,
}

/// A network card of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerPort {
    /// The Neutron port.
    pub id: String,
    /// Whose it is.
    pub origin: PortOrigin,
}

/// Who made a server's port, and so what becomes of it when the server goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortOrigin {
    /// Nova: it goes with the server.
    Nova,
    /// The user: it stays, unbound.
    Given,
}

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerStatus {
    /// Being built.
    Build,
    /// Running.
    Active,
    /// Switched off.
    Shutoff,
    /// Being deleted: shown as it was, with the task state `deleting`.
    Deleting,
}

/// A server group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerGroup {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// `anti-affinity`, `soft-anti-affinity`, `affinity` or `soft-affinity`.
    pub policy: String,
    /// The owner.
    pub project_id: String,
    /// Whose request made it.
    pub user_id: String,
    /// From 2.64 on, for anti-affinity.
    pub rules: BTreeMap<String, i64>,
}

/// What a request for a new server says, in Nova's words already taken apart.
#[derive(Debug, Clone, Default)]
pub struct NewServer {
    /// The name.
    pub name: String,
    /// From 2.19 on.
    pub description: String,
    /// `imageRef`.
    pub image_id: String,
    /// `flavorRef`.
    pub flavor_id: String,
    /// The key pair's name.
    pub key_name: Option<String>,
    /// Base64.
    pub user_data: Option<String>,
    /// Free.
    pub metadata: BTreeMap<String, String>,
    /// From 2.52 on.
    pub tags: Vec<String>,
    /// The entries of `networks`; empty where none was given or `auto`.
    pub networks: Vec<Attributes>,
    /// Names or ids, for ports that Nova makes.
    pub security_groups: Vec<String>,
    /// The scheduler hint `group`.
    pub group_id: Option<String>,
    /// Whether a fault lets its first boot fail.
    pub first_boot_fails: bool,
    /// How many of them are wanted. All are counted against the quota, and one is made.
    pub count: i64,
}

impl World {
    /// The server, if it is the caller's and not gone.
    pub fn server(&self, caller: &Caller, id: &str) -> Result<&Server, Refusal> {
        self.servers
            .get(id)
            .filter(|server| server.meta.project_id == caller.project_id)
            .ok_or_else(|| Refusal::new(404, "itemNotFound", format!("Instance {id} could not be found.")))
    }

    /// Begins to build a server and answers its id.
    pub fn create_server(&mut self, caller: &Caller, new: NewServer) -> Result<String, Refusal> {
        let public_key = self.check_new_server(caller, &new)?;
        let meta = Meta {
            name: new.name,
            description: new.description,
            tags: new.tags,
            ..Meta::new(&caller.project_id, self.now)
        };
        let id = meta.id.clone();
        let ports = self.server_ports(caller, &id, &new.networks, &new.security_groups)?;
        let server = Server {
            meta,
            user_id: caller.user_id.clone(),
            status: ServerStatus::Build,
            image_id: new.image_id,
            flavor_id: new.flavor_id,
            key_name: new.key_name,
            public_key,
            user_data: new.user_data,
            metadata: new.metadata,
            ports,
            group_id: new.group_id,
            launched_at: None,
            first_boot_fails: new.first_boot_fails,
        };
        self.servers.insert(id.clone(), server);
        self.later(self.settings.delays().server, Change::ServerBuilt(id.clone()));
        Ok(id)
    }

    /// Begins to delete a server.
    pub fn delete_server(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        self.server(caller, id)?;
        if let Some(server) = self.servers.get_mut(id).filter(|server| server.status != ServerStatus::Deleting) {
            server.status = ServerStatus::Deleting;
            self.later(self.settings.delays().server_delete, Change::ServerGone(id.to_owned()));
        }
        Ok(())
    }

    pub(super) fn server_built(&mut self, id: &str) {
        let now = whole_seconds(self.now);
        let Some(server) = self.servers.get_mut(id).filter(|server| server.status == ServerStatus::Build) else {
            return;
        };
        server.status = ServerStatus::Active;
        server.launched_at = Some(now);
        server.meta.touch(now);
        for ServerPort { id, .. } in server.ports.clone() {
            if let Some(port) = self.ports.get_mut(&id) {
                "ACTIVE".clone_into(&mut port.status);
            }
        }
    }

    pub(super) fn server_gone(&mut self, id: &str) {
        let now = self.now;
        let Some(server) = self.servers.shift_remove(id) else { return };
        for ServerPort { id, origin } in server.ports {
            match (origin, self.ports.get_mut(&id)) {
                (PortOrigin::Given, Some(port)) => {
                    port.device_id.clear();
                    port.device_owner.clear();
                    "DOWN".clone_into(&mut port.status);
                    port.meta.touch(now);
                }
                _ => self.drop_port(&id),
            }
        }
    }

    /// The server whose port this is, and the address and MAC of its first port.
    pub fn server_of_port(&self, port_id: &str) -> Option<&Server> {
        self.servers.values().find(|server| server.ports.iter().any(|port| port.id == port_id))
    }

    /// The servers of a group.
    pub fn group_members(&self, group_id: &str) -> Vec<String> {
        let members = self.servers.values().filter(|server| server.group_id.as_deref() == Some(group_id));
        members.map(|server| server.meta.id.clone()).collect()
    }

    /// Creates a server group.
    pub fn create_server_group(&mut self, caller: &Caller, group: ServerGroup) -> Result<String, Refusal> {
        let mine = self.server_groups.values().filter(|group| group.project_id == caller.project_id).count();
        self.compute_limit("server_groups", mine, "Quota exceeded, too many server groups.")?;
        let id = group.id.clone();
        self.server_groups.insert(id.clone(), group);
        Ok(id)
    }

    /// Registers a public key.
    pub fn create_keypair(&mut self, caller: &Caller, name: &str, public_key: &str) -> Result<Keypair, Refusal> {
        let key = keypair_key(&caller.user_id, name);
        if self.keypairs.contains_key(&key) {
            return Err(Refusal::new(409, "conflictingRequest", format!("Key pair '{name}' already exists.")));
        }
        let keypair = Keypair {
            name: name.to_owned(),
            user_id: caller.user_id.clone(),
            public_key: public_key.to_owned(),
            fingerprint: fingerprint(public_key),
            created_at: whole_seconds(self.now),
        };
        self.keypairs.insert(key, keypair.clone());
        Ok(keypair)
    }

    /// Checks everything that can be refused before a port is made; answers the public key.
    fn check_new_server(&self, caller: &Caller, new: &NewServer) -> Result<Option<String>, Refusal> {
        let bad = |message: String| Refusal::new(400, "badRequest", message);
        if !self.images.contains_key(&new.image_id) {
            return Err(bad("Can not find requested image".to_owned()));
        }
        if !self.flavors.contains_key(&new.flavor_id) {
            return Err(bad(format!("Flavor {} could not be found.", new.flavor_id)));
        }
        let public_key = match &new.key_name {
            None => None,
            Some(name) => Some(
                self.keypairs
                    .get(&keypair_key(&caller.user_id, name))
                    .map(|keypair| keypair.public_key.clone())
                    .ok_or_else(|| bad("Invalid key_name provided.".to_owned()))?,
            ),
        };
        if let Some(group) = &new.group_id {
            let known = self.server_groups.get(group).filter(|group| group.project_id == caller.project_id);
            if known.is_none() {
                return Err(bad(format!("Instance group {group} could not be found.")));
            }
            let members = self.group_members(group).len();
            self.compute_limit("server_group_members", members, "Quota exceeded, too many servers in group")?;
        }
        self.compute_quota(&caller.project_id, &new.flavor_id, new.count)?;
        Ok(public_key)
    }

    fn compute_limit(&self, resource: &str, used: usize, message: &str) -> Result<(), Refusal> {
        let limit = self.settings.quotas.compute.get(resource).copied().unwrap_or(-1);
        if limit >= 0 && i64::try_from(used).unwrap_or(i64::MAX) >= limit {
            return Err(Refusal::new(403, "forbidden", message));
        }
        Ok(())
    }

    /// Binds the given ports, and makes those that only a network was named for.
    fn server_ports(
        &mut self,
        caller: &Caller,
        server_id: &str,
        networks: &[Attributes],
        groups: &[String],
    ) -> Result<Vec<ServerPort>, Refusal> {
        let networks = if networks.is_empty() { self.only_network(caller)? } else { networks.to_vec() };
        for given in &networks {
            if let Some(port_id) = text(given, "port") {
                self.check_given_port(caller, port_id)?;
            }
        }
        let mut ports = Vec::new();
        for given in &networks {
            let port = match text(given, "port") {
                Some(port_id) => ServerPort { id: port_id.to_owned(), origin: PortOrigin::Given },
                None => ServerPort { id: self.make_server_port(caller, given, groups)?, origin: PortOrigin::Nova },
            };
            ports.push(port);
        }
        for ServerPort { id, .. } in &ports {
            if let Some(port) = self.ports.get_mut(id) {
                server_id.clone_into(&mut port.device_id);
                "compute:nova".clone_into(&mut port.device_owner);
            }
        }
        Ok(ports)
    }

    fn check_given_port(&self, caller: &Caller, port_id: &str) -> Result<(), Refusal> {
        let port = self
            .port(caller, port_id)
            .map_err(|_| Refusal::new(400, "badRequest", format!("Port id {port_id} could not be found.")))?;
        if !port.device_id.is_empty() {
            return Err(Refusal::new(409, "conflictingRequest", format!("Port {port_id} is still in use.")));
        }
        if port.fixed_ips.is_empty() {
            return Err(Refusal::new(
                400,
                "badRequest",
                format!("Port {port_id} requires a FixedIP in order to be used."),
            ));
        }
        Ok(())
    }

    fn make_server_port(&mut self, caller: &Caller, given: &Attributes, groups: &[String]) -> Result<String, Refusal> {
        let mut port = Attributes::new();
        port.insert("network_id".to_owned(), text(given, "uuid").unwrap_or_default().into());
        if let Some(address) = text(given, "fixed_ip") {
            port.insert("fixed_ips".to_owned(), serde_json::json!([{ "ip_address": address }]));
        }
        let mut ids: Vec<Value> = Vec::new();
        for wanted in groups.iter().filter(|name| name.as_str() != "default") {
            let found = self
                .security_groups
                .values()
                .find(|group| {
                    group.meta.project_id == caller.project_id
                        && (group.meta.name == *wanted || group.meta.id == *wanted)
                })
                .ok_or_else(|| {
                    Refusal::new(
                        400,
                        "badRequest",
                        format!("Security group {wanted} not found for project {}.", caller.project_id),
                    )
                })?;
            ids.push(found.meta.id.clone().into());
        }
        if !ids.is_empty() {
            port.insert("security_groups".to_owned(), ids.into());
        }
        self.create_port(caller, &port).map_err(|refusal| match refusal.status {
            409 if refusal.kind == "OverQuota" => Refusal::new(403, "forbidden", "Maximum number of ports exceeded"),
            404 | 409 => Refusal::new(400, "badRequest", refusal.message),
            _ => refusal,
        })
    }

    /// Without `networks`, Nova takes the project's only network.
    fn only_network(&self, caller: &Caller) -> Result<Vec<Attributes>, Refusal> {
        let mut mine = self
            .networks
            .values()
            .filter(|network| !network.external && (network.meta.project_id == caller.project_id || network.shared));
        match (mine.next(), mine.next()) {
            (Some(network), None) => {
                let mut entry = Attributes::new();
                entry.insert("uuid".to_owned(), network.meta.id.clone().into());
                Ok(vec![entry])
            }
            (None, _) => Ok(Vec::new()),
            _ => Err(Refusal::new(
                409,
                "conflictingRequest",
                "Multiple possible networks found, use a Network ID to be more specific.",
            )),
        }
    }
}

impl Server {
    /// What boots inside: the address and MAC of its first network card come from there.
    pub fn first_port<'a>(&self, world: &'a World) -> Option<&'a super::port::Port> {
        self.ports.first().and_then(|port| world.ports.get(&port.id))
    }

    /// Its first address.
    pub fn address(&self, world: &World) -> Option<Ipv4Addr> {
        self.first_port(world)?.fixed_ips.first().map(|fixed| fixed.ip_address)
    }
}

/// Key pairs belong to users, not to projects.
pub fn keypair_key(user_id: &str, name: &str) -> String {
    format!("{user_id}/{name}")
}

/// MD5 of the key itself, in pairs of digits.
fn fingerprint(public_key: &str) -> String {
    let encoded = public_key.split_whitespace().nth(1).unwrap_or(public_key);
    let key = crate::text::bytes_from_base64(encoded).unwrap_or_else(|| encoded.as_bytes().to_vec());
    md5::compute(key).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}
