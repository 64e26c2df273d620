//! Reading the tree field by field, by the table of [`fields`](super::fields).
//!
//! A [`Table`] reports what its author cannot have meant (unknown fields, missing ones, values of the wrong kind) and
//! goes on, so that one look finds everything. What values mean together is decided in [`check`](super::check).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::diagnostic::{Diagnostic, Located, Place, Report, SourceText, listed, nearest};
use super::fields::{Field, Presence, Shape};
use super::tree::{self, Dialect, Map, Node, Scalar, Value};

/// What reading a field came to.
#[derive(Clone, Debug)]
pub(super) enum Read<T> {
    /// It is not given and has no default.
    Absent,
    /// It is given, and wrong; that has been reported. Other checks leave it alone.
    Wrong,
    /// Given, or the default, which stands where its table stands.
    Is(Located<T>),
}

impl<T> Read<T> {
    /// The value with its place, where there is one.
    pub(super) fn located(&self) -> Option<&Located<T>> {
        match self {
            Self::Is(located) => Some(located),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// The value, where there is one.
    pub(super) fn value(&self) -> Option<&T> {
        self.located().map(|located| &located.value)
    }

    /// The same with another value; `None` makes it wrong.
    pub(super) fn and_then<U>(self, then: impl FnOnce(&T, &Place) -> Option<U>) -> Read<U> {
        match self {
            Self::Absent => Read::Absent,
            Self::Wrong => Read::Wrong,
            Self::Is(Located { value, place }) => {
                then(&value, &place).map_or(Read::Wrong, |value| Read::Is(Located { value, place }))
            }
        }
    }
}

/// Why a scalar is not what its field holds.
pub(super) struct Unfit {
    /// What is wrong with it.
    pub(super) message: String,
    /// What the field holds.
    pub(super) expected: String,
    pub(super) hint: Option<String>,
}

/// What the author named, with the place of the name.
pub(super) type Named<T> = IndexMap<String, Located<T>>;

/// A map whose fields are known.
pub(super) struct Table<'a> {
    fields: &'static [Field],
    map: Option<&'a Map>,
    /// Where to point at when something is missing.
    pub(super) place: Place,
    /// What the table is, as an error says it: "service `hugo`".
    pub(super) what: String,
    pub(super) report: &'a Report,
    taken: RefCell<BTreeSet<&'static str>>,
    /// Fields that an unknown one was probably meant to be; that they are missing is no news.
    misspelt: BTreeSet<&'static str>,
}

impl<'a> Table<'a> {
    /// Reads `node` as a table of `fields`; unknown ones are reported.
    pub(super) fn open(
        node: &'a Node,
        place: &Place,
        what: String,
        fields: &'static [Field],
        report: &'a Report,
    ) -> Self {
        let map = map_of(node, report, || {
            (what.clone(), format!("its fields, such as `{}`", fields.first().map_or("", |field| field.name)))
        });
        let mut misspelt = BTreeSet::new();
        for (name, entry) in map.into_iter().flatten() {
            if fields.iter().all(|field| field.name != name) {
                report.error(|| unknown_field(name, &entry.key, &what, fields));
                misspelt.extend(nearest(name, fields.iter().map(|field| field.name)));
            }
        }
        Self { fields, map, place: place.clone(), what, report, taken: RefCell::default(), misspelt }
    }

    /// The scalar of field `name` as it is written.
    pub(super) fn document(&self, name: &'static str) -> Read<Scalar> {
        self.scalar(name, |scalar| Ok(scalar.clone()))
    }

    /// The scalar of field `name`, as `parse` understands it.
    pub(super) fn scalar<T>(&self, name: &'static str, parse: impl Fn(&Scalar) -> Result<T, Unfit>) -> Read<T> {
        self.take(name, |node| self.parsed(name, node, &parse))
    }

    /// The list of scalars of field `name`, each as `parse` understands it.
    pub(super) fn scalars<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&Scalar) -> Result<T, Unfit>,
    ) -> Read<Vec<Located<T>>> {
        self.list(name, |node| self.parsed(name, node, &parse))
    }

    /// The list of field `name`, each item as `read` understands it.
    pub(super) fn list<T>(&self, name: &'static str, read: impl Fn(&Node) -> Option<T>) -> Read<Vec<Located<T>>> {
        self.take(name, |node| match &node.value {
            Value::List(items) => {
                // Every item is read before the first wrong one spoils the list, so that all are reported.
                let items: Vec<_> = items.iter().map(|item| (read(item), &item.place)).collect();
                items
                    .into_iter()
                    .map(|(value, place)| value.map(|value| Located { value, place: place.clone() }))
                    .collect()
            }
            other => {
                self.report.error(|| {
                    Diagnostic::error(&node.place, format!("`{name}` of {} is {}", self.what, other.kind()))
                        .expected("a list")
                        .hint("write the items in brackets, as in `[a, b]`")
                });
                None
            }
        })
    }

    /// The table in field `name`, as `read` understands it; one without any field when it is absent.
    pub(super) fn table<T>(&self, name: &'static str, read: impl FnOnce(&Table<'_>) -> T) -> T {
        let (fields, presence) = match self.field(name) {
            Some(Field { shape: Shape::Table(fields), presence, .. }) => (*fields, *presence),
            _ => (&[][..], Presence::Optional),
        };
        let what =
            if self.what.starts_with("the ") { format!("`{name}`") } else { format!("`{name}` of {}", self.what) };
        let table = if let Some(entry) = self.entry(name) {
            Table::open(&entry.node, &entry.key, what, fields, self.report)
        } else {
            if matches!(presence, Presence::Required) {
                self.missing(name, &format!("add `{name}:` and under it its fields"));
            }
            let place = self.place.clone();
            let (taken, misspelt) = (RefCell::default(), BTreeSet::new());
            Table { fields, map: None, place, what, report: self.report, taken, misspelt }
        };
        table.read_with(read)
    }

    /// The named tables in field `name`, each as `read` understands it; `kind` is what one of them is called.
    pub(super) fn named<T>(&self, name: &'static str, kind: &str, read: impl Fn(&Table<'_>) -> T) -> Named<T> {
        let Some(Field { shape: Shape::Named(fields), presence, .. }) = self.field(name) else { return Named::new() };
        let Some(entry) = self.entry(name) else {
            if matches!(presence, Presence::Required) {
                self.missing(name, &format!("add `{name}:` and under it the first {kind} with its name"));
            }
            return Named::new();
        };
        let map = map_of(&entry.node, self.report, || (format!("`{name}`"), format!("each {kind} under its name")));
        if matches!(presence, Presence::Required) && map.is_some_and(Map::is_empty) {
            self.report.error(|| {
                Diagnostic::error(&entry.key, format!("`{name}` is empty"))
                    .expected(format!("at least one {kind}"))
                    .hint(format!("write each {kind} under its name, indented"))
            });
        }
        map.into_iter()
            .flatten()
            .map(|(name, entry)| {
                let table = Table::open(&entry.node, &entry.key, format!("{kind} `{name}`"), fields, self.report);
                (name.clone(), Located { value: table.read_with(&read), place: entry.key.clone() })
            })
            .collect()
    }

    /// What `read` makes of the table. It has to look at every field that the table knows and at no other, or the
    /// schema would promise more or less than is read; that is our own mistake, so tests stop at it.
    pub(super) fn read_with<T>(&self, read: impl FnOnce(&Self) -> T) -> T {
        let value = read(self);
        let known: BTreeSet<_> = self.fields.iter().map(|field| field.name).collect();
        debug_assert_eq!(*self.taken.borrow(), known, "the fields read of {}", self.what);
        value
    }

    fn parsed<T>(&self, name: &str, node: &Node, parse: impl Fn(&Scalar) -> Result<T, Unfit>) -> Option<T> {
        let Value::Scalar(scalar) = &node.value else {
            self.report.error(|| {
                Diagnostic::error(&node.place, format!("`{name}` of {} is {}", self.what, node.value.kind()))
                    .expected("a single value")
                    .hint(match node.value {
                        Value::Map(_) => "quote a text that holds `: ` or begins with `{`",
                        _ => "write one value, without brackets or dashes",
                    })
            });
            return None;
        };
        parse(scalar)
            .map_err(|unfit| {
                self.report.error(|| {
                    let message = format!("`{name}` of {}: {}", self.what, unfit.message);
                    let diagnostic = Diagnostic::error(&node.place, message).expected(unfit.expected);
                    Diagnostic { hint: unfit.hint, ..diagnostic }
                });
            })
            .ok()
    }

    fn take<T>(&self, name: &'static str, read: impl FnOnce(&Node) -> Option<T>) -> Read<T> {
        let located = |node: &Node, place: &Place| {
            read(node).map_or(Read::Wrong, |value| Read::Is(Located { value, place: place.clone() }))
        };
        if let Some(entry) = self.entry(name) {
            return located(&entry.node, &entry.node.place);
        }
        if self.misspelt.contains(name) {
            return Read::Wrong;
        }
        match self.field(name).map_or(Presence::Optional, |field| field.presence) {
            Presence::Default(text) => default_of(text).map_or(Read::Absent, |node| located(&node, &self.place)),
            Presence::Required => {
                self.missing(name, &format!("add `{name}: …`"));
                Read::Absent
            }
            Presence::Optional => Read::Absent,
        }
    }

    /// The entry of field `name`; one without a value counts as left out.
    fn entry(&self, name: &'static str) -> Option<&'a tree::Entry> {
        self.taken.borrow_mut().insert(name);
        self.map?.get(name).filter(|entry| !matches!(entry.node.value, Value::Null))
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    fn missing(&self, name: &str, hint: &str) {
        // A table that is no table has been reported; that all its fields are missing is no news.
        if self.map.is_none() || self.misspelt.contains(name) {
            return;
        }
        self.report.error(|| {
            let about = self.field(name).map_or("", |field| field.about);
            let about = about.split(". ").next().unwrap_or(about).trim_end_matches('.');
            let place = self.map.and_then(|map| map.get(name)).map_or(&self.place, |entry| &entry.key);
            Diagnostic::error(place, format!("{} has no `{name}`", self.what))
                .expected(format!("`{name}`"))
                .hint(format!("{hint}; {}", lower_first(about)))
        });
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The error about a field that its table does not have.
pub(super) fn unknown_field(name: &str, key: &Place, what: &str, fields: &[Field]) -> Diagnostic {
    let known = || fields.iter().map(|field| field.name);
    let error = Diagnostic::error(key, format!("{what} has no field `{name}`"));
    match nearest(name, known()) {
        Some(near) => error.expected(format!("`{near}`")).hint(format!("did you mean `{near}`?")),
        None => error.expected("one of its fields").hint(format!("the fields are {}", listed(known()))),
    }
}

/// The default of a field as the value that its author would have written.
pub(super) fn default_of(text: &str) -> Option<Node> {
    let source = Arc::new(SourceText::new("default", text));
    tree::parse(&source, 0, Dialect::Stack, &Report::default()).ok()
}

/// The map in `node`; nothing at all counts as an empty one. `expected` says what it is and what was expected.
fn map_of<'a>(node: &'a Node, report: &Report, expected: impl FnOnce() -> (String, String)) -> Option<&'a Map> {
    static EMPTY: std::sync::LazyLock<Map> = std::sync::LazyLock::new(Map::new);
    match &node.value {
        Value::Map(map) => Some(map),
        Value::Null => Some(&EMPTY),
        other => {
            report.error(|| {
                let (what, expected) = expected();
                Diagnostic::error(&node.place, format!("{what} is {}", other.kind()))
                    .expected(expected)
                    .hint("write `name: value` lines, each with the same indentation")
            });
            None
        }
    }
}
