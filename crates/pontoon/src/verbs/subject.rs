//! What `logs` and `exec` are about: the containers of a service, one container, or a host.

use pontoon_core::observed::{HostView, Observed};
use pontoon_core::spec::model::Stack;

use super::stack::{self, Opened};
use crate::exit::Failure;

/// What a name on the command line means in a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A host.
    Host(String),
    /// One container, or all of a service.
    Containers(Containers),
}

/// Containers, as far as they are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Containers {
    /// Those that are there.
    pub(super) present: Vec<Located>,
    /// The names of the others.
    pub(super) missing: Vec<String>,
    /// Hosts that could not be looked into, each with the reason: a missing container may be there.
    pub(super) unseen: Vec<String>,
}

/// A container and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) name: String,
    pub(super) host: String,
    pub(super) running: bool,
}

/// Looks at the cloud and finds `name` there.
pub(super) async fn find(opened: &Opened, name: &str) -> Result<(Subject, Observed), Failure> {
    let stack = &opened.file.loaded.stack;
    let looked = Box::pin(opened.connected.site.observe(stack)).await;
    let seen = looked.map_err(|error| stack::cannot_look(&error))?;
    Ok((resolve(stack, &seen, name)?, seen))
}

impl Containers {
    /// What is to be said of a container that is not there.
    pub(super) fn absence(&self, name: &str) -> Failure {
        let failure = Failure::new(format!("container `{name}` is not there"));
        let failure = self.unseen.iter().fold(failure, |failure, reason| failure.because(reason.as_str()));
        let hint = if self.unseen.is_empty() {
            "`pontoon up` makes it"
        } else {
            "`pontoon logs HOST` shows how far the host has come"
        };
        failure.hint(hint.to_owned())
    }
}

/// A service before a container before a host, should two of them share a name.
fn resolve(stack: &Stack, seen: &Observed, name: &str) -> Result<Subject, Failure> {
    let of_service: Vec<String> =
        stack.container_names().filter(|(_, service)| *service == name).map(|(container, _)| container).collect();
    if stack.services.contains_key(name) {
        return Ok(Subject::Containers(locate(seen, of_service)));
    }
    let single = locate(seen, vec![name.to_owned()]);
    if !single.present.is_empty() || stack.container_names().any(|(container, _)| container == name) {
        return Ok(Subject::Containers(single));
    }
    let described = stack.host_names().any(|(host, _)| host == name);
    if described || seen.servers.iter().any(|server| server.key.name == name) {
        return Ok(Subject::Host(name.to_owned()));
    }
    let names: Vec<String> = stack
        .services
        .keys()
        .cloned()
        .chain(stack.container_names().map(|(container, _)| container))
        .chain(stack.host_names().map(|(host, _)| host))
        .collect();
    Err(Failure::new(format!("the stack has no service, container or host `{name}`"))
        .hint(format!("it has {}", names.join(", "))))
}

fn locate(seen: &Observed, names: Vec<String>) -> Containers {
    let mut containers = Containers::default();
    for name in names {
        let there = seen.hosts.iter().find_map(|(host, view)| match view {
            HostView::Ready(inside) => inside.containers.get(&name).map(|one| (host, one.running)),
            _ => None,
        });
        match there {
            Some((host, running)) => containers.present.push(Located { name, host: host.clone(), running }),
            None => containers.missing.push(name),
        }
    }
    if !containers.missing.is_empty() {
        containers.unseen = seen.servers.iter().filter_map(|server| unseen(seen, &server.key.name)).collect();
    }
    containers
}

/// Why a host could not be looked into.
pub(super) fn unseen(seen: &Observed, host: &str) -> Option<String> {
    match seen.hosts.get(host) {
        Some(HostView::Ready(_)) => None,
        Some(HostView::Preparing) => Some(format!("host `{host}` is still preparing")),
        Some(HostView::Unreachable(reason)) => Some(format!("host `{host}` cannot be reached: {reason}")),
        Some(HostView::NoConsole(words)) => {
            Some(format!("host `{host}` cannot be entered: Nova shows no console ({words})"))
        }
        Some(HostView::Failed(_)) => Some(format!("cloud-init failed on host `{host}`")),
        None => Some(format!("host `{host}` does not run")),
    }
}
