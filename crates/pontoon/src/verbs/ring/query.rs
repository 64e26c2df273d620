//! `pontoon ring query`: members are asked, and what they answer is printed as it comes.

use std::time::Duration;

use pontoon_ring::rpc::reply::Answer;
use pontoon_ring::rpc::{Body, Request, request};
use serde_json::json;

use super::{connect, refused, told};
use crate::cli::ring::Query;
use crate::exit::{Exit, Failure};
use crate::show::style::{indented, printable};
use crate::show::{self, Output, Reader};

pub(super) async fn run(arguments: &Query, output: &Output) -> Result<Exit, Failure> {
    let mut client = connect(&arguments.rpc).await?;
    let query = request::Query {
        names: arguments.node.clone(),
        tags: arguments.tag.iter().cloned().collect(),
        ack: !arguments.no_ack,
        relay_factor: arguments.relay,
        timeout: arguments.timeout.unwrap_or(Duration::ZERO),
        name: arguments.name.clone(),
        payload: arguments.payload.clone().into_bytes().into(),
    };
    client.call(Request::Query(query)).await.map_err(|error| refused(&error))?;
    let (mut acks, mut responses) = (0, 0);
    loop {
        match client.record().await.map_err(|error| refused(&error))?.1 {
            Body::Answer(Answer::Ack { from }) => {
                acks += 1;
                match output.reader {
                    Reader::Program => show::print_json(&json!({"event": "ack", "from": from})),
                    Reader::Person => output.remark(&format!("{} has got it", printable(&from))),
                }
            }
            Body::Answer(Answer::Response { from, payload }) => {
                responses += 1;
                match output.reader {
                    Reader::Program => {
                        show::print_json(&told::with_payload(json!({"event": "response", "from": from}), &payload));
                    }
                    Reader::Person => {
                        let text = printable(&String::from_utf8_lossy(&payload));
                        show::print(&format!("{}: {}\n", printable(&from), indented(&text)));
                    }
                }
            }
            Body::Answer(Answer::Done) => break,
            _ => {}
        }
    }
    match output.reader {
        Reader::Program => {
            show::print_json(&json!({"event": "result", "outcome": "asked", "acks": acks, "responses": responses}));
        }
        Reader::Person => output.remark(&format!("{acks} have got it, {responses} have answered")),
    }
    Ok(Exit::Done)
}
