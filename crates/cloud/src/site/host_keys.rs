//! How an ssh host key becomes known: it is drawn for the request that makes the server and travels with it, or Nova tells
//! it, by the metadata that keeps it and by the console log that cloud-init prints it to.
//!
//! Metadata and console are the cloud's own, authenticated API; a key that was merely seen on the network is never taken.

use std::collections::BTreeMap;
use std::time::Instant;

use pontoon_core::render::{self, HostKey};

use super::patience::until;
use super::{Site, SiteError, Waiting};
use crate::openstack;
use crate::openstack::compute;
use crate::ssh::{HostKeyCheck, KeyPair, console};

/// Where a server keeps its ssh host key: since it was made, or since the console told it.
pub(super) const METADATA_KEY: &str = "pontoon.host-key";
/// Where a server keeps that it was handed its key.
const METADATA_SOURCE: &str = "pontoon.host-key-source";
const INJECTED: &str = "injected";

/// Characters that a value of a server's metadata may have.
const METADATA_LIMIT: usize = 255;

/// What Nova's metadata says of a server's key.
pub(super) fn noted(metadata: &BTreeMap<String, String>) -> Option<HostKeyCheck> {
    metadata.get(METADATA_KEY).and_then(|line| HostKeyCheck::parse([line.as_str()]).ok())
}

/// Whether a server was handed its key.
pub(super) fn was_injected(metadata: &BTreeMap<String, String>) -> bool {
    metadata.get(METADATA_SOURCE).is_some_and(|source| source == INJECTED)
}

/// Draws a host key, hands it in with a new server and has its metadata keep the public half: all of it in the one
/// request, so that whoever finds the server knows its key. The private half is nowhere else and is never read again.
pub(super) fn inject(host: &str, server: &mut compute::NewServer, user_data: &str) -> Result<HostKeyCheck, SiteError> {
    let drawn = KeyPair::generate(host).map_err(|error| SiteError::Broken {
        what: format!("drawing an ssh host key for `{host}`"),
        reason: error.to_string(),
    })?;
    let check = HostKeyCheck::parse([drawn.public.as_str()]).map_err(|error| SiteError::Reply {
        what: format!("the ssh host key of `{host}`"),
        reason: error.to_string(),
    })?;
    server.metadata.insert(METADATA_KEY.to_owned(), drawn.public.clone());
    server.metadata.insert(METADATA_SOURCE.to_owned(), INJECTED.to_owned());
    let key = HostKey { private: drawn.private, public: drawn.public };
    server.user_data = Some(compute::encoded(&render::with_host_key(user_data, &key)));
    Ok(check)
}

/// What the console of a server tells.
pub(super) enum Told {
    /// Its keys, which are known from now on; the first of them, as a line for the metadata.
    Key(Option<String>),
    /// Nothing yet, for this reason.
    NotYet(NoKey),
    /// Nothing, now or later, in Nova's words.
    Never(String),
}

/// Why a console tells no key yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// Nova has no console of the server; one that is not running has none.
    NoConsole,
    /// cloud-init has printed nothing so far.
    Unprinted,
}

impl Site {
    /// Asks Nova for the console of a host, and makes the keys known that it shows.
    pub(super) async fn told_host_key(&self, host: &str, id: &str) -> Result<Told, SiteError> {
        let log = match self.openstack.console_output(id, None).await {
            Ok(log) => log,
            Err(openstack::Error::Refused(refusal)) if is_final(refusal.status.as_u16()) => {
                return Ok(Told::Never(format!("{}: {}", refusal.status, refusal.message)));
            }
            Err(error) if error.is_not_found() && self.is_silent(id) => {
                return Ok(Told::Never("it has had none for minutes".to_owned()));
            }
            Err(error) if error.is_not_found() || error.is_conflict() => return Ok(Told::NotYet(NoKey::NoConsole)),
            Err(error) => return Err(error.into()),
        };
        let found = console::host_keys(&log);
        let Some(check) = found.check() else { return Ok(Told::NotYet(NoKey::Unprinted)) };
        self.hosts.set_host_key(host, check);
        let first = found.keys.first().and_then(|key| key.to_openssh().ok());
        Ok(Told::Key(first.filter(|line| line.len() <= METADATA_LIMIT)))
    }

    /// Waits until the console of a server shows its host key, and notes the key in the server's metadata: a console
    /// shows the last lines only, and one day the key is no longer among them.
    pub(super) async fn await_host_key(&self, id: &str, host: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        if self.hosts.knows_key_of(host) {
            return Ok(());
        }
        let mut none_since: Option<Instant> = None;
        let mut asked: Option<Instant> = None;
        let look = async |state: &mut String| {
            // A boot takes minutes, and its end is seen without a request: cloud-init prints the key when sshd runs.
            if asked.is_some_and(|at| at.elapsed() < self.patience.silence) && !self.hosts.greets(host).await {
                "its sshd does not answer yet".clone_into(state);
                return Ok(None);
            }
            asked = Some(Instant::now());
            let why = match self.told_host_key(host, id).await? {
                Told::Key(line) => return Ok(Some(line)),
                Told::Never(words) => return Err(SiteError::NoConsole { host: host.to_owned(), words }),
                Told::NotYet(why) => why,
            };
            if why == NoKey::Unprinted {
                none_since = None;
                "the console does not show it yet".clone_into(state);
            } else if !self.is_active(id, host, state).await? {
                none_since = None;
            } else {
                "Nova has no console of it yet".clone_into(state);
                // 404 is how Nova says "not yet" and "never" alike.
                if none_since.get_or_insert_with(Instant::now).elapsed() >= self.patience.stuck {
                    self.mark_silent(id);
                }
            }
            Ok(None)
        };
        let line = match until(&format!("the ssh host key of `{host}`"), self.patience.step, look, waiting).await {
            Err(SiteError::Deadline { limit, last, .. }) => {
                return Err(SiteError::NoHostKey { host: host.to_owned(), limit, last });
            }
            other => other?,
        };
        if let Some(line) = line {
            let metadata = BTreeMap::from([(METADATA_KEY.to_owned(), line)]);
            self.openstack.set_server_metadata(id, &metadata).await?;
        }
        Ok(())
    }
}

/// Statuses by which a Nova says that it will never show a console to this user: no such action (400, 405), no right
/// (403), a driver that has none (501).
fn is_final(status: u16) -> bool {
    matches!(status, 400 | 403 | 405 | 501)
}
