//! `pontoon down`: take everything of a stack away, and nothing else. Where the file is
//! gone or wrong, `--stack` and `--cloud` say the two names that are needed of it.

use std::path::Path;

use super::stack::{self, Ask, Interrupts};
use crate::cli;
use crate::connect::{self, Agents, Wanted};
use crate::engine;
use crate::exit::{Exit, Failure};
use crate::load;
use crate::show::Output;

pub(crate) async fn run(arguments: &cli::Down, output: &Output) -> Result<Exit, Failure> {
    let (name, cloud) = if let (Some(name), Some(cloud)) = (&arguments.stack, &arguments.options.cloud) {
        (name.clone(), cloud.clone())
    } else {
        let directory = arguments.directory.as_deref().unwrap_or(Path::new("."));
        let stack = load::load(directory, &arguments.options)?.loaded.stack;
        (stack.name, stack.cloud)
    };
    let connected = connect::connect(Wanted {
        stack: &name,
        cloud: &cloud,
        identity: arguments.options.identity.as_deref(),
        agents: Agents::Left,
        step_limit: Some(stack::step_limit(arguments.pace)),
        directory: ".".into(),
    })
    .await?;
    let sink = output.sink();
    let question = format!("Take the stack `{name}` away from cloud `{cloud}`?");
    let interrupts = Interrupts::listen()?;
    let consent = Ask { yes: arguments.yes, question: &question, output, interrupts: &interrupts };
    let engine = stack::engine(&connected, &cloud, Some(arguments.pace), sink.as_ref(), &consent, &interrupts);
    let report = interrupts.unless_given_up(Box::pin(engine::remove(&engine))).await?;
    Ok(stack::finish(&report, sink.as_ref()))
}
