//! `pontoon ring leave`: an agent leaves and ends, or says for another member that it is gone.

use pontoon_ring::rpc::Request;
use serde_json::json;

use super::{connect, refused};
use crate::cli::ring::Leave;
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

pub(super) async fn run(arguments: &Leave, output: &Output) -> Result<Exit, Failure> {
    let mut client = connect(&arguments.rpc).await?;
    let (request, outcome) = match &arguments.force {
        Some(name) => (Request::ForceLeave { name: name.clone(), prune: arguments.prune }, "forced"),
        None => (Request::Leave, "left"),
    };
    client.call(request).await.map_err(|error| refused(&error))?;
    match output.reader {
        Reader::Program => show::print_json(&json!({"event": "result", "outcome": outcome})),
        Reader::Person if arguments.force.is_none() => output.remark("the agent has left the ring and ended"),
        Reader::Person => {}
    }
    Ok(Exit::Done)
}
