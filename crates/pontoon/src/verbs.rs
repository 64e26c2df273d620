//! The verbs, one a file.

mod cloud;
mod down;
mod init;
mod plan;
pub(crate) mod render;
mod schema;
mod stack;
mod up;

use crate::cli::Verb;
use crate::exit::{Exit, Failure};
use crate::show::Output;

/// Does what the command line says.
pub(crate) async fn run(verb: Verb, output: &Output) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(arguments) => init::run(&arguments, output),
        Verb::Schema => schema::run(output),
        Verb::Render(arguments) => render::run(&arguments, output),
        Verb::Plan(arguments) => plan::run(&arguments, output).await,
        Verb::Up(arguments) => up::run(&arguments, output).await,
        Verb::Down(arguments) => down::run(&arguments, output).await,
        Verb::Cloud(verb) => cloud::run(&verb, output).await,
        Verb::Status(_) | Verb::Logs(_) | Verb::Exec(_) => Err(Failure::new("this verb is not built yet")),
    }
}
