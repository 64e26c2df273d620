//! Fuzz targets for every decoder of `pontoon-ring`.
//!
//! `cargo xtask fuzz` runs them with libFuzzer, for which it needs the nightly compiler; `tests/fuzz.rs` of
//! `pontoon-ring` runs the same functions in every test run, on recorded and mutated bytes.

pub mod targets;
