//! Operations: what an async answer stands for, and the events that tell of it.
//!
//! ```text
//! Running ──▶ Success
//!    └──────▶ Failure
//! ```
//! An operation that is over is forgotten after five seconds, as both engines do.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::super::machine::Machine;
use super::answer::{Answer, ApiError, accepted, sync};

/// How long an operation that is over can still be asked for.
const REMEMBERED: Duration = Duration::from_secs(5);

/// Something that takes time.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    class: Class,
    description: String,
    created_at: String,
    updated_at: String,
    state: Progress,
    resources: Value,
    metadata: Value,
    finished: Option<Instant>,
}

/// What an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Work.
    Task,
    /// Work with websockets to it.
    Websocket,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    Running,
    Success,
    Failure(String),
}

impl Operation {
    fn json(&self, id: &str) -> Value {
        let (status, code, err) = match &self.state {
            Progress::Running => ("Running", 103, ""),
            Progress::Success => ("Success", 200, ""),
            Progress::Failure(reason) => ("Failure", 400, reason.as_str()),
        };
        json!({
            "id": id,
            "class": match self.class { Class::Task => "task", Class::Websocket => "websocket" },
            "description": self.description,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "status": status,
            "status_code": code,
            "resources": self.resources,
            "metadata": self.metadata,
            "may_cancel": false,
            "err": err,
            "location": "none",
        })
    }
}

/// Begins an operation that does `work` beside the request, and answers with it.
pub(super) fn run<W>(machine: &Arc<Machine>, description: &str, resources: Value, work: W) -> Response
where
    W: Future<Output = Result<Value, String>> + Send + 'static,
{
    let (id, operation) = begin(machine, Class::Task, description, resources, Value::Null);
    let machine = Arc::clone(machine);
    tokio::spawn(async move {
        let outcome = work.await;
        finish(&machine, &id, outcome);
    });
    accepted(&operation)
}

/// Begins an operation; somebody must [`finish`] it.
pub(super) fn begin(
    machine: &Machine,
    class: Class,
    description: &str,
    resources: Value,
    metadata: Value,
) -> (String, Value) {
    let id = uuid::Uuid::new_v4().to_string();
    let now = jiff::Timestamp::now().to_string();
    let operation = Operation {
        class,
        description: description.to_owned(),
        created_at: now.clone(),
        updated_at: now,
        state: Progress::Running,
        resources,
        metadata,
        finished: None,
    };
    let shown = operation.json(&id);
    machine.engine(|engine, _| engine.operations.insert(id.clone(), operation));
    machine.tell("operation", &shown);
    (id, shown)
}

/// Ends an operation with new metadata, or with the reason why it failed.
pub(super) fn finish(machine: &Machine, id: &str, outcome: Result<Value, String>) {
    let shown = machine.engine(|engine, _| {
        let operation = engine.operations.get_mut(id)?;
        operation.finished = Some(Instant::now());
        operation.updated_at = jiff::Timestamp::now().to_string();
        operation.state = match outcome {
            Ok(metadata) => {
                if !metadata.is_null() {
                    operation.metadata = metadata;
                }
                Progress::Success
            }
            Err(reason) => Progress::Failure(reason),
        };
        Some(operation.json(id))
    });
    if let Some(shown) = shown.flatten() {
        machine.tell("operation", &shown);
    }
    machine.changed.notify_waiters();
}

/// `GET /1.0/operations`
pub(super) async fn list(State(machine): State<Arc<Machine>>, Query(query): Query<super::api::Recursion>) -> Answer {
    prune(&machine);
    let mut by_status: Map<String, Value> = Map::new();
    machine.engine(|engine, _| {
        for (id, operation) in &engine.operations {
            let shown = operation.json(id);
            let status = shown.get("status").and_then(Value::as_str).unwrap_or_default().to_lowercase();
            let entry = if query.is_deep() { shown } else { json!(format!("/1.0/operations/{id}")) };
            if let Some(list) = by_status.entry(status).or_insert_with(|| json!([])).as_array_mut() {
                list.push(entry);
            }
        }
    });
    Ok(sync(by_status))
}

/// `GET /1.0/operations/{id}`
pub(super) async fn get(State(machine): State<Arc<Machine>>, Path(id): Path<String>) -> Answer {
    Ok(sync(look(&machine, &id)?.0))
}

/// `DELETE /1.0/operations/{id}`
pub(super) async fn delete(State(machine): State<Arc<Machine>>, Path(id): Path<String>) -> Answer {
    look(&machine, &id)?;
    Err(ApiError::bad_request("This operation can't be cancelled"))
}

/// `?timeout=SECONDS`
#[derive(Deserialize)]
pub(super) struct Wait {
    timeout: Option<i64>,
}

/// `GET /1.0/operations/{id}/wait`: without a timeout, or with a negative one, until it is over.
pub(super) async fn wait(
    State(machine): State<Arc<Machine>>,
    Path(id): Path<String>,
    Query(query): Query<Wait>,
) -> Answer {
    let limit = query.timeout.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        let changed = machine.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (shown, finished) = look(&machine, &id)?;
        if finished {
            return Ok(sync(shown));
        }
        match deadline {
            None => changed.await,
            Some(deadline) => {
                if tokio::time::timeout_at(deadline, changed).await.is_err() {
                    return Ok(sync(look(&machine, &id)?.0));
                }
            }
        }
    }
}

fn look(machine: &Machine, id: &str) -> Result<(Value, bool), ApiError> {
    prune(machine);
    let found = machine.engine(|engine, _| {
        engine.operations.get(id).map(|operation| (operation.json(id), operation.finished.is_some()))
    });
    found.flatten().ok_or_else(|| ApiError::not_found("Operation"))
}

fn prune(machine: &Machine) {
    machine.engine(|engine, _| {
        engine.operations.retain(|_, operation| operation.finished.is_none_or(|at| at.elapsed() < REMEMBERED));
    });
}

/// `?type=operation,lifecycle`
#[derive(Deserialize)]
pub(super) struct EventTypes {
    #[serde(rename = "type")]
    kinds: Option<String>,
}

/// `GET /1.0/events`: a websocket with one event a message.
pub(super) async fn events(
    State(machine): State<Arc<Machine>>,
    Query(query): Query<EventTypes>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let kinds: Vec<String> =
        query.kinds.as_deref().unwrap_or("operation,lifecycle,logging").split(',').map(str::to_owned).collect();
    // Subscribed before the answer goes out: what happens after it must not be missed.
    let events = machine.events.subscribe();
    upgrade.on_upgrade(move |socket| forward(socket, events, kinds))
}

async fn forward(mut socket: WebSocket, mut events: tokio::sync::broadcast::Receiver<Value>, kinds: Vec<String>) {
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => {
                    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
                    let wanted = kinds.iter().any(|wanted| wanted == kind);
                    if wanted && socket.send(Message::text(event.to_string())).await.is_err() {
                        return;
                    }
                }
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            },
            message = socket.recv() => if !matches!(message, Some(Ok(_))) { return },
        }
    }
}
