//! The header of the PROXY protocol, versions 1 and 2 (haproxy.org, `proxy-protocol.txt`): whose connection it is that a load
//! balancer passes on.
//!
//! In: what a connection begins with, as much of it as has come. Out: the header's length and the addresses it tells, or why it
//! is none. Never here: a socket, a clock, an allocation; a guess whether there is a header: who asks knows that there must be one.
//!
//! ```text
//! PROXY TCP4 203.0.113.5 192.0.2.1 56324 443\r\n                  v1, at most 107 octets
//! \r\n\r\n\0\r\nQUIT\n  0x21 0x11  length  addresses  extensions    v2, at most MAX_PROXY_HEADER
//! ```

mod v1;
mod v2;

use std::net::SocketAddr;

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How many octets it has; what follows is the connection's own.
    pub length: usize,
    /// The two ends of the connection that is passed on. `None`: the header tells none (`LOCAL`, `UNKNOWN`, a Unix socket), those
    /// of the connection itself stand.
    pub ends: Option<Ends>,
}

/// The ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Who connected.
    pub client: SocketAddr,
    /// To which address.
    pub local: SocketAddr,
}

/// How far a header was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// It goes on: read more.
    Partial,
    /// It is whole.
    Complete(Header),
}

/// Why there is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// What came does not begin like one.
    #[error("no PROXY protocol header")]
    Missing,
    /// It begins like one and is none.
    #[error("malformed PROXY protocol header: {0}")]
    Malformed(&'static str),
}

/// Reads a header from the first octets of a connection. However these are cut, what comes of the whole is the same.
///
/// # Errors
/// [`HeaderError`]; nothing that follows can be believed then.
pub fn parse(octets: &[u8]) -> Result<Parsed, HeaderError> {
    match octets {
        _ if begins(octets, v2::SIGNATURE) => v2::parse(octets),
        _ if begins(octets, v1::SIGNATURE) => v1::parse(octets),
        _ => Err(HeaderError::Missing),
    }
}

/// True when `octets` are the beginning of `signature`, or begin with it.
fn begins(octets: &[u8], signature: &[u8]) -> bool {
    octets.iter().zip(signature).all(|(octet, expected)| octet == expected)
}
