//! The door of the LXD lab: machines in namespaces, which the user-data that Pontoon renders makes into real LXD hosts.
//!
//! How a machine comes about is said in `lab/lxd`, which knows nothing of Pontoon. This file has Pontoon render what the
//! machines are told, puts an ssh key of the lab in it, and calls the lab's programs. `docs/lab.md` is the manual.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::checkout::{cargo, list, text};
use crate::command::{self, is_there};

/// What can be asked of the lab.
pub(crate) const VERBS: &str = "up [COUNT] | down [--delete|--purge] | status";

/// How many hosts there are where nobody says.
const HOSTS: u8 = 2;

/// What the lab's programs call, where they do not have it from any Debian or Ubuntu: a call that succeeds where it is
/// there, and its package.
const TOOLS: [(&[&str], &str); 6] = [
    (&["mmdebstrap", "--version"], "mmdebstrap"),
    (&["zstd", "--version"], "zstd"),
    (&["ip", "-V"], "iproute2"),
    (&["dnsmasq", "--version"], "dnsmasq-base"),
    (&["script", "--version"], "bsdutils"),
    (&["strip", "--version"], "binutils"),
];

/// Brings the lab up or down, or says how it is.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let usage = || format!("usage: cargo xtask lab lxd {VERBS}");
    let (verb, rest) = arguments.split_first().ok_or_else(usage)?;
    let lab = Lab::new(root)?;
    match (verb.as_str(), rest) {
        ("up", []) => lab.up(HOSTS),
        ("up", [count]) => lab.up(count.parse().ok().filter(|count| (1..=9).contains(count)).ok_or_else(usage)?),
        ("down" | "status", rest) => command::run(lab.program(verb).args(rest)),
        _ => Err(usage()),
    }
}

/// Why this machine cannot have the lab; `None` where it can.
pub(crate) fn what_is_missing() -> Option<String> {
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !["debian", "ubuntu"].iter().any(|id| system.lines().any(|line| line == format!("ID={id}"))) {
        return Some("this is neither Debian nor Ubuntu".to_owned());
    }
    if !is_there("sh", &["-c", "test $(id -u) = 0"]) {
        return Some("it needs root, for namespaces, mounts and bridges".to_owned());
    }
    let is_missing = |call: &[&str]| call.split_first().is_none_or(|(program, rest)| !is_there(program, rest));
    let missing: Vec<&str> = TOOLS.iter().filter(|(call, _)| is_missing(call)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        return Some(format!("these packages are not installed: {}", missing.join(", ")));
    }
    if !is_there("unshare", &["--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "--cgroup", "true"]) {
        return Some("the kernel makes no namespaces here".to_owned());
    }
    let file_systems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    // A module that is not loaded yet is loaded by the first mount, if there are modules.
    let missing = ["overlay", "btrfs"].into_iter().find(|name| {
        !file_systems.lines().any(|line| line.ends_with(name)) && !is_there("modprobe", &["--quiet", name])
    });
    missing.map(|name| format!("the kernel has no {name}"))
}

/// A lab that may be up or not. Its name sets it apart from others on this machine.
pub(crate) struct Lab {
    root: PathBuf,
    name: String,
}

impl Lab {
    /// The lab that `PONTOON_LAB_LXD` names, `lxd` where it does not.
    fn new(root: &Path) -> Result<Self, String> {
        let name = std::env::var("PONTOON_LAB_LXD").unwrap_or_else(|_| "lxd".to_owned());
        Self::named(root, &name)
    }

    /// The lab of this name: a word that can be a part of a file's name.
    pub(crate) fn named(root: &Path, name: &str) -> Result<Self, String> {
        let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !is_word {
            return Err(format!("`{name}` is no name for a lab: it is made of small letters and digits"));
        }
        Ok(Self { root: root.to_owned(), name: name.to_owned() })
    }

    /// One of its programs, such as `down`.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut program = Command::new(super::directory(&self.root, "lxd").join(format!("{name}.sh")));
        program.env("PONTOON_LAB_LXD", &self.name);
        program
    }

    /// Something that the lab's programs agree on, such as where its `state` is.
    pub(crate) fn fact(&self, name: &str) -> Result<String, String> {
        let names = super::directory(&self.root, "lxd").join("names.sh");
        let mut shell = Command::new("bash");
        shell.args(["-euc", ". \"$0\"; printf %s \"${!1}\""]).arg(names).arg(name).env("PONTOON_LAB_LXD", &self.name);
        command::output(&mut shell)
    }

    /// Brings up so many hosts, each with the user-data that Pontoon renders for it.
    pub(crate) fn up(&self, hosts: u8) -> Result<(), String> {
        if let Some(missing) = what_is_missing() {
            return Err(format!("the lab cannot be here: {missing}"));
        }
        let state = PathBuf::from(self.fact("state")?);
        let documents = state.join("user-data");
        fs::create_dir_all(&documents).map_err(|error| format!("cannot make {}: {error}", documents.display()))?;
        let key = public_key(&state)?;
        for (host, user_data) in self.user_data(hosts)? {
            let path = documents.join(&host);
            fs::write(&path, user_data.replace(PLACEHOLDER, &key))
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        command::run(self.program("up").arg(documents))
    }

    /// Hosts and their user-data, as `pontoon render` prints it for the stack `lab/lxd/stack`.
    fn user_data(&self, hosts: u8) -> Result<Vec<(String, String)>, String> {
        // Whoever has a pontoon already need not build another.
        let mut pontoon = std::env::var_os("PONTOON").map_or_else(
            || {
                let mut cargo = cargo(&self.root);
                cargo.args(["run", "--quiet", "--locked", "--package", "pontoon", "--"]);
                cargo
            },
            Command::new,
        );
        pontoon.args(["render", "--json", "--set"]);
        pontoon.arg(format!("hosts.lxd.count={hosts}")).arg(super::directory(&self.root, "lxd").join("stack"));
        let rendered: Value = serde_json::from_str(&command::output(&mut pontoon)?)
            .map_err(|error| format!("what `pontoon render` prints is not understood: {error}"))?;
        let documents = list(&rendered, "documents").filter(|document| text(document, "kind") == "user-data");
        Ok(documents
            .map(|document| (text(document, "host").to_owned(), text(document, "content").to_owned()))
            .collect())
    }
}

/// What `pontoon render` says in place of the public key of the stack's key pair, which only a cloud knows.
const PLACEHOLDER: &str = "PUBLIC KEY OF THE KEY PAIR lab";

/// The public half of the lab's ssh key, which is made when it is asked for first.
fn public_key(state: &Path) -> Result<String, String> {
    let private = state.join("id_ed25519");
    if !private.exists() {
        let mut keygen = Command::new("ssh-keygen");
        command::run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"]).arg(&private))?;
    }
    let public = private.with_extension("pub");
    let line = fs::read_to_string(&public).map_err(|error| format!("cannot read {}: {error}", public.display()))?;
    Ok(line.trim().to_owned())
}
