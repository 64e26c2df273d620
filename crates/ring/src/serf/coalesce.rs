//! Events that come close together, told as one.
//!
//! A ring that starts or splits brings hundreds of member events at once; a listener that runs a program for each would
//! rather have one for all. User events of one name may say that only the last one counts. Both are held back until
//! nothing more has come for a while, and at most for a longer while.

use std::collections::BTreeMap;

use super::config::Window;
use super::event::{Change, Coalesce, Event, UserEvent};
use super::member::Member;
use crate::time::Time;
use crate::wire::message::Name;

/// How many user events are held back; more are told at once.
const USER_EVENTS_MAX: usize = 1024;

/// What is held back.
#[derive(Clone, Debug)]
pub(super) struct Coalescer {
    members: Option<Held<BTreeMap<Name, (Change, Member)>>>,
    users: Option<Held<BTreeMap<String, Vec<UserEvent>>>>,
    /// What was last told of each member, so that failing and coming back within the window is told as nothing.
    last_told: BTreeMap<Name, Change>,
}

#[derive(Clone, Debug)]
struct Held<Events> {
    window: Window,
    events: Events,
    since: Option<Time>,
    last: Time,
}

impl<Events: Default> Held<Events> {
    fn new(window: Window) -> Self {
        Self { window, events: Events::default(), since: None, last: Time::ZERO }
    }

    fn held(&mut self, now: Time) -> &mut Events {
        self.since.get_or_insert(now);
        self.last = now;
        &mut self.events
    }

    fn due(&self) -> Option<Time> {
        self.since.map(|since| (since + self.window.period).min(self.last + self.window.quiescent))
    }

    fn take_due(&mut self, now: Time) -> Option<Events> {
        if self.due()? > now {
            return None;
        }
        self.since = None;
        Some(std::mem::take(&mut self.events))
    }
}

impl Coalescer {
    /// Holds back what has a window.
    pub(super) fn new(members: Option<Window>, users: Option<Window>) -> Self {
        Self { members: members.map(Held::new), users: users.map(Held::new), last_told: BTreeMap::new() }
    }

    /// Holds an event back, or hands it on where it is to be told at once.
    pub(super) fn hold(&mut self, now: Time, event: Event) -> Option<Event> {
        match (event, &mut self.members, &mut self.users) {
            (Event::Members { change, members }, Some(held), _) => {
                let latest = held.held(now);
                for member in members {
                    latest.insert(member.name.clone(), (change, member));
                }
                None
            }
            (Event::User(event), _, Some(held))
                if event.coalesce == Coalesce::Allowed && held.events.len() < USER_EVENTS_MAX =>
            {
                let latest = held.held(now).entry(event.name.clone()).or_default();
                match latest.first().map(|first| first.time) {
                    Some(time) if time > event.time => {}
                    // Several at one time are not known to be in any order: each counts.
                    Some(time) if time == event.time && latest.len() < USER_EVENTS_MAX => latest.push(event),
                    _ => *latest = vec![event],
                }
                None
            }
            (event, ..) => Some(event),
        }
    }

    /// When [`Coalescer::take_due`] has something.
    pub(super) fn wake_at(&self) -> Option<Time> {
        let members = self.members.as_ref().and_then(Held::due);
        members.into_iter().chain(self.users.as_ref().and_then(Held::due)).min()
    }

    /// What is to be told now.
    pub(super) fn take_due(&mut self, now: Time) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(latest) = self.members.as_mut().and_then(|held| held.take_due(now)) {
            events.extend(self.tell(latest));
        }
        if let Some(latest) = self.users.as_mut().and_then(|held| held.take_due(now)) {
            events.extend(latest.into_values().flatten().map(Event::User));
        }
        events
    }

    fn tell(&mut self, latest: BTreeMap<Name, (Change, Member)>) -> impl Iterator<Item = Event> {
        let mut by_change: BTreeMap<Change, Vec<Member>> = BTreeMap::new();
        for (name, (change, member)) in latest {
            let before = if change == Change::Reaped {
                self.last_told.remove(&name)
            } else {
                self.last_told.insert(name, change)
            };
            if before != Some(change) || change == Change::Updated {
                by_change.entry(change).or_default().push(member);
            }
        }
        by_change.into_iter().map(|(change, members)| Event::Members { change, members })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::serf::member::{Status, Tags};
    use crate::wire::message::Versions;
    use crate::wire::serf::LamportTime;

    const WINDOW: Option<Window> = Some(Window { period: Duration::from_secs(3), quiescent: Duration::from_secs(1) });

    fn at(milliseconds: u64) -> Time {
        Time::after(Duration::from_millis(milliseconds))
    }

    fn about(change: Change, name: &str) -> Event {
        let member = Member {
            name: name.into(),
            address: ([127, 0, 0, 1], 7946).into(),
            tags: Arc::new(Tags::new()),
            status: Status::Alive,
            versions: Versions::default(),
        };
        Event::about(change, &member)
    }

    fn user(time: u64, payload: &'static str, coalesce: Coalesce) -> Event {
        let payload = Bytes::from_static(payload.as_bytes());
        Event::User(UserEvent { time: LamportTime(time), name: "deploy".to_owned(), payload, coalesce })
    }

    #[test]
    fn a_hundred_members_that_come_together_are_one_event() {
        let mut coalescer = Coalescer::new(WINDOW, None);
        for number in 0..100 {
            assert_eq!(coalescer.hold(at(number * 5), about(Change::Joined, &number.to_string())), None);
        }
        assert_eq!(coalescer.wake_at(), Some(at(1495)));
        assert_eq!(coalescer.take_due(at(1494)), []);
        let events = coalescer.take_due(at(1495));
        assert!(matches!(&events[..], [Event::Members { change: Change::Joined, members }] if members.len() == 100));
        assert_eq!(coalescer.wake_at(), None);
    }

    #[test]
    fn a_stream_without_end_is_told_after_the_period() {
        let mut coalescer = Coalescer::new(WINDOW, None);
        for number in 0..40 {
            coalescer.hold(at(number * 100), about(Change::Joined, &number.to_string()));
        }
        assert_eq!(coalescer.wake_at(), Some(at(3000)));
    }

    #[test]
    fn a_member_that_failed_and_came_back_within_the_window_is_not_told_of() {
        let mut coalescer = Coalescer::new(WINDOW, None);
        coalescer.hold(at(0), about(Change::Joined, "p1"));
        assert_eq!(coalescer.take_due(at(1000)).len(), 1);
        coalescer.hold(at(2000), about(Change::Failed, "p1"));
        coalescer.hold(at(2500), about(Change::Joined, "p1"));
        assert_eq!(coalescer.take_due(at(9000)), []);
    }

    #[test]
    fn of_user_events_that_allow_it_only_the_latest_is_told() {
        let mut coalescer = Coalescer::new(None, WINDOW);
        assert!(coalescer.hold(at(0), user(1, "counts", Coalesce::Forbidden)).is_some());
        for (time, payload) in [(2, "old"), (4, "new"), (3, "late"), (4, "also new")] {
            assert_eq!(coalescer.hold(at(0), user(time, payload, Coalesce::Allowed)), None);
        }
        let told = coalescer.take_due(at(1000));
        assert_eq!(told, [user(4, "new", Coalesce::Allowed), user(4, "also new", Coalesce::Allowed)]);
    }
}
