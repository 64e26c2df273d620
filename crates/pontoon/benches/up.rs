//! What `up`, a second `up` and `down` of the two examples cost on the embedded cloud whose own delays are zero: requests,
//! and time beside a floor.
//!
//! The floor is the same number of the cheapest requests there are, sent one after the other over one connection to the
//! same cloud in the same run. A ratio below 1 means that what waits for nothing went side by side; above 1 is what ssh,
//! the engines and looking again cost. Times vary with the machine, the ratio little, the requests not at all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a benchmark may end at once")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

const PONTOON: &str = env!("CARGO_BIN_EXE_pontoon");
const ROUNDS: usize = 5;

fn main() {
    // `cargo test --benches` only wants to know that it can be built.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let cloud = Cloud::start();
    println!("{:<22} {:>9} {:>10} {:>10} {:>8}", "", "requests", "median s", "floor s", "ratio");
    for example in ["blog", "shop"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
        let mut rows: [Vec<(f64, f64)>; 3] = Default::default();
        for _ in 0..ROUNDS {
            rows[0].push(cloud.pontoon(&["up", "--json", "--yes"], &directory, "converged"));
            rows[1].push(cloud.pontoon(&["up", "--json", "--yes"], &directory, "unchanged"));
            rows[2].push(cloud.pontoon(&["down", "--json", "--yes"], &directory, "removed"));
        }
        let request = cloud.round_trip();
        for (name, runs) in ["up from nothing", "up, nothing to do", "down"].iter().zip(rows) {
            let requests = median(runs.iter().map(|run| run.0));
            let seconds = median(runs.iter().map(|run| run.1));
            let floor = requests * request;
            println!(
                "{:<22} {requests:>9.0} {seconds:>10.3} {floor:>10.3} {:>8.2}",
                format!("{example}: {name}"),
                seconds / floor
            );
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// An embedded cloud of its own, without delays.
struct Cloud {
    child: Child,
    home: PathBuf,
    endpoint: String,
    _directory: tempfile::TempDir,
}

impl Cloud {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_owned();
        let mut child = Command::new(PONTOON)
            .args(["cloud", "serve", "--speed", "instant"])
            .env("PONTOON_EMBEDDED", &home)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It prints its clouds.yaml when it is ready.
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        assert!(line.starts_with('#'), "{line}");
        // Its endpoint, and its process behind a space.
        let endpoint = std::fs::read_to_string(home.join("endpoint")).unwrap();
        let endpoint = endpoint.split_whitespace().next().unwrap().to_owned();
        Self { child, home, endpoint, _directory: directory }
    }

    /// Requests and seconds of one run.
    fn pontoon(&self, verb: &[&str], directory: &Path, outcome: &str) -> (f64, f64) {
        let begun = Instant::now();
        let output = Command::new(PONTOON)
            .args(verb)
            .arg(directory)
            .env("PONTOON_EMBEDDED", &self.home)
            .env("XDG_CACHE_HOME", &self.home)
            .output()
            .unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        let text = String::from_utf8(output.stdout).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap();
        assert_eq!(last["outcome"], outcome, "{last}");
        (last["requests"].as_f64().unwrap(), seconds)
    }

    /// Seconds of one request that does nothing.
    fn round_trip(&self) -> f64 {
        const REQUESTS: u32 = 500;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let url = format!("{}/network/", self.endpoint);
            client.get(&url).send().await.unwrap().bytes().await.unwrap();
            let begun = Instant::now();
            for _ in 0..REQUESTS {
                client.get(&url).send().await.unwrap().bytes().await.unwrap();
            }
            begun.elapsed().as_secs_f64() / f64::from(REQUESTS)
        })
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It is ours, and nothing of it is wanted any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
