//! Members of this crate and agents of the unmodified `serf` program in one ring.
//!
//! Ours run in this process, by the driver; theirs are processes of the Debian package `serf`. All listen on loopback
//! addresses of a network that is the test's own. Where the program is not installed the tests say so and show nothing,
//! unless `CI` is set: there it is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod events;
mod files;
mod keys;
mod large;
mod membership;
mod ours;
mod ring;
mod theirs;
