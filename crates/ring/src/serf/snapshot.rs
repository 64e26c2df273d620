//! The file by which a member finds its ring again after a restart: its content, line by line.
//!
//! The format is Serf's (`serf/snapshot.go`), so that an agent may take over the other's file:
//!
//! ```text
//!   alive: p1 127.0.0.1:7946      a member that was there; the last word on a name counts
//!   not-alive: p1                 a member that went
//!   clock: 12                     the times up to which everything has been seen:
//!   event-clock: 3                what is older is not news
//!   query-clock: 1
//!   leave                         this member left; what stands above does not count
//! ```
//!
//! Lines are only ever appended; when they have become too many, the file is written anew. A last line without its end
//! was cut by a crash and does not count. Knows text and times; files are the driver's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crate::time::Time;
use crate::wire::message::Name;
use crate::wire::serf::LamportTime;

/// How long lines may wait for others, so that a busy ring costs two writes a second.
const FLUSH_INTERVAL: Duration = Duration::from_millis(500);
/// A file that is shorter is not written anew.
const SIZE_MIN: usize = 128 * 1024;
/// A file may be this much longer than what it would be written anew with: twice Serf's 128 bytes a member.
const BYTES_PER_MEMBER: usize = 256;
/// The longest file that is read; the rest of a longer one is not.
pub const SIZE_MAX: usize = 64 * 1024 * 1024;

/// Whether a member that has left goes back to its ring when it is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterLeave {
    /// It was told to go: it starts alone.
    #[default]
    StayAway,
    /// Leaving is how it is always stopped.
    Rejoin,
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Who was there, and where.
    pub alive: BTreeMap<Name, SocketAddr>,
    /// The last intent that was seen.
    pub clock: LamportTime,
    /// The last user event.
    pub event_clock: LamportTime,
    /// The last query.
    pub query_clock: LamportTime,
}

impl Snapshot {
    /// Reads a file. Lines that say nothing are passed over: an old or damaged file is better than none.
    pub fn read(bytes: &[u8], after_leave: AfterLeave) -> Self {
        let mut snapshot = Self::default();
        let whole = bytes.get(..SIZE_MAX.min(bytes.len())).unwrap_or(bytes);
        // What comes after the last line end is a line that was cut.
        let Some(end) = whole.iter().rposition(|byte| *byte == b'\n') else { return snapshot };
        for line in whole.get(..end).unwrap_or_default().split(|byte| *byte == b'\n') {
            if let Ok(line) = std::str::from_utf8(line) {
                snapshot.apply(line, after_leave);
            }
        }
        snapshot
    }

    /// All of it, as a new file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, address) in &self.alive {
            line(&mut text, format_args!("alive: {name} {address}"));
        }
        line(&mut text, format_args!("clock: {}", self.clock.0));
        line(&mut text, format_args!("event-clock: {}", self.event_clock.0));
        line(&mut text, format_args!("query-clock: {}", self.query_clock.0));
        text
    }

    fn apply(&mut self, line: &str, after_leave: AfterLeave) {
        if line == "leave" {
            if after_leave == AfterLeave::StayAway {
                *self = Self::default();
            }
            return;
        }
        let Some((what, rest)) = line.split_once(": ") else { return };
        match what {
            "alive" => {
                // Names may have spaces in them, addresses have none.
                if let Some((name, address)) = rest.rsplit_once(' ')
                    && let Ok(address) = address.parse()
                {
                    self.alive.insert(name.into(), address);
                }
            }
            "not-alive" => drop(self.alive.remove(rest)),
            "clock" => set(&mut self.clock, rest),
            "event-clock" => set(&mut self.event_clock, rest),
            "query-clock" => set(&mut self.query_clock, rest),
            // Coordinates, which old versions of Serf wrote, comments, and what nobody knows.
            _ => {}
        }
    }
}

fn set(clock: &mut LamportTime, text: &str) {
    if let Ok(time) = text.parse() {
        *clock = LamportTime(time);
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{content}");
}

/// What is to be done to the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Append these lines; it does no harm if the last ones are lost.
    Append(String),
    /// Append these lines and see to it that they are on the disk: the member is about to end.
    AppendAndSync(String),
    /// Replace the whole file, at once or not at all.
    Replace(String),
}

/// Keeps the file up to date while the member runs.
#[derive(Clone, Debug)]
pub struct Recorder {
    state: Snapshot,
    pending: String,
    /// When the oldest pending line has to be written.
    due: Option<Time>,
    size: usize,
    left: bool,
}

impl Recorder {
    /// Goes on from what the file said. The first write replaces the file, so that a cut line is never continued.
    pub fn new(state: Snapshot, now: Time) -> Self {
        Self { state, pending: String::new(), due: Some(now), size: usize::MAX, left: false }
    }

    /// A member is there.
    pub fn alive(&mut self, now: Time, name: &Name, address: SocketAddr) {
        // A name with a line end in it would write lines of its own.
        if !name.chars().any(char::is_control) && self.state.alive.insert(name.clone(), address) != Some(address) {
            self.append(now, format_args!("alive: {name} {address}"));
        }
    }

    /// A member went.
    pub fn not_alive(&mut self, now: Time, name: &Name) {
        if self.state.alive.remove(name).is_some() {
            self.append(now, format_args!("not-alive: {name}"));
        }
    }

    /// The last times that were seen. The intents' is noted as it passes, the other two when something has come.
    pub fn clocks(&mut self, now: Time, intent: LamportTime, event: LamportTime, query: LamportTime) {
        if intent > self.state.clock {
            self.state.clock = intent;
            self.append(now, format_args!("clock: {}", intent.0));
        }
        if event > self.state.event_clock {
            self.state.event_clock = event;
            self.append(now, format_args!("event-clock: {}", event.0));
        }
        if query > self.state.query_clock {
            self.state.query_clock = query;
            self.append(now, format_args!("query-clock: {}", query.0));
        }
    }

    /// This member leaves: nothing is noted after that.
    pub fn leave(&mut self, now: Time) {
        self.append(now, format_args!("leave"));
        self.left = true;
        self.due = Some(now);
    }

    /// When [`Recorder::poll`] has something.
    pub const fn wake_at(&self) -> Option<Time> {
        self.due
    }

    /// What is to be written now.
    pub fn poll(&mut self, now: Time) -> Option<Write> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        self.due = None;
        let lines = std::mem::take(&mut self.pending);
        if self.left {
            let never_written = std::mem::take(&mut self.size) == usize::MAX;
            return match lines.as_str() {
                "" => None,
                _ if never_written => Some(Write::Replace(self.state.text() + "leave\n")),
                _ => Some(Write::AppendAndSync(lines)),
            };
        }
        self.size = self.size.saturating_add(lines.len());
        if self.size <= SIZE_MIN.max(self.state.alive.len().saturating_mul(BYTES_PER_MEMBER)) {
            return Some(Write::Append(lines));
        }
        let text = self.state.text();
        self.size = text.len();
        Some(Write::Replace(text))
    }

    fn append(&mut self, now: Time, content: std::fmt::Arguments<'_>) {
        if !self.left {
            line(&mut self.pending, content);
            self.due.get_or_insert(now + FLUSH_INTERVAL);
        }
    }
}

#[cfg(test)]
mod tests;
