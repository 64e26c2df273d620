//! How a running agent is asked: Serf's RPC protocol.
//!
//! ```text
//!   client ── {"Command", "Seq"} request ─▶ agent
//!   client ◀─ {"Error", "Seq"} reply? ───── agent      and for a stream, the same again and again
//! ```
//!
//! Messages follow each other on a TCP connection without any frame: which fields a request has is known from its
//! command, and whether a reply has a body from the request of the same number. The first request is a handshake, and
//! where the agent wants a key, the second brings it.
//!
//! So existing clients, such as the real `serf members -rpc-addr=…`, can ask an agent of this crate, and [`Client`] can
//! ask a real one. Sources: `ipc.go` of Serf's agent and its `client/rpc_client.go`.
//!
//! [`request`] and [`reply`] are pure. The [`server`] asks a [`Handle`](crate::driver::Handle) and decides nothing.

pub mod reply;
pub mod request;

#[cfg(test)]
mod tests;

#[cfg(feature = "driver")]
pub mod client;
#[cfg(feature = "driver")]
pub mod server;

#[cfg(feature = "driver")]
pub use client::{Client, ClientError};
pub use reply::{Body, Reply};
pub use request::Request;

/// The only version of the protocol.
pub const VERSION: u64 = 1;

/// The port that agents listen on where nothing else is said.
pub const DEFAULT_PORT: u16 = 7373;

// What an agent answers in words that clients may look at (`ipc.go`).
/// The command is not known.
pub const UNSUPPORTED_COMMAND: &str = "Unsupported command";
/// The handshake asks for another version.
pub const UNSUPPORTED_VERSION: &str = "Unsupported IPC version";
/// The handshake is done already.
pub const DUPLICATE_HANDSHAKE: &str = "Handshake already performed";
/// Something was asked before the handshake.
pub const HANDSHAKE_REQUIRED: &str = "Handshake required";
/// Something was asked before the key was given. No body follows, whatever was asked.
pub const AUTHENTICATION_REQUIRED: &str = "Authentication required";
/// The key is another one.
pub const INVALID_TOKEN: &str = "Invalid authentication token";
/// There is a stream of this number.
pub const STREAM_EXISTS: &str = "Stream with given sequence exists";
/// The client listens to the log already.
pub const MONITOR_EXISTS: &str = "Monitor already exists";
/// What a stream is to tell is not known.
pub const INVALID_FILTER: &str = "Invalid event filter";
