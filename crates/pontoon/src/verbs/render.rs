//! `pontoon render`: every document that would be handed to a machine, without asking any cloud.
//!
//! The documents are taken from the actions of a real plan, so that what is printed here is what `up` would send. The
//! plan needs a cloud to look at; [`assumed`] makes one up from the file, and says what it made up.

pub(crate) mod assumed;

use pontoon_core::plan::{Action, HostKeySource, Plan};
use pontoon_core::render::{self, DHCP_HOSTS_DIRECTORY};
use serde_json::{Value, json};

use crate::cli::Render;
use crate::exit::{Exit, Failure};
use crate::load;
use crate::show::{self, Output, Reader, action, style};

/// Prints the documents.
pub(crate) fn run(arguments: &Render, output: &Output) -> Result<Exit, Failure> {
    let file = load::load(&arguments.target.directory, &arguments.target.options)?;
    output.warnings(&file.loaded.warnings);
    let stack = &file.loaded.stack;
    let assumed = assumed::cloud(stack);
    let plan = Plan::up(stack, &assumed.seen);
    if !plan.blocked.is_empty() {
        let mut hints: Vec<&str> = plan.blocked.iter().map(|blocked| blocked.hint.as_str()).collect();
        hints.dedup();
        let failure = Failure::new("no cloud could run this stack as it is described").hint(hints.join("\n"));
        let causes = plan.blocked.iter().map(|blocked| format!("{}: {}", blocked.subject, blocked.reason));
        return Err(causes.fold(failure, Failure::because));
    }
    let all: Vec<Document> = plan.steps.iter().flat_map(|step| documents(&step.action, &plan)).collect();
    let chosen = choose(all, arguments, &plan)?;
    match output.reader {
        Reader::Program => show::print_json(&json!({
            "stack": stack.name,
            "assumed": assumed.json(),
            "documents": chosen.iter().map(Document::json).collect::<Vec<_>>(),
        })),
        Reader::Person => {
            let mut text = format!("# Documents of the stack {}. No cloud was asked; assumed are:\n", stack.name);
            for line in assumed.lines() {
                text += &format!("#   {line}\n");
            }
            for document in &chosen {
                text +=
                    &format!("\n{}\n{}", output.stdout.bold(&format!("# ==== {}", document.title)), document.text());
            }
            show::print(&text);
        }
    }
    Ok(Exit::Done)
}

/// Something that a machine or a service would be handed.
struct Document {
    title: String,
    kind: &'static str,
    /// The host that it is for, or lies on.
    host: Option<String>,
    /// What it is called there.
    name: String,
    content: Content,
}

enum Content {
    /// A document as it is.
    Text(String),
    /// A request's body, or a part of it.
    Fields(Value),
}

impl Document {
    fn text(&self) -> String {
        match &self.content {
            Content::Text(text) => format!("{}\n", style::printable(text.trim_end())),
            Content::Fields(value) => render::yaml(value),
        }
    }

    fn json(&self) -> Value {
        let content = match &self.content {
            Content::Text(text) => json!(text),
            Content::Fields(value) => value.clone(),
        };
        json!({"kind": self.kind, "host": self.host, "name": self.name, "content": content})
    }
}

fn documents(action: &Action, plan: &Plan) -> Vec<Document> {
    match action {
        Action::PutAgent { host, files, .. } => files
            .iter()
            .map(|file| Document {
                title: format!("host {host}: {}", file.path),
                kind: "agent",
                host: Some(host.clone()),
                name: file.path.clone(),
                content: Content::Text(file.content.clone()),
            })
            .collect(),
        action => document(action, plan).into_iter().collect(),
    }
}

fn document(action: &Action, plan: &Plan) -> Option<Document> {
    Some(match action {
        Action::CreateServer { name, user_data, host_key, .. } => Document {
            title: match host_key {
                HostKeySource::Console => format!("host {name}: user-data ({})", style::size(user_data.len())),
                HostKeySource::Injected => format!(
                    "host {name}: user-data ({}); `up` adds an ssh host key that is drawn then",
                    style::size(user_data.len())
                ),
            },
            kind: "user-data",
            host: Some(name.clone()),
            name: name.clone(),
            content: Content::Text(user_data.clone()),
        },
        Action::PutProfile { host, name, description, profile, .. } => Document {
            title: format!("host {host}: profile {name}"),
            kind: "profile",
            host: Some(host.clone()),
            name: name.clone(),
            content: Content::Fields(
                json!({"description": description, "config": profile.config, "devices": profile.devices}),
            ),
        },
        Action::PutDhcpHost { host, name, line } => Document {
            title: format!("host {host}: {DHCP_HOSTS_DIRECTORY}/{name}"),
            kind: "dhcp-host",
            host: Some(host.clone()),
            name: name.clone(),
            content: Content::Text(line.clone()),
        },
        Action::CreateContainer { host, name, image, config } => Document {
            title: format!("host {host}: container {name}"),
            kind: "container",
            host: Some(host.clone()),
            name: name.clone(),
            content: Content::Fields(json!({
                "description": config.description,
                "image": action::image(image),
                "profiles": config.profiles,
                "config": config.config,
                "devices": config.devices,
            })),
        },
        Action::CreatePort { name, mac, port_security, pairs, .. } if !plan.places.is_empty() => Document {
            title: format!("host {name}: port"),
            kind: "port",
            host: Some(name.clone()),
            name: name.clone(),
            content: Content::Fields(json!({
                "mac_address": mac,
                "port_security_enabled": port_security,
                "allowed_address_pairs": pairs
                    .iter()
                    .map(|pair| json!({"ip_address": pair.address, "mac_address": pair.mac}))
                    .collect::<Vec<_>>(),
            })),
        },
        Action::CreateBalancer { parts, .. } => Document {
            title: format!("balancer {}", parts.name),
            kind: "balancer",
            host: None,
            name: parts.name.clone(),
            content: Content::Fields(action::balancer_json(parts)),
        },
        _ => return None,
    })
}

/// The documents that were asked for.
fn choose(all: Vec<Document>, arguments: &Render, plan: &Plan) -> Result<Vec<Document>, Failure> {
    if let Some(host) = &arguments.host {
        let of_host: Vec<Document> = all.into_iter().filter(|one| one.host.as_ref() == Some(host)).collect();
        let known = plan.steps.iter().filter_map(|step| match &step.action {
            Action::CreateServer { name, .. } => Some(name.as_str()),
            _ => None,
        });
        return if of_host.is_empty() { Err(unknown("host", host, known)) } else { Ok(of_host) };
    }
    if let Some(name) = &arguments.container {
        let Some(place) = plan.places.iter().find(|place| place.container == *name) else {
            return Err(unknown("container", name, plan.places.iter().map(|place| place.container.as_str())));
        };
        let wanted = |one: &Document| match one.kind {
            "profile" => one.host.as_ref() == Some(&place.host) && one.name == place.service,
            "container" | "dhcp-host" => one.name == *name,
            _ => false,
        };
        return Ok(all.into_iter().filter(wanted).collect());
    }
    Ok(all)
}

fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    const MOST_LISTED: usize = 20;
    let known: Vec<&str> = known.take(MOST_LISTED).collect();
    Failure::new(format!("the stack has no {kind} `{name}`")).hint(format!("it has {}", known.join(", ")))
}
