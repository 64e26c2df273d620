//! What is asked, and how well it is answered: `dnsperf`, and what it prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::measured::Stack;
use super::peers::Running;
use super::{STACK, ZONE};

/// The core of the one that asks; servers have another.
const CORE: &str = "1";
/// How many questions are in each list, which is asked again and again.
const QUESTIONS: u32 = 50_000;
/// For how long as much is asked as is answered, and for how long as much as nobody notices.
const BUSY_SECONDS: &str = "2";
const CALM_SECONDS: &str = "1";
const CALM_EACH_SECOND: &str = "1000";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// What a stack's clients ask: mostly addresses of services.
    Mixed,
    Addresses,
    Targets,
    Names,
    /// Addresses of the other family, of names that are there.
    OtherFamily,
    NoSuchName,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Mixed, Self::Addresses, Self::Targets, Self::Names, Self::OtherFamily, Self::NoSuchName];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "all of these: 4, 2, 1, 2, 1 of 10",
            Self::Addresses => "A, eight of a service",
            Self::Targets => "SRV, four of a service",
            Self::Names => "PTR",
            Self::OtherFamily => "AAAA, and there are only A",
            Self::NoSuchName => "A, and there is no such name",
        }
    }

    /// The question of a number, as `dnsperf` reads it. `chance` is as good as any.
    fn question(self, number: u32, chance: u32) -> String {
        let service = chance % STACK.services;
        match self {
            Self::Mixed => {
                let kind = match number % 10 {
                    0..4 => Self::Addresses,
                    4..6 => Self::Targets,
                    6 => Self::Names,
                    7..9 => Self::OtherFamily,
                    _ => Self::NoSuchName,
                };
                kind.question(number, chance)
            }
            Self::Addresses => format!("service-{service}.service.{ZONE} A"),
            Self::Targets => format!("_service-{service}._tcp.{ZONE} SRV"),
            Self::Names => {
                let [a, b, c, d] = STACK.container_address(service, number % STACK.copies).octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa PTR")
            }
            Self::OtherFamily => {
                format!("{}.container.{ZONE} AAAA", Stack::container_name(service, number % STACK.copies))
            }
            Self::NoSuchName => format!("nobody-{service}.service.{ZONE} A"),
        }
    }

    /// The part of answers that say NOERROR.
    const fn of_names_that_exist(self) -> f64 {
        match self {
            Self::Mixed => 0.9,
            Self::NoSuchName => 0.0,
            _ => 1.0,
        }
    }
}

/// How well a server has answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) each_processor_second: f64,
    pub(crate) each_second: f64,
    pub(crate) latency_median: f64,
    pub(crate) latency_99: f64,
    pub(crate) bytes: f64,
}

/// A list of questions, and what is to be said to them.
pub(crate) struct Questions {
    kind: Kind,
    file: PathBuf,
}

pub(crate) fn write_questions(directory: &Path) -> BTreeMap<Kind, Questions> {
    let write = |kind: Kind| {
        let mut text = String::new();
        let mut chance = 1_u32;
        for number in 0..QUESTIONS {
            // A linear congruence; its upper bits are as good as chance (Numerical Recipes).
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            writeln!(text, "{}", kind.question(number, chance >> 8)).unwrap();
        }
        let file = directory.join(format!("{kind:?}"));
        std::fs::write(&file, text).unwrap();
        (kind, Questions { kind, file })
    };
    Kind::ALL.map(write).into()
}

/// Asks as much as is answered, then calmly.
pub(crate) fn measure(server: &mut Running, questions: &Questions) -> Measured {
    let before = server.process.processor_seconds();
    let busy = dnsperf(server, questions, &["-l", BUSY_SECONDS, "-c", "8", "-q", "200"]);
    let computed = server.process.processor_seconds() - before;
    server.process.is_there(server.peer.name());
    let completed = number(&busy, "Queries completed:");
    let exist = number_after(&busy, "NOERROR ") / completed;
    let expected = questions.kind.of_names_that_exist();
    assert!((exist - expected).abs() < 0.01, "{} says NOERROR to {exist}, not {expected}:\n{busy}", server.peer.name());

    let calm = dnsperf(server, questions, &["-l", CALM_SECONDS, "-c", "8", "-q", "50", "-Q", CALM_EACH_SECOND, "-v"]);
    let mut latencies: Vec<f64> = calm.lines().filter(|line| line.starts_with("> ")).filter_map(latency).collect();
    latencies.sort_by(f64::total_cmp);
    Measured {
        each_processor_second: completed / computed,
        each_second: number(&busy, "Queries per second:"),
        latency_median: latencies[latencies.len() / 2],
        latency_99: latencies[latencies.len() * 99 / 100],
        bytes: number_after(&busy, "response "),
    }
}

fn dnsperf(server: &Running, questions: &Questions, arguments: &[&str]) -> String {
    let address = server.peer.address();
    let mut dnsperf = Command::new("taskset");
    dnsperf.args(["--cpu-list", CORE, "dnsperf", "-s", &address.ip().to_string(), "-p", &address.port().to_string()]);
    dnsperf.arg("-d").arg(&questions.file).args(["-T", "1"]).args(arguments);
    let output = dnsperf.output().unwrap();
    assert!(output.status.success(), "dnsperf: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The seconds of one answer: the last word.
fn latency(line: &str) -> Option<f64> {
    line.rsplit(' ').next()?.parse().ok()
}

fn number(printed: &str, name: &str) -> f64 {
    let line = printed.lines().map(str::trim).find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no `{name}`:\n{printed}"))
}

/// A number in the middle of a line; 0 where it is not printed.
fn number_after(printed: &str, name: &str) -> f64 {
    let rest = printed.split_once(name).map_or("", |(_, rest)| rest);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0.0)
}
