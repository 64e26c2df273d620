//! `cargo xtask bench lab [RUNS] [WHO…]`: the blog stack on the OpenStack lab, made by Pontoon and by others, in one run.
//!
//! The others are in `bench/`, each with an `up.sh` that ends when the website has answered and a `down.sh`. Time is
//! from the start of a program to its end; requests are those that passed the lab's public door meanwhile, whoever sent
//! them. `floor` is what cannot be left out: `bench/floor/up.sh` says what it does.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::stage::{pontoon, say};
use crate::{checkout, command};

/// Who makes the stack. The first one is what the others are compared with.
const WHO: [&str; 4] = ["floor", "pontoon", "ansible", "heat"];

const STACK: [&str; 3] = ["examples/blog", "--cloud", "lab"];

/// One run of one of them.
struct Measured {
    seconds: f64,
    requests: u32,
}

/// Runs each of the named ones, or all, as often as asked for (once unless said), and prints the table.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let root = checkout::root()?;
    let (runs, names) = match arguments.split_first() {
        Some((first, rest)) if first.parse::<usize>().is_ok() => (first.parse().unwrap_or(1), rest),
        _ => (1, arguments),
    };
    if let Some(unknown) = names.iter().find(|name| !WHO.contains(&name.as_str())) {
        return Err(format!("nobody is called `{unknown}`; there are: {}", WHO.join(", ")));
    }
    let log = door_log(&root)?;
    let pontoon = pontoon(&root)?;
    let mut table = Vec::new();
    for who in WHO.into_iter().filter(|who| names.is_empty() || names.iter().any(|name| name == who)) {
        let mut measured = Vec::new();
        for number in 1..=runs {
            say(&format!("\n{who}, run {number} of {runs}"));
            measured.push(measure(&root, who, &pontoon, &log)?);
        }
        table.push((who, measured));
    }
    say(&rows(&table));
    Ok(())
}

/// Makes the stack, takes the time, and takes the stack away, even where making it failed.
fn measure(root: &Path, who: &str, pontoon: &Path, log: &Path) -> Result<Measured, String> {
    let before = requests(log)?;
    let begun = Instant::now();
    let made = command::run(&mut up(root, who, pontoon));
    let seconds = begun.elapsed().as_secs_f64();
    let requests = requests(log)?.saturating_sub(before);
    say(&format!("{who}: {seconds:.1} s, {requests} requests"));
    command::run(&mut down(root, who, pontoon))?;
    made.map(|()| Measured { seconds, requests })
}

fn up(root: &Path, who: &str, pontoon: &Path) -> Command {
    match who {
        "pontoon" => client(root, pontoon, &[&["up"], STACK.as_slice()].concat()),
        _ => client(root, &peer(root, who).join("up.sh"), &[]),
    }
}

fn down(root: &Path, who: &str, pontoon: &Path) -> Command {
    match who {
        "pontoon" => client(root, pontoon, &[&["down", "--yes"], STACK.as_slice()].concat()),
        _ => client(root, &peer(root, who).join("down.sh"), &[]),
    }
}

/// A program on the lab's internet side.
fn client(root: &Path, program: &Path, arguments: &[&str]) -> Command {
    let mut command = super::script(root, "run");
    command.current_dir(root).arg(program).args(arguments).stdin(Stdio::null());
    command
}

fn peer(root: &Path, who: &str) -> PathBuf {
    root.join("bench").join(who)
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

fn rows(table: &[(&str, Vec<Measured>)]) -> String {
    let floor = table.iter().find(|(who, _)| *who == "floor").and_then(|(_, runs)| median(runs, |run| run.seconds));
    let mut lines = vec![format!("\n{:<10} {:>5} {:>9} {:>9} {:>10}", "who", "runs", "wall s", "requests", "of floor")];
    for (who, runs) in table {
        let (Some(seconds), Some(requests)) =
            (median(runs, |run| run.seconds), median(runs, |run| f64::from(run.requests)))
        else {
            continue;
        };
        let ratio = floor.map_or_else(|| "-".to_owned(), |floor| format!("{:.2}", seconds / floor));
        lines.push(format!("{who:<10} {:>5} {seconds:>9.1} {requests:>9} {ratio:>10}", runs.len()));
    }
    lines.push("wall and requests are medians of the runs".to_owned());
    lines.join("\n")
}

/// The value in the middle; of an even number of them the lower one of the two.
fn median(runs: &[Measured], of: impl Fn(&Measured) -> f64) -> Option<f64> {
    let mut values: Vec<f64> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}
