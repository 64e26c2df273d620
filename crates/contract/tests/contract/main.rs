//! What the services promise to a tenant, one module a service or a theme. See the crate's own page for the two clouds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

