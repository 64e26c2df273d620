//! `pontoon agent`: the program of a host, and questions to running ones.
//!
//! What the agent does is in its crate; which engine runs the containers is said here.

mod ask;
mod engine;
mod key;
mod look;
mod run;
mod told;

use crate::cli::agent::Agent;
use crate::exit::{Exit, Failure};
use crate::show::Output;

pub(crate) async fn run(verb: &Agent, output: &Output) -> Result<Exit, Failure> {
    match verb {
        Agent::Run(arguments) => run::run(arguments, output).await,
        Agent::Members(asked) => ask::members(asked, output).await,
        Agent::Catalogue(asked) => ask::catalogue(asked, output).await,
        Agent::Services(arguments) => ask::services(arguments, output).await,
        Agent::Key(arguments) => key::run(arguments, output).await,
        Agent::Watch(asked) => ask::watch(asked, output).await,
    }
}
