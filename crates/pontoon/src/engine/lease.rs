//! The lease: one writer at a time on a stack.
//!
//! It lies where every writer looks: a security group without rules and without users, whose description says who
//! holds the stack and until when. Neutron's revision numbers make taking it over atomic (`If-Match:
//! revision_number=N` answers 412 to the slower of two). It exists only while somebody writes. Who is killed leaves it
//! behind; it runs out by itself, and at once for the next run on the same machine, which can see that the process is
//! gone.
//!
//! The end of a lease is written and read by Neutron's clock, as the `Date` of its replies shows it: clocks of operators
//! may differ by hours, and a lease that one of them believes to be over is still another one's.
//!
//! Whoever cannot renew it stops in time: an own lease that has run out may be somebody else's by now, and what was not
//! answered is looked up before it is written again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
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
    /// What tells machines of one name apart, and the same machine before and after a reboot.
    boot: String,
    /// The process.
    pid: u32,
    /// How often its leases are renewed.
    renewal: Duration,
    /// How far the machine's clock is ahead of the right time; looked at where Neutron tells no time.
    ahead: SignedDuration,
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
            boot: boot(),
            pid: std::process::id(),
            renewal: RENEWAL,
            ahead: SignedDuration::ZERO,
        }
    }

    /// A process of somebody else's on another machine.
    #[cfg(test)]
    pub(crate) fn elsewhere(who: &str, pid: u32, renewal: Duration) -> Self {
        Self {
            who: format!("{who}@elsewhere"),
            machine: "elsewhere".to_owned(),
            boot: "elsewhere".to_owned(),
            pid,
            renewal,
            ahead: SignedDuration::ZERO,
        }
    }

    /// The same on a machine whose clock is ahead, or behind.
    #[cfg(test)]
    pub(crate) fn with_clock_ahead(self, ahead: SignedDuration) -> Self {
        Self { ahead, ..self }
    }

    /// What time it is: Neutron's, and the machine's own only where its replies do not say.
    fn now(&self, client: &Client) -> Timestamp {
        let own = || Timestamp::now().checked_add(self.ahead).unwrap_or(Timestamp::MAX);
        client.neutron_time().unwrap_or_else(own)
    }

    fn write(&self, stack: &str, until: Timestamp) -> String {
        format!(
            "{} holder={} machine={} boot={} pid={} until={until:.0}",
            lease_prefix(stack),
            self.who,
            self.machine,
            self.boot,
            self.pid
        )
    }
}

/// The running kernel and the namespace that this process's number belongs to: laptops and runners of CI share names, and
/// containers of one machine share its kernel. Empty where the system does not say.
fn boot() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    let namespace: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    if kernel.is_empty() { String::new() } else { format!("{kernel}-{namespace}") }
}

/// A lease as it was found.
struct Found {
    id: String,
    revision: Option<Revision>,
    who: String,
    machine: String,
    boot: String,
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
            boot: field("boot").unwrap_or_default(),
            pid: field("pid").and_then(|text| text.parse().ok()).unwrap_or_default(),
            // What cannot be read was not written by us as it stands, and binds nobody.
            until: field("until").and_then(|text| text.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH),
        })
    }

    fn is_over(&self, now: Timestamp, me: &Holder) -> bool {
        let here = self.machine == me.machine && self.boot == me.boot && !self.boot.is_empty();
        self.until <= now || (here && (self.pid == me.pid || !is_alive(self.pid)))
    }

    fn is_of(&self, me: &Holder) -> bool {
        self.machine == me.machine && self.boot == me.boot && self.pid == me.pid
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
    stack: String,
    holder: Holder,
    id: String,
    state: Arc<State>,
    renewal: JoinHandle<()>,
}

/// How a lease of ours is, as its keeper knows it.
#[derive(Default)]
struct State {
    lost: OnceLock<Loss>,
    /// Until when nobody else can have taken it, in seconds since 1970 by our own clock: how long it is, not when, is what
    /// the cloud's clock and ours agree about.
    safe_until: AtomicI64,
}

/// How a lease was lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Somebody else holds it, or removed it.
    Taken,
    /// It could not be renewed in time.
    NotRenewed,
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
                Some(found) if found.is_over(engine.holder.now(&client), &engine.holder) => {
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
            Some(found) if found.is_over(engine.holder.now(client), &engine.holder) => {
                client.delete_security_group(&found.id).await
            }
            _ => Ok(()),
        }
    }

    fn kept(client: Client, group: SecurityGroup, stack: &str, engine: &Engine<'_>) -> Self {
        let state = Arc::new(State::default());
        state.safe_until.store(end_of_term(Timestamp::now()).as_second(), Ordering::Relaxed);
        let keeper = Keeper {
            client: client.clone(),
            id: group.id.clone(),
            stack: stack.to_owned(),
            holder: engine.holder.clone(),
            state: state.clone(),
            stop: engine.stop.clone(),
        };
        let renewal = tokio::spawn(keeper.keep(group.revision_number));
        Self { client, stack: stack.to_owned(), holder: engine.holder.clone(), id: group.id, state, renewal }
    }

    /// Gives it back. One that cannot be given back runs out by itself.
    async fn release(self) {
        self.renewal.abort();
        if self.state.lost.get().is_none()
            && let Err(error) = self.delete().await
        {
            tracing::warn!("the lease was not given back: {}", chain(&error));
        }
    }

    /// Deletes it if it is still ours: a machine that slept for a while may not have noticed yet that it is not.
    async fn delete(&self) -> Result<(), openstack::Error> {
        let ours = Timestamp::now().as_second() < self.state.safe_until.load(Ordering::Relaxed) || {
            let found = find(&self.client, &self.stack).await?;
            found.is_some_and(|found| found.id == self.id && found.is_of(&self.holder))
        };
        if ours { self.client.delete_security_group(&self.id).await } else { Ok(()) }
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

/// How a run ends whose lease was lost; nothing where it was not.
pub(super) fn lost(engine: &Engine<'_>, lease: Option<&Lease>) -> Option<Report> {
    let (failure, hint) = match lease?.state.lost.get()? {
        Loss::Taken => {
            ("the lease on the stack was lost to another writer", "wait until the other one is done, then run again")
        }
        Loss::NotRenewed => (
            "the lease on the stack could not be renewed in time, and somebody else may have it by now",
            "run the same command again when the cloud answers: it goes on where this one stopped",
        ),
    };
    Some(engine.failed(vec![failure.to_owned()], Some(hint.to_owned())))
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

/// When a lease ends that is taken at this moment.
fn end_of_term(now: Timestamp) -> Timestamp {
    now.checked_add(TERM).unwrap_or(Timestamp::MAX)
}

async fn create(client: &Client, stack: &str, holder: &Holder) -> Result<SecurityGroup, openstack::Error> {
    let group =
        NewSecurityGroup { name: label(stack), description: holder.write(stack, end_of_term(holder.now(client))) };
    client.create_security_group(&group).await
}

async fn renew(
    client: &Client,
    id: &str,
    revision: Option<Revision>,
    stack: &str,
    holder: &Holder,
) -> Result<SecurityGroup, openstack::Error> {
    let description = holder.write(stack, end_of_term(holder.now(client)));
    let change = SecurityGroupChange { description: Some(description), ..SecurityGroupChange::default() };
    client.update_security_group(id, &change, revision).await
}

/// Whoever renews a lease.
struct Keeper {
    client: Client,
    id: String,
    stack: String,
    holder: Holder,
    state: Arc<State>,
    stop: CancellationToken,
}

impl Keeper {
    async fn keep(self, first: Option<Revision>) {
        let mut revision = first;
        let mut answered = true;
        loop {
            tokio::time::sleep(self.holder.renewal).await;
            let turn = async {
                if !answered {
                    // The renewal before this one may have been applied, and then its revision is a new one.
                    match find(&self.client, &self.stack).await? {
                        Some(found) if found.id == self.id && found.is_of(&self.holder) => revision = found.revision,
                        _ => return Ok(None),
                    }
                }
                renew(&self.client, &self.id, revision, &self.stack, &self.holder).await.map(Some)
            };
            let safe_until = end_of_term(Timestamp::now()).as_second();
            match turn.await {
                Ok(Some(group)) => {
                    revision = group.revision_number;
                    answered = true;
                    self.state.safe_until.store(safe_until, Ordering::Relaxed);
                }
                Ok(None) => return self.lose(Loss::Taken),
                Err(error) if error.is_stale() || error.is_not_found() => return self.lose(Loss::Taken),
                Err(error) => {
                    answered = false;
                    tracing::warn!("the lease was not renewed: {}", chain(&error));
                    let next = Timestamp::now().as_second().saturating_add(self.holder.renewal.as_secs().cast_signed());
                    if next >= self.state.safe_until.load(Ordering::Relaxed) {
                        return self.lose(Loss::NotRenewed);
                    }
                }
            }
        }
    }

    fn lose(&self, loss: Loss) {
        // Only the keeper says so, and only once.
        let _ = self.state.lost.set(loss);
        self.stop.cancel();
    }
}
