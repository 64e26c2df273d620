//! Servers.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::{Repeat, Request, Service, segment};
use super::{MICROVERSION, get};

/// A server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// Its name; several servers may share one.
    pub name: String,
    /// `BUILD`, `ACTIVE`, `SHUTOFF`, `ERROR`, `DELETED` and others.
    pub status: String,
    /// What is being done to it: `spawning`, `deleting`; None while nothing is.
    #[serde(rename = "OS-EXT-STS:task_state")]
    pub task_state: Option<String>,
    /// Its availability zone.
    #[serde(rename = "OS-EXT-AZ:availability_zone")]
    pub availability_zone: Option<String>,
    /// Why its status is `ERROR`.
    pub fault: Option<ServerFault>,
    /// Its addresses by the name of the network, as Nova last heard of them: Neutron knows better.
    pub addresses: BTreeMap<String, Vec<Address>>,
    /// Its size.
    pub flavor: ServerFlavor,
    /// What it booted from; empty where that is a volume.
    #[serde(deserialize_with = "image_or_empty")]
    pub image: ServerImage,
    /// The key that it was created with.
    pub key_name: Option<String>,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it was created, as ISO 8601 text.
    pub created: String,
    /// A hash of the machine that it runs on: the same for two servers of the project on one machine.
    #[serde(rename = "hostId")]
    pub host_id: String,
    /// The project that owns it.
    pub tenant_id: String,
}

/// Why a server is in `ERROR`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServerFault {
    /// As of an HTTP status.
    pub code: i64,
    /// What happened.
    pub message: String,
}

/// One address of a server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Address {
    /// The address.
    pub addr: String,
    /// The MAC of its port.
    #[serde(rename = "OS-EXT-IPS-MAC:mac_addr")]
    pub mac_address: String,
    /// `fixed` or `floating`.
    #[serde(rename = "OS-EXT-IPS:type")]
    pub kind: String,
}

/// The size of a server as it was when it was created; there is no id, for the flavor may be gone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServerFlavor {
    /// The flavor's name.
    pub original_name: String,
    /// Processors.
    pub vcpus: u32,
    /// Memory in MB.
    pub ram: u64,
    /// Root disk in GB.
    pub disk: u64,
}

/// What a server booted from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServerImage {
    /// The image's id.
    pub id: String,
}

/// A server to be created.
#[derive(Clone, Default, Serialize)]
pub struct NewServer {
    /// Its name.
    pub name: String,
    /// The id of the flavor.
    #[serde(rename = "flavorRef")]
    pub flavor: String,
    /// The id of the image.
    #[serde(rename = "imageRef")]
    pub image: String,
    /// The name of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// Its NICs, in order.
    pub networks: Vec<ServerNetwork>,
    /// For cloud-init: base64, at most 65,535 characters of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
    /// Keys and values of at most 255 characters each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// At most 50, of at most 60 characters, without `/` and `,`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Where it shall run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// Whether it gets a drive with its metadata, for networks without a metadata service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_drive: Option<bool>,
    /// The id of the server group that places it. It travels beside the server, as a scheduler hint.
    #[serde(skip)]
    pub group: Option<String>,
}

/// Without the user-data, which may hold secrets.
impl fmt::Debug for NewServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewServer").field("name", &self.name).field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// One NIC of a server to be created: an existing port.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ServerNetwork {
    /// The id of the port.
    pub port: String,
}

/// Something done to a server that is neither a change nor a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start one that is shut off.
    Start,
    /// Shut it down.
    Stop,
    /// Restart it, politely.
    Reboot,
    /// Delete one for good that Nova only set aside (`SOFT_DELETED`), as it does where `reclaim_instance_interval` is set.
    ForceDelete,
}

/// Servers with all details, filtered by the service: `name` (a regular expression), `tags` (comma-separated, all of
/// them), `status`.
pub fn list_servers(filters: &[(&str, &str)]) -> Request {
    get("/servers/detail").query(filters)
}

/// One server.
pub fn show_server(id: &str) -> Request {
    get(format!("/servers/{}", segment(id)))
}

/// Makes a server. The reply has its id; it boots afterwards.
pub fn create_server(server: &NewServer) -> Request {
    let mut request = Request::post(Service::Compute, "/servers", "server", server).microversion(MICROVERSION);
    let fields = request.body.as_mut().and_then(Value::as_object_mut);
    if let (Some(group), Some(fields)) = (&server.group, fields) {
        fields.insert("os:scheduler_hints".to_owned(), json!({ "group": group }));
    }
    request
}

/// Removes a server. It is gone when showing it answers 404.
pub fn delete_server(id: &str) -> Request {
    Request::delete(Service::Compute, format!("/servers/{}", segment(id))).microversion(MICROVERSION)
}

/// Does something to a server.
pub fn act_on_server(id: &str, action: Action) -> Request {
    match action {
        Action::Start => action_request(id, "os-start", &Value::Null),
        Action::Stop => action_request(id, "os-stop", &Value::Null),
        Action::ForceDelete => action_request(id, "forceDelete", &Value::Null),
        Action::Reboot => action_request(id, "reboot", &json!({ "type": "SOFT" })),
    }
}

/// The last `lines` of the console, or all that Nova keeps. It changes nothing, so that it may be repeated. A machine
/// that is not yet running answers 404 or 409, one whose driver has no console 501.
pub fn console_output(id: &str, lines: Option<u32>) -> Request {
    let arguments = lines.map_or_else(|| json!({}), |lines| json!({ "length": lines }));
    Request { repeat: Repeat::Safe, ..action_request(id, "os-getConsoleOutput", &arguments) }
}

fn action_request(id: &str, name: &str, arguments: &Value) -> Request {
    let path = format!("/servers/{}/action", segment(id));
    Request::post(Service::Compute, path, name, arguments).microversion(MICROVERSION)
}

/// Nova writes an empty text in place of the image of a server that boots from a volume.
fn image_or_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ServerImage, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Image(ServerImage),
        Empty(String),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Image(image) => image,
        Either::Empty(id) => ServerImage { id },
    })
}

/// Sets metadata of a server; keys that are not named stay.
pub fn set_server_metadata(id: &str, metadata: &BTreeMap<String, String>) -> Request {
    let path = format!("/servers/{}/metadata", segment(id));
    Request { repeat: Repeat::Safe, ..Request::post(Service::Compute, path, "metadata", metadata) }
        .microversion(MICROVERSION)
}

impl Client {
    /// Sets metadata of a server.
    pub async fn set_server_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> Result<(), Error> {
        self.send(&set_server_metadata(id, metadata)).await.map(drop)
    }

    /// See [`list_servers`].
    pub async fn servers(&self, filters: &[(&str, &str)]) -> Result<Vec<Server>, Error> {
        self.list(list_servers(filters), "servers", Paging::Links).await
    }

    /// See [`show_server`].
    pub async fn server(&self, id: &str) -> Result<Server, Error> {
        self.send(&show_server(id)).await?.below("server")
    }

    /// See [`create_server`]; only the id of the result is set.
    pub async fn create_server(&self, server: &NewServer) -> Result<Server, Error> {
        self.send(&create_server(server)).await?.below("server")
    }

    /// See [`delete_server`].
    pub async fn delete_server(&self, id: &str) -> Result<(), Error> {
        self.send(&delete_server(id)).await.map(drop)
    }

    /// See [`act_on_server`].
    pub async fn act_on_server(&self, id: &str, action: Action) -> Result<(), Error> {
        self.send(&act_on_server(id, action)).await.map(drop)
    }

    /// See [`console_output`].
    pub async fn console_output(&self, id: &str, lines: Option<u32>) -> Result<String, Error> {
        self.send(&console_output(id, lines)).await?.below("output")
    }
}
