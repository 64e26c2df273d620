//! The engine client against a small daemon of its own kind: real HTTP and websockets over a unix socket, directly
//! and through a real ssh server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

mod sshd;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use pontoon_cloud::lxd::{
    Client, CloudInitKey, EventKind, EventType, ExecRequest, FileContent, Flavour, LxdError, ProfileContent, PushFile,
    Simplestreams, SocketOverSsh, StateAction, UnixSocket,
};
use serde_json::{Value, json};
use sshd::Sshd;

const LIMIT: Duration = Duration::from_secs(30);

/// Everything that was asked, in order: `METHOD /path?query`, and headers or bodies where a test wants to see them.
type Seen = Arc<Mutex<Vec<String>>>;

struct Fake {
    directory: tempfile::TempDir,
    seen: Seen,
}

impl Fake {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let seen = Seen::default();
        let listener = tokio::net::UnixListener::bind(directory.path().join("unix.socket")).unwrap();
        let router = router(Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { directory, seen }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("unix.socket")
    }

    fn client(&self) -> Client {
        Client::new(UnixSocket::new(self.socket()))
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn router(seen: Seen) -> Router {
    Router::new()
        .route("/1.0", get(server))
        .route("/1.0/profiles/{name}", put(replace_profile).delete(not_found))
        .route("/1.0/images", post(create_image))
        .route("/1.0/instances", get(instances))
        .route("/1.0/instances/{name}/state", put(start_operation))
        .route("/1.0/instances/{name}/files", get(read_file).post(write_file))
        .route("/1.0/instances/{name}/exec", post(exec))
        .route(
            "/1.0/instances/{name}/logs/{log}",
            get(|Path((_, log)): Path<(String, String)>| async { log }).delete(done),
        )
        .route("/1.0/operations/{id}/wait", get(wait))
        .route("/1.0/operations/{id}/websocket", any(exec_socket))
        .route("/1.0/events", any(events))
        .layer(middleware::from_fn_with_state(Arc::clone(&seen), note))
        .with_state(seen)
}

async fn note(State(seen): State<Seen>, request: Request, next: Next) -> Response {
    seen.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
    next.run(request).await
}

fn sync(metadata: Value) -> Json<Value> {
    Json(json!({"type": "sync", "status": "Success", "status_code": 200, "metadata": metadata}))
}

fn error(code: StatusCode, message: &str) -> Response {
    (code, Json(json!({"type": "error", "error": message, "error_code": code.as_u16()}))).into_response()
}

fn started(id: &str, metadata: Value) -> Response {
    let operation = json!({"id": id, "class": "task", "status": "Running", "status_code": 103, "err": "",
        "resources": null, "metadata": metadata, "from a later version": true});
    let path = format!("/1.0/operations/{id}");
    (StatusCode::ACCEPTED, Json(json!({"type": "async", "operation": path, "metadata": operation}))).into_response()
}

async fn server() -> Json<Value> {
    sync(json!({
        "api_extensions": ["cloud_init"], "auth": "trusted", "config": null, "from a later version": {},
        "environment": {"server": "incus", "server_version": "6.0.4"},
    }))
}

async fn replace_profile(headers: HeaderMap, Json(_): Json<Value>) -> Response {
    match headers.get("if-match").and_then(|version| version.to_str().ok()) {
        Some("\"new\"") => sync(json!({})).into_response(),
        _ => error(StatusCode::PRECONDITION_FAILED, "ETag doesn't match"),
    }
}

async fn done() -> Json<Value> {
    sync(Value::Null)
}

async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "Profile not found")
}

async fn create_image(State(seen): State<Seen>, headers: HeaderMap, body: Bytes) -> Response {
    let kinds: Vec<_> = headers.get_all("content-type").iter().map(|kind| kind.to_str().unwrap()).collect();
    let text =
        if body.len() > 1000 { format!("{} bytes", body.len()) } else { String::from_utf8(body.to_vec()).unwrap() };
    seen.lock().unwrap().push(format!("{} {text}", kinds.join("+")));
    started("image", Value::Null)
}

async fn instances() -> Json<Value> {
    sync(json!([{
        "name": "hugo-0", "status": "Running", "status_code": 103, "type": "container",
        "config": {"user.pontoon.key": "k"}, "devices": null, "profiles": ["default", "hugo"],
        "state": {"status": "Running", "pid": 42, "processes": 11, "network": {"eth0": {
            "addresses": [{"family": "inet", "address": "192.168.0.100", "netmask": "24", "scope": "global"}],
            "hwaddr": "00:16:3e:91:2c:9c", "mtu": 1500, "state": "up", "counters": {}}}},
    }]))
}

async fn start_operation(Path(name): Path<String>) -> Response {
    started(&name, Value::Null)
}

/// The operation's name says how it goes.
async fn wait(State(seen): State<Seen>, Path(id): Path<String>) -> Response {
    let asked = seen.lock().unwrap().iter().filter(|line| line.contains(&format!("{id}/wait"))).count();
    let operation = |status: &str, code: u16, err: &str, metadata: Value| {
        sync(json!({"id": id, "status": status, "status_code": code, "err": err, "metadata": metadata})).into_response()
    };
    match id.as_str() {
        "image" => operation("Success", 200, "", json!({"fingerprint": "abc"})),
        "slow" if asked < 3 => operation("Running", 103, "", Value::Null),
        "fails" => operation("Failure", 400, "no space left on device", Value::Null),
        "forgotten" => error(StatusCode::NOT_FOUND, "Operation not found"),
        "never" => operation("Running", 103, "", Value::Null),
        "recorded" => {
            let output = json!({"1": "/1.0/instances/c/logs/exec.stdout", "2": "/1.0/instances/c/logs/exec.stderr"});
            operation("Success", 200, "", json!({"return": 3, "output": output}))
        }
        "exec" => operation("Success", 200, "", json!({"return": 7})),
        _ => operation("Success", 200, "", Value::Null),
    }
}

#[derive(serde::Deserialize)]
struct FilePath {
    path: String,
}

async fn read_file(Query(FilePath { path }): Query<FilePath>) -> Response {
    match path.as_str() {
        "/etc" => ([("x-incus-type", "directory")], sync(json!(["hostname"]))).into_response(),
        "/link" => ([("x-lxd-type", "symlink")], "/target\n").into_response(),
        _ => ([("x-lxd-type", "file")], path).into_response(),
    }
}

async fn write_file(State(seen): State<Seen>, headers: HeaderMap, body: Bytes) -> Json<Value> {
    let value = |name: &str| headers[name].to_str().unwrap().to_owned();
    let length = body.len();
    seen.lock().unwrap().push(format!("{} {} {length} bytes", value("x-lxd-mode"), value("x-incus-uid")));
    sync(Value::Null)
}

async fn exec(Json(request): Json<Value>) -> Response {
    if request["record-output"] == true {
        started("recorded", Value::Null)
    } else {
        started("exec", json!({"fds": {"0": "s0", "1": "s1", "2": "s2", "control": "sc"}}))
    }
}

#[derive(serde::Deserialize)]
struct Secret {
    secret: String,
}

/// As the real daemon does: an empty text message ends a stream, then the connection goes without a close.
async fn exec_socket(
    State(seen): State<Seen>,
    Query(Secret { secret }): Query<Secret>,
    up: WebSocketUpgrade,
) -> Response {
    up.on_upgrade(move |mut socket: WebSocket| async move {
        match secret.as_str() {
            "s0" => {
                let mut length = 0;
                while let Some(Ok(message)) = socket.recv().await {
                    match message {
                        Message::Binary(bytes) => length += bytes.len(),
                        Message::Text(text) if text.is_empty() => break,
                        _ => {}
                    }
                }
                seen.lock().unwrap().push(format!("stdin {length}"));
            }
            "sc" => while let Some(Ok(_)) = socket.recv().await {},
            name => {
                let _ = socket.send(Message::Binary(Bytes::from(format!("out of {name}\n")))).await;
                // The command ends when it has read its input.
                while !seen.lock().unwrap().iter().any(|line| line.starts_with("stdin ")) {
                    tokio::task::yield_now().await;
                }
                let _ = socket.send(Message::Text("".into())).await;
            }
        }
    })
}

async fn events(up: WebSocketUpgrade) -> Response {
    up.on_upgrade(|mut socket: WebSocket| async move {
        for event in [
            json!({"type": "lifecycle", "timestamp": "t1", "metadata": {"action": "instance-started", "source": "/1.0/instances/hugo-0"}}),
            json!({"type": "operation", "timestamp": "t2", "metadata": {"id": "x", "status_code": 103}}),
            json!({"type": "from a later version", "timestamp": "t3", "metadata": 1}),
        ] {
            socket.send(Message::Text(event.to_string().into())).await.unwrap();
        }
    })
}

#[tokio::test]
async fn the_server_tells_product_and_abilities() {
    let fake = Fake::start();
    let server = fake.client().server().await.unwrap();
    assert_eq!(server.flavour(), Flavour::Incus);
    assert!(server.has("cloud_init"));
    assert_eq!(server.cloud_init_key(CloudInitKey::UserData), "cloud-init.user-data");
}

#[tokio::test]
async fn instances_come_with_their_addresses_in_one_request() {
    let fake = Fake::start();
    let instances = fake.client().instances_with_state().await.unwrap();
    let state = instances[0].state.as_ref().unwrap();
    assert_eq!(state.network["eth0"].addresses[0].address, "192.168.0.100");
    assert_eq!(fake.seen(), ["GET /1.0/instances?recursion=2"]);
}

#[tokio::test]
async fn a_replacement_of_what_somebody_else_changed_is_refused() {
    let fake = Fake::start();
    let content = ProfileContent::default();
    let version = |text: &str| pontoon_cloud::lxd::ETag(text.to_owned());
    fake.client().replace_profile("hugo", &content, Some(&version("\"new\""))).await.unwrap();
    let error = fake.client().replace_profile("hugo", &content, Some(&version("\"old\""))).await.unwrap_err();
    assert!(error.is_changed_meanwhile(), "{error}");
}

#[tokio::test]
async fn a_refusal_keeps_request_code_and_the_daemons_words() {
    let fake = Fake::start();
    let error = fake.client().delete_profile("a b").await.unwrap_err();
    assert!(error.is_not_found());
    let endpoint = fake.client().endpoint();
    assert_eq!(error.to_string(), format!("`DELETE /1.0/profiles/a%20b` on `{endpoint}`: Profile not found (404)"));
}

#[tokio::test]
async fn an_operation_that_takes_its_time_is_asked_again() {
    let fake = Fake::start();
    fake.client().set_instance_state("slow", StateAction::Start, LIMIT).await.unwrap();
    assert_eq!(fake.seen().iter().filter(|line| line.contains("slow/wait")).count(), 3);
}

#[tokio::test]
async fn a_failure_inside_a_successful_answer_is_a_failure() {
    let fake = Fake::start();
    let error = fake.client().set_instance_state("fails", StateAction::Start, LIMIT).await.unwrap_err();
    let LxdError::Failed { doing, message, .. } = &error else { panic!("{error}") };
    assert_eq!((doing.as_str(), message.as_str()), ("PUT /1.0/instances/fails/state", "no space left on device"));
}

#[tokio::test]
async fn an_operation_that_the_daemon_has_forgotten_is_unknown() {
    let fake = Fake::start();
    let error = fake.client().set_instance_state("forgotten", StateAction::Start, LIMIT).await.unwrap_err();
    assert!(matches!(error, LxdError::Unknown { .. }), "{error}");
}

#[tokio::test]
async fn an_operation_that_never_ends_times_out() {
    let fake = Fake::start();
    let limit = Duration::from_millis(50);
    let error = fake.client().set_instance_state("never", StateAction::Start, limit).await.unwrap_err();
    assert!(matches!(error, LxdError::TimedOut { .. }), "{error}");
    assert!(error.is_unknown());
}

#[tokio::test]
async fn an_image_is_streamed_with_one_content_type_and_progress() {
    let fake = Fake::start();
    let progress = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&progress);
    let tarball = std::io::Cursor::new(vec![0_u8; 1_000_000]);
    let fingerprint =
        fake.client().upload_image(tarball, move |sent| noted.lock().unwrap().push(sent), LIMIT).await.unwrap();
    assert_eq!(fingerprint, "abc");
    assert!(fake.seen().contains(&"application/octet-stream 1000000 bytes".to_owned()), "{:?}", fake.seen());
    let progress = progress.lock().unwrap();
    assert!(progress.len() > 1 && progress.is_sorted(), "{progress:?}");
    assert_eq!(progress.last(), Some(&1_000_000));
}

#[tokio::test]
async fn an_image_is_fetched_by_the_daemon_from_a_simplestreams_server() {
    let fake = Fake::start();
    let source = Simplestreams { server: "https://images.example".to_owned(), alias: "24.04".to_owned() };
    assert_eq!(fake.client().import_image(&source, LIMIT).await.unwrap(), "abc");
    let body = fake.seen()[1].strip_prefix("application/json ").map(str::to_owned).unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["source"]["protocol"], "simplestreams");
    assert_eq!(body["source"]["alias"], "24.04");
}

#[tokio::test]
async fn files_directories_and_links_are_told_apart_on_both_products() {
    let fake = Fake::start();
    let client = fake.client();
    assert_eq!(client.file("c", "/a b&c").await.unwrap(), FileContent::File(Bytes::from_static(b"/a b&c")));
    assert_eq!(client.file("c", "/etc").await.unwrap(), FileContent::Directory(vec!["hostname".to_owned()]));
    assert_eq!(client.file("c", "/link").await.unwrap(), FileContent::Symlink("/target".to_owned()));
}

#[tokio::test]
async fn a_pushed_file_carries_its_rights_for_both_products() {
    let fake = Fake::start();
    let file = PushFile { path: "/f".to_owned(), content: Bytes::from_static(b"1234"), mode: 0o755, uid: 10, gid: 0 };
    fake.client().push_file("c", &file).await.unwrap();
    assert!(fake.seen().contains(&"0755 10 4 bytes".to_owned()), "{:?}", fake.seen());
}

#[tokio::test]
async fn a_command_is_fed_and_its_streams_end_without_a_close() {
    let fake = Fake::start();
    let request = ExecRequest {
        command: vec!["cat".to_owned()],
        stdin: Bytes::from(vec![b'x'; 200_000]),
        ..ExecRequest::default()
    };
    let output = fake.client().exec("c", &request, LIMIT).await.unwrap();
    assert_eq!(output.code, 7);
    assert_eq!((output.stdout, output.stderr), (b"out of s1\n".to_vec(), b"out of s2\n".to_vec()));
    assert!(fake.seen().contains(&"stdin 200000".to_owned()));
}

#[tokio::test]
async fn the_output_of_a_command_without_input_is_recorded_fetched_and_removed() {
    let fake = Fake::start();
    let request = ExecRequest { command: vec!["true".to_owned()], ..ExecRequest::default() };
    let output = fake.client().exec("c", &request, LIMIT).await.unwrap();
    assert_eq!(output.code, 3);
    assert_eq!((output.stdout, output.stderr), (b"exec.stdout".to_vec(), b"exec.stderr".to_vec()));
    let removed = |line: &String| line.starts_with("DELETE /1.0/instances/c/logs/exec.");
    assert_eq!(fake.seen().iter().filter(|line| removed(line)).count(), 2);
}

#[tokio::test]
async fn events_are_typed_and_their_end_is_an_error() {
    let fake = Fake::start();
    let mut events = fake.client().events(&[EventType::Lifecycle, EventType::Operation]).await.unwrap();
    let first = events.next().await.unwrap().unwrap();
    assert!(matches!(first.kind, EventKind::Lifecycle { action, .. } if action == "instance-started"));
    let second = events.next().await.unwrap().unwrap();
    assert!(matches!(second.kind, EventKind::Operation(operation) if operation.status_code == 103));
    let third = events.next().await.unwrap().unwrap();
    assert!(matches!(third.kind, EventKind::Other { name, .. } if name == "from a later version"));
    assert!(matches!(events.next().await.unwrap(), Err(LxdError::Lost { .. })));
    assert!(events.next().await.is_none());
    assert_eq!(fake.seen(), ["GET /1.0/events?type=lifecycle,operation"]);
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_named_with_a_hint() {
    let error = Client::new(UnixSocket::new("/nonexistent.socket")).server().await.unwrap_err();
    assert_eq!(error.to_string(), "could not connect to the container engine on `unix:/nonexistent.socket`");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn over_ssh_the_first_socket_that_opens_is_the_daemons() {
    let Some(sshd) = Sshd::start() else { return };
    let fake = Fake::start();
    let session = sshd.login().await.unwrap();
    let socket = fake.socket();
    let client = Client::new(SocketOverSsh::new(session, ["/nonexistent.socket", socket.to_str().unwrap()]));
    assert_eq!(client.server().await.unwrap().flavour(), Flavour::Incus);
    let stdin = Bytes::from_static(b"input");
    let request = ExecRequest { command: vec!["cat".to_owned()], stdin, ..ExecRequest::default() };
    assert_eq!(client.exec("c", &request, LIMIT).await.unwrap().code, 7);
    assert_eq!(client.endpoint(), "lxd0");
}

#[tokio::test]
async fn a_host_without_an_engine_is_told_by_the_sockets_that_were_tried() {
    let Some(sshd) = Sshd::start() else { return };
    let session = sshd.login().await.unwrap();
    let client = Client::new(SocketOverSsh::new(session, ["/nonexistent/one", "/nonexistent/two"]));
    let error = client.server().await.unwrap_err();
    let LxdError::Connect { source, .. } = &error else { panic!("{error}") };
    assert!(
        source.to_string().contains("/nonexistent/one") && source.to_string().contains("/nonexistent/two"),
        "{source}"
    );
    assert!(error.hint().is_some());
}
