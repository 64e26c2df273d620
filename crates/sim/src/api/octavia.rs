//! Octavia v2: balancers and their trees. What each object looks like is in [`super::octavia_view`].

use super::listing::{Links, list, only_fields};
use super::octavia_view::{self as view, View};
use super::{Call, Reply, no_such_resource};
use crate::world::balancer_change::{Absent, Cascade};
use crate::world::{Caller, Refusal, World};
use serde_json::{Value, json};

/// Answers a request to `/load-balancer`.
pub fn answer(world: &mut World, call: &Call) -> Result<Reply, Refusal> {
    let pieces = call.pieces();
    let [version, path @ ..] = pieces.as_slice() else { return Ok(Reply::ok(versions(world, call))) };
    if !(*version == "v2" || version.starts_with("v2.")) {
        return Err(no_such_resource());
    }
    let [root, path @ ..] = path else { return Ok(Reply::ok(versions(world, call))) };
    // `octavia` holds what is for administrators, and an old spelling of `lbaas`.
    if !matches!(*root, "lbaas" | "octavia") {
        return Err(no_such_resource());
    }
    let caller = call.caller(world)?;
    let before = world.loadbalancers.len();
    let reply = route(world, &caller, call, path).map_err(|refusal| in_its_words(refusal, path)).map(|mut reply| {
        if let ("GET", Some(Value::Object(body))) = (call.method.as_str(), &mut reply.body) {
            // Lists have been cut down already.
            for one in body.values_mut().filter(|one| one.is_object()) {
                *one = only_fields(one.take(), &call.query);
            }
        }
        reply
    });
    debug_assert!(world.loadbalancers.len() <= before + 1, "a request makes one balancer at most");
    reply
}

fn route(world: &mut World, caller: &Caller, call: &Call, path: &[&str]) -> Result<Reply, Refusal> {
    let method = call.method.as_str();
    let link = format!("/v2.0/lbaas/{}", path.join("/"));
    let of = |kind: View, world: &World, id: &str| view::show(kind, world, id);
    match (method, path) {
        ("GET", ["loadbalancers" | "listeners" | "pools" | "healthmonitors"]) => {
            let kind = View::of(path.first().copied().unwrap_or_default()).ok_or_else(no_such_resource)?;
            list(view::all(kind, world, caller), kind.plural(), &link, Links::Octavia, call)
        }
        ("POST", ["loadbalancers"]) => {
            let given = call.object("loadbalancer")?;
            let id = world.create_load_balancer(caller, &given, call.fault.as_ref())?;
            let graph = given.contains_key("listeners") || given.contains_key("pools");
            let body = if graph { view::graph(world, &id) } else { of(View::LoadBalancer, world, &id) };
            Ok(Reply::json(201, json!({ "loadbalancer": body })))
        }
        ("GET", ["loadbalancers", id]) => {
            world.load_balancer(caller, id)?;
            Ok(Reply::ok(json!({ "loadbalancer": of(View::LoadBalancer, world, id) })))
        }
        ("PUT", ["loadbalancers", id]) => {
            world.update_load_balancer(caller, id, &call.object("loadbalancer")?)?;
            Ok(Reply::ok(json!({ "loadbalancer": of(View::LoadBalancer, world, id) })))
        }
        ("DELETE", ["loadbalancers", id]) => {
            let cascade = call.query("cascade").is_some_and(|value| value.eq_ignore_ascii_case("true"));
            world.delete_load_balancer(caller, id, if cascade { Cascade::Yes } else { Cascade::No })?;
            Ok(Reply::empty(204))
        }
        ("GET", ["loadbalancers", id, "status" | "statuses"]) => {
            world.load_balancer(caller, id)?;
            Ok(Reply::ok(json!({ "statuses": { "loadbalancer": view::statuses(world, id) } })))
        }
        ("GET", ["loadbalancers" | "listeners", _, "stats"]) => Ok(Reply::ok(
            json!({ "stats": { "active_connections": 0, "bytes_in": 0, "bytes_out": 0, "request_errors": 0, "total_connections": 0 } }),
        )),
        ("POST", ["listeners"]) => {
            let id = world.create_listener(caller, &call.object("listener")?)?;
            Ok(Reply::json(201, json!({ "listener": of(View::Listener, world, &id) })))
        }
        ("GET", ["listeners", id]) => {
            world.listener(caller, id)?;
            Ok(Reply::ok(json!({ "listener": of(View::Listener, world, id) })))
        }
        ("PUT", ["listeners", id]) => {
            world.update_listener(caller, id, &call.object("listener")?)?;
            Ok(Reply::ok(json!({ "listener": of(View::Listener, world, id) })))
        }
        ("DELETE", ["listeners", id]) => world.delete_listener(caller, id).map(|()| Reply::empty(204)),
        ("POST", ["pools"]) => {
            let id = world.create_pool(caller, &call.object("pool")?)?;
            Ok(Reply::json(201, json!({ "pool": of(View::Pool, world, &id) })))
        }
        ("GET", ["pools", id]) => {
            world.pool(caller, id)?;
            Ok(Reply::ok(json!({ "pool": of(View::Pool, world, id) })))
        }
        ("PUT", ["pools", id]) => {
            world.update_pool(caller, id, &call.object("pool")?)?;
            Ok(Reply::ok(json!({ "pool": of(View::Pool, world, id) })))
        }
        ("DELETE", ["pools", id]) => world.delete_pool(caller, id).map(|()| Reply::empty(204)),
        (_, ["pools", pool, "members", rest @ ..]) => members(world, caller, call, pool, rest),
        ("POST", ["healthmonitors"]) => {
            let id = world.create_monitor(caller, &call.object("healthmonitor")?)?;
            Ok(Reply::json(201, json!({ "healthmonitor": of(View::HealthMonitor, world, &id) })))
        }
        ("GET", ["healthmonitors", id]) => {
            world.monitor(caller, id)?;
            Ok(Reply::ok(json!({ "healthmonitor": of(View::HealthMonitor, world, id) })))
        }
        ("PUT", ["healthmonitors", id]) => {
            world.update_monitor(caller, id, &call.object("healthmonitor")?)?;
            Ok(Reply::ok(json!({ "healthmonitor": of(View::HealthMonitor, world, id) })))
        }
        ("DELETE", ["healthmonitors", id]) => world.delete_monitor(caller, id).map(|()| Reply::empty(204)),
        ("GET", ["providers"]) => Ok(Reply::ok(json!({ "providers": view::providers(world) }))),
        ("GET", ["quotas"]) => Ok(Reply::ok(json!({ "quotas": [] }))),
        ("GET", ["quotas", "defaults" | _]) => Ok(Reply::ok(json!({ "quota": world.settings.quotas.balancer }))),
        ("GET", ["flavors" | "flavorprofiles" | "availabilityzones" | "availabilityzoneprofiles" | "l7policies"]) => {
            let plural = match path.first().copied().unwrap_or_default() {
                "availabilityzones" => "availability_zones",
                "availabilityzoneprofiles" => "availability_zone_profiles",
                other => other,
            };
            Ok(Reply::ok(json!({ plural: [] })))
        }
        ("GET", ["amphorae"]) => {
            Err(Refusal::new(403, "PolicyForbidden", "Policy does not allow this request to be performed."))
        }
        _ => Err(no_such_resource()),
    }
}

fn members(world: &mut World, caller: &Caller, call: &Call, pool: &str, path: &[&str]) -> Result<Reply, Refusal> {
    let shown = |world: &World, id: &str| json!({ "member": view::show(View::Member, world, id) });
    match (call.method.as_str(), path) {
        ("GET", []) => {
            world.pool(caller, pool)?;
            let ids: Vec<String> = world.members_of(pool).map(|member| member.meta.id.clone()).collect();
            let items = ids.iter().map(|id| view::show(View::Member, world, id)).collect();
            list(items, "members", &format!("/v2.0/lbaas/pools/{pool}/members"), Links::Octavia, call)
        }
        ("POST", []) => {
            let id = world.create_member(caller, pool, &call.object("member")?)?;
            Ok(Reply::json(201, shown(world, &id)))
        }
        ("PUT", []) => {
            let additive = call.query("additive_only").is_some_and(|value| value.eq_ignore_ascii_case("true"));
            if additive && world.settings.octavia_minor < 11 {
                return Err(Refusal::new(400, "Client", "Unknown argument: \"additive_only\""));
            }
            let given: Vec<_> = call
                .body
                .get("members")
                .and_then(Value::as_array)
                .ok_or_else(|| Refusal::new(400, "Client", "Invalid input for field/attribute members."))?
                .iter()
                .filter_map(Value::as_object)
                .cloned()
                .collect();
            world.batch_members(caller, pool, &given, if additive { Absent::Kept } else { Absent::Removed })?;
            Ok(Reply::empty(202))
        }
        ("GET", [id]) => {
            world.member(caller, pool, id)?;
            Ok(Reply::ok(shown(world, id)))
        }
        ("PUT", [id]) => {
            world.update_member(caller, pool, id, &call.object("member")?)?;
            Ok(Reply::ok(shown(world, id)))
        }
        ("DELETE", [id]) => world.delete_member(caller, pool, id).map(|()| Reply::empty(204)),
        _ => Err(no_such_resource()),
    }
}

/// An attribute that is unknown is told by the name of the function's argument that it came in.
fn in_its_words(refusal: Refusal, path: &[&str]) -> Refusal {
    let argument = match path {
        ["loadbalancers", ..] => "load_balancer.loadbalancer",
        ["listeners", ..] => "listener_.listener",
        ["pools", _, "members"] => "member_.member",
        ["pools", ..] => "pool_.pool",
        _ => "health_monitor_.healthmonitor",
    };
    let names = refusal.message.strip_prefix("Unrecognized attribute(s) '").and_then(|rest| rest.strip_suffix('\''));
    match names {
        Some(names) => {
            let plural = if names.contains(',') { "s" } else { "" };
            Refusal::new(400, "Client", format!("Unknown attribute{plural} for argument {argument}: {names}"))
        }
        None => refusal,
    }
}

fn versions(world: &World, call: &Call) -> Value {
    let newest = world.settings.octavia_minor;
    let entry = |minor: u8| {
        let status = if minor == newest { "CURRENT" } else { "SUPPORTED" };
        json!({ "id": format!("v2.{minor}"), "status": status, "updated": "2024-10-15T00:00:00Z",
                "links": [{ "rel": "self", "href": format!("{}/v2", call.base) }] })
    };
    json!({ "versions": (0..=newest).map(entry).collect::<Vec<_>>() })
}
