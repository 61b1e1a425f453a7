//! PROXY protocol headers: rows, and the reader against a naive one, however the octets are cut.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[cfg(test)]
use proptest::prelude::*;
use proxy::config::MAX_PROXY_HEADER;
use proxy::proxy_protocol::{HeaderError, Parsed, parse};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What a reading comes to: how long the header is, and `client local` where it tells them; a word for why there is none.
type Reading = Result<(usize, Option<(SocketAddr, SocketAddr)>), &'static str>;

/// `None`: it goes on.
fn read(octets: &[u8]) -> Option<Reading> {
    match parse(octets) {
        Ok(Parsed::Partial) => None,
        Ok(Parsed::Complete(header)) => {
            Some(Ok((header.length, header.ends.map(|ends| (ends.client, ends.local)))))
        }
        Err(HeaderError::Missing) => Some(Err("missing")),
        Err(HeaderError::Malformed(_)) => Some(Err("malformed")),
    }
}

fn check(octets: impl AsRef<[u8]>, expected: Option<Reading>) {
    let octets = octets.as_ref();
    assert_eq!(read(octets), expected, "{:?}", octets.escape_ascii().to_string());
}

fn told(length: usize, client: &str, local: &str) -> Option<Reading> {
    Some(Ok((length, Some((client.parse().unwrap(), local.parse().unwrap())))))
}

const KEPT: fn(usize) -> Option<Reading> = |length| Some(Ok((length, None)));
const MALFORMED: Option<Reading> = Some(Err("malformed"));
const MISSING: Option<Reading> = Some(Err("missing"));

#[test]
fn lines_of_version_1_tell_both_ends_and_what_follows_is_left() {
    check(
        "PROXY TCP4 203.0.113.5 192.0.2.1 56324 443\r\nGET / HTTP/1.1\r\n",
        told(44, "203.0.113.5:56324", "192.0.2.1:443"),
    );
    check("PROXY TCP6 2001:DB8::5 ::1 0 65535\r\n", told(36, "[2001:db8::5]:0", "[::1]:65535"));
    check("PROXY UNKNOWN\r\n", KEPT(15));
    check("PROXY UNKNOWN ffff::1 what ever\r\n", KEPT(33));
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
    check(&longest, KEPT(107));
    check(longest.replace("UNKNOWN ", "UNKNOWN  "), MALFORMED);
}

#[test]
fn a_line_of_version_1_has_one_spelling() {
    for line in [
        "PROXY TCP4 203.0.113.5 192.0.2.1 56324 443\n",
        "PROXY TCP4 203.0.113.5 192.0.2.1 56324 443 \r\n",
        "PROXY TCP4 203.0.113.5 192.0.2.1 56324 443 1\r\n",
        "PROXY TCP4  203.0.113.5 192.0.2.1 56324 443\r\n",
        "PROXY  TCP4 203.0.113.5 192.0.2.1 56324 443\r\n",
        "PROXY TCP4 203.0.113.5 192.0.2.1 056324 443\r\n",
        "PROXY TCP4 203.0.113.5 192.0.2.1 +1 443\r\n",
        "PROXY TCP4 203.0.113.5 192.0.2.1 65536 443\r\n",
        "PROXY TCP4 203.0.113.5 192.0.2.1 56324\r\n",
        "PROXY TCP4 203.0.113.05 192.0.2.1 56324 443\r\n",
        "PROXY TCP4 203.0.113 192.0.2.1 56324 443\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.1 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY tcp4 203.0.113.5 192.0.2.1 56324 443\r\n",
        "PROXY UDP4 203.0.113.5 192.0.2.1 56324 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
    ] {
        check(line, MALFORMED);
    }
    check(b"PROXY TCP4 203.0.113.5 192.0.2.1 1 \xff\r\n", MALFORMED);
}

#[test]
fn what_begins_otherwise_is_no_header() {
    for text in ["GET / HTTP/1.1\r\n", "proxy ", "PROXY\r\n", "\r\n\r\nGET", "\0", "\r\n\r\n\0\r\nQUIT\r"] {
        check(text, MISSING);
    }
    for text in ["", "P", "PROXY", "PROXY ", "PROXY TCP4 203.0.113.5", "\r\n", "\r\n\r\n\0\r\nQUIT\n"] {
        check(text, None);
    }
}

fn v2(command: u8, family: u8, behind: &[u8]) -> Vec<u8> {
    let length = u16::try_from(behind.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, behind].concat()
}

#[test]
fn headers_of_version_2_tell_both_ends_and_extensions_are_passed_over() {
    let v4 = [203, 0, 113, 5, 192, 0, 2, 1, 0xdc, 0x04, 0x01, 0xbb];
    check([&v2(0x21, 0x11, &v4)[..], b"GET"].concat(), told(28, "203.0.113.5:56324", "192.0.2.1:443"));
    check(v2(0x21, 0x12, &v4), told(28, "203.0.113.5:56324", "192.0.2.1:443"));
    check(
        v2(0x21, 0x11, &[&v4[..], b"\x04\0\x01x"].concat()),
        told(32, "203.0.113.5:56324", "192.0.2.1:443"),
    );
    let mut v6 = [0; 36];
    (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 80, 81);
    check(v2(0x21, 0x21, &v6), told(52, "[::1]:80", "[::2]:81"));
    check(v2(0x20, 0x11, &v4), KEPT(28));
    check(v2(0x20, 0x00, &[]), KEPT(16));
    check(v2(0x20, 0xff, &[]), KEPT(16));
    check(v2(0x21, 0x00, b"\x04\0\x01x"), KEPT(20));
    check(v2(0x21, 0x31, &[0; 216]), KEPT(232));
    check(v2(0x21, 0x11, &[1; MAX_PROXY_HEADER - 16]), told(MAX_PROXY_HEADER, "1.1.1.1:257", "1.1.1.1:257"));
}

#[test]
fn headers_of_version_2_that_are_none_are_malformed_as_soon_as_that_shows() {
    let v4 = [1; 12];
    for header in [
        v2(0x11, 0x11, &v4),
        v2(0x22, 0x11, &v4),
        v2(0x31, 0x11, &v4),
        v2(0x21, 0x41, &v4),
        v2(0x21, 0x13, &v4),
        v2(0x21, 0x11, &v4[..11]),
        v2(0x21, 0x21, &[1; 35]),
        v2(0x21, 0x11, &[1; MAX_PROXY_HEADER - 15])[..16].to_vec(),
    ] {
        check(header, MALFORMED);
    }
    check(&v2(0x21, 0x11, &v4)[..27], None);
}

/// As one would read it with all octets at hand, in no hurry.
fn naive(octets: &[u8]) -> Option<Reading> {
    let begins = |what: &[u8]| octets.iter().zip(what).all(|(a, b)| a == b);
    if begins(SIGNATURE) {
        return naive_v2(octets);
    }
    if !begins(b"PROXY ") {
        return Some(Err("missing"));
    }
    let first: Vec<u8> = octets.iter().copied().take(107).collect();
    let Some(end) = first.iter().position(|&b| b == b'\n') else {
        return (octets.len() >= 107).then_some(Err("malformed"));
    };
    Some(naive_v1(&first[..=end]).map(|ends| (end + 1, ends)).ok_or("malformed"))
}

fn naive_v1(line: &[u8]) -> Option<Option<(SocketAddr, SocketAddr)>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let words: Vec<&str> = line.split(' ').collect();
    if words[..2] == ["PROXY", "UNKNOWN"] {
        return Some(None);
    }
    let ["PROXY", family, a, b, p, q] = words[..] else { return None };
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| port.to_string() == text);
    let ip = |text: &str| text.parse::<IpAddr>().ok().filter(|ip| ip.is_ipv4() == (family == "TCP4"));
    if !["TCP4", "TCP6"].contains(&family) {
        return None;
    }
    Some(Some((SocketAddr::new(ip(a)?, port(p)?), SocketAddr::new(ip(b)?, port(q)?))))
}

fn naive_v2(octets: &[u8]) -> Option<Reading> {
    if octets.len() < 16 {
        return None;
    }
    let length = 16 + usize::from(octets[14]) * 256 + usize::from(octets[15]);
    if ![0x20, 0x21].contains(&octets[12]) || length > MAX_PROXY_HEADER {
        return Some(Err("malformed"));
    }
    if octets.len() < length {
        return None;
    }
    let (family, transport, body) = (octets[13] / 16, octets[13] % 16, &octets[16..length]);
    let number =
        |range: std::ops::Range<usize>| body[range].iter().fold(0, |n: u128, &b| n * 256 + u128::from(b));
    let port = |at: usize| u16::try_from(number(at..at + 2)).unwrap();
    if octets[12] == 0x20 {
        return Some(Ok((length, None)));
    }
    if family > 3 || transport > 2 {
        return Some(Err("malformed"));
    }
    let ends = match (family, transport) {
        (1, 1 | 2) if body.len() >= 12 => {
            let ip = |at: usize| Ipv4Addr::from(u32::try_from(number(at..at + 4)).unwrap());
            Some(((ip(0), port(8)).into(), (ip(4), port(10)).into()))
        }
        (2, 1 | 2) if body.len() >= 36 => {
            let ip = |at: usize| Ipv6Addr::from(number(at..at + 16));
            Some(((ip(0), port(32)).into(), (ip(16), port(34)).into()))
        }
        (1 | 2, 1 | 2) => return Some(Err("malformed")),
        _ => None,
    };
    Some(Ok((length, ends)))
}

/// Octets that are a header, or nearly one, with something behind it.
#[cfg(test)]
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "PROXY", "TCP4", "TCP6", "UNKNOWN", "1.2.3.4", "::1", "80", "0", "01", "65536", "\r\n", "\n", "\r",
        "",
    ]);
    let line = (prop::collection::vec(word, 0..7), prop::sample::select(vec!["\r\n", "\n", "", "x\r\n"]))
        .prop_map(|(words, end)| format!("PROXY {}{end}", words.join(" ")).into_bytes());
    let addresses = (any::<[u8; 4]>(), any::<[u8; 4]>(), any::<(u16, u16)>());
    let v1 = addresses.prop_map(|(a, b, (p, q))| {
        format!("PROXY TCP4 {} {} {p} {q}\r\n", Ipv4Addr::from(a), Ipv4Addr::from(b)).into_bytes()
    });
    let v1_v6 = (any::<[u8; 16]>(), any::<u16>())
        .prop_map(|(a, p)| format!("PROXY TCP6 {0} {0} {p} {p}\r\n", Ipv6Addr::from(a)).into_bytes());
    let v2 = (
        prop::sample::select(vec![0x20, 0x21, 0x21, 0x21, 0x22]),
        prop::sample::select(vec![0x11, 0x11, 0x21, 0x21, 0x12, 0x31, 0x00, 0x10, 0x41]),
        prop::collection::vec(any::<u8>(), 0..60),
    )
        .prop_map(|(command, family, behind)| v2(command, family, &behind));
    let whole = prop_oneof![line, v1, v1_v6, v2, prop::collection::vec(any::<u8>(), 0..40)];
    (
        whole,
        prop::collection::vec(any::<u8>(), 0..120),
        prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    )
        .prop_map(|(mut octets, behind, flip)| {
            octets.extend(behind);
            if let Some((at, octet)) = flip.filter(|_| !octets.is_empty()) {
                let at = at.index(octets.len());
                octets[at] = octet;
            }
            octets
        })
}

/// However it is cut, a header is read as the naive reader reads the whole. True when there is one.
pub(crate) fn agree(octets: &[u8]) -> bool {
    let context = octets.escape_ascii().to_string();
    let expected = naive(octets);
    let first = (0..=octets.len()).find_map(|n| read(&octets[..n]));

    assert_eq!(read(octets), expected, "{context}");
    assert_eq!(first, expected, "read octet by octet: {context}");
    let Some(Ok((length, _))) = expected else { return false };
    assert!(length <= octets.len() && length <= MAX_PROXY_HEADER, "{context}");
    assert_eq!(read(&octets[..length]), expected, "what follows does not matter: {context}");
    assert_eq!(read(&octets[..length - 1]), None, "its last octet does: {context}");
    true
}

#[cfg(test)]
proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn however_it_is_cut_a_header_is_read_as_a_naive_reader_reads_the_whole(octets in nearly()) {
        agree(&octets);
    }
}
