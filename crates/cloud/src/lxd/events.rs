//! What happens in the daemon, as it happens.
//!
//! Events are hints that it is worth looking: after any gap (lost connection, reader too slow) look at the things
//! themselves.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use super::client::Client;
use super::http::chain;
use super::websocket::WebSocket;
use super::{LxdError, Operation};

/// Events kept for a slow reader. They are read off the connection at once, since over ssh a reader that is behind
/// would hold up every other stream of the session; past this many the stream ends.
const BUFFERED_EVENTS: usize = 4096;

/// The sorts of events to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// Changes of operations.
    Operation,
    /// Changes of instances, profiles, images, …
    Lifecycle,
    /// The daemon's log.
    Logging,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Operation => "operation",
            Self::Lifecycle => "lifecycle",
            Self::Logging => "logging",
        }
    }
}

/// Something happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// When (RFC 3339).
    pub timestamp: String,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum EventKind {
    /// An operation began, went on or ended.
    Operation(Box<Operation>),
    /// A thing changed.
    Lifecycle {
        /// Such as `instance-started`, `image-created`.
        action: String,
        /// The path of the thing.
        source: String,
        /// Details, or `null`.
        context: Value,
    },
    /// The daemon logged something.
    Logging {
        /// `info`, `warning`, …
        level: String,
        /// The message.
        message: String,
        /// Details, or `null`.
        context: Value,
    },
    /// A sort that this client does not know.
    Other {
        /// Its name.
        name: String,
        /// Its content.
        metadata: Value,
    },
}

/// A stream of events; dropping it ends it.
#[derive(Debug)]
pub struct Events {
    received: mpsc::Receiver<Result<Event, LxdError>>,
    reader: JoinHandle<()>,
}

impl Client {
    /// Begins to listen. Events from now on arrive; the stream ends with an error if the connection is lost or the
    /// reader falls too far behind.
    pub async fn events(&self, types: &[EventType]) -> Result<Events, LxdError> {
        let names: Vec<&str> = types.iter().map(|kind| kind.as_str()).collect();
        let path = format!("/1.0/events?type={}", names.join(","));
        let socket = self.websocket(&path).await?;
        let (sender, received) = mpsc::channel(BUFFERED_EVENTS);
        let (client, doing) = (self.clone(), format!("GET {path}"));
        let reader = tokio::spawn(async move {
            let end = forward(&client, &doing, socket, &sender).await;
            // Waits for room: the reason of the end must not be lost.
            let _ = sender.send(Err(end)).await;
        });
        Ok(Events { received, reader })
    }
}

impl Events {
    /// The next event; `None` after the error that ended the stream.
    pub async fn next(&mut self) -> Option<Result<Event, LxdError>> {
        self.received.recv().await
    }
}

impl Stream for Events {
    type Item = Result<Event, LxdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.received.poll_recv(cx)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Reads events until there are no more, and returns why.
async fn forward(
    client: &Client,
    doing: &str,
    mut socket: WebSocket,
    sender: &mpsc::Sender<Result<Event, LxdError>>,
) -> LxdError {
    let lost = |reason: String| LxdError::Lost { endpoint: client.endpoint(), doing: doing.to_owned(), reason };
    loop {
        let text = match socket.next().await {
            None | Some(Ok(Message::Close(_))) => return lost("the daemon closed the stream".to_owned()),
            Some(Err(error)) => return lost(chain(&error)),
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(_)) => continue,
        };
        let event = match parse(&text) {
            Ok(event) => event,
            Err(error) => return client.not_understood(doing, error.to_string()),
        };
        if sender.try_send(Ok(event)).is_err() {
            return lost(format!("more than {BUFFERED_EVENTS} events were waiting to be read"));
        }
    }
}

fn parse(text: &str) -> Result<Event, serde_json::Error> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "type")]
        name: String,
        #[serde(default)]
        timestamp: String,
        #[serde(default)]
        metadata: Value,
    }
    #[derive(Deserialize)]
    struct Lifecycle {
        action: String,
        #[serde(default)]
        source: String,
        #[serde(default)]
        context: Value,
    }
    #[derive(Deserialize)]
    struct Logging {
        #[serde(default)]
        level: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        context: Value,
    }
    let Wire { name, timestamp, metadata } = serde_json::from_str(text)?;
    let kind = match name.as_str() {
        "operation" => EventKind::Operation(Box::new(serde_json::from_value(metadata)?)),
        "lifecycle" => {
            let Lifecycle { action, source, context } = serde_json::from_value(metadata)?;
            EventKind::Lifecycle { action, source, context }
        }
        "logging" => {
            let Logging { level, message, context } = serde_json::from_value(metadata)?;
            EventKind::Logging { level, message, context }
        }
        _ => EventKind::Other { name, metadata },
    };
    Ok(Event { timestamp, kind })
}
