//! Nova: servers and what they need.
//!
//! All requests name one microversion, so that replies have one shape. Everything that Pontoon asks of Nova is in 2.64
//! (Rocky, 2018): tags at creation (2.52), the flavor inside of a server (2.47), a server group with one policy (2.64).

mod limits;
mod servers;

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::http::Client;
use super::paging::Paging;
use super::request::{Request, Service, segment};

pub use limits::{Quota, QuotaDetails, show_quota_details};
pub use servers::{
    Action, Address, NewServer, Server, ServerFault, ServerFlavor, ServerImage, ServerNetwork, act_on_server,
    console_output, create_server, delete_server, list_servers, set_server_metadata, show_server,
};

/// The microversion of all requests.
pub const MICROVERSION: &str = "2.64";

/// A size of servers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Flavor {
    /// Its id, which is what a server is created with.
    pub id: String,
    /// Its name: `m1.small`.
    pub name: String,
    /// Processors.
    pub vcpus: u32,
    /// Memory in MB.
    pub ram: u64,
    /// Root disk in GB; 0 is as large as the image.
    pub disk: u64,
}

/// A public key that Nova hands to servers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Keypair {
    /// Its name, unique for its user.
    pub name: String,
    /// The key in the format of `authorized_keys`.
    pub public_key: String,
    /// MD5 fingerprint, as Nova has always shown it.
    pub fingerprint: String,
    /// `ssh` or `x509`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Servers that are placed with regard to each other.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServerGroup {
    /// Its id, which is what a server's hint names.
    pub id: String,
    /// Its name; several groups may share one.
    pub name: String,
    /// `anti-affinity`, `soft-anti-affinity`, `affinity`, `soft-affinity`.
    pub policy: String,
    /// The ids of its servers.
    pub members: Vec<String>,
}

/// A server group to be created.
#[derive(Clone, Debug, Serialize)]
pub struct NewServerGroup {
    /// Its name.
    pub name: String,
    /// See [`ServerGroup::policy`].
    pub policy: String,
}

/// The sizes that the project may use.
pub fn list_flavors() -> Request {
    get("/flavors/detail")
}

/// The keys of the user. They belong to the user, not to the project.
pub fn list_keypairs() -> Request {
    get("/os-keypairs")
}

/// All server groups of the project; Nova has no filters here.
pub fn list_server_groups() -> Request {
    get("/os-server-groups")
}

/// User-data as Nova takes it: in base64.
pub fn encoded(user_data: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(user_data)
}

/// Makes a server group.
pub fn create_server_group(group: &NewServerGroup) -> Request {
    Request::post(Service::Compute, "/os-server-groups", "server_group", group).microversion(MICROVERSION)
}

/// Removes a server group; its servers stay.
pub fn delete_server_group(id: &str) -> Request {
    Request::delete(Service::Compute, format!("/os-server-groups/{}", segment(id))).microversion(MICROVERSION)
}

fn get(path: impl Into<String>) -> Request {
    Request::get(Service::Compute, path).microversion(MICROVERSION)
}

impl Client {
    /// See [`list_flavors`].
    pub async fn flavors(&self) -> Result<Vec<Flavor>, Error> {
        self.list(list_flavors(), "flavors", Paging::Links).await
    }

    /// See [`list_keypairs`].
    pub async fn keypairs(&self) -> Result<Vec<Keypair>, Error> {
        #[derive(Deserialize)]
        struct Wrapped {
            keypair: Keypair,
        }
        let wrapped: Vec<Wrapped> = self.list(list_keypairs(), "keypairs", Paging::Links).await?;
        Ok(wrapped.into_iter().map(|wrapped| wrapped.keypair).collect())
    }

    /// See [`list_server_groups`].
    pub async fn server_groups(&self) -> Result<Vec<ServerGroup>, Error> {
        // Nova pages this list by offset and only where a limit is given; without one it is whole, up to the service's
        // own limit of 1,000, while a project may have ten groups unless its quota was raised.
        self.list(list_server_groups(), "server_groups", Paging::Links).await
    }

    /// See [`create_server_group`].
    pub async fn create_server_group(&self, group: &NewServerGroup) -> Result<ServerGroup, Error> {
        self.send(&create_server_group(group)).await?.below("server_group")
    }

    /// See [`delete_server_group`].
    pub async fn delete_server_group(&self, id: &str) -> Result<(), Error> {
        self.send(&delete_server_group(id)).await.map(drop)
    }
}
