//! Holds the embedded cloud to the unmodified `openstack` client from PyPI.
//!
//! The client lives in a virtual environment below the target directory, which is made once.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Ended;
use crate::checkout::{cargo, target};
use crate::command::{self, is_there};

/// Pinned, so that a new release of a client is a change of this line and not a surprise.
const PACKAGES: [&str; 2] = ["python-openstackclient==10.5.0", "python-octaviaclient==3.15.0"];

/// The last line of the clouds.yaml that `pontoon cloud serve` prints.
const LAST_LINE: &str = "    identity_api_version: 3";

pub(super) fn run(root: &Path) -> Result<Ended, String> {
    if !is_there("python3", &["-c", "import ensurepip, venv"]) {
        return Ok(Ended::LeftOut("python3 with its module venv is not installed (Debian: python3-venv)".to_owned()));
    }
    let client = client(root)?;
    let pontoon = ["--quiet", "--locked", "--package", "pontoon"];
    command::run(cargo(root).arg("build").args(pontoon))?;
    let world = target(root).join("openstack-client-world");
    // What an earlier check left behind, if it was cut short.
    let _ = fs::remove_dir_all(&world);
    // On Unix `cargo run` becomes the program that it starts, so ending the one ends the other.
    let mut cloud = Cloud(
        cargo(root)
            .arg("run")
            .args(pontoon)
            .args(["--", "cloud", "serve", "--speed", "instant"])
            .env("PONTOON_EMBEDDED", &world)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the embedded cloud: {error}"))?,
    );
    let clouds_yaml = target(root).join("openstack-client.clouds.yaml");
    fs::write(&clouds_yaml, cloud.announcement()?)
        .map_err(|error| format!("cannot write {}: {error}", clouds_yaml.display()))?;
    let script = root.join("crates/sim/tests/openstack-client.sh");
    command::run(Command::new("sh").arg(script).arg(&clouds_yaml).env("OPENSTACK", client))?;
    Ok(Ended::Well(PACKAGES.join(", ")))
}

/// The client's program, installed where it is not yet.
fn client(root: &Path) -> Result<PathBuf, String> {
    let environment = target(root).join("openstack-client");
    let installed = environment.join("installed");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&installed).is_ok_and(|packages| packages == wanted) {
        return Ok(environment.join("bin/openstack"));
    }
    command::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    command::run(Command::new(environment.join("bin/pip")).args(["install", "--quiet"]).args(PACKAGES))?;
    // Written last, so that an installation that was cut short is not taken for a whole one.
    fs::write(&installed, wanted).map_err(|error| format!("cannot write {}: {error}", installed.display()))?;
    Ok(environment.join("bin/openstack"))
}

/// The running cloud; it ends with this value, whatever came of the check.
struct Cloud(Child);

impl Cloud {
    /// What the cloud prints when it serves.
    fn announcement(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let output = self.0.stdout.take().ok_or("the embedded cloud has no output")?;
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            text += &line;
            text.push('\n');
            if line == LAST_LINE {
                return Ok(text);
            }
        }
        Err("the embedded cloud ended before it served".to_owned())
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
