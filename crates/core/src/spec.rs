//! The file: one stack, as its author describes it.
//!
//! [`load`] turns the texts of a file, its overlay and every `--set` into a checked [`model::Stack`], or into all that
//! is wrong with them. On the way:
//!
//! ```text
//! text ─ tree ─ overlay ─ raw ─ check ─ model
//!        YAML   merged    every  what    defaults filled in,
//!        with   trees     value  values  checks passed
//!        places           typed  mean
//!                         alone  together
//! ```
//!
//! Every value keeps the place that it came from until the checks are done, so each error points at line and column
//! of the text that has to change. This part reads no files: what lies beside the file is asked of [`Files`].

mod check;
pub mod diagnostic;
mod fields;
pub mod model;
mod overlay;
mod raw;
mod reader;
mod scalars;
mod schema;
mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity, SourceText};
pub use overlay::overlay_name;
pub use schema::schema;

use diagnostic::{Located, Report};
use reader::Read;
use tree::{Dialect, Node, Value};

/// The texts that describe one stack.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The file.
    pub main: SourceText,
    /// The overlay beside it, where there is one; see [`cloud_of`] and [`overlay_name`].
    pub overlay: Option<SourceText>,
    /// The arguments of `--set`, in order; a later one wins.
    pub sets: Vec<String>,
    /// The argument of `--cloud`.
    pub cloud: Option<String>,
}

/// What lies beside the file. Paths are relative to it, as its author wrote them. Errors are a reason for people,
/// without the path: `no such file`.
pub trait Files {
    /// The content of a text file; a file that is not UTF-8 is an error.
    fn text(&self, path: &str) -> Result<String, String>;

    /// The SHA-256 of a file's content in hexadecimal.
    fn sha256(&self, path: &str) -> Result<String, String>;
}

/// A checked stack and what is left to say about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The stack.
    pub stack: model::Stack,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// Where each value that is written down stands, by its path: `hosts.lxd.flavor`.
    pub places: BTreeMap<String, Place>,
}

impl Loaded {
    /// Where the value at `path` stands, or the innermost table around it that the author wrote. For what turns out to
    /// be wrong only when the cloud is asked, such as a flavor that it does not have.
    pub fn place(&self, path: &str) -> Option<&Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return Some(place);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

/// Reads and checks a stack.
///
/// # Errors
/// Everything that is wrong, in the order of the text: what is no YAML at all alone, else all unknown fields, wrong
/// values and contradictions together.
pub fn load(sources: &Sources, files: &dyn Files) -> Result<Loaded, Diagnostics> {
    let report = Report::default();
    let parse = |text: &SourceText| tree::parse(&Arc::new(text.clone()), 0, Dialect::Stack, &report);
    let mut root = parse(&sources.main)?;
    if matches!(root.value, Value::Null) {
        let empty = Diagnostic::error(&root.place, format!("`{}` is empty", sources.main.name))
            .expected("the description of a stack")
            .hint("`pontoon init` writes a first one from what the cloud has");
        return Err(Box::new(empty).into());
    }
    if let Some(text) = &sources.overlay {
        overlay::lay(&mut root, parse(text)?, &report);
    }
    for assignment in &sources.sets {
        overlay::set(&mut root, assignment, &report);
    }
    let mut file = raw::read(&root, &report);
    if let Some(cloud) = &sources.cloud {
        file.cloud = Read::Is(Located { value: cloud.clone(), place: root.place.clone() });
    }
    let stack = check::check(file, files, &report);
    let warnings = report.finish()?;
    let mut places = BTreeMap::new();
    note_places(&root, &root.place, "", &mut places);
    // Nothing was reported, so there is a stack; said as an error nevertheless, for a panic helps nobody.
    let stack = stack
        .map_err(|check::Reported| Box::new(Diagnostic::error(&root.place, "the stack could not be understood")))?;
    Ok(Loaded { stack, warnings, places })
}

/// The cloud that a file asks for, as far as that can be told before the file is checked: `--cloud` where it is
/// given, else what the file says, else `embedded`. It decides which overlay to look for.
pub fn cloud_of(main: &str, cloud: Option<&str>) -> String {
    if let Some(cloud) = cloud {
        return cloud.to_owned();
    }
    let source = Arc::new(SourceText::new("", main));
    let written = match tree::parse(&source, 0, Dialect::Stack, &Report::default()).map(|root| root.value) {
        Ok(Value::Map(map)) => match map.get("cloud").map(|entry| &entry.node.value) {
            Some(Value::Scalar(scalar)) => scalars::cloud(scalar).ok(),
            _ => None,
        },
        _ => None,
    };
    written.unwrap_or_else(|| "embedded".to_owned())
}

fn note_places(node: &Node, place: &Place, path: &str, places: &mut BTreeMap<String, Place>) {
    if !path.is_empty() {
        places.insert(path.to_owned(), place.clone());
    }
    if let Value::Map(map) = &node.value {
        for (name, entry) in map {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let place = if matches!(entry.node.value, Value::Map(_)) { &entry.key } else { &entry.node.place };
            note_places(&entry.node, place, &path, places);
        }
    }
}

#[cfg(test)]
mod tests;
