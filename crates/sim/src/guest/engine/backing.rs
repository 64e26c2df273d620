//! Storage pools, networks and profiles.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::machine::{Ground, Machine};
use super::answer::{Answer, ApiError, body, check_tag, sync, tagged};
use super::api::{Recursion, listing, with};
use super::{Backing, Config, Devices, Engine, Profile, nics};

/// `GET /1.0/storage-pools`
pub(super) async fn pools(State(machine): State<Arc<Machine>>, query: Query<Recursion>) -> Answer {
    with(&machine, |engine, _| {
        Ok(sync(listing(
            query,
            "storage-pools",
            engine.storage_pools.iter().map(|(name, pool)| (name, pool_json(name, pool))),
        )))
    })
}

/// `GET /1.0/storage-pools/{name}`
pub(super) async fn pool(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, _| {
        let pool = engine.storage_pools.get(&name).ok_or_else(|| ApiError::not_found("Storage pool"))?;
        Ok(tagged(pool_json(&name, pool), &pool.config))
    })
}

fn pool_json(name: &str, pool: &Backing) -> Value {
    json!({ "name": name, "driver": pool.kind, "description": pool.description, "config": pool.config, "status": "Created",
        "locations": ["none"], "used_by": [] })
}

/// `GET /1.0/networks`: the machine's own interfaces are listed too, as not managed.
pub(super) async fn networks(State(machine): State<Arc<Machine>>, query: Query<Recursion>) -> Answer {
    with(&machine, |engine, ground| {
        let all = network_list(engine, ground);
        Ok(sync(listing(query, "networks", all.iter().map(|(name, network)| (name, network.clone())))))
    })
}

/// `GET /1.0/networks/{name}`
pub(super) async fn network(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, ground| {
        let all = network_list(engine, ground);
        let found = all.into_iter().find(|(other, _)| *other == name);
        found.map(|(_, network)| sync(network)).ok_or_else(|| ApiError::not_found("Network"))
    })
}

fn network_list(engine: &Engine, ground: &Ground) -> Vec<(String, Value)> {
    let show = |name: &str, kind: &str, managed: bool, config: &Config| {
        json!({ "name": name, "type": kind, "managed": managed, "config": config, "description": "", "locations": [],
            "status": if managed { "Created" } else { "" }, "used_by": [] })
    };
    let nothing = Config::new();
    let bridges = ground.bridges.iter().map(|name| (name.clone(), show(name, "bridge", false, &nothing)));
    let managed =
        engine.networks.iter().map(|(name, network)| (name.clone(), show(name, &network.kind, true, &network.config)));
    let card = (ground.card.clone(), show(&ground.card, "physical", false, &nothing));
    bridges.chain(managed).chain([card]).collect()
}

/// `GET /1.0/profiles`
pub(super) async fn profiles(State(machine): State<Arc<Machine>>, query: Query<Recursion>) -> Answer {
    with(&machine, |engine, _| {
        let all = engine.profiles.iter().map(|(name, profile)| (name, profile_json(engine, name, profile)));
        Ok(sync(listing(query, "profiles", all)))
    })
}

/// `GET /1.0/profiles/{name}`
pub(super) async fn profile(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, _| {
        let profile = engine.profiles.get(&name).ok_or_else(|| ApiError::not_found("Profile"))?;
        Ok(tagged(profile_json(engine, &name, profile), profile))
    })
}

fn profile_json(engine: &Engine, name: &str, profile: &Profile) -> Value {
    let users = engine.instances.iter().filter(|(_, instance)| instance.profiles.iter().any(|used| used == name));
    let used_by: Vec<String> = users.map(|(name, _)| format!("/1.0/instances/{name}")).collect();
    json!({ "name": name, "description": profile.description, "config": profile.config, "devices": profile.devices,
        "used_by": used_by, "project": "default" })
}

/// The body of a new profile.
#[derive(Deserialize)]
struct NewProfile {
    name: String,
    #[serde(flatten)]
    profile: Profile,
}

/// `POST /1.0/profiles`
pub(super) async fn create_profile(State(machine): State<Arc<Machine>>, bytes: Bytes) -> Answer {
    let new: NewProfile = body(&bytes)?;
    if new.name.is_empty() || new.name.contains('/') {
        return Err(ApiError::bad_request("No name provided"));
    }
    with(&machine, |engine, ground| {
        if engine.profiles.contains_key(&new.name) {
            return Err(ApiError::conflict(format!(
                "Error inserting {:?} into database: The profile already exists",
                new.name
            )));
        }
        nics::validate(ground, &new.profile.devices).map_err(ApiError::bad_request)?;
        engine.profiles.insert(new.name.clone(), new.profile);
        Ok(())
    })?;
    let path = format!("/1.0/profiles/{}", new.name);
    machine.tell("lifecycle", &json!({ "action": "profile-created", "source": path }));
    let mut response = sync(Value::Null);
    *response.status_mut() = StatusCode::CREATED;
    Ok(([(axum::http::header::LOCATION, path)], response).into_response())
}

/// `PUT /1.0/profiles/{name}`
pub(super) async fn replace_profile(
    State(machine): State<Arc<Machine>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let new: Profile = body(&bytes)?;
    change_profile(&machine, &name, &headers, |profile| *profile = new)
}

/// The body of `PATCH`: what is not given stays.
#[derive(Deserialize)]
struct ProfilePatch {
    config: Option<Config>,
    description: Option<String>,
    devices: Option<Devices>,
}

/// `PATCH /1.0/profiles/{name}`
pub(super) async fn patch_profile(
    State(machine): State<Arc<Machine>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let patch: ProfilePatch = body(&bytes)?;
    change_profile(&machine, &name, &headers, |profile| {
        profile.config.extend(patch.config.unwrap_or_default());
        profile.devices.extend(patch.devices.unwrap_or_default());
        profile.description = patch.description.unwrap_or_else(|| std::mem::take(&mut profile.description));
    })
}

fn change_profile(machine: &Machine, name: &str, headers: &HeaderMap, change: impl FnOnce(&mut Profile)) -> Answer {
    with(machine, |engine, ground| {
        let profile = engine.profiles.get_mut(name).ok_or_else(|| ApiError::not_found("Profile"))?;
        check_tag(headers, profile)?;
        let mut new = profile.clone();
        change(&mut new);
        // An empty value is how a key is removed.
        new.config.retain(|_, value| !value.is_empty());
        nics::validate(ground, &new.devices).map_err(ApiError::bad_request)?;
        *profile = new;
        Ok(())
    })?;
    machine.tell("lifecycle", &json!({ "action": "profile-updated", "source": format!("/1.0/profiles/{name}") }));
    Ok(sync(Value::Null))
}

/// `DELETE /1.0/profiles/{name}`
pub(super) async fn delete_profile(State(machine): State<Arc<Machine>>, Path(name): Path<String>) -> Answer {
    with(&machine, |engine, _| {
        if name == "default" {
            return Err(ApiError::forbidden("The 'default' profile cannot be deleted"));
        }
        if engine.instances.values().any(|instance| instance.profiles.contains(&name)) {
            return Err(ApiError::bad_request("Profile is currently in use"));
        }
        engine.profiles.remove(&name).ok_or_else(|| ApiError::not_found("Profile"))
    })?;
    machine.tell("lifecycle", &json!({ "action": "profile-deleted", "source": format!("/1.0/profiles/{name}") }));
    Ok(sync(Value::Null))
}
