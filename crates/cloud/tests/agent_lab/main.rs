//! Agents on real LXD hosts: one stack of twelve services on three machines of `lab/lxd`, brought up by the plan, with the
//! agents pushed over ssh.
//!
//! `cargo xtask test lxd` brings the machines up and runs this on their network; anywhere else the tests are skipped. All
//! tests share the stack, take turns, and leave it as they found it. This process is on the tenant network and on no host.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// A whole stack is brought up, and boxing that would say nothing.
#![allow(clippy::large_futures)]

mod addressed;
mod asking;
mod fails;
mod hostile;
mod knows;
#[path = "../lab/mod.rs"]
mod lab;
#[path = "../openstack_fake/mod.rs"]
mod openstack_fake;
mod speaks;
mod strangers;
mod times;
mod town;
