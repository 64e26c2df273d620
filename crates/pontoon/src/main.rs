//! Pontoon.
fn main() {}
