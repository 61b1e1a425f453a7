//! Elements of `Forwarded` (RFC 7239): read from the right, because a proxy adds behind what its client sent, and written.
//!
//! In: a list whose left elements may be anybody's. Out: what the right ones say, as far as it is well-formed and of use.
//! Never: an address that was not written as one (`unknown`, `_hidden`), a scheme other than HTTP's, a host that is none.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use smallvec::SmallVec;

use super::IpText;

/// What an element says; a value that is of no use is none.
#[derive(Debug, Default, PartialEq, Eq)]
struct Element<'a> {
    client: Option<IpAddr>,
    host: Option<&'a [u8]>,
    proto: Option<&'static str>,
}

/// What a list of a trusted peer says.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Where the part begins that is well-formed; the list's length: nowhere.
    pub(super) from: usize,
    /// Trusted hops from the nearest on, and behind them the client.
    pub(super) hops: SmallVec<[IpAddr; 4]>,
    /// What the client asked the farthest trusted hop for; empty: not said.
    pub(super) host: SmallVec<[u8; 64]>,
    /// How.
    pub(super) proto: Option<&'static str>,
}

impl Told {
    /// Reads from the right as long as those who wrote are `trusted`. An element that is malformed hides those before it.
    pub(super) fn read(list: &[u8], trusted: &[IpNet]) -> Self {
        let mut told = Self { from: list.len(), ..Self::default() };
        let (mut rest, mut believed) = (list, true);
        while let Some((left, last)) = split_last(rest)
            && let Some(element) = Element::parse(last)
        {
            told.from = rest.len() - last.len();
            if believed && !last.trim_ascii().is_empty() {
                told.proto = element.proto.or(told.proto);
                if let Some(host) = element.host {
                    told.host = SmallVec::from_slice(host);
                }
                told.hops.extend(element.client);
                believed = element.client.is_some_and(|ip| trusts(trusted, ip));
            }
            let Some(left) = left else { break };
            rest = left;
        }
        told
    }
}

/// True when `ip` is a proxy whose word is taken.
pub(super) fn trusts(trusted: &[IpNet], ip: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(&ip))
}

/// What stands before the last element, and it; `None`: its quotes do not end.
fn split_last(list: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let mut quoted = false;
    for (at, octet) in list.iter().enumerate().rev() {
        let (before, last) = (list.get(..at)?, list.get(at + 1..)?);
        match octet {
            b'"' if before.iter().rev().take_while(|octet| **octet == b'\\').count() % 2 == 0 => {
                quoted = !quoted
            }
            b',' if !quoted => return Some((Some(before), last)),
            _ => {}
        }
    }
    (!quoted).then_some((None, list))
}

impl<'a> Element<'a> {
    /// Reads one element, an empty one too; `None`: it is malformed.
    fn parse(text: &'a [u8]) -> Option<Self> {
        let mut element = Self::default();
        let (mut rest, mut seen) = (text.trim_ascii(), [false; 3]);
        while !rest.is_empty() {
            let (name, value) = rest.split_at_checked(rest.iter().position(|octet| *octet == b'=')?)?;
            let (value, after) = split_value(value.get(1..)?)?;
            if name.is_empty() || !name.iter().all(|octet| is_token(*octet)) {
                return None;
            }
            let known =
                ["for", "host", "proto"].iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()));
            // RFC 7239 §4: no parameter stands twice in an element.
            if let Some(seen) = known.and_then(|at| seen.get_mut(at))
                && std::mem::replace(seen, true)
            {
                return None;
            }
            match known {
                Some(0) => element.client = parse_node(value),
                Some(1) => element.host = Some(value).filter(|host| is_host(host)),
                Some(_) => element.proto = parse_proto(value),
                None => {}
            }
            rest = match after.trim_ascii_start() {
                [b';', after @ ..] => after.trim_ascii_start(),
                [] => &[],
                _ => return None,
            };
        }
        Some(element)
    }
}

/// A value, without its quotes, and what follows. Without quotes it may hold more than a token: many write `for=[::1]:80`.
fn split_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let is_over = |octet: &u8| !octet.is_ascii_graphic() || b"\",;\\".contains(octet);
        let length = text.iter().position(is_over).unwrap_or(text.len());
        return text.split_at_checked(length).filter(|_| length > 0);
    };
    let mut escaped = false;
    for (at, octet) in quoted.iter().enumerate() {
        match octet {
            b'"' if !escaped => return Some((quoted.get(..at)?, quoted.get(at + 1..)?)),
            _ => escaped = *octet == b'\\' && !escaped,
        }
    }
    None
}

/// RFC 7239 §6: an address, IPv6 in brackets, with or without a port, which may be hidden.
fn parse_node(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    let ip = match (text.strip_prefix('['), text.split_once(':')) {
        (Some(rest), _) => {
            let (ip, port) = rest.split_once(']')?;
            let ip: Ipv6Addr = ip.parse().ok()?;
            (port.is_empty() || port.starts_with(':')).then_some(ip.into())
        }
        (None, Some((ip, port))) if !port.contains(':') => ip.parse().ok(),
        (None, _) => text.parse().ok(),
    };
    ip.map(|ip: IpAddr| ip.to_canonical())
}

pub(super) fn parse_proto(value: &[u8]) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|proto| value.eq_ignore_ascii_case(proto.as_bytes()))
}

pub(super) fn is_host(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-._:[]".contains(octet))
}

fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// Writes an element; what is not known is left out, but the client, who is `unknown` then.
pub(super) fn write_element(client: Option<IpAddr>, host: &[u8], proto: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"for=");
    match client {
        // An IPv6 address stands in brackets, and so in quotes.
        Some(ip @ IpAddr::V6(_)) => {
            for part in ["\"[", IpText::new(ip).as_str(), "]\""] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        Some(ip) => out.extend_from_slice(IpText::new(ip).as_str().as_bytes()),
        None => out.extend_from_slice(b"unknown"),
    }
    if is_host(host) {
        let quote: &[u8] = if host.iter().all(|octet| is_token(*octet)) { b"" } else { b"\"" };
        for part in [b";host=", quote, host, quote] {
            out.extend_from_slice(part);
        }
    }
    if !proto.is_empty() {
        out.extend_from_slice(b";proto=");
        out.extend_from_slice(proto.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, expected: &str) {
        let told = Told::read(list.as_bytes(), &["10.0.0.0/8".parse().unwrap()]);
        let hops: Vec<String> = told.hops.iter().map(IpAddr::to_string).collect();
        let host = String::from_utf8(told.host.to_vec()).unwrap();
        let said = format!("{} {host} {}", hops.join(","), told.proto.unwrap_or(""));
        assert_eq!((said.trim(), &list[told.from..]), (expected, list), "{list}");
    }

    #[test]
    fn an_element_says_who_asked_for_which_host_and_how() {
        check("for=1.1.1.1;host=a.test;proto=https", "1.1.1.1 a.test https");
        check("For=\"1.1.1.1:80\" ; HOST=\"a.test:81\"; Proto=HTTPS;by=_x;", "1.1.1.1 a.test:81 https");
        check("for=\"[2001:db8::1]:4711\"", "2001:db8::1");
        check("for=\"[2001:db8::1]\";secret=\"a, \\\"b;c\"", "2001:db8::1");
        check("for=[2001:db8::1]:80", "2001:db8::1");
        check("for=1.1.1.1:_port", "1.1.1.1");
        check("for=\"[::ffff:1.1.1.1]\"", "1.1.1.1");
    }

    #[test]
    fn what_is_hidden_or_of_no_use_is_nobody() {
        for nobody in
            ["for=unknown", "for=_hidden", "for=\"[2001:db8::1\"", "for=\"[1.1.1.1]\"", "for=\"1.1.1.1 \""]
        {
            check(nobody, "");
        }
        check("for=_hidden;proto=https", "https");
        check("for=1.1.1.1;host=\"a b\";proto=gopher", "1.1.1.1");
        check("proto=https", "https");
        check("", "");
        check(" , ,for=1.1.1.1,", "1.1.1.1");
    }

    #[test]
    fn the_client_is_behind_the_trusted_hops() {
        check("for=6.6.6.6, for=1.1.1.1, for=10.0.0.2", "10.0.0.2,1.1.1.1");
        check("for=6.6.6.6, for=1.1.1.1", "1.1.1.1");
        check("for=10.0.0.3, for=10.0.0.2", "10.0.0.2,10.0.0.3");
        check("for=6.6.6.6, for=unknown, for=10.0.0.2", "10.0.0.2");
        check("for=1.1.1.1;proto=https;host=a, for=10.0.0.2;proto=http;host=b", "10.0.0.2,1.1.1.1 a https");
        check("for=1.1.1.1, for=10.0.0.2;proto=https;host=b", "10.0.0.2,1.1.1.1 b https");
    }

    #[test]
    fn what_is_malformed_is_left_out_with_all_before_it() {
        let check = |list: &str, kept: &str| {
            let told = Told::read(list.as_bytes(), &["0.0.0.0/0".parse().unwrap()]);
            assert_eq!(&list[told.from..], kept, "{list}");
            assert_eq!(told.hops.len(), usize::from(!kept.is_empty()), "{list}");
        };
        for malformed in [
            "for",
            "for=",
            "=1.1.1.1",
            "for=1.1.1.1;for=6.6.6.6",
            "f or=1.1.1.1",
            "for=\"1.1.1.1",
            "for=\"a\"b",
            "for=a\\b",
        ] {
            check(malformed, "");
            check(&format!("for=6.6.6.6, {malformed}, for=1.1.1.1"), " for=1.1.1.1");
        }
        // A quote that a client opens does not swallow what the proxy writes behind it.
        check("for=\"6.6.6.6, for=\"[2001:db8::1]\"", " for=\"[2001:db8::1]\"");
        check("for=\"6.6.6.6\\, for=\"[2001:db8::1]\"", " for=\"[2001:db8::1]\"");
    }

    #[test]
    fn elements_are_written_so_that_they_are_read_as_they_were_meant() {
        let check = |client: Option<&str>, host: &str, proto: &str, expected: &str| {
            let mut out = Vec::new();
            write_element(client.map(|ip| ip.parse().unwrap()), host.as_bytes(), proto, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
            assert!(Element::parse(expected.as_bytes()).is_some(), "{expected}");
        };
        check(Some("10.0.0.9"), "a.test", "http", "for=10.0.0.9;host=a.test;proto=http");
        check(
            Some("2001:db8::9"),
            "[::1]:81",
            "https",
            "for=\"[2001:db8::9]\";host=\"[::1]:81\";proto=https",
        );
        check(None, "", "", "for=unknown");
    }
}
