//! `X-Forwarded-…`, `X-Real-IP`, `Forwarded`: who asked, and how, for the origin.
//!
//! | field | untrusted peer, or absent | trusted peer |
//! |---|---|---|
//! | `X-Forwarded-For` | the peer | what came, and the peer behind it |
//! | `X-Real-IP` | the peer | kept when an IP address, else the last one of its `X-Forwarded-For`, else the peer |
//! | `X-Forwarded-Proto`, `-Protocol` | our scheme | kept; one stands in for the other |
//! | `X-Forwarded-Port` | our port | kept; absent beside a scheme that came: that scheme's port |
//! | `X-Forwarded-Host` | the canonical host | kept |
//! | `Forwarded` (RFC 7239) | dropped | what came, and `for=` the peer behind it |
//! | `X-Forwarded-Ssl`, `-Scheme`, `-Server`, `-Prefix` | dropped | passed |
//!
//! Names spelled with underscores are the same fields to many origins: they are dropped, or from a trusted peer taken
//! over under the proper name. Addresses are written plainly, without hipache's `::ffff:`, which only its log line keeps.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use super::{Edits, IpText, Peer};
use crate::http::{Added, RequestHead};

/// What an untrusted peer may not say. Those we write ourselves stand first.
const UNTRUSTED: &[&str] = &[
    "x-forwarded-for",
    "x-real-ip",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-port",
    "x-forwarded-host",
    "forwarded",
    "x-forwarded-ssl",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-prefix",
];

/// How many of [`UNTRUSTED`] we write ourselves, from a trusted peer too.
const OURS: usize = 7;

/// How the client speaks to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS, here or at a terminator in front.
    Https,
}

/// Makes the fields for the requests of one connection. Its memory is reused.
#[derive(Debug)]
pub struct Forwarded {
    peer: Peer,
    scheme: &'static str,
    port: SmallVec<[u8; 8]>,
    memory: Vec<u8>,
}

/// The fields of a request, and who its client is.
#[derive(Debug)]
pub struct Before<'a> {
    /// The changes.
    pub edits: Edits<'a>,
    /// The client's address: what to balance by.
    pub client: IpAddr,
    /// The value of `X-Real-IP`: what to log.
    pub real_ip: &'a [u8],
}

/// The fields with one value that a trusted peer sent; all absent from others.
#[derive(Debug, Default)]
struct Said<'a> {
    real_ip: One<'a>,
    proto: One<'a>,
    protocol: One<'a>,
    port: One<'a>,
    host: One<'a>,
}

/// A field that has one value. Of several the last counts: a proxy that adds, adds behind what its client sent.
/// The proper spelling wins over those with underscores.
#[derive(Debug, Default)]
struct One<'a> {
    proper: Option<&'a [u8]>,
    other: Option<&'a [u8]>,
}

impl<'a> One<'a> {
    fn get(&self) -> Option<&'a [u8]> {
        self.proper.or(self.other)
    }
}

impl<'a> Said<'a> {
    fn read(head: &'a RequestHead, buf: &'a [u8]) -> Self {
        let mut said = Self::default();
        for (name, value) in head.headers(buf) {
            let one = match name.len() {
                9 if is_name(name, b"x-real-ip") => &mut said.real_ip,
                16 if is_name(name, b"x-forwarded-port") => &mut said.port,
                16 if is_name(name, b"x-forwarded-host") => &mut said.host,
                17 if is_name(name, b"x-forwarded-proto") => &mut said.proto,
                20 if is_name(name, b"x-forwarded-protocol") => &mut said.protocol,
                _ => continue,
            };
            if !value.is_empty() {
                *(if is_proper(name) { &mut one.proper } else { &mut one.other }) = Some(value);
            }
        }
        said
    }
}

impl Scheme {
    /// Its name in URLs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that URLs leave out.
    pub const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Forwarded {
    /// For a connection from `peer`, who asked for `port` and spoke `scheme` there.
    pub fn new(peer: Peer, port: u16, scheme: Scheme) -> Self {
        let mut number = itoa::Buffer::new();
        let port = SmallVec::from_slice(number.format(port).as_bytes());
        Self { peer, scheme: scheme.name(), port, memory: Vec::new() }
    }

    /// The fields of this request; `buf` is the buffer `head` was parsed from.
    pub fn before<'a>(&'a mut self, head: &'a RequestHead, buf: &'a [u8]) -> Before<'a> {
        self.memory.clear();
        let host = self.write_host(head);
        let (mut said, mut lists) = (Said::default(), Lists::default());
        if self.peer.is_trusted() {
            said = Said::read(head, buf);
            lists = self.extend_lists(head, buf);
        }
        let this = &*self;
        let at = |range: Range<usize>| this.memory.get(range).unwrap_or_default();
        let came = said.proto.get().or(said.protocol.get());
        let proto = came.unwrap_or(this.scheme.as_bytes());
        let port = match (said.port.get(), came) {
            (Some(port), _) => port,
            (None, Some(b"https")) => b"443",
            (None, Some(b"http")) => b"80",
            (None, _) => this.port.as_slice(),
        };
        let peer = this.peer.text().as_str().as_bytes();
        let stated = said.real_ip.get().and_then(|value| Some((value, parse_ip(value)?)));
        let seen = lists.last_hop.map(|(range, ip)| (at(range), ip));
        let (real_ip, client) = stated.or(seen).unwrap_or((peer, this.peer.ip()));
        let add = |name, value| Added { name, value };
        let mut added = smallvec![
            add("X-Forwarded-For", lists.hops.map_or(peer, at)),
            add("X-Real-IP", real_ip),
            add("X-Forwarded-Proto", proto),
            add("X-Forwarded-Protocol", said.protocol.get().unwrap_or(proto)),
            add("X-Forwarded-Port", port),
            add("X-Forwarded-Host", said.host.get().unwrap_or(at(host))),
        ];
        if let Some(forwarded) = lists.forwarded {
            added.push(add("Forwarded", at(forwarded)));
        }
        let replaced = if this.peer.is_trusted() { &UNTRUSTED[..OURS] } else { UNTRUSTED };
        Before { edits: Edits { replaced, added }, client, real_ip }
    }

    fn write_host(&mut self, head: &RequestHead) -> Range<usize> {
        let start = self.memory.len();
        self.memory.extend_from_slice(head.host().as_bytes());
        if let Some(port) = head.port() {
            self.memory.push(b':');
            self.memory.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
        }
        start..self.memory.len()
    }

    fn extend_lists(&mut self, head: &RequestHead, buf: &[u8]) -> Lists {
        let peer = *self.peer.text();
        let mut lists = Lists::default();
        if let Some(hops) = self.gather(head, buf, b"x-forwarded-for") {
            let last =
                self.memory.get(hops.clone()).and_then(|list| parse_hop(list.rsplit(|b| *b == b',').next()?));
            self.memory.extend_from_slice(b", ");
            self.memory.extend_from_slice(peer.as_str().as_bytes());
            lists.hops = Some(hops.start..self.memory.len());
            lists.last_hop = last.map(|ip| {
                let start = self.memory.len();
                self.memory.extend_from_slice(IpText::new(ip).as_str().as_bytes());
                (start..self.memory.len(), ip)
            });
        }
        if let Some(forwarded) = self.gather(head, buf, b"forwarded") {
            // RFC 7239 §6: an IPv6 address stands in brackets, and so in quotes.
            let (before, after) = if self.peer.ip().is_ipv6() { ("\"[", "]\"") } else { ("", "") };
            for part in [", for=", before, peer.as_str(), after] {
                self.memory.extend_from_slice(part.as_bytes());
            }
            lists.forwarded = Some(forwarded.start..self.memory.len());
        }
        lists
    }

    /// Joins the values of all fields of this name, of the proper spelling or else of the others.
    fn gather(&mut self, head: &RequestHead, buf: &[u8], wanted: &[u8]) -> Option<Range<usize>> {
        let start = self.memory.len();
        for proper in [true, false] {
            let fields = head.headers(buf);
            let values = fields.filter(|(name, _)| is_name(name, wanted) && is_proper(name) == proper);
            for (_, value) in values.filter(|(_, value)| !value.is_empty()) {
                if self.memory.len() > start {
                    self.memory.extend_from_slice(b", ");
                }
                self.memory.extend_from_slice(value);
            }
            if self.memory.len() > start {
                return Some(start..self.memory.len());
            }
        }
        None
    }
}

/// What a trusted peer's lists became, in our memory.
#[derive(Debug, Default)]
struct Lists {
    /// `X-Forwarded-For` with the peer behind it.
    hops: Option<Range<usize>>,
    /// `Forwarded` with the peer behind it.
    forwarded: Option<Range<usize>>,
    /// Whom the peer itself saw: the last of the hops as it came.
    last_hop: Option<(Range<usize>, IpAddr)>,
}

/// As codecs and origins compare names: without case, and `_` is `-`.
fn is_name(name: &[u8], wanted: &[u8]) -> bool {
    let fold = |octet: &u8| if *octet == b'_' { b'-' } else { octet.to_ascii_lowercase() };
    name.len() == wanted.len() && name.iter().map(fold).eq(wanted.iter().copied())
}

fn is_proper(name: &[u8]) -> bool {
    !name.contains(&b'_')
}

fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.trim().parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

/// An address in `X-Forwarded-For`; some proxies write the port too.
fn parse_hop(text: &[u8]) -> Option<IpAddr> {
    let with_port =
        || std::str::from_utf8(text).ok()?.trim().parse().ok().map(|hop: SocketAddr| hop.ip().to_canonical());
    parse_ip(text).or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Limits, Parsed};

    const LIMITS: Limits = Limits { request_line: 1000, head: 10_000, headers: 100 };

    struct Outcome {
        written: String,
        client: String,
        real_ip: String,
    }

    fn forward(peer: &str, trusted: &[&str], fields: &str) -> Outcome {
        let networks: Vec<ipnet::IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let request = format!("GET / HTTP/1.1\r\nHost: WWW.example.com:81\r\n{fields}\r\n");
        let mut head = RequestHead::new();
        assert_eq!(head.parse(request.as_bytes(), &LIMITS), Ok(Parsed::Complete));
        let peer = Peer::new(peer.parse().unwrap(), &networks);
        let mut forwarded = Forwarded::new(peer, 8080, Scheme::Http);
        // Twice: what the memory held must not show.
        drop(forwarded.before(&head, request.as_bytes()));
        let before = forwarded.before(&head, request.as_bytes());
        let (client, real_ip) =
            (before.client.to_string(), String::from_utf8(before.real_ip.to_vec()).unwrap());
        let Edits { replaced, added } = before.edits;
        let mut out = Vec::new();
        crate::http::write_request(&head, request.as_bytes(), replaced, &added, &mut out);
        let text = String::from_utf8(out).unwrap();
        let (_, written) = text.split_once("Host: www.example.com:81\r\n").unwrap();
        Outcome { written: written.trim_end().replace("\r\n", "\n"), client, real_ip }
    }

    const AFRESH: &str = "X-Forwarded-For: 10.0.0.9\nX-Real-IP: 10.0.0.9\nX-Forwarded-Proto: http\n\
        X-Forwarded-Protocol: http\nX-Forwarded-Port: 8080\nX-Forwarded-Host: www.example.com:81";

    #[test]
    fn for_an_untrusted_peer_all_is_set_afresh() {
        let spoofed = "X-Forwarded-For: 1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n\
            X-Forwarded-Protocol: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Host: evil\r\n\
            Forwarded: for=1.1.1.1\r\nX-Forwarded-Ssl: on\r\nX-Forwarded-Scheme: https\r\n\
            X-Forwarded-Server: evil\r\nX-Forwarded-Prefix: /evil\r\n";
        for fields in ["".to_owned(), spoofed.to_owned(), spoofed.to_lowercase(), spoofed.replace("d-", "d_")]
        {
            for trusted in [&[] as &[&str], &["10.1.0.0/16"]] {
                let outcome = forward("10.0.0.9:4000", trusted, &fields);
                assert_eq!(outcome.written, AFRESH, "{fields}");
                assert_eq!((outcome.client.as_str(), outcome.real_ip.as_str()), ("10.0.0.9", "10.0.0.9"));
            }
        }
    }

    #[test]
    fn every_spelling_with_underscores_is_the_same_field() {
        for name in UNTRUSTED {
            let separators: Vec<usize> = name.match_indices('-').map(|(at, _)| at).collect();
            for mask in 0..1u32 << separators.len() {
                let mut spelled = name.to_string().into_bytes();
                for (bit, at) in separators.iter().enumerate() {
                    if mask >> bit & 1 == 1 {
                        spelled[*at] = b'_';
                    }
                }
                let fields = format!("{}: 1.1.1.1\r\n", String::from_utf8(spelled).unwrap());
                assert_eq!(forward("10.0.0.9:4000", &[], &fields).written, AFRESH, "{fields}");
            }
        }
    }

    #[test]
    fn connection_cannot_remove_what_we_set() {
        let outcome = forward("10.0.0.9:4000", &[], "Connection: X-Forwarded-For, X-Real-IP\r\n");
        assert_eq!(outcome.written, AFRESH);
    }

    #[test]
    fn an_ipv4_peer_of_an_ipv6_listener_is_written_plainly() {
        assert_eq!(forward("[::ffff:10.0.0.9]:4000", &[], "").written, AFRESH);
    }

    #[track_caller]
    fn check_trusted(fields: &str, expected: &str, client: &str) {
        let outcome = forward("10.0.0.9:4000", &["10.0.0.0/8"], fields);
        assert_eq!(outcome.written, expected, "{fields}");
        assert_eq!(outcome.client, client, "{fields}");
    }

    fn all(hops: &str, real_ip: &str, proto: &str, port: &str, host: &str) -> String {
        format!(
            "X-Forwarded-For: {hops}\nX-Real-IP: {real_ip}\nX-Forwarded-Proto: {proto}\n\
             X-Forwarded-Protocol: {proto}\nX-Forwarded-Port: {port}\nX-Forwarded-Host: {host}"
        )
    }

    #[test]
    fn a_trusted_peer_that_says_nothing_is_the_client() {
        check_trusted("", AFRESH, "10.0.0.9");
    }

    #[test]
    fn what_a_trusted_peer_says_is_taken_over() {
        let all_of_it = "X-Forwarded-For: 203.0.113.5, 10.0.0.8\r\nX-Real-IP: 203.0.113.5\r\n\
            X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\nX-Forwarded-Host: shop.example\r\n";
        let expected = all("203.0.113.5, 10.0.0.8, 10.0.0.9", "203.0.113.5", "https", "8443", "shop.example");
        check_trusted(all_of_it, &expected, "203.0.113.5");
        check_trusted(&all_of_it.replace("d-", "d_").replace("l-", "l_"), &expected, "203.0.113.5");
    }

    #[test]
    fn without_a_real_ip_it_is_whom_the_trusted_peer_saw() {
        let host = "www.example.com:81";
        let check = |hops: &str, real_ip: &str| {
            let expected = all(&format!("{hops}, 10.0.0.9"), real_ip, "http", "8080", host);
            check_trusted(&format!("X-Forwarded-For: {hops}\r\n"), &expected, real_ip);
        };
        check("1.1.1.1, 203.0.113.5", "203.0.113.5");
        check("203.0.113.5:1234", "203.0.113.5");
        check("[2001:db8::1]:1234", "2001:db8::1");
        check("unknown", "10.0.0.9");
        let junk = all("10.0.0.9", "10.0.0.9", "http", "8080", host);
        check_trusted("X-Real-IP: junk\r\nX-Forwarded-For:\r\n", &junk, "10.0.0.9");
    }

    #[test]
    fn several_fields_are_one_list_and_the_proper_spelling_wins() {
        let fields = "X-Forwarded-For: 1.1.1.1\r\nX_Forwarded_For: 6.6.6.6\r\nx-forwarded-for: 2.2.2.2\r\n\
            X_Real_IP: 6.6.6.6\r\nX-Real-IP: 1.1.1.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n";
        let expected = all("1.1.1.1, 2.2.2.2, 10.0.0.9", "1.1.1.1", "https", "443", "www.example.com:81");
        check_trusted(fields, &expected, "1.1.1.1");
    }

    #[test]
    fn a_scheme_brings_its_port_and_stands_in_for_its_other_name() {
        let expected = all("10.0.0.9", "10.0.0.9", "https", "443", "www.example.com:81");
        check_trusted("X-Forwarded-Proto: https\r\n", &expected, "10.0.0.9");
        check_trusted("X-Forwarded-Protocol: https\r\n", &expected, "10.0.0.9");
    }

    #[test]
    fn forwarded_is_extended_for_a_trusted_peer_only() {
        let outcome = forward("10.0.0.9:1", &["10.0.0.0/8"], "Forwarded: for=1.1.1.1;proto=https\r\n");
        assert!(
            outcome.written.ends_with("\nForwarded: for=1.1.1.1;proto=https, for=10.0.0.9"),
            "{}",
            outcome.written
        );
        let outcome = forward("[2001:db8::9]:1", &["2001:db8::/32"], "Forwarded: for=1.1.1.1\r\n");
        assert!(
            outcome.written.ends_with("\nForwarded: for=1.1.1.1, for=\"[2001:db8::9]\""),
            "{}",
            outcome.written
        );
    }

    #[test]
    fn other_fields_of_proxies_pass_from_a_trusted_peer() {
        let outcome = forward("10.0.0.9:1", &["10.0.0.0/8"], "X-Forwarded-Ssl: on\r\n");
        assert!(outcome.written.starts_with("X-Forwarded-Ssl: on\n"), "{}", outcome.written);
    }
}
