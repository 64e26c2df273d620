//! Holds Pontoon to real LXD hosts: brings up a lab of its own, runs tests of `crates/cloud` on its network, and
//! takes it down again, whatever came of them. So are agents measured.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use super::Ended;
use super::counts::Counts;
use crate::checkout::{cargo, target, text};
use crate::command::{self, Stream};
use crate::lab::lxd::{Lab, what_is_missing};

/// Tests of the crate `pontoon-cloud` that want real hosts, in their order: the last one stops the containers of the others,
/// for all together would want more of the kernel than there is (docs/lab.md).
const TESTS: [&str; 3] = ["lxd_lab", "lxd_real", "agent_lab"];

/// How many hosts they want.
const HOSTS: u8 = 3;

/// The lab of the tests, and that of the measurements, apart from one that somebody works in.
const TEST_LAB: &str = "test";
const BENCH_LAB: &str = "bench";

pub(super) fn run(root: &Path) -> Result<Ended, String> {
    if let Some(missing) = what_is_missing() {
        return Ok(Ended::LeftOut(format!("there are no real LXD hosts to test on: {missing}")));
    }
    let stage = Stage { programs: programs(root, &TESTS)?, agent: agent(root, Build::Debug)?, arguments: &[] };
    stage.on_a_lab_of_its_own(root, TEST_LAB)
}

/// `cargo xtask bench agents`: prints how long it takes from an event on one host until the agents of all answer so.
pub(crate) fn bench(root: &Path) -> Result<(), String> {
    if let Some(missing) = what_is_missing() {
        return Err(format!("there are no real LXD hosts to measure: {missing}"));
    }
    let stage = Stage {
        programs: programs(root, &["agent_lab"])?,
        agent: agent(root, Build::Release)?,
        arguments: &["--ignored", "--nocapture", "times::"],
    };
    stage.on_a_lab_of_its_own(root, BENCH_LAB).map(drop)
}

/// What is run on real hosts.
struct Stage<'a> {
    /// Programs of tests.
    programs: Vec<String>,
    /// The program that hosts get as their agent.
    agent: PathBuf,
    arguments: &'a [&'a str],
}

impl Stage<'_> {
    fn on_a_lab_of_its_own(&self, root: &Path, name: &str) -> Result<Ended, String> {
        let lab = Lab::named(root, name)?;
        // What an earlier run left behind, if it was cut short.
        command::run(lab.program("down").arg("--delete"))?;
        let result = self.on_hosts(&lab, name);
        command::run(lab.program("down").arg("--delete"))?;
        result
    }

    fn on_hosts(&self, lab: &Lab, name: &str) -> Result<Ended, String> {
        let begun = Instant::now();
        lab.up(HOSTS)?;
        let up = begun.elapsed().as_secs();
        let (lan, state, image) = (lab.fact("lan")?, lab.fact("state")?, lab.fact("container_image")?);
        let mut counts = Counts::default();
        let mut result = Ok(());
        for program in &self.programs {
            // The network alone: a test that starts a machine has to see where control groups are mounted.
            let mut inside = Command::new("nsenter");
            inside.arg(format!("--net=/run/netns/{lan}")).arg(program).args(self.arguments);
            inside.env("PONTOON_LAB_LXD", name).env("PONTOON_LAB_LXD_STATE", &state);
            inside.env("PONTOON_LAB_LXD_IMAGE", &image).env("PONTOON_LAB_AGENT", &self.agent);
            // The engine's socket, seen from outside the host: its disk is a directory here.
            inside.env("PONTOON_TEST_LXD_SOCKET", format!("{state}/machines/lxd0/lxd/unix.socket"));
            inside.env("PONTOON_TEST_LXD_IMAGE", &image);
            result = result.and(command::run_and_hear(&mut inside, Stream::Output, |line| counts.hear(line)));
        }
        result.map_err(|message| format!("{counts}: {message}"))?;
        Ok(Ended::Well(format!("{counts}; {up} s until hosts were up, {} s in all", begun.elapsed().as_secs())))
    }
}

/// How a program is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    Debug,
    Release,
}

/// The program that hosts get as their agent: the one that `PONTOON_LAB_AGENT` names, else Pontoon as it is built here,
/// without what is in it for a debugger.
fn agent(root: &Path, build: Build) -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("PONTOON_LAB_AGENT") {
        return Ok(named.into());
    }
    let mut cargo = cargo(root);
    cargo.args(["build", "--quiet", "--locked", "--package", "pontoon"]);
    let profile = match build {
        Build::Debug => "debug",
        Build::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    command::run(&mut cargo)?;
    let (built, directory) = (target(root).join(profile).join("pontoon"), target(root).join("lab"));
    std::fs::create_dir_all(&directory).map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    let stripped = directory.join("pontoon");
    command::run(Command::new("strip").arg("-o").arg(&stripped).arg(&built))?;
    Ok(stripped)
}

/// The programs of these tests, built. They are run without cargo, for nothing can be fetched on the lab's network.
fn programs(root: &Path, tests: &[&str]) -> Result<Vec<String>, String> {
    let mut build = cargo(root);
    build.args(["test", "--no-run", "--locked", "--message-format", "json-render-diagnostics"]);
    build.args(["--package", "pontoon-cloud"]);
    build.args(tests.iter().flat_map(|test| ["--test", test]));
    let built = command::output(&mut build)?;
    let messages: Vec<Value> = built.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let program = |test: &&str| {
        let is_it = |message: &&Value| {
            message.get("target").is_some_and(|target| text(target, "name") == *test)
                && !text(message, "executable").is_empty()
        };
        let message = messages.iter().find(is_it).ok_or_else(|| format!("the test `{test}` was not built"))?;
        Ok(text(message, "executable").to_owned())
    };
    tests.iter().map(program).collect()
}
