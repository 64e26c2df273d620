//! The cloud's clock, as the `Date` of its replies shows it. Operators' clocks differ; the cloud has one.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use http::HeaderMap;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// What a service's clock showed, and when we saw it.
#[derive(Default)]
pub(super) struct Clock(Mutex<Option<(Timestamp, Instant)>>);

impl Clock {
    /// Takes over what a reply says; one without a readable `Date` (RFC 9110, 6.6.1) says nothing.
    pub(super) fn set_by(&self, headers: &HeaderMap) {
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        let shown = date.and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
        if let Some(shown) = shown {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((shown, Instant::now()));
        }
    }

    /// What it shows now.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (shown, at) = seen?;
        shown.checked_add(at.elapsed()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_from_the_last_date_that_could_be_read() {
        let clock = Clock::default();
        assert_eq!(clock.now(), None);
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "yesterday"] {
            clock
                .set_by(&HeaderMap::from_iter([(http::header::DATE, date.parse().unwrap_or_else(|_| unreachable!()))]));
            let shown = clock.now().map(Timestamp::as_second);
            assert!(shown.is_some_and(|shown| (784_111_777..784_111_800).contains(&shown)), "{date}: {shown:?}");
        }
    }
}
