//! Containers: made, shown, changed, removed. Starting and stopping is [`super::lifecycle`]'s.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::files::Files;
use super::super::machine::{Ground, Machine};
use super::answer::{Answer, ApiError, body, check_tag, sync, tagged};
use super::api::{Recursion, with};
use super::images::{Source, look_up};
use super::{Config, Devices, Engine, Instance, lifecycle, nics, operations};

/// The body of `POST /1.0/instances`.
#[derive(Deserialize)]
struct NewInstance {
    #[serde(default)]
    name: String,
    #[serde(default)]
    source: Source,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    start: bool,
    #[serde(flatten)]
    settings: Settings,
}

/// What a client may change of an instance.
#[derive(Clone, Default, Deserialize)]
struct Settings {
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    devices: Option<Devices>,
    #[serde(default)]
    ephemeral: Option<bool>,
    #[serde(default)]
    profiles: Option<Vec<String>>,
}

/// `GET /1.0/instances`
pub(super) async fn list(State(machine): State<Arc<Machine>>, Query(query): Query<Recursion>) -> Answer {
    with(&machine, |engine, ground| {
        let names: Vec<String> = engine.instances.keys().cloned().collect();
        let entries: Vec<Value> = names
            .iter()
            .filter_map(|name| {
                let instance = engine.instances.get(name)?;
                Some(match query.recursion {
                    0 => json!(format!("/1.0/instances/{name}")),
                    1 => show(engine, name, instance),
                    _ => {
                        let mut whole = show(engine, name, instance);
                        whole["state"] = state_json(engine, ground, name);
                        whole["snapshots"] = json!([]);
                        whole["backups"] = json!([]);
                        whole
                    }
                })
            })
            .collect();
        Ok(sync(entries))
    })
}

/// `GET /1.0/instances/{name}`
pub(super) async fn get(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, _| {
        let instance = engine.instances.get(&name).ok_or_else(|| ApiError::not_found("Instance"))?;
        Ok(tagged(show(engine, &name, instance), &writable(instance)))
    })
}

/// `GET /1.0/instances/{name}/state`
pub(super) async fn state(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, ground| {
        engine.instances.get(&name).ok_or_else(|| ApiError::not_found("Instance"))?;
        Ok(sync(state_json(engine, ground, &name)))
    })
}

/// `POST /1.0/instances`. What is wrong with the request itself is told at once, all else by the operation.
pub(super) async fn create(State(machine): State<Arc<Machine>>, bytes: Bytes) -> Answer {
    let mut new: NewInstance = body(&bytes)?;
    if new.name.is_empty() {
        new.name = format!("simulated-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    }
    let name = new.name.clone();
    check_name(&name)?;
    if new.kind == "virtual-machine" {
        return Err(ApiError::bad_request(
            "Instance type \"virtual-machine\" is not supported on this server: only containers are simulated",
        ));
    }
    let profiles = new.settings.profiles.get_or_insert_with(|| vec!["default".to_owned()]).clone();
    with(&machine, |engine, _| match profiles.iter().find(|profile| !engine.profiles.contains_key(*profile)) {
        Some(_) => Err(ApiError::not_found("Profile")),
        None => Ok(()),
    })?;
    let resources =
        json!({ "instances": [format!("/1.0/instances/{name}")], "containers": [format!("/1.0/containers/{name}")] });
    let own = Arc::clone(&machine);
    Ok(operations::run(&machine, "Creating instance", resources, async move {
        let image = resolve_image(&own, &new.source)?;
        let starts = new.start;
        let made = own.engine(|engine, ground| make(engine, ground, new, image));
        made.unwrap_or_else(|| Err("no engine".to_owned()))?;
        own.tell("lifecycle", &json!({ "action": "instance-created", "source": format!("/1.0/instances/{name}") }));
        if starts {
            lifecycle::start(&own, &name).await?;
        }
        Ok(Value::Null)
    }))
}

/// The fingerprint of the image to make an instance of, downloaded first if it comes from a server.
fn resolve_image(machine: &Machine, source: &Source) -> Result<Option<String>, String> {
    if source.kind == "none" {
        return Ok(None);
    }
    let wanted = if source.alias.is_empty() { &source.fingerprint } else { &source.alias };
    if source.server.is_empty() {
        let found = machine.engine(|engine, _| engine.find_image(wanted)).flatten();
        return found.map(Some).ok_or_else(|| "Image not found".to_owned());
    }
    let (fingerprint, image) = look_up(machine, source)?;
    machine.engine(|engine, _| engine.images.entry(fingerprint.clone()).or_insert(image).size);
    Ok(Some(fingerprint))
}

fn make(engine: &mut Engine, ground: &Ground, new: NewInstance, image: Option<String>) -> Result<(), String> {
    if engine.instances.contains_key(&new.name) {
        return Err("Failed creating instance record: Add instance info to the database: This \"instances\" entry already exists".to_owned());
    }
    let found = image.as_deref().and_then(|fingerprint| engine.images.get(fingerprint));
    let has_cloud_init =
        found.is_some_and(|image| image.properties.get("variant").map(String::as_str) != Some("default"));
    let mut config = Config::new();
    for (key, value) in found.iter().flat_map(|image| &image.properties) {
        config.insert(format!("image.{key}"), value.clone());
    }
    config.extend(image.map(|fingerprint| ("volatile.base_image".to_owned(), fingerprint)));
    config.extend(new.settings.config.unwrap_or_default());
    let mut instance = Instance {
        description: new.settings.description.unwrap_or_default(),
        config,
        devices: new.settings.devices.unwrap_or_default(),
        profiles: new.settings.profiles.unwrap_or_default(),
        ephemeral: new.settings.ephemeral.unwrap_or(false),
        created_at: jiff::Timestamp::now().to_string(),
        last_used_at: "1970-01-01T00:00:00Z".to_owned(),
        running: false,
        boots: 0,
        files: Files::installed(),
        has_cloud_init,
        report: None,
        initialised: None,
        seed: Vec::new(),
        services: Vec::new(),
        console: String::new(),
    };
    instance.files.write("/etc/hostname", format!("{}\n", new.name).into_bytes(), None);
    instance
        .config
        .entry("volatile.cloud-init.instance-id".to_owned())
        .or_insert_with(|| uuid::Uuid::new_v4().to_string());
    // The last thing of a creation: at the first start the image's templates are applied.
    instance.config.insert("volatile.apply_template".to_owned(), "create".to_owned());
    check(engine, ground, &instance).map_err(|reason| format!("Failed creating instance record: {reason}"))?;
    let devices = engine.expanded_devices(&instance);
    nics::make_up_addresses(&mut instance.config, &devices);
    engine.instances.insert(new.name, instance);
    Ok(())
}

/// The checks that every new state of an instance must pass.
fn check(engine: &Engine, ground: &Ground, instance: &Instance) -> Result<(), String> {
    let devices = engine.expanded_devices(instance);
    nics::validate(ground, &devices)?;
    for (name, device) in &devices {
        let value = |key: &str| device.get(key).map_or("", String::as_str);
        let (source, optional) = (value("source"), value("required") == "false");
        let is_there = || ground.files.is_directory(source) || ground.files.get(source).is_some();
        if value("type") == "disk" && source.starts_with('/') && !optional && !is_there() {
            return Err(format!(
                "Device validation failed for {name:?}: Missing source path {source:?} for disk {name:?}"
            ));
        }
    }
    let root = devices.values().find(|device| {
        device.get("type").map(String::as_str) == Some("disk") && device.get("path").map(String::as_str) == Some("/")
    });
    let Some(pool) = root.and_then(|root| root.get("pool")) else {
        return Err("Failed initialising instance: Failed getting root disk: No root device could be found".to_owned());
    };
    if !engine.storage_pools.contains_key(pool) {
        return Err(format!(
            "Failed initialising instance: Failed loading storage pool {pool:?}: Storage pool not found"
        ));
    }
    Ok(())
}

/// `PUT /1.0/instances/{name}`: everything is replaced, but the engine's own `volatile` keys stay.
pub(super) async fn replace(
    State(machine): State<Arc<Machine>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let new: Settings = body(&bytes)?;
    with(&machine, |engine, _| {
        let instance = engine.instances.get(&name).ok_or_else(|| ApiError::not_found("Instance"))?;
        check_tag(&headers, &writable(instance))
    })?;
    let own = Arc::clone(&machine);
    let resources = json!({ "instances": [format!("/1.0/instances/{name}")] });
    Ok(operations::run(&machine, "Updating instance", resources, async move {
        update(&own, &name, |instance| {
            let kept = std::mem::take(&mut instance.config);
            instance.config = new.config.unwrap_or_default();
            for (key, value) in kept.into_iter().filter(|(key, _)| key.starts_with("volatile.")) {
                instance.config.entry(key).or_insert(value);
            }
            instance.devices = new.devices.unwrap_or_default();
            instance.profiles = new.profiles.unwrap_or_default();
            instance.description = new.description.unwrap_or_default();
            instance.ephemeral = new.ephemeral.unwrap_or(false);
        })
        .map(|()| Value::Null)
    }))
}

/// `PATCH /1.0/instances/{name}`: what is not given stays. Unlike `PUT` it is done when it is answered.
pub(super) async fn patch(
    State(machine): State<Arc<Machine>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let patch: Settings = body(&bytes)?;
    with(&machine, |engine, _| {
        let instance = engine.instances.get(&name).ok_or_else(|| ApiError::not_found("Instance"))?;
        check_tag(&headers, &writable(instance))
    })?;
    update(&machine, &name, |instance| {
        instance.config.extend(patch.config.unwrap_or_default());
        instance.devices.extend(patch.devices.unwrap_or_default());
        instance.profiles = patch.profiles.unwrap_or_else(|| std::mem::take(&mut instance.profiles));
        instance.description = patch.description.unwrap_or_else(|| std::mem::take(&mut instance.description));
        instance.ephemeral = patch.ephemeral.unwrap_or(instance.ephemeral);
    })
    .map_err(ApiError::bad_request)?;
    Ok(sync(Value::Null))
}

fn update(machine: &Machine, name: &str, change: impl FnOnce(&mut Instance)) -> Result<(), String> {
    let changed = machine.engine(|engine, ground| {
        let mut instance = engine.instances.get(name).ok_or("Instance not found")?.clone();
        change(&mut instance);
        // An empty value is how a key is removed.
        instance.config.retain(|_, value| !value.is_empty());
        if let Some(missing) = instance.profiles.iter().find(|profile| !engine.profiles.contains_key(*profile)) {
            return Err(format!("Failed loading profile {missing:?}: Profile not found"));
        }
        check(engine, ground, &instance)?;
        let devices = engine.expanded_devices(&instance);
        nics::make_up_addresses(&mut instance.config, &devices);
        engine.instances.insert(name.to_owned(), instance);
        Ok(())
    });
    changed.unwrap_or_else(|| Err("no engine".to_owned()))?;
    machine.tell("lifecycle", &json!({ "action": "instance-updated", "source": format!("/1.0/instances/{name}") }));
    Ok(())
}

/// `DELETE /1.0/instances/{name}`
pub(super) async fn delete(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, _| match engine.instances.get(&name) {
        None => Err(ApiError::not_found("Instance")),
        Some(instance) if instance.running => Err(ApiError::bad_request("Instance is running")),
        Some(_) => Ok(()),
    })?;
    let own = Arc::clone(&machine);
    let resources = json!({ "instances": [format!("/1.0/instances/{name}")] });
    Ok(operations::run(&machine, "Deleting instance", resources, async move {
        let removed = own.engine(|engine, _| engine.instances.remove(&name)).flatten();
        removed.ok_or("Instance not found")?;
        own.tell("lifecycle", &json!({ "action": "instance-deleted", "source": format!("/1.0/instances/{name}") }));
        Ok(Value::Null)
    }))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let refuse = |reason: &str| Err(ApiError::bad_request(format!("Invalid instance name: {reason}")));
    if name.len() > 63 {
        return refuse("Name must be 1-63 characters long");
    }
    if name.starts_with(|first: char| first == '-' || first.is_ascii_digit()) || name.ends_with('-') {
        return refuse("Name must not start with a number or start or end with a hyphen");
    }
    if !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-') {
        return refuse("Name can only contain alphanumeric and hyphen characters");
    }
    Ok(())
}

fn writable(instance: &Instance) -> impl serde::Serialize {
    json!([instance.config, instance.devices, instance.profiles, instance.description, instance.ephemeral])
}

fn show(engine: &Engine, name: &str, instance: &Instance) -> Value {
    let (status, code) = status(instance);
    json!({
        "architecture": "x86_64",
        "config": instance.config,
        "created_at": instance.created_at,
        "description": instance.description,
        "devices": instance.devices,
        "ephemeral": instance.ephemeral,
        "expanded_config": engine.expanded_config(instance),
        "expanded_devices": engine.expanded_devices(instance),
        "last_used_at": instance.last_used_at,
        "location": "none",
        "name": name,
        "profiles": instance.profiles,
        "project": "default",
        "stateful": false,
        "status": status,
        "status_code": code,
        "type": "container",
    })
}

fn status(instance: &Instance) -> (&'static str, u16) {
    if instance.running { ("Running", 103) } else { ("Stopped", 102) }
}

fn state_json(engine: &Engine, ground: &mut Ground, name: &str) -> Value {
    let Some(instance) = engine.instances.get(name) else { return Value::Null };
    let ((status, code), running) = (status(instance), instance.running);
    let mut network = serde_json::Map::new();
    for interface in nics::interfaces(engine, ground, name) {
        let addresses: Vec<Value> = interface
            .address
            .iter()
            .map(|address| json!({ "family": "inet", "address": address.to_string(), "netmask": ground.prefix.to_string(), "scope": "global" }))
            .collect();
        network.insert(
            interface.name,
            json!({ "addresses": addresses, "hwaddr": interface.mac, "mtu": ground.mtu, "state": "up", "type": "broadcast",
                "host_name": "veth0", "counters": { "bytes_received": 0, "bytes_sent": 0, "packets_received": 0, "packets_sent": 0 } }),
        );
    }
    json!({
        "status": status,
        "status_code": code,
        "cpu": { "usage": 0 },
        "disk": {},
        "memory": { "usage": if running { 60_000_000 } else { 0 }, "usage_peak": 0, "total": 0, "swap_usage": 0, "swap_usage_peak": 0 },
        "network": if running { Value::Object(network) } else { Value::Null },
        "pid": if running { 4000 } else { -1 },
        "processes": if running { 20 } else { -1 },
    })
}
