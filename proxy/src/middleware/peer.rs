//! The other side of a client connection, asked once and written often.

use std::fmt;
use std::io::{self, Cursor, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

/// The longest text of an IP address: an IPv6 one with an IPv4 tail.
const LONGEST: usize = 45;

/// An IP address as text, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IpText {
    octets: [u8; LONGEST],
    length: u8,
}

impl IpText {
    /// The address in its usual spelling (RFC 5952).
    pub fn new(ip: IpAddr) -> Self {
        let mut octets = [0; LONGEST];
        let mut cursor = Cursor::new(octets.as_mut_slice());
        // The longest address fits; should one not, it is cut.
        let _ = match ip {
            IpAddr::V4(ip) => write_v4(ip, &mut cursor),
            IpAddr::V6(ip) => write!(cursor, "{ip}"),
        };
        let length = u8::try_from(cursor.position()).unwrap_or(0);
        Self { octets, length }
    }

    /// Reads an address in any spelling and keeps the usual one; `None`: it is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        std::str::from_utf8(text).ok()?.parse().ok().map(Self::new)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Its octets, which are ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// Most clients have such an address, and each connection is one more to be written: several times as fast as [`fmt::Display`].
fn write_v4(ip: Ipv4Addr, out: &mut impl Write) -> io::Result<()> {
    for (place, octet) in ip.octets().into_iter().enumerate() {
        if place > 0 {
            out.write_all(b".")?;
        }
        out.write_all(itoa::Buffer::new().format(octet).as_bytes())?;
    }
    Ok(())
}

impl fmt::Debug for IpText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The other side of a client connection; made once for each.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    ip: IpAddr,
    text: IpText,
    trusted: bool,
}

impl Peer {
    /// IPv4 in IPv6 (`::ffff:10.0.0.1`, as a listener for both sees it) is IPv4. Trusted are the addresses of these networks.
    pub fn new(address: SocketAddr, trusted: &[IpNet]) -> Self {
        let ip = address.ip().to_canonical();
        Self { ip, text: IpText::new(ip), trusted: trusted.iter().any(|network| network.contains(&ip)) }
    }

    /// Its address.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Its address as text.
    pub fn text(&self) -> &IpText {
        &self.text
    }

    /// Its word about others is taken.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, trusted: &[&str], expected: (&str, bool)) {
        let networks: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let peer = Peer::new(address.parse().unwrap(), &networks);
        assert_eq!((peer.text().as_str(), peer.is_trusted()), expected, "{address} in {trusted:?}");
    }

    #[test]
    fn trusted_are_the_peers_of_the_named_networks_only() {
        check("10.0.0.1:4000", &[], ("10.0.0.1", false));
        check("10.0.0.1:4000", &["10.0.0.0/8"], ("10.0.0.1", true));
        check("11.0.0.1:4000", &["10.0.0.0/8", "192.168.0.1/32"], ("11.0.0.1", false));
        check("192.168.0.1:1", &["10.0.0.0/8", "192.168.0.1/32"], ("192.168.0.1", true));
        check("[2001:db8::1]:1", &["10.0.0.0/8"], ("2001:db8::1", false));
        check("[2001:db8::1]:1", &["2001:db8::/32"], ("2001:db8::1", true));
    }

    #[test]
    fn ipv4_seen_by_an_ipv6_listener_is_ipv4() {
        check("[::ffff:10.0.0.1]:4000", &["10.0.0.0/8"], ("10.0.0.1", true));
    }

    #[test]
    fn the_longest_addresses_fit() {
        for text in ["2001:db8:1111:2222:3333:4444:5555:6666", "::ffff:255.255.255.255", "255.255.255.255"] {
            assert_eq!(IpText::new(text.parse().unwrap()).as_str(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        assert_eq!(IpText::parse(b"10.0.0.1").map(|ip| ip.as_str().to_owned()).as_deref(), Some("10.0.0.1"));
        for text in [b"".as_slice(), b"10.0.0.1, 10.0.0.2", b"10.0.0", b"\"", b"\xff"] {
            assert!(IpText::parse(text).is_none(), "{text:?}");
        }
    }
}
