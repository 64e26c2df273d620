//! Looks into containers: commands that the engine runs there.
//!
//! The engine cannot end a command that hangs. So a look that was given up goes on here until its command ends, and the
//! next one of the same kind waits for that one: a container has at most one process of each of its checks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use pontoon_agent::catalogue::State;
use pontoon_agent::health::Outcome;
use pontoon_agent::health::probe::{self, Look};
use pontoon_cloud::lxd::{Client, ExecOutput, ExecRequest, LxdError};
use pontoon_cloud::site::chain;
use pontoon_cloud::site::cloud_init::{self, Progress};

/// After so long a command that does not end is left to itself, and another one may begin.
const LIMIT: Duration = Duration::from_mins(10);
/// The exit code for a program that is not there.
const NOT_FOUND: i64 = 127;

/// What is looked at.
type Question = (String, Vec<String>);
type Running = Shared<BoxFuture<'static, Arc<Result<ExecOutput, LxdError>>>>;

/// Commands that run.
#[derive(Clone)]
pub(super) struct Looks {
    client: Client,
    running: Arc<Mutex<BTreeMap<Question, Running>>>,
}

impl Looks {
    pub(super) fn new(client: Client) -> Self {
        Self { client, running: Arc::default() }
    }

    pub(super) async fn look(&self, container: &str, what: Look<'_>) -> Outcome {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let command = match what {
            Look::Exec(command) => command.to_vec(),
            Look::Unit(unit) => words(&["systemctl", "is-active", "--", unit]),
            Look::CloudInit => words(&["sh", "-c", cloud_init::QUESTION]),
        };
        let ended = self.run((container.to_owned(), command)).await;
        match (&*ended, what) {
            (Err(error), _) => could_not(error),
            (Ok(output), Look::Exec(_)) => exec(output),
            (Ok(output), Look::Unit(unit)) => unit_state(unit, output),
            (Ok(output), Look::CloudInit) => cloud_init_state(output),
        }
    }

    /// Runs a command, or waits for the one that runs already.
    async fn run(&self, question: Question) -> Arc<Result<ExecOutput, LxdError>> {
        let running = self.running().get(&question).cloned();
        match running {
            Some(running) => running.await,
            None => self.begin(question).await,
        }
    }

    fn begin(&self, question: Question) -> Running {
        let (looks, key) = (self.clone(), question.clone());
        // Held until it is noted, so that its end, which takes it out again, comes after that.
        let mut noted = self.running();
        let task = tokio::spawn(async move {
            let (container, command) = &key;
            let request = ExecRequest { command: command.clone(), ..ExecRequest::default() };
            let ended = looks.client.exec(container, &request, LIMIT).await;
            looks.running().remove(&key);
            Arc::new(ended)
        });
        let ended = task.map(|ended| {
            ended.unwrap_or_else(|error| {
                let reason = error.to_string();
                Arc::new(Err(LxdError::Request { doing: "a look into a container".to_owned(), reason }))
            })
        });
        let running = ended.boxed().shared();
        noted.insert(question, running.clone());
        running
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<Question, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn could_not(error: &LxdError) -> Outcome {
    match error {
        LxdError::TimedOut { limit, .. } => {
            Outcome { state: State::Critical, output: format!("its command has not ended after {limit:?}") }
        }
        error => unknown(format!("cannot look: {}", chain(error))),
    }
}

fn exec(output: &ExecOutput) -> Outcome {
    let code = i32::try_from(output.code).unwrap_or(i32::MAX);
    probe::exited(code, &text(output))
}

/// `systemctl is-active` prints the state; of those that are not active some are on their way.
fn unit_state(unit: &str, output: &ExecOutput) -> Outcome {
    if output.code == NOT_FOUND {
        return unknown("there is no systemctl in the container".to_owned());
    }
    let word = text(output);
    let state = match word.as_str() {
        "active" => State::Passing,
        "reloading" | "refreshing" => State::Warning,
        _ => State::Critical,
    };
    Outcome { state, output: format!("{unit} is {word}") }
}

/// Only when it has ended does a container serve as its file says.
fn cloud_init_state(output: &ExecOutput) -> Outcome {
    let (state, output) = match cloud_init::read(&String::from_utf8_lossy(&output.stdout)) {
        Progress::Clean => (State::Passing, "it has ended clean".to_owned()),
        Progress::Working(stage) => (State::Critical, format!("it has not ended: {stage}")),
        Progress::Failed(why) => (State::Critical, why),
    };
    Outcome { state, output }
}

fn unknown(output: String) -> Outcome {
    Outcome { state: State::Unknown, output }
}

/// What a command printed, on one line.
fn text(output: &ExecOutput) -> String {
    let bytes = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    let text = String::from_utf8_lossy(bytes);
    text.split(|letter: char| letter.is_control() || letter.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(code: i64, stdout: &str) -> ExecOutput {
        ExecOutput { code, stdout: stdout.into(), stderr: b"on\x1b[2J\nstderr".to_vec() }
    }

    #[test]
    fn the_end_of_a_command_says_how_its_container_is() {
        assert_eq!(
            exec(&output(0, "all\nis well\n")),
            Outcome { state: State::Passing, output: "all is well".to_owned() }
        );
        assert_eq!(exec(&output(1, "")), Outcome { state: State::Warning, output: "on [2J stderr".to_owned() });
        assert_eq!(exec(&output(2, "x")).state, State::Critical);
    }

    #[test]
    fn a_unit_that_is_not_active_is_critical_and_one_that_cannot_be_asked_unknown() {
        let of = |code, word| unit_state("hugo.service", &output(code, word));
        assert_eq!(of(0, "active\n"), Outcome { state: State::Passing, output: "hugo.service is active".to_owned() });
        assert_eq!(of(0, "reloading\n").state, State::Warning);
        assert_eq!(of(3, "failed\n").output, "hugo.service is failed");
        assert_eq!(of(3, "activating\n").state, State::Critical);
        assert_eq!(of(127, "").state, State::Unknown);
    }

    #[test]
    fn cloud_init_is_well_when_it_has_ended_clean() {
        let of = |text| cloud_init_state(&output(0, text));
        assert_eq!(of("active\n{\"v1\": {\"errors\": []}}").state, State::Passing);
        assert_eq!(of("inactive\n").output, "it has not ended: not started");
        assert_eq!(of("failed\n{\"v1\": {\"errors\": [\"no\"]}}").state, State::Critical);
    }
}
