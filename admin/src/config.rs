//! Every setting and limit of the admin listener, with its default; the file format that fills it lives in the binary.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How long a command in a container may last, or whoever sits before its terminal.
pub(crate) const EXEC_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// How long an engine may send an image.
pub(crate) const PUSH_LIFETIME: Duration = Duration::from_secs(6 * 3600);

/// Everything about the admin listener. Each limit has a name here and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the API is spoken; `None`: nowhere. An address other than loopback needs a token.
    pub listen: Option<SocketAddr>,
    /// What clients must show as `Authorization: Bearer …`; visible ASCII. `None`: nothing, on loopback only.
    pub token: Option<String>,
    /// Connections at once; more wait in the backlog.
    pub connections: usize,
    /// Requests worked on at once, probes not counted; more wait until `request_timeout` ends.
    pub requests: usize,
    /// Waits for a revision at once, which are not counted among `requests`; more are 503.
    pub waits: usize,
    /// Streams of events, of what containers print, commands in containers, and images that are sent, at once; more are 503. Each ends after `connection_lifetime`.
    pub events: usize,
    /// From the first octet of a request (or the end of the last one) to the end of its head.
    pub head_timeout: Duration,
    /// From a request's head to the head of its response, its body read and its write accepted in between; more is 503.
    pub request_timeout: Duration,
    /// Diffs, rollbacks, exports, imports, applies and backups worked on at once; more wait until `operation_timeout` ends.
    pub operations: usize,
    /// As `request_timeout`, for those: they read or write all that the registry holds.
    pub operation_timeout: Duration,
    /// How long one connection is kept, busy or not.
    pub connection_lifetime: Duration,
    /// How long connections may take to end after the shutdown began.
    pub drain: Duration,
    /// The largest request head, in octets (at least 8192); more is 431.
    pub head_bytes: usize,
    /// The most header fields in a request; more is 431.
    pub headers: usize,
    /// The largest request body, in octets; more is 413.
    pub body_bytes: usize,
    /// The largest file of an import, in octets; more is 413.
    pub import_bytes: usize,
    /// How long the answer to a write waits for this node's proxy to serve it, before it says `"live": false`.
    pub live_wait: Duration,
    /// The most entries of one page of a list, and the most findings of one `verify`.
    pub page: usize,
    /// A page of a list ends early once it holds this many endpoints, so that no answer grows without a bound.
    pub page_endpoints: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8081))),
            token: None,
            connections: 256,
            requests: 16,
            waits: 64,
            events: 16,
            head_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            operations: 2,
            operation_timeout: Duration::from_secs(120),
            connection_lifetime: Duration::from_secs(300),
            drain: Duration::from_secs(2),
            head_bytes: 16 << 10,
            headers: 64,
            body_bytes: 1 << 20,
            import_bytes: 32 << 20,
            live_wait: Duration::from_secs(1),
            page: 10_000,
            page_endpoints: 100_000,
        }
    }
}

impl std::fmt::Debug for Config {
    /// The token stays hidden.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("token", &self.token.as_ref().map(|_| "hidden"))
            .field("connections", &self.connections)
            .field("requests", &self.requests)
            .field("body_bytes", &self.body_bytes)
            .finish_non_exhaustive()
    }
}
