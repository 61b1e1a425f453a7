//! What a frontend asks for: an exact host, that host on one port, a `*.suffix`, everything, or an IP literal.

use std::fmt;
use std::net::Ipv6Addr;

use smol_str::SmolStr;

/// The longest host we accept, in octets (RFC 1035 §2.3.4, without the trailing dot).
const MAX_HOST: usize = 253;
/// The longest label of a host, in octets (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// A host pattern, always in canonical form: lower case, no trailing dot, IPv6 literals in RFC 5952 spelling and brackets.
///
/// Sorted by its text, so that snapshots list frontends in a stable order. A text of up to 23 octets stands in its place; a longer one
/// is shared by its copies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// `*`: whatever no other pattern matched.
    Any,
    /// `*.example.com`: any name below `example.com`, kept without the `*.`.
    Suffix(SmolStr),
    /// `www.example.com`, `10.0.0.1` or `[::1]`.
    Exact(SmolStr),
    /// `www.example.com:8080`, kept with its port: that host where a client names that port, as planb takes it.
    OnPort(SmolStr),
}

/// Why a text is not a host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostPatternError {
    /// A `*` stands somewhere else than alone or as the whole first label.
    #[error("`*` is only allowed alone or as the whole first label (`*.example.com`)")]
    Star,
    /// A port stands behind a pattern with a `*`.
    #[error("a port is only allowed behind a whole host (`www.example.com:8080`)")]
    StarPort,
    /// The host itself is malformed.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Why octets are not a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing, or nothing before the port.
    #[error("the host is empty")]
    Empty,
    /// More than 253 octets, or a label of more than 63.
    #[error("the host is too long (at most 253 octets, 63 in a label)")]
    TooLong,
    /// An empty label (`a..b`, `.a`).
    #[error("the host has an empty label")]
    EmptyLabel,
    /// Something else than letters, digits, hyphen and underscore.
    #[error("the host has a character other than letters, digits, `-`, `_` and `.`")]
    Character,
    /// Brackets without an IPv6 address in them.
    #[error("the brackets do not hold an IPv6 address")]
    Ipv6,
    /// The port is not a number from 0 to 65535.
    #[error("the port is not a number from 0 to 65535")]
    Port,
}

impl HostPattern {
    /// Parses a pattern as operators write it.
    ///
    /// # Errors
    /// [`HostPatternError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (star, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest.contains('*') {
            return Err(HostPatternError::Star);
        }
        let mut canonical = String::with_capacity(rest.len());
        let port = canonical_host(rest.as_bytes(), &mut canonical)?;
        if star && canonical.starts_with('[') {
            return Err(HostPatternError::Star);
        }
        match (star, port) {
            (true, Some(_)) => Err(HostPatternError::StarPort),
            (true, None) => Ok(Self::Suffix(canonical.into())),
            (false, Some(port)) => Ok(Self::OnPort(format!("{canonical}:{port}").into())),
            (false, None) => Ok(Self::Exact(canonical.into())),
        }
    }

    /// True when this pattern alone (without better ones) would take the canonical `host`, which may name a port.
    pub fn matches(&self, host: &str) -> bool {
        let (name, _) = split_port(host);
        match self {
            Self::Any => true,
            Self::OnPort(on_port) => on_port == host,
            Self::Exact(exact) => exact == name,
            Self::Suffix(suffix) => {
                name.strip_suffix(suffix.as_str()).is_some_and(|head| head.len() > 1 && head.ends_with('.'))
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(host) | Self::OnPort(host) => f.write_str(host),
            Self::Suffix(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// Writes the canonical form of a `Host` value (`host[:port]`, RFC 9110 §7.2) over `out` and returns the port.
///
/// Case is folded, one trailing dot is dropped, IPv6 literals are re-spelled (RFC 5952). `out` keeps its
/// capacity, so that a request's host costs no allocation.
///
/// # Errors
/// [`HostError`] names what is malformed; `out` is then unspecified.
pub fn canonical_host(raw: &[u8], out: &mut String) -> Result<Option<u16>, HostError> {
    out.clear();
    if raw.first() == Some(&b'[') {
        return canonical_ipv6(raw, out);
    }
    let end = read_labels(raw)?;
    let port = match raw.get(end) {
        Some(_colon) => parse_port(&raw[end + 1..])?,
        None => None,
    };
    let host = raw[..end].strip_suffix(b".").unwrap_or(&raw[..end]);
    match host.len() {
        0 => return Err(HostError::Empty),
        1..=MAX_HOST => {}
        _ => return Err(HostError::TooLong),
    }
    // It is ASCII.
    out.push_str(std::str::from_utf8(host).map_err(|_| HostError::Character)?);
    out.make_ascii_lowercase();
    Ok(port)
}

/// What a label is made of: letters and digits (RFC 1123 §2.1), hyphens, and underscores, which names of containers have.
static IN_LABELS: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < table.len() {
        table[octet] = matches!(octet as u8, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_');
        octet += 1;
    }
    table
};

/// How far a name goes, up to a colon or to the end. Its last dot may end it.
fn read_labels(raw: &[u8]) -> Result<usize, HostError> {
    let mut label = 0;
    for (at, &octet) in raw.iter().enumerate() {
        if IN_LABELS[usize::from(octet)] {
            continue;
        }
        match (octet, at - label) {
            (b':', ..=MAX_LABEL) => return Ok(at),
            (b'.', 1..=MAX_LABEL) => label = at + 1,
            (b'.', 0) => return Err(HostError::EmptyLabel),
            (b'.' | b':', _) => return Err(HostError::TooLong),
            _ => return Err(HostError::Character),
        }
    }
    if raw.len() - label > MAX_LABEL { Err(HostError::TooLong) } else { Ok(raw.len()) }
}

/// Splits canonical `host:port` where it is; a host without a port stays whole.
pub fn split_port(authority: &str) -> (&str, Option<u16>) {
    let split = authority.rsplit_once(':').filter(|(host, _)| !host.starts_with('[') || host.ends_with(']'));
    match split.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

fn canonical_ipv6(raw: &[u8], out: &mut String) -> Result<Option<u16>, HostError> {
    use std::fmt::Write as _;
    let close = raw.iter().position(|&b| b == b']').ok_or(HostError::Ipv6)?;
    let text = std::str::from_utf8(&raw[1..close]).map_err(|_| HostError::Ipv6)?;
    let address: Ipv6Addr = text.parse().map_err(|_| HostError::Ipv6)?;
    let port = match &raw[close + 1..] {
        [] => None,
        [b':', digits @ ..] => parse_port(digits)?,
        _ => return Err(HostError::Ipv6),
    };
    write!(out, "[{address}]").map_err(|_| HostError::Ipv6)?;
    Ok(port)
}

/// RFC 9110 §4.2 allows an empty port: `host:`.
fn parse_port(digits: &[u8]) -> Result<Option<u16>, HostError> {
    if digits.is_empty() {
        return Ok(None);
    }
    if digits.len() > 5 {
        return Err(HostError::Port);
    }
    let mut port: u32 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return Err(HostError::Port);
        }
        port = port * 10 + u32::from(digit - b'0');
    }
    u16::try_from(port).map(Some).map_err(|_| HostError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, HostPatternError>) {
        let parsed = HostPattern::parse(text).map(|p| p.to_string());
        assert_eq!(parsed, expected.map(str::to_owned), "pattern {text:?}");
    }

    #[test]
    fn patterns_have_one_canonical_form() {
        check("www.Example.COM", Ok("www.example.com"));
        check("www.example.com.", Ok("www.example.com"));
        check("*", Ok("*"));
        check("*.Example.com", Ok("*.example.com"));
        check("my_host-1", Ok("my_host-1"));
        check("10.0.0.1", Ok("10.0.0.1"));
        check("[0:0::1]", Ok("[::1]"));
        check("WWW.Example.com.:8080", Ok("www.example.com:8080"));
        check("www.example.com:0080", Ok("www.example.com:80"));
        check("www.example.com:", Ok("www.example.com"));
        check("[0:0::1]:443", Ok("[::1]:443"));
    }

    #[test]
    fn a_port_is_told_from_a_host() {
        let parts = ["a.b:80", "a.b", "[::1]:80", "[::1]", "[::1:80]", "a:x"].map(split_port);
        let expected = [
            ("a.b", Some(80)),
            ("a.b", None),
            ("[::1]", Some(80)),
            ("[::1]", None),
            ("[::1:80]", None),
            ("a:x", None),
        ];
        assert_eq!(parts, expected);
        let on_port = HostPattern::parse("a.b:80").expect("pattern");
        assert!(on_port.matches("a.b:80") && !on_port.matches("a.b") && !on_port.matches("a.b:81"));
    }

    #[test]
    fn malformed_patterns_are_named() {
        check("", Err(HostError::Empty.into()));
        check("a..b", Err(HostError::EmptyLabel.into()));
        check(".a", Err(HostError::EmptyLabel.into()));
        check("a b", Err(HostError::Character.into()));
        check("user@host", Err(HostError::Character.into()));
        check("host:x", Err(HostError::Port.into()));
        check("*.host:80", Err(HostPatternError::StarPort));
        check("*:80", Err(HostPatternError::Star));
        check("a.*.b", Err(HostPatternError::Star));
        check("**.b", Err(HostPatternError::Star));
        check("*.[::1]", Err(HostPatternError::Star));
        check("[::1", Err(HostError::Ipv6.into()));
        check("[nope]", Err(HostError::Ipv6.into()));
        check(&"a".repeat(64), Err(HostError::TooLong.into()));
        check(&["a"; 128].join("."), Err(HostError::TooLong.into()));
    }

    #[test]
    fn hosts_carry_ports() {
        let mut out = String::new();
        assert_eq!(canonical_host(b"A.b:8080", &mut out), Ok(Some(8080)));
        assert_eq!(out, "a.b");
        assert_eq!(canonical_host(b"a.b:", &mut out), Ok(None));
        assert_eq!(canonical_host(b"[::1]:80", &mut out), Ok(Some(80)));
        assert_eq!(canonical_host(b"a.b:65536", &mut out), Err(HostError::Port));
        assert_eq!(canonical_host(b"a.b:1x", &mut out), Err(HostError::Port));
        assert_eq!(canonical_host(b"[::1]x", &mut out), Err(HostError::Ipv6));
    }

    #[test]
    fn a_suffix_matches_names_below_it_only() {
        let suffix = HostPattern::parse("*.example.com").expect("pattern");
        assert!(suffix.matches("a.example.com") && suffix.matches("a.b.example.com"));
        assert!(!suffix.matches("example.com") && !suffix.matches("badexample.com"));
        assert!(!suffix.matches(".example.com"));
    }
}
