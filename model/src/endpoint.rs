//! One address of a backend.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use crate::host_pattern::{HostError, canonical_host};
use crate::socket_path::{SocketPath, SocketPathError};

/// Where an endpoint listens, in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// At an IP address and a TCP port.
    Ip {
        /// The address; IPv4 is never mapped into IPv6.
        ip: IpAddr,
        /// 1 to 65535.
        port: NonZeroU16,
    },
    /// At a TCP port of what a name resolves to, off the request path.
    Name {
        /// Lower case, no trailing dot.
        name: Box<str>,
        /// 1 to 65535.
        port: NonZeroU16,
    },
    /// At a Unix socket of the machine that the proxy runs on.
    Unix(SocketPath),
}

/// Why a URL is not an endpoint's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `scheme://`.
    #[error("not a URL; write `http://host:port` or `unix:/path`")]
    NotUrl,
    /// Some scheme other than `http`.
    #[error("scheme `{0}` is not supported; write `http://host:port` or `unix:/path`")]
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
    /// The path of a Unix socket is malformed.
    #[error(transparent)]
    Socket(#[from] SocketPathError),
}

impl Address {
    /// Parses `http://host[:port][/]`, where the port defaults to 80, as in hipache, or `unix:/path`, also as `unix:///path` and
    /// as nginx writes it: `http://unix:/path`, with or without a `:` or `:/` behind it.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong and how to write it.
    pub fn parse_url(url: &str) -> Result<Self, AddressError> {
        if let Some(path) = socket_in(url) {
            return Ok(Self::Unix(SocketPath::parse(path)?));
        }
        let (scheme, rest) = url.split_once("://").ok_or(AddressError::NotUrl)?;
        if !scheme.eq_ignore_ascii_case("http") {
            // What is not printable is escaped: operators read this on a terminal.
            return Err(AddressError::Scheme(scheme.escape_debug().take(16).collect()));
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
        match bare.parse::<IpAddr>() {
            Ok(ip) => Ok(Self::Ip { ip: ip.to_canonical(), port }),
            Err(_) if ends_in_number(bare) => Err(AddressError::Number(bare.chars().take(64).collect())),
            Err(_) => Ok(Self::Name { name: host.into(), port }),
        }
    }

    /// True when this text means a Unix socket, well written or not: what follows is a path then, and no host.
    pub fn means_socket(url: &str) -> bool {
        socket_in(url).is_some()
    }

    /// The socket address, when it is an IP address and a port.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip { ip, port } => Some(SocketAddr::new(*ip, port.get())),
            Self::Name { .. } | Self::Unix(_) => None,
        }
    }

    /// The address as a URL, `http://host:port` or `unix:/path`.
    pub fn url(&self) -> String {
        match self {
            Self::Ip { .. } | Self::Name { .. } => format!("http://{self}"),
            Self::Unix(_) => self.to_string(),
        }
    }
}

/// The path in a text that means a Unix socket.
fn socket_in(url: &str) -> Option<&str> {
    let behind = |prefix: &str| {
        let head = url.get(..prefix.len())?;
        if head.eq_ignore_ascii_case(prefix) { url.get(prefix.len()..) } else { None }
    };
    if let Some(path) = behind("unix:") {
        return Some(path.strip_prefix("//").unwrap_or(path));
    }
    // `http://unix:80` is a host of that name; without a port it would be read as a socket once a path stands behind it.
    let path = behind("http://unix:").filter(|path| path.is_empty() || path.starts_with('/'))?;
    Some(path.strip_suffix(":/").or_else(|| path.strip_suffix(':')).unwrap_or(path))
}

impl From<SocketAddr> for Address {
    /// Port 0 becomes port 80, which no bound socket has.
    fn from(socket: SocketAddr) -> Self {
        let port = NonZeroU16::new(socket.port()).unwrap_or(NonZeroU16::MIN.saturating_add(79));
        Self::Ip { ip: socket.ip().to_canonical(), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip { ip: IpAddr::V6(ip), port } => write!(f, "[{ip}]:{port}"),
            Self::Ip { ip: IpAddr::V4(ip), port } => write!(f, "{ip}:{port}"),
            Self::Name { name, port } => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
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
    fn a_socket_may_be_written_in_three_ways_and_is_shown_in_one() {
        for url in [
            "unix:/run/App.sock",
            "UNIX:/run/App.sock",
            "unix:///run/App.sock",
            "http://unix:/run/App.sock",
            "http://unix:/run/App.sock:",
            "http://unix:/run/App.sock:/",
        ] {
            check(url, Ok("unix:/run/App.sock"));
            assert_eq!(Address::parse_url(url).map(|address| address.url()), Ok("unix:/run/App.sock".into()));
            assert!(Address::means_socket(url), "{url}");
        }
        check("http://unix:80", Ok("unix:80"));
        check("http://unix", Ok("unix:80"));
        check("http://unix.test:80/", Ok("unix.test:80"));
        let socket = |error| Err(AddressError::Socket(error));
        check("unix:run/app.sock", socket(SocketPathError::Relative));
        check("unix:", socket(SocketPathError::Relative));
        check("http://Unix:", socket(SocketPathError::Relative));
        check("unix://run/app.sock", socket(SocketPathError::Relative));
        check("unix:@app", socket(SocketPathError::Relative));
        check("unix:/run/../etc/x", socket(SocketPathError::Part));
        check("http://unix:/run/app.sock:/uri", socket(SocketPathError::Character));
        check("unix:/run/a\0b", socket(SocketPathError::Character));
    }

    #[test]
    fn an_address_is_small() {
        assert_eq!(size_of::<Address>(), 24, "there may be a million of them");
        assert_eq!(size_of::<Endpoint>(), 32);
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
