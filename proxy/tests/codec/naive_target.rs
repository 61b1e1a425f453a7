//! Targets and hosts, read plainly: split, decode, walk a stack of segments.

use std::net::Ipv6Addr;

use super::naive::{Read, Stop, lower};

#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) text: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) authority: Option<(String, Option<u16>)>,
}

fn refuse<T>(why: &'static str) -> Read<T> {
    Err(Stop::Refused(why))
}

pub(crate) fn authority(raw: &[u8]) -> Read<(String, Option<u16>)> {
    let text = lower(raw);
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((inside, behind)) = rest.split_once(']') else { return refuse("host") };
        let Ok(address) = inside.parse::<Ipv6Addr>() else { return refuse("host") };
        let port = match behind.strip_prefix(':') {
            Some(port) => port,
            None if behind.is_empty() => "",
            None => return refuse("host"),
        };
        (format!("[{address}]"), port.to_owned())
    } else {
        let (host, port) = text.split_once(':').unwrap_or((&text, ""));
        let host = host.strip_suffix('.').unwrap_or(host);
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        if host.len() > 253 || !host.split('.').all(label) {
            return refuse("host");
        }
        (host.to_owned(), port.to_owned())
    };
    match port.as_str() {
        "" => Ok((host, None)),
        digits if digits.len() <= 5 && digits.chars().all(|c| c.is_ascii_digit()) => {
            digits.parse().map(|port| (host, Some(port))).or(refuse("port"))
        }
        _ => refuse("port"),
    }
}

pub(crate) fn target(method: &[u8], raw: &[u8]) -> Read<Target> {
    let asterisk = || Target { text: b"*".to_vec(), path: b"/".to_vec(), authority: None };
    if method == b"CONNECT" {
        let named = authority(raw)?;
        if named.1.is_none() {
            return refuse("connect without port");
        }
        return Ok(Target { text: raw.to_vec(), path: b"/".to_vec(), authority: Some(named) });
    }
    // Choice: a fragment is refused wherever it stands.
    if raw.contains(&b'#') {
        return refuse("fragment");
    }
    if raw == b"*" {
        return if method == b"OPTIONS" { Ok(asterisk()) } else { refuse("asterisk") };
    }
    if raw[0] == b'/' {
        return origin_form(raw, None);
    }
    // Choice: `https` is refused on a plain connection.
    if raw.len() < 7 || lower(&raw[..7]) != "http://" {
        return refuse("scheme");
    }
    let rest = &raw[7..];
    let end = rest.iter().position(|&b| b == b'/' || b == b'?').unwrap_or(rest.len());
    let named = Some(authority(&rest[..end])?);
    match &rest[end..] {
        [] if method == b"OPTIONS" => Ok(Target { authority: named, ..asterisk() }),
        [b'/', ..] => origin_form(&rest[end..], named),
        query => origin_form(&[b"/", query].concat(), named),
    }
}

fn origin_form(raw: &[u8], authority: Option<(String, Option<u16>)>) -> Read<Target> {
    let end = raw.iter().position(|&b| b == b'?').unwrap_or(raw.len());
    let path = canonical_path(&raw[..end])?;
    Ok(Target { text: [path.as_slice(), &raw[end..]].concat(), path, authority })
}

/// Choices: `//` stays, a raw backslash is refused.
fn canonical_path(raw: &[u8]) -> Read<Vec<u8>> {
    let mut decoded = String::new();
    let mut i = 0;
    while i < raw.len() {
        let mut octet = raw[i];
        i += 1;
        let encoded = octet == b'%';
        if octet == b'\\' {
            return refuse("backslash");
        }
        if encoded {
            let digits = raw.get(i..i + 2).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
            let Some(digits) = digits else { return refuse("percent") };
            octet = u8::from_str_radix(&lower(digits), 16).or(refuse("percent"))?;
            i += 2;
        }
        let unreserved = octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
        if octet.is_ascii() && (unreserved || !encoded) {
            decoded.push(char::from(octet));
        } else {
            decoded.push_str(&format!("%{octet:02X}"));
        }
    }
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = decoded[1..].split('/').collect();
    for (n, segment) in segments.iter().enumerate() {
        match *segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            name => {
                kept.push(name);
                continue;
            }
        }
        if n + 1 == segments.len() {
            kept.push("");
        }
    }
    Ok(format!("/{}", kept.join("/")).into_bytes())
}
