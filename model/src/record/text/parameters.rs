//! The parameters of SVCB and HTTPS records, as text (RFC 9460 §2.1, appendix A).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::numbers::{base64, base64_of, number};
use super::read::{character_string, v4, v6};
use super::tokens::{quoted, unescaped};
use super::{RecordTextError, Token, cut};

/// The keys that have a name, by number.
const NAMES: [&str; 8] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath"];

/// Reads parameters, `key=value` each, into their wire form, in the order of their keys.
pub(super) fn read(tokens: &[Token<'_>]) -> Result<Vec<u8>, RecordTextError> {
    let mut parameters = tokens.iter().map(|token| parameter(token.text)).collect::<Result<Vec<_>, _>>()?;
    parameters.sort();
    let mut octets = Vec::new();
    for (key, value) in parameters {
        let length =
            u16::try_from(value.len()).map_err(|_| RecordTextError::malformed("a parameter is too long"))?;
        octets.extend(key.to_be_bytes());
        octets.extend(length.to_be_bytes());
        octets.extend(value);
    }
    Ok(octets)
}

fn parameter(text: &str) -> Result<(u16, Vec<u8>), RecordTextError> {
    let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
    let value =
        value.map(|value| value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value));
    let value = unescaped(value.unwrap_or_default())?;
    let number = key_of(key)?;
    // By its number, a key's value is taken as it is (RFC 9460 §2.1).
    if key.starts_with("key") {
        return Ok((number, value));
    }
    let wrong = |error| RecordTextError::Malformed(format!("`{}`: {error}", cut(text)));
    Ok((number, value_of(number, &value).map_err(wrong)?))
}

fn key_of(text: &str) -> Result<u16, RecordTextError> {
    if let Some(number) = NAMES.iter().position(|name| *name == text) {
        return u16::try_from(number).map_err(|error| RecordTextError::Malformed(error.to_string()));
    }
    let unknown = || {
        RecordTextError::Malformed(format!(
            "`{}` is no parameter's key; one without a name is written key and its number (key65000)",
            cut(text)
        ))
    };
    number(text.strip_prefix("key").ok_or_else(unknown)?, u16::MAX).map_err(|_| unknown())
}

fn name_of(key: u16) -> String {
    NAMES.get(usize::from(key)).map_or_else(|| format!("key{key}"), |name| (*name).to_owned())
}

fn value_of(key: u16, value: &[u8]) -> Result<Vec<u8>, RecordTextError> {
    let text = || std::str::from_utf8(value).map_err(|_| RecordTextError::malformed("is not text"));
    let mut octets = Vec::new();
    match key {
        0 => {
            let mut keys = text()?.split(',').map(key_of).collect::<Result<Vec<_>, _>>()?;
            keys.sort_unstable();
            octets.extend(keys.into_iter().flat_map(u16::to_be_bytes));
        }
        1 => {
            for id in list(value) {
                if id.is_empty() {
                    return Err(RecordTextError::malformed("an empty protocol"));
                }
                character_string(&id, &mut octets)?;
            }
        }
        2 if value.is_empty() => {}
        2 => return Err(RecordTextError::malformed("takes no value")),
        3 => octets.extend(number(text()?, u16::MAX)?.to_be_bytes()),
        4 => {
            for address in text()?.split(',') {
                octets.extend(v4(address)?.octets());
            }
        }
        5 => octets = base64(text()?)?,
        6 => {
            for address in text()?.split(',') {
                octets.extend(v6(address)?.octets());
            }
        }
        _ => octets.extend(value),
    }
    Ok(octets)
}

/// Values between commas; `\,` and `\\` are part of a value.
fn list(value: &[u8]) -> Vec<Vec<u8>> {
    let mut values = vec![Vec::new()];
    let mut octets = value.iter().copied();
    while let Some(octet) = octets.next() {
        match octet {
            b',' => values.push(Vec::new()),
            _ => {
                let octet = if octet == b'\\' { octets.next().unwrap_or(octet) } else { octet };
                values.last_mut().map(|last| last.push(octet)).unwrap_or_default();
            }
        }
    }
    values
}

/// Writes parameters. `None`: they are not well formed.
pub(super) fn text_of(mut rest: &[u8]) -> Option<String> {
    let mut texts = Vec::new();
    while !rest.is_empty() {
        let (head, behind) = rest.split_first_chunk::<4>()?;
        let (key, length) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
        let (value, behind) = behind.split_at_checked(usize::from(length))?;
        texts.push(parameter_text(key, value));
        rest = behind;
    }
    Some(texts.join(" "))
}

/// By its name where that says it exactly, else by its number.
fn parameter_text(key: u16, value: &[u8]) -> String {
    let said = written(key, value).filter(|said| value_of(key, said).is_ok_and(|read| read == value));
    match said {
        Some(said) if said.is_empty() => name_of(key),
        Some(said)
            if said.iter().all(|octet| octet.is_ascii_alphanumeric() || b".:,-+/=".contains(octet))
                && key != 1 =>
        {
            format!("{}={}", name_of(key), String::from_utf8_lossy(&said))
        }
        Some(said) => format!("{}={}", name_of(key), quoted(&said)),
        None if value.is_empty() => format!("key{key}"),
        None => format!("key{key}={}", quoted(value)),
    }
}

/// What is read as this value, escapes aside; `None`: nothing is.
fn written(key: u16, value: &[u8]) -> Option<Vec<u8>> {
    let joined = |parts: Vec<String>| Some(parts.join(",").into_bytes());
    match key {
        0 => joined(value.as_chunks().0.iter().map(|key| name_of(u16::from_be_bytes(*key))).collect()),
        1 => protocols(value),
        2 => Some(Vec::new()),
        3 => Some(u16::from_be_bytes(*value.first_chunk()?).to_string().into_bytes()),
        4 => joined(value.as_chunks::<4>().0.iter().map(|ip| Ipv4Addr::from(*ip).to_string()).collect()),
        5 => Some(base64_of(value).into_bytes()),
        6 => joined(value.as_chunks::<16>().0.iter().map(|ip| Ipv6Addr::from(*ip).to_string()).collect()),
        7 => Some(value.to_vec()),
        _ => None,
    }
}

/// Protocols between commas; commas and backslashes of theirs behind a backslash.
fn protocols(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut written = Vec::new();
    while let Some((length, behind)) = rest.split_first() {
        let (id, behind) = behind.split_at_checked(usize::from(*length))?;
        if !written.is_empty() {
            written.push(b',');
        }
        for octet in id {
            if matches!(octet, b',' | b'\\') {
                written.push(b'\\');
            }
            written.push(*octet);
        }
        rest = behind;
    }
    Some(written)
}
