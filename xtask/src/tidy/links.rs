//! Relative links in documents lead to files that are there.

use super::shape::has_extension;
use super::{File, Finding};

pub(super) fn check(file: &File, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    if !has_extension(&file.path, "md") {
        return Vec::new();
    }
    let directory = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets {
            let path = target.split('#').next().unwrap_or_default();
            let elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            if !elsewhere && !exists(&format!("{directory}/{path}").trim_start_matches('/').replace("/./", "/")) {
                findings.push(Finding::new(&file.path, index + 1, format!("the link leads nowhere: {target}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn only_a_relative_link_to_nothing_is_found() {
        let text = "[a](file.md#part) [b](https://example.com) [c](#here)\n[d](gone.md)\n";
        let findings = check(&file("docs/index.md", text), |path| path == "docs/file.md");
        assert_eq!(findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    }
}
