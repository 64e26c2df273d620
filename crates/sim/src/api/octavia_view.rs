//! What Octavia's objects look like from outside.

use super::view::{extend, without};
use crate::world::balancer::Provisioning;
use crate::world::{Caller, World};
use serde::Serialize;
use serde_json::{Value, json};

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// `loadbalancers`.
    LoadBalancer,
    /// `listeners`.
    Listener,
    /// `pools`.
    Pool,
    /// `members`.
    Member,
    /// `healthmonitors`.
    HealthMonitor,
}

impl View {
    /// The kind of this collection.
    pub fn of(plural: &str) -> Option<Self> {
        [Self::LoadBalancer, Self::Listener, Self::Pool, Self::Member, Self::HealthMonitor]
            .into_iter()
            .find(|kind| kind.plural() == plural)
    }

    /// The collection's name.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::LoadBalancer => "loadbalancers",
            Self::Listener => "listeners",
            Self::Pool => "pools",
            Self::Member => "members",
            Self::HealthMonitor => "healthmonitors",
        }
    }
}

/// The caller's objects of a kind.
pub fn all(kind: View, world: &World, caller: &Caller) -> Vec<Value> {
    let ids: Vec<&String> = match kind {
        View::LoadBalancer => world.loadbalancers.keys().collect(),
        View::Listener => world.listeners.keys().collect(),
        View::Pool => world.pools.keys().collect(),
        View::Member => world.members.keys().collect(),
        View::HealthMonitor => world.healthmonitors.keys().collect(),
    };
    let views = ids.into_iter().map(|id| show(kind, world, id));
    views.filter(|view| view["project_id"] == caller.project_id.as_str()).collect()
}

/// One object; null where it is not there.
pub fn show(kind: View, world: &World, id: &str) -> Value {
    match kind {
        View::LoadBalancer => world.loadbalancers.get(id).map(|balancer| {
            let listeners: Vec<Value> = world
                .listeners
                .values()
                .filter(|listener| listener.loadbalancer_id == id)
                .map(|listener| reference(&listener.meta.id))
                .collect();
            let pools: Vec<Value> = world.pools_of(id).map(|pool| reference(&pool.meta.id)).collect();
            let mut view = object(balancer, &["service_group_id", "owns_vip_port", "graph_stuck"]);
            if world.settings.octavia_minor < 29 {
                without(&mut view, "vip_sg_ids");
            }
            view = since(world, 28, view, json!({ "vip_vnic_type": "normal" }));
            extend(
                view,
                json!({ "operating_status": world.balancer_operating(balancer), "listeners": listeners, "pools": pools,
                        "flavor_id": null, "availability_zone": null, "vip_qos_policy_id": null, "additional_vips": [] }),
            )
        }),
        View::Listener => world.listeners.get(id).map(|listener| {
            let mut view = object(listener, &["loadbalancer_id", "stuck"]);
            if listener.allowed_cidrs.is_empty() {
                view["allowed_cidrs"] = Value::Null;
            }
            extend(
                view,
                json!({ "operating_status": world.listener_operating(listener), "loadbalancers": [reference(&listener.loadbalancer_id)],
                        "l7policies": [], "default_tls_container_ref": null, "sni_container_refs": [], "client_authentication": "NONE",
                        "client_ca_tls_container_ref": null, "client_crl_container_ref": null, "tls_ciphers": null, "tls_versions": null,
                        "alpn_protocols": null }),
            )
        }),
        View::Pool => world.pools.get(id).map(|pool| {
            let members: Vec<Value> = world.members_of(id).map(|member| reference(&member.meta.id)).collect();
            let listeners: Vec<Value> = world
                .listeners
                .values()
                .filter(|listener| listener.default_pool_id.as_deref() == Some(id))
                .map(|listener| reference(&listener.meta.id))
                .collect();
            let view = extend(
                object(pool, &["loadbalancer_id", "stuck"]),
                json!({ "operating_status": world.pool_operating(pool), "loadbalancers": [reference(&pool.loadbalancer_id)], "listeners": listeners,
                        "members": members, "tls_enabled": false,
                        "tls_container_ref": null, "ca_tls_container_ref": null, "crl_container_ref": null, "tls_ciphers": null, "tls_versions": null,
                        "alpn_protocols": null }),
            );
            // What it does not have is not null, but not there.
            let Some(monitor) = world.monitor_of(id) else { return view };
            extend(view, json!({ "healthmonitor_id": monitor.meta.id }))
        }),
        View::Member => world
            .members
            .get(id)
            .map(|member| {
                let view = object(member, &["pool_id", "stuck", "description"]);
                since(world, 29, view, json!({ "vnic_type": "normal" }))
            }),
        View::HealthMonitor => world.healthmonitors.get(id).map(|monitor| {
            let operating = if monitor.provisioning_status == Provisioning::PendingCreate { "OFFLINE" } else { "ONLINE" };
            extend(
                object(monitor, &["pool_id", "stuck", "description"]),
                json!({ "operating_status": operating, "pools": [reference(&monitor.pool_id)] }),
            )
        }),
    }
    .unwrap_or_default()
}

/// The providers that are switched on.
pub fn providers(world: &World) -> Vec<Value> {
    let describe = |name: &String| match name.as_str() {
        "amphora" => "The Octavia Amphora driver.",
        "octavia" => "Deprecated alias of the Octavia Amphora driver.",
        "ovn" => "The Octavia OVN driver.",
        _ => "",
    };
    let all = world.settings.octavia_providers.iter();
    all.map(|name| json!({ "name": name, "description": describe(name) })).collect()
}

/// A balancer with its whole tree, as the reply to a graph shows it.
pub fn graph(world: &World, id: &str) -> Value {
    // In a tree, nothing names what it is part of. That pools have monitors is not shown.
    let below = |what: View, id: &str| {
        let mut view = show(what, world, id);
        without(&mut view, "loadbalancers");
        without(&mut view, "healthmonitor_id");
        view
    };
    let pool_view = |pool: &str| {
        let members: Vec<Value> =
            world.members_of(pool).map(|member| show(View::Member, world, &member.meta.id)).collect();
        extend(below(View::Pool, pool), json!({ "members": members, "healthmonitor": null }))
    };
    let pools: Vec<Value> = world.pools_of(id).map(|pool| pool_view(&pool.meta.id)).collect();
    let listeners: Vec<Value> = world
        .listeners
        .values()
        .filter(|listener| listener.loadbalancer_id == id)
        .map(|listener| below(View::Listener, &listener.meta.id))
        .collect();
    extend(show(View::LoadBalancer, world, id), json!({ "listeners": listeners, "pools": pools }))
}

/// The status tree.
pub fn statuses(world: &World, id: &str) -> Value {
    let pool_status = |pool: &str| {
        let members: Vec<Value> = world
            .members_of(pool)
            .map(|member| {
                let view = short(&show(View::Member, world, &member.meta.id));
                extend(view, json!({ "address": member.address, "protocol_port": member.protocol_port }))
            })
            .collect();
        let view = extend(short(&show(View::Pool, world, pool)), json!({ "members": members }));
        let Some(monitor) = world.monitor_of(pool) else { return view };
        let status = short(&show(View::HealthMonitor, world, &monitor.meta.id));
        extend(view, json!({ "health_monitor": extend(status, json!({ "type": monitor.kind })) }))
    };
    let listeners: Vec<Value> = world
        .listeners
        .values()
        .filter(|listener| listener.loadbalancer_id == id)
        .map(|listener| {
            let pools: Vec<Value> = listener.default_pool_id.as_deref().map(pool_status).into_iter().collect();
            extend(short(&show(View::Listener, world, &listener.meta.id)), json!({ "pools": pools }))
        })
        .collect();
    extend(short(&show(View::LoadBalancer, world, id)), json!({ "listeners": listeners }))
}

fn short(view: &Value) -> Value {
    json!({ "id": view["id"], "name": view["name"], "provisioning_status": view["provisioning_status"],
            "operating_status": view["operating_status"] })
}

fn reference(id: &str) -> Value {
    json!({ "id": id })
}

/// The object's own fields without the `hidden` ones. Octavia writes its moments without a zone.
fn object<T: Serialize>(value: &T, hidden: &[&str]) -> Value {
    let mut view = serde_json::to_value(value).unwrap_or_default();
    for key in hidden.iter().chain(&["revision_number"]) {
        without(&mut view, key);
    }
    for key in ["created_at", "updated_at"] {
        let moment = view[key].as_str().map(|text| text.trim_end_matches('Z').to_owned());
        view[key] = json!(moment);
    }
    // Nothing has been changed yet.
    if view["provisioning_status"] == "PENDING_CREATE" {
        view["updated_at"] = Value::Null;
    }
    if let Some(project) = view.get("project_id").cloned() {
        view["tenant_id"] = project;
    }
    view
}

/// With fields that a minor version of the API brought.
fn since(world: &World, minor: u8, view: Value, more: Value) -> Value {
    if world.settings.octavia_minor >= minor { extend(view, more) } else { view }
}
