//! Values from the registry, made safe for a terminal.

use std::borrow::Cow;

/// The text with every character that could steer or mislead a terminal written as `\u{…}`.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) { safe.extend(c.escape_unicode()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// Controls (C0, DEL, C1), line separators, and what is invisible or turns the direction of writing.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(line("plain, grüße, 東京"), "plain, grüße, 東京");
        assert_eq!(line("\x1b[2Jgone"), "\\u{1b}[2Jgone");
        assert_eq!(line("a\nb\tc\r\x7f\u{9b}"), "a\\u{a}b\\u{9}c\\u{d}\\u{7f}\\u{9b}");
        assert_eq!(line("moc.\u{202e}example"), "moc.\\u{202e}example");
    }
}
