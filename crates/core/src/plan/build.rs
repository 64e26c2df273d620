//! Gathers steps and knows their order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Attachment, Blocked, Place, Plan, Step, Verb};
use crate::key::{Key, Kind};

/// A plan in the making.
pub(super) struct Builder {
    stack: String,
    plan: Plan,
    /// The last step of each key.
    last: BTreeMap<Key, usize>,
    /// Ids of floating IPs whose fate this plan has decided.
    settled: BTreeSet<String>,
}

impl Builder {
    pub(super) fn new(stack: &str) -> Self {
        Self { stack: stack.to_owned(), plan: Plan::default(), last: BTreeMap::new(), settled: BTreeSet::new() }
    }

    pub(super) fn key(&self, kind: Kind, name: impl Into<String>) -> Key {
        Key::new(&self.stack, kind, name)
    }

    /// Adds a step for one resource. It comes after every earlier step for that resource and after the steps, if
    /// there are any, that touch the resources in `after`; what needs no step is there already.
    pub(super) fn step(&mut self, verb: Verb, key: &Key, reason: impl Into<String>, after: &[Key], action: Action) {
        self.steps(verb, vec![key.clone()], reason, after, action);
    }

    /// Adds a step for several resources that one request makes.
    pub(super) fn steps(
        &mut self,
        verb: Verb,
        keys: Vec<Key>,
        reason: impl Into<String>,
        after: &[Key],
        action: Action,
    ) {
        let mut before: Vec<usize> = keys.iter().chain(after).filter_map(|key| self.last.get(key).copied()).collect();
        before.sort_unstable();
        before.dedup();
        let place = self.plan.steps.len();
        for key in &keys {
            self.last.insert(key.clone(), place);
        }
        self.plan.steps.push(Step { keys, verb, reason: reason.into(), after: before, action });
    }

    /// Whether any step so far touches the resource.
    pub(super) fn touches(&self, key: &Key) -> bool {
        self.last.contains_key(key)
    }

    pub(super) fn unchanged(&mut self, key: Key) {
        self.plan.unchanged.push(key);
    }

    pub(super) fn blocked(&mut self, subject: impl Into<String>, reason: impl Into<String>, hint: impl Into<String>) {
        let blocked = Blocked { subject: subject.into(), reason: reason.into(), hint: hint.into() };
        if !self.plan.blocked.contains(&blocked) {
            self.plan.blocked.push(blocked);
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.plan.notes.push(note.into());
    }

    /// Marks a floating IP as settled: put to use by this plan, or taken away by it already.
    pub(super) fn settle(&mut self, id: &str) {
        self.settled.insert(id.to_owned());
    }

    pub(super) fn settled(&self, id: &str) -> bool {
        self.settled.contains(id)
    }

    pub(super) fn attachment(&mut self, attachment: Attachment, reason: impl Into<String>) {
        self.plan.attachment = Some((attachment, reason.into()));
    }

    /// How containers pass port security, and why so, in words.
    pub(super) fn chosen_attachment(&self) -> (String, String) {
        let chosen = self.plan.attachment.as_ref();
        chosen.map(|(attachment, reason)| (attachment.to_string(), reason.clone())).unwrap_or_default()
    }

    pub(super) fn places(&mut self, places: Vec<Place>) {
        self.plan.places = places;
    }

    /// The steps so far.
    pub(super) fn planned(&self) -> &[Step] {
        &self.plan.steps
    }

    pub(super) fn finish(mut self) -> Plan {
        // A resource that some step touches is not unchanged, whatever an earlier look said of a part of it.
        let last = &self.last;
        self.plan.unchanged.retain(|key| !last.contains_key(key));
        self.plan
    }
}
