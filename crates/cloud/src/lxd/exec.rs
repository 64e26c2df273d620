//! Commands in an instance.
//!
//! The daemon answers with an operation and a websocket for each of standard input, output and error, and one for
//! control. The end of a stream is an empty text message in either direction; after it the daemon may drop the
//! connection without a word, which is no error.

use std::collections::BTreeMap;
use std::time::Duration;

use ::http::Method;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, Reply};
use super::instances::instance_path;
use super::websocket::WebSocket;
use super::wire::segment;
use super::{LxdError, Operation};

/// Bytes of standard input in one message.
const CHUNK_BYTES: usize = 64 << 10;

/// The signal that ends a command whose limit ran out.
const SIGKILL: u8 = 9;

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
}

/// The secrets of the operation's websockets.
#[derive(Deserialize)]
struct Sockets {
    fds: Secrets,
}

#[derive(Deserialize)]
struct Secrets {
    #[serde(rename = "0")]
    stdin: String,
    #[serde(rename = "1")]
    stdout: String,
    #[serde(rename = "2")]
    stderr: String,
    control: String,
}

impl Client {
    /// Runs a command in a running instance and waits for its end.
    ///
    /// When `limit` runs out the command (not what it has started) is killed, and the error is
    /// [`LxdError::TimedOut`].
    pub async fn exec(&self, instance: &str, request: &ExecRequest, limit: Duration) -> Result<ExecOutput, LxdError> {
        let body = Body {
            command: &request.command,
            environment: &request.environment,
            user: request.user,
            group: request.group,
            cwd: &request.directory,
            interactive: false,
            wait_for_websocket: true,
        };
        let path = format!("{}/exec", instance_path(instance));
        let operation = match self.change(Method::POST, path.as_str(), &body, None).await? {
            Reply::Started(operation) => *operation,
            Reply::Done(_) => {
                return Err(self.not_understood(&format!("POST {path}"), "no operation was started".to_owned()));
            }
        };
        let sockets: Sockets = serde_json::from_value(operation.metadata.clone())
            .map_err(|error| self.not_understood(&operation.doing, error.to_string()))?;

        // All at once: each costs a round trip, and the command starts when the last one is there.
        let open = |secret: String| {
            let path = format!("/1.0/operations/{}/websocket?secret={}", segment(&operation.id), segment(&secret));
            async move { self.websocket(&path).await }
        };
        let (mut control, mut stdin, mut stdout, mut stderr) = tokio::try_join!(
            open(sockets.fds.control),
            open(sockets.fds.stdin),
            open(sockets.fds.stdout),
            open(sockets.fds.stderr)
        )?;

        let run = async {
            // The command need not read all its input, so feeding it is never waited for.
            let feed = async {
                feed(&mut stdin, &request.stdin).await;
                std::future::pending::<(Vec<u8>, Vec<u8>)>().await
            };
            let collect = async { tokio::join!(drain(&mut stdout), drain(&mut stderr)) };
            tokio::select! {
                output = collect => output,
                never = feed => never,
            }
        };
        let Ok((stdout, stderr)) = tokio::time::timeout(limit, run).await else {
            let kill = json!({"command": "signal", "signal": SIGKILL}).to_string();
            // If even this cannot be sent, the daemon ends the command's streams when ours go.
            let _ = control.send(Message::text(kill)).await;
            return Err(LxdError::TimedOut { endpoint: self.endpoint(), doing: operation.doing, limit });
        };
        let code = self.exit_code(&operation, limit).await?;
        Ok(ExecOutput { code, stdout, stderr })
    }

    async fn exit_code(&self, operation: &Operation, limit: Duration) -> Result<i64, LxdError> {
        let ended = self.wait_for_end(operation, limit).await?;
        // A command that is not there is a failed operation with an exit code.
        match ended.metadata.get("return").and_then(serde_json::Value::as_i64) {
            Some(code) => Ok(code),
            None => Err(LxdError::Failed {
                endpoint: self.endpoint(),
                doing: ended.doing,
                code: ended.status_code,
                message: if ended.err.is_empty() { "the command has no exit code".to_owned() } else { ended.err },
            }),
        }
    }
}

/// Sends the input and its end. An error means that the command has ended, which its output shows as well.
async fn feed(socket: &mut WebSocket, input: &Bytes) {
    for start in (0..input.len()).step_by(CHUNK_BYTES) {
        let chunk = input.slice(start..input.len().min(start + CHUNK_BYTES));
        if socket.send(Message::Binary(chunk)).await.is_err() {
            return;
        }
    }
    let _ = socket.send(Message::text("")).await;
}

/// Reads a stream up to its end: the empty text message, a close, or a dropped connection. Whether the command ended
/// well is for its operation to say.
async fn drain(socket: &mut WebSocket) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(chunk) => bytes.extend_from_slice(&chunk),
            Message::Text(text) if text.is_empty() => break,
            Message::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Message::Close(_) => break,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    // The daemon waits for our close before it lets go of the stream.
    let _ = socket.close(None).await;
    bytes
}
