//! The catalogue's messages as bytes.
//!
//! JSON: an operator reads them with any `serf monitor`, whoever adds a field breaks nobody, and there is one reader
//! of hostile input to trust, which is there already. msgpack would save a quarter of the bytes of what are mostly names
//! and addresses. Field names are single letters, for an announcement has to fit into a Serf user event.
//!
//! ```text
//!   announcement  {"v":1,"o":"lxd0","m":[1,7,99],"s":{"b":[1,6,12],"m":[1,7,99],"c":{"g":["hugo-0"]}}}
//!   ask           {"v":1,"a":5,"s":[1,3,44]}
//!   answer        {"v":1,"a":5,"m":[1,7,99]} LF, then nothing, or [steps], or {container: …} whole
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::change::{Mark, Step};
use super::limits::{ANNOUNCEMENT_MAX, ANSWER_MAX};
use super::model::{Container, Name};

/// The version of these messages; others are not read.
const VERSION: u8 = 1;

/// Why bytes are not one of the messages.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is longer than any of ours.
    #[error("a message of {bytes} bytes, and {most} is the most")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// An agent of another version sent it.
    #[error("a message of version {version}, and this agent reads {VERSION}")]
    Version {
        /// Its version.
        version: u8,
    },
    /// It is something else.
    #[error("not a message of the catalogue")]
    Rubbish(#[source] serde_json::Error),
}

/// To all: which state an owner's part has, and if that is short, how it came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    #[serde(rename = "v")]
    version: u8,
    /// Whose part. Nobody vouches for it: a user event does not tell who sent it.
    #[serde(rename = "o")]
    pub owner: Name,
    /// Its newest state.
    #[serde(rename = "m")]
    pub mark: Mark,
    /// The last step to it.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
}

/// From one member to the owner: what is new since a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    #[serde(rename = "v")]
    version: u8,
    /// Repeated in the answer, so that an answer counts only for whoever waits for it.
    #[serde(rename = "a")]
    pub id: u32,
    /// The state that the asker has.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Mark>,
}

/// From the owner to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The ask's.
    pub id: u32,
    /// The newest state.
    pub mark: Mark,
    /// The way to it.
    pub content: Content,
}

/// How an owner tells its newest state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The asker has it.
    Nothing,
    /// By what happened since, in order.
    Steps(Vec<Step>),
    /// All of it.
    Whole(BTreeMap<Name, Arc<Container>>),
}

/// What stands before the content of an answer.
#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(rename = "v")]
    version: u8,
    #[serde(rename = "a")]
    id: u32,
    #[serde(rename = "m")]
    mark: Mark,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Steps(Vec<Step>),
    Whole(BTreeMap<Name, Arc<Container>>),
}

impl Announcement {
    /// An announcement, without the step where that does not fit.
    pub fn new(owner: Name, mark: Mark, step: Option<Step>) -> Self {
        Self { version: VERSION, owner, mark, step }
    }

    /// Its bytes: with the step if these are few enough, else without.
    pub fn encode(mut self) -> Bytes {
        let long = encode(&self);
        if long.len() <= ANNOUNCEMENT_MAX || self.step.is_none() {
            return long;
        }
        self.step = None;
        encode(&self)
    }

    /// Reads one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        check_length(bytes, ANNOUNCEMENT_MAX)?;
        let announcement: Self = serde_json::from_slice(bytes).map_err(Error::Rubbish)?;
        check_version(announcement.version)?;
        Ok(announcement)
    }
}

impl Ask {
    /// A question.
    pub const fn new(id: u32, since: Option<Mark>) -> Self {
        Self { version: VERSION, id, since }
    }

    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }

    /// Reads one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        check_length(bytes, ANNOUNCEMENT_MAX)?;
        let ask: Self = serde_json::from_slice(bytes).map_err(Error::Rubbish)?;
        check_version(ask.version)?;
        Ok(ask)
    }
}

impl Answer {
    /// The bytes of an answer around a content that is encoded already: the whole part is encoded once for all who ask.
    pub(super) fn around(id: u32, mark: Mark, content: &[u8]) -> Bytes {
        let mut bytes = BytesMut::from(&encode(&Head { version: VERSION, id, mark })[..]);
        bytes.put_u8(b'\n');
        bytes.put_slice(content);
        bytes.freeze()
    }

    /// Reads one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        check_length(bytes, ANSWER_MAX)?;
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (head, body) = bytes.split_at(end);
        let head: Head = serde_json::from_slice(head).map_err(Error::Rubbish)?;
        check_version(head.version)?;
        let content = match body.strip_prefix(b"\n").unwrap_or(body) {
            [] => Content::Nothing,
            body => match serde_json::from_slice(body).map_err(Error::Rubbish)? {
                Body::Steps(steps) => Content::Steps(steps),
                Body::Whole(containers) => Content::Whole(containers),
            },
        };
        Ok(Self { id: head.id, mark: head.mark, content })
    }
}

/// The bytes of a message or of a content; these types have nothing that JSON could not say.
pub(super) fn encode(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn check_length(bytes: &[u8], most: usize) -> Result<(), Error> {
    if bytes.len() > most { Err(Error::TooLong { bytes: bytes.len(), most }) } else { Ok(()) }
}

fn check_version(version: u8) -> Result<(), Error> {
    if version == VERSION { Ok(()) } else { Err(Error::Version { version }) }
}
