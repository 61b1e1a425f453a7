//! Words of a line: quotes around them, escapes in them.

use std::fmt::Write as _;

use super::{RecordTextError, cut};

/// Some text without white space, or between quotes; escapes in it are still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'t> {
    /// What stands there, without the quotes around it as a whole.
    pub text: &'t str,
    /// It stood between quotes as a whole.
    pub quoted: bool,
}

impl<'t> Token<'t> {
    /// The token that `text` begins with, and how many octets of it that took. It ends before white space, a parenthesis or a comment.
    ///
    /// # Errors
    /// When a quote is not closed, or an escape has nothing behind it.
    pub fn first(text: &'t str) -> Result<(Self, usize), RecordTextError> {
        let octets = text.as_bytes();
        let (mut at, mut quote) = (0, false);
        while let Some(octet) = octets.get(at) {
            match octet {
                b'"' if at == 0 => quote = true,
                b'"' if quote => {
                    at += 1;
                    if octets[0] == b'"' {
                        return Ok((Self { text: &text[1..at - 1], quoted: true }, at));
                    }
                    quote = false;
                    continue;
                }
                // Within a parameter: key="value".
                b'"' => quote = true,
                b'\n' if quote => return Err(unclosed()),
                b'\\' => at += 1,
                b'(' | b')' | b';' if !quote => break,
                octet if !quote && (is_blank(*octet) || *octet == b'\n') => break,
                _ => {}
            }
            at += 1;
        }
        if quote {
            return Err(unclosed());
        }
        // An escape may stand before a character of several octets, or before the end.
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at += 1;
        }
        let token = &text[..at];
        if token.contains('\n') {
            let message = "a `\\` stands at the end of the line; write what it shall escape behind it";
            return Err(RecordTextError::malformed(message));
        }
        Ok((Self { text: token, quoted: false }, at))
    }
}

fn unclosed() -> RecordTextError {
    RecordTextError::malformed("a quote is not closed in its line; write the second `\"`")
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r')
}

/// All tokens of one line, which is data alone: what a zone file means by parentheses, comments and line ends is not there.
pub(super) fn of_line(text: &str) -> Result<Vec<Token<'_>>, RecordTextError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(octet) = text.as_bytes().get(at) {
        match octet {
            b'(' | b')' | b';' | b'\n' => {
                let shown = char::from(*octet).escape_default();
                let message = format!(
                    "`{shown}` stands outside of quotes; write the data of one record on one line, without comments, and texts with such characters between quotes"
                );
                return Err(RecordTextError::Malformed(message));
            }
            octet if is_blank(*octet) => at += 1,
            _ => {
                let (token, length) = Token::first(&text[at..])?;
                tokens.push(token);
                at += length;
            }
        }
    }
    Ok(tokens)
}

/// The octets that a text stands for: `\X` and `\DDD` resolved (RFC 1035 §5.1).
pub(super) fn unescaped(text: &str) -> Result<Vec<u8>, RecordTextError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        let malformed = || {
            RecordTextError::Malformed(format!(
                "`{}` has a `\\` that is not followed by a character or by three digits up to 255",
                cut(text)
            ))
        };
        let first = rest.next().ok_or_else(malformed)?;
        if first.is_ascii_digit() {
            let digits =
                [Some(first), rest.next(), rest.next()].map(|digit| digit.filter(u8::is_ascii_digit));
            let number =
                digits.into_iter().try_fold(0_u16, |n, digit| Some(n * 10 + u16::from(digit? - b'0')));
            octets.push(number.and_then(|number| u8::try_from(number).ok()).ok_or_else(malformed)?);
        } else {
            octets.push(first);
        }
    }
    Ok(octets)
}

/// Octets between quotes, those that mean something else or are no printable ASCII escaped.
pub(super) fn quoted(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() + 2);
    text.push('"');
    for &octet in octets {
        match octet {
            b'"' | b'\\' => text.extend(['\\', char::from(octet)]),
            b' '..=b'~' => text.push(char::from(octet)),
            // Writing to a string cannot fail.
            _ => drop(write!(text, "\\{octet:03}")),
        }
    }
    text.push('"');
    text
}
