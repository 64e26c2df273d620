//! `pontoon announce`: what a container says of itself.
//!
//! It runs in the container and speaks to the agent of its host, through the socket that the host puts into this
//! container alone.

mod ask;
mod told;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::cli::announce::{Announce, State};
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

pub(crate) async fn run(arguments: &Announce, output: &Output) -> Result<Exit, Failure> {
    let change = change(arguments);
    let (outcome, method) = match (arguments.clear, change.is_empty()) {
        (false, true) => ("shown", Method::GET),
        (false, false) => ("announced", Method::PATCH),
        (true, true) => ("cleared", Method::DELETE),
        (true, false) => ("announced", Method::PUT),
    };
    let all = ask::ask(&arguments.socket, method, change).await?;
    match output.reader {
        Reader::Program => show::print_json(&json!({"event": "result", "outcome": outcome, "self": all})),
        Reader::Person if arguments.show => show::print(&told::text(&all)),
        Reader::Person => {}
    }
    Ok(Exit::Done)
}

/// What the command line says, as a merge patch: null takes back.
fn change(arguments: &Announce) -> Map<String, Value> {
    let mut change = Map::new();
    let mut say = |field: &str, value: Value| change.insert(field.to_owned(), value);
    if let Some(port) = arguments.port {
        say("port", json!(port));
    }
    if !arguments.capability.is_empty() {
        say("capabilities", json!(arguments.capability));
    }
    let monitor: Vec<Value> = (arguments.http.iter().map(|path| json!({ "http": path })))
        .chain(arguments.tcp.iter().map(|port| json!({ "tcp": port })))
        .chain(arguments.metrics.iter().map(|path| json!({ "metrics": path })))
        .chain(arguments.unit.iter().map(|unit| json!({ "unit": unit })))
        .collect();
    if !monitor.is_empty() {
        say("monitor", monitor.into());
    }
    // Together with --clear nothing was said that could be taken back.
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let says: Map<String, Value> = (arguments.says.iter())
        .map(|(name, said)| (name.clone(), text(said)))
        .filter(|(_, said)| !(arguments.clear && said.is_null()))
        .collect();
    if !says.is_empty() {
        say("says", says.into());
    }
    if let Some(state) = arguments.state {
        let output = arguments.output.as_deref().unwrap_or_default();
        say("health", json!({"state": word(state), "output": output, "ttl": arguments.ttl}));
    }
    change
}

fn word(state: State) -> &'static str {
    match state {
        State::Passing => "passing",
        State::Warning => "warning",
        State::Critical => "critical",
    }
}
