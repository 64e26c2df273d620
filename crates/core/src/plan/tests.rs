#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::wildcard_imports)]

mod agents;
mod anew;
mod driver;
mod files;
mod floating_ips;
mod machines;
mod octavia;
mod properties;
mod providers;
mod rolling;
mod scenarios;
mod tenancy;
mod toy;

use crate::observed::Observed;
use crate::spec::model::Stack;

/// A stack, and what is seen of it when it is up: for tests of what else looks at that.
pub(crate) fn up(stack: Stack) -> (Stack, Observed) {
    let mut toy = toy::Toy::new(tenancy::tenancy());
    driver::converge(&mut toy, &stack, &mut driver::Dice(1)).unwrap();
    let seen = toy.look();
    (stack, seen)
}

/// The walk-through's.
pub(crate) fn blog_up() -> (Stack, Observed) {
    up(files::blog())
}

/// One of fourteen containers on two hosts.
pub(crate) fn fourteen_up() -> (Stack, Observed) {
    up(files::fourteen(2))
}
