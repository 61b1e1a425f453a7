//! Version 1: a line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Ends, Header, HeaderError, Parsed};

/// How it begins.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";
/// The longest line there can be, its end included (§2.1).
pub(super) const LONGEST: usize = 107;

/// Reads a line that begins with the signature, or with a part of it.
pub(super) fn parse(octets: &[u8]) -> Result<Parsed, HeaderError> {
    let line = &octets[..octets.len().min(LONGEST)];
    let Some(end) = memchr::memchr(b'\n', line) else {
        return if line.len() < LONGEST {
            Ok(Parsed::Partial)
        } else {
            Err(malformed("the line is too long"))
        };
    };
    let text = line[..end].strip_suffix(b"\r").and_then(|text| text.strip_prefix(SIGNATURE));
    let text = text.and_then(|text| std::str::from_utf8(text).ok());
    let text = text.ok_or_else(|| malformed("the line does not end in CRLF, or is no text"))?;
    let ends = match text.split_once(' ') {
        // Whatever a sender says behind UNKNOWN is to be passed over.
        _ if text == "UNKNOWN" || text.starts_with("UNKNOWN ") => None,
        Some(("TCP4", rest)) => Some(ends::<Ipv4Addr>(rest)?),
        Some(("TCP6", rest)) => Some(ends::<Ipv6Addr>(rest)?),
        _ => return Err(malformed("neither TCP4 nor TCP6 nor UNKNOWN")),
    };
    Ok(Parsed::Complete(Header { length: end + 1, ends }))
}

/// `203.0.113.5 192.0.2.1 56324 443`
fn ends<A: FromStr + Into<IpAddr>>(text: &str) -> Result<Ends, HeaderError> {
    let mut words = text.split(' ');
    let mut next = || words.next().unwrap_or_default();
    let (client, local, from, to) = (next(), next(), next(), next());
    if words.next().is_some() {
        return Err(malformed("more than two addresses and two ports"));
    }
    let ip = |text: &str| text.parse::<A>().map_err(|_| malformed("not an address of that family"));
    let (client, local) = (ip(client)?.into(), ip(local)?.into());
    Ok(Ends { client: SocketAddr::new(client, port(from)?), local: SocketAddr::new(local, port(to)?) })
}

/// Decimal, without leading zeros.
fn port(text: &str) -> Result<u16, HeaderError> {
    let plain =
        text.bytes().all(|octet| octet.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    let port = if plain { text.parse().ok() } else { None };
    port.ok_or_else(|| malformed("not a port"))
}

fn malformed(why: &'static str) -> HeaderError {
    HeaderError::Malformed(why)
}
