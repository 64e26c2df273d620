//! What is wrong with a file, where, and what would put it right.
//!
//! A diagnostic is data: the text for people ([`Diagnostic::render`]) and the JSON for programs
//! ([`Diagnostic::to_json`]) are two views of it. This part knows texts and positions and nothing of YAML or stacks.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

/// A text and what people call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// What messages call it: a file name, or `--set`.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl SourceText {
    /// `text`, which people know as `name`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// A piece of a text.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    source: Arc<SourceText>,
    start: usize,
    end: usize,
}

impl Place {
    /// The bytes from `start` up to, but not including, `end` of `source`.
    pub(super) fn new(source: &Arc<SourceText>, start: usize, end: usize) -> Self {
        Self { source: Arc::clone(source), start, end: end.max(start) }
    }

    /// The name of the text.
    pub fn file(&self) -> &str {
        &self.source.name
    }

    /// The line on which the piece begins, from 1.
    pub fn line(&self) -> usize {
        self.before().matches('\n').count() + 1
    }

    /// The character of that line at which the piece begins, from 1.
    pub fn column(&self) -> usize {
        self.before().rsplit('\n').next().map_or(0, |head| head.chars().count()) + 1
    }

    /// How many characters the piece has on its first line, at least 1.
    pub fn width(&self) -> usize {
        let piece = self.source.text.get(self.start..self.end).unwrap_or_default();
        piece.lines().next().map_or(0, |line| line.trim_end().chars().count()).max(1)
    }

    /// The whole line on which the piece begins.
    pub fn source_line(&self) -> &str {
        self.source.text.lines().nth(self.line() - 1).unwrap_or_default()
    }

    /// From the start of this piece to the end of `last`, of the same text.
    pub(super) fn up_to(&self, last: &Self) -> Self {
        Self::new(&self.source, self.start, last.end)
    }

    /// Where the piece begins, in bytes.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// The text that this is a piece of.
    pub(super) fn source(&self) -> &Arc<SourceText> {
        &self.source
    }

    fn before(&self) -> &str {
        self.source.text.get(..self.start).unwrap_or(&self.source.text)
    }

    fn order(&self, other: &Self) -> Ordering {
        (self.file(), self.start).cmp(&(other.file(), other.start))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file(), self.line(), self.column())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value and the place that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The stack cannot be used.
    Error,
    /// The stack can be used, and is probably not what its author wants.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What is wrong, with which resource.
    pub message: String,
    /// What was expected at that place.
    pub expected: Option<String>,
    /// Another place that has a part in it, and which part.
    pub note: Option<(Place, String)>,
    /// What would put it right.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at `place`.
    pub(super) fn error(place: &Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place: place.clone(),
            message: message.into(),
            expected: None,
            note: None,
            hint: None,
        }
    }

    /// A warning at `place`.
    pub(super) fn warning(place: &Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message) }
    }

    /// The same, saying what was expected.
    pub(super) fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), ..self }
    }

    /// The same, saying what would put it right.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same, with another place that has a part in it.
    pub(super) fn note(self, place: &Place, text: impl Into<String>) -> Self {
        Self { note: Some((place.clone(), text.into())), ..self }
    }

    /// The diagnostic as people read it: the message, the place, the line with the piece underlined, and the hint last.
    pub fn render(&self) -> String {
        let line = self.place.line().to_string();
        let gutter = " ".repeat(line.len());
        let (source, skipped) = window(self.place.source_line(), self.place.column());
        let indent = " ".repeat(self.place.column() - 1 - skipped);
        let carets = "^".repeat(self.place.width().min(WINDOW));
        let expected = self.expected.as_ref().map_or_else(String::new, |expected| format!(" expected {expected}"));
        let mut lines = vec![
            format!("{}: {}", self.severity, printable(&self.message)),
            format!("{gutter}--> {}", self.place),
            format!("{gutter} |"),
            format!("{line} | {source}"),
            format!("{gutter} | {indent}{carets}{expected}"),
        ];
        lines.extend(self.note.as_ref().map(|(place, note)| format!("note: {} at {place}", printable(note))));
        lines.extend(self.hint.as_ref().map(|hint| format!("hint: {}", printable(hint))));
        lines.push(String::new());
        lines.join("\n")
    }

    /// The diagnostic as programs read it. Lines and columns count from 1, columns and width in characters.
    pub fn to_json(&self) -> Value {
        json!({
            "severity": self.severity.to_string(),
            "file": self.place.file(),
            "line": self.place.line(),
            "column": self.place.column(),
            "width": self.place.width(),
            "message": self.message,
            "expected": self.expected,
            "note": self.note.as_ref().map(|(place, text)| json!({
                "file": place.file(), "line": place.line(), "column": place.column(), "message": text,
            })),
            "hint": self.hint,
        })
    }
}

/// Everything that is wrong with a file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} in the description of the stack", count(self.list.len() + self.more))]
pub struct Diagnostics {
    /// The first ones.
    pub list: Vec<Diagnostic>,
    /// How many more there are.
    pub more: usize,
}

impl Diagnostics {
    /// All of them as people read them, with a blank line in between.
    pub fn render(&self) -> String {
        let mut parts: Vec<String> = self.list.iter().map(Diagnostic::render).collect();
        parts.extend((self.more > 0).then(|| format!("and {} more\n", self.more)));
        parts.join("\n")
    }

    /// All of them as programs read them.
    pub fn to_json(&self) -> Value {
        json!({ "errors": self.list.iter().map(Diagnostic::to_json).collect::<Vec<_>>(), "more": self.more })
    }
}

impl From<Box<Diagnostic>> for Diagnostics {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        Self { list: vec![*diagnostic], more: 0 }
    }
}

/// Nobody reads more than this at once, and a megabyte of rubbish must not become a hundred megabytes of messages.
const MOST_REPORTED: usize = 50;

/// Where the parts of this module put what they find, so that one look at a file finds everything.
#[derive(Default)]
pub(super) struct Report {
    found: RefCell<Found>,
}

#[derive(Default)]
struct Found {
    errors: Vec<Diagnostic>,
    more_errors: usize,
    warnings: Vec<Diagnostic>,
}

impl Report {
    /// Adds what `find` returns; it is not called once there are enough, so it may take its time for a good hint.
    pub(super) fn error(&self, find: impl FnOnce() -> Diagnostic) {
        let mut found = self.found.borrow_mut();
        if found.errors.len() < MOST_REPORTED {
            found.errors.push(find());
        } else {
            found.more_errors += 1;
        }
    }

    /// Adds a warning.
    pub(super) fn warning(&self, diagnostic: Diagnostic) {
        let mut found = self.found.borrow_mut();
        if found.warnings.len() < MOST_REPORTED {
            found.warnings.push(diagnostic);
        }
    }

    /// The warnings, or the errors where there are any.
    pub(super) fn finish(self) -> Result<Vec<Diagnostic>, Diagnostics> {
        let Found { mut errors, more_errors, mut warnings } = self.found.into_inner();
        if errors.is_empty() {
            warnings.sort_by(|a, b| a.place.order(&b.place));
            return Ok(warnings);
        }
        errors.sort_by(|a, b| a.place.order(&b.place));
        Err(Diagnostics { list: errors, more: more_errors })
    }
}

/// The name among `known` that `wrong` was probably meant to be.
pub(super) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may differ: enough for a slip, too few for another word.
    let allowed = (wrong.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|name| name.len().abs_diff(wrong.len()) <= allowed)
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The words with backticks and commas, or `nothing`.
pub(super) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    const MOST_LISTED: usize = 20;
    let mut words = words.into_iter().map(|word| format!("`{word}`"));
    let mut shown: Vec<String> = words.by_ref().take(MOST_LISTED).collect();
    if words.next().is_some() {
        shown.push("…".to_owned());
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

/// Levenshtein's edit distance, with a swap of two neighbours as one edit.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut two_above: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, x) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut least = (at(&above, j) + usize::from(x != *y)).min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = j > 0 && previous == Some(*y) && b.get(j - 1) == Some(&x);
            if swapped {
                least = least.min(at(&two_above, j - 1) + 1);
            }
            row.push(least);
        }
        previous = Some(x);
        two_above = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

/// The most characters of one source line that are shown.
const WINDOW: usize = 140;

/// A line as it can be shown: not too long, without tabs or control characters, which would move the carets or the
/// terminal. Also how many characters of its start were left out.
fn window(line: &str, column: usize) -> (String, usize) {
    let skipped = if line.chars().nth(WINDOW).is_some() { column.saturating_sub(WINDOW / 2) } else { 0 };
    (printable(&line.chars().skip(skipped).take(WINDOW).collect::<String>()), skipped)
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

fn count(errors: usize) -> String {
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}
