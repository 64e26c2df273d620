//! `pontoon status`: how a stack is, from one look at its cloud.
//!
//! Nothing is changed and no lease is taken, so it may be asked at any time, also while somebody else runs `up`. The
//! exit code says whether all is well, as that of `systemctl is-active` does.

pub(crate) mod condition;

use std::io::IsTerminal as _;
use std::time::Duration;

use pontoon_cloud::site::SiteError;
use pontoon_core::plan::Plan;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::stack::{self, Opened, Use};
use crate::cli;
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};
use condition::{Condition, Place};

/// How often `--watch` looks.
const INTERVAL: Duration = Duration::from_secs(2);

/// To the upper left corner (CUP), then clear all below (ED); ECMA-48.
const CLEAR: &str = "\x1b[H\x1b[J";

pub(crate) async fn run(arguments: &cli::Status, output: &Output) -> Result<Exit, Failure> {
    let target = &arguments.target;
    let opened = stack::open(&target.directory, &target.options, Use::Plan, None, output).await?;
    // What cannot be looked at for the first time is a wrong command; later it is a cloud that stumbles.
    let condition = look(&opened).await.map_err(|error| stack::cannot_look(&error))?;
    if arguments.watch {
        watch(&opened, condition, output).await?;
        return Ok(Exit::Done);
    }
    show(&condition, output);
    Ok(if condition.well { Exit::Done } else { Exit::Failed })
}

async fn look(opened: &Opened) -> Result<Condition, SiteError> {
    let (site, stack) = (&opened.connected.site, &opened.file.loaded.stack);
    let seen = Box::pin(site.observe(stack)).await?;
    let plan = Plan::up(stack, &seen);
    let place = Place { cloud: &opened.cloud, simulated: opened.connected.embedded.is_some() };
    let mut condition = Condition::of(stack, place, &seen, &plan);
    for balancer in &mut condition.balancers {
        if let (Some(address), Some(port)) = (balancer.floating_ip, balancer.listen) {
            let authority = site.hosts.outside().authority(address, port).await;
            balancer.url = Some(format!("{}://{authority}/", balancer.scheme));
        }
    }
    Ok(condition)
}

/// Looks again and again until Ctrl-C. A terminal is redrawn each time; others get a new text or object where
/// something changed.
async fn watch(opened: &Opened, first: Condition, output: &Output) -> Result<(), Failure> {
    // Listened for from before the first text on: a Ctrl-C between two waits must not be lost.
    let mut interrupts =
        signal(SignalKind::interrupt()).map_err(|error| Failure::new("cannot listen for Ctrl-C").caused_by(&error))?;
    let redraws = output.reader == Reader::Person && std::io::stdout().is_terminal();
    let mut last: Option<Result<Condition, String>> = None;
    let mut next = Ok(first);
    loop {
        let (seen, trouble) = match next {
            Ok(condition) => (Ok(condition), None),
            Err(error) => {
                let failure = stack::cannot_look(&error);
                (Err(failure.json().to_string()), Some(failure))
            }
        };
        if redraws {
            show::print(CLEAR);
        }
        if redraws || last.as_ref() != Some(&seen) {
            match (&seen, &trouble) {
                (Ok(condition), _) => show(condition, output),
                (Err(_), Some(trouble)) => output.failure(trouble),
                (Err(_), None) => {}
            }
        }
        last = Some(seen);
        let looked = async {
            tokio::time::sleep(INTERVAL).await;
            look(opened).await
        };
        tokio::select! {
            looked = looked => next = looked,
            _ = interrupts.recv() => return Ok(()),
        }
    }
}

fn show(condition: &Condition, output: &Output) {
    match output.reader {
        Reader::Program => show::print_json(&event(condition)),
        Reader::Person => show::print(&show::status::text(condition, output.stdout)),
    }
}

fn event(condition: &Condition) -> Value {
    // Structs with names for keys always become an object.
    let mut value = serde_json::to_value(condition).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.shift_insert(0, "event".to_owned(), json!("status"));
    }
    value
}
