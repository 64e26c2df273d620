//! The door of the OpenStack lab: a real OpenStack on this machine, whose guests are real, in namespaces of its own.
//!
//! What the lab is and how it comes about is in `lab/openstack`; this file calls it. What Pontoon is held to there are
//! the [`scenarios`], and how fast it is beside others the [`bench`].

pub(crate) mod bench;
mod scenarios;
mod stage;

use std::path::Path;
use std::process::Command;

use crate::command;

/// What can be asked of the lab.
pub(crate) const VERBS: &str =
    "up [--heat] | down [--purge] | status | openrc | run COMMAND… | test [SCENARIO…] | lists";

/// Hands the verb to the lab's own program, or plays scenarios.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let Some((verb, rest)) = arguments.split_first() else {
        return Err(format!("usage: cargo xtask lab openstack {VERBS}"));
    };
    match verb.as_str() {
        "up" | "down" | "status" | "openrc" | "run" => command::run(script(root, verb).args(rest)),
        "lists" => command::run(script(root, "run").arg("/usr/bin/python3").arg(file(root, "lists.py"))),
        "test" => test(root, rest),
        _ => Err(format!("the lab does not know `{verb}`: {VERBS}")),
    }
}

/// Plays the scenarios of the given names, or all, in a lab that is up.
pub(crate) fn test(root: &Path, names: &[String]) -> Result<(), String> {
    scenarios::play(root, names)
}

/// One of the lab's programs, ready to be given arguments.
fn script(root: &Path, name: &str) -> Command {
    Command::new(file(root, &format!("{name}.sh")))
}

fn file(root: &Path, name: &str) -> std::path::PathBuf {
    super::directory(root, "openstack").join(name)
}
