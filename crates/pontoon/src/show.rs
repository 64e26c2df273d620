//! How things look: on a terminal, in a pipe, as JSON.
//!
//! People read progress and messages on standard error and data on standard output. Programs ask for `--json` and
//! read everything on standard output, the failure too, so that one stream tells the whole story.

pub(crate) mod action;
mod ask;
pub(crate) mod doctor;
mod human;
mod json_lines;
mod label;
pub(crate) mod plan;
mod screen;
pub(crate) mod status;
pub(crate) mod style;

use std::io::{IsTerminal as _, Write as _, stderr, stdout};

use pontoon_core::spec::Diagnostic;
use serde_json::{Value, json};

use crate::cli::ColorChoice;
use crate::event::Sink;
use crate::exit::Failure;
use human::Human;
use json_lines::JsonLines;
use screen::Screen;
use style::Style;

/// Where this run prints to, and how.
#[derive(Debug)]
pub(crate) struct Output {
    /// Who reads it.
    pub(crate) reader: Reader,
    /// How standard output is written.
    pub(crate) stdout: Style,
    /// How standard error is written.
    pub(crate) stderr: Style,
}

/// Who reads what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A person.
    Person,
    /// A program: `--json`.
    Program,
}

impl Output {
    /// What the command line, the environment and the terminal ask for.
    pub(crate) fn new(json: bool, color: ColorChoice) -> Self {
        let reader = if json { Reader::Program } else { Reader::Person };
        Self {
            reader,
            stdout: Style::chosen(color, stdout().is_terminal()),
            stderr: Style::chosen(color, stderr().is_terminal()),
        }
    }

    /// What shows a run.
    pub(crate) fn sink(&self) -> Box<dyn Sink> {
        match self.reader {
            Reader::Program => Box::new(JsonLines::new(Box::new(stdout()))),
            Reader::Person => Box::new(Human::new(Screen::on_stderr(), Box::new(stdout()), self.stderr)),
        }
    }

    /// Prints why the program failed: for people on standard error, for programs as the last event on standard output.
    pub(crate) fn failure(&self, failure: &Failure) {
        match self.reader {
            Reader::Program => print_json(&failure.json()),
            Reader::Person => eprint(&failure.text(self.stderr)),
        }
    }

    /// Prints what is odd about the file. Always on standard error: standard output may be one JSON document.
    pub(crate) fn warnings(&self, warnings: &[Diagnostic]) {
        for warning in warnings {
            match self.reader {
                Reader::Program => eprint(&format!("{}\n", json!({"event": "warning", "warning": warning.to_json()}))),
                Reader::Person => eprint(&self.stderr.headed(&warning.render())),
            }
        }
    }

    /// Says something to a person beside the data.
    pub(crate) fn remark(&self, text: &str) {
        if self.reader == Reader::Person {
            eprint(&format!("{text}\n"));
        }
    }
}

/// Prints data for people: `text` as it is. A reader that has gone away is nobody's failure.
pub(crate) fn print(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints data for programs: one JSON object on one line.
pub(crate) fn print_json(value: &Value) {
    print(&format!("{value}\n"));
}

fn eprint(text: &str) {
    // Where nobody can be told, there is nothing left to do.
    let _ = stderr().lock().write_all(text.as_bytes());
}
