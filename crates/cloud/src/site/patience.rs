//! How long things are waited for, and how often they are looked at meanwhile.

use std::time::Duration;

use super::SiteError;

/// Limits for everything that takes time. They end a wait with an error that says what was waited for; none of them
/// makes anything faster.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// One step: a boot with its cloud-init, a load balancer, a container.
    pub step: Duration,
    /// The children of a load balancer that is itself settled. On an idle small cloud the slowest took 32 s.
    pub stuck: Duration,
    /// A container's service, after its cloud-init ended clean.
    pub answer: Duration,
    /// A look into a host that may or may not answer.
    pub look: Duration,
    /// Between two questions to Nova about a host whose sshd does not answer: for one that is deleted or fails meanwhile,
    /// and for one that cannot be reached before its key is known.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            step: Duration::from_mins(20),
            stuck: Duration::from_mins(3),
            answer: Duration::from_mins(3),
            look: Duration::from_secs(15),
            silence: Duration::from_secs(30),
        }
    }
}

/// The first pause between two looks. Each is twice the one before, to [`LONGEST_PAUSE`], so that what is quick is seen
/// quickly and what is slow costs few requests.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A look that takes long is a burden to who is looked at, such as a small host in its first boot: the pause after it is
/// as long as it took, up to this.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// Looks again and again until `look` returns something, `limit` at most. A look that returns `None` says in words,
/// through `state`, what it saw; `waiting` is told.
///
/// # Errors
/// [`SiteError::Deadline`] with the last of these words, or what `look` failed with: a look that may be made again says
/// so by `None`.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut(&mut String) -> Result<Option<T>, SiteError>,
    waiting: super::Waiting<'_>,
) -> Result<T, SiteError> {
    let begun = tokio::time::Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut state = String::new();
    loop {
        let looked = tokio::time::Instant::now();
        if let Some(found) = look(&mut state).await? {
            return Ok(found);
        }
        let rest = looked.elapsed().min(LONGEST_REST);
        if begun.elapsed() >= limit {
            return Err(SiteError::Deadline { what: what.to_owned(), limit, last: state });
        }
        waiting(format!("{what}: {state}"));
        tokio::time::sleep(pause.max(rest)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
