//! Colours, and what may be put on a terminal at all.
//!
//! Colour is only ever an addition: every line says the same without it.

use std::time::Duration;

use crate::cli::ColorChoice;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    colored: bool,
}

impl Style {
    /// No colour.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colored: false };
    /// Colour.
    #[cfg(test)]
    pub(crate) const COLORED: Self = Self { colored: true };

    /// What the user chose; left to us, colour needs a terminal that can show it and a user who has not set `NO_COLOR`
    /// (<https://no-color.org>).
    pub(crate) fn chosen(choice: ColorChoice, is_terminal: bool) -> Self {
        let colored = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                is_terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Self { colored }
    }

    /// Whether it colours anything.
    pub(crate) fn is_colored(self) -> bool {
        self.colored
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(crate) fn blue(self, text: &str) -> String {
        self.wrap("34", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// Colours the words with which the lines of a message begin: `error:`, `warning:`, `hint:`.
    pub(crate) fn headed(self, text: &str) -> String {
        if !self.colored {
            return text.to_owned();
        }
        let line = |line: &str| {
            for (head, code) in [("error:", "1;31"), ("warning:", "1;33"), ("hint:", "1;36"), ("note:", "1;36")] {
                if let Some(rest) = line.strip_prefix(head) {
                    return self.wrap(code, head) + rest;
                }
            }
            line.to_owned()
        };
        text.split_inclusive('\n').map(line).collect()
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colored && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// `text` without control characters but line ends: what services say is shown, never obeyed.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '\r')
        .map(|c| match c {
            '\n' => c,
            '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// `text` with its second and further lines indented under the first, without empty lines at its end.
pub(crate) fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

/// A duration as people say it.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=9 => format!("{:.1} s", duration.as_secs_f64()),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A number of bytes as people say it.
pub(crate) fn size(bytes: usize) -> String {
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    // Tenths are enough, and integers stay exact.
    let tenths = bytes * 10 / 1024;
    format!("{}.{} KiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_word_of_a_message_is_coloured() {
        assert_eq!(
            Style::COLORED.headed("error: no\nhint: yes\n"),
            "\x1b[1;31merror:\x1b[0m no\n\x1b[1;36mhint:\x1b[0m yes\n"
        );
        assert_eq!(Style::PLAIN.headed("error: no\n"), "error: no\n");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        let said = |millis| duration(Duration::from_millis(millis));
        assert_eq!(
            [said(40), said(9_900), said(42_000), said(185_000), said(7_260_000)],
            ["0.0 s", "9.9 s", "42 s", "3 min 05 s", "2 h 01 min"]
        );
    }

    #[test]
    fn sizes_read_as_people_say_them() {
        assert_eq!(
            [size(0), size(1023), size(1024), size(48 * 1024 + 512)],
            ["0 bytes", "1023 bytes", "1.0 KiB", "48.5 KiB"]
        );
    }
}
