//! What every host says of its containers.
//!
//! The catalogue is a set of [`Part`]s, one a host. Only the host changes its part, and counts its changes; so two
//! copies of a part never disagree, one is only older. Which is the newest version the ring carries in a few bytes;
//! whoever has an older one asks the owner.

mod model;
mod view;

pub use model::{Container, Health, HostState, MonitoringPoint, Name, Part, State, Version};
pub use view::{HostView, Instance, View};
