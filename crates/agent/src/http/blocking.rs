//! Consul's blocking queries: a request that waits until what it asks for is another.
//!
//! A client gives back the index of the answer that it has. Where that is still the index, the answer is held back until
//! the *answer* differs, not just the view, or until the time is over. Any other index is answered at once: it is
//! an older one, and something may have changed, or it is of another run of the agent, or of another agent.
//!
//! An index of another run or agent that happened to be the present one would be taken for it, and the client would go on
//! with what it had from there. So they are [numbered](Numbering) apart.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::parameters::{Parameters, duration};
use crate::catalogue::View;

/// How long it is waited where nothing is said, as in Consul.
const DEFAULT_WAIT: Duration = Duration::from_mins(5);
/// How long it is waited at most, as in Consul.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// A sixteenth is added at most, so that those who began together do not end together; as in Consul.
const JITTER: u32 = 16;

/// How a query waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The index of the answer that the client has.
    pub index: u64,
    /// How long at most.
    pub at_most: Duration,
}

/// What an agent adds to the numbers of its views in one run, which begin with 1 in each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbering {
    first: u64,
}

impl Numbering {
    /// A run has half a million indices of its own for each second that it is younger than the next one.
    const BITS_OF_A_RUN: u32 = 20;

    /// `run` grows from one run of an agent to the next, as seconds do. Agents that start in the same second differ by
    /// `chance`. Indices stay below 2^53 until 2106, which JavaScript's numbers hold.
    pub const fn new(run: u64, chance: u64) -> Self {
        let half_a_run = 1 << (Self::BITS_OF_A_RUN - 1);
        Self { first: ((run & 0xffff_ffff) << Self::BITS_OF_A_RUN) + chance % half_a_run }
    }

    const fn index(self, view: &View) -> u64 {
        self.first + view.index
    }
}

/// A parameter that cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WaitError {
    /// `index` is no number.
    #[error("`index` is no number: `{0}`")]
    Index(String),
    /// `wait` is no length of time.
    #[error("`wait` is no length of time such as `10s`: `{0}`")]
    Time(String),
}

/// An answer and the index that it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Indexed {
    /// Never 0, which clients take for "no index".
    pub index: u64,
    /// The document.
    pub document: Value,
}

/// Whether and how a request waits.
pub fn wait(parameters: &Parameters) -> Result<Option<Wait>, WaitError> {
    let index = match parameters.get("index").filter(|text| !text.is_empty()) {
        Some(text) => text.parse().map_err(|_| WaitError::Index(text.to_owned()))?,
        None => 0,
    };
    let at_most = match parameters.get("wait").filter(|text| !text.is_empty()) {
        Some(text) => duration(text).ok_or_else(|| WaitError::Time(text.to_owned()))?,
        None => Duration::ZERO,
    };
    let at_most = if at_most.is_zero() { DEFAULT_WAIT } else { at_most.min(LONGEST_WAIT) };
    Ok((index > 0).then_some(Wait { index, at_most }))
}

/// The answer of now.
pub fn at_once(view: &View, numbering: Numbering, document: impl Fn(&View) -> Value) -> Indexed {
    Indexed { index: numbering.index(view).max(1), document: document(view) }
}

/// The answer, once it is another than the one that the client has, or the time is over.
pub async fn changed(
    views: &mut watch::Receiver<Arc<View>>,
    wait: Wait,
    numbering: Numbering,
    document: impl Fn(&View) -> Value,
) -> Indexed {
    let view = Arc::clone(&views.borrow_and_update());
    let mut answer = at_once(&view, numbering, &document);
    // Whoever waits long holds no old view.
    drop(view);
    if answer.index != wait.index {
        return answer;
    }
    let jitter = rand::rng().random_range(Duration::ZERO..=wait.at_most / JITTER);
    let end = Instant::now() + wait.at_most + jitter;
    while let Ok(Ok(())) = timeout_at(end, views.changed()).await {
        let view = Arc::clone(&views.borrow_and_update());
        let before = std::mem::replace(&mut answer, at_once(&view, numbering, &document));
        if answer.document != before.document {
            break;
        }
    }
    answer
}
