//! What an exchange says of itself while it goes on; the line is written when the entry is dropped, whatever the reason.

use std::fmt;
use std::io::Write as _;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use model::Address;

use super::line::{Asked, End, Line};
use super::sink::Sink;
use crate::clock::{Micros, now_us};
use crate::config::{MAX_LOGGED_FIELD, MAX_LOGGED_TARGET};
use crate::http::Version;
use crate::metrics::Outcome;
use crate::middleware::{IpText, Peer};
use crate::respond::LocalReply;

/// The request, as the log wants it. Any octets are welcome.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method as it came.
    pub method: &'a [u8],
    /// The request target.
    pub target: &'a [u8],
    /// The version.
    pub version: Version,
    /// The canonical host.
    pub host: &'a str,
    /// `Referer`.
    pub referer: Option<&'a [u8]>,
    /// `User-Agent`.
    pub user_agent: Option<&'a [u8]>,
}

/// One exchange's line in the making. Dropping it writes the line and counts the outcome, exactly once.
///
/// It keeps copies of what it was told, cut at the log's limits, so that the request's buffer can go while the exchange
/// waits. Texts are copied only while a log is written.
pub struct Entry {
    sink: Sink,
    logged: bool,
    peer: IpText,
    started: Micros,
    attempt: Option<Micros>,
    answered: Option<Micros>,
    attempts: u32,
    version: Option<Version>,
    texts: Texts,
    status: u16,
    reply: Option<LocalReply>,
    end: End,
    bytes_in: u64,
    bytes_out: u64,
}

impl Entry {
    pub(super) fn new(sink: Sink, peer: &Peer, started: Micros, logged: bool, memory: Vec<u8>) -> Self {
        Self {
            sink,
            logged,
            peer: *peer.text(),
            started,
            attempt: None,
            answered: None,
            attempts: 0,
            version: None,
            texts: Texts { octets: memory, spans: [(0, 0); 8] },
            status: 0,
            reply: None,
            end: End::default(),
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// The request was understood.
    pub fn request(&mut self, request: Request<'_>) {
        self.version = Some(request.version);
        if self.logged {
            self.texts.set(Text::Method, request.method, MAX_LOGGED_FIELD);
            self.texts.set(Text::Target, request.target, MAX_LOGGED_TARGET);
            self.texts.set(Text::Host, request.host.as_bytes(), MAX_LOGGED_FIELD);
            self.texts.set(Text::Referer, request.referer.unwrap_or_default(), MAX_LOGGED_FIELD);
            self.texts.set(Text::UserAgent, request.user_agent.unwrap_or_default(), MAX_LOGGED_FIELD);
        }
    }

    /// The request was not understood: its first line, of what came, is logged as it is.
    pub fn malformed(&mut self, head: &[u8]) {
        if self.logged {
            let end = memchr::memchr2(b'\r', b'\n', head).unwrap_or(head.len());
            self.texts.set(Text::Target, &head[..end], MAX_LOGGED_TARGET);
        }
    }

    /// What a trusted peer says of its client (`X-Real-IP`); ignored unless it is an IP address.
    pub fn client(&mut self, address: &[u8]) {
        if self.logged && IpText::parse(address).is_some() {
            self.texts.set(Text::Client, address, MAX_LOGGED_FIELD);
        }
    }

    /// The request goes to this backend, also when none of its endpoints can be tried.
    pub fn backend(&mut self, name: &str) {
        if self.logged {
            self.texts.set(Text::Backend, name.as_bytes(), MAX_LOGGED_FIELD);
        }
    }

    /// The exchange goes to this endpoint now; called again for each further one.
    pub fn attempt(&mut self, endpoint: &Address) {
        // Nothing is waited for before the first.
        self.attempt = Some(if self.attempts == 0 { self.started } else { now_us() });
        self.answered = None;
        self.attempts = self.attempts.saturating_add(1);
        if self.logged {
            self.texts.set_address(endpoint);
        }
    }

    /// The head of the endpoint's answer is here.
    pub fn answered(&mut self) {
        self.answered = Some(now_us());
    }

    /// This status of the endpoint goes to the client.
    pub fn sent(&mut self, status: u16) {
        self.status = status;
    }

    /// This answer of our own goes to the client.
    pub fn replied(&mut self, reply: LocalReply) {
        self.status = reply.status();
        self.reply = Some(reply);
    }

    /// So many octets were read from the client.
    pub fn received(&mut self, octets: u64) {
        self.bytes_in = self.bytes_in.saturating_add(octets);
    }

    /// So many octets were written to the client.
    pub fn wrote(&mut self, octets: u64) {
        self.bytes_out = self.bytes_out.saturating_add(octets);
    }

    /// How it ended. An entry that nobody told so says `abandoned`, or `panicked` when that is why it is dropped.
    pub fn ended(&mut self, end: End) {
        self.end = end;
    }

    /// Since the exchange began.
    pub fn elapsed(&self) -> Duration {
        Duration::from_micros(now_us().saturating_sub(self.started))
    }

    /// Since the last attempt began; zero before the first.
    pub fn attempt_elapsed(&self) -> Duration {
        self.attempt.map_or(Duration::ZERO, |attempt| Duration::from_micros(now_us().saturating_sub(attempt)))
    }

    fn line(&self, total_us: u64, upstream_us: Option<u64>, upstream_head_us: Option<u64>) -> Line<'_> {
        let text = |of| self.texts.get(of);
        let peer = self.peer.as_bytes();
        let client = text(Text::Client);
        let asked = match self.version {
            Some(version) => {
                Asked::Parsed { method: text(Text::Method), target: text(Text::Target), version }
            }
            None => Asked::Raw(text(Text::Target)),
        };
        Line {
            unix_us: self.sink.unix_us(self.started),
            client: if client.is_empty() { peer } else { client },
            peer,
            asked,
            host: text(Text::Host),
            referer: text(Text::Referer),
            user_agent: text(Text::UserAgent),
            backend: text(Text::Backend),
            endpoint: text(Text::Endpoint),
            status: self.status,
            reply: self.reply,
            end: self.end,
            attempts: self.attempts,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            total_us,
            upstream_us,
            upstream_head_us,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let now = now_us();
        if self.end == End::Abandoned && thread::panicking() {
            self.end = End::Panicked;
        }
        let total_us = now.saturating_sub(self.started);
        let head_us = self.attempt.zip(self.answered).map(|(from, to)| to.saturating_sub(from));
        self.sink.count(&Outcome {
            status: self.status,
            reply: self.reply,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            total_us,
            upstream_us: head_us,
        });
        if self.logged {
            let upstream_us = self.attempt.map(|from| now.saturating_sub(from));
            self.sink.write(&self.line(total_us, upstream_us, head_us));
            self.sink.give_back(std::mem::take(&mut self.texts.octets));
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("peer", &self.peer.as_str())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy)]
enum Text {
    Method,
    Target,
    Host,
    Referer,
    UserAgent,
    Client,
    Backend,
    Endpoint,
}

/// Copies of texts, one behind the other in one memory.
#[derive(Debug)]
struct Texts {
    octets: Vec<u8>,
    spans: [(u32, u32); 8],
}

impl Texts {
    /// One octet more than the limit is kept, so that the line can tell that there was more.
    fn set(&mut self, text: Text, octets: &[u8], limit: usize) {
        let start = self.octets.len();
        self.octets.extend_from_slice(&octets[..octets.len().min(limit + 1)]);
        self.mark(text, start);
    }

    /// As it displays itself; an IPv4 address, which most are, in a fraction of the time.
    fn set_address(&mut self, endpoint: &Address) {
        let start = self.octets.len();
        if let Address::Ip { ip: ip @ IpAddr::V4(_), port } = endpoint {
            self.octets.extend_from_slice(IpText::new(*ip).as_bytes());
            self.octets.push(b':');
            self.octets.extend_from_slice(itoa::Buffer::new().format(port.get()).as_bytes());
        } else {
            // Writing to memory does not fail; an address is far below the limit.
            let _ = write!(self.octets, "{endpoint}");
        }
        self.mark(Text::Endpoint, start);
    }

    fn mark(&mut self, text: Text, start: usize) {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.spans[text as usize] = (place(start), place(self.octets.len()));
    }

    fn get(&self, text: Text) -> &[u8] {
        let (start, end) = self.spans[text as usize];
        self.octets.get(start as usize..end as usize).unwrap_or_default()
    }
}
