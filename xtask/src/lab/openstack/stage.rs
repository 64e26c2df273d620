//! What scenarios act with: `pontoon` and other clients on the lab's internet side, and what they measure and compare.
//!
//! Nothing here knows what a scenario is about.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::checkout::{cargo, target};
use crate::command;

/// A place on the lab's internet side.
pub(super) struct Stage {
    root: PathBuf,
    pontoon: PathBuf,
    /// `target/lab/events.jsonl`: what `pontoon` said, event by event, for who wants to know why.
    events: File,
    /// Requests to the cloud's services since the last [`Stage::take_requests`], as `pontoon` counts them.
    requests: u64,
}

/// What a run of `pontoon` was like.
pub(super) struct Run {
    pub(super) exit: Option<i32>,
    pub(super) events: Vec<Value>,
    pub(super) took: Duration,
}

/// Every list of the tenancy: by kind, a line for each thing in it.
pub(super) type Lists = BTreeMap<String, Vec<String>>;

impl Stage {
    /// In a lab that is up.
    pub(super) fn open(root: &Path) -> Result<Self, String> {
        command::output(&mut super::script(root, "openrc"))?;
        let image = root.join("target/lab/container.tar.zst");
        if !image.exists() {
            let up = "`cargo xtask lab openstack up` puts it there, also where the lab is up already";
            return Err(format!("the container image {} is missing; {up}", image.display()));
        }
        let pontoon = pontoon(root)?;
        let path = root.join("target/lab/events.jsonl");
        let events = File::create(&path).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(Self { root: root.to_path_buf(), pontoon, events, requests: 0 })
    }

    /// The binary that is held to the scenarios.
    pub(super) fn program(&self) -> &Path {
        &self.pontoon
    }

    /// Runs `pontoon` to its end.
    pub(super) fn pontoon(&mut self, arguments: &[&str]) -> Result<Run, String> {
        self.pontoon_until(arguments, |_| false)
    }

    /// Runs `pontoon` until an event is the one, and then ends it as a crash would; or to its end.
    pub(super) fn pontoon_until(
        &mut self,
        arguments: &[&str],
        the_one: impl Fn(&Value) -> bool,
    ) -> Result<Run, String> {
        say(&format!("$ pontoon {}", arguments.join(" ")));
        let begun = Instant::now();
        let mut command = self.client(&self.pontoon);
        // Right behind the verb: what stands at the end may be another command's.
        let (verb, rest) = arguments.split_at(arguments.len().min(1));
        command.args(verb).arg("--json").args(rest).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cannot run pontoon: {error}"))?;
        let mut events = Vec::new();
        for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines).map_while(Result::ok)
        {
            writeln!(self.events, "{line}").map_err(|error| format!("cannot write events.jsonl: {error}"))?;
            let event = serde_json::from_str(&line).unwrap_or(Value::Null);
            if the_one(&event) {
                child.kill().map_err(|error| format!("cannot kill pontoon: {error}"))?;
            }
            events.push(event);
        }
        let exit = child.wait().map_err(|error| format!("cannot wait for pontoon: {error}"))?.code();
        let run = Run { exit, events, took: begun.elapsed() };
        self.requests += run.requests();
        say(&run.in_words());
        Ok(run)
    }

    /// The requests that were counted since this was last asked.
    pub(super) fn take_requests(&mut self) -> u64 {
        std::mem::take(&mut self.requests)
    }

    /// What a program prints that runs on the internet side.
    pub(super) fn output(&self, program: &str, arguments: &[impl AsRef<OsStr>]) -> Result<String, String> {
        command::output(self.client(Path::new(program)).args(arguments))
    }

    /// A page, asked for from the internet side.
    pub(super) fn page(&self, url: &str) -> Result<String, String> {
        self.output("curl", &["--silent", "--show-error", "--fail", "--max-time", "20", url])
    }

    /// A page, asked for by a neighbour on the tenant network.
    pub(super) fn page_for_a_neighbour(&self, url: &str) -> Result<String, String> {
        command::output(super::script(&self.root, "neighbour").arg(url).stderr(Stdio::null()))
    }

    /// Every list of the tenancy.
    pub(super) fn lists(&self) -> Result<Lists, String> {
        let program = super::file(&self.root, "lists.py");
        let text = self.output("/usr/bin/python3", &[program])?;
        serde_json::from_str(&text).map_err(|error| format!("the lists are not understood: {error}"))
    }

    /// Writes a file below `target/lab`, where the container image is.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.root.join("target/lab").join(name);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, text)).map_err(|error| format!("cannot write {name}: {error}"))
    }

    /// The text of a file of the repository.
    pub(super) fn read(&self, name: &str) -> Result<String, String> {
        std::fs::read_to_string(self.root.join(name)).map_err(|error| format!("cannot read {name}: {error}"))
    }

    fn client(&self, program: &Path) -> Command {
        let mut command = super::script(&self.root, "run");
        command.current_dir(&self.root).arg(program);
        command
    }
}

impl Run {
    /// The word for how it ended.
    pub(super) fn outcome(&self) -> &str {
        self.last("outcome").and_then(Value::as_str).unwrap_or("no outcome")
    }

    /// Where the only balancer answers.
    pub(super) fn url(&self) -> Result<&str, String> {
        self.last("endpoints")
            .and_then(|endpoints| endpoints.get(0)?.get("url")?.as_str())
            .ok_or_else(|| "no balancer answered".to_owned())
    }

    /// The things in a list of what was said last, such as `hosts` of `status`.
    pub(super) fn listed(&self, field: &str) -> impl Iterator<Item = &Value> {
        self.last(field).and_then(Value::as_array).into_iter().flatten()
    }

    /// What a command in a container printed.
    pub(super) fn printed(&self) -> &str {
        self.last("stdout").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a step of the verb on the resource was in one of its plans, such as `replace` and `container/hugo-0`.
    pub(super) fn planned(&self, verb: &str, resource: &str) -> bool {
        let steps = self.events.iter().filter_map(|event| event.get("steps")?.as_array()).flatten();
        steps.into_iter().any(|step| step.get("verb").and_then(Value::as_str) == Some(verb) && names(step, resource))
    }

    /// Why nothing may be written, in words; empty where something may.
    pub(super) fn blocked(&self) -> Vec<String> {
        let plans = self.events.iter().filter_map(|event| event.get("blocked")?.as_array());
        plans.flatten().map(ToString::to_string).collect()
    }

    fn requests(&self) -> u64 {
        self.last("requests").and_then(Value::as_u64).unwrap_or(0)
    }

    fn last(&self, field: &str) -> Option<&Value> {
        self.events.last()?.get(field)
    }

    fn in_words(&self) -> String {
        let exit = self.exit.map_or_else(|| "killed".to_owned(), |code| format!("exit {code}"));
        let failures =
            self.last("failures").filter(|failures| failures.as_array().is_some_and(|list| !list.is_empty()));
        let why = failures.or_else(|| self.last("message")).map_or_else(String::new, |value| format!(": {value}"));
        format!("  {exit}, {}, {:.1} s, {} requests{why}", self.outcome(), self.took.as_secs_f64(), self.requests())
    }
}

/// The binary that is held to the scenarios: the file that the variable `PONTOON` names, or a release of this checkout.
fn pontoon(root: &Path) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("PONTOON") {
        return Ok(PathBuf::from(path));
    }
    command::run(cargo(root).args(["build", "--locked", "--release", "--package", "pontoon"]))?;
    Ok(target(root).join("release/pontoon"))
}

/// Whether an event or a step is about the resource, such as `host/lxd0`.
pub(super) fn names(event: &Value, resource: &str) -> bool {
    let keys = event.get("keys").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_str).any(|key| key.ends_with(&format!(":{resource}")))
}

/// What one list has and the other has not, line by line; empty where they are equal.
pub(super) fn differences(before: &Lists, after: &Lists) -> Vec<String> {
    let only_in = |these: &Lists, others: &Lists, sign: char| -> Vec<String> {
        let lines = these.iter().flat_map(|(kind, lines)| lines.iter().map(move |line| (kind, line)));
        let missing = lines.filter(|(kind, line)| !others.get(*kind).is_some_and(|list| list.contains(line)));
        missing.map(|(kind, line)| format!("{sign} {kind}: {line}")).collect()
    };
    [only_in(before, after, '-'), only_in(after, before, '+')].concat()
}

/// Says something at once, even into a pipe.
pub(super) fn say(text: &str) {
    println!("{text}");
    // A reader that has gone away is nobody's failure.
    let _ = std::io::stdout().flush();
}
