#![allow(clippy::unwrap_used, clippy::panic, clippy::format_collect)]

mod addresses;
mod documents;
mod examples;
mod merging;
mod names;
mod rubbish;
mod values;

use std::collections::BTreeMap;

use super::*;

/// A file with nothing wrong; the tests change a word of it.
const GOOD: &str = "\
stack: blog
network:
  name: default
  subnet: 10.0.0.0/24
  containers: 10.0.0.100-10.0.0.109
hosts:
  lxd:
    image: Ubuntu 24.04
    flavor: small
    key: me
    ssh_from: [10.9.0.0/16]
services:
  hugo:
    image: ubuntu:24.04
    port: 8080
balancers:
  web:
    service: hugo
    listen: 80
";

/// What lies beside the file.
#[derive(Default)]
struct Shelf(BTreeMap<String, String>);

impl Shelf {
    fn with(name: &str, text: &str) -> Self {
        Self(BTreeMap::from([(name.to_owned(), text.to_owned())]))
    }
}

impl Files for Shelf {
    fn text(&self, path: &str) -> Result<String, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }

    fn sha256(&self, path: &str) -> Result<String, String> {
        self.text(path).map(|text| format!("{:064X}", text.len()))
    }
}

fn sources(text: &str) -> Sources {
    Sources { main: SourceText::new("pontoon.yaml", text), overlay: None, sets: Vec::new(), cloud: None }
}

fn load_text(text: &str) -> Result<Loaded, Diagnostics> {
    load(&sources(text), &Shelf::default())
}

fn stack_of(text: &str) -> model::Stack {
    load_text(text).unwrap_or_else(|errors| panic!("{}", errors.render())).stack
}

/// [`GOOD`] with `from` replaced, which has to be there.
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "`{from}` is not in the file");
    GOOD.replacen(from, to, 1)
}

/// The text without its `«` and `»`, and the line, column and width (on one line) of what stood between them.
fn unmarked(text: &str) -> (String, (usize, usize, usize)) {
    let (before, rest) = text.split_once('«').unwrap();
    let (marked, after) = rest.split_once('»').unwrap();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    let width = marked.lines().next().unwrap_or_default().chars().count().max(1);
    (format!("{before}{marked}{after}"), (line, column, width))
}

/// [`GOOD`] with `from` replaced by `to` has exactly one error: at what `«»` mark in `to`, with this message and hint.
#[track_caller]
fn wrong(from: &str, to: &str, message: &str, hint: &str) {
    wrong_text(&changed(from, to), message, hint);
}

#[track_caller]
fn wrong_text(marked: &str, message: &str, hint: &str) {
    let (text, position) = unmarked(marked);
    one_error(load_text(&text), "pontoon.yaml", position, message, hint);
}

#[track_caller]
fn one_error(
    result: Result<Loaded, Diagnostics>,
    file: &str,
    position: (usize, usize, usize),
    message: &str,
    hint: &str,
) {
    let errors = result.unwrap_err();
    let [error] = &errors.list[..] else { panic!("not one error:\n{}", errors.render()) };
    assert_eq!((error.message.as_str(), error.hint.as_deref()), (message, Some(hint)), "\n{}", errors.render());
    assert_eq!(error.place.file(), file);
    assert_eq!((error.place.line(), error.place.column(), error.place.width()), position, "\n{}", errors.render());
    assert!(error.expected.is_some(), "says what was expected:\n{}", errors.render());
}
