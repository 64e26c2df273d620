//! What the catalogue says, by HTTP.
//!
//! | path | what it is | where |
//! |---|---|---|
//! | `/`, `/page/…` | the page for people, which reads what follows | [`page`] |
//! | `/v1/members`, `/v1/catalogue`, `/v1/services/NAME`, `/v1/health` | the view, in our own words | [`own`] |
//! | `/v1/picture` | what the stack should look like | [`crate::picture`] |
//! | `/v1/changes` | a stream of what changes, as server-sent events | [`changes`] |
//! | `/metrics`, `/v1/prometheus/targets` | the agent's numbers, and where Prometheus finds those of the services | [`prometheus`] |
//! | `/v1/catalog/…`, `/v1/health/…`, `/v1/status/…`, `/v1/agent/self` | what clients of Consul read | [`consul`] |
//!
//! Everything is read only. What is answered is a pure function of a view; [`server`] has the sockets, the seats and the
//! routes. Who is outside the stack's networks is hung up on before a byte is read.

pub mod blocking;
pub mod changes;
pub mod consul;
mod gzip;
mod misdirected;
pub mod own;
pub mod page;
pub mod parameters;
pub mod prometheus;
pub mod server;

#[cfg(test)]
mod tests;

pub use server::{BindError, Server, Settings};
