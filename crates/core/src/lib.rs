//! The pure part of Pontoon.
//!
//! From the file ([`spec`]) and what the cloud has ([`observed`]) comes a [`plan`]; [`run`] walks the plan as a state
//! machine. [`render`] writes every document that is handed to a machine.
//!
//! This crate knows nothing of HTTP, ssh, threads, clocks, files or environment variables, and draws no random
//! numbers: what it returns depends on its arguments alone. Whoever calls it reads, waits and sends.

pub mod address;
pub mod book;
pub mod key;
pub mod observed;
pub mod path;
pub mod plan;
pub mod render;
pub mod run;
pub mod spec;
