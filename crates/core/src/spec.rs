//! The file: one stack, as its author describes it.
//!
//! [`model`] is the checked description that everything else works on.

pub mod model;
