//! `cargo xtask tidy`: the house rules, as a test.
//!
//! Each rule is a pure function of the text of a file or of what `cargo metadata` says; only this file reads. What a
//! compiler or clippy finds is left to them.
//!
//! ```text
//! shape   files begin with what they are for, and end before they are too long
//! source  what production code does not do: panic, print, and in core anything but compute
//! words   what only its writer understands: machine paths, numbers of tickets, notes to oneself
//! links   relative links of documents lead somewhere
//! walls   which crate may know which
//! ```

mod links;
mod shape;
mod source;
mod walls;
mod words;

use std::path::Path;

use crate::checkout;

/// A text file of the repository.
struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

/// A breach of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1; 0 where it is about the whole file.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

/// Checks the repository and prints every breach.
pub(crate) fn run(_: &[String]) -> Result<(), String> {
    let root = checkout::root()?;
    let mut files = Vec::new();
    read(&root, &root, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));

    let mut findings = walls::check(&checkout::metadata(&root)?);
    for file in &files {
        findings.extend(shape::check(file));
        findings.extend(source::check(file));
        findings.extend(words::check(file));
        findings.extend(links::check(file, |path| root.join(path).exists()));
    }
    for Finding { path, line, message } in &findings {
        println!("{path}:{line}: {message}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} files keep the house rules", files.len());
            Ok(())
        }
        1 => Err("a house rule is broken".to_owned()),
        many => Err(format!("house rules are broken in {many} places")),
    }
}

/// Reads every text file below a directory, but for what is built, fetched or kept by git.
fn read(root: &Path, directory: &Path, files: &mut Vec<File>) -> Result<(), String> {
    const NOT_OURS: [&str; 5] = [".git", "target", ".idea", ".vscode", "proptest-regressions"];
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", directory.display());
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, path) = (entry.file_name(), entry.path());
        let kind = entry.file_type().map_err(failed)?;
        // In a linked worktree `.git` is a file.
        if NOT_OURS.iter().any(|other| name == *other) {
            continue;
        }
        if kind.is_dir() {
            read(root, &path, files)?;
        } else if kind.is_file()
            && let Ok(text) = String::from_utf8(std::fs::read(&path).map_err(failed)?)
        {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            files.push(File { path: relative.to_string_lossy().replace('\\', "/"), text });
        }
    }
    Ok(())
}

#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}
