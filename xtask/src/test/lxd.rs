//! Holds Pontoon to real LXD hosts: brings up a lab of its own, runs `lxd_lab` and `lxd_real` of `crates/cloud/tests` on its
//! network, and takes it down again, whatever came of them.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::Ended;
use super::counts::Counts;
use crate::checkout::cargo;
use crate::command::{self, Stream};
use crate::lab::lxd::{Lab, what_is_missing};

/// The lab of the tests, apart from one that somebody works in.
const NAME: &str = "test";

pub(super) fn run(root: &Path) -> Result<Ended, String> {
    if let Some(missing) = what_is_missing() {
        return Ok(Ended::LeftOut(format!("there are no real LXD hosts to test on: {missing}")));
    }
    let tests = ["--locked", "--package", "pontoon-cloud", "--test", "lxd_lab", "--test", "lxd_real"];
    command::run(cargo(root).args(["test", "--no-run"]).args(tests))?;
    let lab = Lab::named(root, NAME)?;
    // What an earlier run left behind, if it was cut short.
    command::run(lab.program("down").arg("--delete"))?;
    let result = on_hosts(&lab, root, &tests);
    command::run(lab.program("down").arg("--delete"))?;
    result
}

fn on_hosts(lab: &Lab, root: &Path, tests: &[&str]) -> Result<Ended, String> {
    let begun = Instant::now();
    lab.up(2)?;
    let up = begun.elapsed().as_secs();
    let mut counts = Counts::default();
    let cargo = cargo(root);
    let mut inside = Command::new("ip");
    // Nothing can be fetched in there.
    inside
        .args(["netns", "exec"])
        .arg(lab.fact("lan")?)
        .arg(cargo.get_program())
        .args(["test", "--offline"])
        .args(tests);
    let (state, image) = (lab.fact("state")?, lab.fact("container_image")?);
    // The engine's socket, seen from outside the host: its disk is a directory here.
    inside.env("PONTOON_TEST_LXD_SOCKET", format!("{state}/machines/lxd0/lxd/unix.socket"));
    inside.env("PONTOON_TEST_LXD_IMAGE", &image);
    inside.env("PONTOON_LAB_LXD_STATE", state).env("PONTOON_LAB_LXD_IMAGE", image).env("PONTOON_LAB_LXD", NAME);
    inside.current_dir(root);
    let ran = command::run_and_hear(&mut inside, Stream::Output, |line| counts.hear(line));
    ran.map_err(|message| format!("{counts}: {message}"))?;
    Ok(Ended::Well(format!("{counts}; {up} s until hosts were up, {} s in all", begun.elapsed().as_secs())))
}
