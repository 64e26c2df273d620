//! The engine on the embedded cloud, in one process: real HTTP, real ssh, no time lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod agents;
mod attachments;
mod changes;
mod cloud_init;
mod clouds;
mod crash;
mod doctor;
mod down;
mod drift;
mod faults;
mod fixture;
mod host_keys;
mod requests;
mod rolling;
mod rough;
mod shop;
mod writers;
