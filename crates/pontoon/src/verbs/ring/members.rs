//! `pontoon ring members`: who is in the ring, as one agent knows it.

use pontoon_ring::rpc::{Body, Request};
use serde_json::json;

use super::{connect, refused, told};
use crate::cli::ring::Members;
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

pub(super) async fn run(arguments: &Members, output: &Output) -> Result<Exit, Failure> {
    let mut client = connect(&arguments.rpc).await?;
    let request = Request::MembersFiltered {
        tags: arguments.tag.iter().cloned().collect(),
        status: arguments.status.clone().unwrap_or_default(),
        name: arguments.name.clone().unwrap_or_default(),
    };
    let (_, body) = client.call(request).await.map_err(|error| refused(&error))?;
    let mut members = match body {
        Some(Body::Members(members)) => members,
        _ => Vec::new(),
    };
    members.sort_by(|a, b| a.name.cmp(&b.name));
    match output.reader {
        Reader::Program => {
            show::print_json(&json!({"event": "members", "members": told::members_json(&members)}));
        }
        Reader::Person => show::print(&told::members_text(&members)),
    }
    Ok(Exit::Done)
}
