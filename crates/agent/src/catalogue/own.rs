//! This host's own part: nobody else changes it.
//!
//! What the host has is handed in whole, at any rate; a version is made of it at most once in an interval, so the ring
//! is told as seldom, however often a container changes its mind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pontoon_ring::time::Time;
use rand::Rng;

use super::change::{Change, Mark, Step};
use super::limits;
use super::model::{Container, Name, Part, Version};
use super::wire::{self, Announcement, Answer};

/// The steps that are kept for those who ask what is new, and what they may have in bytes together.
const STEPS_MAX: usize = 128;
const STEP_BYTES_MAX: usize = 64 * 1024;
/// How many changes others can have been led astray at most: each takes an announcement, and this host answers each.
const LED_ASTRAY_MAX: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Own {
    name: Name,
    mark: Mark,
    part: Arc<Part>,
    /// What is to become of it with the next version.
    wanted: Option<BTreeMap<Name, Arc<Container>>>,
    /// The newest change that somebody else made up in this host's name: a version is due that is no older, even if
    /// nothing is different.
    refute: Option<u64>,
    /// No version is made before.
    version_at: Time,
    /// No tag is written before.
    tag_at: Time,
    tagged: Option<Mark>,
    /// The last steps, each as it is encoded.
    steps: VecDeque<(Step, Bytes)>,
    step_bytes: usize,
    /// The part, encoded when somebody first asked for it.
    whole: Option<Bytes>,
}

impl Own {
    pub(super) fn new(name: Name, epoch: u64, now: Time, chance: &mut impl Rng) -> Self {
        let version = Version { epoch, change: 0 };
        Self {
            name,
            mark: Mark { version, seal: chance.random() },
            part: Arc::new(Part { version, containers: BTreeMap::new() }),
            wanted: None,
            refute: None,
            version_at: now,
            tag_at: now,
            tagged: None,
            steps: VecDeque::new(),
            step_bytes: 0,
            whole: None,
        }
    }

    pub(super) const fn mark(&self) -> Mark {
        self.mark
    }

    pub(super) const fn part(&self) -> &Arc<Part> {
        &self.part
    }

    /// These are the containers now. Tells how many were left out because they break a limit: none of the others is held
    /// back by them.
    pub(super) fn set(&mut self, containers: BTreeMap<Name, Container>) -> usize {
        let handed = containers.len();
        let known = &self.part.containers;
        let wanted: BTreeMap<Name, Arc<Container>> = containers
            .into_iter()
            .filter(|(name, container)| limits::container_fits(name, container))
            .take(limits::CONTAINERS_MAX)
            .map(|(name, container)| match known.get(&name) {
                Some(same) if **same == container => (name, same.clone()),
                _ => (name, Arc::new(container)),
            })
            .collect();
        let refused = handed - wanted.len();
        self.wanted = Some(wanted);
        refused
    }

    /// Somebody has said that this host's part has a state that it never had. Whoever believed him is put right by a
    /// version that is no older, and has another seal than any that the liar could say: it makes them ask.
    pub(super) fn hear(&mut self, mark: Mark) {
        let Version { epoch, change } = self.mark.version;
        let known = mark == self.mark || self.steps.iter().any(|(step, _)| step.after == mark || step.before == mark);
        let reachable = change..=change.saturating_add(LED_ASTRAY_MAX);
        if !known && mark.version.epoch == epoch && reachable.contains(&mark.version.change) {
            self.refute = self.refute.max(Some(mark.version.change));
        }
    }

    /// When [`Own::version`] has something to do.
    pub(super) fn version_due(&self) -> Option<Time> {
        (self.wanted.is_some() || self.refute.is_some()).then_some(self.version_at)
    }

    /// Makes the next version if it is time and something is different, and tells what to say of it.
    pub(super) fn version(&mut self, now: Time, interval: Duration, chance: &mut impl Rng) -> Option<Bytes> {
        if self.version_due().is_none_or(|due| due > now) {
            return None;
        }
        let refute = self.refute.take();
        let wanted = self.wanted.take().unwrap_or_else(|| self.part.containers.clone());
        let change = Change::between(&self.part.containers, &wanted);
        if change.is_empty() && refute.is_none() {
            return None;
        }
        let before = self.mark;
        let Version { epoch, change: count } = before.version;
        let change_count = count.saturating_add(1).max(refute.unwrap_or(0));
        let version = Version { epoch, change: change_count };
        self.mark = Mark { version, seal: chance.random() };
        self.part = Arc::new(Part { version, containers: wanted });
        self.whole = None;
        self.version_at = now + interval;
        let step = Step { before, after: self.mark, change };
        self.keep(step.clone());
        Some(Announcement::new(self.name.clone(), self.mark, Some(step)).encode())
    }

    /// When [`Own::tag`] has something to do.
    pub(super) fn tag_due(&self) -> Option<Time> {
        (self.tagged != Some(self.mark)).then_some(self.tag_at)
    }

    /// The tag, if it is time for another one.
    pub(super) fn tag(&mut self, now: Time, interval: Duration) -> Option<Bytes> {
        if self.tag_due().is_none_or(|due| due > now) {
            return None;
        }
        self.tagged = Some(self.mark);
        self.tag_at = now + interval;
        Some(Announcement::new(self.name.clone(), self.mark, None).encode())
    }

    /// What to tell one who has the state `since`: the steps from there if they are known and shorter than the whole.
    pub(super) fn answer(&mut self, id: u32, since: Option<Mark>) -> Bytes {
        if since == Some(self.mark) {
            return Answer::around(id, self.mark, &[]);
        }
        let part = &self.part;
        let whole = self.whole.get_or_insert_with(|| wire::encode(&part.containers));
        let from = since.and_then(|since| self.steps.iter().position(|(step, _)| step.before == since));
        if let Some(from) = from {
            let steps: Vec<&[u8]> = self.steps.iter().skip(from).map(|(_, bytes)| &bytes[..]).collect();
            let joined = [b"[", &steps.join(&b',')[..], b"]"].concat();
            if joined.len() < whole.len() {
                return Answer::around(id, self.mark, &joined);
            }
        }
        Answer::around(id, self.mark, whole)
    }

    fn keep(&mut self, step: Step) {
        let bytes = wire::encode(&step);
        self.step_bytes += bytes.len();
        self.steps.push_back((step, bytes));
        while self.steps.len() > STEPS_MAX || self.step_bytes > STEP_BYTES_MAX {
            let Some((_, oldest)) = self.steps.pop_front() else { break };
            self.step_bytes -= oldest.len();
        }
    }
}
