//! Bytes and messages.
//!
//! ```text
//!   datagram   label? │ encryption? │ checksum? │ compression? │ compound? │ messages
//!   stream     label? │ encryption? │ compression? │ one message, and what it announces
//! ```
//!
//! Each layer is a function from bytes to bytes; none keeps anything. What comes from a network is refused with an
//! error, never with a panic, and never makes more memory than a stated bound.

pub mod message;
