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
#[cfg_attr(not(test), allow(dead_code, reason = "the verbs that carry plans out emit them"))]
mod event;
mod exit;
mod load;
mod log;
#[cfg_attr(not(test), allow(dead_code, reason = "the verbs that carry plans out show them"))]
mod show;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::{Builder, Runtime};

use cli::{Cli, Verb};
use exit::Failure;
use show::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::refuse(&error).into(),
    };
    let output = Output::new(cli.global.json, cli.global.color);
    log::begin(&cli, &output);
    // TLS has one provider in this program. That there is one already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ended = threads(&cli.verb)
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

/// The threads that everything runs on. The agent is a guest on its host: it has few, however many processors there are.
fn threads(verb: &Verb) -> std::io::Result<Runtime> {
    const WORKERS_MAX: usize = 4;
    const BLOCKING_MAX: usize = 16;
    let mut builder = Builder::new_multi_thread();
    if matches!(verb, Verb::Agent(cli::agent::Agent::Run(_))) {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        builder.worker_threads(processors.min(WORKERS_MAX)).max_blocking_threads(BLOCKING_MAX);
    }
    builder.enable_all().build()
}
