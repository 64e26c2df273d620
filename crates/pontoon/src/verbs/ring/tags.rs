//! `pontoon ring tags`: an agent says something else of itself.

use pontoon_ring::rpc::Request;
use serde_json::json;

use super::{connect, refused};
use crate::cli::ring::Tags;
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

pub(super) async fn run(arguments: &Tags, output: &Output) -> Result<Exit, Failure> {
    let mut client = connect(&arguments.rpc).await?;
    let request = Request::Tags { set: arguments.set.iter().cloned().collect(), delete: arguments.delete.clone() };
    client.call(request).await.map_err(|error| refused(&error))?;
    if output.reader == Reader::Program {
        show::print_json(&json!({"event": "result", "outcome": "changed"}));
    }
    Ok(Exit::Done)
}
