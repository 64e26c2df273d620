//! What containers say of themselves while they run.
//!
//! Every container has a unix socket, in a directory that is mounted into it alone: who speaks there is known by where
//! it is heard, and can speak of itself only.
//!
//! ```text
//!   socket of hugo-0 ─▶ server ─▶ book: may it say that, and how often? ─▶ Said ─┐ merge
//!                                  ▲ │                                           ├───────▶ Container, for the catalogue
//!               the host: Declared ┘ └──▶ a file, for the next start   Declared ─┘
//! ```

mod book;
mod keep;
mod pace;
mod refusal;
mod routes;
mod said;
mod server;
mod socket;
mod statement;
mod stream;
#[cfg(test)]
mod tests;

pub use book::Words;
pub use said::{Declared, Said, merge};
pub use server::{Server, Settings};
