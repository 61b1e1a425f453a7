//! What is counted: each case does its work once for each of many hosts.

use std::hint::black_box;
use std::net::SocketAddr;
use std::path::PathBuf;

use model::{Address, BalanceKind};
use proxy::config::{AccessLog, LogFormat, LogTarget};
use proxy::http::{Asked, Limits, Parsed, RequestHead, ResponseHead, Version, write_response};
use proxy::log::{End, Request, Sink, Writer};
use proxy::metrics::Metrics;
use proxy::middleware::Peer;

use crate::parts::{BROWSER, Exchange, SMALL, host, table};

/// How many hosts are asked for …
pub(crate) const HOSTS: u32 = 1024;
/// … of so many in the table.
const FRONTENDS: usize = 10_000;

/// The answer of an origin: nginx with a page of an application behind it.
const ANSWER: &str = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n\
Content-Type: text/html; charset=utf-8\r\nContent-Length: 18204\r\nConnection: keep-alive\r\nVary: Accept-Encoding\r\n\
Cache-Control: private, no-cache\r\nSet-Cookie: session=0123456789abcdef0123456789abcdef; Path=/; HttpOnly\r\n\
ETag: W/\"471c-5f3e0c2a\"\r\nX-Frame-Options: SAMEORIGIN\r\n\r\n";

const LIMITS: Limits = Limits { request_line: 16 << 10, head: 64 << 10, headers: 128 };

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// Head parsed, frontend found, endpoint picked, head rewritten, of what a load generator sends …
    Small,
    /// … and of what a browser does.
    Browser,
    /// The answer's head parsed and rewritten.
    Response,
    /// What is noted of a browser's request, and counted at its end, without an access log …
    Metrics,
    /// … with hipache's line …
    Log,
    /// … and with an object in JSON.
    JsonLog,
}

/// All of them.
pub(crate) const ALL: [Case; 6] =
    [Case::Small, Case::Browser, Case::Response, Case::Metrics, Case::Log, Case::JsonLog];

impl Case {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Small => "parse, find, rewrite: small",
            Self::Browser => "parse, find, rewrite: browser",
            Self::Response => "answer: parse, rewrite",
            Self::Metrics => "metrics",
            Self::Log => "metrics, access log",
            Self::JsonLog => "metrics, access log as JSON",
        }
    }

    /// The case of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|case| case.name() == name)
    }
}

/// Does the work of `case`: a first round that is not counted, in which what stays finds its size, and `rounds` that are.
pub(crate) fn run(case: Case, rounds: u32) {
    match case {
        Case::Small => requests(SMALL, rounds),
        Case::Browser => requests(BROWSER, rounds),
        Case::Response => responses(rounds),
        Case::Metrics => entries(None, rounds),
        Case::Log => entries(Some(LogFormat::Hipache), rounds),
        Case::JsonLog => entries(Some(LogFormat::Json), rounds),
    }
}

/// Callgrind counts inside of this function.
#[inline(never)]
fn callgrind_counts_here(work: &mut dyn FnMut()) {
    work();
    // Not the last thing done, so that the call above stays one.
    black_box(());
}

fn rounds_of(rounds: u32, mut work: impl FnMut()) {
    work();
    for _ in 0..rounds {
        callgrind_counts_here(&mut work);
    }
}

fn heads(of: &str) -> Vec<String> {
    let step = FRONTENDS / HOSTS as usize;
    (0..HOSTS as usize).map(|n| of.replace(&host(7), &host(n * step))).collect()
}

fn requests(of: &str, rounds: u32) {
    let (table, _states) = table(FRONTENDS, 2, &BalanceKind::default());
    let (heads, mut exchange) = (heads(of), Exchange::new());
    rounds_of(rounds, || {
        for head in &heads {
            black_box(exchange.all(black_box(head.as_bytes()), &table));
        }
    });
}

fn responses(rounds: u32) {
    let (mut head, mut out) = (ResponseHead::new(), Vec::with_capacity(4096));
    rounds_of(rounds, || {
        for _ in 0..HOSTS {
            let octets = black_box(ANSWER.as_bytes());
            out.clear();
            assert_eq!(head.parse(octets, Asked::default(), &LIMITS), Ok(Parsed::Complete));
            write_response(&head, octets, Version::Http11, false, &[], &mut out);
            black_box(out.len());
        }
    });
}

fn entries(format: Option<LogFormat>, rounds: u32) {
    let config = AccessLog {
        target: format.map(|_| LogTarget::File(PathBuf::from("/dev/null"))),
        format: format.unwrap_or(LogFormat::Hipache),
        // Room for all that is written here: a line that is dropped would cost nothing.
        queue_bytes: 64 << 20,
    };
    let metrics = Metrics::new();
    let writer = Writer::start(&config, 1, &metrics).unwrap();
    let sink = writer.sink(metrics.counters());
    let peer = Peer::new(SocketAddr::from(([192, 0, 2, 1], 50_000)), &[]);
    let endpoint = Address::from(SocketAddr::from(([10, 0, 0, 1], 8000)));
    let (heads, mut head) = (heads(BROWSER), RequestHead::new());
    assert_eq!(head.parse(heads[0].as_bytes(), &LIMITS), Ok(Parsed::Complete));
    rounds_of(rounds, || {
        for _ in 0..HOSTS {
            entry(&sink, &peer, &endpoint, &head, heads[0].as_bytes());
        }
    });
    assert_eq!(metrics.totals().log_lines_dropped, 0);
}

/// What a visit says of itself, in the order it does.
fn entry(sink: &Sink, peer: &Peer, endpoint: &Address, head: &RequestHead, octets: &[u8]) {
    let mut entry = sink.open(black_box(peer));
    entry.request(Request {
        method: head.method_text(octets),
        target: head.target(octets),
        version: head.version(),
        host: head.host(),
        referer: head.header(octets, "referer"),
        user_agent: head.header(octets, "user-agent"),
    });
    entry.received(head.len() as u64);
    entry.backend("web");
    entry.attempt(black_box(endpoint));
    entry.answered();
    entry.sent(200);
    entry.wrote(18_604);
    entry.ended(End::Complete);
}
