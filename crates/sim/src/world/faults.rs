//! Faults that a test asks for, and the log of requests by which it can aim them.
//!
//! A fault meets a request by its ordinal or by method and path, or a command by its ordinal, does what it says, and is used
//! up after `count` times.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The faults to come and the requests so far.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Tried in order; the first that fits is taken.
    pub faults: Vec<Fault>,
    /// The newest requests, oldest first.
    pub log: VecDeque<Request>,
    /// How many requests there were.
    pub requests: u64,
    /// How many commands machines were told by ssh.
    pub commands: u64,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which request it meets.
    #[serde(flatten)]
    pub when: When,
    /// What happens to it.
    pub then: Effect,
    /// How many times.
    #[serde(default = "once")]
    pub count: u32,
}

fn once() -> u32 {
    1
}

/// Which request a fault meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The request of this ordinal; the first one of the cloud is 1.
    Ordinal(u64),
    /// The command of this ordinal that a machine is told by ssh; the first one of the cloud is 1. It is done or not, as
    /// the effect says, and the client hears nothing more of it.
    Command(u64),
    /// A request of this method and path.
    Matches {
        /// `GET`, `POST`, …; `*` is any.
        method: String,
        /// A pattern for the path without its query: `*` stands for any text, `^` and `$` for its ends; else it may
        /// stand anywhere.
        path: String,
    },
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Answers so and does nothing.
    Status {
        /// The HTTP status.
        code: u16,
        /// Seconds, for the header `Retry-After`.
        retry_after: Option<u32>,
    },
    /// The connection ends, nothing was done.
    CloseBeforeHandling,
    /// It is done, and the connection ends without an answer.
    CloseAfterHandling,
    /// The answer comes so much later.
    Delay {
        /// Milliseconds.
        milliseconds: u64,
    },
    /// The balancer becomes ACTIVE and its children stay `PENDING_CREATE`.
    GraphStuck,
    /// The server is made, and the script of its user-data will fail in its first boot.
    FirstBootFails,
}

/// One request that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Counts from 1.
    pub ordinal: u64,
    /// The HTTP method.
    pub method: String,
    /// The path with its prefix and query.
    pub path: String,
}

/// Enough for every test; older requests are forgotten.
const LOG_LENGTH: usize = 20_000;

impl Faults {
    /// Notes a request and takes the fault that it meets.
    pub fn meet(&mut self, method: &str, path_and_query: &str) -> Option<Effect> {
        self.requests += 1;
        if self.log.len() >= LOG_LENGTH {
            self.log.pop_front();
        }
        self.log.push_back(Request {
            ordinal: self.requests,
            method: method.to_owned(),
            path: path_and_query.to_owned(),
        });
        let path = path_and_query.split('?').next().unwrap_or_default();
        let ordinal = self.requests;
        self.take(|when| when.meets(ordinal, method, path))
    }

    /// Notes a command and takes the fault that it meets.
    pub fn meet_command(&mut self) -> Option<Effect> {
        self.commands += 1;
        let ordinal = self.commands;
        self.take(|when| *when == When::Command(ordinal))
    }

    fn take(&mut self, meets: impl Fn(&When) -> bool) -> Option<Effect> {
        let at = self.faults.iter().position(|fault| fault.count > 0 && meets(&fault.when))?;
        let fault = self.faults.get_mut(at)?;
        fault.count -= 1;
        let effect = fault.then.clone();
        self.faults.retain(|fault| fault.count > 0);
        Some(effect)
    }
}

impl When {
    fn meets(&self, request: u64, verb: &str, target: &str) -> bool {
        match self {
            Self::Ordinal(ordinal) => *ordinal == request,
            Self::Command(_) => false,
            Self::Matches { method, path } => {
                (method == "*" || method.eq_ignore_ascii_case(verb)) && pattern(path, target)
            }
        }
    }
}

/// Whether `text` holds the pattern; see [`When::Matches`].
fn pattern(pattern: &str, text: &str) -> bool {
    let (from_start, rest) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
    let (to_end, rest) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
    // `.*` of regular expressions means the same here.
    let rest = rest.replace(".*", "*");
    let pieces: Vec<&str> = rest.split('*').collect();
    let mut left = text;
    for (index, piece) in pieces.iter().enumerate() {
        let last = index + 1 == pieces.len();
        let found = if index == 0 && from_start {
            left.starts_with(piece).then_some(0)
        } else if last && to_end {
            left.ends_with(piece).then(|| left.len() - piece.len())
        } else {
            left.find(piece)
        };
        let Some(at) = found else { return false };
        left = left.get(at + piece.len()..).unwrap_or_default();
    }
    !to_end || left.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meets(path: &str, target: &str) -> bool {
        When::Matches { method: "POST".to_owned(), path: path.to_owned() }.meets(1, "POST", target)
    }

    #[test]
    fn a_pattern_meets_the_paths_it_describes_and_no_others() {
        assert!(meets("/ports", "/network/v2.0/ports"));
        assert!(meets("^/network/*/ports$", "/network/v2.0/ports"));
        assert!(!meets("/ports$", "/network/v2.0/ports/1"));
        assert!(!meets("^/ports", "/network/v2.0/ports"));
        assert!(meets("/servers/.*/action$", "/compute/v2.1/servers/7/action"));
    }

    #[test]
    fn a_fault_is_used_up_after_its_count() {
        let when = When::Matches { method: "*".to_owned(), path: "/x".to_owned() };
        let mut faults = Faults::default();
        faults.faults.push(Fault { when, then: Effect::CloseAfterHandling, count: 2 });
        let met = [(); 3].map(|()| faults.meet("GET", "/x?a=b").is_some());
        assert_eq!(met, [true, true, false]);
        assert_eq!(faults.requests, 3);
    }
}
