//! Holds Pontoon to real LXD hosts: brings up a lab of its own, runs tests of `crates/cloud` on its network, and
//! takes it down again, whatever came of them.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use super::Ended;
use super::counts::Counts;
use crate::checkout::{cargo, text};
use crate::command::{self, Stream};
use crate::lab::lxd::{Lab, what_is_missing};

/// Tests of the crate `pontoon-cloud` that want real hosts.
const TESTS: [&str; 2] = ["lxd_lab", "lxd_real"];

/// The lab of the tests, apart from one that somebody works in.
const NAME: &str = "test";

pub(super) fn run(root: &Path) -> Result<Ended, String> {
    if let Some(missing) = what_is_missing() {
        return Ok(Ended::LeftOut(format!("there are no real LXD hosts to test on: {missing}")));
    }
    let programs = programs(root)?;
    let lab = Lab::named(root, NAME)?;
    // What an earlier run left behind, if it was cut short.
    command::run(lab.program("down").arg("--delete"))?;
    let result = on_hosts(&lab, &programs);
    command::run(lab.program("down").arg("--delete"))?;
    result
}

fn on_hosts(lab: &Lab, programs: &[String]) -> Result<Ended, String> {
    let begun = Instant::now();
    lab.up(2)?;
    let up = begun.elapsed().as_secs();
    let (lan, state, image) = (lab.fact("lan")?, lab.fact("state")?, lab.fact("container_image")?);
    let mut counts = Counts::default();
    let mut result = Ok(());
    for program in programs {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &lan, program]).env("PONTOON_LAB_LXD", NAME);
        inside.env("PONTOON_LAB_LXD_STATE", &state).env("PONTOON_LAB_LXD_IMAGE", &image);
        // The engine's socket, seen from outside the host: its disk is a directory here.
        inside.env("PONTOON_TEST_LXD_SOCKET", format!("{state}/machines/lxd0/lxd/unix.socket"));
        inside.env("PONTOON_TEST_LXD_IMAGE", &image);
        result = result.and(command::run_and_hear(&mut inside, Stream::Output, |line| counts.hear(line)));
    }
    result.map_err(|message| format!("{counts}: {message}"))?;
    Ok(Ended::Well(format!("{counts}; {up} s until hosts were up, {} s in all", begun.elapsed().as_secs())))
}

/// The programs of the tests, built. They are run without cargo, for nothing can be fetched on the lab's network.
fn programs(root: &Path) -> Result<Vec<String>, String> {
    let mut build = cargo(root);
    build.args(["test", "--no-run", "--locked", "--message-format", "json-render-diagnostics"]);
    build.args(["--package", "pontoon-cloud"]);
    build.args(TESTS.iter().flat_map(|test| ["--test", test]));
    let built = command::output(&mut build)?;
    let messages = built.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs: Vec<String> =
        messages.map(|message| text(&message, "executable").to_owned()).filter(|path| !path.is_empty()).collect();
    if programs.len() == TESTS.len() { Ok(programs) } else { Err(format!("built are only {}", programs.join(", "))) }
}
