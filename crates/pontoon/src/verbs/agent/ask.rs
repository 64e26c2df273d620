//! Questions to a running agent, by HTTP, and what is printed of the answers.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::told;
use crate::cli::agent::{Asked, Services};
use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

/// How long a connection and a single answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A line of a stream is not longer.
const LINE_MAX: usize = 1024 * 1024;

pub(super) async fn members(asked: &Asked, output: &Output) -> Result<Exit, Failure> {
    let answer = get(asked, "/v1/members").await?;
    tell("members", answer, output, told::members);
    Ok(Exit::Done)
}

pub(super) async fn catalogue(asked: &Asked, output: &Output) -> Result<Exit, Failure> {
    let answer = get(asked, "/v1/catalogue").await?;
    tell("catalogue", answer, output, |answer| told::containers(&told::all(answer)));
    Ok(Exit::Done)
}

pub(super) async fn services(arguments: &Services, output: &Output) -> Result<Exit, Failure> {
    let answer = get(&arguments.asked, "/v1/catalogue").await?;
    let all = told::all(&answer);
    let Some(name) = &arguments.name else {
        let services = told::services(&all);
        match output.reader {
            Reader::Program => show::print_json(&json!({"event": "services", "services": services})),
            Reader::Person => show::print(&told::services_text(&services)),
        }
        return Ok(Exit::Done);
    };
    let copies: Vec<&Value> = all.into_iter().filter(|copy| copy["service"] == **name).collect();
    if copies.is_empty() {
        return Err(Failure::new(format!("no container announces the service `{name}`"))
            .hint("`pontoon agent services` lists those that there are".to_owned()));
    }
    match output.reader {
        Reader::Program => show::print_json(&json!({"event": "service", "service": name, "instances": copies})),
        Reader::Person => show::print(&told::containers(&copies)),
    }
    Ok(Exit::Done)
}

pub(super) async fn watch(asked: &Asked, output: &Output) -> Result<Exit, Failure> {
    let response = send(asked, "/v1/changes", None).await?;
    let mut chunks = response.bytes_stream();
    let mut lines = Vec::new();
    loop {
        let chunk = tokio::select! {
            chunk = chunks.next() => chunk,
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
        };
        let lost = || Failure::new(format!("the agent at `{}` does not tell any more", asked.http));
        let chunk = chunk.ok_or_else(lost)?.map_err(|error| lost().caused_by(&error))?;
        lines.extend_from_slice(&chunk);
        while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = lines.drain(..=end).collect();
            if let Some(change) = change(&line) {
                match output.reader {
                    Reader::Program => show::print_json(&told::with_event("change", change)),
                    Reader::Person => show::print(&told::change(&change)),
                }
            }
        }
        if lines.len() > LINE_MAX {
            return Err(lost().because("a line that does not end"));
        }
    }
}

/// The change in a line of server-sent events, if that is what it is.
fn change(line: &[u8]) -> Option<Value> {
    let data = std::str::from_utf8(line).ok()?.strip_prefix("data:")?;
    let change: Value = serde_json::from_str(data.trim()).ok()?;
    change.get("kind").is_some().then_some(change)
}

fn tell(event: &str, answer: Value, output: &Output, text: impl Fn(&Value) -> String) {
    match output.reader {
        Reader::Program => show::print_json(&told::with_event(event, answer)),
        Reader::Person => show::print(&text(&answer)),
    }
}

async fn get(asked: &Asked, path: &str) -> Result<Value, Failure> {
    let response = send(asked, path, Some(PATIENCE)).await?;
    let strange = |error: reqwest::Error| {
        Failure::new(format!("what answers at `{}` is no agent of a stack", asked.http)).caused_by(&error)
    };
    response.json().await.map_err(strange)
}

async fn send(asked: &Asked, path: &str, limit: Option<Duration>) -> Result<Response, Failure> {
    let silent = |error: &dyn std::error::Error| {
        Failure::new(format!("no agent answers at `{}`", asked.http)).caused_by(error).hint(
            "`systemctl status pontoon-agent` on a host; --http names another one, and only the stack's networks are answered"
                .to_owned(),
        )
    };
    let client = reqwest::Client::builder().no_proxy().connect_timeout(PATIENCE).build();
    let client = client.map_err(|error| Failure::new("cannot make an HTTP client").caused_by(&error))?;
    let mut request = client.get(format!("http://{}{path}", asked.http));
    if let Some(limit) = limit {
        request = request.timeout(limit);
    }
    let response = request.send().await.map_err(|error| silent(&error))?;
    match response.status() {
        StatusCode::OK => Ok(response),
        status => Err(Failure::new(format!("the agent at `{}` answered {status} to `{path}`", asked.http))),
    }
}
