//! A master file's text, cut into entries: lines, several where parentheses join them.

use model::record::text::Token;

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
        let (token, length) =
            Token::first(&self.text[self.at..]).map_err(|error| wrong(self.number, &error.to_string()))?;
        self.at += length;
        Ok(token)
    }
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r')
}

fn wrong(line: usize, message: &str) -> ZoneFileError {
    ZoneFileError { line: Some(line), message: message.into() }
}
