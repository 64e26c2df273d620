//! `cargo xtask fuzz`: the decoders of the gossip against libFuzzer.
//!
//! The targets are a workspace of their own in `crates/ring/fuzz`, laid out as cargo-fuzz wants them. It is not needed
//! here, but a nightly compiler is, for its instrumentation. Every test run drives the same targets without either, on
//! a fixed budget (`crates/ring/tests/fuzz.rs`).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::checkout;
use crate::command::{self, Stream, is_there};

const DIRECTORY: &str = "crates/ring/fuzz";

/// Where a build and what it finds lies, below the checkout's own target directory.
const WORK: &str = "target/fuzz";

/// A decoder, and the recorded bytes that libFuzzer begins with.
struct Target {
    name: &'static str,
    /// Which lines of the recordings.
    sorts: &'static [&'static str],
    /// How many bytes of a line stand before what this decoder reads, mostly.
    skipped: usize,
    /// The bytes by which the target chooses what to expect, each once before every seed.
    choices: &'static [u8],
    /// What it begins with beside or in place of them.
    text: &'static str,
}

/// A line of each kind. Chance alone has not found an address in one within ten minutes.
const SNAPSHOT: &str = "alive: n1 127.0.0.1:7946\nalive: n 2 [fe80::1]:9\nclock: 7\nevent-clock: 9\nquery-clock: 1\n\
                        not-alive: n1\ncoordinate: {}\nleave\nalive: n3 192.0.2.7:7946\n#\n";

const TARGETS: [Target; 7] = [
    Target { name: "packet", sorts: &["datagram"], skipped: 0, choices: &[], text: "" },
    Target { name: "stream", sorts: &["request", "reply"], skipped: 0, choices: &[0x04, 0xf5], text: "" },
    // Behind a checksum and the kind of a user message.
    Target { name: "serf", sorts: &["datagram"], skipped: 6, choices: &[], text: "" },
    // Behind the head of an ack.
    Target { name: "tags", sorts: &["datagram"], skipped: 13, choices: &[], text: "" },
    Target { name: "snapshot", sorts: &[], skipped: 0, choices: &[0, 1], text: SNAPSHOT },
    Target { name: "request", sorts: &["rpc-request"], skipped: 0, choices: &[], text: "" },
    Target { name: "reply", sorts: &["rpc-reply"], skipped: 0, choices: &[0, 1, 2, 3, 4, 5, 6, 7, 8], text: "" },
];

/// What cargo-fuzz gives the compiler: coverage that libFuzzer sees, and checks of memory.
const FLAGS: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Zsanitizer=address",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
    "-Cdebuginfo=line-tables-only",
];

/// Runs all targets, or those of the given names, each for as many minutes as `--minutes` says.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (minutes, names) = parse(arguments)?;
    let is_chosen = |target: &&Target| names.is_empty() || names.iter().any(|name| name == target.name);
    let chosen: Vec<&Target> = TARGETS.iter().filter(is_chosen).collect();
    if !is_there("cargo", &["+nightly", "--version"]) {
        return Err(
            "fuzzing needs the nightly compiler: `rustup toolchain install nightly --profile minimal`".to_owned()
        );
    }
    let root = checkout::root()?;
    let host = host()?;
    command::run(
        Command::new("cargo")
            .args(["+nightly", "build", "--release", "--target", &host, "--target-dir"])
            .arg(root.join(WORK))
            .env("RUSTFLAGS", FLAGS.join(" "))
            .current_dir(root.join(DIRECTORY)),
    )?;
    let (mut lines, mut failed) = (Vec::new(), Vec::new());
    for target in &chosen {
        let name = target.name;
        let corpus = root.join(WORK).join("corpus").join(name);
        seed(&root, &corpus, target)?;
        let findings = root.join(WORK).join("findings");
        fs::create_dir_all(&findings).map_err(|error| format!("cannot make `{}`: {error}", findings.display()))?;
        let program = root.join(WORK).join(&host).join("release").join(name);
        let mut run = 0;
        let ran = command::run_and_hear(
            Command::new(&program)
                .arg(&corpus)
                .arg(format!("-max_total_time={}", minutes * 60))
                .arg(format!("-artifact_prefix={}/{name}-", findings.display()))
                .args(["-rss_limit_mb=2048", "-timeout=60"])
                .args(["-print_final_stats=1", "-print_funcs=0", "-verbosity=0"]),
            Stream::Error,
            |line| run = executed(line).unwrap_or(run),
        );
        if let Err(message) = ran {
            eprintln!("{name}: {message}");
            failed.push(name);
        }
        let edges = coverage(&program, &corpus).map_or_else(|| "unknown".to_owned(), |edges| edges.to_string());
        lines.push(format!("{name:<10} {run:>14} {edges:>10}"));
    }
    println!("\n{:<10} {:>14} {:>10}   in {minutes} minutes each", "target", "inputs", "edges");
    println!("{}", lines.join("\n"));
    if failed.is_empty() { Ok(()) } else { Err(format!("what breaks {} lies in {WORK}/findings", failed.join(", "))) }
}

/// How many inputs a target was given, where libFuzzer says so.
fn executed(line: &str) -> Option<u64> {
    line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok()
}

/// How many edges of the program, its dependencies and the standard library among it, all that was found runs over.
fn coverage(program: &Path, corpus: &Path) -> Option<u64> {
    let mut command = Command::new(program);
    let ended = command.arg(corpus).arg("-runs=0").stdout(Stdio::null()).output().ok()?;
    edges(&String::from_utf8_lossy(&ended.stderr))
}

fn edges(said: &str) -> Option<u64> {
    let mut words = said.lines().find(|line| line.contains("INITED"))?.split_whitespace();
    words.find(|word| *word == "cov:")?;
    words.next()?.parse().ok()
}

fn parse(arguments: &[String]) -> Result<(u64, Vec<String>), String> {
    let (mut minutes, mut names) = (10, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--minutes" {
            minutes = arguments
                .next()
                .and_then(|text| text.parse().ok())
                // libFuzzer takes none for no bound.
                .filter(|minutes| *minutes > 0)
                .ok_or("`--minutes` needs a whole number of minutes")?;
        } else if TARGETS.iter().any(|target| target.name == argument) {
            names.push(argument.clone());
        } else {
            let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            return Err(format!("there is no target `{argument}`; there are: {}", known.join(", ")));
        }
    }
    Ok((minutes, names))
}

/// Puts the recorded bytes where libFuzzer begins. What it has found itself stays.
fn seed(root: &Path, corpus: &Path, target: &Target) -> Result<(), String> {
    let cannot = |what: &Path, error: std::io::Error| format!("cannot write `{}`: {error}", what.display());
    fs::create_dir_all(corpus).map_err(|error| cannot(corpus, error))?;
    let mut seeds = Vec::new();
    if !target.text.is_empty() {
        seeds.push(("text".to_owned(), target.text.as_bytes().to_vec()));
    }
    for recording in ["plain.txt", "encrypted.txt"] {
        let path = root.join("crates/ring/captures").join(recording);
        let text = fs::read_to_string(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
        for (number, line) in text.lines().enumerate() {
            let Some((_, hex)) = line.split_once(' ').filter(|(sort, _)| target.sorts.contains(sort)) else { continue };
            let seed = bytes(hex).get(target.skipped..).unwrap_or_default().to_vec();
            seeds.push((format!("{recording}-{number}"), seed));
        }
    }
    for (name, seed) in seeds {
        let chosen = target.choices.iter().map(|choice| [&[*choice], &seed[..]].concat());
        let all = if target.choices.is_empty() { vec![seed.clone()] } else { chosen.collect() };
        for (choice, seed) in all.iter().enumerate() {
            let file = corpus.join(format!("{name}-{choice}"));
            fs::write(&file, seed).map_err(|error| cannot(&file, error))?;
        }
    }
    Ok(())
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

/// The machine's own target: only for a named one does cargo keep the flags from build scripts.
fn host() -> Result<String, String> {
    let version = command::output(Command::new("rustc").args(["+nightly", "--version", "--verbose"]))?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| "rustc does not say which machine it is for".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(all: &[&str]) -> Vec<String> {
        all.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn targets_and_minutes_are_chosen_by_words() {
        assert_eq!(parse(&[]), Ok((10, Vec::new())));
        assert_eq!(parse(&words(&["serf", "--minutes", "3", "tags"])), Ok((3, words(&["serf", "tags"]))));
        assert!(parse(&words(&["--minutes"])).is_err());
        assert!(parse(&words(&["--minutes", "0"])).is_err());
        assert!(parse(&words(&["weather"])).is_err_and(|message| message.contains("packet, stream")));
    }

    #[test]
    fn what_libfuzzer_counts_is_read_from_what_it_prints() {
        assert_eq!(executed("stat::number_of_executed_units: 16386171"), Some(16_386_171));
        assert_eq!(executed("stat::average_exec_per_sec:     27264"), None);
        let said = "INFO: seed corpus: files: 3\n#4\tINITED cov: 512 ft: 901 corp: 3/45b exec/s: 0 rss: 38Mb\n#4\tDONE";
        assert_eq!(edges(said), Some(512));
        assert_eq!(edges("Segmentation fault"), None);
    }

    #[test]
    fn every_target_has_a_program() {
        let root = checkout::root().unwrap_or_default();
        for Target { name, .. } in TARGETS {
            assert!(root.join(DIRECTORY).join("fuzz_targets").join(format!("{name}.rs")).exists(), "{name}");
        }
    }
}
