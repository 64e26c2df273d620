//! Starting and stopping containers, and the run of cloud-init that follows a start.
//!
//! ```text
//! Stopped ──start, after `container_start`──▶ Running, cloud-init running
//!    ▲                                           │ after `container_cloud_init`
//!    └──────────────────stop─────────────────────┴──▶ Running, cloud-init done or failed
//! ```
//! Whether cloud-init ends well is judged at the moment at which it ends: an address that comes later does not mend it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Origin;
use super::super::cloud_config::Declared;
use super::super::cloud_init::{self, Report};
use super::super::machine::Machine;
use super::super::service;
use super::answer::{Answer, ApiError, body};
use super::api::with;
use super::{Config, first_of, nics, operations};

/// Where an engine notes how an instance was when it last saw it start or stop.
const LAST_POWER: &str = "volatile.last_state.power";

/// The body of `PUT /1.0/instances/{name}/state`.
#[derive(Deserialize)]
struct Change {
    action: String,
}

/// `PUT /1.0/instances/{name}/state`
pub(super) async fn change_state(
    State(machine): State<Arc<Machine>>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Answer {
    let change: Change = body(&bytes)?;
    with(&machine, |engine, _| engine.instances.get(&name).map(|_| ()).ok_or_else(|| ApiError::not_found("Instance")))?;
    let description = match change.action.as_str() {
        "start" => "Starting instance",
        "stop" => "Stopping instance",
        "restart" => "Restarting instance",
        other => return Err(ApiError::bad_request(format!("Unknown state change action {other:?}"))),
    };
    let own = Arc::clone(&machine);
    let resources = json!({ "instances": [format!("/1.0/instances/{name}")] });
    Ok(operations::run(&machine, description, resources, async move {
        if change.action != "start" {
            stop(&own, &name)?;
        }
        if change.action != "stop" {
            start(&own, &name).await?;
        }
        Ok(Value::Null)
    }))
}

/// Starts a container and lets its cloud-init run.
///
/// # Errors
/// The engine's words; the container is as it was.
pub(super) async fn start(machine: &Arc<Machine>, name: &str) -> Result<(), String> {
    let startable = machine.engine(|engine, ground| {
        let instance = engine.instances.get(name).ok_or("Instance not found")?;
        if instance.running {
            return Err("The instance is already running".to_owned());
        }
        nics::startable(engine, ground, &engine.expanded_devices(instance))
    });
    startable.unwrap_or_else(|| Err("no engine".to_owned()))?;
    tokio::time::sleep(machine.boot.delays.container_start).await;
    let boot = machine.engine(|engine, ground| {
        let config = engine.instances.get(name).map(|instance| engine.expanded_config(instance))?;
        let devices = engine.instances.get(name).map(|instance| engine.expanded_devices(instance))?;
        let instance = engine.instances.get_mut(name).filter(|instance| !instance.running)?;
        nics::make_up_addresses(&mut instance.config, &devices);
        // A changed document is a new instance to cloud-init: it does all its work again.
        let seed = seed(&config);
        if instance.boots > 0 && seed != instance.seed {
            instance.config.insert("volatile.cloud-init.instance-id".to_owned(), uuid::Uuid::new_v4().to_string());
        }
        instance.seed = seed;
        instance.running = true;
        instance.config.remove("volatile.apply_template");
        instance.config.insert(LAST_POWER.to_owned(), "RUNNING".to_owned());
        instance.boots += 1;
        instance.report = None;
        if instance.has_cloud_init {
            cloud_init::begin(&mut instance.files);
        }
        instance.last_used_at = jiff::Timestamp::now().to_string();
        instance.services.retain(service::Service::survives_restart);
        let boots = instance.boots;
        // The first request for a lease goes out as soon as the container is up.
        nics::interfaces(engine, ground, name);
        Some(boots)
    });
    let boot = boot.flatten().ok_or("The instance is already running")?;
    machine.tell("lifecycle", &json!({ "action": "instance-started", "source": format!("/1.0/instances/{name}") }));
    let (own, name) = (Arc::clone(machine), name.to_owned());
    tokio::spawn(async move {
        tokio::time::sleep(own.boot.delays.container_cloud_init).await;
        finish_cloud_init(&own, &name, boot);
    });
    Ok(())
}

/// Ends the cloud-init of a container's boot.
pub(crate) fn finish_cloud_init(machine: &Machine, name: &str, boot: u64) {
    let Some((declared, network, again)) = machine
        .engine(|engine, ground| {
            let instance = engine.instances.get(name).filter(|instance| instance.running && instance.boots == boot)?;
            let config = engine.expanded_config(instance);
            let instance_id = config.get("volatile.cloud-init.instance-id").cloned().unwrap_or_default();
            let again = instance.initialised.as_deref() == Some(instance_id.as_str());
            Some((declared(&config), network(&nics::interfaces(engine, ground, name)), again))
        })
        .flatten()
    else {
        return;
    };
    // The network is asked without the lock: it may ask this machine about its containers.
    let needs_outside = !declared.packages.is_empty() || !declared.commands.is_empty();
    let outside = if needs_outside && !again && network.is_ok() {
        machine.network.reaches_outside(&Origin::Container { name: name.to_owned() })
    } else {
        Ok(())
    };
    let work = if again { Declared::default() } else { declared };
    let report = cloud_init::judge(&work, network, &outside);
    machine.engine(|engine, _| {
        let Some(instance) = engine.instances.get_mut(name).filter(|instance| instance.boots == boot) else { return };
        if !again {
            instance.initialised = instance.config.get("volatile.cloud-init.instance-id").cloned();
            for file in &work.files {
                if file.append {
                    instance.files.append(&file.path, &file.content);
                } else {
                    instance.files.write(&file.path, file.content.clone(), Some(file.mode));
                }
            }
            instance.services = if report.succeeded() { service::services(&work) } else { Vec::new() };
        }
        write_results(instance, &report);
        instance.report = Some(report);
    });
    machine.changed.notify_waiters();
}

fn write_results(instance: &mut super::Instance, report: &Report) {
    instance.files.append("/var/log/cloud-init-output.log", report.log.as_bytes());
    if instance.has_cloud_init {
        cloud_init::end(&mut instance.files, report);
    }
    instance.console.push_str(&report.log);
}

/// Stops a container. Its lease is not given back.
///
/// # Errors
/// The engine's words.
fn stop(machine: &Machine, name: &str) -> Result<(), String> {
    let stopped = machine.engine(|engine, _| {
        let instance = engine.instances.get_mut(name).ok_or("Instance not found")?;
        if !instance.running {
            return Err("The instance is already stopped".to_owned());
        }
        instance.running = false;
        instance.config.insert(LAST_POWER.to_owned(), "STOPPED".to_owned());
        if instance.ephemeral {
            engine.instances.remove(name);
        }
        Ok(())
    });
    stopped.unwrap_or_else(|| Err("no engine".to_owned()))?;
    machine.tell("lifecycle", &json!({ "action": "instance-stopped", "source": format!("/1.0/instances/{name}") }));
    machine.changed.notify_waiters();
    Ok(())
}

/// What cloud-init is told; where both documents say something, the user's counts.
fn declared(config: &Config) -> Declared {
    let user = first_of(config, ["cloud-init.user-data", "user.user-data"]);
    let vendor = first_of(config, ["cloud-init.vendor-data", "user.vendor-data"]);
    let mut declared = Declared::read(user.as_deref(), None);
    let vendor = Declared::read(vendor.as_deref(), None);
    if declared.files.is_empty() {
        declared.files = vendor.files;
    }
    if declared.packages.is_empty() {
        declared.packages = vendor.packages;
    }
    if declared.commands.is_empty() {
        declared.commands = vendor.commands;
    }
    declared
}

fn seed(config: &Config) -> Vec<String> {
    let pairs = [
        ["cloud-init.user-data", "user.user-data"],
        ["cloud-init.vendor-data", "user.vendor-data"],
        ["cloud-init.network-config", "user.network-config"],
    ];
    pairs.into_iter().map(|keys| first_of(config, keys).unwrap_or_default()).collect()
}

/// Whether any interface has an address, or why the first one has none.
fn network(interfaces: &[nics::Interface]) -> Result<(), String> {
    if interfaces.iter().any(|interface| interface.address.is_ok()) {
        return Ok(());
    }
    Err(interfaces
        .iter()
        .find_map(|interface| interface.address.clone().err())
        .unwrap_or_else(|| "no network device".to_owned()))
}
