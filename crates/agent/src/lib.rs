//! The program on each host: it tells the ring what the host's containers announce, knows what all others have told,
//! watches its own, and answers by DNS and HTTP.
//!
//! ```text
//!   engine ──what runs here──▶ ┌───────────┐ ◀── versions, changes, parts ──▶ ring
//!   sockets ─what it says────▶ │ catalogue │
//!   health ──how it is───────▶ └─────┬─────┘
//!                                    │ View: one consistent state, published whole
//!                       ┌────────────┼─────────────┐
//!                       ▼            ▼             ▼
//!                      dns     http (Consul,     page ◀── picture
//!                              Prometheus)
//! ```
//!
//! Every host owns its part of the catalogue and nobody else's: there is nothing central and nothing to elect. What
//! decides is pure (`catalogue`, the states of `health`, the answers of `dns` and `http`): it takes a time and an input
//! and hands back outputs. What waits is thin and stands beside it.
//!
//! The picture says what the stack should look like; it is shown, and decides nothing.
//!
//! Nothing here knows how a stack is planned or made, nor which engine runs its containers.

pub mod announce;
pub mod catalogue;
pub mod counts;
pub mod daemon;
pub mod dns;
pub mod door;
pub mod health;
pub mod http;
pub mod picture;
pub mod sockets;
