//! The embedded cloud: a simulated OpenStack tenancy whose servers run LXD, on loopback, in one process, without root.
//!
//! - [`world`] is the cloud's state and rules: plain data, no IO, no clock.
//! - [`api`] is what the vendors' services say over HTTP: functions from the world and a request to a reply.
//! - [`net`] decides whether a connection gets through, and carries it.
//! - [`guest`] is what runs inside a server: cloud-init, ssh, LXD and its containers.
//!
//! It knows OpenStack and LXD, and nothing of the programs that use it. It says wherever it is asked that it is simulated.

pub mod api;
mod cloud;
pub mod config;
pub mod guest;
pub mod net;
mod persist;
mod server;
mod text;
pub mod world;
mod zed;

pub use cloud::{Cloud, Error, Shared, WorldHandle};
pub use config::{Config, Console, Delays, NetworkOwner, Quotas};
