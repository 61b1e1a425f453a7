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
