//! The one question that is ever asked.

use std::io::{BufRead as _, IsTerminal as _, stderr, stdin};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio_util::sync::CancellationToken;

use crate::engine::Answer;

use super::{Output, Reader, eprint};

/// How long a Ctrl-C may go unnoticed.
const LONGEST_DEAFNESS: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

impl Output {
    /// Asks on the terminal, where there is one on both sides. Anything but `y` or `yes` means no, and so does `stop`.
    pub(crate) fn ask(&self, question: &str, stop: &CancellationToken) -> Answer {
        if self.reader == Reader::Program || !stdin().is_terminal() || !stderr().is_terminal() {
            return Answer::Nobody;
        }
        eprint(&format!("{question} [y/N] "));
        if !answered(stop) {
            eprint("\n");
            return Answer::No;
        }
        let mut line = String::new();
        match stdin().lock().read_line(&mut line) {
            Ok(_) if matches!(line.trim().to_lowercase().as_str(), "y" | "yes") => Answer::Yes,
            _ => Answer::No,
        }
    }
}

/// Waits for a line. `false`: `stop` came first. A read by itself would not end with the signal, which is somebody
/// else's to handle.
fn answered(stop: &CancellationToken) -> bool {
    let terminal = stdin();
    while !stop.is_cancelled() {
        let mut watched = [PollFd::new(&terminal, PollFlags::IN)];
        match poll(&mut watched, Some(&LONGEST_DEAFNESS)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            // The read says what is wrong, if something is.
            Ok(_) | Err(_) => return true,
        }
    }
    false
}
