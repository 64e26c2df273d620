//! Lines that stay and lines that are redrawn in place.
//!
//! On a terminal the live lines stand below everything that was printed; each drawing takes the last one away first.
//! In a pipe there are no live lines. Nothing is known here of what the lines say.

use std::io::{IsTerminal as _, Write, stderr};

/// How large a terminal is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// Where lines go to.
pub(crate) struct Screen {
    out: Box<dyn Write + Send>,
    /// Asked for at each drawing, for the user may have changed it; `None` where there is no terminal.
    size: fn() -> Option<Size>,
    drawn: usize,
}

impl Screen {
    /// Standard error, live when it is a terminal.
    pub(crate) fn on_stderr() -> Self {
        Self { out: Box::new(stderr()), size: terminal_size, drawn: 0 }
    }

    /// Any writer.
    #[cfg(test)]
    pub(crate) fn on(out: Box<dyn Write + Send>, size: fn() -> Option<Size>) -> Self {
        Self { out, size, drawn: 0 }
    }

    /// Whether lines can be redrawn.
    pub(crate) fn is_live(&self) -> bool {
        (self.size)().is_some()
    }

    /// Prints `lines` for good, and `live` below them until the next call.
    pub(crate) fn draw(&mut self, lines: &str, live: &[String]) {
        let mut text = String::new();
        if self.drawn > 0 {
            // To the start of the first live line (CPL), then clear all below (ED); ECMA-48.
            text += &format!("\x1b[{}F\x1b[J", self.drawn);
        }
        text += lines;
        self.drawn = 0;
        if let Some(size) = (self.size)() {
            // One row is left for the cursor, and one column so that a full line does not wrap.
            let rows = size.rows.saturating_sub(2).max(1);
            let hidden = live.len().saturating_sub(rows);
            let shown = if hidden > 0 { rows.saturating_sub(1) } else { live.len() };
            for line in live.iter().take(shown) {
                text += &format!("{}\n", cut(line, size.columns.saturating_sub(1)));
            }
            self.drawn = shown;
            if hidden > 0 {
                text += &format!(
                    "{}\n",
                    cut(&format!("… and {} more", live.len() - shown), size.columns.saturating_sub(1))
                );
                self.drawn += 1;
            }
        }
        // A reader that has gone away is nobody's failure.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

fn terminal_size() -> Option<Size> {
    let capable = stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let size = rustix::termios::tcgetwinsize(stderr()).ok().filter(|_| capable)?;
    // A terminal that does not know its size says 0; assume the least that terminals have.
    let or = |value: u16, least| if value == 0 { least } else { usize::from(value) };
    Some(Size { columns: or(size.ws_col, 80), rows: or(size.ws_row, 24) })
}

/// As much of `line` as fits.
fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    line.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}
