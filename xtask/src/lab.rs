//! `cargo xtask lab`: real machines to hold Pontoon against, on this machine and inside network namespaces of their own.
//!
//! A lab is a directory below `lab/` with the programs that build it up and take it down, and a file here that is its
//! door. This file knows the names of the labs and nothing else about them.

pub(crate) mod lxd;
pub(crate) mod openstack;

use std::path::{Path, PathBuf};

use crate::checkout;

/// One lab.
struct Lab {
    name: &'static str,
    verbs: &'static str,
    run: fn(&Path, &[String]) -> Result<(), String>,
}

const LABS: [Lab; 2] = [
    Lab { name: "lxd", verbs: lxd::VERBS, run: lxd::run },
    Lab { name: "openstack", verbs: openstack::VERBS, run: openstack::run },
];

/// Opens the door of the lab that is named first.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let root = checkout::root()?;
    let Some((name, rest)) = arguments.split_first() else {
        return Err(usage());
    };
    if name == "test" {
        return openstack::test(&root, rest);
    }
    match LABS.iter().find(|lab| lab.name == name) {
        Some(lab) => (lab.run)(&root, rest),
        None => Err(format!("there is no lab `{name}`\n{}", usage())),
    }
}

/// The directory that has a lab's programs.
pub(crate) fn directory(root: &Path, name: &str) -> PathBuf {
    root.join("lab").join(name)
}

fn usage() -> String {
    let lines: Vec<String> = LABS.iter().map(|lab| format!("  cargo xtask lab {} {}", lab.name, lab.verbs)).collect();
    format!("usage:\n{}\n  cargo xtask lab test [SCENARIO…]    those of the OpenStack lab", lines.join("\n"))
}
