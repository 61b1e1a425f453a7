//! A master file's text, cut into entries: lines, several where parentheses join them.

use super::ZoneFileError;

/// One entry: what stands in one line, or in several between parentheses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'t> {
    /// The line it begins in, from 1.
    pub number: usize,
    /// Whether it begins with white space, so that its owner is the last one.
    pub indented: bool,
    pub tokens: Vec<Token<'t>>,
}

/// Some text without white space, or between quotes; escapes in it are still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub text: &'t str,
    /// It stood between quotes as a whole.
    pub quoted: bool,
}

/// Cuts a text into its lines.
pub(super) struct Lines<'t> {
    text: &'t str,
    at: usize,
    number: usize,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0, number: 1 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next entry that is not empty.
    pub(super) fn next(&mut self) -> Result<Option<Line<'t>>, ZoneFileError> {
        loop {
            let mut line =
                Line { number: self.number, indented: self.peek().is_some_and(is_blank), tokens: Vec::new() };
            self.fill(&mut line)?;
            if !line.tokens.is_empty() {
                return Ok(Some(line));
            }
            if self.peek().is_none() {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self, line: &mut Line<'t>) -> Result<(), ZoneFileError> {
        let mut open = None;
        while let Some(octet) = self.peek() {
            match octet {
                b'\n' => {
                    self.at += 1;
                    self.number += 1;
                    if open.is_none() {
                        return Ok(());
                    }
                }
                b'(' if open.is_none() => {
                    open = Some(self.number);
                    self.at += 1;
                }
                b'(' => return Err(wrong(self.number, "a `(` stands between parentheses")),
                b')' if open.take().is_some() => self.at += 1,
                b')' => return Err(wrong(self.number, "a `)` has no `(` before it")),
                b';' => {
                    self.at = self.text[self.at..].find('\n').map_or(self.text.len(), |end| self.at + end)
                }
                octet if is_blank(octet) => self.at += 1,
                _ => line.tokens.push(self.token()?),
            }
        }
        match open {
            Some(number) => Err(wrong(number, "this `(` is never closed; write the `)`")),
            None => Ok(()),
        }
    }

    fn token(&mut self) -> Result<Token<'t>, ZoneFileError> {
        let start = self.at;
        let mut quote = false;
        while let Some(octet) = self.peek() {
            match octet {
                b'"' if self.at == start => quote = true,
                b'"' if quote => {
                    let whole = self.text.as_bytes()[start] == b'"';
                    self.at += 1;
                    if whole {
                        return Ok(Token { text: &self.text[start + 1..self.at - 1], quoted: true });
                    }
                    quote = false;
                    continue;
                }
                // Within a parameter: key="value".
                b'"' => quote = true,
                b'\n' if quote => {
                    return Err(wrong(
                        self.number,
                        "a quote is not closed in its line; write the second `\"`",
                    ));
                }
                b'\\' => self.at += 1,
                b'(' | b')' | b';' if !quote => break,
                octet if !quote && (is_blank(octet) || octet == b'\n') => break,
                _ => {}
            }
            self.at += 1;
        }
        if quote {
            return Err(wrong(self.number, "a quote is not closed in its line; write the second `\"`"));
        }
        // An escape may stand before a character of several octets, or before the end.
        self.at = self.at.min(self.text.len());
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        if text.contains('\n') {
            return Err(wrong(
                self.number,
                "a `\\` stands at the end of the line; write what it shall escape behind it",
            ));
        }
        Ok(Token { text, quoted: false })
    }
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r')
}

fn wrong(line: usize, message: &str) -> ZoneFileError {
    ZoneFileError { line: Some(line), message: message.into() }
}

/// The octets that a text stands for: `\X` and `\DDD` resolved (RFC 1035 §5.1).
pub(super) fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        let malformed = || {
            format!("`{text}` has a `\\` that is not followed by a character or by three digits up to 255")
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
