//! One address of a backend.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use crate::host_pattern::{HostError, canonical_host};

/// Where an endpoint listens: a host (address or name) and a TCP port, in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The host part.
    pub host: AddressHost,
    /// The TCP port, 1 to 65535.
    pub port: NonZeroU16,
}

/// The host part of an [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressHost {
    /// An IP address.
    Ip(IpAddr),
    /// A name that is resolved off the request path; lower case, no trailing dot.
    Name(Box<str>),
}

/// Why a URL is not an endpoint's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `scheme://`.
    #[error("not a URL; write `http://host:port`")]
    NotUrl,
    /// Some scheme other than `http`.
    #[error("scheme `{0}` is not supported; write `http://host:port`")]
    Scheme(String),
    /// Userinfo, as in `http://user@host`.
    #[error("credentials in the URL are not supported")]
    Userinfo,
    /// The host is malformed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A number, as `2130706433`, `0x7f.1` or `127.1`: resolvers take such for addresses, each in its own way.
    #[error("`{0}` looks like a number; write an IPv4 address as four decimal numbers, `127.0.0.1`")]
    Number(String),
    /// Port 0.
    #[error("port 0 cannot be connected to")]
    PortZero,
    /// A path, query or fragment other than `/`: the request's own path is what is forwarded.
    #[error("an endpoint has no path; the request's own path is forwarded")]
    Path,
}

impl Address {
    /// Parses `http://host[:port][/]`; the port defaults to 80, as in hipache.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong and how to write it.
    pub fn parse_url(url: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = url.split_once("://").ok_or(AddressError::NotUrl)?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(AddressError::Scheme(scheme.chars().take(16).collect()));
        }
        let authority = match rest.find(['/', '?', '#']) {
            Some(end) if &rest[end..] == "/" => &rest[..end],
            Some(_) => return Err(AddressError::Path),
            None => rest,
        };
        if authority.contains('@') {
            return Err(AddressError::Userinfo);
        }
        Self::parse_authority(authority, 80)
    }

    /// Parses `host[:port]`. An IPv4 address has one spelling: four decimal numbers; mapped into IPv6 (`[::ffff:127.0.0.1]`) it is
    /// brought into that form, any other number is refused, so that no check of addresses can be passed by.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong.
    pub fn parse_authority(authority: &str, default_port: u16) -> Result<Self, AddressError> {
        let mut host = String::with_capacity(authority.len());
        let port = canonical_host(authority.as_bytes(), &mut host)?.unwrap_or(default_port);
        let port = NonZeroU16::new(port).ok_or(AddressError::PortZero)?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(&host);
        let host = match bare.parse::<IpAddr>() {
            Ok(ip) => AddressHost::Ip(ip.to_canonical()),
            Err(_) if ends_in_number(bare) => {
                return Err(AddressError::Number(bare.chars().take(64).collect()));
            }
            Err(_) => AddressHost::Name(host.into()),
        };
        Ok(Self { host, port })
    }

    /// The socket address, when the host is an IP address.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.host {
            AddressHost::Ip(ip) => Some(SocketAddr::new(ip, self.port.get())),
            AddressHost::Name(_) => None,
        }
    }

    /// The address as a URL, `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{self}")
    }
}

impl From<SocketAddr> for Address {
    /// Port 0 becomes port 80, which no bound socket has.
    fn from(socket: SocketAddr) -> Self {
        let port = NonZeroU16::new(socket.port()).unwrap_or(NonZeroU16::MIN.saturating_add(79));
        Self { host: AddressHost::Ip(socket.ip()), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            AddressHost::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            AddressHost::Ip(IpAddr::V4(ip)) => write!(f, "{ip}:{}", self.port),
            AddressHost::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// True when the last label is a decimal, octal or hexadecimal number: `inet_aton` would make an address of it.
fn ends_in_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let (digits, radix) = match last.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (last, 10),
    };
    digits.chars().all(|digit| digit.is_digit(radix))
}

/// How much of a backend's traffic an endpoint takes, relative to its siblings: 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight(u16);

/// A weight outside 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("weight {0} is outside 1 to 1000")]
pub struct WeightError(pub u64);

impl Weight {
    /// The default.
    pub const ONE: Self = Self(1);

    /// A weight from 1 to 1000.
    ///
    /// # Errors
    /// [`WeightError`] outside that range.
    pub fn new(weight: u64) -> Result<Self, WeightError> {
        match u16::try_from(weight) {
            Ok(w @ 1..=1000) => Ok(Self(w)),
            _ => Err(WeightError(weight)),
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// One address of a backend, with its weight.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// Its share.
    pub weight: Weight,
}

/// An entry of a backend's list that could not become an [`Endpoint`]; the others serve.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RejectedEndpoint {
    /// The entry as it was written, cut to 200 characters.
    pub text: Box<str>,
    /// What is wrong and how to write it.
    pub reason: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Result<&str, AddressError>) {
        assert_eq!(
            Address::parse_url(url).map(|a| a.to_string()),
            expected.map(str::to_owned),
            "url {url:?}"
        );
    }

    #[test]
    fn urls_become_addresses() {
        check("http://10.0.0.1:8000", Ok("10.0.0.1:8000"));
        check("HTTP://Web1.Local", Ok("web1.local:80"));
        check("http://[::1]:9000/", Ok("[::1]:9000"));
        check("http://a_b", Ok("a_b:80"));
    }

    #[test]
    fn an_ipv4_address_has_one_spelling() {
        check("http://[::ffff:127.0.0.1]:80", Ok("127.0.0.1:80"));
        check("http://[::FFFF:7f00:1]:80", Ok("127.0.0.1:80"));
        check("http://127.0.0.1.:80", Ok("127.0.0.1:80"));
        for host in
            ["0x7f.1", "2130706433", "127.1", "0177.0.0.1", "127.0.0.01", "0X7F000001", "a.1", "1.2.3.4.5"]
        {
            check(&format!("http://{host}"), Err(AddressError::Number(host.to_ascii_lowercase())));
        }
        check("http://256.0.0.1", Err(AddressError::Number("256.0.0.1".into())));
        check("http://0x", Err(AddressError::Number("0x".into())));
        check("http://web1", Ok("web1:80"));
        check("http://0xweb", Ok("0xweb:80"));
        check("http://1.web", Ok("1.web:80"));
        check("http://beef", Ok("beef:80"));
    }

    #[test]
    fn bad_urls_say_why() {
        check("10.0.0.1:8000", Err(AddressError::NotUrl));
        check("ftp://a", Err(AddressError::Scheme("ftp".into())));
        check("http://u:p@a", Err(AddressError::Userinfo));
        check("http://a:0", Err(AddressError::PortZero));
        check("http://a/path", Err(AddressError::Path));
        check("http://a?x", Err(AddressError::Path));
        check("http://", Err(AddressError::Host(HostError::Empty)));
        check("http://a b", Err(AddressError::Host(HostError::Character)));
        check("http://a:99999", Err(AddressError::Host(HostError::Port)));
    }

    #[test]
    fn weights_have_a_range() {
        assert_eq!(Weight::new(1).map(Weight::get), Ok(1));
        assert_eq!(Weight::new(1000).map(Weight::get), Ok(1000));
        assert_eq!(Weight::new(0), Err(WeightError(0)));
        assert_eq!(Weight::new(70_000), Err(WeightError(70_000)));
    }
}
