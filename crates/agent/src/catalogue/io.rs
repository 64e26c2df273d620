//! What goes into the catalogue's state machine and what comes out of it.
//!
//! The ring carries it: announcements as user events, the tag among the member's tags, asks and answers between two
//! members over something that proves who the other one is. Whoever carries them opens a stream to the owner for an
//! [`Output::Ask`] (see [`Ask`](super::wire::Ask) for its bytes), and hands what comes back to [`Input::Answered`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::change::Mark;
use super::model::{Container, HostState, Name};
use super::view::View;
use super::wire::Ask;

/// What happens to a catalogue.
#[derive(Clone, Debug)]
pub enum Input {
    /// Nothing but time: `Catalogue::wake_at` has come.
    Tick,
    /// These are the containers of this host now, all of them.
    Own(BTreeMap<Name, Container>),
    /// What the membership says of another host; also when it has changed its address.
    Host {
        /// Which.
        name: Name,
        /// Where its agent listens.
        address: IpAddr,
        /// Whether it is there.
        state: HostState,
    },
    /// The membership has forgotten a host.
    Forgotten(Name),
    /// How far another host is, there and back.
    Distance {
        /// Which.
        name: Name,
        /// By the ring's coordinates.
        round_trip: Duration,
    },
    /// A user event of the catalogue has come, from whomever.
    Announced(Bytes),
    /// The catalogue's tag of a member is known, or has changed.
    Tagged {
        /// Whose.
        host: Name,
        /// Its value.
        bytes: Bytes,
    },
    /// Another member asks for this host's part.
    Asked {
        /// Who.
        host: Name,
        /// What.
        ask: Ask,
    },
    /// A host has answered what it was asked.
    Answered {
        /// Who, as the stream has proven.
        host: Name,
        /// The bytes of an [`Answer`](super::wire::Answer).
        bytes: Bytes,
    },
}

/// What a catalogue wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Say this to all as a user event; at most [`ANNOUNCEMENT_MAX`](super::limits::ANNOUNCEMENT_MAX) bytes.
    Announce(Bytes),
    /// Put this among the member's tags, in the place of the last one. It comes seldom: whoever has missed the last
    /// event finds it there.
    Tag(Bytes),
    /// Ask a host for its part.
    Ask {
        /// Which.
        host: Name,
        /// The number that the answer has to carry.
        id: u32,
        /// What is known of it.
        since: Option<Mark>,
    },
    /// Answer a host that has asked.
    Send {
        /// Which.
        host: Name,
        /// The answer.
        bytes: Bytes,
    },
    /// There is a new view.
    Publish(Arc<View>),
}
