//! Intents about members that are not known yet.
//!
//! "I have joined" and "I leave" ride on gossip and may arrive before the membership knows the member. They are kept for a
//! while and applied when it comes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Time;
use crate::wire::message::Name;
use crate::wire::serf::LamportTime;

/// How many are kept; more are refused, for a liar may name members that will never come.
const LENGTH_MAX: usize = 8192;

/// What a member said it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// It has joined.
    Join,
    /// It leaves.
    Leave,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    intent: Intent,
    time: LamportTime,
    at: Time,
}

/// The last intent of each member that is not known.
#[derive(Clone, Debug, Default)]
pub(super) struct Intents(BTreeMap<Name, Heard>);

impl Intents {
    /// Keeps an intent, and says whether it was news.
    pub(super) fn hear(&mut self, now: Time, name: &Name, intent: Intent, time: LamportTime) -> bool {
        let is_news = match self.0.get(name) {
            Some(heard) => time > heard.time,
            None => self.0.len() < LENGTH_MAX,
        };
        if is_news {
            self.0.insert(name.clone(), Heard { intent, time, at: now });
        }
        is_news
    }

    /// The member has come: its last intent, which is not kept any longer.
    pub(super) fn take(&mut self, name: &Name) -> Option<(Intent, LamportTime)> {
        self.0.remove(name).map(|heard| (heard.intent, heard.time))
    }

    /// Forgets what is older than `age`.
    pub(super) fn expire(&mut self, now: Time, age: Duration) {
        self.0.retain(|_, heard| now.since(heard.at) <= age);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_intent_counts_whatever_the_order_of_arrival() {
        let mut intents = Intents::default();
        let name: Name = "p1".into();
        assert!(intents.hear(Time::ZERO, &name, Intent::Leave, LamportTime(7)));
        assert!(!intents.hear(Time::ZERO, &name, Intent::Join, LamportTime(5)));
        assert_eq!(intents.take(&name), Some((Intent::Leave, LamportTime(7))));
        assert_eq!(intents.take(&name), None);
    }

    #[test]
    fn a_flood_of_invented_names_is_held_to_its_bound_and_forgotten() {
        let mut intents = Intents::default();
        for number in 0..2 * LENGTH_MAX {
            intents.hear(Time::ZERO, &number.to_string().into(), Intent::Join, LamportTime(1));
        }
        assert_eq!(intents.0.len(), LENGTH_MAX);
        intents.expire(Time::after(Duration::from_mins(6)), Duration::from_mins(5));
        assert_eq!(intents.0.len(), 0);
    }
}
