//! Words that only their writer understands. The repository speaks to whoever comes later, from another machine.

use super::shape::has_extension;
use super::{File, Finding};

/// Where checkouts of people and build machines lie.
const MACHINE_PATHS: [&str; 5] = ["/work/", "/workspace/", "/builds/", "/Users/", "/home/runner/"];

/// Notes to oneself. What is left to do is a ticket; what a line does badly is said in a sentence.
const NOTES: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];

/// Ways to another registry than the public one; where packages come from is a matter of the machine.
const REGISTRIES: [&str; 5] = ["[source.", "[registries", "replace-with", "--index-url", "--extra-index-url"];

const PUBLIC_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(file: &File) -> Vec<Finding> {
    if file.path == "Cargo.lock" {
        return check_lock(file);
    }
    // This file has to say the words, and the licences are their authors' own.
    if file.path == "xtask/src/tidy/words.rs" || file.path.starts_with("LICENSE") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let mut found = |message: String| findings.push(Finding::new(&file.path, index + 1, message));
        for path in MACHINE_PATHS.iter().filter(|path| line.contains(**path)) {
            found(format!("`{path}` is a path of one machine"));
        }
        for note in NOTES.iter().filter(|note| has_word(line, note)) {
            found(format!("`{note}` is a note to oneself"));
        }
        for registry in REGISTRIES.iter().filter(|registry| line.contains(**registry)) {
            found(format!("`{registry}` leads to a registry of one machine"));
        }
        if let Some(ticket) = ticket(line).filter(|_| !has_extension(&file.path, "snap")) {
            found(format!("`{ticket}` is the number of a ticket; say what it is about"));
        }
    }
    findings
}

fn check_lock(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().enumerate();
    let elsewhere = lines.filter(|(_, line)| line.starts_with("source = ") && !line.contains(PUBLIC_REGISTRY));
    elsewhere.map(|(index, line)| Finding::new(&file.path, index + 1, format!("not from crates.io: {line}"))).collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|other| other == word)
}

/// A number of a ticket of this project: `#12` or `issue 12`. That of another one names it, as in `gophercloud#2326`.
fn ticket(line: &str) -> Option<String> {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let trimmed = |word: &str| word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '#').to_owned();
    let words: Vec<String> = line.split_whitespace().map(trimmed).collect();
    let hash = words.iter().find(|word| word.strip_prefix('#').is_some_and(is_number));
    let spelt = words.windows(2).find_map(|two| match two {
        [first, second] if first.eq_ignore_ascii_case("issue") && is_number(second) => {
            Some(format!("{first} {second}"))
        }
        _ => None,
    });
    hash.cloned().or(spelt)
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn found(text: &str) -> usize {
        check(&file("crates/core/src/plan.rs", text)).len()
    }

    #[test]
    fn numbers_of_our_tickets_are_found_and_those_of_other_projects_are_not() {
        assert_eq!(found("// see #12"), 1);
        assert_eq!(found("// (Issue 12)"), 1);
        assert_eq!(found("// gophercloud#2326, pull request 11606, r#\"text\"#"), 0);
    }

    #[test]
    fn paths_of_one_machine_and_notes_to_oneself_are_found() {
        assert_eq!(found("// in /work/main"), 1);
        assert_eq!(found("// TODO: more"), 1);
        assert_eq!(found("let pattern = \"XXXXXX\"; // under /root"), 0);
    }

    #[test]
    fn a_locked_package_from_another_registry_is_found() {
        let lock = format!("source = \"{PUBLIC_REGISTRY}\"\nsource = \"registry+https://crates.example/index\"\n");
        let findings = check(&file("Cargo.lock", &lock));
        assert_eq!(findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    }
}
