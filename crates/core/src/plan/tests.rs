#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::wildcard_imports)]

mod agents;
mod anew;
mod driver;
mod files;
mod floating_ips;
mod machines;
mod octavia;
mod properties;
mod providers;
mod rolling;
mod scenarios;
mod tenancy;
mod toy;
