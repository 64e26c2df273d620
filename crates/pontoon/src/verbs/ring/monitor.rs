//! `pontoon ring monitor`: what happens, as it happens.

use pontoon_ring::rpc::{Body, Client, ClientError, Request};
use serde_json::json;

use super::{connect, refused, told};
use crate::cli::ring::Monitor;
use crate::exit::{Exit, Failure};
use crate::show::style::printable;
use crate::show::{self, Output, Reader};

pub(super) async fn run(arguments: &Monitor, output: &Output) -> Result<Exit, Failure> {
    let mut client = connect(&arguments.rpc).await?;
    let mut requests = vec![Request::Stream { kind: arguments.events.clone() }];
    requests.extend(arguments.log.clone().map(|level| Request::Monitor { level }));
    for request in requests {
        client.call(request).await.map_err(|error| refused(&error))?;
    }
    // Whoever starts it waits for this line before something is made to happen.
    match output.reader {
        Reader::Program => show::print_json(&json!({"event": "listening"})),
        Reader::Person => output.remark("listening; Ctrl-C ends it"),
    }
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
        error = listen(&mut client, output) => Err(refused(&error)),
    }
}

async fn listen(client: &mut Client, output: &Output) -> ClientError {
    loop {
        let body = match client.record().await {
            Ok((_, body)) => body,
            Err(error) => return error,
        };
        match (body, output.reader) {
            (Body::Event(event), Reader::Program) => show::print_json(&told::event_json(&event)),
            (Body::Event(event), Reader::Person) => show::print(&told::event_text(&event)),
            (Body::Log(line), Reader::Program) => show::print_json(&json!({"event": "log", "line": line.trim_end()})),
            (Body::Log(line), Reader::Person) => show::print(&format!("{}\n", printable(line.trim_end()))),
            _ => {}
        }
    }
}
