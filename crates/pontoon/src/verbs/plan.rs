//! `pontoon plan`: what `up` would do, and why.

use super::stack::{self, Ask, Interrupts, Use};
use crate::cli;
use crate::engine;
use crate::event::{PlanView, Purpose};
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

pub(crate) async fn run(arguments: &cli::Plan, output: &Output) -> Result<Exit, Failure> {
    let target = &arguments.target;
    let opened = stack::open(&target.directory, &target.options, Use::Plan, None, output).await?;
    let described = &opened.file.loaded.stack;
    let sink = output.sink();
    let interrupts = Interrupts::listen()?;
    let nothing_is_lost = Ask { yes: false, question: "", output, interrupts: &interrupts };
    let engine = stack::engine(&opened.connected, &opened.cloud, None, sink.as_ref(), &nothing_is_lost, &interrupts);
    let planned = interrupts.unless_stopped(Box::pin(engine::planned(&engine, described))).await?;
    let (_, plan) = planned.map_err(|error| stack::cannot_look(&error))?;
    let view = PlanView {
        plan: &plan,
        purpose: Purpose::Up,
        stack: &described.name,
        cloud: &opened.cloud,
        simulated: engine.simulated,
        described: Some(described),
    };
    drop(sink);
    match output.reader {
        Reader::Program => show::print_json(&show::plan::json(&view)),
        Reader::Person => show::print(&show::plan::text(&view, output.stdout)),
    }
    Ok(match (plan.blocked.is_empty(), plan.steps.is_empty(), arguments.exit_code) {
        (false, ..) => Exit::Failed,
        (true, false, true) => Exit::Changes,
        _ => Exit::Done,
    })
}
