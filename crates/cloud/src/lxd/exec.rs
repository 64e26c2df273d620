//! Commands in an instance, in one of two ways.
//!
//! Without input the daemon records the output in files, which are fetched at the end (`recorded`). With input there
//! is a websocket for each stream (`attached`). The first is preferred wherever it will do: LXD before 5.14, and so
//! the 5.0 of Debian 12, now and then loses the output of a short command on its websockets (fixed upstream by pull
//! request 11606), and a result that is empty by chance is worse than two more requests.

mod attached;
mod recorded;

use std::collections::BTreeMap;
use std::time::Duration;

use ::http::Method;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::client::{Client, Reply};
use super::instances::instance_path;
use super::{LxdError, Operation};

/// A command to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// The program and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// Environment beyond the daemon's own (`PATH`, `HOME`, `USER`, `LANG`).
    pub environment: BTreeMap<String, String>,
    /// What it reads; it sees the end of input after that.
    pub stdin: Bytes,
    /// Who runs it, 0 for root.
    pub user: u32,
    /// The group that runs it.
    pub group: u32,
    /// Where it runs; the user's home if empty.
    pub directory: String,
}

/// What a command left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code; 127 where it was not found, 128 and more for signals.
    pub code: i64,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

#[derive(Serialize)]
struct Body<'a> {
    command: &'a [String],
    environment: &'a BTreeMap<String, String>,
    user: u32,
    group: u32,
    cwd: &'a str,
    interactive: bool,
    #[serde(rename = "wait-for-websocket")]
    wait_for_websocket: bool,
    #[serde(rename = "record-output")]
    record_output: bool,
}

impl Client {
    /// Runs a command in a running instance and waits for its end.
    ///
    /// When `limit` runs out the error is [`LxdError::TimedOut`]. A command with input is killed then (not what it has
    /// started); one without goes on. With input, the output may be missing on LXD before 5.14: do not take an empty
    /// one for proof of anything there.
    pub async fn exec(&self, instance: &str, request: &ExecRequest, limit: Duration) -> Result<ExecOutput, LxdError> {
        let record_output = request.stdin.is_empty();
        let body = Body {
            command: &request.command,
            environment: &request.environment,
            user: request.user,
            group: request.group,
            cwd: &request.directory,
            interactive: false,
            wait_for_websocket: !record_output,
            record_output,
        };
        let path = format!("{}/exec", instance_path(instance));
        let operation = match self.change(Method::POST, path.as_str(), &body, None).await? {
            Reply::Started(operation) => operation,
            Reply::Done(_) => {
                return Err(self.not_understood(&format!("POST {path}"), "no operation was started".to_owned()));
            }
        };
        if record_output {
            recorded::collect(self, &operation, limit).await
        } else {
            attached::run(self, &operation, &request.stdin, limit).await
        }
    }
}

/// The exit code and the rest of what an ended operation says. A command that is not there is a failed operation with
/// an exit code.
fn exit_code(client: &Client, ended: Operation) -> Result<(i64, Value), LxdError> {
    match ended.metadata.get("return").and_then(Value::as_i64) {
        Some(code) => Ok((code, ended.metadata)),
        None => Err(LxdError::Failed {
            endpoint: client.endpoint(),
            doing: ended.doing,
            code: ended.status_code,
            message: if ended.err.is_empty() { "the command has no exit code".to_owned() } else { ended.err },
        }),
    }
}
