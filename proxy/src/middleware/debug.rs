//! `X-Debug`: a request that carries it learns from the response how it was routed, in hipache's fields and one of portico's.

use std::io::Write as _;
use std::ops::Range;
use std::time::Duration;

use model::{Address, Revision};
use smallvec::SmallVec;

use super::Peer;
use crate::http::{Added, RequestHead};
use crate::respond::{DEBUG_VERSION, REVISION};

/// True when the request asks for debug fields and may have them: from a trusted peer, or where they are `enabled` for all.
pub fn debug_wanted(head: &RequestHead, buf: &[u8], peer: &Peer, enabled: bool) -> bool {
    (enabled || peer.is_trusted()) && head.header(buf, "x-debug").is_some()
}

/// What is told about an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Debugged<'a> {
    /// The endpoint that answered.
    pub endpoint: &'a Address,
    /// Its place in the backend, from 0.
    pub index: usize,
    /// The backend's name: hipache's virtual host.
    pub backend: &'a str,
    /// The canonical host that was asked for: hipache's frontend key.
    pub host: &'a str,
    /// The revision of the table that it was looked up in.
    pub revision: Revision,
    /// From the start of the exchange to the head of the answer.
    pub total: Duration,
    /// The part of it since the last attempt began.
    pub upstream: Duration,
}

/// The fields, for the codec to add to the response.
#[derive(Debug)]
pub struct DebugFields {
    memory: Vec<u8>,
    values: [Range<usize>; 7],
}

const NAMES: [&str; 7] = [
    "x-debug-backend-url",
    "x-debug-backend-id",
    "x-debug-vhost",
    "x-debug-frontend-key",
    "x-debug-time-total",
    "x-debug-time-backend",
    REVISION,
];

impl DebugFields {
    /// Writes the values; times are whole milliseconds, as hipache's, and the URL ends in a slash, as Node writes it.
    pub fn new(of: Debugged<'_>) -> Self {
        let Debugged { endpoint, index, backend, host, revision, total, upstream } = of;
        let mut memory = Vec::with_capacity(256);
        let mut start = 0;
        let mut put = |text: std::fmt::Arguments<'_>| {
            // Writing to memory does not fail.
            let _ = memory.write_fmt(text);
            std::mem::replace(&mut start, memory.len())..memory.len()
        };
        let values = [
            match endpoint {
                Address::Unix(_) => put(format_args!("{endpoint}")),
                Address::Ip { .. } | Address::Name { .. } => put(format_args!("http://{endpoint}/")),
            },
            put(format_args!("{index}")),
            put(format_args!("{backend}")),
            put(format_args!("{host}")),
            put(format_args!("{}", total.as_millis())),
            put(format_args!("{}", upstream.as_millis())),
            put(format_args!("{revision}")),
        ];
        Self { memory, values }
    }

    /// The fields.
    pub fn added(&self) -> SmallVec<[Added<'_>; 8]> {
        let version = Added { name: "x-debug-version-hipache", value: DEBUG_VERSION.as_bytes() };
        let values = NAMES.iter().zip(&self.values);
        let value = |range: &Range<usize>| self.memory.get(range.clone()).unwrap_or_default();
        std::iter::once(version)
            .chain(values.map(|(name, range)| Added { name, value: value(range) }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;

    #[test]
    fn the_fields_are_those_of_hipache_and_the_revision() {
        let endpoint = Address::parse_url("http://10.0.0.7:8000").unwrap();
        let fields = DebugFields::new(Debugged {
            endpoint: &endpoint,
            index: 1,
            backend: "web",
            host: "www.example.com",
            revision: Revision::new(42),
            total: Duration::from_micros(12_999),
            upstream: Duration::from_millis(9),
        });

        let mut text = String::new();
        for Added { name, value } in fields.added() {
            text += &format!("{name}: {}\n", std::str::from_utf8(value).unwrap());
        }

        let expected = format!(
            "x-debug-version-hipache: {DEBUG_VERSION}\nx-debug-backend-url: http://10.0.0.7:8000/\n\
             x-debug-backend-id: 1\nx-debug-vhost: web\nx-debug-frontend-key: www.example.com\n\
             x-debug-time-total: 12\nx-debug-time-backend: 9\nportico-revision: 42\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn debug_is_for_those_who_ask_and_may() {
        let check = |field: &str, trusted: bool, enabled: bool, expected: bool| {
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n");
            let mut head = RequestHead::new();
            head.parse(request.as_bytes(), &Limits { request_line: 100, head: 1000, headers: 10 }).unwrap();
            let networks = if trusted { vec!["10.0.0.0/8".parse().unwrap()] } else { Vec::new() };
            let peer = Peer::new("10.0.0.1:1".parse().unwrap(), &networks);
            let wanted = debug_wanted(&head, request.as_bytes(), &peer, enabled);
            assert_eq!(wanted, expected, "{field:?} trusted: {trusted}, enabled: {enabled}");
        };
        check("X-Debug: 1\r\n", false, false, false);
        check("X-Debug: 1\r\n", true, false, true);
        check("x-debug:\r\n", false, true, true);
        check("", true, true, false);
    }
}
