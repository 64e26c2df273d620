//! Whole rings in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bounds;
mod coming_back;
mod questions;
mod stage;
mod talk;
