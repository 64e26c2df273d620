//! Whether to send again, and when. Pure but for the jitter.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;

use super::super::error::{Error, is_certificate_failure};
use super::super::request::{Repeat, Service};
use super::{Message, Response, refusal};

/// How often and how patiently requests are repeated.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// The first pause; every further one is twice as long. Half of each pause is drawn at random, so that many
    /// clients that failed together do not come back together.
    pub first_wait: Duration,
    /// No pause is longer, and no longer `Retry-After` is waited for.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 5, first_wait: Duration::from_millis(250), longest_wait: Duration::from_secs(30) }
    }
}

/// What became of one attempt.
pub(super) enum Outcome {
    /// An answer came, of whatever status.
    Answered(Response),
    /// No connection: nothing was sent.
    NotReached(reqwest::Error),
    /// Something was sent and no whole answer came.
    NoReply(reqwest::Error),
}

/// What follows from it.
pub(super) enum Verdict {
    Done(Result<Response, Error>),
    Again(Duration),
}

/// The table of the module above, as code.
pub(super) fn judge(outcome: Outcome, message: &Message<'_>, number: u32, policy: &RetryPolicy) -> Verdict {
    let left = number < policy.attempts;
    let safe = message.repeat() == Repeat::Safe;
    let (method, url) = (message.request.method.clone(), message.url.clone());
    match outcome {
        Outcome::NotReached(source) => {
            // A certificate that is refused now is refused again, and a request that cannot be built stays so.
            if left && !is_certificate_failure(&source) && !source.is_builder() {
                return Verdict::Again(policy.pause(number));
            }
            Verdict::Done(Err(Error::Unreachable { method, url, source }))
        }
        Outcome::NoReply(_) if safe && left => Verdict::Again(policy.pause(number)),
        Outcome::NoReply(source) if safe => Verdict::Done(Err(Error::NoReply { method, url, source })),
        Outcome::NoReply(source) => {
            Verdict::Done(Err(Error::Unknown { method, url, status: None, source: Some(source) }))
        }
        Outcome::Answered(response) if response.status.is_success() => Verdict::Done(Ok(response)),
        Outcome::Answered(response) => {
            let status = response.status;
            let lost_by_gateway = matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
            if lost_by_gateway && !safe {
                return Verdict::Done(Err(Error::Unknown { method, url, status: Some(status), source: None }));
            }
            let asked = retry_after(&response.headers, Timestamp::now());
            let patient = asked.is_none_or(|wait| wait <= policy.longest_wait);
            if left && patient && may_repeat(status, message.service(), safe) {
                return Verdict::Again(asked.unwrap_or_else(|| policy.pause(number)));
            }
            Verdict::Done(Err(Error::Refused(Box::new(refusal(&response, asked)))))
        }
    }
}

fn may_repeat(status: StatusCode, service: Service, safe: bool) -> bool {
    match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::SERVICE_UNAVAILABLE => safe || matches!(service, Service::Network | Service::LoadBalancer),
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => safe,
        _ => false,
    }
}

impl RetryPolicy {
    /// The pause after attempt `number`.
    fn pause(&self, number: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(number.saturating_sub(1));
        let whole = self.first_wait.saturating_mul(doubled).min(self.longest_wait);
        whole.mul_f64(0.5 + rand::random::<f64>() / 2.0)
    }
}

/// `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3). A date that has passed means now.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}
