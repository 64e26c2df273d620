//! What was measured, kept in a file, and its table.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::say;

/// One run of one of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) seconds: f64,
    pub(super) requests: u32,
    /// The machine's load when it began.
    pub(super) load: f64,
}

/// A file of runs, a line of JSON each, in the order in which they were made.
pub(super) struct Results {
    file: File,
    runs: Vec<Line>,
}

struct Line {
    who: String,
    made_by: u64,
    run: Measured,
}

impl Results {
    /// Reads what earlier benchmarks have left, unless it is to be forgotten.
    pub(super) fn open(path: &Path, fresh: bool) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(cannot)?;
        let text = if fresh { String::new() } else { std::fs::read_to_string(path).unwrap_or_default() };
        // A line that was half written when the machine stopped is none, and the next one begins after it.
        let runs: Vec<Line> = text.lines().filter_map(read).collect();
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(cannot)?;
        if !text.is_empty() && !text.ends_with('\n') {
            writeln!(file).map_err(cannot)?;
        }
        if fresh {
            file.set_len(0).map_err(cannot)?;
        } else if !runs.is_empty() {
            say(&format!(
                "{} has {} runs; those of the same programs count, `--fresh` forgets all",
                path.display(),
                runs.len()
            ));
        }
        Ok(Self { file, runs })
    }

    /// The runs of one of them that were made by the same files.
    pub(super) fn of(&self, who: &str, made_by: u64) -> Vec<Measured> {
        let same = self.runs.iter().filter(|line| line.who == who && line.made_by == made_by);
        same.map(|line| line.run).collect()
    }

    /// Adds a run, in memory and in the file.
    pub(super) fn add(&mut self, who: &str, made_by: u64, run: Measured) -> Result<(), String> {
        let line = Line { who: who.to_owned(), made_by, run };
        writeln!(self.file, "{}", written(&line)).map_err(|error| format!("cannot write the result: {error}"))?;
        self.runs.push(line);
        Ok(())
    }
}

fn written(line: &Line) -> Value {
    let Measured { seconds, requests, load } = line.run;
    json!({"who": line.who, "made_by": line.made_by, "seconds": seconds, "requests": requests, "load": load})
}

fn read(text: &str) -> Option<Line> {
    let line: Value = serde_json::from_str(text).ok()?;
    let run = Measured {
        seconds: line.get("seconds")?.as_f64()?,
        requests: u32::try_from(line.get("requests")?.as_u64()?).ok()?,
        load: line.get("load")?.as_f64()?,
    };
    Some(Line { who: line.get("who")?.as_str()?.to_owned(), made_by: line.get("made_by")?.as_u64()?, run })
}

/// A number for the content of the given files, and of the files that lie right in the given directories.
pub(super) fn hash_of(places: &[PathBuf]) -> Result<u64, String> {
    let mut hasher = DefaultHasher::new();
    for file in files(places)? {
        let content = std::fs::read(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        content.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// Descriptions for people decide nothing.
fn files(places: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for place in places {
        if place.is_file() {
            files.push(place.clone());
            continue;
        }
        let entries = std::fs::read_dir(place).map_err(|error| format!("cannot read {}: {error}", place.display()))?;
        let mut within: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        within.retain(|path| path.is_file() && path.extension().is_none_or(|ending| ending != "md"));
        within.sort();
        files.extend(within);
    }
    Ok(files)
}

/// A row for each who has a run; the first is the floor.
pub(super) fn table(rows: &[(&str, Vec<Measured>)]) -> String {
    let floor = rows.iter().find(|(who, _)| *who == "floor").and_then(|(_, runs)| Spread::of(runs, |run| run.seconds));
    let mut lines = vec![format!(
        "\n{:<8} {:>4} {:>24} {:>18} {:>12} {:>9}",
        "who", "runs", "wall s", "requests", "load", "of floor"
    )];
    for (who, runs) in rows {
        let (Some(seconds), Some(requests), Some(load)) = (
            Spread::of(runs, |run| run.seconds),
            Spread::of(runs, |run| f64::from(run.requests)),
            Spread::of(runs, |run| run.load),
        ) else {
            continue;
        };
        let ratio =
            floor.as_ref().map_or_else(|| "-".to_owned(), |floor| format!("{:.2}", seconds.median / floor.median));
        lines.push(format!("{who:<8} {:>4} {seconds:>24.1} {requests:>18.0} {load:>12.0} {ratio:>9}", runs.len()));
    }
    lines.push("each with its median, and in brackets from its least to its most".to_owned());
    lines.join("\n")
}

/// Median, least and most of some values.
#[derive(Debug, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// The value in the middle is the lower one of two; there is nothing of no runs.
    fn of(runs: &[Measured], value: impl Fn(&Measured) -> f64) -> Option<Self> {
        let mut values: Vec<f64> = runs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        let median = *values.get(values.len().checked_sub(1)? / 2)?;
        Some(Self { median, least: *values.first()?, most: *values.last()? })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, width) = (out.precision().unwrap_or(1), out.width().unwrap_or(0));
        let text = format!("{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.least, self.most);
        write!(out, "{text:>width$}")
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.1} s, {} requests", self.seconds, self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Measured = Measured { seconds: 288.75, requests: 272, load: 1.5 };

    #[test]
    fn a_benchmark_goes_on_with_the_runs_of_the_same_program_alone() {
        let directory = std::env::temp_dir().join(format!("pontoon-bench-{}", std::process::id()));
        let path = directory.join("bench.jsonl");
        let mut first = Results::open(&path, true).unwrap();
        first.add("floor", 1, RUN).unwrap();
        first.add("pontoon", 2, RUN).unwrap();
        // Stopped in the middle of a line.
        write!(first.file, "{{\"who\": \"floor\", \"made_by\": 1, \"sec").unwrap();

        let mut second = Results::open(&path, false).unwrap();
        assert_eq!(second.of("floor", 1), [RUN]);
        assert_eq!(second.of("pontoon", 3), [], "it was another program");
        second.add("floor", 1, RUN).unwrap();
        assert_eq!(Results::open(&path, false).unwrap().of("floor", 1), [RUN, RUN]);
        assert_eq!(Results::open(&path, true).unwrap().of("floor", 1), [], "forgotten");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_table_has_medians_and_what_is_around_them() {
        let runs = |seconds: [f64; 3]| seconds.map(|seconds| Measured { seconds, ..RUN }).to_vec();
        let rows = [("floor", runs([200.0, 400.0, 210.0])), ("pontoon", runs([231.0, 220.0, 900.0])), ("heat", vec![])];
        let table = table(&rows);
        assert!(table.contains("210.0 (200.0–400.0)"), "{table}");
        let pontoon = table.lines().find(|line| line.starts_with("pontoon")).unwrap();
        assert!(pontoon.ends_with("1.10"), "{table}");
        assert!(!table.contains("heat"), "{table}");
    }
}
