//! What the catalogue says, as DNS.
//!
//! ```text
//!   bytes ─▶ question ─▶ zone: what does the name stand for? ─▶ answer: which records has it? ─▶ reply ─▶ bytes
//!                                                                 ▲
//!                                                                View
//! ```
//!
//! All of these are pure, and [`wire`] joins them: the same question, the same view and the same dice give the same
//! reply. The [`server`] has the sockets and decides nothing.
//!
//! The server is authoritative for `<stack>.internal` and for the reverse names of the stack's networks. It forwards
//! nothing and follows nothing: what is outside is refused, and who is outside hears nothing at all.
//!
//! # Why bytes of our own
//!
//! A host asks its agent for each connection that a program makes, so an answer must cost little more than the kernel
//! takes for a datagram. A question is read where it lies and an answer written once, and neither reserves memory; what
//! is spoken is small. In tests `hickory-proto` asks and reads, and what it reads is compared with an answer made in
//! another way, for views and questions of chance.
//!
//! The loop around it is our own too, since strangers are dropped before a byte is parsed, a datagram makes no task (so
//! that a flood cannot pile them up), and connections are counted for each address.

pub mod answer;
pub mod few;
pub mod numbers;
pub mod question;
pub mod reply;
pub mod server;
pub mod wire;
pub mod zone;

#[cfg(test)]
mod tests;

pub use server::{BindError, Server};
pub use zone::{Zone, ZoneError};
