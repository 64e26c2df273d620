//! Pontoon: containers with real addresses on OpenStack.
//!
//! The binary is everything that waits, reads or prints. This file reads the command line, hands over to
//! [`verbs`] and makes an exit code of what comes back; every message about a failure is printed here, in one place.
//!
//! ```text
//! cli    what may be said          load   the file and what lies beside it
//! verbs  one verb a file           event  what a run tells
//! show   how things look           exit   how a run ends
//! log    what it says of itself while it works
//! ```

// Texts for people are short, and `let _ = write!(…)` reads worse than it runs.
#![allow(clippy::format_push_string, clippy::format_collect)]

mod cli;
mod connect;
mod embedded;
mod engine;
mod event;
mod exit;
mod load;
mod log;
mod show;
mod verbs;
mod visit;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Verb};
use exit::Failure;
use show::Output;
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::refuse(&error).into(),
    };
    let output = Output::new(cli.global.json, cli.global.color);
    log::begin(&cli, &output);
    let ended = runtime(&cli.verb)
        .map_err(|error| Failure::new("cannot start the threads that requests run on").caused_by(&error))
        .and_then(|runtime| runtime.block_on(verbs::run(cli.verb, &output)));
    match ended {
        Ok(exit) => exit,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
    .into()
}

/// Who changes a cloud does many things at once, on as many threads as there are processors, and speaks TLS. A member of
/// a ring does one thing after the other, and is on a machine for ever: it gets one thread, and the memory of one. The
/// agent is a guest on its host: it has few, however many processors there are.
fn runtime(verb: &Verb) -> std::io::Result<Runtime> {
    const WORKERS_MAX: usize = 4;
    const BLOCKING_MAX: usize = 16;
    match verb {
        Verb::Ring(_) => return Builder::new_current_thread().enable_all().build(),
        Verb::Agent(cli::agent::Agent::Run(_)) => {
            let workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
            let mut builder = Builder::new_multi_thread();
            return builder.worker_threads(workers).max_blocking_threads(BLOCKING_MAX).enable_all().build();
        }
        _ => {}
    }
    // TLS has one provider in this program. That there is one already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Runtime::new()
}
