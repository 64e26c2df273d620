//! Gossip: who is in the ring, what each member says of itself, and events that reach all of them.
//!
//! The protocols are those of HashiCorp's memberlist (SWIM with Lifeguard) and Serf, so that members made of this crate
//! and agents of an unmodified `serf` form one ring. The sources of these facts are the public repositories
//! `hashicorp/memberlist` and `hashicorp/serf` and what their programs send.
//!
//! ```text
//!   driver      sockets, clock, files          (tokio; the only part that waits)
//!     │ inputs            ▲ outputs
//!     ▼                   │
//!   serf        tags, user events, queries, keys, coordinates, snapshot
//!     │ Application       ▲
//!     ▼                   │
//!   swim        membership: probes, suspicion, gossip, state exchange
//!     │                   ▲
//!     ▼                   │
//!   wire        bytes and messages: msgpack, compound, checksum, compression, labels, encryption
//! ```
//!
//! A running agent is asked by `rpc`, Serf's protocol for that: by the real command line as by our own.
//!
//! `wire`, `swim` and `serf` are pure: they take a time and an input, and hand back outputs. They have no socket, no
//! clock and no global source of chance, so a whole ring runs in virtual time from one seed and gives the same trace
//! each time. Nothing here knows Pontoon.

#[cfg(feature = "driver")]
pub mod driver;
pub mod rpc;
pub mod serf;
pub mod simulation;
pub mod swim;
pub mod time;
pub mod wire;
