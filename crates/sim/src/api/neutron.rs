//! Neutron v2.0: one table of resources, each with the same five verbs, tags, revisions and bulk creation.

use super::listing::{list, only_fields};
use super::view::{extend, without};
use super::{Call, Reply, no_such_resource};
use crate::world::{Attributes, Caller, Meta, Refusal, World};
use serde::Serialize;
use serde_json::{Value, json};

/// A resource of Neutron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Network,
    Subnet,
    Port,
    SecurityGroup,
    Rule,
    Router,
    FloatingIp,
}

const KINDS: [Kind; 7] =
    [Kind::Network, Kind::Subnet, Kind::Port, Kind::SecurityGroup, Kind::Rule, Kind::Router, Kind::FloatingIp];

/// Answers a request to `/network`.
pub fn answer(world: &mut World, call: &Call) -> Result<Reply, Refusal> {
    let pieces = call.pieces();
    let [version, path @ ..] = pieces.as_slice() else { return Ok(Reply::ok(versions(call))) };
    if *version != "v2.0" {
        return Err(no_such_resource());
    }
    let caller = call.caller(world)?;
    let last = path.last().map(|piece| piece.strip_suffix(".json").unwrap_or(piece));
    match (call.method.as_str(), path) {
        ("GET", []) => Ok(Reply::ok(
            json!({ "resources": KINDS.map(|kind| json!({ "name": kind.singular(), "collection": kind.plural(), "links": [] })) }),
        )),
        ("GET", ["extensions"]) => Ok(Reply::ok(
            json!({ "extensions": world.settings.extensions.iter().map(|alias| extension(alias)).collect::<Vec<_>>() }),
        )),
        ("GET", ["extensions", alias]) => match world.settings.extensions.get(*alias) {
            Some(alias) => Ok(Reply::ok(json!({ "extension": extension(alias) }))),
            None => Err(Refusal::new(404, "HTTPNotFound", format!("Extension with alias {alias} does not exist"))),
        },
        ("GET", ["quotas"]) => Ok(Reply::ok(json!({ "quotas": [] }))),
        ("GET", ["quotas", project, ..]) => quotas(world, &caller, project, last),
        ("GET", ["agents" | "availability_zones" | "subnetpools" | "address-scopes" | "trunks" | "rbac-policies"]) => {
            let plural = path.first().map(|name| name.replace('-', "_")).unwrap_or_default();
            Ok(Reply::ok(json!({ plural: [] })))
        }
        (method, [plural, rest @ ..]) => {
            let kind = KINDS
                .into_iter()
                .find(|kind| kind.plural() == plural.strip_suffix(".json").unwrap_or(plural).replace('-', "_"));
            kind.ok_or_else(no_such_resource)?.answer(world, &caller, call, method, rest)
        }
        _ => Err(no_such_resource()),
    }
}

impl Kind {
    fn singular(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Subnet => "subnet",
            Self::Port => "port",
            Self::SecurityGroup => "security_group",
            Self::Rule => "security_group_rule",
            Self::Router => "router",
            Self::FloatingIp => "floatingip",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Network => "networks",
            Self::Subnet => "subnets",
            Self::Port => "ports",
            Self::SecurityGroup => "security_groups",
            Self::Rule => "security_group_rules",
            Self::Router => "routers",
            Self::FloatingIp => "floatingips",
        }
    }

    fn answer(
        self,
        world: &mut World,
        caller: &Caller,
        call: &Call,
        method: &str,
        path: &[&str],
    ) -> Result<Reply, Refusal> {
        let path: Vec<&str> = path.iter().map(|piece| piece.strip_suffix(".json").unwrap_or(piece)).collect();
        match (method, path.as_slice()) {
            ("GET", []) => {
                let link = format!("/v2.0/{}", self.plural().replace('_', "-"));
                list(self.views(world, caller), self.plural(), &link, call)
            }
            ("POST", []) => self.create(world, caller, call),
            ("GET", [id]) => {
                let view = only_fields(self.view(world, caller, id)?, &call.query);
                Ok(Reply::ok(json!({ self.singular(): view })))
            }
            ("PUT", [id]) => {
                self.check_revision(world, caller, id, call)?;
                let given = call.object(self.singular())?;
                match self {
                    Self::Network => world.update_network(caller, id, &given),
                    Self::Subnet => world.update_subnet(caller, id, &given),
                    Self::Port => world.update_port(caller, id, &given),
                    Self::SecurityGroup => world.update_security_group(caller, id, &given),
                    Self::Router => world.update_router(caller, id, &given),
                    Self::FloatingIp => world.update_floating_ip(caller, id, &given),
                    Self::Rule => Err(no_such_resource()),
                }?;
                Ok(Reply::ok(json!({ self.singular(): self.view(world, caller, id)? })))
            }
            ("DELETE", [id]) => {
                self.check_revision(world, caller, id, call)?;
                match self {
                    Self::Network => world.delete_network(caller, id),
                    Self::Subnet => world.delete_subnet(caller, id),
                    Self::Port => world.delete_port(caller, id),
                    Self::SecurityGroup => world.delete_security_group(caller, id),
                    Self::Rule => world.delete_rule(caller, id),
                    Self::Router => world.delete_router(caller, id),
                    Self::FloatingIp => world.delete_floating_ip(caller, id),
                }?;
                Ok(Reply::empty(204))
            }
            (_, [id, "tags", rest @ ..]) => self.tags(world, caller, call, id, rest),
            ("PUT", [id, "add_router_interface"]) if self == Self::Router => {
                let given = call.body.as_object().cloned().unwrap_or_default();
                let (port, subnet) = world.add_router_interface(caller, id, &given)?;
                Ok(Reply::ok(interface(world, id, &port, &subnet)))
            }
            ("PUT", [id, "remove_router_interface"]) if self == Self::Router => {
                let given = call.body.as_object().cloned().unwrap_or_default();
                let (port, subnet) = world.remove_router_interface(caller, id, &given)?;
                Ok(Reply::ok(interface(world, id, &port, &subnet)))
            }
            _ => Err(no_such_resource()),
        }
    }

    /// One object, or several as one: where one of them is refused, none is made.
    fn create(self, world: &mut World, caller: &Caller, call: &Call) -> Result<Reply, Refusal> {
        let Some(several) = call.body.get(self.plural()).and_then(Value::as_array) else {
            let id = self.create_one(world, caller, &call.object(self.singular())?)?;
            return Ok(Reply::json(201, json!({ self.singular(): self.view(world, caller, &id)? })));
        };
        let mut trial = world.clone();
        let mut views = Vec::new();
        for given in several {
            let given = given.as_object().ok_or_else(|| Refusal::invalid("Invalid bulk request body."))?;
            let id = self.create_one(&mut trial, caller, given)?;
            views.push(self.view(&trial, caller, &id)?);
        }
        *world = trial;
        Ok(Reply::json(201, json!({ self.plural(): views })))
    }

    fn create_one(self, world: &mut World, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        match self {
            Self::Network => world.create_network(caller, given),
            Self::Subnet => world.create_subnet(caller, given),
            Self::Port => world.create_port(caller, given),
            Self::SecurityGroup => world.create_security_group(caller, given),
            Self::Rule => world.create_rule(caller, given),
            Self::Router => world.create_router(caller, given),
            Self::FloatingIp => world.create_floating_ip(caller, given),
        }
    }

    fn views(self, world: &World, caller: &Caller) -> Vec<Value> {
        let ids: Vec<&String> = match self {
            Self::Network => world.networks.keys().collect(),
            Self::Subnet => world.subnets.keys().collect(),
            Self::Port => world.ports.keys().collect(),
            Self::SecurityGroup => world.security_groups.keys().collect(),
            Self::Rule => world.security_group_rules.keys().collect(),
            Self::Router => world.routers.keys().collect(),
            Self::FloatingIp => world.floatingips.keys().collect(),
        };
        ids.into_iter().filter_map(|id| self.view(world, caller, id).ok()).collect()
    }

    /// The object as the caller sees it.
    fn view(self, world: &World, caller: &Caller, id: &str) -> Result<Value, Refusal> {
        Ok(match self {
            Self::Network => {
                let network = world.network(caller, id)?;
                let subnets: Vec<&str> = world
                    .subnets
                    .values()
                    .filter(|subnet| subnet.network_id == id)
                    .map(|subnet| subnet.meta.id.as_str())
                    .collect();
                extend(
                    object(network),
                    json!({ "subnets": subnets, "availability_zones": ["nova"], "availability_zone_hints": [], "ipv4_address_scope": null,
                            "ipv6_address_scope": null, "is_default": false, "dns_domain": "" }),
                )
            }
            Self::Subnet => extend(
                object(world.subnet(caller, id)?),
                json!({ "ipv6_ra_mode": null, "ipv6_address_mode": null, "subnetpool_id": null, "service_types": [], "segment_id": null,
                        "dns_publish_fixed_ip": false }),
            ),
            Self::Port => {
                let port = world.port(caller, id)?;
                let mut view = extend(
                    object(port),
                    json!({ "binding:host_id": "", "extra_dhcp_opts": [], "dns_assignment": [], "dns_domain": "", "qos_policy_id": null,
                            "propagate_uplink_status": true, "qos_network_policy_id": null }),
                );
                if !world.settings.extensions.contains("allowed-address-pairs") {
                    without(&mut view, "allowed_address_pairs");
                }
                if !world.settings.extensions.contains("port-security") {
                    without(&mut view, "port_security_enabled");
                }
                view
            }
            Self::SecurityGroup => {
                let group = world.security_group(caller, id)?;
                let rules: Vec<Value> = world
                    .security_group_rules
                    .values()
                    .filter(|rule| rule.security_group_id == id)
                    .filter_map(|rule| Self::Rule.view(world, caller, &rule.meta.id).ok())
                    .collect();
                extend(object(group), json!({ "security_group_rules": rules }))
            }
            Self::Rule => {
                let mut view = object(world.rule(caller, id)?);
                without(&mut view, "name");
                extend(view, json!({ "normalized_cidr": null, "belongs_to_default_sg": false }))
            }
            Self::Router => extend(
                object(world.router(caller, id)?),
                json!({ "availability_zones": ["nova"], "availability_zone_hints": [], "flavor_id": null, "distributed": false, "ha": false }),
            ),
            Self::FloatingIp => {
                let floating = world.floating_ip(caller, id)?;
                let port = floating.port_id.as_ref().and_then(|port| world.ports.get(port));
                let details = port.map(|port| {
                    json!({ "name": port.meta.name, "network_id": port.network_id, "mac_address": port.mac_address,
                            "admin_state_up": port.admin_state_up, "status": port.status, "device_id": port.device_id,
                            "device_owner": port.device_owner })
                });
                let mut view = object(floating);
                without(&mut view, "name");
                extend(view, json!({ "port_details": details, "port_forwardings": [], "qos_policy_id": null }))
            }
        })
    }

    /// `If-Match: revision_number=N` holds or the request is refused with 412.
    fn check_revision(self, world: &World, caller: &Caller, id: &str, call: &Call) -> Result<(), Refusal> {
        let Some(condition) = call.header("if-match") else { return Ok(()) };
        let wanted = condition.trim().strip_prefix("revision_number=").and_then(|number| number.parse::<u64>().ok());
        let (true, Some(wanted)) = (world.settings.extensions.contains("revision-if-match"), wanted) else {
            return Err(Refusal::invalid("Invalid constraint in If-Match header, revision_number=N expected."));
        };
        let current = self.view(world, caller, id)?.get("revision_number").and_then(Value::as_u64);
        if current == Some(wanted) {
            return Ok(());
        }
        Err(Refusal::new(
            412,
            "RevisionNumberConstraintFailed",
            format!("Constrained to {wanted}, but current revision is {}", current.unwrap_or_default()),
        ))
    }

    fn tags(self, world: &mut World, caller: &Caller, call: &Call, id: &str, path: &[&str]) -> Result<Reply, Refusal> {
        let view = self.view(world, caller, id)?;
        if view.get("project_id").and_then(Value::as_str) != Some(caller.project_id.as_str()) {
            return Err(Refusal::policy(&format!("update_{}_tags", self.singular())));
        }
        let now = world.now;
        let meta = self.meta(world, id).ok_or_else(no_such_resource)?;
        let missing = |tag: &str| Refusal::new(404, "TagNotFound", format!("Tag {tag} could not be found."));
        match (call.method.as_str(), path) {
            ("GET", []) => return Ok(Reply::ok(json!({ "tags": meta.tags }))),
            ("GET", [tag]) => {
                return if meta.tags.iter().any(|known| known == tag) {
                    Ok(Reply::empty(204))
                } else {
                    Err(missing(tag))
                };
            }
            ("PUT", []) => {
                let mut tags: Vec<String> = serde_json::from_value(call.body["tags"].clone())
                    .map_err(|_| Refusal::invalid("Invalid tags body."))?;
                tags.sort();
                tags.dedup();
                if let Some(long) = tags.iter().find(|tag| tag.len() > 255 || tag.is_empty()) {
                    return Err(Refusal::invalid(format!(
                        "Invalid input for tags. Reason: '{long}' is no tag of 1 to 255 characters."
                    )));
                }
                meta.tags.clone_from(&tags);
                meta.touch(now);
                return Ok(Reply::ok(json!({ "tags": tags })));
            }
            ("DELETE", []) => meta.tags.clear(),
            ("PUT", [tag]) => {
                if !meta.tags.iter().any(|known| known == tag) {
                    meta.tags.push((*tag).to_owned());
                }
                meta.touch(now);
                return Ok(Reply::empty(201));
            }
            ("DELETE", [tag]) => {
                let at = meta.tags.iter().position(|known| known == tag).ok_or_else(|| missing(tag))?;
                meta.tags.remove(at);
            }
            _ => return Err(no_such_resource()),
        }
        meta.touch(now);
        Ok(Reply::empty(204))
    }

    fn meta<'a>(self, world: &'a mut World, id: &str) -> Option<&'a mut Meta> {
        match self {
            Self::Network => world.networks.get_mut(id).map(|object| &mut object.meta),
            Self::Subnet => world.subnets.get_mut(id).map(|object| &mut object.meta),
            Self::Port => world.ports.get_mut(id).map(|object| &mut object.meta),
            Self::SecurityGroup => world.security_groups.get_mut(id).map(|object| &mut object.meta),
            Self::Rule => world.security_group_rules.get_mut(id).map(|object| &mut object.meta),
            Self::Router => world.routers.get_mut(id).map(|object| &mut object.meta),
            Self::FloatingIp => world.floatingips.get_mut(id).map(|object| &mut object.meta),
        }
    }
}

fn quotas(world: &World, caller: &Caller, project: &str, last: Option<&str>) -> Result<Reply, Refusal> {
    if project.strip_suffix(".json").unwrap_or(project) != caller.project_id {
        return Err(Refusal::policy("get_quota"));
    }
    let limits = &world.settings.quotas.network;
    let quota: serde_json::Map<String, Value> = if last == Some("details") {
        let row = |(name, limit): (&String, &i64)| {
            let used = world.network_usage(&caller.project_id, name);
            (name.clone(), json!({ "limit": limit, "used": used, "reserved": 0 }))
        };
        limits.iter().map(row).collect()
    } else {
        limits.iter().map(|(name, limit)| (name.clone(), json!(limit))).collect()
    };
    Ok(Reply::ok(json!({ "quota": quota })))
}

fn interface(world: &World, router: &str, port: &str, subnet: &str) -> Value {
    let network = world.subnets.get(subnet).map(|subnet| subnet.network_id.clone());
    let project = world.routers.get(router).map(|router| router.meta.project_id.clone());
    json!({ "id": router, "port_id": port, "subnet_id": subnet, "subnet_ids": [subnet], "network_id": network,
            "project_id": project, "tenant_id": project, "tags": [] })
}

fn extension(alias: &str) -> Value {
    json!({ "alias": alias, "name": alias, "description": "", "updated": "2020-01-01T00:00:00-00:00", "links": [] })
}

fn versions(call: &Call) -> Value {
    let href = format!("{}/v2.0/", call.base);
    json!({ "versions": [{ "id": "v2.0", "status": "CURRENT", "links": [{ "rel": "self", "href": href }] }] })
}

/// The object's own fields, with the old word for its project beside the new one.
fn object<T: Serialize>(value: &T) -> Value {
    let mut view = serde_json::to_value(value).unwrap_or_default();
    if let Some(project) = view.get("project_id").cloned() {
        view["tenant_id"] = project;
    }
    view
}
