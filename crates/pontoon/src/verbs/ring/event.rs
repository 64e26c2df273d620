//! `pontoon ring event`: something is said to all members.

use pontoon_ring::rpc::Request;
use serde_json::json;

use super::{connect, refused};
use crate::cli::ring::Event;
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

pub(super) async fn run(arguments: &Event, output: &Output) -> Result<Exit, Failure> {
    let mut client = connect(&arguments.rpc).await?;
    let request = Request::Event {
        name: arguments.name.clone(),
        payload: arguments.payload.clone().into_bytes().into(),
        coalesce: arguments.coalesce,
    };
    client.call(request).await.map_err(|error| refused(&error))?;
    if output.reader == Reader::Program {
        show::print_json(&json!({"event": "result", "outcome": "said", "name": arguments.name}));
    }
    Ok(Exit::Done)
}
