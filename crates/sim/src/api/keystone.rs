//! Keystone v3: tokens with their catalog, and the little of projects and users that clients look up.

use super::{Call, Reply, SERVICES, Service, no_such_resource};
use crate::world::identity::{ApplicationCredential, Token, hex_id, unauthorized};
use crate::world::seed::REGION;
use crate::world::{Caller, Refusal, World};
use serde_json::{Value, json};

/// Answers a request to `/identity`.
pub fn answer(world: &mut World, call: &Call) -> Result<Reply, Refusal> {
    let pieces = call.pieces();
    match (call.method.as_str(), pieces.as_slice()) {
        ("GET", []) => Ok(Reply::json(300, json!({ "versions": { "values": [version(call)] } }))),
        ("GET", ["v3"]) => Ok(Reply::ok(json!({ "version": version(call) }))),
        ("POST", ["v3", "auth", "tokens"]) => {
            let token = authenticate(world, call)?;
            let with_catalog = call.query("nocatalog").is_none();
            let body = token_body(world, &token, call, with_catalog);
            Ok(Reply::json(201, body).with("x-subject-token", token.id).with("vary", "X-Auth-Token"))
        }
        ("GET" | "HEAD", ["v3", "auth", "tokens"]) => {
            call.caller(world)?;
            let subject = call.header("x-subject-token").and_then(|id| world.tokens.get(id)).cloned();
            let token = subject.ok_or_else(|| Refusal::new(404, "NotFound", "Failed to validate token"))?;
            Ok(Reply::ok(token_body(world, &token, call, true)).with("x-subject-token", token.id))
        }
        ("DELETE", ["v3", "auth", "tokens"]) => {
            call.caller(world)?;
            if let Some(subject) = call.header("x-subject-token") {
                world.tokens.shift_remove(subject);
            }
            Ok(Reply::empty(204))
        }
        (method, ["v3", rest @ ..]) => {
            let caller = call.caller(world)?;
            known_caller(world, &caller, call, method, rest)
        }
        _ => Err(no_such_resource()),
    }
}

fn known_caller(
    world: &mut World,
    caller: &Caller,
    call: &Call,
    method: &str,
    path: &[&str],
) -> Result<Reply, Refusal> {
    match (method, path) {
        ("GET", ["auth", "catalog"]) => Ok(Reply::ok(json!({ "catalog": catalog(call), "links": {} }))),
        ("GET", ["auth", "projects"] | ["projects"]) => {
            let mine = world.projects.get(&caller.project_id).map(|project| project_body(&project.id, &project.name));
            let named = mine.filter(|project| call.query("name").is_none_or(|name| project["name"] == name));
            Ok(Reply::ok(json!({ "projects": named.into_iter().collect::<Vec<_>>(), "links": {} })))
        }
        ("GET", ["projects", id]) if *id == caller.project_id => {
            let project = world.projects.get(*id).ok_or_else(|| not_found("project", id))?;
            Ok(Reply::ok(json!({ "project": project_body(&project.id, &project.name) })))
        }
        ("GET", ["users"]) => {
            let user = world.users.get(&caller.user_id).map(|user| user_body(&user.id, &user.name));
            let named = user.filter(|user| call.query("name").is_none_or(|name| user["name"] == name));
            Ok(Reply::ok(json!({ "users": named.into_iter().collect::<Vec<_>>(), "links": {} })))
        }
        ("GET", ["users", id]) if *id == caller.user_id => {
            let user = world.users.get(*id).ok_or_else(|| not_found("user", id))?;
            Ok(Reply::ok(json!({ "user": user_body(&user.id, &user.name) })))
        }
        ("GET", ["domains", "default"]) => Ok(Reply::ok(json!({ "domain": domain() }))),
        ("GET", ["regions"]) => Ok(Reply::ok(json!({ "regions": [{ "id": REGION, "description": "" }], "links": {} }))),
        ("GET", ["users", user, "application_credentials"]) if *user == caller.user_id => {
            let list: Vec<Value> = world
                .application_credentials
                .values()
                .filter(|credential| credential.user_id == caller.user_id)
                .filter(|credential| call.query("name").is_none_or(|name| credential.name == name))
                .map(|credential| credential_body(credential, Secret::Hidden))
                .collect();
            Ok(Reply::ok(json!({ "application_credentials": list, "links": {} })))
        }
        ("POST", ["users", user, "application_credentials"]) if *user == caller.user_id => {
            let given = call.object("application_credential")?;
            let field = |name: &str| given.get(name).and_then(Value::as_str).map(str::to_owned);
            let credential = ApplicationCredential {
                id: hex_id(),
                name: field("name").ok_or_else(|| Refusal::invalid("'name' is a required property"))?,
                secret: field("secret").unwrap_or_else(hex_id),
                user_id: caller.user_id.clone(),
                project_id: caller.project_id.clone(),
                description: field("description").unwrap_or_default(),
            };
            let twin = |old: &ApplicationCredential| old.user_id == caller.user_id && old.name == credential.name;
            if world.application_credentials.values().any(twin) {
                let message = format!(
                    "Conflict occurred attempting to store application_credential - Duplicate entry found with name {}.",
                    credential.name
                );
                return Err(Refusal::new(409, "Conflict", message));
            }
            let body = credential_body(&credential, Secret::Shown);
            world.application_credentials.insert(credential.id.clone(), credential);
            Ok(Reply::json(201, json!({ "application_credential": body })))
        }
        ("GET", ["users", user, "application_credentials", id]) if *user == caller.user_id => {
            let credential =
                world.application_credentials.get(*id).ok_or_else(|| not_found("Application Credential", id))?;
            Ok(Reply::ok(json!({ "application_credential": credential_body(credential, Secret::Hidden) })))
        }
        ("DELETE", ["users", user, "application_credentials", id]) if *user == caller.user_id => {
            world.application_credentials.shift_remove(*id).ok_or_else(|| not_found("Application Credential", id))?;
            Ok(Reply::empty(204))
        }
        ("GET", ["projects" | "users" | "domains", id]) => Err(not_found("resource", id)),
        // What is there, and for administrators.
        ("GET", ["domains" | "roles" | "services" | "endpoints" | "groups" | "policies" | "role_assignments", ..]) => {
            Err(Refusal::new(403, "Forbidden", "You are not authorized to perform the requested action."))
        }
        _ => Err(no_such_resource()),
    }
}

/// Checks the credentials of a request and issues the token.
fn authenticate(world: &mut World, call: &Call) -> Result<Token, Refusal> {
    let auth = call.object("auth")?;
    let identity = auth.get("identity").cloned().unwrap_or_default();
    let methods: Vec<String> = serde_json::from_value(identity["methods"].clone()).unwrap_or_default();
    let name_or_id =
        |value: &Value| value["id"].as_str().or_else(|| value["name"].as_str()).unwrap_or_default().to_owned();
    let (user, own_project) = match methods.first().map(String::as_str) {
        Some("password") => {
            let user = &identity["password"]["user"];
            let password = user["password"].as_str().unwrap_or_default();
            let user = world.user_by_password(&name_or_id(user), password)?;
            (user.id.clone(), user.project_id.clone())
        }
        Some("token") => {
            let id = identity["token"]["id"].as_str().unwrap_or_default();
            let caller = world.caller(id).ok_or_else(unauthorized)?;
            (caller.user_id, caller.project_id)
        }
        Some("application_credential") => {
            let given = &identity["application_credential"];
            let user = name_or_id(&given["user"]);
            let found = world.application_credentials.values().find(|credential| {
                let owner = world.users.get(&credential.user_id);
                (given["id"].as_str() == Some(credential.id.as_str())
                    || (given["name"].as_str() == Some(credential.name.as_str())
                        && owner.is_some_and(|owner| owner.id == user || owner.name == user)))
                    && given["secret"].as_str() == Some(credential.secret.as_str())
            });
            let credential = found.ok_or_else(unauthorized)?;
            (credential.user_id.clone(), credential.project_id.clone())
        }
        _ => return Err(unauthorized()),
    };
    let wanted = name_or_id(&auth.get("scope").cloned().unwrap_or_default()["project"]);
    let own = world.projects.get(&own_project);
    if !wanted.is_empty() && own.is_none_or(|project| project.id != wanted && project.name != wanted) {
        return Err(unauthorized());
    }
    Ok(world.issue_token(&user, &own_project, methods))
}

fn token_body(world: &World, token: &Token, call: &Call, with_catalog: bool) -> Value {
    let name = |known: Option<&str>| known.unwrap_or_default().to_owned();
    let user = name(world.users.get(&token.user_id).map(|user| user.name.as_str()));
    let project = name(world.projects.get(&token.project_id).map(|project| project.name.as_str()));
    let moment = |moment: jiff::Timestamp| moment.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string();
    let mut body = json!({
        "methods": token.methods,
        "user": { "id": token.user_id, "name": user, "domain": domain_reference(), "password_expires_at": null },
        "project": { "id": token.project_id, "name": project, "domain": domain_reference() },
        "is_domain": false,
        "roles": [{ "id": "member", "name": "member" }, { "id": "reader", "name": "reader" }],
        "issued_at": moment(token.issued_at),
        "expires_at": moment(token.expires_at),
        "audit_ids": [token.id.get(5..27).unwrap_or_default()],
    });
    if with_catalog {
        body["catalog"] = catalog(call);
    }
    json!({ "token": body })
}

fn catalog(call: &Call) -> Value {
    let root = call.base.strip_suffix("/identity").unwrap_or(&call.base);
    let entry = |service: Service| {
        let (kind, name, version) = match service {
            Service::Keystone => ("identity", "keystone", ""),
            Service::Nova => ("compute", "nova", "/v2.1"),
            Service::Neutron => ("network", "neutron", ""),
            Service::Glance => ("image", "glance", ""),
            Service::Octavia => ("load-balancer", "octavia", ""),
        };
        let url = format!("{root}/{}{version}", service.prefix());
        let endpoints: Vec<Value> = ["public", "internal"]
            .map(|interface| json!({ "id": format!("{interface}-{name}"), "interface": interface, "region": REGION, "region_id": REGION, "url": url }))
            .to_vec();
        json!({ "id": name, "type": kind, "name": name, "endpoints": endpoints })
    };
    Value::Array(SERVICES.map(entry).to_vec())
}

fn version(call: &Call) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{}/v3/", call.base) }],
        "media-types": [{ "base": "application/json", "type": "application/vnd.openstack.identity-v3+json" }],
    })
}

fn domain() -> Value {
    json!({ "id": "default", "name": "Default", "description": "", "enabled": true, "options": {}, "tags": [] })
}

fn domain_reference() -> Value {
    json!({ "id": "default", "name": "Default" })
}

fn project_body(id: &str, name: &str) -> Value {
    json!({ "id": id, "name": name, "domain_id": "default", "parent_id": "default", "description": "", "enabled": true,
            "is_domain": false, "tags": [], "options": {}, "links": {} })
}

fn user_body(id: &str, name: &str) -> Value {
    json!({ "id": id, "name": name, "domain_id": "default", "enabled": true, "options": {}, "links": {}, "password_expires_at": null })
}

/// Whether a credential's secret is part of the reply: only once, at its creation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secret {
    Shown,
    Hidden,
}

fn credential_body(credential: &ApplicationCredential, secret: Secret) -> Value {
    let mut body = json!({
        "id": credential.id,
        "name": credential.name,
        "description": Some(&credential.description).filter(|text| !text.is_empty()),
        "project_id": credential.project_id,
        "roles": [{ "id": "member", "name": "member", "domain_id": null, "description": null, "options": { "immutable": true } }],
        "expires_at": null,
        "user_id": credential.user_id,
        "unrestricted": null,
        "system": null,
        "links": {},
    });
    if secret == Secret::Shown {
        body["secret"] = credential.secret.clone().into();
    }
    body
}

fn not_found(what: &str, id: &str) -> Refusal {
    Refusal::new(404, "NotFound", format!("Could not find {what}: {id}."))
}
