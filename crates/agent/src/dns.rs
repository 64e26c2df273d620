//! What the catalogue says, as DNS.
//!
//! ```text
//!   bytes ─▶ wire ─▶ zone: what does the name stand for? ─▶ answer: which records has it? ─▶ wire ─▶ bytes
//!                                                              ▲
//!                                                             View
//! ```
//!
//! [`zone`], [`answer`] and [`wire`] are pure: the same question, the same view and the same dice give the same reply.
//! The [`server`] has the sockets and decides nothing.
//!
//! The server is authoritative for `<stack>.internal` and for the reverse names of the stack's networks. It forwards
//! nothing and follows nothing: what is outside is refused, and who is outside hears nothing at all.
//!
//! # Why `hickory-proto` and a loop of our own
//!
//! Names and records are read and written by `hickory-proto`. Its server crate is left out, since what an agent needs of
//! a server is what that crate leaves to others: strangers are dropped before a byte is parsed, a datagram makes no task
//! (so that a flood cannot pile them up), connections are counted for each address, and header, EDNS and truncation of
//! each reply are ours to say.

pub mod answer;
pub mod server;
pub mod wire;
pub mod zone;

#[cfg(test)]
mod tests;

pub use server::{BindError, Server};
pub use zone::{Zone, ZoneError};
