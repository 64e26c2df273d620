//! Nova v2.1: microversions, flavors, key pairs, server groups and limits. Servers are in [`super::nova_server`].

use super::nova_schema::field;
use super::{Call, Reply, no_such_resource, nova_server};
use crate::world::compute::{Flavor, Keypair, ServerGroup, keypair_key};
use crate::world::{Attributes, Caller, Refusal, World, new_id};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The newest minor version that is kept: that of Zed, 2.93.
const NEWEST: u32 = 93;

/// Answers a request to `/compute`.
pub fn answer(world: &mut World, call: &Call) -> Result<Reply, Refusal> {
    let pieces = call.pieces();
    let [root, path @ ..] = pieces.as_slice() else {
        return Ok(Reply::json(300, json!({ "versions": [version(call)] })));
    };
    if *root != "v2.1" {
        return Err(no_such_resource());
    }
    if path.is_empty() && call.method == http::Method::GET {
        return Ok(Reply::ok(json!({ "version": version(call) })));
    }
    let minor = microversion(call)?;
    let caller = call.caller(world)?;
    let reply = route(world, &caller, call, path, minor)?;
    let text = format!("2.{minor}");
    Ok(reply
        .with("openstack-api-version", format!("compute {text}"))
        .with("x-openstack-nova-api-version", text)
        .with("vary", "OpenStack-API-Version, X-OpenStack-Nova-API-Version"))
}

fn route(world: &mut World, caller: &Caller, call: &Call, path: &[&str], minor: u32) -> Result<Reply, Refusal> {
    match (call.method.as_str(), path) {
        (_, ["servers", rest @ ..]) => nova_server::answer(world, caller, call, rest, minor),
        ("GET", ["flavors"]) => Ok(Reply::ok(
            json!({ "flavors": world.flavors.values().map(|flavor| brief(call, flavor, minor)).collect::<Vec<_>>() }),
        )),
        ("GET", ["flavors", "detail"]) => {
            let list: Vec<Value> = world.flavors.values().map(|flavor| full(call, flavor, minor)).collect();
            let after = call.query("marker").and_then(|marker| list.iter().position(|flavor| flavor["id"] == marker));
            let list: Vec<Value> = list.into_iter().skip(after.map_or(0, |at| at + 1)).collect();
            Ok(Reply::ok(json!({ "flavors": list })))
        }
        ("GET", ["flavors", id]) => {
            let flavor = world.flavors.get(*id);
            let flavor = flavor.ok_or_else(|| not_found(format!("Flavor {id} could not be found.")))?;
            Ok(Reply::ok(json!({ "flavor": full(call, flavor, minor) })))
        }
        ("GET", ["flavors", _, "os-extra_specs"]) => Ok(Reply::ok(json!({ "extra_specs": {} }))),
        (_, ["os-keypairs", rest @ ..]) => keypairs(world, caller, call, rest, minor),
        (_, ["os-server-groups", rest @ ..]) => server_groups(world, caller, call, rest, minor),
        ("GET", ["limits"]) => Ok(Reply::ok(json!({ "limits": { "rate": [], "absolute": limits(world, caller) } }))),
        ("GET", ["os-quota-sets", project] | ["os-quota-sets", project, "defaults"]) => {
            let mut quota = json!(world.settings.quotas.compute);
            quota["id"] = (*project).into();
            Ok(Reply::ok(json!({ "quota_set": quota })))
        }
        ("GET", ["os-quota-sets", project, "detail"]) => {
            let used: BTreeMap<&str, i64> = world.compute_usage(&caller.project_id).into_iter().collect();
            let mut quota = json!({ "id": project });
            for (name, limit) in &world.settings.quotas.compute {
                quota[name] = json!({ "limit": limit, "in_use": used.get(name.as_str()).unwrap_or(&0), "reserved": 0 });
            }
            Ok(Reply::ok(json!({ "quota_set": quota })))
        }
        ("GET", ["os-availability-zone"]) => Ok(Reply::ok(
            json!({ "availabilityZoneInfo": [{ "zoneName": "nova", "zoneState": { "available": true }, "hosts": null }] }),
        )),
        ("GET", ["extensions"]) => Ok(Reply::ok(json!({ "extensions": [] }))),
        _ => Err(no_such_resource()),
    }
}

/// The minor version that the request asks for; 2.1 where it asks for none.
fn microversion(call: &Call) -> Result<u32, Refusal> {
    let asked = call
        .header("openstack-api-version")
        .and_then(|value| value.trim().strip_prefix("compute"))
        .or_else(|| call.header("x-openstack-nova-api-version"))
        .map(str::trim);
    let Some(asked) = asked else { return Ok(1) };
    if asked == "latest" {
        return Ok(NEWEST);
    }
    let minor = asked.strip_prefix("2.").and_then(|minor| minor.parse::<u32>().ok()).ok_or_else(|| {
        Refusal::new(
            400,
            "badRequest",
            format!("API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum."),
        )
    })?;
    if (1..=NEWEST).contains(&minor) {
        return Ok(minor);
    }
    Err(Refusal::new(
        406,
        "computeFault",
        format!("Version {asked} is not supported by the API. Minimum is 2.1 and maximum is 2.{NEWEST}."),
    ))
}

fn version(call: &Call) -> Value {
    json!({
        "id": "v2.1",
        "status": "CURRENT",
        "version": format!("2.{NEWEST}"),
        "min_version": "2.1",
        "updated": "2013-07-23T11:33:21Z",
        "links": [{ "rel": "self", "href": format!("{}/v2.1/", call.base) }],
        "media-types": [{ "base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1" }],
    })
}

fn flavor_links(call: &Call, id: &str) -> Value {
    json!([{ "rel": "self", "href": format!("{}/v2.1/flavors/{id}", call.base) }])
}

fn brief(call: &Call, flavor: &Flavor, minor: u32) -> Value {
    let mut view = json!({ "id": flavor.id, "name": flavor.name, "links": flavor_links(call, &flavor.id) });
    if minor >= 55 {
        view["description"] = Value::Null;
    }
    view
}

fn full(call: &Call, flavor: &Flavor, minor: u32) -> Value {
    let mut view = json!({
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "vcpus": flavor.vcpus,
        "swap": if minor >= 75 { json!(0) } else { json!("") },
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": false,
        "os-flavor-access:is_public": true,
        "rxtx_factor": 1.0,
        "links": flavor_links(call, &flavor.id),
    });
    if minor >= 55 {
        view["description"] = Value::Null;
    }
    if minor >= 61 {
        view["extra_specs"] = json!({});
    }
    view
}

fn keypairs(world: &mut World, caller: &Caller, call: &Call, path: &[&str], minor: u32) -> Result<Reply, Refusal> {
    let missing = |name: &str| not_found(format!("Keypair {name} not found for user {}", caller.user_id));
    match (call.method.as_str(), path) {
        ("GET", []) => {
            let mine = world.keypairs.values().filter(|keypair| keypair.user_id == caller.user_id);
            let list: Vec<Value> = mine.map(|keypair| json!({ "keypair": keypair_view(keypair, minor) })).collect();
            Ok(Reply::ok(json!({ "keypairs": list })))
        }
        ("GET", [name]) => {
            let keypair = world.keypairs.get(&keypair_key(&caller.user_id, name)).ok_or_else(|| missing(name))?;
            let mut view = keypair_view(keypair, minor);
            view["user_id"] = keypair.user_id.clone().into();
            view["id"] = 1.into();
            view["created_at"] = json!(keypair.created_at);
            view["updated_at"] = Value::Null;
            view["deleted"] = false.into();
            view["deleted_at"] = Value::Null;
            Ok(Reply::ok(json!({ "keypair": view })))
        }
        ("POST", []) => {
            let given = call.object("keypair")?;
            let field = |name: &str| given.get(name).and_then(Value::as_str);
            let name = field("name").ok_or_else(|| Refusal::invalid("'name' is a required property"))?;
            let key = field("public_key")
                .ok_or_else(|| Refusal::invalid("'public_key' is a required property: this cloud makes no keys"))?;
            let keypair = world.create_keypair(caller, name, key)?;
            let mut view = keypair_view(&keypair, minor);
            view["user_id"] = keypair.user_id.clone().into();
            Ok(Reply::json(if minor >= 2 { 201 } else { 200 }, json!({ "keypair": view })))
        }
        ("DELETE", [name]) => {
            world.keypairs.shift_remove(&keypair_key(&caller.user_id, name)).ok_or_else(|| missing(name))?;
            Ok(Reply::empty(if minor >= 2 { 204 } else { 202 }))
        }
        _ => Err(no_such_resource()),
    }
}

fn keypair_view(keypair: &Keypair, minor: u32) -> Value {
    let mut view =
        json!({ "name": keypair.name, "public_key": keypair.public_key, "fingerprint": keypair.fingerprint });
    if minor >= 2 {
        view["type"] = "ssh".into();
    }
    view
}

fn server_groups(world: &mut World, caller: &Caller, call: &Call, path: &[&str], minor: u32) -> Result<Reply, Refusal> {
    let missing = |id: &str| not_found(format!("Instance group {id} could not be found."));
    match (call.method.as_str(), path) {
        ("GET", []) => {
            let mine = world.server_groups.values().filter(|group| group.project_id == caller.project_id);
            let list: Vec<Value> = mine.map(|group| group_view(world, group, minor)).collect();
            Ok(Reply::ok(json!({ "server_groups": list })))
        }
        ("GET", [id]) => {
            let group = world.server_groups.get(*id).ok_or_else(|| missing(id))?;
            Ok(Reply::ok(json!({ "server_group": group_view(world, group, minor) })))
        }
        ("POST", []) => {
            let given = call.object("server_group")?;
            let policy = match given.get("policies").and_then(Value::as_array).and_then(|list| list.first()) {
                Some(policy) if minor < 64 => policy.as_str(),
                _ => given.get("policy").and_then(Value::as_str).filter(|_| minor >= 64),
            };
            let policy = policy
                .filter(|policy| {
                    matches!(*policy, "affinity" | "anti-affinity")
                        || (minor >= 15 && matches!(*policy, "soft-affinity" | "soft-anti-affinity"))
                })
                .ok_or_else(|| odd_policy(&given, minor))?;
            let group = ServerGroup {
                id: new_id(),
                name: given.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
                policy: policy.to_owned(),
                project_id: caller.project_id.clone(),
                user_id: caller.user_id.clone(),
                rules: given
                    .get("rules")
                    .and_then(|rules| serde_json::from_value(rules.clone()).ok())
                    .unwrap_or_default(),
            };
            let id = world.create_server_group(caller, group)?;
            let view = world.server_groups.get(&id).map(|group| group_view(world, group, minor));
            Ok(Reply::ok(json!({ "server_group": view })))
        }
        ("DELETE", [id]) => {
            world.server_groups.shift_remove(*id).ok_or_else(|| missing(id))?;
            for server in world.servers.values_mut().filter(|server| server.group_id.as_deref() == Some(*id)) {
                server.group_id = None;
            }
            Ok(Reply::empty(204))
        }
        _ => Err(no_such_resource()),
    }
}

fn odd_policy(given: &Attributes, minor: u32) -> Refusal {
    let policy = given.get("policy").and_then(Value::as_str).filter(|_| minor >= 64).unwrap_or_default();
    let known = "['anti-affinity', 'affinity', 'soft-anti-affinity', 'soft-affinity']";
    field("policy", policy, &format!("'{policy}' is not one of {known}"))
}

fn group_view(world: &World, group: &ServerGroup, minor: u32) -> Value {
    let mut view = json!({ "id": group.id, "name": group.name, "members": world.group_members(&group.id) });
    if minor >= 13 {
        view["project_id"] = group.project_id.clone().into();
        view["user_id"] = group.user_id.clone().into();
    }
    if minor >= 64 {
        view["policy"] = group.policy.clone().into();
        view["rules"] = json!(group.rules);
    } else {
        view["policies"] = json!([group.policy]);
        view["metadata"] = json!({});
    }
    view
}

fn limits(world: &World, caller: &Caller) -> Value {
    let [(_, instances), (_, cores), (_, ram)] = world.compute_usage(&caller.project_id);
    let limit = |name: &str| world.settings.quotas.compute.get(name).copied().unwrap_or(-1);
    let groups = world.server_groups.values().filter(|group| group.project_id == caller.project_id).count();
    json!({
        "maxTotalInstances": limit("instances"),
        "maxTotalCores": limit("cores"),
        "maxTotalRAMSize": limit("ram"),
        "maxTotalKeypairs": limit("key_pairs"),
        "maxServerMeta": limit("metadata_items"),
        "maxImageMeta": 128,
        "maxServerGroups": limit("server_groups"),
        "maxServerGroupMembers": limit("server_group_members"),
        "totalInstancesUsed": instances,
        "totalCoresUsed": cores,
        "totalRAMUsed": ram,
        "totalServerGroupsUsed": groups,
    })
}

/// Nova's 404.
pub fn not_found(message: String) -> Refusal {
    Refusal::new(404, "itemNotFound", message)
}
