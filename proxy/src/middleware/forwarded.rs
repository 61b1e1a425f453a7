//! `X-Forwarded-…`, `X-Real-IP`, `Forwarded`: who asked, and how, for the origin.
//!
//! | field | untrusted peer, or absent | trusted peer |
//! |---|---|---|
//! | `X-Forwarded-For` | the peer | what came, and the peer behind it |
//! | `X-Real-IP` | the peer | kept when an IP address, else the client in its `X-Forwarded-For`, else the peer |
//! | `X-Forwarded-Proto`, `-Protocol` | our scheme | kept; one stands in for the other |
//! | `X-Forwarded-Port` | our port | kept; absent beside a scheme that came: that scheme's port |
//! | `X-Forwarded-Host` | the canonical host | kept |
//! | `Forwarded` (RFC 7239) | dropped; ours where it is [switched on](crate::config::Config::forwarded) | what came well-formed, and ours behind it |
//! | `X-Forwarded-Ssl`, `-Scheme`, `-Server`, `-Prefix` | dropped | passed |
//!
//! The client in a list is who stands behind the last trusted hops: it is read from the right, where those write whom we trust.
//!
//! A trusted peer's `Forwarded` stands for the `X-` fields when it sends none of them: whoever is behind the trusted hops is the
//! client, and `host` and `proto` are what that element says, or else the next. Beside any `X-` field it means nothing: its sender
//! speaks by those, and may well let its clients' `Forwarded` through. Ours is `for=` the peer`;host=` the canonical host`;proto=` our
//! scheme; switched on and without one that came, those of `X-Forwarded-For` stand before it.
//!
//! Names spelled with underscores are the same fields to many origins: they are dropped, or from a trusted peer taken
//! over under the proper name. Addresses are written plainly, without hipache's `::ffff:`, which only its log line keeps.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::element::{Told, is_host, parse_proto, trusts, write_element};
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
    /// Whose word is taken, for a peer who is one of them; else nobody's.
    trusted: Box<[IpNet]>,
    scheme: &'static str,
    port: SmallVec<[u8; 8]>,
    /// What is made of the request; it takes none where the host alone will do.
    memory: Vec<u8>,
    /// The fields, as they are written.
    lines: Vec<u8>,
    /// Whom an untrusted peer asked for when they were written.
    written: Option<Written>,
}

/// What the lines of an untrusted peer depend on.
#[derive(Debug)]
struct Written {
    /// Where the host's name, without its port, stands among them.
    host: Range<usize>,
    port: Option<u16>,
    always: bool,
}

/// Octets that a connection keeps for its next request, of each kind.
const KEPT: usize = 2 << 10;

/// Octets that the usual lines take beside the host.
const ROOM: usize = 224;

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
    /// Any of these came, or `X-Forwarded-For`, whatever it says.
    any: bool,
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
                15 if is_name(name, b"x-forwarded-for") => {
                    said.any = true;
                    continue;
                }
                _ => continue,
            };
            said.any = true;
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
    /// For a connection from `peer`, who asked for `port` and spoke `scheme` there; `trusted` is who is believed.
    pub fn new(peer: Peer, trusted: &[IpNet], port: u16, scheme: Scheme) -> Self {
        let mut number = itoa::Buffer::new();
        let port = SmallVec::from_slice(number.format(port).as_bytes());
        let trusted = if peer.is_trusted() { trusted.into() } else { Box::default() };
        Self {
            peer,
            trusted,
            scheme: scheme.name(),
            port,
            memory: Vec::new(),
            lines: Vec::new(),
            written: None,
        }
    }

    /// The fields of this request; `buf` is the buffer `head` was parsed from. `always`: with `Forwarded`, whoever the peer is.
    pub fn before<'a>(&'a mut self, head: &'a RequestHead, buf: &'a [u8], always: bool) -> Before<'a> {
        if self.peer.is_trusted() {
            return self.before_trusted(head, buf, always);
        }
        // All but the host is the connection's: while that stays the same, so do the lines.
        if !self.is_written_for(head, always) {
            self.write_afresh(head, always);
        }
        Before {
            edits: Edits { replaced: UNTRUSTED, lines: &self.lines },
            client: self.peer.ip(),
            real_ip: self.peer.text().as_bytes(),
        }
    }

    /// The client's address: what to balance by.
    pub fn client(&mut self, head: &RequestHead, buf: &[u8]) -> IpAddr {
        if self.peer.is_trusted() { self.before_trusted(head, buf, false).client } else { self.peer.ip() }
    }

    /// Lets go of memory that a large request took: to be called where none may follow for long.
    pub fn rest(&mut self) {
        if self.memory.capacity().max(self.lines.capacity()) > KEPT {
            self.memory = Vec::new();
            self.lines = Vec::new();
            self.written = None;
        }
    }

    fn is_written_for(&self, head: &RequestHead, always: bool) -> bool {
        self.written.as_ref().is_some_and(|written| {
            self.lines.get(written.host.clone()) == Some(head.host().as_bytes())
                && (written.port, written.always) == (head.port(), always)
        })
    }

    fn write_afresh(&mut self, head: &RequestHead, always: bool) {
        self.memory.clear();
        self.lines.clear();
        let written = (always || head.port().is_some()).then(|| self.write_host(head));
        let forwarded =
            written.clone().filter(|_| always).map(|host| self.write_own(self.memory.len(), &host));
        let Self { peer, scheme, port, memory, lines, .. } = self;
        let (peer, scheme) = (peer.text().as_bytes(), scheme.as_bytes());
        let at = |range: Range<usize>| memory.get(range).unwrap_or_default();
        let host = written.map_or(head.host().as_bytes(), at);
        lines.reserve(ROOM + host.len());
        for (name, value) in [
            ("X-Forwarded-For", peer),
            ("X-Real-IP", peer),
            ("X-Forwarded-Proto", scheme),
            ("X-Forwarded-Protocol", scheme),
            ("X-Forwarded-Port", port.as_slice()),
        ] {
            Added { name, value }.write(lines);
        }
        const HOST: &str = "X-Forwarded-Host";
        let start = lines.len() + HOST.len() + ": ".len();
        Added { name: HOST, value: host }.write(lines);
        if let Some(forwarded) = forwarded {
            Added { name: "Forwarded", value: at(forwarded) }.write(lines);
        }
        let host = start..start + head.host().len();
        self.written = Some(Written { host, port: head.port(), always });
    }

    fn before_trusted<'a>(&'a mut self, head: &'a RequestHead, buf: &'a [u8], always: bool) -> Before<'a> {
        self.memory.clear();
        self.lines.clear();
        let host = self.write_host(head);
        let said = Said::read(head, buf);
        let lists = self.extend_lists(head, buf, &said, &host, always);
        let Self { peer, scheme, port, memory, lines, .. } = self;
        let memory: &'a [u8] = memory;
        let at = |range: Range<usize>| memory.get(range).unwrap_or_default();
        let came = said.proto.get().or(said.protocol.get()).or(lists.proto.map(str::as_bytes));
        let proto = came.unwrap_or(scheme.as_bytes());
        let port = match (said.port.get(), came) {
            (Some(port), _) => port,
            (None, Some(b"https")) => b"443",
            (None, Some(b"http")) => b"80",
            (None, _) => port.as_slice(),
        };
        let text = peer.text().as_bytes();
        let stated = said.real_ip.get().and_then(|value| Some((value, parse_ip(value)?)));
        let seen = lists.client.map(|(range, ip)| (at(range), ip));
        let (real_ip, client) = stated.or(seen).unwrap_or((text, peer.ip()));
        for (name, value) in [
            ("X-Forwarded-For", lists.hops.map_or(text, at)),
            ("X-Real-IP", real_ip),
            ("X-Forwarded-Proto", proto),
            ("X-Forwarded-Protocol", said.protocol.get().unwrap_or(proto)),
            ("X-Forwarded-Port", port),
            ("X-Forwarded-Host", said.host.get().unwrap_or(at(lists.host.unwrap_or(host)))),
        ] {
            Added { name, value }.write(lines);
        }
        if let Some(forwarded) = lists.forwarded {
            Added { name: "Forwarded", value: at(forwarded) }.write(lines);
        }
        Before { edits: Edits { replaced: &UNTRUSTED[..OURS], lines }, client, real_ip }
    }

    fn at(&self, range: &Range<usize>) -> &[u8] {
        self.memory.get(range.clone()).unwrap_or_default()
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

    fn extend_lists(
        &mut self,
        head: &RequestHead,
        buf: &[u8],
        said: &Said<'_>,
        host: &Range<usize>,
        always: bool,
    ) -> Lists {
        let mut lists = Lists::default();
        let mut hops = SmallVec::<[Option<IpAddr>; 4]>::new();
        if let Some(came) = self.gather(head, buf, b"x-forwarded-for") {
            hops.extend(self.at(&came).split(|octet| *octet == b',').map(parse_hop));
            self.memory.extend_from_slice(b", ");
            self.write_ip(self.peer.ip());
            lists.hops = Some(came.start..self.memory.len());
            let mut client = None;
            for hop in hops.iter().rev().map_while(|hop| *hop) {
                client = Some(hop);
                if !trusts(&self.trusted, hop) {
                    break;
                }
            }
            lists.client = client.map(|ip| (self.write_ip(ip), ip));
        }
        if let Some(came) = self.gather(head, buf, b"forwarded") {
            let told = Told::read(self.at(&came), &self.trusted);
            let start = came.start + told.from;
            if start < came.end {
                self.memory.extend_from_slice(b", ");
            }
            lists.forwarded = Some(self.write_own(start, host));
            if !said.any {
                self.take_over(&told, &mut lists);
            }
        } else if always {
            lists.forwarded = Some(self.write_all(&hops, said, host));
        }
        lists
    }

    /// Lets what `Forwarded` says stand for the other fields.
    fn take_over(&mut self, told: &Told, lists: &mut Lists) {
        lists.proto = told.proto;
        if !told.host.is_empty() {
            let start = self.memory.len();
            self.memory.extend_from_slice(&told.host);
            lists.host = Some(start..self.memory.len());
        }
        let Some(&client) = told.hops.last() else { return };
        let written = self.write_ip(client);
        let start = self.memory.len();
        for hop in told.hops.iter().rev() {
            self.write_ip(*hop);
            self.memory.extend_from_slice(b", ");
        }
        self.write_ip(self.peer.ip());
        lists.hops = Some(start..self.memory.len());
        lists.client = Some((written, client));
    }

    /// `Forwarded` made of `X-Forwarded-For`, whose last hop is whom the peer saw, with ours behind it.
    fn write_all(&mut self, hops: &[Option<IpAddr>], said: &Said<'_>, host: &Range<usize>) -> Range<usize> {
        let start = self.memory.len();
        for (at, hop) in hops.iter().enumerate() {
            let last = at + 1 == hops.len();
            let host = said.host.get().filter(|host| last && is_host(host)).unwrap_or_default();
            let proto = said.proto.get().or(said.protocol.get()).filter(|_| last).and_then(parse_proto);
            write_element(*hop, host, proto.unwrap_or_default(), &mut self.memory);
            self.memory.extend_from_slice(b", ");
        }
        self.write_own(start, host)
    }

    /// Writes our own element behind what the memory holds from `start` on.
    fn write_own(&mut self, start: usize, host: &Range<usize>) -> Range<usize> {
        let host = SmallVec::<[u8; 256]>::from_slice(self.at(host));
        write_element(Some(self.peer.ip()), &host, self.scheme, &mut self.memory);
        start..self.memory.len()
    }

    fn write_ip(&mut self, ip: IpAddr) -> Range<usize> {
        let start = self.memory.len();
        self.memory.extend_from_slice(IpText::new(ip).as_bytes());
        start..self.memory.len()
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
    /// Who stands behind the last trusted hops.
    client: Option<(Range<usize>, IpAddr)>,
    /// What `Forwarded` says of these, where it stands for the other fields.
    host: Option<Range<usize>>,
    proto: Option<&'static str>,
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
mod tests;
