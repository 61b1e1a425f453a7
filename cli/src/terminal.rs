//! The terminal, where there is one.

use std::io::IsTerminal;

/// How many characters a line has at least, whatever a terminal says.
const NARROW: usize = 20;

/// How many characters a line of standard output has; `None`: that is no terminal.
pub(crate) fn width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| usize::from(size.ws_col));
    Some(columns.ok().filter(|columns| *columns > 0).unwrap_or(80).max(NARROW))
}

/// The line, cut to so many characters.
pub(crate) fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// How many lines and characters the terminal has; `None`: standard input is none.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdin()).ok()?;
    Some((size.ws_row, size.ws_col))
}

/// The terminal passes on every key as it is, until this is dropped.
pub(crate) struct Raw {
    before: rustix::termios::Termios,
}

impl Raw {
    /// `None`: standard input is no terminal.
    pub(crate) fn new() -> Option<Self> {
        let before = rustix::termios::tcgetattr(std::io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let now = rustix::termios::OptionalActions::Now;
        // There is nothing left to be done about a terminal that is gone.
        let _ = rustix::termios::tcsetattr(std::io::stdin(), now, &self.before);
    }
}
