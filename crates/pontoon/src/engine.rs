//! Carrying plans out: look, plan, do, and again until there is nothing left to do; then prove that it works.
//!
//! The engine decides nothing about clouds: what is to be done is in the plan, how it is done is in the site. It
//! decides when to ask, when to stop and when to give up.

mod converge;
mod drive;
mod lease;
mod prove;
mod remove;

use std::sync::Arc;
use std::time::{Duration, Instant};

use pontoon_cloud::site::{Site, SiteError, chain};
use tokio_util::sync::CancellationToken;

use crate::event::{Report, RunOutcome, Sink};

pub(crate) use converge::{converge, planned};
pub(crate) use lease::Holder;
pub(crate) use remove::remove;

/// What a run is carried out with.
pub(crate) struct Engine<'a> {
    /// The stack's place.
    pub(crate) site: Arc<Site>,
    /// The name of the cloud.
    pub(crate) cloud: &'a str,
    /// Whether the cloud is the embedded one.
    pub(crate) simulated: bool,
    /// Who is told.
    pub(crate) sink: &'a dyn Sink,
    /// How many steps may run at once.
    pub(crate) at_once: usize,
    /// Cancelled when the user wants to stop.
    pub(crate) stop: CancellationToken,
    /// Whether what would be lost may be lost.
    pub(crate) consent: &'a (dyn Consent + Sync),
    /// Who writes.
    pub(crate) holder: Holder,
    /// When the run began.
    pub(crate) begun: Instant,
    /// How many requests the site had sent before.
    pub(crate) sent_before: u64,
}

/// Asks whether something may be lost.
pub(crate) trait Consent {
    /// Whether a plan that deletes or replaces may be carried out.
    fn given(&self, plan: &pontoon_core::plan::Plan) -> Answer;
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Go on.
    Yes,
    /// Somebody said no.
    No,
    /// Nobody is there to ask.
    Nobody,
}

impl Engine<'_> {
    /// How many requests this run has sent so far.
    fn requests(&self) -> u64 {
        self.site.openstack.requests().saturating_sub(self.sent_before)
    }

    fn report(&self, outcome: RunOutcome) -> Report {
        Report {
            outcome,
            endpoints: Vec::new(),
            requests: self.requests(),
            elapsed: self.begun.elapsed(),
            failures: Vec::new(),
            hint: None,
        }
    }

    fn failed(&self, failures: Vec<String>, hint: Option<String>) -> Report {
        Report { failures, hint, ..self.report(RunOutcome::Failed) }
    }

    fn failed_by(&self, doing: &str, error: &SiteError) -> Report {
        self.failed(vec![format!("{doing}: {}", chain(error))], error.hint())
    }

    fn stopped(&self, again: &str) -> Report {
        let hint = format!("`{again}` goes on where this one stopped");
        Report { hint: Some(hint), ..self.report(RunOutcome::Stopped) }
    }
}

/// How long the cloud is given for what no step waits for: an answer through a floating IP.
const PROOF_LIMIT: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests;
