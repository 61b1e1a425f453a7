//! Presentation form (RFC 1035 §5.1): labels behind each other, dots between them, `\.` and `\DDD` for octets that mean something else.

use std::fmt;

use super::{DomainName, MAX_LABEL, MAX_NAME};

/// Why something is not a domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DomainNameError {
    /// No text at all.
    #[error("the name is empty; the root is `.`")]
    Empty,
    /// Two dots without a label between them, or one in front.
    #[error("the name has an empty label")]
    EmptyLabel,
    /// A label of more than 63 octets.
    #[error("the name has a label of more than {MAX_LABEL} octets")]
    LongLabel,
    /// More than 255 octets in wire form.
    #[error("the name has more than {MAX_NAME} octets")]
    TooLong,
    /// A `\` without a character or three digits up to 255 behind it.
    #[error("`\\` stands before a character, or before three digits up to 255")]
    Escape,
    /// The wire form does not end where it should, or is compressed.
    #[error("the name's wire form is malformed")]
    Malformed,
}

impl DomainName {
    /// Parses presentation form. The name is taken from the root down, with or without its last dot. Characters beyond ASCII stand for
    /// their octets in UTF-8, as in the names of services (RFC 6763 §4.1.1).
    ///
    /// # Errors
    /// [`DomainNameError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, DomainNameError> {
        match text {
            "" => return Err(DomainNameError::Empty),
            "." => return Ok(Self::root()),
            _ => {}
        }
        let (mut label, mut wire) = (Vec::with_capacity(MAX_LABEL), Vec::with_capacity(text.len() + 2));
        let mut octets = text.bytes();
        let mut ended = false;
        while let Some(octet) = octets.next() {
            ended = octet == b'.';
            match octet {
                b'.' => end_label(&mut label, &mut wire)?,
                b'\\' => label.push(escaped(&mut octets)?),
                other => label.push(other),
            }
            if label.len() > MAX_LABEL {
                return Err(DomainNameError::LongLabel);
            }
        }
        if !ended {
            end_label(&mut label, &mut wire)?;
        }
        wire.push(0);
        Self::from_wire(&wire)
    }
}

fn end_label(label: &mut Vec<u8>, wire: &mut Vec<u8>) -> Result<(), DomainNameError> {
    if label.is_empty() {
        return Err(DomainNameError::EmptyLabel);
    }
    if wire.len() + label.len() + 2 > MAX_NAME {
        return Err(DomainNameError::TooLong);
    }
    wire.push(u8::try_from(label.len()).map_err(|_| DomainNameError::LongLabel)?);
    wire.append(label);
    Ok(())
}

/// What stands behind a `\`.
fn escaped(octets: &mut impl Iterator<Item = u8>) -> Result<u8, DomainNameError> {
    let first = octets.next().ok_or(DomainNameError::Escape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut number = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next().filter(u8::is_ascii_digit).ok_or(DomainNameError::Escape)?;
        number = number * 10 + u16::from(digit - b'0');
    }
    u8::try_from(number).map_err(|_| DomainNameError::Escape)
}

/// Presentation form, its last dot included; reading it gives the same octets again.
impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    // What ends a name in text, and what means something else in a zone file.
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                        write!(f, "\\{}", char::from(octet))?
                    }
                    0x21..=0x7e => write!(f, "{}", char::from(octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
