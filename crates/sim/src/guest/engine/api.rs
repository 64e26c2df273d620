//! The routes of the engine's REST API, and the connection that they are served on.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::machine::{Ground, Machine};
use super::answer::{Answer, ApiError, sync};
use super::{Engine, Flavour, backing, exec, file_api, images, instances, lifecycle, operations};

/// Extensions that a client may look for. Both engines list some hundreds; these are the ones that this API keeps.
const EXTENSIONS: [&str; 24] = [
    "etag",
    "patch",
    "image_compression_algorithm",
    "container_exec_recording",
    "certificate_update",
    "container_exec_signal_handling",
    "directory_manipulation",
    "file_append",
    "file_delete",
    "image_create_aliases",
    "instances",
    "projects",
    "container_nic_routed",
    "container_nic_ipvlan",
    "container_nic_routed_gateway",
    "container_nic_routed_limits",
    "cloud_init",
    "event_lifecycle",
    "event_location",
    "operation_wait",
    "instance_get_full",
    "instance_create_start",
    "api_filtering",
    "container_local_cross_pool_handling",
];

/// `?recursion=N`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Recursion {
    #[serde(default)]
    pub(super) recursion: u8,
}

impl Recursion {
    /// Whether whole objects are wanted, not their addresses.
    pub(super) fn is_deep(self) -> bool {
        self.recursion > 0
    }
}

/// Serves the API on one connection until the client is done.
pub(crate) async fn serve<S>(machine: Arc<Machine>, stream: S)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router(machine));
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.with_upgrades().await {
        tracing::debug!(%error, "a connection to the simulated engine ended");
    }
}

/// Lends the engine to a handler.
///
/// # Errors
/// What the handler returns; 404 if there is no engine, which no connection can get to see.
pub(super) fn with<T>(
    machine: &Machine,
    answer: impl FnOnce(&mut Engine, &mut Ground) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    machine.engine(answer).unwrap_or_else(|| Err(ApiError::not_found("Engine")))
}

fn router(machine: Arc<Machine>) -> Router {
    Router::new()
        .route("/", get(versions))
        .route("/1.0", get(server))
        .route("/1.0/storage-pools", get(backing::pools))
        .route("/1.0/storage-pools/{name}", get(backing::pool))
        .route("/1.0/networks", get(backing::networks))
        .route("/1.0/networks/{name}", get(backing::network))
        .route("/1.0/profiles", get(backing::profiles).post(backing::create_profile))
        .route(
            "/1.0/profiles/{name}",
            get(backing::profile)
                .put(backing::replace_profile)
                .patch(backing::patch_profile)
                .delete(backing::delete_profile),
        )
        .route("/1.0/images", get(images::list).post(images::create))
        .route("/1.0/images/aliases", get(images::aliases).post(images::create_alias))
        .route("/1.0/images/aliases/{*name}", get(images::alias).delete(images::delete_alias))
        .route("/1.0/images/{fingerprint}", get(images::get).delete(images::delete))
        .route("/1.0/instances", get(instances::list).post(instances::create))
        .route(
            "/1.0/instances/{name}",
            get(instances::get).put(instances::replace).patch(instances::patch).delete(instances::delete),
        )
        .route("/1.0/instances/{name}/state", get(instances::state).put(lifecycle::change_state))
        .route("/1.0/instances/{name}/exec", post(exec::create))
        .route("/1.0/instances/{name}/files", get(file_api::get).post(file_api::write).delete(file_api::delete))
        .route("/1.0/instances/{name}/console", get(file_api::console))
        .route("/1.0/instances/{name}/logs", get(file_api::logs))
        .route("/1.0/instances/{name}/logs/exec-output/{file}", get(exec::output).delete(exec::delete_output))
        .route("/1.0/operations", get(operations::list))
        .route("/1.0/operations/{id}", get(operations::get).delete(operations::delete))
        .route("/1.0/operations/{id}/wait", get(operations::wait))
        .route("/1.0/operations/{id}/websocket", get(exec::websocket))
        .route("/1.0/events", get(operations::events))
        .fallback(async || Ok::<_, Infallible>(ApiError::not_found("Path").into_response()))
        .layer(DefaultBodyLimit::disable())
        .with_state(machine)
}

async fn versions() -> Answer {
    Ok(sync(["/1.0"]))
}

/// `GET /1.0`
async fn server(State(machine): State<Arc<Machine>>) -> Answer {
    let description = with(&machine, |engine, _| {
        let (server, version) = match engine.flavour {
            Flavour::Lxd => ("lxd", "5.21.3"),
            Flavour::Incus => ("incus", "6.0.4"),
        };
        Ok(json!({
            "api_extensions": EXTENSIONS,
            "api_status": "stable",
            "api_version": "1.0",
            "auth": "trusted",
            "auth_methods": ["tls"],
            "auth_user_method": "unix",
            "public": false,
            "config": engine.config,
            "environment": {
                "addresses": [],
                "architectures": ["x86_64", "i686"],
                "certificate": "",
                "certificate_fingerprint": "",
                "driver": "lxc",
                "driver_version": "6.0.3",
                "firewall": "nftables",
                "kernel": "Linux",
                "kernel_architecture": "x86_64",
                "kernel_version": "6.8.0-simulated",
                "os_name": "Ubuntu",
                "os_version": "24.04",
                "project": "default",
                "server": server,
                "server_clustered": false,
                "server_name": machine.hostname(),
                "server_pid": 1000,
                "server_version": version,
                "storage": engine.storage_pools.values().next().map_or("dir", |pool| pool.kind.as_str()),
                "storage_version": "1",
            },
        }))
    })?;
    Ok(super::answer::tagged(&description, &description.get("config")))
}

/// Addresses, or the objects themselves.
pub(super) fn listing<'a>(
    Query(query): Query<Recursion>,
    path: &str,
    objects: impl Iterator<Item = (&'a String, Value)>,
) -> Value {
    let entries =
        objects.map(|(name, object)| if query.is_deep() { object } else { json!(format!("/1.0/{path}/{name}")) });
    Value::Array(entries.collect())
}
