//! The shape of files.

use super::{File, Finding};

/// A file of one idea has 100 to 400 lines; beyond this there are two in it.
const LINES: usize = 700;

pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let rust = has_extension(&file.path, "rs");
    let lines = file.text.lines().count();
    if lines > LINES && (rust || has_extension(&file.path, "sh") || has_extension(&file.path, "md")) {
        let message = format!("has {lines} lines, and a file of one idea has at most {LINES}; divide it by its ideas");
        findings.push(Finding::new(&file.path, 0, message));
    }
    // What a file of tests is for is said by the file that it tests.
    if rust && file.path.contains("/src/") && !is_tests(&file.path) && !file.text.starts_with("//!") {
        let message = "does not begin with a module comment (`//!`): what this part knows, and what it must not know";
        findings.push(Finding::new(&file.path, 1, message));
    }
    findings
}

/// Whether a source file holds the tests of the one beside it.
pub(super) fn is_tests(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Whether a path ends in `.extension`.
pub(super) fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| ending == extension)
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn a_source_file_without_a_module_comment_is_named() {
        assert_eq!(check(&file("crates/core/src/plan.rs", "use std::fmt;\n")).len(), 1);
        assert!(check(&file("crates/core/src/plan.rs", "//! The plan.\n")).is_empty());
        assert!(check(&file("crates/core/src/plan/tests.rs", "use super::*;\n")).is_empty());
    }

    #[test]
    fn a_file_that_is_too_long_is_named() {
        let text = "//! Long.\n".repeat(LINES);
        assert!(check(&file("crates/core/src/plan.rs", &text)).is_empty());
        assert_eq!(check(&file("crates/core/src/plan.rs", &format!("{text}\n"))).len(), 1);
        assert!(check(&file("Cargo.lock", &format!("{text}\n"))).is_empty());
    }
}
