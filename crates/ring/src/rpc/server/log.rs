//! What the agent says of itself while it runs, for clients that listen.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// How many lines wait for a client that reads slowly; older ones are lost to it.
const LINES: usize = 512;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// Every message.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What went wrong.
    Error,
}

impl Level {
    /// Serf's word for it, as it stands in a line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERR",
        }
    }

    /// The level of a word, in whatever letters.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error];
        all.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(word))
    }
}

/// Where the agent's lines go. Clones of it are the same one.
#[derive(Clone, Debug)]
pub struct Log(broadcast::Sender<Arc<(Level, String)>>);

impl Default for Log {
    fn default() -> Self {
        Self(broadcast::Sender::new(LINES))
    }
}

impl Log {
    /// Says a line to all who listen. It begins with its time, as clients print it as it is. Mostly nobody does, and then
    /// it is not made.
    pub fn say(&self, level: Level, line: impl FnOnce() -> String) {
        if self.0.receiver_count() > 0 {
            // Whoever listened may be gone by now.
            let _ = self.0.send(Arc::new((level, line())));
        }
    }

    pub(super) fn listen(&self) -> Lines {
        Lines(self.0.subscribe())
    }
}

/// Lines, from when somebody began to listen.
#[derive(Debug)]
pub(super) struct Lines(broadcast::Receiver<Arc<(Level, String)>>);

impl Lines {
    /// The next line of this level or above; `None` where there will be none.
    pub(super) async fn next(&mut self, least: Level) -> Option<String> {
        loop {
            match self.0.recv().await {
                Ok(line) if line.0 >= least => return Some(line.1.clone()),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
