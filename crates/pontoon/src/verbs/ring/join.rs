//! `pontoon ring join`: an agent joins the ring of another member.

use pontoon_ring::rpc::{Body, Request};
use serde_json::json;

use super::{connect, refused};
use crate::cli::ring::Join;
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

pub(super) async fn run(arguments: &Join, output: &Output) -> Result<Exit, Failure> {
    let mut client = connect(&arguments.rpc).await?;
    let request = Request::Join { existing: arguments.members.clone(), replay: arguments.replay };
    let (_, body) = client.call(request).await.map_err(|error| refused(&error))?;
    let reached = match body {
        Some(Body::Joined(reached)) => reached,
        _ => 0,
    };
    match output.reader {
        Reader::Program => show::print_json(&json!({"event": "result", "outcome": "joined", "reached": reached})),
        Reader::Person => output.remark(&format!("joined by {reached} of {} addresses", arguments.members.len())),
    }
    Ok(Exit::Done)
}
