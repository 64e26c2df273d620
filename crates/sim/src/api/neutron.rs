//! Neutron v2.0: one table of resources, each with the same five verbs, tags, revisions and bulk creation.

use super::listing::{Links, list, only_fields};
use super::view::{extend, without};
use super::{Call, Reply, no_such_resource};
use crate::world::security::RuleOrigin;
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
            // This one refusal is not translated into Neutron's own form.
            None => Ok(Reply::json(
                404,
                json!({
                    "message": format!("The resource could not be found.<br /><br />\nExtension with alias {alias} does not exist\n\n"),
                    "code": "404 Not Found",
                    "title": "Not Found",
                }),
            )),
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
                list(self.views(world, caller), self.plural(), &link, Links::Neutron, call)
            }
            ("POST", []) => self.create(world, caller, call),
            ("GET", [id]) => {
                let view = only_fields(self.view(world, caller, id)?, &call.query);
                Ok(Reply::ok(json!({ self.singular(): view })))
            }
            ("PUT", [id]) => {
                self.check_revision(world, caller, id, call)?;
                let given = call.object(self.singular())?;
                let before = self.view(world, caller, id)?;
                if let Some(name) = given.keys().find(|name| self.read_only().contains(&name.as_str())) {
                    return Err(Refusal::invalid(format!("Cannot update read-only attribute {name}")));
                }
                let meta = self.meta(world, id).cloned();
                match self {
                    Self::Network => world.update_network(caller, id, &given),
                    Self::Subnet => world.update_subnet(caller, id, &given),
                    Self::Port => world.update_port(caller, id, &given),
                    Self::SecurityGroup => world.update_security_group(caller, id, &given),
                    Self::Router => world.update_router(caller, id, &given),
                    Self::FloatingIp => world.update_floating_ip(caller, id, &given),
                    Self::Rule => Err(no_such_resource()),
                }?;
                // A port is compared with what it was; the others are written again, and that is a change.
                let unchanged =
                    self == Self::Port && same_but_for_its_revision(&before, &self.view(world, caller, id)?);
                if let (true, Some(old), Some(meta)) = (unchanged, meta, self.meta(world, id)) {
                    *meta = old;
                }
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

    /// Attributes that a request cannot change.
    fn read_only(self) -> Vec<&'static str> {
        let own: &[&str] = match self {
            Self::Network => &["status", "subnets"],
            Self::Subnet => &["network_id", "cidr", "ip_version", "subnetpool_id"],
            Self::Port => &["status", "network_id"],
            Self::SecurityGroup => &["security_group_rules"],
            Self::Router => &["status"],
            Self::FloatingIp => &["status", "floating_network_id", "floating_ip_address", "router_id"],
            Self::Rule => &[],
        };
        let all = ["id", "tenant_id", "project_id", "created_at", "updated_at", "revision_number", "tags"];
        all.into_iter().chain(own.iter().copied()).collect()
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
                let view = extend(
                    object(network),
                    json!({ "subnets": subnets, "availability_zones": ["nova"], "availability_zone_hints": [], "ipv4_address_scope": null,
                            "ipv6_address_scope": null }),
                );
                let view = if network.external { extend(view, json!({ "is_default": false })) } else { view };
                with_extension(world, view, "dns-integration", json!({ "dns_domain": "" }))
            }
            Self::Subnet => {
                let view = extend(
                    object(world.subnet(caller, id)?),
                    json!({ "ipv6_ra_mode": null, "ipv6_address_mode": null, "subnetpool_id": null, "service_types": [] }),
                );
                let view = with_extension(world, view, "segment", json!({ "segment_id": null }));
                with_extension(world, view, "subnet-dns-publish-fixed-ip", json!({ "dns_publish_fixed_ip": false }))
            }
            Self::Port => {
                let port = world.port(caller, id)?;
                // Where a port is bound is for administrators: there is no `binding:host_id` here.
                let mut view = extend(object(port), json!({ "extra_dhcp_opts": [] }));
                without(&mut view, "dns_name");
                let dns = json!({ "dns_name": port.dns_name, "dns_assignment": [] });
                let qos = json!({ "qos_policy_id": null, "qos_network_policy_id": null });
                for (alias, more) in [
                    ("dns-integration", dns),
                    ("dns-domain-ports", json!({ "dns_domain": "" })),
                    ("qos", qos),
                    ("uplink-status-propagation", json!({ "propagate_uplink_status": true })),
                ] {
                    view = with_extension(world, view, alias, more);
                }
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
                    .filter_map(|rule| {
                        let position = world.security_group_rules.get_index_of(&rule.meta.id)?;
                        let view = Self::Rule.view(world, caller, &rule.meta.id).ok()?;
                        Some(extend(view, json!({ "standard_attr_id": position + 1, "tags": rule.meta.tags })))
                    })
                    .collect();
                extend(object(group), json!({ "security_group_rules": rules }))
            }
            Self::Rule => {
                let rule = world.rule(caller, id)?;
                let mut view = object(rule);
                without(&mut view, "name");
                without(&mut view, "origin");
                // Shown only as part of its group.
                without(&mut view, "tags");
                view = extend(view, json!({ "normalized_cidr": rule.normalized_range() }));
                if rule.origin == RuleOrigin::Group {
                    view["description"] = Value::Null;
                }
                let default =
                    world.security_groups.get(&rule.security_group_id).map(|group| group.meta.name == "default");
                let more = json!({ "belongs_to_default_sg": default });
                with_extension(world, view, "security-groups-rules-belongs-to-default-sg", more)
            }
            Self::Router => extend(
                object(world.router(caller, id)?),
                json!({ "availability_zones": ["nova"], "availability_zone_hints": [], "flavor_id": null }),
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
                for hidden in ["name", "dns_name", "dns_domain"] {
                    without(&mut view, hidden);
                }
                view = extend(view, json!({ "port_details": details, "port_forwardings": [] }));
                view = with_extension(world, view, "qos-fip", json!({ "qos_policy_id": null }));
                let dns = json!({ "dns_name": floating.dns_name, "dns_domain": floating.dns_domain });
                with_extension(world, view, "dns-integration", dns)
            }
        })
    }

    /// `If-Match: revision_number=N` holds or the request is refused with 412.
    fn check_revision(self, world: &World, caller: &Caller, id: &str, call: &Call) -> Result<(), Refusal> {
        let Some(condition) = call.header("if-match") else { return Ok(()) };
        let bad = |reason: &str| Refusal::new(400, "BadRequest", format!("Bad if-match request: {reason}."));
        // A condition of another kind is not Neutron's business.
        let Some(wanted) = condition.trim().strip_prefix("revision_number=") else { return Ok(()) };
        if !world.settings.extensions.contains("revision-if-match") {
            return Err(bad("This server does not support constraining operations based on revision numbers"));
        }
        let form = "Revision number etag must be in the format of revision_number=<int>";
        let wanted: u64 = wanted.parse().map_err(|_| bad(form))?;
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
                let bad = |reason: String| {
                    Refusal::new(400, "InvalidInput", format!("Invalid input for operation: {reason}."))
                };
                let tags: Vec<String> = serde_json::from_value(call.body["tags"].clone())
                    .map_err(|_| bad("Invalid tags body".to_owned()))?;
                if let Some(twice) =
                    tags.iter().enumerate().find(|(at, tag)| tags.iter().take(*at).any(|old| old == *tag))
                {
                    return Err(bad(format!("Duplicate items in the list: '{}'", twice.1)));
                }
                if let Some(long) = tags.iter().find(|tag| tag.chars().count() > 255) {
                    return Err(bad(format!("'{long}' exceeds maximum length of 255")));
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

/// Whether two looks at an object show the same, its revision and the moment of its change apart.
fn same_but_for_its_revision(before: &Value, after: &Value) -> bool {
    let bare = |view: &Value| {
        let mut view = view.clone();
        without(&mut view, "revision_number");
        without(&mut view, "updated_at");
        view
    };
    bare(before) == bare(after)
}

/// With the fields that an extension brings, where it is on.
fn with_extension(world: &World, view: Value, alias: &str, more: Value) -> Value {
    if world.settings.extensions.contains(alias) { extend(view, more) } else { view }
}

/// The object's own fields, with the old word for its project beside the new one.
fn object<T: Serialize>(value: &T) -> Value {
    let mut view = serde_json::to_value(value).unwrap_or_default();
    if let Some(project) = view.get("project_id").cloned() {
        view["tenant_id"] = project;
    }
    view
}
