//! (in progress)

pub mod lxd;
pub mod openstack;
pub mod ssh;
