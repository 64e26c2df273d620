//! One request to the agent, by way of a container's socket.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value};

use crate::exit::Failure;

/// The agent answers at once, or lets nobody in because too many ask.
const LIMIT: Duration = Duration::from_secs(10);

/// Says this, if it is anything, and gets all that is said of the container then.
pub(super) async fn ask(socket: &Path, method: Method, change: Map<String, Value>) -> Result<Value, Failure> {
    let lost = |error: reqwest::Error| unreached(socket, &error);
    // No TLS is spoken here, and reading the machine's certificates would take most of the time.
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]).unix_socket(socket).timeout(LIMIT);
    let mut request = builder.build().map_err(lost)?.request(method, "http://agent/v1/self");
    if !change.is_empty() {
        request = request.json(&change);
    }
    let answer = request.send().await.map_err(lost)?;
    let is_taken = answer.status().is_success();
    let said = answer.json::<Value>().await.map_err(lost)?;
    if is_taken { Ok(said) } else { Err(refused(&said)) }
}

fn refused(said: &Value) -> Failure {
    let text = |field: &str| said.get(field).and_then(Value::as_str).map(str::to_owned);
    Failure::new("the agent of this host does not announce it")
        .because(text("error").unwrap_or_else(|| said.to_string()))
        .hint(text("hint"))
}

fn unreached(socket: &Path, error: &reqwest::Error) -> Failure {
    let path = socket.display();
    let directory_is_there = socket.parent().is_some_and(Path::is_dir);
    let (message, hint) = match kind(error) {
        Some(io::ErrorKind::NotFound) if !directory_is_there => (
            format!("there is no `{path}`"),
            "this is no container of Pontoon's, or it was made before its host had an agent: `pontoon up` of the stack \
             gives it one",
        ),
        Some(io::ErrorKind::NotFound) => (
            format!("there is no `{path}` yet"),
            "the agent of this container's host is not running, or has not seen the container yet; try again, or see \
             `systemctl status pontoon-agent` on the host",
        ),
        Some(io::ErrorKind::ConnectionRefused) => (
            format!("nobody listens at `{path}`"),
            "the agent of this container's host is not running: `systemctl status pontoon-agent` on the host",
        ),
        Some(io::ErrorKind::WouldBlock) => (
            format!("too many speak at `{path}` at once"),
            "another process of this container keeps the socket busy; try again",
        ),
        _ if error.is_timeout() => (
            format!("no answer at `{path}` in {} s", LIMIT.as_secs()),
            "another process of this container keeps the socket busy, or its host is; try again",
        ),
        _ => (format!("cannot speak with the agent of this host at `{path}`"), "try again"),
    };
    let failure = Failure::new(message).hint(hint.to_owned());
    match error.source() {
        Some(source) => failure.caused_by(source),
        None => failure,
    }
}

/// What the system said, however deep it lies.
fn kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        next = error.source();
    }
    None
}
