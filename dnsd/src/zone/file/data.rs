//! The data of a record as text (RFC 1035 §5.1 and each type's own), into its wire form; any type's as RFC 3597 §5 writes it.

use std::net::{Ipv4Addr, Ipv6Addr};

use model::{DomainName, RecordData, RecordType};

use super::entries::{name, seconds};
use super::parameters;
use super::tokens::unescaped;

/// What a type's text is made of.
#[derive(Debug, Clone, Copy)]
enum Field {
    U8,
    U16,
    U32,
    Seconds,
    Name,
    V4,
    V6,
    /// A character string.
    Text,
    /// One or more of them.
    Texts,
    /// Text up to the end, without a length.
    Value,
    /// Hexadecimal digits up to the end, in any number of tokens.
    Hex,
    /// Base 64 up to the end, in any number of tokens.
    Base64,
    /// Parameters of SVCB.
    Parameters,
}

fn fields(record_type: RecordType) -> Option<&'static [Field]> {
    use Field::{Base64, Hex, Name, Parameters, Seconds, Text, Texts, U8, U16, U32, V4, V6, Value};
    Some(match record_type {
        RecordType::A => &[V4],
        RecordType::AAAA => &[V6],
        RecordType::NS | RecordType::CNAME | RecordType::PTR | RecordType::DNAME => &[Name],
        RecordType::SOA => &[Name, Name, U32, Seconds, Seconds, Seconds, Seconds],
        RecordType::MX | RecordType::AFSDB | RecordType::KX => &[U16, Name],
        RecordType::RP => &[Name, Name],
        RecordType::TXT | RecordType::SPF => &[Texts],
        RecordType::HINFO => &[Text, Text],
        RecordType::SRV => &[U16, U16, U16, Name],
        RecordType::NAPTR => &[U16, U16, Text, Text, Text, Name],
        RecordType::CAA => &[U8, Text, Value],
        RecordType::URI => &[U16, U16, Value],
        RecordType::SVCB | RecordType::HTTPS => &[U16, Name, Parameters],
        RecordType::DS | RecordType::CDS => &[U16, U8, U8, Hex],
        RecordType::DNSKEY | RecordType::CDNSKEY => &[U16, U8, U8, Base64],
        RecordType::TLSA | RecordType::SMIMEA => &[U8, U8, U8, Hex],
        RecordType::SSHFP => &[U8, U8, Hex],
        RecordType::OPENPGPKEY => &[Base64],
        _ => return None,
    })
}

/// Reads the data of one record: tokens, each with whether it stood between quotes; relative names are below `origin`.
///
/// # Errors
/// What is wrong, and what to write instead.
pub fn record_data(
    record_type: RecordType,
    tokens: &[(&str, bool)],
    origin: Option<&DomainName>,
) -> Result<RecordData, String> {
    let octets = match tokens {
        [("\\#", false), length, rest @ ..] => opaque(length.0, rest)?,
        _ => {
            let fields = fields(record_type).ok_or_else(|| {
                r"text of this type is not read; write its octets as `\# LENGTH HEX` (RFC 3597)".to_owned()
            })?;
            known(fields, tokens, origin)?
        }
    };
    RecordData::new(record_type, octets).map_err(|error| error.to_string())
}

fn known(
    fields: &[Field],
    mut tokens: &[(&str, bool)],
    origin: Option<&DomainName>,
) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    for field in fields {
        if let Field::Texts | Field::Hex | Field::Base64 | Field::Parameters = field {
            many(*field, tokens, &mut octets)?;
            tokens = &[];
            continue;
        }
        let ((text, _), rest) = tokens.split_first().ok_or("something is missing at its end")?;
        one(*field, text, origin, &mut octets)?;
        tokens = rest;
    }
    match tokens.first() {
        Some((text, _)) => Err(format!("`{text}` is one too many")),
        None => Ok(octets),
    }
}

fn one(field: Field, text: &str, origin: Option<&DomainName>, octets: &mut Vec<u8>) -> Result<(), String> {
    match field {
        Field::U8 => octets.push(number(text, u8::MAX)?),
        Field::U16 => octets.extend(number(text, u16::MAX)?.to_be_bytes()),
        Field::U32 => octets.extend(number(text, u32::MAX)?.to_be_bytes()),
        Field::Seconds => octets.extend(seconds(text)?.to_be_bytes()),
        Field::Name => octets.extend(name(text, origin)?.as_wire()),
        Field::V4 => {
            let address: Ipv4Addr = text.parse().map_err(|_| format!("`{text}` is no IPv4 address"))?;
            octets.extend(address.octets());
        }
        Field::V6 => {
            let address: Ipv6Addr = text.parse().map_err(|_| format!("`{text}` is no IPv6 address"))?;
            octets.extend(address.octets());
        }
        Field::Value => octets.extend(unescaped(text)?),
        Field::Text | Field::Texts | Field::Hex | Field::Base64 | Field::Parameters => {
            character_string(&unescaped(text)?, octets)?;
        }
    }
    Ok(())
}

fn many(field: Field, tokens: &[(&str, bool)], octets: &mut Vec<u8>) -> Result<(), String> {
    if tokens.is_empty() && !matches!(field, Field::Parameters) {
        return Err("something is missing at its end".into());
    }
    let joined = || tokens.iter().map(|(text, _)| *text).collect::<String>();
    match field {
        Field::Hex => octets.extend(hex(&joined())?),
        Field::Base64 => octets.extend(base64(&joined())?),
        Field::Parameters => octets.extend(parameters::read(tokens)?),
        _ => {
            for (text, _) in tokens {
                character_string(&unescaped(text)?, octets)?;
            }
        }
    }
    Ok(())
}

pub(super) fn character_string(text: &[u8], octets: &mut Vec<u8>) -> Result<(), String> {
    let length = u8::try_from(text.len()).map_err(|_| {
        format!("a text of {} octets is too long; split it into texts of at most 255", text.len())
    })?;
    octets.push(length);
    octets.extend(text);
    Ok(())
}

pub(super) fn number<N: std::str::FromStr + std::fmt::Display>(text: &str, most: N) -> Result<N, String> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| format!("`{text}` is no number from 0 to {most}"))
}

/// `\# LENGTH HEX` (RFC 3597 §5).
fn opaque(length: &str, tokens: &[(&str, bool)]) -> Result<Vec<u8>, String> {
    let length: u16 = number(length, u16::MAX)?;
    let octets = hex(&tokens.iter().map(|(text, _)| *text).collect::<String>())?;
    if octets.len() == usize::from(length) {
        Ok(octets)
    } else {
        Err(format!("there are {} octets behind `\\# {length}`", octets.len()))
    }
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("`{text}` is not made of pairs of hexadecimal digits");
    let digit = |octet: u8| {
        char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(wrong)
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    pairs.iter().map(|[high, low]| Ok(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// RFC 4648 §4; padding may be left out.
pub(crate) fn base64(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("`{text}` is not base 64");
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return Err(wrong());
    }
    let (mut octets, mut bits, mut held) = (Vec::with_capacity(digits.len() * 3 / 4), 0_u32, 0_u32);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(wrong()),
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push(u8::try_from(bits >> held & 0xff).map_err(|_| wrong())?);
        }
    }
    Ok(octets)
}
