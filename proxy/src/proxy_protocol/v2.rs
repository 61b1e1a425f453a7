//! Version 2: octets.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Ends, Header, HeaderError, Parsed};
use crate::config::MAX_PROXY_HEADER;

/// How it begins: with what no protocol begins with.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;

/// Reads a header that begins with the signature, or with a part of it.
pub(super) fn parse(octets: &[u8]) -> Result<Parsed, HeaderError> {
    let Some((&[.., command, family, high, low], rest)) = octets.split_first_chunk::<FIXED>() else {
        return Ok(Parsed::Partial);
    };
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(HeaderError::Malformed("neither LOCAL nor PROXY of version 2")),
    };
    let behind = usize::from(u16::from_be_bytes([high, low]));
    let length = FIXED + behind;
    if length > MAX_PROXY_HEADER {
        return Err(HeaderError::Malformed("longer than is allowed"));
    }
    let Some(addresses) = rest.get(..behind) else { return Ok(Parsed::Partial) };
    // Extensions behind the addresses are passed over.
    let ends = match (family >> 4, family & 0xf) {
        // The sender's own connection, to see whether we live: whatever else the header says is to be passed over.
        _ if is_local => None,
        (_, 3..) | (4.., _) => return Err(HeaderError::Malformed("a family that there is not")),
        (1, 1 | 2) => Some(v4(addresses)?),
        (2, 1 | 2) => Some(v6(addresses)?),
        // A client of a Unix socket, or one that the sender does not tell.
        _ => None,
    };
    Ok(Parsed::Complete(Header { length, ends }))
}

fn v4(octets: &[u8]) -> Result<Ends, HeaderError> {
    let &[a, b, c, d, e, f, g, h, from_high, from_low, to_high, to_low, ..] = octets else {
        return Err(HeaderError::Malformed("too short for its addresses"));
    };
    let end = |ip: [u8; 4], port| SocketAddr::from((Ipv4Addr::from(ip), u16::from_be_bytes(port)));
    Ok(Ends { client: end([a, b, c, d], [from_high, from_low]), local: end([e, f, g, h], [to_high, to_low]) })
}

fn v6(octets: &[u8]) -> Result<Ends, HeaderError> {
    let short = || HeaderError::Malformed("too short for its addresses");
    let (&client, rest) = octets.split_first_chunk::<16>().ok_or_else(short)?;
    let (&local, rest) = rest.split_first_chunk::<16>().ok_or_else(short)?;
    let (&[from_high, from_low, to_high, to_low], _) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let end = |ip: [u8; 16], port| SocketAddr::from((Ipv6Addr::from(ip), u16::from_be_bytes(port)));
    Ok(Ends { client: end(client, [from_high, from_low]), local: end(local, [to_high, to_low]) })
}
