//! How a run of the program ends: the exit code, and what is said when it ended otherwise than asked for.
//!
//! A [`Failure`] is data. The message says what happened, the causes say why, the hint says what to do about it; the
//! text for people and the JSON for programs are two views of the same.

use std::error::Error;
use std::process::ExitCode;

use pontoon_core::spec::Diagnostics;
use serde_json::{Value, json};

use crate::show::style::{Style, indented, printable};

/// What the program's exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done,
    /// It is not.
    Failed,
    /// There is something to do; only of `plan --exit-code`.
    Changes,
    /// The file is wrong; no request was sent.
    File,
    /// The command line is wrong. 64 is `EX_USAGE` of BSD's sysexits.h; clap's own 2 means something else here.
    Usage,
    /// What a command in a container ended with; only of `exec`.
    Command(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::File => 3,
            Self::Usage => 64,
            Self::Command(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why what was asked for is not done.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    diagnostics: Option<Diagnostics>,
}

impl Failure {
    /// What happened, to which resource.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), causes: Vec::new(), hint: None, diagnostics: None }
    }

    /// What an error says, with its causes.
    pub(crate) fn of(error: &dyn Error) -> Self {
        let failure = Self::new(error.to_string());
        match error.source() {
            Some(source) => failure.caused_by(source),
            None => failure,
        }
    }

    /// The same, because of `error` and all that is behind it.
    pub(crate) fn caused_by(mut self, error: &dyn Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    /// The same, because of something that is no error value.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// The same, saying what to do about it.
    pub(crate) fn hint(self, hint: impl Into<Option<String>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// The same, with another exit code than 1.
    pub(crate) fn exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// What the shell is told.
    pub(crate) fn exit_code(&self) -> Exit {
        self.exit
    }

    /// As people read it.
    pub(crate) fn text(&self, style: Style) -> String {
        if let Some(diagnostics) = &self.diagnostics {
            return style.headed(&diagnostics.render());
        }
        let mut text = format!("error: {}\n", indented(&printable(&self.message)));
        for cause in &self.causes {
            text += &format!("  caused by: {}\n", indented(&printable(cause)));
        }
        if let Some(hint) = &self.hint {
            text += &format!("hint: {}\n", indented(&printable(hint)));
        }
        style.headed(&text)
    }

    /// As programs read it.
    pub(crate) fn json(&self) -> Value {
        let mut event = json!({
            "event": "error",
            "exit": self.exit.code(),
            "message": self.message,
            "causes": self.causes,
            "hint": self.hint,
        });
        if let (Some(diagnostics), Some(event)) = (&self.diagnostics, event.as_object_mut())
            && let Value::Object(found) = diagnostics.to_json()
        {
            event.extend(found);
        }
        event
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { exit: Exit::File, diagnostics: Some(diagnostics.clone()), ..Self::new(diagnostics.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the connection was refused")]
    struct Refused;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot list ports")]
    struct CannotList(#[source] Refused);

    #[test]
    fn every_cause_is_printed_once_and_the_hint_comes_last() {
        let failure = Failure::of(&CannotList(Refused)).hint("is the cloud up?".to_owned());
        assert_eq!(
            failure.text(Style::PLAIN),
            "error: cannot list ports\n  caused by: the connection was refused\nhint: is the cloud up?\n"
        );
        assert_eq!(
            failure.json(),
            json!({"event": "error", "exit": 1, "message": "cannot list ports",
                   "causes": ["the connection was refused"], "hint": "is the cloud up?"})
        );
    }

    #[test]
    fn what_a_service_says_cannot_move_the_terminal() {
        let failure = Failure::new("refused:\u{1b}[2J gone\nand more");
        assert_eq!(failure.text(Style::PLAIN), "error: refused:\u{fffd}[2J gone\n    and more\n");
    }

    #[test]
    fn a_command_in_a_container_hands_its_exit_code_through() {
        assert_eq!(Exit::Command(42).code(), 42);
    }
}
