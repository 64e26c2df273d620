//! (in progress)

pub mod lxd;
pub mod ssh;
