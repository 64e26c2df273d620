//! What each container of this host says, and for how long it holds.
//!
//! ```text
//!   set      the host's word: who is here. A name with another identity is another container, and has said nothing
//!   act      a container's word: counted, checked, taken or refused
//!   lapse    time alone: a health that was not renewed becomes critical
//! ```
//!
//! It takes a time and has no clock, no socket and no file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pontoon_ring::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::pace::{Bucket, Pace};
use super::refusal::Refusal;
use super::said::{Declared, Said, merge};
use super::statement::{Renewal, Statement};
use crate::catalogue::limits::{CONTAINERS_MAX, is_label};
use crate::catalogue::{Health, Name};

/// How often one container may change what it says. Each change is a version of the host's part, which all others learn.
pub(super) const CHANGES: Pace = Pace { interval: Duration::from_millis(500), burst: 10 };

/// What each container of this host that has said something says.
pub type Words = BTreeMap<Name, Arc<Said>>;

/// What is kept of a container over a restart of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) identity: String,
    pub(super) said: Statement,
    #[serde(default)]
    pub(super) renewal: Renewal,
}

/// What a container does at its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act<'a> {
    /// It says this and nothing else any more.
    Replace(&'a [u8]),
    /// It changes some of it.
    Merge(&'a [u8]),
    /// It says how it is.
    Health(&'a [u8]),
    /// It takes all back.
    Forget,
}

/// All containers of a host.
#[derive(Debug)]
pub(super) struct Book {
    host: Name,
    records: BTreeMap<Name, Record>,
    /// From before the agent's start, until the host has said who is here.
    kept: BTreeMap<Name, Kept>,
    /// Whether others are here since this was last asked.
    moved: bool,
    /// Whether what is said is another since it was last handed out.
    unheard: bool,
    /// How often it has become another...
    changes: u64,
    /// ... and how often it had when it was last written down.
    saved: u64,
}

#[derive(Debug)]
struct Record {
    declared: Declared,
    statement: Statement,
    renewal: Renewal,
    /// When the health is late.
    late_at: Option<Time>,
    said: Arc<Said>,
    changes: Bucket,
}

impl Book {
    /// A book of what was said before, in which nobody is here yet. What could not be said now is left out of it.
    pub(super) fn new(host: Name, mut kept: BTreeMap<Name, Kept>) -> Self {
        kept.retain(|_, kept| kept.said.check_alone().is_ok());
        Self { host, records: BTreeMap::new(), kept, moved: false, unheard: false, changes: 0, saved: 0 }
    }

    /// These are all containers that are here. One whose name is none is left out: names become paths.
    pub(super) fn set(&mut self, now: Time, containers: BTreeMap<Name, Declared>) {
        let containers: BTreeMap<Name, Declared> =
            containers.into_iter().filter(|(name, _)| is_label(name)).take(CONTAINERS_MAX).collect();
        let before = std::mem::take(&mut self.records);
        let kept = std::mem::take(&mut self.kept);
        let (mut stay, gone): (BTreeMap<Name, Record>, BTreeMap<Name, Record>) =
            before.into_iter().partition(|(name, record)| {
                containers.get(name).is_some_and(|now| now.identity == record.declared.identity)
            });
        let (mut back, forgotten): (BTreeMap<Name, Kept>, BTreeMap<Name, Kept>) = kept
            .into_iter()
            .partition(|(name, kept)| containers.get(name).is_some_and(|now| now.identity == kept.identity));
        let spoke = gone.values().any(|record| record.statement != Statement::default());
        self.moved |= !gone.is_empty();
        self.unheard |= spoke || !back.is_empty();
        self.changes += u64::from(spoke || !forgotten.is_empty());
        for (name, declared) in containers {
            let record = match (stay.remove(&name), back.remove(&name)) {
                (Some(record), _) => Record { declared, ..record },
                (None, back) => {
                    self.moved = true;
                    let (said, renewal) = back.map(|kept| (kept.said, kept.renewal)).unwrap_or_default();
                    Record::new(now, declared, said, renewal)
                }
            };
            self.records.insert(name, record);
        }
    }

    /// Whether others are here than when this was last asked.
    pub(super) fn is_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Who is here, and as which container.
    pub(super) fn here(&self) -> impl Iterator<Item = (&Name, &str)> {
        self.records.iter().map(|(name, record)| (name, record.declared.identity.as_str()))
    }

    /// A container speaks. `identity` tells which of those that were called so; only the present one is heard.
    pub(super) fn act(&mut self, now: Time, name: &str, identity: &str, act: Act<'_>) -> Result<(), Refusal> {
        let record = self.records.get_mut(name).filter(|record| record.declared.identity == identity);
        let record = record.ok_or(Refusal::Gone)?;
        record.changes.take(now, CHANGES).map_err(|wait| Refusal::Often { wait })?;
        let statement = match act {
            Act::Replace(body) => Statement::replaced(body)?,
            Act::Merge(body) => record.statement.merged(body)?,
            Act::Health(body) => record.statement.with_health(body)?,
            Act::Forget => Statement::default(),
        };
        statement.check_beside(&record.declared.container)?;
        let renews = match act {
            Act::Merge(body) => names_health(body),
            Act::Replace(_) | Act::Health(_) | Act::Forget => true,
        };
        let was = (record.renewal, Arc::clone(&record.said));
        let is_another = record.statement != statement;
        record.statement = statement;
        if renews {
            record.renew(now);
        }
        record.said = Arc::new(record.statement.said(record.renewal));
        self.changes += u64::from(is_another || record.renewal != was.0);
        self.unheard |= record.said != was.1;
        Ok(())
    }

    /// Time has passed.
    pub(super) fn lapse(&mut self, now: Time) {
        for record in self.records.values_mut() {
            if record.late_at.is_some_and(|late_at| late_at <= now) {
                record.late_at = None;
                record.renewal = Renewal::Late;
                record.said = Arc::new(record.statement.said(Renewal::Late));
                self.unheard = true;
                self.changes += 1;
            }
        }
    }

    /// When [`Book::lapse`] has something to do.
    pub(super) fn lapses_at(&self) -> Option<Time> {
        self.records.values().filter_map(|record| record.late_at).min()
    }

    /// What is said, if it is another than the last time.
    pub(super) fn news(&mut self) -> Option<Words> {
        let spoke = |record: &Record| (*record.said != Said::default()).then(|| Arc::clone(&record.said));
        let words = || self.records.iter().filter_map(|(name, record)| Some((name.clone(), spoke(record)?))).collect();
        std::mem::take(&mut self.unheard).then(words)
    }

    /// What is to be kept, if it is another than what was written down, and what to tell [`Book::set_saved`] then.
    pub(super) fn unsaved(&self) -> Option<(u64, BTreeMap<Name, Kept>)> {
        let kept = |record: &Record| Kept {
            identity: record.declared.identity.clone(),
            said: record.statement.clone(),
            renewal: record.renewal,
        };
        let spoke = self.records.iter().filter(|(_, record)| record.statement != Statement::default());
        let all = || (self.changes, spoke.map(|(name, record)| (name.clone(), kept(record))).collect());
        (self.changes != self.saved).then(all)
    }

    /// What there was after so many changes is written down.
    pub(super) fn set_saved(&mut self, changes: u64) {
        self.saved = changes;
    }

    /// All that is said of a container, and by whom.
    pub(super) fn document(&self, name: &str, identity: &str) -> Result<Value, Refusal> {
        let record = self.records.get(name).filter(|record| record.declared.identity == identity);
        let record = record.ok_or(Refusal::Gone)?;
        let declared = &record.declared.container;
        let all = merge(declared, &record.said);
        let own = &record.statement;
        Ok(json!({
            "container": name,
            "host": &*self.host,
            "service": &*all.service,
            "address": all.address,
            "port": all.port,
            "capabilities": all.capabilities,
            "monitor": all.monitor,
            "says": all.says,
            "health": health(&all.health),
            "declared": {
                "port": declared.port,
                "capabilities": declared.capabilities,
                "monitor": declared.monitor,
                "health": health(&declared.health),
            },
            "said": {
                "port": own.port,
                "capabilities": own.capabilities,
                "monitor": own.monitor,
                "says": own.says,
                "health": own.health.as_ref().map(|told| json!({
                    "state": told.state,
                    "output": told.output,
                    "ttl": told.ttl,
                    "late": record.renewal == Renewal::Late,
                })),
            },
        }))
    }
}

impl Record {
    /// The agent was not there to be told, so a health has its whole time to live again, if it was not late before.
    fn new(now: Time, declared: Declared, statement: Statement, renewal: Renewal) -> Self {
        let said = Arc::new(statement.said(renewal));
        let mut record = Self { declared, statement, renewal, late_at: None, said, changes: Bucket::default() };
        if renewal == Renewal::InTime {
            record.renew(now);
        }
        record
    }

    fn renew(&mut self, now: Time) {
        let ttl = self.statement.health.as_ref().and_then(|told| told.ttl);
        self.renewal = Renewal::InTime;
        self.late_at = ttl.map(|seconds| now + Duration::from_secs(seconds));
    }
}

/// Whether a change says how the container is, be it the same again.
fn names_health(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|change| change.get("health").is_some())
}

fn health(health: &Health) -> Value {
    json!({ "state": health.state, "output": health.output })
}
