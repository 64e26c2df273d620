//! Servers that cannot become what they should be, and are made anew: what lies on one is lost.

use crate::observed::{HostFailure, HostView, Observed, Server};
use crate::plan::{Ground, Scene};
use crate::spec::model::{HostKeyChoice, Stack};

/// Why a server is made anew.
#[derive(Clone, Copy)]
pub(in crate::plan) enum Cause<'a> {
    /// Nova calls it failed, and may say why.
    Error(Option<&'a str>),
    /// Its cloud-init ended with errors. It runs once, so that only another server gets another chance.
    CloudInit(&'a HostFailure),
    /// Nobody can say which ssh host key is its own: Nova shows no console, in these words.
    NoConsole(&'a str),
}

/// Why the server of a wanted host is made anew; `None`: it is kept.
pub(in crate::plan) fn cause<'a>(
    stack: &Stack,
    seen: &'a Observed,
    ground: &Ground<'_>,
    server: &'a Server,
) -> Option<Cause<'a>> {
    let host = &server.key.name;
    let group = stack.hosts.get(*ground.hosts.get(host)?)?;
    if server.status == "ERROR" {
        return Some(Cause::Error(server.fault.as_deref()));
    }
    match seen.hosts.get(host)? {
        HostView::Failed(failure) => Some(Cause::CloudInit(failure)),
        HostView::NoConsole(words) if group.host_key != HostKeyChoice::Console => Some(Cause::NoConsole(words)),
        _ => None,
    }
}

impl Scene<'_> {
    /// Whether this plan makes the server of a wanted host anew.
    pub(in crate::plan) fn is_made_anew(&self, server: &Server) -> bool {
        cause(self.stack, self.seen, &self.ground, server).is_some()
    }
}

impl Cause<'_> {
    /// The reason of the step that takes the server away.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Error(fault) => format!("Nova calls it ERROR: {}", fault.unwrap_or("Nova does not say why")),
            Self::CloudInit(failure) => format!("its cloud-init failed: {failure}\n{}", lost(failure)),
            Self::NoConsole(words) => format!(
                "its ssh host key cannot be learned, for Nova shows no console ({words}): nobody can enter it, and another one is given its key"
            ),
        }
    }

    /// The reason of the step that boots the next one.
    pub(super) fn instead(self) -> &'static str {
        match self {
            Self::Error(_) | Self::CloudInit(_) => "in place of the failed one",
            Self::NoConsole(_) => "in place of the one that nobody can enter",
        }
    }
}

/// What goes with a server whose cloud-init failed.
fn lost(failure: &HostFailure) -> String {
    match &failure.containers {
        Some(containers) if containers.is_empty() => "no container lies on it".to_owned(),
        Some(containers) => format!(
            "with it go its containers {}, and all that is in them",
            containers.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        ),
        None => "its engine does not answer: whatever lies on it goes with it".to_owned(),
    }
}
