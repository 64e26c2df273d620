//! A member of ours.

use std::collections::BTreeMap;
use std::ops::Deref;

use pontoon_ring::driver::{self, Config, Handle, Notice, Subscription};
use pontoon_ring::serf::{self, Event, Replay, Tags};
use pontoon_ring::swim::{self, Persistence};
use pontoon_ring::wire::keyring::Keyring;

use crate::ring::{Ring, View};

pub(crate) struct Ours {
    handle: Handle,
}

impl Deref for Ours {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Ours {
    /// Starts the member `ours-NUMBER`, with the intervals of Serf's profile `lan`. (That one's messages are repeated
    /// so often that each reaches everybody; in `local`, one in ten of theirs misses the last of four.)
    pub(crate) async fn start(ring: &Ring, number: u8, change: impl FnOnce(&mut Config)) -> Self {
        let swim = swim::Config::lan(format!("ours-{number}"), ring.address(number));
        let mut config = Config::new(serf::Config::new(swim));
        config.layers.keyring = ring.key.clone().map(Keyring::new);
        change(&mut config);
        Self { handle: driver::start(config).await.expect("it starts") }
    }

    /// Joins by the member of a number.
    pub(crate) async fn joins(&self, ring: &Ring, seed: u8) {
        let joined = self.join(vec![ring.address(seed)], Persistence::Once, Replay::No).await.unwrap();
        assert_eq!(joined.reached, [ring.address(seed)], "{:?}", joined.failed);
    }

    pub(crate) async fn view(&self) -> View {
        let members = self.members().await.unwrap();
        members.into_iter().map(|member| (member.name.to_string(), member.status.to_string())).collect()
    }

    /// What a member says of itself, as this one knows it.
    pub(crate) async fn tags_of(&self, name: &str) -> Option<Tags> {
        let members = self.members().await.unwrap();
        members.into_iter().find(|member| &*member.name == name).map(|member| Tags::clone(&member.tags))
    }
}

/// The next event that `wanted` makes something of.
pub(crate) async fn next<T>(events: &mut Subscription, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
    let waiting = async {
        loop {
            match events.next().await {
                Some(Notice::Event(event)) => {
                    if let Some(found) = wanted(&event) {
                        return found;
                    }
                }
                other => panic!("no event any more: {other:?}"),
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), waiting).await.expect("an event comes")
}

pub(crate) fn tags(all: &[(&str, &str)]) -> Tags {
    all.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
}
