//! A member as the simulation drives it, with a listener that notes all that it tells.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::serf::snapshot::{AfterLeave, Snapshot, Write};
use crate::serf::{
    Answer, Change, Coalesce, Config, Event, KeyReport, Output, Query, QueryId, Replay, Serf, Tags, UserEvent,
};
use crate::simulation::{Announces, Birth, Machine, Network, Simulation};
use crate::swim::{self, Departure, Input, Persistence};
use crate::time::Time;
use crate::wire::message::Alive;
use crate::wire::{Compression, Layers};

/// A member and what it told.
pub(super) struct Actor {
    pub(super) serf: Serf,
    outputs: VecDeque<swim::Output>,
    changes: Vec<swim::Change>,
    pub(super) events: Vec<Event>,
    pub(super) answers: Vec<(QueryId, Answer)>,
    pub(super) ended: Vec<QueryId>,
    pub(super) reports: Vec<KeyReport>,
    pub(super) has_left: bool,
    pub(super) has_lost: bool,
    /// What it answers to each query; nothing where it is `None`.
    pub(super) answer: Option<Bytes>,
    unanswered: Vec<QueryId>,
    file: Option<File>,
}

type File = Rc<RefCell<String>>;

/// The snapshots of all members, which outlive them.
pub(super) type Files = Rc<RefCell<BTreeMap<usize, File>>>;

pub(super) type Stage = Simulation<Actor>;

/// A simulation of members that are made as `tune` says.
pub(super) fn stage(seed: u64, network: Network, tune: impl Fn(usize, &mut Config, &mut Layers) + 'static) -> Stage {
    Simulation::new(seed, network, move |birth: &Birth| Some(Actor::new(birth, &tune, None)))
}

/// The same, of members that keep snapshots.
pub(super) fn stage_with_files(seed: u64, after_leave: AfterLeave) -> (Stage, Files) {
    let files = Files::default();
    let all = files.clone();
    let stage = Simulation::new(seed, Network::default(), move |birth: &Birth| {
        let file = all.borrow_mut().entry(birth.index).or_default().clone();
        Some(Actor::new(birth, &|_, _, _| {}, Some((file, after_leave))))
    });
    (stage, files)
}

/// A ring of so many that know each other.
pub(super) fn ring(
    seed: u64,
    members: usize,
    network: Network,
    tune: impl Fn(usize, &mut Config, &mut Layers) + 'static,
) -> Stage {
    let mut stage = stage(seed, network, tune);
    for index in 0..members {
        stage.start();
        if index > 0 {
            let seed = stage.address(0).unwrap();
            stage.act(index, |actor, now| actor.join(now, vec![seed]));
        }
    }
    stage.converge(Duration::from_mins(2)).expect("they find each other");
    stage
}

/// A plain ring of so many.
pub(super) fn plain_ring(members: usize) -> Stage {
    ring(1, members, Network::default(), |_, _, _| {})
}

impl Actor {
    fn new(birth: &Birth, tune: &impl Fn(usize, &mut Config, &mut Layers), file: Option<(File, AfterLeave)>) -> Self {
        let mut config = Config::new(swim::Config::lan(birth.name(), birth.address));
        let mut layers = Layers { compression: Compression::Off, ..Layers::default() };
        tune(birth.index, &mut config, &mut layers);
        let snapshot = file.as_ref().map(|(file, after_leave)| Snapshot::read(file.borrow().as_bytes(), *after_leave));
        Self {
            serf: Serf::new(config, layers, snapshot, birth.seed, birth.now).unwrap(),
            outputs: VecDeque::new(),
            changes: Vec::new(),
            events: Vec::new(),
            answers: Vec::new(),
            ended: Vec::new(),
            reports: Vec::new(),
            has_left: false,
            has_lost: false,
            answer: None,
            unanswered: Vec::new(),
            file: file.map(|(file, _)| file),
        }
    }

    pub(super) fn user_events(&self) -> Vec<&UserEvent> {
        self.events.iter().filter_map(|event| if let Event::User(event) = event { Some(event) } else { None }).collect()
    }

    pub(super) fn queries(&self) -> Vec<&Query> {
        self.events
            .iter()
            .filter_map(|event| if let Event::Query(query) = event { Some(query) } else { None })
            .collect()
    }

    /// What happened to a member, as far as it was told.
    pub(super) fn changes_of(&self, name: &str) -> Vec<Change> {
        let about = |event: &Event| match event {
            Event::Members { change, members } if members.iter().any(|member| &*member.name == name) => Some(*change),
            _ => None,
        };
        self.events.iter().filter_map(about).collect()
    }

    pub(super) fn statuses(&self) -> BTreeMap<String, String> {
        self.serf.members().map(|member| (member.name.to_string(), member.status.to_string())).collect()
    }

    pub(super) fn tags_of(&self, name: &str) -> Tags {
        self.serf.member(name).map(|member| Tags::clone(&member.tags)).unwrap_or_default()
    }

    pub(super) fn say(&mut self, now: Time, name: &str, payload: &str) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        self.serf.user_event(now, name, payload, Coalesce::Forbidden).unwrap();
    }

    fn hear(&mut self, output: Output) {
        match output {
            Output::Network(output) => self.outputs.push_back(output),
            Output::Event(event) => {
                self.note_changes(&event);
                if let Event::Query(query) = &event {
                    self.unanswered.push(query.id);
                }
                self.events.push(event);
            }
            Output::Answer { query, answer } => self.answers.push((query, answer)),
            Output::QueryEnded { query } => self.ended.push(query),
            Output::KeysChanged { report, .. } => self.reports.push(report),
            Output::Snapshot(write) => {
                let Some(file) = &self.file else { panic!("a snapshot that nobody wanted") };
                match write {
                    Write::Append(lines) | Write::AppendAndSync(lines) => file.borrow_mut().push_str(&lines),
                    Write::Replace(text) => *file.borrow_mut() = text,
                }
            }
            Output::ConflictLost => self.has_lost = true,
            Output::Left => self.has_left = true,
            Output::KeyringChanged | Output::JoinEnded { .. } => {}
        }
    }

    /// The referee judges the membership's changes, of which Serf's events are made.
    fn note_changes(&mut self, event: &Event) {
        let Event::Members { change, members } = event else { return };
        for member in members {
            let Some(known) = self.serf.swim.member(&member.name).cloned() else { continue };
            self.changes.push(match change {
                Change::Joined => swim::Change::Joined(known),
                Change::Updated => swim::Change::Updated(known),
                Change::Left => swim::Change::Gone(known, Departure::Left),
                Change::Failed => swim::Change::Gone(known, Departure::Failed),
                Change::Reaped => continue,
            });
        }
    }
}

impl Machine for Actor {
    fn handle(&mut self, now: Time, input: Input) {
        self.serf.handle(now, input);
        while let Some(output) = self.serf.poll() {
            self.hear(output);
        }
        for query in std::mem::take(&mut self.unanswered) {
            if let Some(answer) = self.answer.clone() {
                self.serf.respond(now, query, answer).unwrap();
            }
        }
    }

    fn poll(&mut self) -> Option<swim::Output> {
        while let Some(output) = self.serf.poll() {
            self.hear(output);
        }
        self.outputs.pop_front()
    }

    fn wake_at(&self) -> Option<Time> {
        self.serf.wake_at()
    }

    fn join(&mut self, now: Time, seeds: Vec<SocketAddr>) {
        self.serf.join(now, seeds, Persistence::UntilReached, Replay::No).unwrap();
    }

    fn leave(&mut self, now: Time) {
        self.serf.leave(now);
    }

    fn introduces_itself(&self) -> Option<Arc<Alive>> {
        self.serf.swim.local().map(|me| me.said.clone())
    }

    fn acquaint(&mut self, now: Time, members: &[Arc<Alive>]) {
        self.serf.swim.acquaint(now, members);
        self.serf.handle(now, Input::Tick);
    }

    fn member(&self, name: &str) -> Option<&swim::Member> {
        self.serf.swim.member(name)
    }

    fn living(&self) -> usize {
        self.serf.swim.living()
    }

    fn take_changes(&mut self) -> Vec<swim::Change> {
        std::mem::take(&mut self.changes)
    }
}

impl Announces for Actor {
    fn announce(&mut self, now: Time, number: u64) {
        self.say(now, "number", &number.to_string());
    }

    fn has_heard(&self, number: u64) -> bool {
        self.user_events().iter().any(|event| event.payload == number.to_string())
    }
}
