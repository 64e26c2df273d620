//! YAML as a tree in which every value knows its place.
//!
//! The file, its overlay and every `--set` are read into the same tree, so that a value keeps its place through all
//! merging and a later error can point at the very characters. Scalars stay text (`24.10` must not become 24.1);
//! what they mean is decided by whoever reads them.
//!
//! The input may be hostile: its size, its depth and what aliases make of it are bounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use indexmap::map::Entry as Slot;
use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::diagnostic::{Diagnostic, Place, Report, SourceText};

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Map),
}

impl Value {
    /// What it is, as an error says it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a table of fields",
        }
    }
}

/// A map in the order of its text.
pub(super) type Map = IndexMap<String, Entry>;

/// One entry of a map.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where the key stands.
    pub(super) key: Place,
    pub(super) node: Node,
}

/// A text and how it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) style: ScalarStyle,
}

impl Scalar {
    /// Whether it was written without quotes, and so may be a number or a truth value.
    pub(super) fn is_plain(&self) -> bool {
        self.style == ScalarStyle::Plain
    }
}

/// What a text may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Our own file, where a tag has no meaning.
    Stack,
    /// A cloud-config, whose tags are cloud-init's business.
    CloudConfig,
}

/// Why a text is no document: the one error that stops the reading.
pub(super) type Wrong = Box<Diagnostic>;

/// A file for people is far smaller; 10,000 services with a few fields each fit.
const MOST_BYTES: usize = 1 << 20;
/// Counted after aliases: an alias counts as everything that it stands for.
const MOST_NODES: usize = 200_000;
/// The deepest field of a stack lies at 6. Also keeps every walk over the tree off the end of the thread's stack.
const MOST_DEPTH: usize = 32;

/// The one document in `source`, counted from byte `from` (which is 0 for a file). A key that is given twice goes to
/// `report` and its first value stays.
pub(super) fn parse(source: &Arc<SourceText>, from: usize, dialect: Dialect, report: &Report) -> Result<Node, Wrong> {
    let text = source.text.get(from..).unwrap_or_default();
    if text.len() > MOST_BYTES {
        return refuse(
            Diagnostic::error(&Place::new(source, from, from), format!("`{}` is larger than 1 MiB", source.name))
                .hint("put long texts into files of their own and name them by `user_data`"),
        );
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    let events = Parser::new_from_str_with_options(text, options);
    let whole = Place::new(source, from, from);
    Builder { source, from, dialect, report, events, anchors: BTreeMap::new(), nodes: 0, whole }.document()
}

struct Builder<'a> {
    source: &'a Arc<SourceText>,
    from: usize,
    dialect: Dialect,
    report: &'a Report,
    events: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, Anchored>,
    nodes: usize,
    whole: Place,
}

/// What an alias stands for, and what it costs.
struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

/// A node, how many nodes it consists of, and how deep it is.
struct Built {
    node: Node,
    depth: usize,
}

impl<'a> Builder<'a> {
    fn document(mut self) -> Result<Node, Wrong> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(..) if root.is_some() => {
                    return refuse(
                        Diagnostic::error(&self.place(&span), "a second document begins here")
                            .expected("one document")
                            .hint("remove the line `---`, or move what follows it into a file of its own"),
                    );
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => root = Some(self.node(event, &span, 0)?.node),
            }
        }
        Ok(root.unwrap_or(Node { value: Value::Null, place: self.whole }))
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Built, Wrong> {
        let place = self.place(span);
        self.nodes += 1;
        if depth > MOST_DEPTH || self.nodes > MOST_NODES {
            return refuse(too_much(&place));
        }
        let before = self.nodes;
        let tag = match &event {
            Event::Scalar(_, _, _, tag) | Event::SequenceStart(_, _, tag) | Event::MappingStart(_, _, tag) => tag,
            _ => &None,
        };
        if tag.is_some() && self.dialect == Dialect::Stack {
            let place = span.tag_span().map_or_else(|| place.clone(), |tag| self.place(&tag));
            return refuse(
                Diagnostic::error(&place, "a YAML tag has no meaning here").hint("remove the word with the `!`"),
            );
        }
        let (anchor, built) = match event {
            Event::Alias(id) => {
                let Some(anchored) = self.anchors.get(&id) else {
                    return refuse(
                        Diagnostic::error(&place, "the alias stands for something that contains it")
                            .hint("write the value out"),
                    );
                };
                self.nodes += anchored.nodes;
                if depth + anchored.depth > MOST_DEPTH || self.nodes > MOST_NODES {
                    return refuse(too_much(&place));
                }
                (0, Built { node: anchored.node.clone(), depth: anchored.depth })
            }
            Event::Scalar(text, style, anchor, _) => {
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if null { Value::Null } else { Value::Scalar(Scalar { text: text.into_owned(), style }) };
                (anchor, Built { node: Node { value, place }, depth: 1 })
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.list(place, depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.map(place, depth)?),
            _ => return refuse(Diagnostic::error(&place, "not valid YAML")),
        };
        if anchor != 0 {
            let nodes = self.nodes - before + 1;
            self.anchors.insert(anchor, Anchored { node: built.node.clone(), nodes, depth: built.depth });
        }
        Ok(built)
    }

    fn list(&mut self, mut place: Place, depth: usize) -> Result<Built, Wrong> {
        let (mut items, mut deepest) = (Vec::new(), 0);
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                place = place.up_to(&self.place(&span));
                break;
            }
            let item = self.node(event, &span, depth + 1)?;
            deepest = deepest.max(item.depth);
            items.push(item.node);
        }
        Ok(Built { node: Node { value: Value::List(items), place }, depth: deepest + 1 })
    }

    fn map(&mut self, mut place: Place, depth: usize) -> Result<Built, Wrong> {
        let (mut map, mut deepest) = (Map::new(), 0);
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                place = place.up_to(&self.place(&span));
                break;
            }
            let key = self.node(event, &span, depth + 1)?.node;
            let Value::Scalar(Scalar { text: name, .. }) = key.value else {
                return refuse(
                    Diagnostic::error(&key.place, "a key has to be a single value")
                        .expected("a name and a `:`")
                        .hint("quote the key if it begins with a special character"),
                );
            };
            let Some((event, span)) = self.next()? else { break };
            let value = self.node(event, &span, depth + 1)?;
            deepest = deepest.max(value.depth);
            match map.entry(name) {
                Slot::Vacant(slot) => {
                    slot.insert(Entry { key: key.place, node: value.node });
                }
                Slot::Occupied(slot) => self.report.error(|| {
                    Diagnostic::error(&key.place, format!("`{}` is given twice", slot.key()))
                        .note(&slot.get().key, "it is given first")
                        .hint("remove one of the two, or give it another name")
                }),
            }
        }
        Ok(Built { node: Node { value: Value::Map(map), place }, depth: deepest + 1 })
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Wrong> {
        self.events.next().transpose().map_err(|error| Box::new(self.syntax(&error)))
    }

    fn place(&self, span: &Span) -> Place {
        let range = span.byte_range().unwrap_or_default();
        Place::new(self.source, self.from + range.start, self.from + range.end)
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let start = self.from + error.marker().byte_offset().unwrap_or_default();
        let place = Place::new(self.source, start, start);
        let diagnostic = Diagnostic::error(&place, format!("not valid YAML: {}", error.info()));
        let line = place.source_line();
        let indentation = &line[..line.len() - line.trim_start().len()];
        diagnostic.hint(if indentation.contains('\t') {
            "indent with spaces; YAML allows no tabs there"
        } else {
            "look at the indentation, at brackets and quotes left open, and at the line before this one"
        })
    }
}

fn refuse<T>(diagnostic: Diagnostic) -> Result<T, Wrong> {
    Err(Box::new(diagnostic))
}

fn too_much(place: &Place) -> Diagnostic {
    Diagnostic::error(place, "the text is too deeply nested or holds too many values")
        .expected(format!("at most {MOST_DEPTH} levels and {MOST_NODES} values, aliases counted in full"))
        .hint("write it flatter, and without aliases of aliases")
}
