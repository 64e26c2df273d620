//! The edge to the vendors.
//!
//! [`openstack`], [`lxd`] and [`ssh`] are clients: they know requests and replies, and nothing of stacks. [`site`] puts
//! them together for one stack: it observes for the plan and performs its steps.

pub mod lxd;
pub mod openstack;
pub mod site;
pub mod ssh;
