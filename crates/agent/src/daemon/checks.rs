//! All checks of a host's containers: which may look now, so that those that are broken do not hold up the others.
//!
//! ```text
//!   due ──▶ waits for a place ──▶ looks ──▶ ended, or given up ──▶ due
//! ```
//!
//! There are places for looks from the host and, fewer, for looks by the engine; one container gets only some of either.
//! A look begins when it has a place, and its time counts from then: a crowd is no failure of anybody. Pure: it takes a
//! time, and hands back what is to be begun and what is to be dropped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pontoon_ring::time::Time;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::catalogue::{Health, MonitoringPoint, Name};
use crate::health::{Check, Event, Outcome, Run, Settings, of_container};

/// Looks from the host at once, and by the engine.
const OUTSIDE_MAX: usize = 128;
const INSIDE_MAX: usize = 8;
/// Those of them that one container may have.
const OUTSIDE_EACH: usize = 4;
const INSIDE_EACH: usize = 2;

/// One check, by a number that is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u64);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Do {
    /// Look, and hand the outcome to [`Checks::ended`].
    Look { id: Id, run: Run, container: Name, point: MonitoringPoint },
    /// Whatever the look of this check would say, nobody wants to know.
    Drop(Id),
}

/// All checks of a host.
#[derive(Debug)]
pub(super) struct Checks {
    settings: [Settings; 2],
    chance: ChaCha8Rng,
    last: u64,
    all: BTreeMap<Id, One>,
    of: BTreeMap<Name, BTreeMap<MonitoringPoint, Id>>,
    due: BTreeSet<(Time, Id)>,
    /// Those that are due and have no place yet, in the order in which they came.
    waiting: [VecDeque<Id>; 2],
    /// Those that look.
    looking: [BTreeMap<Name, usize>; 2],
    todo: Vec<Do>,
}

#[derive(Debug)]
struct One {
    container: Name,
    point: MonitoringPoint,
    place: Place,
    check: Check,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It looks at that time.
    Due(Time),
    /// It waits for a place.
    Waiting,
    /// It looks, and is given up at that time.
    Looking(Time),
}

/// Where a look is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside = 0,
    Inside = 1,
}

impl Checks {
    /// None yet. `outside` and `inside` say how those behave that are made from the host and by the engine, where nobody
    /// says it of a container; and whatever is said, the engine is not asked more often than `inside` says, nor given less
    /// time.
    pub(super) fn new(outside: Settings, inside: Settings, seed: u64) -> Self {
        Self {
            settings: [outside, inside],
            chance: ChaCha8Rng::seed_from_u64(seed),
            last: 0,
            all: BTreeMap::new(),
            of: BTreeMap::new(),
            due: BTreeSet::new(),
            waiting: Default::default(),
            looking: Default::default(),
            todo: Vec::new(),
        }
    }

    /// These are the checks of a container now, all of them, and how they behave. Those that it has already go on.
    pub(super) fn set(&mut self, now: Time, container: &Name, points: &[MonitoringPoint], said: Option<Settings>) {
        let wanted: BTreeSet<&MonitoringPoint> =
            points.iter().filter(|point| !matches!(point, MonitoringPoint::Metrics(_))).collect();
        let known = self.of.entry(container.clone()).or_default();
        let gone: Vec<Id> = known.iter().filter(|(point, _)| !wanted.contains(point)).map(|(_, id)| *id).collect();
        known.retain(|point, _| wanted.contains(point));
        let new: Vec<MonitoringPoint> =
            wanted.into_iter().filter(|point| !known.contains_key(*point)).cloned().collect();
        for id in gone {
            self.remove(id);
        }
        let settings = [Place::Outside, Place::Inside].map(|place| self.settings_at(place, said));
        let of = |place: Place| if place == Place::Outside { settings[0] } else { settings[1] };
        for id in self.of.get(container).into_iter().flat_map(BTreeMap::values) {
            if let Some(one) = self.all.get_mut(id) {
                one.check.adjust(of(one.place));
            }
        }
        for point in new {
            let settings = of(place(&point));
            self.add(now, container, point, settings);
        }
    }

    /// The container is gone, or is another one of its name.
    pub(super) fn forget(&mut self, container: &str) {
        for id in self.of.remove(container).unwrap_or_default().into_values() {
            self.remove(id);
        }
    }

    /// The look of a check has ended. Tells whose it was, where that is of interest.
    pub(super) fn ended(&mut self, now: Time, id: Id, run: Run, outcome: Outcome) -> Option<Name> {
        let one = self.all.get(&id).filter(|one| matches!(one.stage, Stage::Looking(_)))?;
        let container = one.container.clone();
        self.step(now, id, Event::Ended(run, outcome));
        Some(container)
    }

    /// Time has passed. Tells whose checks were given up, once for each look.
    pub(super) fn tick(&mut self, now: Time) -> Vec<Name> {
        let mut given_up = Vec::new();
        while let Some((time, id)) = self.due.first().copied().filter(|(time, _)| *time <= now) {
            self.due.remove(&(time, id));
            let Some(one) = self.all.get_mut(&id) else { continue };
            if matches!(one.stage, Stage::Looking(_)) {
                given_up.push(one.container.clone());
                self.todo.push(Do::Drop(id));
                self.step(now, id, Event::Tick);
            } else {
                one.stage = Stage::Waiting;
                let place = one.place;
                self.waiting_at(place).push_back(id);
            }
        }
        for place in [Place::Outside, Place::Inside] {
            self.fill(now, place);
        }
        given_up
    }

    /// What is to be done, in this order.
    pub(super) fn take_todo(&mut self) -> Vec<Do> {
        std::mem::take(&mut self.todo)
    }

    /// When [`Checks::tick`] is due.
    pub(super) fn wake_at(&self) -> Option<Time> {
        self.due.first().map(|(time, _)| *time)
    }

    /// How a container is by its checks.
    pub(super) fn health(&self, container: &str) -> Health {
        of_container(self.of(container).map(|one| (word(&one.point), one.check.health())))
    }

    /// Whether each check of each container has looked once.
    pub(super) fn have_looked(&self) -> bool {
        self.all.values().all(|one| one.check.has_looked())
    }

    fn of(&self, container: &str) -> impl Iterator<Item = &One> {
        let ids = self.of.get(container).into_iter().flat_map(BTreeMap::values);
        ids.filter_map(|id| self.all.get(id))
    }

    fn add(&mut self, now: Time, container: &Name, point: MonitoringPoint, settings: Settings) {
        self.last += 1;
        let id = Id(self.last);
        let place = place(&point);
        let check = Check::new(settings, self.chance.random(), now);
        let at = check.wake_at();
        self.of.entry(container.clone()).or_default().insert(point.clone(), id);
        self.all.insert(id, One { container: container.clone(), point, place, check, stage: Stage::Due(at) });
        self.due.insert((at, id));
    }

    fn remove(&mut self, id: Id) {
        let Some(one) = self.all.remove(&id) else { return };
        match one.stage {
            Stage::Due(time) => {
                self.due.remove(&(time, id));
            }
            Stage::Waiting => self.waiting_at(one.place).retain(|other| *other != id),
            Stage::Looking(time) => {
                self.due.remove(&(time, id));
                self.give_back(one.place, &one.container);
                self.todo.push(Do::Drop(id));
            }
        }
    }

    /// Hands an event to a check that looks. It keeps its place only where it looks again at once.
    fn step(&mut self, now: Time, id: Id, event: Event) {
        let Some(one) = self.all.get_mut(&id) else { return };
        let Stage::Looking(before) = one.stage else { return };
        let run = one.check.handle(now, event);
        let at = one.check.wake_at();
        let looks = one.check.is_looking();
        one.stage = if looks { Stage::Looking(at) } else { Stage::Due(at) };
        let (container, point, place) = (one.container.clone(), one.point.clone(), one.place);
        self.due.remove(&(before, id));
        self.due.insert((at, id));
        if !looks {
            self.give_back(place, &container);
            self.fill(now, place);
        }
        if let Some(run) = run {
            self.todo.push(Do::Look { id, run, container, point });
        }
    }

    /// One that waits has a place.
    fn begin(&mut self, now: Time, id: Id) {
        let Some(one) = self.all.get_mut(&id) else { return };
        let run = one.check.handle(now, Event::Tick);
        let at = one.check.wake_at();
        one.stage = if run.is_some() { Stage::Looking(at) } else { Stage::Due(at) };
        self.due.insert((at, id));
        if let Some(run) = run {
            let (container, point, place) = (one.container.clone(), one.point.clone(), one.place);
            *self.looking_at(place).entry(container.clone()).or_default() += 1;
            self.todo.push(Do::Look { id, run, container, point });
        }
    }

    /// Gives the places that are free to those who have waited longest and whose container may have one more.
    fn fill(&mut self, now: Time, place: Place) {
        let (most, each) = match place {
            Place::Outside => (OUTSIDE_MAX, OUTSIDE_EACH),
            Place::Inside => (INSIDE_MAX, INSIDE_EACH),
        };
        let mut taken: usize = self.looking_at(place).values().sum();
        let mut stay = VecDeque::new();
        while taken < most
            && let Some(id) = self.waiting_at(place).pop_front()
        {
            let Some(container) = self.all.get(&id).map(|one| one.container.clone()) else { continue };
            if self.looking_at(place).get(&container).is_some_and(|its_own| *its_own >= each) {
                stay.push_back(id);
            } else {
                self.begin(now, id);
                taken += 1;
            }
        }
        stay.append(self.waiting_at(place));
        *self.waiting_at(place) = stay;
    }

    fn give_back(&mut self, place: Place, container: &Name) {
        let looking = self.looking_at(place);
        if let Some(count) = looking.get_mut(container) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                looking.remove(container);
            }
        }
    }

    fn settings_at(&self, place: Place, said: Option<Settings>) -> Settings {
        let [outside, inside] = self.settings;
        match (place, said) {
            (Place::Outside, said) => said.unwrap_or(outside),
            (Place::Inside, None) => inside,
            (Place::Inside, Some(said)) => Settings {
                interval: said.interval.max(inside.interval),
                timeout: said.timeout.max(inside.timeout),
                ..said
            },
        }
    }

    const fn waiting_at(&mut self, place: Place) -> &mut VecDeque<Id> {
        let [outside, inside] = &mut self.waiting;
        match place {
            Place::Outside => outside,
            Place::Inside => inside,
        }
    }

    const fn looking_at(&mut self, place: Place) -> &mut BTreeMap<Name, usize> {
        let [outside, inside] = &mut self.looking;
        match place {
            Place::Outside => outside,
            Place::Inside => inside,
        }
    }
}

const fn place(point: &MonitoringPoint) -> Place {
    match point {
        MonitoringPoint::Http(_) | MonitoringPoint::Tcp(_) | MonitoringPoint::Metrics(_) => Place::Outside,
        MonitoringPoint::Exec(_) | MonitoringPoint::Unit(_) | MonitoringPoint::CloudInit => Place::Inside,
    }
}

/// What people know a check by.
const fn word(point: &MonitoringPoint) -> &'static str {
    match point {
        MonitoringPoint::Http(_) => "http",
        MonitoringPoint::Tcp(_) => "tcp",
        MonitoringPoint::Metrics(_) => "metrics",
        MonitoringPoint::Exec(_) => "exec",
        MonitoringPoint::Unit(_) => "unit",
        MonitoringPoint::CloudInit => "cloud-init",
    }
}

#[cfg(test)]
mod tests;
