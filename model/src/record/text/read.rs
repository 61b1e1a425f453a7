//! Text into octets, by the fields of a type.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::numbers::{base64, hex, number, seconds};
use super::tokens::unescaped;
use super::{RecordTextError, Token, cut, parameters};
use crate::domain_name::DomainName;
use crate::record::RecordType;
use crate::record::fields::{Field, fields};

/// The octets of a record's data; its form is not checked further than the text has to be.
pub(super) fn octets(
    record_type: RecordType,
    tokens: &[Token<'_>],
    origin: Option<&DomainName>,
) -> Result<Vec<u8>, RecordTextError> {
    match tokens {
        [Token { text: "\\#", quoted: false }, length, rest @ ..] => opaque(length.text, rest),
        _ => {
            let fields = fields(record_type).ok_or_else(|| {
                let message =
                    r"text of this type is not read; write its octets as `\# LENGTH HEX` (RFC 3597)";
                RecordTextError::malformed(message)
            })?;
            known(fields, tokens, origin)
        }
    }
}

fn missing() -> RecordTextError {
    RecordTextError::malformed("something is missing at its end")
}

fn known(
    fields: &[Field],
    mut tokens: &[Token<'_>],
    origin: Option<&DomainName>,
) -> Result<Vec<u8>, RecordTextError> {
    let mut octets = Vec::new();
    for field in fields {
        if let Field::Texts | Field::Hex | Field::Base64 | Field::Parameters = field {
            many(*field, tokens, &mut octets)?;
            tokens = &[];
            continue;
        }
        let (token, rest) = tokens.split_first().ok_or_else(missing)?;
        one(*field, token.text, origin, &mut octets)?;
        tokens = rest;
    }
    match tokens.first() {
        Some(token) => Err(RecordTextError::Malformed(format!("`{}` is one too many", cut(token.text)))),
        None => Ok(octets),
    }
}

fn one(
    field: Field,
    text: &str,
    origin: Option<&DomainName>,
    octets: &mut Vec<u8>,
) -> Result<(), RecordTextError> {
    match field {
        Field::U8 => octets.push(number(text, u8::MAX)?),
        Field::U16 => octets.extend(number(text, u16::MAX)?.to_be_bytes()),
        Field::U32 => octets.extend(number(text, u32::MAX)?.to_be_bytes()),
        Field::Seconds => octets.extend(seconds(text)?.to_be_bytes()),
        Field::Name => octets.extend(name(text, origin)?.as_wire()),
        Field::V4 => octets.extend(v4(text)?.octets()),
        Field::V6 => octets.extend(v6(text)?.octets()),
        Field::Value => octets.extend(unescaped(text)?),
        Field::Text | Field::Tag | Field::Texts | Field::Hex | Field::Base64 | Field::Parameters => {
            character_string(&unescaped(text)?, octets)?;
        }
    }
    Ok(())
}

fn many(field: Field, tokens: &[Token<'_>], octets: &mut Vec<u8>) -> Result<(), RecordTextError> {
    if tokens.is_empty() && !matches!(field, Field::Parameters) {
        return Err(missing());
    }
    match field {
        Field::Hex => octets.extend(hex(&joined(tokens))?),
        Field::Base64 => octets.extend(base64(&joined(tokens))?),
        Field::Parameters => octets.extend(parameters::read(tokens)?),
        _ => {
            for token in tokens {
                character_string(&unescaped(token.text)?, octets)?;
            }
        }
    }
    Ok(())
}

fn joined(tokens: &[Token<'_>]) -> String {
    tokens.iter().map(|token| token.text).collect()
}

pub(super) fn v4(text: &str) -> Result<Ipv4Addr, RecordTextError> {
    text.parse().map_err(|_| RecordTextError::Malformed(format!("`{}` is no IPv4 address", cut(text))))
}

pub(super) fn v6(text: &str) -> Result<Ipv6Addr, RecordTextError> {
    text.parse().map_err(|_| RecordTextError::Malformed(format!("`{}` is no IPv6 address", cut(text))))
}

/// A text behind its length.
pub(super) fn character_string(text: &[u8], octets: &mut Vec<u8>) -> Result<(), RecordTextError> {
    let length = u8::try_from(text.len()).map_err(|_| {
        let length = text.len();
        RecordTextError::Malformed(format!(
            "a text of {length} octets is too long; split it into texts of at most 255"
        ))
    })?;
    octets.push(length);
    octets.extend(text);
    Ok(())
}

/// `\# LENGTH HEX` (RFC 3597 §5).
fn opaque(length: &str, tokens: &[Token<'_>]) -> Result<Vec<u8>, RecordTextError> {
    let length: u16 = number(length, u16::MAX)?;
    let octets = hex(&joined(tokens))?;
    if octets.len() == usize::from(length) {
        return Ok(octets);
    }
    let found = octets.len();
    Err(RecordTextError::Malformed(format!("there are {found} octets behind `\\# {length}`")))
}

/// A name as zone files write it: absolute with a dot at its end, else below the origin; `@` is the origin itself.
///
/// # Errors
/// [`RecordTextError::Relative`] when it is relative and there is no origin; else what is wrong with it.
pub fn name(text: &str, origin: Option<&DomainName>) -> Result<DomainName, RecordTextError> {
    let no_origin = || RecordTextError::Relative(cut(text).into_owned());
    let wrong = |error| RecordTextError::Malformed(format!("`{}`: {error}", cut(text)));
    if text == "@" {
        return origin.cloned().ok_or_else(no_origin);
    }
    let name = DomainName::parse(text).map_err(wrong)?;
    let escapes =
        text.strip_suffix('.').map(|before| before.bytes().rev().take_while(|octet| *octet == b'\\').count());
    if escapes.is_some_and(|escapes| escapes % 2 == 0) {
        return Ok(name);
    }
    name.below(origin.ok_or_else(no_origin)?).map_err(wrong)
}
