//! How many tests ran, out of what the runners print at their ends.

use std::fmt;

/// Tests by how they ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Counts {
    /// Takes what a line says, if it is a closing line of a runner:
    ///
    /// ```text
    /// test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
    ///      Summary [   4.321s] 13 tests run: 12 passed (1 slow), 1 failed, 2 skipped
    /// ```
    ///
    /// A test that failed is shown by nextest with all that its own process printed, one such line among it, which is indented.
    pub(super) fn hear(&mut self, line: &str) {
        if !line.starts_with("test result: ") && !line.trim_start().starts_with("Summary [") {
            return;
        }
        let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
        for two in words.windows(2) {
            let [number, word] = two else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match *word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" | "skipped" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tests passed; {} failed; {} ignored", self.passed, self.failed, self.ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_are_summed_up() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: FAILED. 12 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "     Summary [   4.321s] 13 tests run: 12 passed (1 slow), 1 failed, 2 skipped",
            "test it_says_5 passed ... ok",
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 184 filtered out; finished in 12.52s",
        ] {
            counts.hear(line);
        }
        assert_eq!(counts, Counts { passed: 24, failed: 2, ignored: 3 });
    }
}
