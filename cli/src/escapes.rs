//! Text that others wrote for terminals, without what steers one.

use crate::printable;

/// The text without escape sequences (ECMA-48: CSI, OSC and the like) and controls; tabs stay.
pub(crate) fn strip(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                Some('[') => skip_control(&mut chars),
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut chars),
                // Those of two characters, or with intermediate ones between.
                Some(' '..='/') => while chars.next().is_some_and(|c| matches!(c, ' '..='/')) {},
                _ => {}
            },
            '\u{9b}' => skip_control(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut chars),
            '\t' => plain.push(c),
            c if printable::is_unsafe(c) => {}
            c => plain.push(c),
        }
    }
    plain
}

/// To the letter that ends a control sequence.
fn skip_control(chars: &mut impl Iterator<Item = char>) {
    for c in chars {
        if ('@'..='~').contains(&c) {
            return;
        }
    }
}

/// To the end of a control string: BEL, or ST.
fn skip_string(chars: &mut std::iter::Peekable<impl Iterator<Item = char>>) {
    while let Some(c) = chars.next() {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' if chars.next_if_eq(&'\\').is_some() => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_left_and_nothing_that_steers() {
        let check = |text: &str, expected: &str| assert_eq!(strip(text), expected, "{text:?}");
        check("plain, grüße\t東京", "plain, grüße\t東京");
        check("\x1b[1;31mred\x1b[0m", "red");
        check("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab");
        check("a\x1b(Bb\x1b7c\u{9b}2Jd", "abcd");
        check("a\rb\u{8}\u{7f}\u{202e}c\0", "abc");
        for open in ["\x1b", "\x1b[", "\x1b[12", "\x1b]0;t", "\x1bPq", "\x1b("] {
            check(&format!("a{open}"), "a");
        }
    }
}
