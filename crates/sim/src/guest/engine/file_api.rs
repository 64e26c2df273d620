//! The files of containers, running or not, and their console log.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::machine::Machine;
use super::answer::{Answer, ApiError, raw, sync};
use super::api::with;
use super::{Engine, Flavour, Instance};

/// `?path=/etc/hosts`
#[derive(Deserialize)]
pub(super) struct At {
    path: String,
}

/// `GET /1.0/instances/{name}/files`: the content of a file, or the names in a directory.
pub(super) async fn get(State(machine): State<Arc<Machine>>, Path(name): Path<String>, Query(at): Query<At>) -> Answer {
    with(&machine, |engine, _| {
        let flavour = engine.flavour;
        let files = &instance(engine, &name)?.files;
        if let Some(file) = files.get(&at.path) {
            let response = raw("application/octet-stream", file.content.clone());
            return Ok(labelled(flavour, response, "file", file.mode));
        }
        if files.is_directory(&at.path) {
            return Ok(labelled(flavour, sync(files.list(&at.path)), "directory", 0o755));
        }
        Err(ApiError::not_found("File"))
    })
}

/// `POST /1.0/instances/{name}/files`
pub(super) async fn write(
    State(machine): State<Arc<Machine>>,
    Path(name): Path<String>,
    Query(at): Query<At>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    with(&machine, |engine, _| {
        let header = |label: &str| {
            let found = headers.get(format!("x-lxd-{label}")).or_else(|| headers.get(format!("x-incus-{label}")));
            found.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let files = &mut instance(engine, &name)?.files;
        let mode = u32::from_str_radix(header("mode").trim_start_matches("0o"), 8).ok();
        match header("type").as_str() {
            "directory" => files.make_directory(&at.path),
            "symlink" => return Err(ApiError::not_found("File")),
            _ if header("write") == "append" => files.append(&at.path, &bytes),
            _ => {
                let parent = at.path.rsplit_once('/').map_or("/", |(parent, _)| parent);
                if !files.is_directory(parent) {
                    return Err(ApiError::not_found("File"));
                }
                files.write(&at.path, bytes.to_vec(), mode);
            }
        }
        Ok(sync(Value::Null))
    })
}

/// `DELETE /1.0/instances/{name}/files`
pub(super) async fn delete(
    State(machine): State<Arc<Machine>>,
    Path(name): Path<String>,
    Query(at): Query<At>,
) -> Answer {
    with(&machine, |engine, _| {
        if instance(engine, &name)?.files.remove(&at.path) {
            Ok(sync(Value::Null))
        } else {
            Err(ApiError::not_found("File"))
        }
    })
}

/// `GET /1.0/instances/{name}/console`: what the container wrote to its console.
pub(super) async fn console(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, _| Ok(raw("text/plain", instance(engine, &name)?.console.clone().into_bytes())))
}

/// `GET /1.0/instances/{name}/logs`
pub(super) async fn logs(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, _| instance(engine, &name).map(|_| sync(json!([]))))
}

fn instance<'a>(engine: &'a mut Engine, name: &str) -> Result<&'a mut Instance, ApiError> {
    engine.instances.get_mut(name).ok_or_else(|| ApiError::not_found("Instance"))
}

fn labelled(flavour: Flavour, mut response: Response, kind: &'static str, mode: u32) -> Response {
    let labels = match flavour {
        Flavour::Lxd => ["x-lxd-type", "x-lxd-mode", "x-lxd-uid", "x-lxd-gid"],
        Flavour::Incus => ["x-incus-type", "x-incus-mode", "x-incus-uid", "x-incus-gid"],
    };
    let mode = HeaderValue::from_str(&format!("{mode:04o}")).unwrap_or(HeaderValue::from_static("0644"));
    let values = [HeaderValue::from_static(kind), mode, HeaderValue::from_static("0"), HeaderValue::from_static("0")];
    for (label, value) in labels.into_iter().zip(values) {
        response.headers_mut().insert(label, value);
    }
    response
}
