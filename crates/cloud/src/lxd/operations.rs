//! Operations: what the daemon does in the background.
//!
//! A request that fails later is answered 202 all the same, and waiting for its operation is answered 200 with the
//! failure inside: only the operation's own status counts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::client::Client;
use super::wire::{or_default, segment};
use super::{ETag, LxdError};

/// One question to `/wait` lasts at most this long, so that proxies and keep-alives see some traffic.
const WAIT_SLICE: Duration = Duration::from_secs(30);

/// What the answer to `/wait` may be late.
const WAIT_SLACK: Duration = Duration::from_secs(30);

/// How often a lost answer to `/wait` is asked for again before the outcome counts as unknown.
const WAIT_RETRIES: u32 = 3;

/// A background operation of the daemon.
#[derive(Debug, Clone, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// `task`, `websocket` or `token`.
    #[serde(default)]
    pub class: String,
    /// What it does, in the daemon's words.
    #[serde(default)]
    pub description: String,
    /// The state in words.
    #[serde(default)]
    pub status: String,
    /// The state: 103 running, 105 pending, 200 success, 400 failure, 401 cancelled.
    #[serde(default)]
    pub status_code: u16,
    /// The failure in the daemon's words, or empty.
    #[serde(default)]
    pub err: String,
    /// Whether it can be cancelled.
    #[serde(default)]
    pub may_cancel: bool,
    /// What it is about: kind of resource to their paths.
    #[serde(default, deserialize_with = "or_default")]
    pub resources: BTreeMap<String, Vec<String>>,
    /// Progress while it runs, result when it has ended; differs from operation to operation.
    #[serde(default)]
    pub metadata: Value,
    /// The request that began it, for messages.
    #[serde(skip)]
    pub(super) doing: String,
}

impl Operation {
    /// True once it has ended, well or not.
    pub fn is_over(&self) -> bool {
        self.status_code >= 200
    }

    /// The operation's own path.
    pub(super) fn path(&self) -> String {
        format!("/1.0/operations/{}", segment(&self.id))
    }

    fn doing(&self) -> String {
        if self.doing.is_empty() { self.description.clone() } else { self.doing.clone() }
    }
}

impl Client {
    /// Waits until an operation has ended, and returns it if it ended well.
    ///
    /// Errors: [`LxdError::Failed`] with the daemon's words, [`LxdError::TimedOut`] if it is still running after
    /// `limit`, [`LxdError::Unknown`] if the daemon went away or has forgotten it (it does so some seconds after the
    /// end).
    pub async fn wait(&self, operation: &Operation, limit: Duration) -> Result<Operation, LxdError> {
        let ended = self.wait_for_end(operation, limit).await?;
        if ended.status_code == 200 {
            return Ok(ended);
        }
        let message = if ended.err.is_empty() { ended.status.clone() } else { ended.err };
        Err(LxdError::Failed { endpoint: self.endpoint(), doing: ended.doing, code: ended.status_code, message })
    }

    /// Like [`wait`](Client::wait), but an operation that ended badly is no error.
    pub(super) async fn wait_for_end(&self, operation: &Operation, limit: Duration) -> Result<Operation, LxdError> {
        let deadline = Instant::now() + limit;
        let mut retries = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let slice = left.min(WAIT_SLICE);
            // Whole seconds only, and 0 asks for the present state.
            let path = format!("{}/wait?timeout={}", operation.path(), slice.as_secs());
            let unknown = |reason| LxdError::Unknown { endpoint: self.endpoint(), doing: operation.doing(), reason };
            match self.get_within::<Operation>(path, slice + WAIT_SLACK).await {
                Ok((mut now, ETag(_))) => {
                    retries = 0;
                    now.doing = operation.doing();
                    if now.is_over() {
                        return Ok(now);
                    }
                }
                Err(error) if error.is_not_found() => {
                    return Err(unknown("the daemon no longer knows the operation".to_owned()));
                }
                Err(error @ (LxdError::Lost { .. } | LxdError::Connect { .. })) => {
                    retries += 1;
                    if retries > WAIT_RETRIES {
                        return Err(unknown(super::http::chain(&error)));
                    }
                    // The daemon may be restarting, which takes about a second.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(error),
            }
            if left.is_zero() {
                return Err(LxdError::TimedOut { endpoint: self.endpoint(), doing: operation.doing(), limit });
            }
            if slice.as_secs() == 0 {
                tokio::time::sleep(slice).await;
            }
        }
    }

    /// Asks the daemon to stop an operation. Most cannot be stopped ([`Operation::may_cancel`]).
    pub async fn cancel(&self, operation: &Operation) -> Result<(), LxdError> {
        self.delete(operation.path()).await.map(drop)
    }
}
