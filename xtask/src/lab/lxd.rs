//! The door of the LXD lab: real LXD daemons, each in a network namespace of its own that stands for a host.
//!
//! What the lab is and how it comes about is in `lab/lxd`; this file calls it.

use std::path::Path;
use std::process::Command;

use crate::command;

/// What can be asked of the lab.
pub(crate) const VERBS: &str = "up [HOST…] | down [--purge] | status";

/// Hands the verb to the lab's own program.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let Some((verb, rest)) = arguments.split_first() else {
        return Err(format!("usage: cargo xtask lab lxd {VERBS}"));
    };
    match verb.as_str() {
        "up" | "down" | "status" => command::run(script(root, verb).args(rest)),
        _ => Err(format!("the lab does not know `{verb}`: {VERBS}")),
    }
}

/// One of the lab's programs, ready to be given arguments.
fn script(root: &Path, verb: &str) -> Command {
    Command::new(super::directory(root, "lxd").join(format!("{verb}.sh")))
}
