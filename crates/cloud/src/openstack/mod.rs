//! A thin client of `OpenStack`: Keystone, Nova, Neutron, Glance and Octavia, as far as Pontoon drives them.
//!
//! It knows the vendors' requests and replies, and how to send and repeat them safely. It knows nothing of stacks, plans
//! or keys: what is created, and why, is decided elsewhere.
//!
//! - [`config`]: which cloud and which credentials, as the standard clients read them
//! - [`request`]: a request as data, built by the pure functions of the resource modules
//! - [`http`]: the one place that sends; repeats only what may be repeated
//! - [`auth`]: login, token cache, catalog
//! - [`paging`]: whole lists
//! - [`identity`], [`compute`], [`network`], [`image`], [`load_balancer`]: the resources
//!
//! In the resource modules, structs that are read take what the service gives and let the rest go by; structs that are
//! written leave out what is `None`. Filters are the vendors' own query parameters, as pairs of name and text.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use pontoon_cloud::openstack::{Client, Options, config};
//!
//! let sources = config::Sources::read(std::env::vars().collect(), &std::env::current_dir()?)?;
//! let client = Client::new(config::cloud_config(&sources, Some("home"))?, Options::default())?;
//! for port in client.ports(&[("network_id", "b6d1…"), ("fields", "id"), ("fields", "fixed_ips")]).await? {
//!     println!("{} {:?}", port.id, port.fixed_ips);
//! }
//! # Ok(())
//! # }
//! ```

pub mod auth;
pub mod compute;
pub mod config;
pub mod error;
pub mod http;
pub mod identity;
pub mod image;
pub mod load_balancer;
pub mod network;
pub mod paging;
pub mod request;

pub use auth::Session;
pub use config::{CloudConfig, Secret};
pub use error::{Error, Refusal};
pub use http::{Attempt, Client, Options, Response, RetryPolicy};
pub use paging::Paging;
pub use request::{Repeat, Request, Revision, Service};
