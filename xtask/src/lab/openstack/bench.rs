//! `cargo xtask bench lab [RUNS] [WHO…] [--fresh]`: the blog stack on the OpenStack lab, made by Pontoon and by others.
//!
//! The others are in `bench/`, each with an `up.sh` that ends when the website has answered, a `down.sh`, and perhaps a
//! `prepare.sh` for what it needs on this machine. Time is from the start of a program to its end; requests are those that
//! passed the lab's public door meanwhile, whoever sent them. `floor` is what cannot be left out: `bench/floor/up.sh` says
//! what it does.
//!
//! They take turns, so that what else the machine does hits all of them alike. Each run is written down when it is over
//! ([`results`]), and a benchmark that was interrupted goes on where it stopped.

mod results;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::stage::{Lists, Stage, differences, say};
use crate::{checkout, command};
use results::{Measured, Results, table};

/// Who makes the stack. The first one is what the others are compared with.
const WHO: [&str; 4] = ["floor", "pontoon", "ansible", "heat"];

const STACK: [&str; 3] = ["examples/blog", "--cloud", "lab"];

/// What was asked for on the command line.
struct Asked {
    runs: usize,
    who: Vec<&'static str>,
    fresh: bool,
}

/// Runs each of the named ones, or all, until each has as many runs as asked for (one unless said), and prints the table.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let asked = asked(arguments)?;
    let root = checkout::root()?;
    let stage = Stage::open(&root)?;
    let mut bench = Bench {
        before: stage.lists()?,
        stage,
        log: door_log(&root)?,
        results: Results::open(&root.join("target/lab/bench.jsonl"), asked.fresh)?,
        root,
    };
    asked.who.iter().try_for_each(|who| bench.prepare(who))?;
    bench.take_away_leftovers()?;
    let mut failed = Vec::new();
    for round in 1..=asked.runs {
        for who in &asked.who {
            if let Some(failure) = bench.turn(who, round, asked.runs)? {
                failed.push(failure);
            }
        }
    }
    let rows: Vec<(&str, Vec<Measured>)> = bench.rows(&asked.who)?;
    say(&table(&rows));
    if failed.is_empty() { Ok(()) } else { Err(format!("the same command tries these again:\n{}", failed.join("\n"))) }
}

fn asked(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked { runs: 1, who: Vec::new(), fresh: false };
    for argument in arguments {
        match (argument.as_str(), argument.parse()) {
            ("--fresh", _) => asked.fresh = true,
            (_, Ok(runs)) => asked.runs = runs,
            (name, Err(_)) => match WHO.into_iter().find(|who| *who == name) {
                Some(who) => asked.who.push(who),
                None => return Err(format!("nobody is called `{name}`; there are: {}", WHO.join(", "))),
            },
        }
    }
    if asked.who.is_empty() {
        asked.who = WHO.to_vec();
    }
    Ok(asked)
}

/// The lab, and what there is to measure with.
struct Bench {
    root: PathBuf,
    stage: Stage,
    /// What the tenancy was like; it is like that again after each run.
    before: Lists,
    log: PathBuf,
    results: Results,
}

impl Bench {
    /// What somebody has to have before the clock: from outside of the lab, which reaches no package index.
    fn prepare(&self, who: &str) -> Result<(), String> {
        let program = self.peer(who).join("prepare.sh");
        if program.is_file() { command::run(&mut Command::new(program)) } else { Ok(()) }
    }

    /// Empties a lab in which a benchmark was interrupted.
    fn take_away_leftovers(&mut self) -> Result<(), String> {
        let is_left = |kind: &str| self.before.get(kind).is_some_and(|list| !list.is_empty());
        if ["servers", "load balancers", "floating IPs"].into_iter().any(is_left) {
            say("something is left in the lab, which is taken away");
            WHO.into_iter().try_for_each(|who| command::run(&mut self.down(who)))?;
            self.before = self.stage.lists()?;
        }
        Ok(())
    }

    /// One run of one of them, unless an earlier benchmark has made it; why it failed, if it did.
    ///
    /// # Errors
    /// The lab cannot be measured on any more: something was left there.
    fn turn(&mut self, who: &str, round: usize, rounds: usize) -> Result<Option<String>, String> {
        let made_by = self.made_by(who)?;
        if let Some(run) = self.results.of(who, made_by).get(round - 1) {
            say(&format!("{who}, round {round} of {rounds}: {run}, from an earlier call"));
            return Ok(None);
        }
        say(&format!("\n{who}, round {round} of {rounds}, load {}", load()));
        let result = self.measure(who);
        let took_away = command::run(&mut self.down(who)).and_then(|()| self.is_as_it_was());
        let failure = match result {
            Ok(run) => {
                say(&format!("{who}, round {round} of {rounds}: {run}"));
                self.results.add(who, made_by, run)?;
                None
            }
            Err(message) => {
                say(&format!("{who}, round {round} of {rounds}: FAILED: {message}"));
                Some(format!("{who}: {message}"))
            }
        };
        took_away.map_err(|message| format!("what {who} made is not taken away: {message}"))?;
        Ok(failure)
    }

    /// Makes the stack and takes the time.
    fn measure(&self, who: &str) -> Result<Measured, String> {
        let before = requests(&self.log)?;
        let load = load();
        let begun = Instant::now();
        command::run(&mut self.up(who))?;
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Measured { seconds, requests: requests(&self.log)?.saturating_sub(before), load })
    }

    fn is_as_it_was(&self) -> Result<(), String> {
        let differences = differences(&self.before, &self.stage.lists()?);
        if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
    }

    fn rows(&self, who: &[&'static str]) -> Result<Vec<(&'static str, Vec<Measured>)>, String> {
        // The floor too where it was not asked for: it is what the others are compared with.
        let shown = WHO.into_iter().filter(|name| *name == "floor" || who.contains(name));
        shown.map(|name| Ok((name, self.results.of(name, self.made_by(name)?)))).collect()
    }

    fn up(&self, who: &str) -> Command {
        match who {
            "pontoon" => self.client(self.stage.program(), &[&["up"], STACK.as_slice()].concat()),
            _ => self.client(&self.peer(who).join("up.sh"), &[]),
        }
    }

    fn down(&self, who: &str) -> Command {
        match who {
            "pontoon" => self.client(self.stage.program(), &[&["down", "--yes"], STACK.as_slice()].concat()),
            _ => self.client(&self.peer(who).join("down.sh"), &[]),
        }
    }

    /// A program on the lab's internet side.
    fn client(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = super::script(&self.root, "run");
        command.current_dir(&self.root).arg(program).args(arguments).stdin(Stdio::null());
        command
    }

    fn peer(&self, who: &str) -> PathBuf {
        self.root.join("bench").join(who)
    }

    /// Stands for the files that decide what a run does: runs of other ones are no runs of this.
    fn made_by(&self, who: &str) -> Result<u64, String> {
        match who {
            "pontoon" => results::hash_of(&[self.stage.program().to_path_buf(), self.root.join(STACK[0])]),
            _ => results::hash_of(&[self.peer(who), self.root.join("bench"), self.root.join(STACK[0])]),
        }
    }
}

/// The log of the proxy before the public APIs.
fn door_log(root: &Path) -> Result<PathBuf, String> {
    command::output(super::script(root, "openrc").arg("log")).map(|text| PathBuf::from(text.trim()))
}

/// How many requests have passed the door so far. A line of its log is a request; what haproxy says of itself begins
/// otherwise.
fn requests(log: &Path) -> Result<u32, String> {
    let text = std::fs::read_to_string(log).map_err(|error| format!("cannot read {}: {error}", log.display()))?;
    let count = text.lines().filter(|line| line.starts_with(|letter: char| letter.is_ascii_digit())).count();
    u32::try_from(count).map_err(|_| "the log has more lines than there are requests in a year".to_owned())
}

/// The machine's load of the last minute, which tells how much a run is worth.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default()
}
