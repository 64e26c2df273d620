//! What differs from cloud to cloud: the overlay beside the file, and `--set`.
//!
//! Both are partial files. Tables merge field by field, lists and single values replace, and every value keeps the
//! place that it came from. An overlay changes what the file describes and adds nothing: a name that the file does
//! not have is an error, as it is nearly always a slip.

use std::sync::Arc;

use super::diagnostic::{Diagnostic, Place, Report, SourceText, listed, nearest};
use super::fields::{FILE, Field, Shape};
use super::reader::unknown_field;
use super::tree::{self, Dialect, Entry, Map, Node, Value};

/// The name of the overlay for `cloud`, which lies beside `pontoon.yaml`.
pub fn overlay_name(cloud: &str) -> String {
    format!("pontoon.{cloud}.yaml")
}

/// Lays `over`, the overlay file, onto `base`.
pub(super) fn lay(base: &mut Node, over: Node, report: &Report) {
    if let Value::Map(map) = &over.value
        && let Some(cloud) = map.get("cloud")
    {
        report.error(|| {
            Diagnostic::error(&cloud.key, "an overlay cannot choose the cloud")
                .expected("fields that differ on this cloud")
                .hint("the overlay is chosen by the cloud; set `cloud` in the file itself, or give `--cloud`")
        });
    }
    merge_table(base, over, FILE, "the file", report);
}

/// Sets one field of `base`, as in `hosts.lxd.image=Debian 12`; the value is YAML. Nothing for a value takes away what the
/// file has there, however much it is.
pub(super) fn set(base: &mut Node, assignment: &str, report: &Report) {
    let source = Arc::new(SourceText::new("--set", assignment));
    let whole = Place::new(&source, 0, assignment.len());
    let Some((path, _)) = assignment.split_once('=') else {
        report.error(|| {
            Diagnostic::error(&whole, "no `=` in the argument of `--set`")
                .expected("a field, `=` and its value")
                .hint("such as `--set hosts.lxd.image='Debian 12'`")
        });
        return;
    };
    if path == "cloud" {
        report.error(|| {
            Diagnostic::error(&Place::new(&source, 0, path.len()), "`--set` cannot choose the cloud")
                .expected("another field")
                .hint("give `--cloud`, which also chooses the overlay")
        });
        return;
    }
    match tree::parse(&source, path.len() + 1, Dialect::Stack, report) {
        Ok(value) => {
            let nothing = matches!(value.value, Value::Null);
            if let Some(partial) = nested(path, value, &source, report) {
                merge_table(base, partial, FILE, "the file", report);
                if nothing {
                    take_away(base, path);
                }
            }
        }
        Err(error) => report.error(|| *error),
    }
}

/// Takes away what is at `path`, if anything is.
fn take_away(base: &mut Node, path: &str) {
    let Value::Map(map) = &mut base.value else { return };
    match path.split_once('.') {
        None => {
            map.shift_remove(path);
        }
        Some((name, rest)) => {
            if let Some(entry) = map.get_mut(name) {
                take_away(&mut entry.node, rest);
            }
        }
    }
}

/// No field lies deeper than this; a longer path is refused before it becomes a deep tree.
const MOST_SEGMENTS: usize = 8;

/// `value` in tables by the names of `path`.
fn nested(path: &str, value: Node, source: &Arc<SourceText>, report: &Report) -> Option<Node> {
    let names: Vec<&str> = path.split('.').collect();
    if names.len() > MOST_SEGMENTS || names.iter().any(|name| name.is_empty()) {
        report.error(|| {
            Diagnostic::error(&Place::new(source, 0, path.len()), format!("`{path}` is not the path of a field"))
                .expected("names with dots in between")
                .hint("such as `hosts.lxd.image` or `network.attach`")
        });
        return None;
    }
    let mut end = path.len();
    Some(names.into_iter().rev().fold(value, |node, name| {
        let key = Place::new(source, end - name.len(), end);
        end = end.saturating_sub(name.len() + 1);
        let place = key.clone();
        Node { value: Value::Map(Map::from([(name.to_owned(), Entry { key, node })])), place }
    }))
}

fn merge_table(base: &mut Node, over: Node, fields: &'static [Field], what: &str, report: &Report) {
    let (base, over) = match (base, over) {
        // An empty overlay changes nothing.
        (_, Node { value: Value::Null, .. }) => return,
        (Node { value: Value::Map(base), .. }, Node { value: Value::Map(over), .. }) => (base, over),
        // One of them is wrong, or the file has nothing there; the reader finds out.
        (base, over) => {
            *base = over;
            return;
        }
    };
    for (name, entry) in over {
        let field = fields.iter().find(|field| field.name == name);
        match (field, base.get_mut(&name)) {
            (None, _) => report.error(|| unknown_field(&name, &entry.key, what, fields)),
            (Some(Field { shape: Shape::Table(fields), .. }), Some(old)) => {
                merge_table(&mut old.node, entry.node, fields, &format!("`{name}`"), report);
            }
            (Some(Field { shape: Shape::Named(fields), .. }), old)
                if old.is_some() || matches!(entry.node.value, Value::Map(_)) =>
            {
                merge_named(old.map(|old| &mut old.node), entry, &name, fields, report);
            }
            (Some(_), _) => {
                base.insert(name, entry);
            }
        }
    }
}

fn merge_named(base: Option<&mut Node>, over: Entry, kind: &str, fields: &'static [Field], report: &Report) {
    let mut nothing = Node { value: Value::Map(Map::new()), place: over.key.clone() };
    let base = base.unwrap_or(&mut nothing);
    let (base, over) = match (&mut base.value, over.node.value) {
        (_, Value::Null) => return,
        (Value::Map(base), Value::Map(over)) => (base, over),
        (Value::Null, Value::Map(over)) => (&mut Map::new(), over),
        // One of them is wrong; the reader finds out.
        (_, value) => {
            *base = Node { value, place: over.node.place };
            return;
        }
    };
    for (name, entry) in over {
        let what = format!("`{kind}.{name}`");
        if let Some(old) = base.get_mut(&name) {
            merge_table(&mut old.node, entry.node, fields, &what, report);
        } else {
            report.error(|| {
                let known = || base.keys().map(String::as_str);
                Diagnostic::error(&entry.key, format!("the file has no {what} that could be changed"))
                    .expected("a name that the file has")
                    .hint(match nearest(&name, known()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("the file has {} there; add new ones to the file itself", listed(known())),
                    })
            });
        }
    }
}
