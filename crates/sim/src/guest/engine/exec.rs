//! Commands in containers, by the small shell: over websockets, or recorded into files.
//!
//! The ends of streams are told as the engines do: an empty text message, in both directions. The connection is then
//! dropped without a close frame.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::super::Origin;
use super::super::files::Files;
use super::super::machine::Machine;
use super::super::shell::{self, CloudInit, Output, Surroundings};
use super::answer::{Answer, ApiError, accepted, body, raw, sync};
use super::api::with;
use super::operations::{self, Class};
use super::{Instance, nics};

/// How long the websockets of a command may take to come.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Where recorded output lies in the container; the engine keeps it outside, which nobody can tell.
const RECORDED: &str = "/.exec-output";

/// The websockets that an operation waits for.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// Which file descriptor each secret is for.
    secrets: BTreeMap<String, String>,
    arrived: mpsc::Sender<(String, WebSocket)>,
}

/// The body of `POST /1.0/instances/{name}/exec`.
#[derive(Deserialize)]
struct NewCommand {
    command: Vec<String>,
    #[serde(default, rename = "wait-for-websocket")]
    wait_for_websocket: bool,
    #[serde(default)]
    interactive: bool,
    #[serde(default, rename = "record-output")]
    record_output: bool,
}

/// `POST /1.0/instances/{name}/exec`
pub(super) async fn create(State(machine): State<Arc<Machine>>, Path(name): Path<String>, bytes: Bytes) -> Answer {
    let new: NewCommand = body(&bytes)?;
    with(&machine, |engine, _| match engine.instances.get(&name) {
        None => Err(ApiError::not_found("Instance")),
        Some(instance) if !instance.running => Err(ApiError::bad_request("Instance is not running")),
        Some(_) => Ok(()),
    })?;
    let resources = json!({ "instances": [format!("/1.0/instances/{name}")] });
    if !new.wait_for_websocket {
        let own = Arc::clone(&machine);
        return Ok(operations::run(&machine, "Executing command", resources, async move {
            let output = execute(&own, &name, &new.command, Vec::new()).await;
            let recorded = new.record_output.then(|| record(&own, &name, &output));
            result(&new.command, &output, recorded)
        }));
    }
    let wanted: &[&str] = if new.interactive { &["0", "control"] } else { &["0", "1", "2", "control"] };
    let secrets: BTreeMap<String, String> =
        wanted.iter().map(|fd| (uuid::Uuid::new_v4().simple().to_string(), (*fd).to_owned())).collect();
    let fds: Map<String, Value> = secrets.iter().map(|(secret, fd)| (fd.clone(), json!(secret))).collect();
    let metadata = json!({ "fds": fds, "command": new.command, "environment": {}, "interactive": new.interactive });
    let (id, shown) = operations::begin(&machine, Class::Websocket, "Executing command", resources, metadata);
    let (arrived, arrivals) = mpsc::channel(wanted.len());
    machine.sockets().insert(id.clone(), Sockets { secrets, arrived });
    tokio::spawn(async move {
        let outcome = converse(&machine, &name, &new, arrivals).await;
        machine.sockets().remove(&id);
        operations::finish(&machine, &id, outcome);
    });
    Ok(accepted(&shown))
}

/// `?secret=S`
#[derive(Deserialize)]
pub(super) struct Secret {
    #[serde(default)]
    secret: String,
}

/// `GET /1.0/operations/{id}/websocket`: each secret opens one websocket, once.
pub(super) async fn websocket(
    State(machine): State<Arc<Machine>>,
    Path(id): Path<String>,
    Query(query): Query<Secret>,
    upgrade: WebSocketUpgrade,
) -> Answer {
    let found = machine.sockets().get_mut(&id).and_then(|sockets| {
        let fd = sockets.secrets.remove(&query.secret)?;
        Some((fd, sockets.arrived.clone()))
    });
    let (fd, arrived) = found.ok_or_else(|| ApiError::forbidden("not authorized"))?;
    Ok(upgrade.on_upgrade(async move |socket| {
        // The command may be over already: then there is nothing left to say.
        let _ = arrived.send((fd, socket)).await;
    }))
}

/// Waits for the websockets, feeds the command, hands out what it printed.
async fn converse(
    machine: &Arc<Machine>,
    name: &str,
    new: &NewCommand,
    mut arrivals: mpsc::Receiver<(String, WebSocket)>,
) -> Result<Value, String> {
    let needed: &[&str] = if new.interactive { &["0"] } else { &["0", "1", "2"] };
    let mut sockets: BTreeMap<String, WebSocket> = BTreeMap::new();
    let gather = async {
        while !needed.iter().all(|fd| sockets.contains_key(*fd)) {
            let Some((fd, socket)) = arrivals.recv().await else { return };
            sockets.insert(fd, socket);
        }
    };
    if tokio::time::timeout(CONNECT_WITHIN, gather).await.is_err() {
        return Err("Timed out waiting for websockets to connect".to_owned());
    }
    let words: Vec<&str> = new.command.iter().map(String::as_str).collect();
    let mut stdin = Vec::new();
    if let Some(socket) = sockets.get_mut("0").filter(|_| shell::waits_of(&words).stdin) {
        while let Some(Ok(message)) = socket.recv().await {
            match message {
                Message::Binary(bytes) => stdin.extend_from_slice(&bytes),
                Message::Text(text) if text.is_empty() => break,
                Message::Text(text) => stdin.extend_from_slice(text.as_bytes()),
                Message::Close(_) => break,
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    }
    let output = execute(machine, name, &new.command, stdin).await;
    let outlets: [(&str, &[u8]); 2] = if new.interactive {
        [("0", &output.stdout), ("0", &output.stderr)]
    } else {
        [("1", &output.stdout), ("2", &output.stderr)]
    };
    for (fd, bytes) in outlets {
        if let Some(socket) = sockets.get_mut(fd).filter(|_| !bytes.is_empty()) {
            // A client that went away does not stop the command.
            let _ = socket.send(Message::binary(bytes.to_vec())).await;
        }
    }
    for fd in if new.interactive { ["0", "0"] } else { ["1", "2"] } {
        if let Some(socket) = sockets.get_mut(fd) {
            let _ = socket.send(Message::text("")).await;
        }
    }
    result(&new.command, &output, None)
}

async fn execute(machine: &Arc<Machine>, name: &str, command: &[String], stdin: Vec<u8>) -> Output {
    let container = Inside { machine, name };
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    if shell::waits_of(&words).cloud_init {
        machine.until(|| !matches!(container.cloud_init(), CloudInit::Running)).await;
    }
    shell::run_words(&container, "root", command, stdin)
}

fn result(command: &[String], output: &Output, recorded: Option<Value>) -> Result<Value, String> {
    // Only the command itself counts: a shell that does not find one ends with 127 as any other command.
    let shell = matches!(command.first().map(String::as_str), Some("sh" | "bash" | "/bin/sh" | "/bin/bash" | "sudo"));
    if output.code == 127 && !shell {
        return Err("Command not found".to_owned());
    }
    let mut metadata = json!({ "return": output.code });
    if let (Some(recorded), Some(metadata)) = (recorded, metadata.as_object_mut()) {
        metadata.insert("output".to_owned(), recorded);
    }
    Ok(metadata)
}

fn record(machine: &Machine, name: &str, output: &Output) -> Value {
    let id = uuid::Uuid::new_v4();
    machine.engine(|engine, _| {
        let Some(instance) = engine.instances.get_mut(name) else { return };
        instance.files.write(&format!("{RECORDED}/exec_{id}.stdout"), output.stdout.clone(), None);
        instance.files.write(&format!("{RECORDED}/exec_{id}.stderr"), output.stderr.clone(), None);
    });
    let path = |stream: &str| format!("/1.0/instances/{name}/logs/exec-output/exec_{id}.{stream}");
    json!({ "1": path("stdout"), "2": path("stderr") })
}

/// `GET /1.0/instances/{name}/logs/exec-output/{file}`
pub(super) async fn output(State(machine): State<Arc<Machine>>, Path((name, file)): Path<(String, String)>) -> Answer {
    with(&machine, |engine, _| {
        let instance = engine.instances.get(&name).ok_or_else(|| ApiError::not_found("Instance"))?;
        let file = instance.files.get(&format!("{RECORDED}/{file}")).ok_or_else(|| ApiError::not_found("Log file"))?;
        Ok(raw("application/octet-stream", file.content.clone()))
    })
}

/// `DELETE /1.0/instances/{name}/logs/exec-output/{file}`
pub(super) async fn delete_output(
    State(machine): State<Arc<Machine>>,
    Path((name, file)): Path<(String, String)>,
) -> Answer {
    with(&machine, |engine, _| {
        let instance = engine.instances.get_mut(&name).ok_or_else(|| ApiError::not_found("Instance"))?;
        if instance.files.remove(&format!("{RECORDED}/{file}")) {
            Ok(sync(Value::Null))
        } else {
            Err(ApiError::not_found("Log file"))
        }
    })
}

/// The inside of a container, for the shell.
struct Inside<'a> {
    machine: &'a Machine,
    name: &'a str,
}

impl Inside<'_> {
    fn instance<T>(&self, look: impl FnOnce(&mut Instance) -> T) -> Option<T> {
        self.machine.engine(|engine, _| engine.instances.get_mut(self.name).map(look)).flatten()
    }

    fn interfaces(&self) -> Vec<nics::Interface> {
        self.machine.engine(|engine, ground| nics::interfaces(engine, ground, self.name)).unwrap_or_default()
    }
}

impl Surroundings for Inside<'_> {
    /// A container that is gone has an empty disk; what is written to it is lost.
    fn files<T>(&self, look: impl FnOnce(&mut Files) -> T) -> T {
        let mut gone = Files::installed();
        self.machine.lend(self.name, &mut gone, look)
    }

    fn changed(&self, _: &str) {}

    fn hostname(&self) -> String {
        self.name.to_owned()
    }

    fn cloud_init(&self) -> CloudInit {
        let stand = self.instance(|instance| match (instance.has_cloud_init, &instance.report) {
            (false, _) => CloudInit::Absent,
            (true, None) if instance.running => CloudInit::Running,
            (true, report) => CloudInit::Finished(report.clone().unwrap_or_default()),
        });
        stand.unwrap_or(CloudInit::Absent)
    }

    fn systemctl(&self, verb: &str, unit: &str) -> (String, u8) {
        if verb == "is-system-running" {
            return ("running\n".to_owned(), 0);
        }
        let active = self.instance(|instance| {
            instance.report.is_some() && instance.services.iter().any(|service| service.is_unit(unit))
        });
        match (verb, active == Some(true)) {
            ("is-active" | "status", true) => ("active\n".to_owned(), 0),
            ("is-active" | "status", false) => ("inactive\n".to_owned(), 3),
            ("daemon-reload", _) | (_, true) => (String::new(), 0),
            (verb, false) => (format!("Failed to {verb} {unit}.service: Unit {unit}.service not found."), 5),
        }
    }

    fn signal(&self, _: &str, _: &str) -> bool {
        false
    }

    fn ping(&self, address: Ipv4Addr) -> Result<(), String> {
        if self.interfaces().iter().all(|interface| interface.address.is_err()) {
            return Err("ping: connect: Network is unreachable".to_owned());
        }
        self.machine.ping(&Origin::Container { name: self.name.to_owned() }, address)
    }

    fn release_lease(&self, _: Ipv4Addr, _: &str) {}

    fn links(&self) -> Value {
        let prefix = self.machine.boot.prefix;
        let links = self.interfaces().into_iter().map(|interface| {
            let addresses: Vec<Value> = interface
                .address
                .iter()
                .map(|address| json!({ "family": "inet", "local": address.to_string(), "prefixlen": prefix, "scope": "global" }))
                .collect();
            json!({ "ifname": interface.name, "address": interface.mac, "mtu": self.machine.boot.mtu, "operstate": "UP", "addr_info": addresses })
        });
        Value::Array(links.collect())
    }

    fn is_socket(&self, _: &str) -> bool {
        false
    }

    fn may_sudo(&self, _: &str) -> bool {
        true
    }
}
