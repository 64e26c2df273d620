//! Nova's servers: lists, creation, deletion, tags, metadata and actions.

use super::nova_schema::{check_server, check_tags};
use super::view::without;
use super::{Call, Reply, no_such_resource};
use crate::config::Console;
use crate::text::percent_encoded;
use crate::world::compute::{NewServer, Server, ServerStatus};
use crate::world::faults::Effect;
use crate::world::{Attributes, Caller, Refusal, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PAGE: usize = 1000;

/// Answers a request to `/compute/v2.1/servers`.
pub fn answer(world: &mut World, caller: &Caller, call: &Call, path: &[&str], minor: u32) -> Result<Reply, Refusal> {
    match (call.method.as_str(), path) {
        ("GET", []) => list(world, caller, call, minor, Detail::Brief),
        ("GET", ["detail"]) => list(world, caller, call, minor, Detail::Full),
        ("POST", []) => {
            let new = new_server(call, minor)?;
            let id = world.create_server(caller, new)?;
            let body = json!({ "id": id, "links": links(call, &id), "OS-DCF:diskConfig": "MANUAL", "security_groups": [{ "name": "default" }],
                               "adminPass": "simulated" });
            let location = format!("{}/v2.1/servers/{id}", call.base);
            Ok(Reply::json(202, json!({ "server": body })).with("location", location))
        }
        ("GET", [id]) => {
            let server = world.server(caller, id)?;
            Ok(Reply::ok(json!({ "server": view(world, server, call, minor) })))
        }
        ("PUT", [id]) => {
            world.server(caller, id)?;
            let given = call.object("server")?;
            let now = world.now;
            if let Some(server) = world.servers.get_mut(*id) {
                if let Some(name) = given.get("name").and_then(Value::as_str) {
                    name.clone_into(&mut server.meta.name);
                }
                if let Some(text) = given.get("description").and_then(Value::as_str).filter(|_| minor >= 19) {
                    text.clone_into(&mut server.meta.description);
                }
                server.meta.touch(now);
            }
            let server = world.server(caller, id)?;
            Ok(Reply::ok(json!({ "server": view(world, server, call, minor) })))
        }
        ("DELETE", [id]) => {
            world.delete_server(caller, id)?;
            Ok(Reply::empty(204))
        }
        ("POST", [id, "action"]) => action(world, caller, call, id),
        ("GET", [id, "os-interface"]) => {
            let server = world.server(caller, id)?;
            Ok(Reply::ok(json!({ "interfaceAttachments": interfaces(world, server) })))
        }
        ("GET", [id, "os-security-groups"]) => {
            let server = world.server(caller, id)?;
            Ok(Reply::ok(json!({ "security_groups": groups(world, server) })))
        }
        ("GET", [id, "ips"]) => {
            let server = world.server(caller, id)?;
            Ok(Reply::ok(json!({ "addresses": addresses(world, server) })))
        }
        ("GET", [id, "os-volume_attachments"]) => {
            world.server(caller, id)?;
            Ok(Reply::ok(json!({ "volumeAttachments": [] })))
        }
        (_, [id, "tags", rest @ ..]) if minor >= 26 => tags(world, caller, call, id, rest),
        (_, [id, "metadata", rest @ ..]) => metadata(world, caller, call, id, rest),
        _ => Err(no_such_resource()),
    }
}

/// How much of each server a list shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Brief,
    Full,
}

fn list(world: &World, caller: &Caller, call: &Call, minor: u32, detail: Detail) -> Result<Reply, Refusal> {
    let bad = |message: String| Refusal::new(400, "badRequest", message);
    let mut servers: Vec<&Server> = world
        .servers
        .values()
        .filter(|server| server.meta.project_id == caller.project_id && fits(server, call, minor))
        .collect();
    if let Some(marker) = call.query("marker") {
        let at = servers.iter().position(|server| server.meta.id == marker);
        servers.drain(..=at.ok_or_else(|| bad(format!("marker [{marker}] not found")))?);
    }
    let limit = match call.query("limit") {
        Some(limit) => limit.parse().map_err(|_| bad("limit param must be an integer".to_owned()))?,
        None => PAGE,
    };
    let mut body = json!({ "servers": [] });
    let limit = limit.min(PAGE);
    servers.truncate(limit);
    // Nova does not look whether anything follows a full page.
    if limit > 0 && servers.len() == limit {
        let others: Vec<String> = call
            .query
            .iter()
            .filter(|(key, _)| key != "marker")
            .map(|(key, value)| format!("{}={}", percent_encoded(key), percent_encoded(value)))
            .collect();
        let others = others.join("&");
        let last = servers.last().map(|server| server.meta.id.as_str()).unwrap_or_default();
        let suffix = if detail == Detail::Full { "/detail" } else { "" };
        let href = format!("{}/v2.1/servers{suffix}?{others}&marker={last}", call.base);
        body["servers_links"] = json!([{ "rel": "next", "href": href }]);
    }
    let show = |server: &Server| match detail {
        Detail::Full => view(world, server, call, minor),
        Detail::Brief => {
            json!({ "id": server.meta.id, "name": server.meta.name, "links": links(call, &server.meta.id) })
        }
    };
    body["servers"] = servers.into_iter().map(show).collect();
    Ok(Reply::ok(body))
}

/// Filters as Nova has them; the name is a part of the whole, for it is a regular expression there.
fn fits(server: &Server, call: &Call, minor: u32) -> bool {
    let has = |tag: &str| server.meta.tags.iter().any(|known| known == tag);
    call.query.iter().all(|(key, value)| match key.as_str() {
        "name" => match (value.strip_prefix('^'), value.strip_suffix('$')) {
            (Some(_), Some(_)) => {
                server.meta.name == value.trim_start_matches('^').trim_end_matches('$').replace('\\', "")
            }
            (Some(start), None) => server.meta.name.starts_with(start),
            (None, Some(end)) => server.meta.name.ends_with(end),
            (None, None) => server.meta.name.contains(value.as_str()),
        },
        "status" => status(server).0.eq_ignore_ascii_case(value),
        "tags" if minor >= 26 => value.split(',').all(has),
        "tags-any" if minor >= 26 => value.split(',').any(has),
        "not-tags" if minor >= 26 => !value.split(',').all(has),
        "not-tags-any" if minor >= 26 => !value.split(',').any(has),
        "uuid" => server.meta.id == *value,
        "flavor" => server.flavor_id == *value,
        "image" => server.image_id == *value,
        "key_name" => server.key_name.as_deref() == Some(value),
        _ => true,
    })
}

/// A request for a new server, taken apart.
fn new_server(call: &Call, minor: u32) -> Result<NewServer, Refusal> {
    let bad = |message: &str| Refusal::new(400, "badRequest", message);
    let given = call.object("server").map_err(|refusal| bad(&refusal.message))?;
    let field = |name: &str| given.get(name).and_then(Value::as_str).map(str::to_owned);
    check_server(&given, minor)?;
    let networks = match given.get("networks") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_object).cloned().collect(),
        _ => Vec::new(),
    };
    // A boot volume made from an image counts as that image: there are no volumes here.
    let mapped = given
        .get("block_device_mapping_v2")
        .and_then(Value::as_array)
        .and_then(|list| list.iter().find(|device| device["boot_index"] == 0 || device["boot_index"] == "0"))
        .and_then(|device| device["uuid"].as_str())
        .map(str::to_owned);
    let hints = call.body.get("os:scheduler_hints").or_else(|| call.body.get("OS-SCH-HNT:scheduler_hints"));
    let tags: Vec<String> = strings(given.get("tags"));
    check_tags(&tags)?;
    let groups = given.get("security_groups").and_then(Value::as_array).into_iter().flatten();
    Ok(NewServer {
        name: field("name").unwrap_or_default(),
        description: field("description").unwrap_or_default(),
        image_id: field("imageRef").filter(|id| !id.is_empty()).or(mapped).unwrap_or_default(),
        flavor_id: field("flavorRef").unwrap_or_default(),
        key_name: field("key_name"),
        user_data: field("user_data"),
        metadata: text_map(given.get("metadata")),
        tags,
        networks,
        security_groups: groups.filter_map(|group| group["name"].as_str().map(str::to_owned)).collect(),
        group_id: hints.and_then(|hints| hints["group"].as_str()).map(str::to_owned),
        first_boot_fails: call.fault == Some(Effect::FirstBootFails),
        count: ["min_count", "max_count"].iter().filter_map(|key| given.get(*key)?.as_i64()).max().unwrap_or(1),
    })
}

fn action(world: &mut World, caller: &Caller, call: &Call, id: &str) -> Result<Reply, Refusal> {
    let server = world.server(caller, id)?;
    let state = server.status;
    let name = call.body.as_object().and_then(|body| body.keys().next()).map(String::as_str).unwrap_or_default();
    let wrong_state = || {
        Refusal::new(
            409,
            "conflictingRequest",
            format!(
                "Cannot '{}' instance {id} while it is in vm_state {}",
                name.strip_prefix("os-").unwrap_or(name),
                status(server).1
            ),
        )
    };
    match name {
        "os-getConsoleOutput" => {
            let length = &call.body["os-getConsoleOutput"]["length"];
            let lines = length.as_u64().or_else(|| length.as_str().and_then(|text| text.parse().ok()));
            refuse_console(world.settings.console)?;
            if state == ServerStatus::Build {
                return Err(Refusal::new(409, "conflictingRequest", format!("Instance {id} is not ready")));
            }
            let mut reply = Reply::ok(json!({ "output": "" }));
            reply.console = Some((id.to_owned(), lines.and_then(|lines| usize::try_from(lines).ok())));
            Ok(reply)
        }
        "reboot" if state == ServerStatus::Active => Ok(Reply::empty(202)),
        "os-stop" if state == ServerStatus::Active => Ok(set_status(world, id, ServerStatus::Shutoff)),
        "os-start" if state == ServerStatus::Shutoff => Ok(set_status(world, id, ServerStatus::Active)),
        "reboot" | "os-stop" | "os-start" => Err(wrong_state()),
        _ => Err(Refusal::new(400, "badRequest", format!("There is no such action: {name}"))),
    }
}

/// What Nova says where there is no console to be had.
fn refuse_console(console: Console) -> Result<(), Refusal> {
    let (status, kind, message) = match console {
        Console::Shown => return Ok(()),
        Console::Forbidden => {
            (403, "forbidden", "Policy doesn't allow os_compute_api:os-console-output to be performed.")
        }
        Console::Unavailable => (404, "itemNotFound", "Guest does not have a console available."),
        Console::NotImplemented => (501, "notImplemented", "The requested functionality is not supported."),
    };
    Err(Refusal::new(status, kind, message.to_owned()))
}

fn set_status(world: &mut World, id: &str, status: ServerStatus) -> Reply {
    let now = world.now;
    if let Some(server) = world.servers.get_mut(id) {
        server.status = status;
        server.meta.touch(now);
    }
    Reply::empty(202)
}

fn tags(world: &mut World, caller: &Caller, call: &Call, id: &str, path: &[&str]) -> Result<Reply, Refusal> {
    world.server(caller, id)?;
    let Some(server) = world.servers.get_mut(id) else { return Err(no_such_resource()) };
    let tags = &mut server.meta.tags;
    let missing = |tag: &str| super::nova::not_found(format!("Instance {id} has no tag '{tag}'"));
    match (call.method.as_str(), path) {
        ("GET", []) => Ok(Reply::ok(json!({ "tags": tags }))),
        ("PUT", []) => {
            let new = strings(call.body.get("tags"));
            check_tags(&new)?;
            *tags = new;
            Ok(Reply::ok(json!({ "tags": tags })))
        }
        ("DELETE", []) => {
            tags.clear();
            Ok(Reply::empty(204))
        }
        ("GET", [tag]) if tags.iter().any(|known| known == tag) => Ok(Reply::empty(204)),
        ("PUT", [tag]) => {
            if tags.iter().any(|known| known == tag) {
                return Ok(Reply::empty(204));
            }
            let new: Vec<String> = tags.iter().cloned().chain([(*tag).to_owned()]).collect();
            check_tags(&new)?;
            *tags = new;
            Ok(Reply::empty(201))
        }
        ("DELETE", [tag]) => {
            let at = tags.iter().position(|known| known == tag).ok_or_else(|| missing(tag))?;
            tags.remove(at);
            Ok(Reply::empty(204))
        }
        ("GET", [tag]) => Err(missing(tag)),
        _ => Err(no_such_resource()),
    }
}

fn metadata(world: &mut World, caller: &Caller, call: &Call, id: &str, path: &[&str]) -> Result<Reply, Refusal> {
    world.server(caller, id)?;
    let Some(server) = world.servers.get_mut(id) else { return Err(no_such_resource()) };
    match (call.method.as_str(), path) {
        ("GET", []) => {}
        ("POST", []) => server.metadata.extend(text_map(call.body.get("metadata"))),
        ("PUT", []) => server.metadata = text_map(call.body.get("metadata")),
        ("DELETE", [key]) => {
            let gone = server.metadata.remove(*key);
            gone.ok_or_else(|| super::nova::not_found("Metadata item was not found".to_owned()))?;
            return Ok(Reply::empty(204));
        }
        _ => return Err(no_such_resource()),
    }
    Ok(Reply::ok(json!({ "metadata": server.metadata })))
}

/// The server as a detailed list shows it at this minor version.
fn view(world: &World, server: &Server, call: &Call, minor: u32) -> Value {
    let (status, vm_state, task) = status(server);
    let flavor = match world.flavors.get(&server.flavor_id) {
        Some(flavor) if minor >= 47 => {
            json!({ "original_name": flavor.name, "vcpus": flavor.vcpus, "ram": flavor.ram, "disk": flavor.disk,
                                               "ephemeral": 0, "swap": 0, "extra_specs": {} })
        }
        _ => {
            json!({ "id": server.flavor_id, "links": [{ "rel": "bookmark", "href": format!("{}/flavors/{}", call.base, server.flavor_id) }] })
        }
    };
    let running = server.status == ServerStatus::Active;
    let mut view = json!({
        "id": server.meta.id,
        "name": server.meta.name,
        "status": status,
        "tenant_id": server.meta.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": "5111e0",
        "image": { "id": server.image_id, "links": [{ "rel": "bookmark", "href": format!("{}/images/{}", call.base, server.image_id) }] },
        "flavor": flavor,
        "created": server.meta.created_at,
        "updated": server.meta.updated_at,
        "addresses": addresses(world, server),
        "accessIPv4": "",
        "accessIPv6": "",
        "links": links(call, &server.meta.id),
        "OS-DCF:diskConfig": "MANUAL",
        "config_drive": "",
        "key_name": server.key_name,
        "progress": 0,
        "OS-EXT-AZ:availability_zone": "nova",
        "OS-EXT-STS:power_state": i32::from(running),
        "OS-EXT-STS:task_state": task,
        "OS-EXT-STS:vm_state": vm_state,
        "OS-SRV-USG:launched_at": server.launched_at.map(|moment| moment.strftime("%Y-%m-%dT%H:%M:%S.000000").to_string()),
        "OS-SRV-USG:terminated_at": null,
        "security_groups": groups(world, server),
        "os-extended-volumes:volumes_attached": [],
    });
    if server.status == ServerStatus::Build {
        // Nova reads both off its ports, and they are not the server's yet.
        view["addresses"] = json!({});
        without(&mut view, "security_groups");
    }
    for (since, key, value) in [
        (9, "locked", json!(false)),
        (19, "description", json!(Some(&server.meta.description).filter(|text| !text.is_empty()))),
        (26, "tags", json!(server.meta.tags)),
        (63, "trusted_image_certificates", Value::Null),
        (71, "server_groups", json!(server.group_id.iter().collect::<Vec<_>>())),
        (73, "locked_reason", Value::Null),
        (90, "OS-EXT-SRV-ATTR:hostname", json!(server.meta.name)),
    ] {
        if minor >= since {
            view[key] = value;
        }
    }
    view
}

/// Status, VM state and task state.
fn status(server: &Server) -> (&'static str, &'static str, Option<&'static str>) {
    match server.status {
        ServerStatus::Build => ("BUILD", "building", Some("spawning")),
        ServerStatus::Active => ("ACTIVE", "active", None),
        ServerStatus::Shutoff => ("SHUTOFF", "stopped", None),
        ServerStatus::Deleting => ("ACTIVE", "active", Some("deleting")),
    }
}

fn addresses(world: &World, server: &Server) -> Value {
    let mut networks: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for port in server.ports.iter().filter_map(|port| world.ports.get(&port.id)) {
        let name = world.networks.get(&port.network_id).map(|network| network.meta.name.clone()).unwrap_or_default();
        let entry = |address: String, kind: &str| json!({ "addr": address, "version": 4, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": port.mac_address });
        let list = networks.entry(name).or_default();
        list.extend(port.fixed_ips.iter().map(|fixed| entry(fixed.ip_address.to_string(), "fixed")));
        let floating = world.floatingips.values().filter(|floating| floating.port_id.as_ref() == Some(&port.meta.id));
        list.extend(floating.map(|floating| entry(floating.floating_ip_address.to_string(), "floating")));
    }
    json!(networks)
}

fn interfaces(world: &World, server: &Server) -> Vec<Value> {
    let ports = server.ports.iter().filter_map(|port| world.ports.get(&port.id));
    ports
        .map(|port| {
            json!({ "port_id": port.meta.id, "net_id": port.network_id, "mac_addr": port.mac_address, "port_state": port.status,
                    "fixed_ips": port.fixed_ips })
        })
        .collect()
}

fn groups(world: &World, server: &Server) -> Vec<Value> {
    let ports = server.ports.iter().filter_map(|port| world.ports.get(&port.id));
    let ids = ports.flat_map(|port| port.security_groups.iter());
    ids.filter_map(|id| world.security_groups.get(id)).map(|group| json!({ "name": group.meta.name })).collect()
}

fn links(call: &Call, id: &str) -> Value {
    json!([
        { "rel": "self", "href": format!("{}/v2.1/servers/{id}", call.base) },
        { "rel": "bookmark", "href": format!("{}/servers/{id}", call.base) },
    ])
}

fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(|list| serde_json::from_value(list.clone()).ok()).unwrap_or_default()
}

fn text_map(given: Option<&Value>) -> BTreeMap<String, String> {
    let empty = Attributes::new();
    let map = given.and_then(Value::as_object).unwrap_or(&empty);
    map.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
