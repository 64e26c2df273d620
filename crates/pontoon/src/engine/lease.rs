//! The lease: one writer at a time on a stack.
//!
//! It lies where every writer looks: a security group without rules and without users, whose description says who
//! holds the stack and until when. Neutron's revision numbers make taking it over atomic (`If-Match:
//! revision_number=N` answers 412 to the slower of two). It exists only while somebody writes. Who is killed leaves it
//! behind; it runs out by itself, and at once for the next run on the same machine, which can see that the process is
//! gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use pontoon_cloud::openstack::network::{NewSecurityGroup, SecurityGroup, SecurityGroupChange};
use pontoon_cloud::openstack::{self, Client, Revision};
use pontoon_cloud::site::lease_prefix;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Engine, chain};
use crate::event::Report;

/// How long a lease is good for without being renewed.
const TERM: Duration = Duration::from_mins(2);
const RENEWAL: Duration = Duration::from_secs(30);

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// `user@machine`.
    who: String,
    /// The machine's name.
    machine: String,
    /// The process.
    pid: u32,
    /// How often its leases are renewed.
    renewal: Duration,
}

impl Holder {
    /// This process.
    pub(crate) fn this_process() -> Self {
        let machine = rustix::system::uname().nodename().to_string_lossy().replace([' ', '/'], "-");
        let user =
            std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "somebody".to_owned());
        Self {
            who: format!("{}@{machine}", user.replace(' ', "-")),
            machine,
            pid: std::process::id(),
            renewal: RENEWAL,
        }
    }

    /// A process of somebody else's on another machine.
    #[cfg(test)]
    pub(crate) fn elsewhere(who: &str, pid: u32, renewal: Duration) -> Self {
        Self { who: format!("{who}@elsewhere"), machine: "elsewhere".to_owned(), pid, renewal }
    }

    fn write(&self, stack: &str, until: Timestamp) -> String {
        format!(
            "{} holder={} machine={} pid={} until={until:.0}",
            lease_prefix(stack),
            self.who,
            self.machine,
            self.pid
        )
    }
}

/// A lease as it was found.
struct Found {
    id: String,
    revision: Option<Revision>,
    who: String,
    machine: String,
    pid: u32,
    until: Timestamp,
}

impl Found {
    fn read(stack: &str, group: SecurityGroup) -> Option<Self> {
        let fields = group.description.strip_prefix(&lease_prefix(stack))?;
        let field = |name: &str| {
            fields.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        Some(Self {
            id: group.id,
            revision: group.revision_number,
            who: field("holder").unwrap_or_default(),
            machine: field("machine").unwrap_or_default(),
            pid: field("pid").and_then(|text| text.parse().ok()).unwrap_or_default(),
            // What cannot be read was not written by us as it stands, and binds nobody.
            until: field("until").and_then(|text| text.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH),
        })
    }

    fn is_over(&self, now: Timestamp, me: &Holder) -> bool {
        let here = self.machine == me.machine;
        self.until <= now || (here && (self.pid == me.pid || !is_alive(self.pid)))
    }
}

fn is_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    // No permission to signal it means that it is there.
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// Why a lease was not had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// Somebody else writes.
    #[error("stack `{stack}` is being changed by {who} (process {pid}), whose lease ends at {until}")]
    Held {
        /// The stack.
        stack: String,
        /// Who, as `user@machine`.
        who: String,
        /// Their process.
        pid: u32,
        /// When the lease ends, unless it is renewed.
        until: Timestamp,
    },
    /// The cloud did not let us.
    #[error("cannot take the lease on stack `{stack}`: {reason}")]
    Cloud {
        /// The stack.
        stack: String,
        /// What it said.
        reason: String,
    },
}

impl LeaseError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Held { .. } => Some("wait for them; a lease that nobody renews ends by itself".to_owned()),
            Self::Cloud { .. } => None,
        }
    }
}

/// A lease that is ours, renewed until it is released.
pub(crate) struct Lease {
    client: Client,
    id: String,
    lost: Arc<AtomicBool>,
    renewal: JoinHandle<()>,
}

impl Lease {
    /// Takes the lease on the engine's stack. While it is held it is renewed; when it is lost the run is stopped.
    pub(super) async fn take(engine: &Engine<'_>) -> Result<Self, LeaseError> {
        let client = engine.site.openstack.clone();
        let stack = engine.site.stack();
        let cloud = |error: openstack::Error| LeaseError::Cloud { stack: stack.to_owned(), reason: chain(&error) };
        // Each turn ends unless another writer was quicker, and then that one holds it in the next.
        let mut seen = engine.site.saw_lease();
        for _ in 0..3 {
            let found = if seen { find(&client, stack).await.map_err(cloud)? } else { None };
            seen = true;
            let taken = match found {
                None => create(&client, stack, &engine.holder).await,
                Some(found) if found.is_over(Timestamp::now(), &engine.holder) => {
                    renew(&client, &found.id, found.revision, stack, &engine.holder).await
                }
                Some(found) => return Err(held(stack, &found)),
            };
            match taken {
                Ok(group) => {
                    let first = find(&client, stack).await.map_err(cloud)?;
                    match first {
                        Some(first) if first.id != group.id => {
                            // Two were made at the same moment. The lower id holds; the other goes.
                            client.delete_security_group(&group.id).await.map_err(cloud)?;
                            return Err(held(stack, &first));
                        }
                        _ => return Ok(Self::kept(client, group, stack, engine)),
                    }
                }
                Err(error) if error.is_stale() || error.is_not_found() || error.is_unknown() => {}
                Err(error) => return Err(cloud(error)),
            }
        }
        Err(LeaseError::Cloud { stack: stack.to_owned(), reason: "others are quicker each time".to_owned() })
    }

    /// Removes a lease that a killed process left behind, where the last look saw one; nothing else would, when there
    /// is nothing to write.
    async fn sweep(engine: &Engine<'_>) -> Result<(), openstack::Error> {
        if !engine.site.saw_lease() {
            return Ok(());
        }
        let client = &engine.site.openstack;
        match find(client, engine.site.stack()).await? {
            Some(found) if found.is_over(Timestamp::now(), &engine.holder) => {
                client.delete_security_group(&found.id).await
            }
            _ => Ok(()),
        }
    }

    fn kept(client: Client, group: SecurityGroup, stack: &str, engine: &Engine<'_>) -> Self {
        let lost = Arc::new(AtomicBool::new(false));
        let keeper = keep(
            client.clone(),
            group.clone(),
            stack.to_owned(),
            engine.holder.clone(),
            lost.clone(),
            engine.stop.clone(),
        );
        Self { client, id: group.id, lost, renewal: tokio::spawn(keeper) }
    }

    /// Whether another writer took it.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Gives it back. One that cannot be given back runs out by itself.
    async fn release(self) {
        self.renewal.abort();
        if !self.is_lost()
            && let Err(error) = self.client.delete_security_group(&self.id).await
        {
            tracing::warn!("the lease was not given back: {}", chain(&error));
        }
    }
}

/// Leaves no lease of ours behind: the one that was taken, or one that an earlier run did not live to give back.
pub(super) async fn end(engine: &Engine<'_>, lease: Option<Lease>) {
    match lease {
        Some(lease) => lease.release().await,
        None => {
            if let Err(error) = Lease::sweep(engine).await {
                tracing::warn!("an abandoned lease was not removed: {}", chain(&error));
            }
        }
    }
}

/// How a run ends whose lease another writer took.
pub(super) fn lost(engine: &Engine<'_>) -> Report {
    let hint = Some("wait until the other one is done, then run again".to_owned());
    engine.failed(vec!["the lease on the stack was lost to another writer".to_owned()], hint)
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

fn held(stack: &str, found: &Found) -> LeaseError {
    LeaseError::Held { stack: stack.to_owned(), who: found.who.clone(), pid: found.pid, until: found.until }
}

/// The lease that counts: of several the one with the lowest id.
async fn find(client: &Client, stack: &str) -> Result<Option<Found>, openstack::Error> {
    let name = label(stack);
    let groups = client.security_groups(&[("name", name.as_str())]).await?;
    Ok(groups.into_iter().filter_map(|group| Found::read(stack, group)).min_by(|a, b| a.id.cmp(&b.id)))
}

fn label(stack: &str) -> String {
    format!("{stack}-lease")
}

fn until() -> Timestamp {
    Timestamp::now().checked_add(TERM).unwrap_or(Timestamp::MAX)
}

async fn create(client: &Client, stack: &str, holder: &Holder) -> Result<SecurityGroup, openstack::Error> {
    let group = NewSecurityGroup { name: label(stack), description: holder.write(stack, until()) };
    client.create_security_group(&group).await
}

async fn renew(
    client: &Client,
    id: &str,
    revision: Option<Revision>,
    stack: &str,
    holder: &Holder,
) -> Result<SecurityGroup, openstack::Error> {
    let change =
        SecurityGroupChange { description: Some(holder.write(stack, until())), ..SecurityGroupChange::default() };
    client.update_security_group(id, &change, revision).await
}

async fn keep(
    client: Client,
    group: SecurityGroup,
    stack: String,
    holder: Holder,
    lost: Arc<AtomicBool>,
    stop: CancellationToken,
) {
    let mut revision = group.revision_number;
    loop {
        tokio::time::sleep(holder.renewal).await;
        match renew(&client, &group.id, revision, &stack, &holder).await {
            Ok(renewed) => revision = renewed.revision_number,
            Err(error) if error.is_stale() || error.is_not_found() => {
                lost.store(true, Ordering::Relaxed);
                stop.cancel();
                return;
            }
            // It may have been applied: with the revision unknown the next turn goes without.
            Err(error) => {
                revision = None;
                tracing::warn!("the lease was not renewed: {}", chain(&error));
            }
        }
    }
}
