//! `pontoon up`: make the cloud as the file says, and prove that it works.

use super::stack::{self, Ask, Interrupts, Use};
use crate::cli;
use crate::engine;
use crate::exit::{Exit, Failure};
use crate::show::Output;

pub(crate) async fn run(arguments: &cli::Up, output: &Output) -> Result<Exit, Failure> {
    let target = &arguments.target;
    let opened = stack::open(&target.directory, &target.options, Use::Plan, Some(arguments.pace), output).await?;
    let sink = output.sink();
    let interrupts = Interrupts::listen()?;
    let consent =
        Ask { yes: arguments.yes, question: "Delete and replace what the plan says?", output, interrupts: &interrupts };
    let engine =
        stack::engine(&opened.connected, &opened.cloud, Some(arguments.pace), sink.as_ref(), &consent, &interrupts);
    let report = interrupts.unless_given_up(Box::pin(engine::converge(&engine, &opened.file.loaded.stack))).await?;
    Ok(stack::finish(&report, sink.as_ref()))
}
