//! The parameters of SVCB and HTTPS records, as text (RFC 9460 §2.1, appendix A).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::data::{base64, character_string, number};
use super::tokens::unescaped;

/// The keys that have a name, by number.
const NAMES: [&str; 8] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath"];

/// Reads parameters, `key=value` each, into their wire form, in the order of their keys.
pub(super) fn read(tokens: &[(&str, bool)]) -> Result<Vec<u8>, String> {
    let mut parameters = tokens.iter().map(|(text, _)| parameter(text)).collect::<Result<Vec<_>, _>>()?;
    parameters.sort();
    let mut octets = Vec::new();
    for (key, value) in parameters {
        let length = u16::try_from(value.len()).map_err(|_| "a parameter is too long".to_owned())?;
        octets.extend(key.to_be_bytes());
        octets.extend(length.to_be_bytes());
        octets.extend(value);
    }
    Ok(octets)
}

fn parameter(text: &str) -> Result<(u16, Vec<u8>), String> {
    let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
    let key = key_of(key)?;
    let value =
        value.map(|value| value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value));
    let value = unescaped(value.unwrap_or_default())?;
    Ok((key, value_of(key, &value).map_err(|wrong| format!("`{text}`: {wrong}"))?))
}

fn key_of(text: &str) -> Result<u16, String> {
    if let Some(number) = NAMES.iter().position(|name| *name == text) {
        return u16::try_from(number).map_err(|error| error.to_string());
    }
    let unknown = || {
        format!("`{text}` is no parameter's key; one without a name is written key and its number (key65000)")
    };
    number(text.strip_prefix("key").ok_or_else(unknown)?, u16::MAX).map_err(|_| unknown())
}

fn value_of(key: u16, value: &[u8]) -> Result<Vec<u8>, String> {
    let text = || std::str::from_utf8(value).map_err(|_| "is not text".to_owned());
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
                    return Err("an empty protocol".into());
                }
                character_string(&id, &mut octets)?;
            }
        }
        2 if value.is_empty() => {}
        2 => return Err("takes no value".into()),
        3 => octets.extend(number::<u16>(text()?, u16::MAX)?.to_be_bytes()),
        4 => {
            for address in text()?.split(',') {
                let address: Ipv4Addr =
                    address.parse().map_err(|_| format!("`{address}` is no IPv4 address"))?;
                octets.extend(address.octets());
            }
        }
        5 => octets = base64(text()?)?,
        6 => {
            for address in text()?.split(',') {
                let address: Ipv6Addr =
                    address.parse().map_err(|_| format!("`{address}` is no IPv6 address"))?;
                octets.extend(address.octets());
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
