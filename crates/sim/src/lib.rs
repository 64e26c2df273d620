#[path = "/tmp/gstub/mod.rs"]
pub mod guest;
pub mod api;
pub mod config;
mod text;
pub mod world;
