//! What production code does not do.
//!
//! Lines are looked at one by one, without their comments and strings. That is no parser; it is enough to find what was
//! written in good faith.

use super::shape::{has_extension, is_tests};
use super::{File, Finding};

/// What something is not done with, and what is done in its place.
struct Ban {
    words: &'static [&'static str],
    reason: &'static str,
}

const PANICS: Ban = Ban {
    words: &[".unwrap()", ".expect(", "panic!", "todo!", "unimplemented!", "unreachable!", "dbg!"],
    reason: "no input may end the program; return an error",
};

const LINTS: Ban = Ban {
    words: &["clippy::unwrap_used", "clippy::expect_used", "clippy::panic", "clippy::indexing_slicing"],
    reason: "this lint is switched off in tests only",
};

const PRINTS: Ban = Ban {
    words: &["println!", "eprintln!", "print!", "eprint!"],
    reason: "a library does not print; hand it to the binary, or use `tracing`",
};

const EFFECTS: Ban = Ban {
    words: &[
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "std::os",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "UnixStream",
        "Instant",
        "SystemTime",
        "tokio",
        "rand",
        "getrandom",
        "async fn",
        "async move",
    ],
    reason: "core returns what follows from its arguments; whoever calls it reads, waits, draws and sends",
};

pub(super) fn check(file: &File) -> Vec<Finding> {
    if !has_extension(&file.path, "rs") || !file.path.contains("/src/") || is_tests(&file.path) {
        return Vec::new();
    }
    let mut bans = vec![PANICS, LINTS];
    if ["crates/core/", "crates/cloud/", "crates/sim/"].iter().any(|library| file.path.starts_with(library)) {
        bans.push(PRINTS);
    }
    if file.path.starts_with("crates/core/") {
        bans.push(EFFECTS);
    }
    let mut findings = Vec::new();
    for (number, line) in production(&file.text) {
        let code = code_of(line);
        for ban in &bans {
            for word in ban.words.iter().filter(|word| contains_word(&code, word)) {
                findings.push(Finding::new(&file.path, number, format!("`{word}`: {}", ban.reason)));
            }
        }
    }
    findings
}

/// The numbered lines before the module of tests, which comes last in a file.
fn production(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.lines().zip(text.lines().skip(1)).position(|(line, next)| {
        line.starts_with("#[cfg(test)]") && next.starts_with("mod ") && next.trim_end().ends_with('{')
    });
    text.lines().enumerate().take(end.unwrap_or(usize::MAX)).map(|(index, line)| (index + 1, line))
}

/// A line without its comment and without what stands in its strings.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut letters = line.chars().peekable();
    let mut in_string = false;
    while let Some(letter) = letters.next() {
        match (in_string, letter) {
            (true, '\\') => {
                letters.next();
            }
            (_, '"') if !code.ends_with('\'') => in_string = !in_string,
            (false, '/') if letters.peek() == Some(&'/') => break,
            (false, _) => code.push(letter),
            (true, _) => {}
        }
    }
    code
}

/// Whether the word stands in the code, and not as a part of a longer one.
fn contains_word(code: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let continues = |before: Option<char>, after: Option<char>| {
        before.is_some_and(is_part) && word.starts_with(is_part)
            || after.is_some_and(is_part) && word.ends_with(is_part)
    };
    code.match_indices(word).any(|(at, _)| {
        let (before, rest) = code.split_at(at);
        !continues(before.chars().next_back(), rest.get(word.len()..).and_then(|after| after.chars().next()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    const NOWHERE: [usize; 0] = [];

    fn found(path: &str, text: &str) -> Vec<usize> {
        check(&file(path, text)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_panic_is_found_in_production_code_only() {
        let text = "//! x\nfn f() { g().unwrap() }\n#[cfg(test)]\nmod tests {\n    fn t() { g().unwrap() }\n}\n";
        assert_eq!(found("crates/cloud/src/site.rs", text), [2]);
        assert_eq!(found("crates/cloud/src/site/tests.rs", text), NOWHERE);
        assert_eq!(found("crates/cloud/tests/site.rs", text), NOWHERE);
    }

    #[test]
    fn comments_strings_and_longer_words_are_no_code() {
        assert_eq!(found("crates/cloud/src/site.rs", "// .unwrap()\nlet text = \"panic!\"; // panic!\n"), NOWHERE);
        assert_eq!(found("crates/cloud/src/site.rs", "let quote = '\"'; a.unwrap(); // \"\n"), [1]);
        assert_eq!(found("crates/core/src/plan.rs", "let operands = 1;\nstruct InstantMessage;\n"), NOWHERE);
    }

    #[test]
    fn core_neither_reads_a_clock_nor_a_file_nor_draws() {
        let text = "use std::time::Instant;\nlet text = std::fs::read(path);\nlet n: u8 = rand::random();\n";
        assert_eq!(found("crates/core/src/plan.rs", text), [1, 2, 3]);
        assert_eq!(found("crates/cloud/src/site.rs", text), NOWHERE);
    }

    #[test]
    fn libraries_do_not_print_and_the_binary_does() {
        assert_eq!(found("crates/sim/src/net/mod.rs", "println!();\n"), [1]);
        assert_eq!(found("crates/pontoon/src/show.rs", "println!();\n"), NOWHERE);
    }
}
