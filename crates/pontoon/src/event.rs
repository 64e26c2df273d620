//! What a run tells while it runs.
//!
//! Whoever carries a plan out emits [`Event`]s and knows nothing of terminals or JSON; a [`Sink`] shows them and
//! decides nothing. Durations are those since the thing began.

use std::time::Duration;

use pontoon_core::plan::Plan;
use pontoon_core::run::Outcome;
use pontoon_core::spec::model::Stack;
use serde::Serialize;

use crate::exit::Exit;

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// Which cloud all of this is about; the first event.
    Cloud { stack: &'a str, name: &'a str, simulated: bool, endpoint: Option<&'a str> },
    /// The cloud is being looked at.
    Observing,
    /// A plan was made. `round` counts from 0: later plans look again at what an earlier one has done.
    Plan { view: PlanView<'a>, round: usize },
    /// A step of the plan began.
    StepStarted { step: usize, plan: &'a Plan },
    /// A step waits for something.
    StepWaiting { step: usize, plan: &'a Plan, what: &'a str, elapsed: Duration },
    /// A step ended.
    StepEnded { step: usize, plan: &'a Plan, outcome: &'a Outcome, elapsed: Duration },
    /// Everything is done, and it is being proven that it works.
    Proving { what: &'a str, elapsed: Duration },
    /// Something that the reader should know.
    Note { text: &'a str },
    /// How it ended; the last event.
    Result(&'a Report),
}

/// Whoever shows events. They come from several tasks at once.
pub(crate) trait Sink: Send + Sync {
    /// Shows one event.
    fn event(&self, event: &Event<'_>);
}

/// A plan with what is to be said around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanView<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// What it is for.
    pub(crate) purpose: Purpose,
    /// The name of the stack.
    pub(crate) stack: &'a str,
    /// The name of the cloud.
    pub(crate) cloud: &'a str,
    /// Whether that cloud is the embedded one.
    pub(crate) simulated: bool,
    /// The description of the stack, where there is one: it knows images and flavors by their names.
    pub(crate) described: Option<&'a Stack>,
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To bring the cloud to where the file wants it.
    Up,
    /// To take the stack away.
    Down,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    /// In one word.
    pub(crate) outcome: RunOutcome,
    /// Where the balancers answered, in the order of the file.
    pub(crate) endpoints: Vec<Endpoint>,
    /// How many requests were sent to the cloud's services.
    pub(crate) requests: u64,
    /// How long all of it took.
    pub(crate) elapsed: Duration,
    /// What went wrong, each with the resource it happened to.
    pub(crate) failures: Vec<String>,
    /// What to do next, where there is something.
    pub(crate) hint: Option<String>,
}

/// Where a balancer answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Endpoint {
    /// Its name in the file.
    pub(crate) balancer: String,
    /// What a browser is pointed at.
    pub(crate) url: String,
}

/// How a run ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunOutcome {
    /// The cloud is as the file says, and was proven to be.
    Converged,
    /// It was so before.
    Unchanged,
    /// Nothing of the stack is left.
    Removed,
    /// Something went wrong; what was done stays, and the next run goes on from there.
    Failed,
    /// It was stopped by the user, after the running requests.
    Stopped,
    /// Something stands in the way; nothing was written.
    Blocked,
    /// Something would be lost and nobody said yes; nothing was written.
    Refused,
}

impl RunOutcome {
    /// What the shell is told.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Converged | Self::Unchanged | Self::Removed => Exit::Done,
            Self::Failed | Self::Stopped | Self::Blocked | Self::Refused => Exit::Failed,
        }
    }
}
