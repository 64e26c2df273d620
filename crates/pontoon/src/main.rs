//! Pontoon: containers with real addresses on OpenStack.
//!
//! The binary is everything that waits, reads or prints. This file reads the command line, hands over to
//! [`verbs`] and makes an exit code of what comes back; every message about a failure is printed here, in one place.
//!
//! ```text
//! cli    what may be said          load   the file and what lies beside it
//! verbs  one verb a file           event  what a run tells
//! show   how things look           exit   how a run ends
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
#[cfg_attr(not(test), allow(dead_code, reason = "the verbs that carry plans out show them"))]
mod show;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use cli::Cli;
use exit::Failure;
use show::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::refuse(&error).into(),
    };
    let output = Output::new(cli.global.json, cli.global.color);
    trace(cli.global.verbose, &output);
    // TLS has one provider in this program. That there is one already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ended = tokio::runtime::Runtime::new()
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

/// What the program says of itself while it works goes to standard error, and only when it is asked for.
/// `PONTOON_LOG` takes the filters of the crate tracing, such as `pontoon_cloud=trace`; empty it counts as not set.
fn trace(verbose: u8, output: &Output) {
    let asked = match verbose {
        0 => "off",
        1 => "info,pontoon=debug,pontoon_cloud=debug",
        _ => "debug,pontoon=trace,pontoon_cloud=trace",
    };
    let set = std::env::var("PONTOON_LOG").ok().filter(|filters| !filters.is_empty());
    let filter = set.and_then(|filters| EnvFilter::try_new(filters).ok()).unwrap_or_else(|| EnvFilter::new(asked));
    let colored = output.stderr.is_colored();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colored).with_writer(std::io::stderr).init();
}
