//! A command with its streams attached: input is fed as it goes, and a limit that runs out kills it.
//!
//! The daemon opens a websocket for each of standard input, output and error, and one for control. The end of a stream
//! is an empty text message in either direction; after it the daemon may drop the connection without a word, which is
//! no error.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{ExecOutput, Operation};
use crate::lxd::LxdError;
use crate::lxd::client::Client;
use crate::lxd::websocket::WebSocket;
use crate::lxd::wire::segment;

/// Bytes of standard input in one message.
const CHUNK_BYTES: usize = 64 << 10;

/// The signal that ends a command whose limit ran out.
const SIGKILL: u8 = 9;

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

pub(super) async fn run(
    client: &Client,
    operation: &Operation,
    input: &Bytes,
    limit: Duration,
) -> Result<ExecOutput, LxdError> {
    let Sockets { fds } = serde_json::from_value(operation.metadata.clone())
        .map_err(|error| client.not_understood(&operation.doing, error.to_string()))?;
    // All at once: each costs a round trip, and the command starts when the last one is there.
    let open = |secret: String| {
        let path = format!("/1.0/operations/{}/websocket?secret={}", segment(&operation.id), segment(&secret));
        async move { client.websocket(&path).await }
    };
    let (mut control, mut stdin, mut stdout, mut stderr) =
        tokio::try_join!(open(fds.control), open(fds.stdin), open(fds.stdout), open(fds.stderr))?;

    let attached = async {
        // The command need not read all its input, so feeding it is never waited for.
        let aside = async {
            tokio::join!(feed(&mut stdin, input), skip(&mut control));
            std::future::pending::<(Vec<u8>, Vec<u8>)>().await
        };
        let collect = async { tokio::join!(drain(&mut stdout), drain(&mut stderr)) };
        tokio::select! {
            output = collect => output,
            never = aside => never,
        }
    };
    let Ok((stdout, stderr)) = tokio::time::timeout(limit, attached).await else {
        let kill = json!({"command": "signal", "signal": SIGKILL}).to_string();
        // If even this cannot be sent, the daemon ends the command when our streams go.
        let _ = control.send(Message::text(kill)).await;
        let doing = operation.doing.clone();
        return Err(LxdError::TimedOut { endpoint: client.endpoint(), doing, limit });
    };
    let code = super::exit_code(client, client.wait_for_end(operation, limit).await?)?.0;
    Ok(ExecOutput { code, stdout, stderr })
}

/// Sends the input and its end. An error means that the command has ended, which its output shows as well.
async fn feed(socket: &mut WebSocket, input: &Bytes) {
    for start in (0..input.len()).step_by(CHUNK_BYTES) {
        let chunk = input.slice(start..input.len().min(start + CHUNK_BYTES));
        if socket.send(Message::Binary(chunk)).await.is_err() {
            return;
        }
    }
    if socket.send(Message::text("")).await.is_ok() {
        skip(socket).await;
    }
}

/// Reads a stream that carries nothing for us: its pings want their answers, or the daemon gives it up.
async fn skip(socket: &mut WebSocket) {
    while let Some(Ok(_)) = socket.next().await {}
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
