//! Looking at what runs: when the engine says that something may have changed, and now and then in any case.
//!
//! Every look reads everything. What the engine says is never more than a reason to look: a hint that was lost, came
//! twice or was wrong changes nothing but the moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::engine::{Engine, Running, Silence};
use super::pace::Pace;
use crate::catalogue::Name;

/// How long to wait after the first answer that did not come; then longer each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// What is known of the containers of this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Those that run, or ran when the engine answered last.
    pub(super) containers: BTreeMap<Name, Running>,
    /// Why that is not known any more, where it is not.
    pub(super) silence: Option<Silence>,
}

/// Watches until the future is dropped. Nothing is told before the engine has answered once, or was silent for long.
pub(super) async fn watch(engine: Arc<impl Engine>, pace: Pace, seen: watch::Sender<Option<Seen>>) {
    let wake = Notify::new();
    tokio::select! {
        () = engine.wake(&wake) => {
            // It has nothing more to say; looking now and then is left.
            look_for_ever(&*engine, &pace, &wake, &seen).await;
        }
        () = look_for_ever(&*engine, &pace, &wake, &seen) => {}
    }
}

async fn look_for_ever(engine: &impl Engine, pace: &Pace, wake: &Notify, seen: &watch::Sender<Option<Seen>>) {
    let mut answered = Instant::now();
    let mut failures: u32 = 0;
    loop {
        let began = Instant::now();
        let wait = match look(engine, pace.engine_answer).await {
            Ok(containers) => {
                if failures > 0 {
                    tracing::info!(containers = containers.len(), "the engine answers again");
                }
                (answered, failures) = (Instant::now(), 0);
                tell(seen, Seen { containers, silence: None });
                pace.poll
            }
            Err(silence) => {
                if failures == 0 {
                    tracing::warn!(reason = silence.reason, "the engine does not answer");
                }
                let left = pace.engine_silence.saturating_sub(answered.elapsed());
                let wait = FIRST_WAIT.saturating_mul(1 << failures.min(8)).min(pace.engine_answer);
                failures += 1;
                if left.is_zero() {
                    let containers = seen.borrow().as_ref().map(|seen| seen.containers.clone()).unwrap_or_default();
                    tell(seen, Seen { containers, silence: Some(silence) });
                    wait
                } else {
                    wait.min(left)
                }
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = wake.notified() => sleep_until(began + pace.poll_least).await,
        }
    }
}

async fn look(engine: &impl Engine, limit: Duration) -> Result<BTreeMap<Name, Running>, Silence> {
    let late = |_| Err(Silence { reason: format!("no answer in {limit:?}") });
    timeout(limit, engine.running()).await.unwrap_or_else(late)
}

fn tell(seen: &watch::Sender<Option<Seen>>, now: Seen) {
    seen.send_if_modified(|seen| {
        let different = seen.as_ref() != Some(&now);
        if different {
            *seen = Some(now);
        }
        different
    });
}
