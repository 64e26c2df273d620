//! What is known of another host.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pontoon_ring::time::Time;

use super::change::{Mark, Step};
use super::limits;
use super::model::{Container, HostState, Name, Part};
use super::view::HostView;
use super::wire::{Announcement, Answer, Content};

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    pub(super) state: HostState,
    /// Which state of its part is known; none before it has answered once.
    pub(super) mark: Option<Mark>,
    pub(super) part: Arc<Part>,
    pub(super) round_trip: Option<Duration>,
    /// When it was last known to be there.
    pub(super) seen: Time,
    pub(super) asking: Asking,
    /// How long after an ask the next one may go: longer where asking was in vain.
    pub(super) patience: Duration,
    pub(super) asked_at: Option<Time>,
    /// Whether something was heard that is not known, so that it has to be asked whatever its tag says.
    pub(super) behind: bool,
    /// What it is in a view, until something of it changes.
    pub(super) view: Option<Arc<HostView>>,
}

/// Whether its part is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// There is no need.
    No,
    /// At that time.
    Due(Time),
    /// It is asked, and has until then.
    Open {
        /// The number that the answer has to carry.
        id: u32,
        deadline: Time,
        /// Something newer was heard since; the answer may have been on its way by then.
        newer: Option<Mark>,
    },
}

/// What an announcement was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is known, or older than what is.
    Known,
    /// The part is newer by it.
    Applied,
    /// The owner has to be asked.
    Gap,
}

impl Peer {
    pub(super) fn new(address: IpAddr, state: HostState, now: Time) -> Self {
        Self {
            address,
            state,
            mark: None,
            part: Arc::default(),
            round_trip: None,
            seen: now,
            asking: Asking::No,
            patience: Duration::ZERO,
            asked_at: None,
            behind: false,
            view: None,
        }
    }

    /// Takes in what is said of its part. A step counts if it was made in the very state that is known, and leads on by
    /// one version. An epoch that went back is asked about, since a clock may; an older version of the same is stale.
    pub(super) fn hear(&mut self, said: &Announcement) -> Heard {
        let Some(held) = self.mark else { return Heard::Gap };
        if said.mark == held {
            return Heard::Known;
        }
        if let Some(step) = &said.step {
            let next = said.mark.version.epoch == held.version.epoch
                && said.mark.version.change == held.version.change.saturating_add(1);
            if step.after == said.mark && next && self.take_step(step) {
                return Heard::Applied;
            }
        }
        let stale = said.mark.version.epoch == held.version.epoch && said.mark.version < held.version;
        if stale { Heard::Known } else { Heard::Gap }
    }

    /// Takes in what the owner has answered, which counts whatever was heard before. Tells whether its state is known
    /// now; if not, the steps did not fit, and the whole is needed.
    pub(super) fn answered(&mut self, answer: Answer) -> Result<(), Unfit> {
        match answer.content {
            Content::Nothing if self.mark == Some(answer.mark) => Ok(()),
            Content::Steps(steps) => {
                for step in &steps {
                    self.take_step(step);
                }
                if self.mark == Some(answer.mark) { Ok(()) } else { Err(Unfit) }
            }
            Content::Whole(containers) if limits::fits(&containers) => {
                self.put(answer.mark, self.sharing(containers));
                Ok(())
            }
            Content::Nothing | Content::Whole(_) => Err(Unfit),
        }
    }

    /// What is known now. The caller has seen to it that it is within all limits.
    pub(super) fn put(&mut self, mark: Mark, containers: BTreeMap<Name, Arc<Container>>) {
        self.mark = Some(mark);
        self.part = Arc::new(Part { version: mark.version, containers });
        self.view = None;
    }

    fn take_step(&mut self, step: &Step) -> bool {
        if self.mark != Some(step.before) {
            return false;
        }
        let after = step.change.apply(&self.part.containers);
        let applied = after.is_some();
        if let Some(after) = after {
            self.put(step.after, after);
        }
        applied
    }

    /// The same containers, those that are known already shared with what is known.
    fn sharing(&self, containers: BTreeMap<Name, Arc<Container>>) -> BTreeMap<Name, Arc<Container>> {
        let share = |(name, container): (Name, Arc<Container>)| match self.part.containers.get_key_value(&name) {
            Some((known, same)) if **same == *container => (known.clone(), same.clone()),
            _ => (name, container),
        };
        containers.into_iter().map(share).collect()
    }

    /// What it is in a view.
    pub(super) fn view(&mut self, name: &Name) -> Arc<HostView> {
        let view = self.view.get_or_insert_with(|| {
            Arc::new(HostView {
                name: name.clone(),
                address: self.address,
                state: self.state,
                round_trip: self.round_trip,
                part: self.part.clone(),
                stale_since: (self.state != HostState::Alive).then(|| self.seen.elapsed().as_secs()),
            })
        });
        view.clone()
    }
}

/// An answer that does not lead from what is known to what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit;
