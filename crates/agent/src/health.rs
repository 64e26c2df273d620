//! Whether containers are well.
//!
//! ```text
//!   Check: when to look, and what so many looks in a row mean   (pure; takes a time)
//!      │ Start(run)          ▲ Ended(run, outcome)
//!      ▼                     │
//!   probe: one look, over the network or inside of the container   (waits)
//!
//!   of_container: one word and one text for all checks of a container
//! ```
//!
//! A check runs on the host of its container, so that it sees the service and not the network between hosts. It knows
//! nothing of the catalogue but its words for states.

mod check;
pub mod probe;
#[cfg(test)]
mod tests;

pub use check::{Check, Event, Outcome, Run, Settings};

use crate::catalogue::limits::OUTPUT_MAX;
use crate::catalogue::{Health, State};

/// How a container is by its checks, each with a name that people know it by. The worst one decides and is the one that
/// is told; a container without checks passes, as it does for Consul: it is announced because it runs.
pub fn of_container<'a>(checks: impl IntoIterator<Item = (&'a str, &'a Health)>) -> Health {
    let mut worst: Option<(&str, &Health)> = None;
    for (name, health) in checks {
        if worst.is_none_or(|(_, worst)| worst.state < health.state) {
            worst = Some((name, health));
        }
    }
    let Some((name, health)) = worst else {
        return Health { state: State::Passing, output: String::new() };
    };
    let output = if health.output.is_empty() { name.to_owned() } else { format!("{name}: {}", health.output) };
    Health { state: health.state, output: cut(&output).to_owned() }
}

/// As much of a text as an output may have, cut between two characters.
pub fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(OUTPUT_MAX)).unwrap_or(text)
}
