//! Changing the keys of the whole ring: each member is asked to, and says what came of it.
//!
//! A key is changed in three rounds: install the new one, use it, remove the old one. After each round the report tells
//! whether all members did it, and the next one may begin.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::wire::keyring::{Key, Keyring};
use crate::wire::message::Name;
use crate::wire::serf::{self, KeyRequest, KeyResponse, SerfMessage};

/// What a member of a ring without encryption says.
const NO_KEYS: &str = "No keyring to modify (encryption not enabled)";

/// What is to be done with a key, by every member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// Decrypt with it too.
    Install(Key),
    /// Encrypt with it.
    Use(Key),
    /// Forget it.
    Remove(Key),
    /// Say which there are.
    List,
}

impl KeyChange {
    /// The name of the query that asks for it.
    pub(super) const fn query(&self) -> &'static str {
        match self {
            Self::Install(_) => "_serf_install-key",
            Self::Use(_) => "_serf_use-key",
            Self::Remove(_) => "_serf_remove-key",
            Self::List => "_serf_list-keys",
        }
    }

    /// The payload of the query.
    pub(super) fn request(&self) -> Bytes {
        let key = match self {
            Self::Install(key) | Self::Use(key) | Self::Remove(key) => Bytes::copy_from_slice(key.as_bytes()),
            Self::List => Bytes::new(),
        };
        serf::encode(&SerfMessage::KeyRequest(KeyRequest { key }))
    }

    /// What a query asks for; an error to answer with where that makes no sense, and nothing where it is about something
    /// else than keys.
    pub(super) fn asked(query: &str, payload: &[u8]) -> Option<Result<Self, String>> {
        let change: fn(Key) -> Self = match query {
            "_serf_install-key" => Self::Install,
            "_serf_use-key" => Self::Use,
            "_serf_remove-key" => Self::Remove,
            "_serf_list-keys" => return Some(Ok(Self::List)),
            _ => return None,
        };
        Some(match serf::decode(payload) {
            Ok(SerfMessage::KeyRequest(request)) => {
                Key::from_bytes(&request.key).map(change).map_err(|error| error.to_string())
            }
            Ok(_) => Err("the query has no key".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Does it here.
    pub(super) fn apply(self, keyring: Option<&mut Keyring>) -> KeyResponse {
        let Some(keyring) = keyring else { return refused(NO_KEYS.to_owned()) };
        let done = match self {
            Self::Install(key) => keyring.add(key),
            Self::Use(key) => keyring.use_key(&key),
            Self::Remove(key) => keyring.remove(&key),
            Self::List => return list(keyring),
        };
        match done {
            Ok(()) => KeyResponse { result: true, ..KeyResponse::default() },
            Err(error) => refused(error.to_string()),
        }
    }
}

fn list(keyring: &Keyring) -> KeyResponse {
    let keys = keyring.keys().map(Key::to_base64).collect();
    KeyResponse { result: true, keys, primary_key: keyring.primary().to_base64(), ..KeyResponse::default() }
}

/// The answer of a member that could not.
pub(super) fn refused(message: String) -> KeyResponse {
    KeyResponse { message, ..KeyResponse::default() }
}

/// Takes keys off a list that is too long for one answer, and says so in it. `false` where there are none left to take.
pub(super) fn shorten(response: &mut KeyResponse, all: usize) -> bool {
    if response.keys.pop().is_none() {
        return false;
    }
    response.message = format!("truncated key list response, showing first {} of {all} keys", response.keys.len());
    true
}

/// What came of a change, ring-wide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyReport {
    /// How many members there were when it was asked.
    pub members: usize,
    /// How many have answered.
    pub responses: usize,
    /// How many of these could not.
    pub errors: usize,
    /// What members had to say, by name: why they could not, or that there is more to list.
    pub messages: BTreeMap<Name, String>,
    /// How many members have which key (base64); only where they were listed.
    pub keys: BTreeMap<String, usize>,
    /// How many members encrypt with which key; only where they were listed.
    pub primary_keys: BTreeMap<String, usize>,
}

impl KeyReport {
    /// Whether every member has done it.
    pub const fn is_complete(&self) -> bool {
        self.errors == 0 && self.responses >= self.members
    }

    /// Takes in one member's answer.
    pub(super) fn hear(&mut self, from: Name, payload: &[u8]) {
        self.responses += 1;
        let Ok(SerfMessage::KeyResponse(response)) = serf::decode(payload) else {
            self.errors += 1;
            self.messages.insert(from, "the answer is none about keys".to_owned());
            return;
        };
        if !response.result {
            self.errors += 1;
        }
        if !response.result || !response.message.is_empty() {
            self.messages.insert(from, response.message);
        }
        for key in response.keys {
            *self.keys.entry(key).or_default() += 1;
        }
        if !response.primary_key.is_empty() {
            *self.primary_keys.entry(response.primary_key).or_default() += 1;
        }
    }
}
