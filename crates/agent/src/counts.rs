//! What an agent counts from its start on, for whoever watches it at `/metrics`.
//!
//! Whoever does something counts it here, without waiting for anybody; machines that know no threads
//! ([`Catalogue`](crate::catalogue::Catalogue)) count for themselves, and who drives them puts the numbers here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::catalogue::State;
use crate::dns::numbers::Code;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// How many there are.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All that is counted.
#[derive(Debug, Default)]
pub struct Counts {
    /// What the catalogue counted, as of its last step.
    catalogue: Mutex<crate::catalogue::Counters>,
    /// Parts that are asked of other hosts, and what others ask.
    pub exchange: Exchange,
    /// Questions for names.
    pub dns: Dns,
    /// What containers say of themselves.
    pub announce: Announce,
    /// Looks at monitoring points.
    pub checks: Checks,
}

impl Counts {
    /// What the catalogue has counted.
    pub fn catalogue(&self) -> crate::catalogue::Counters {
        *lock(&self.catalogue)
    }

    /// Puts down what the catalogue has counted by now.
    pub fn set_catalogue(&self, counters: crate::catalogue::Counters) {
        *lock(&self.catalogue) = counters;
    }
}

/// The exchange with other hosts, in both directions.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Questions of this host's that were answered.
    pub answered: Count,
    /// Those that were not: no connection, no answer in time, or none that counts.
    pub failed: Count,
    /// Questions of other hosts that were answered.
    pub served: Count,
    /// Those that were not: they came too soon, with another key, or not whole.
    pub unserved: Count,
    /// Bytes of sealed messages that went.
    pub sent_bytes: Count,
    /// Bytes of sealed messages that came.
    pub received_bytes: Count,
}

/// DNS, by datagrams and connections together.
#[derive(Debug, Default)]
pub struct Dns {
    no_error: Count,
    form_err: Count,
    nx_domain: Count,
    not_imp: Count,
    refused: Count,
    bad_vers: Count,
    /// Datagrams from outside of the networks that are answered, which are not read.
    pub outside: Count,
    /// Messages that are no question, which are not answered.
    pub no_question: Count,
}

impl Dns {
    /// The count of answers with this code.
    pub const fn answers(&self, code: Code) -> &Count {
        match code {
            Code::NoError => &self.no_error,
            Code::FormErr => &self.form_err,
            Code::NxDomain => &self.nx_domain,
            Code::NotImp => &self.not_imp,
            Code::Refused => &self.refused,
            Code::BadVers => &self.bad_vers,
        }
    }
}

/// What containers say at their sockets.
#[derive(Debug, Default)]
pub struct Announce {
    /// What was taken.
    pub taken: Count,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl Announce {
    /// Something was refused for this reason, a word.
    pub fn refuse(&self, reason: &'static str) {
        *lock(&self.refused).entry(reason).or_default() += 1;
    }

    /// How often something was refused, by reason; those that never occurred are not there.
    pub fn refused(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.refused).clone()
    }
}

/// Looks at monitoring points, by what they saw.
#[derive(Debug, Default)]
pub struct Checks {
    passing: Count,
    warning: Count,
    unknown: Count,
    critical: Count,
    /// Those that were given up because they took too long, which counts as critical.
    pub late: Count,
}

impl Checks {
    /// The count of looks that ended with this state.
    pub const fn ended(&self, state: State) -> &Count {
        match state {
            State::Passing => &self.passing,
            State::Warning => &self.warning,
            State::Unknown => &self.unknown,
            State::Critical => &self.critical,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
