//! Whole agents, several in one process, each on a loopback address of its own: what the containers of one announce is
//! what the others answer.
//!
//! Nothing is real but the engine's place: sockets, ring, keys, files and answers are those of any host.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod clients;
mod ending;
mod stage;
mod starting;
