//! The one question that is ever asked.

use std::io::{BufRead as _, IsTerminal as _, stderr, stdin};

use crate::engine::Answer;

use super::{Output, Reader};

impl Output {
    /// Asks on the terminal, where there is one on both sides. Anything but `y` or `yes` means no.
    pub(crate) fn ask(&self, question: &str) -> Answer {
        if self.reader == Reader::Program || !stdin().is_terminal() || !stderr().is_terminal() {
            return Answer::Nobody;
        }
        eprint!("{question} [y/N] ");
        let mut line = String::new();
        match stdin().lock().read_line(&mut line) {
            Ok(_) if matches!(line.trim().to_lowercase().as_str(), "y" | "yes") => Answer::Yes,
            _ => Answer::No,
        }
    }
}
