//! A client of LXD and of Incus, which speak almost the same REST API under `/1.0`.
//!
//! Knows the API: envelopes, operations, websockets, and where the two products differ ([`Flavour`]). Knows nothing
//! of stacks, of clouds, or of how to get to the daemon: a [`Dial`] opens a byte stream, over a local unix socket
//! ([`UnixSocket`]), over ssh to the socket of a host ([`SocketOverSsh`]), or in memory.
//!
//! [`Client`] holds the connections; its methods are spread over the files here by the resource they are about.
//! Everything that changes something waits for the daemon's operation and returns its outcome. A change whose
//! answer was lost is [`LxdError::Unknown`]: look again before doing it again.

mod client;
mod dial;
mod error;
mod events;
mod exec;
mod files;
mod http;
mod images;
mod instances;
mod operations;
mod profiles;
mod resources;
mod server;
mod websocket;
mod wire;

pub use client::{Client, ETag};
pub use dial::{Dial, SocketOverSsh, UnixSocket};
pub use error::LxdError;
pub use events::{Event, EventKind, EventType, Events};
pub use exec::{ExecOutput, ExecRequest};
pub use files::{FileContent, PushFile};
pub use images::{Image, ImageAlias, ImageSource, Simplestreams, image_fingerprint};
pub use instances::{
    Instance, InstanceAddress, InstanceInterface, InstancePatch, InstanceSource, InstanceState, NewInstance,
    StateAction,
};
pub use operations::Operation;
pub use profiles::{NewProfile, Profile, ProfileContent};
pub use resources::{Network, StoragePool};
pub use server::{CloudInitKey, Flavour, Server};

use std::collections::BTreeMap;

/// A `config` map, as instances, profiles, pools and networks have it.
pub type Config = BTreeMap<String, String>;

/// The devices of an instance or profile: name to properties.
pub type Devices = BTreeMap<String, BTreeMap<String, String>>;
