//! The verbs, one a file.

mod agent;
mod announce;
mod cloud;
pub(crate) mod doctor;
mod down;
mod exec;
mod init;
mod logs;
mod plan;
pub(crate) mod render;
mod ring;
mod run;
mod schema;
mod stack;
pub(crate) mod status;
mod subject;
mod up;

use crate::cli::Verb;
use crate::exit::{Exit, Failure};
use crate::show::Output;

/// Does what the command line says.
pub(crate) async fn run(verb: Verb, output: &Output) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(arguments) => init::run(&arguments, output).await,
        Verb::Schema => schema::run(output),
        Verb::Render(arguments) => render::run(&arguments, output),
        Verb::Plan(arguments) => plan::run(&arguments, output).await,
        Verb::Up(arguments) => up::run(&arguments, output).await,
        Verb::Run(arguments) => run::run(&arguments, output).await,
        Verb::Down(arguments) => down::run(&arguments, output).await,
        Verb::Cloud(verb) => cloud::run(&verb, output).await,
        Verb::Status(arguments) => status::run(&arguments, output).await,
        Verb::Doctor(arguments) => doctor::run(&arguments, output).await,
        Verb::Logs(arguments) => logs::run(&arguments, output).await,
        Verb::Exec(arguments) => exec::run(&arguments, output).await,
        Verb::Agent(verb) => agent::run(&verb, output).await,
        Verb::Announce(arguments) => announce::run(&arguments, output).await,
        Verb::Ring(verb) => ring::run(&verb, output).await,
    }
}
