//! Octets into text, by the fields of a type.

use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::numbers::{base64_of, hex_of};
use super::parameters;
use super::tokens::quoted;
use crate::domain_name::DomainName;
use crate::record::fields::{Field, fields};
use crate::record::{MAX_TTL, RecordData};

/// The data in presentation form, names absolute; as RFC 3597 §5 writes it where its type has no text, or its text cannot say it.
impl fmt::Display for RecordData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match text_of(self) {
            Some(text) => f.write_str(&text),
            None if self.octets().is_empty() => f.write_str("\\# 0"),
            None => write!(f, "\\# {} {}", self.octets().len(), hex_of(self.octets())),
        }
    }
}

fn text_of(data: &RecordData) -> Option<String> {
    let (mut text, mut rest) = (String::new(), data.octets());
    for field in fields(data.record_type())? {
        let none = *field == Field::Parameters && rest.is_empty();
        if !text.is_empty() && !none {
            text.push(' ');
        }
        add(*field, &mut rest, &mut text)?;
    }
    Some(text)
}

/// Adds one field, taken from the front of `rest`. `None`: text cannot say it.
fn add(field: Field, rest: &mut &[u8], text: &mut String) -> Option<()> {
    let written = match field {
        Field::U8 => write!(text, "{}", u8::from_be_bytes(*chunk(rest)?)),
        Field::U16 => write!(text, "{}", u16::from_be_bytes(*chunk(rest)?)),
        Field::U32 => write!(text, "{}", u32::from_be_bytes(*chunk(rest)?)),
        Field::Seconds => {
            let seconds = u32::from_be_bytes(*chunk(rest)?);
            write!(text, "{}", Some(seconds).filter(|seconds| *seconds <= MAX_TTL)?)
        }
        Field::V4 => write!(text, "{}", Ipv4Addr::from(*chunk::<4>(rest)?)),
        Field::V6 => write!(text, "{}", Ipv6Addr::from(*chunk::<16>(rest)?)),
        Field::Name => {
            let name = take(rest, DomainName::wire_length(rest).ok()?)?;
            write!(text, "{}", DomainName::from_wire(name).ok()?)
        }
        Field::Text => write!(text, "{}", quoted(character_string(rest)?)),
        Field::Tag => text.write_str(std::str::from_utf8(character_string(rest)?).ok()?),
        Field::Texts => {
            let mut texts = vec![quoted(character_string(rest)?)];
            while !rest.is_empty() {
                texts.push(quoted(character_string(rest)?));
            }
            text.write_str(&texts.join(" "))
        }
        Field::Value => text.write_str(&quoted(std::mem::take(rest))),
        // No digit at all is not read as none.
        Field::Hex | Field::Base64 if rest.is_empty() => return None,
        Field::Hex => text.write_str(&hex_of(std::mem::take(rest))),
        Field::Base64 => text.write_str(&base64_of(std::mem::take(rest))),
        Field::Parameters => text.write_str(&parameters::text_of(std::mem::take(rest))?),
    };
    written.ok()
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

fn chunk<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    take(rest, N)?.first_chunk()
}

fn character_string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(*rest.first()?);
    take(rest, 1 + length)?.get(1..)
}
