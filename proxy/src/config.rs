//! Every setting of the proxy, with its default; the file format that fills it lives in the binary.

use std::net::{AddrParseError, Ipv4Addr, SocketAddr};
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

pub use crate::middleware::Scheme;

/// The largest PROXY protocol header of version 2, in octets: addresses, and extensions that are passed over. One of version 1
/// has 107 at most, as the protocol says.
pub const MAX_PROXY_HEADER: usize = 4 << 10;

/// Client connections on their way to a thread that has fewer than the one that gives them; further ones stay where they are.
pub const MAX_MOVED: usize = 1 << 10;

/// The largest error page, in octets; pages are kept in memory.
pub const MAX_ERROR_PAGE: usize = 256 << 10;

/// The most of a request target that a log line holds, in octets after escaping; the rest becomes `...`.
pub const MAX_LOGGED_TARGET: usize = 8 << 10;

/// The most of any other text that a log line holds, in octets after escaping; the rest becomes `...`.
pub const MAX_LOGGED_FIELD: usize = 2 << 10;

/// Everything about a proxy that is not a fact. Each limit has a name here and nowhere else.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where HTTP is spoken, and with whom.
    pub listen: Vec<Listener>,
    /// `[::]` takes IPv4 too, unless an IPv4 address of the same port is listened on beside it.
    pub dual_stack: bool,
    /// Threads that serve, each with its own listener, pool and buffers; 0: one a core.
    pub workers: usize,
    /// Peers whose `X-Forwarded-…`, `X-Real-IP`, `Forwarded` and `X-Debug` headers are believed.
    pub trusted: Vec<IpNet>,
    /// Requests carry `Forwarded` (RFC 7239) beside `X-Forwarded-…`; without it only what a trusted peer sent is passed on.
    pub forwarded: bool,
    /// `X-Debug` is honoured for everybody, as in hipache.
    pub debug_headers: bool,
    /// Requests are told in `Via` that they went through this node, and those that come back are answered 508.
    pub via: bool,
    /// Folder with `error_<code>.html` and `error_default.html`; `None`: plain built-in pages.
    pub error_pages: Option<PathBuf>,
    /// The access log.
    pub access_log: AccessLog,
    /// What clients may send.
    pub client: ClientLimits,
    /// How origins are reached.
    pub upstream: UpstreamLimits,
    /// When an endpoint is out.
    pub health: HealthRules,
    /// How much memory the process may use, in octets; `None`: what its control group allows. Near it connections end with
    /// the request in hand (85 %), then new ones are 503 (95 %).
    pub memory: Option<u64>,
    /// How long requests in flight may take to finish after SIGTERM.
    pub drain: Duration,
}

/// Where HTTP is spoken, and what is other there than everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Peers that say in a PROXY protocol header, version 1 or 2, whose connection they pass on; nobody else may come to this
    /// listener then. Empty: nobody says so, and what looks like such a header is none.
    pub proxy_protocol: Vec<IpNet>,
    /// Whose `X-Forwarded-…`, `X-Real-IP`, `Forwarded` and `X-Debug` headers are believed here; `None`: as [`Config::trusted`].
    pub trusted: Option<Vec<IpNet>>,
    /// The only clients that are let in; empty: all …
    pub allow: Vec<IpNet>,
    /// … but these.
    pub deny: Vec<IpNet>,
    /// The scheme that clients speak, when a TLS terminator stands in front; `None`: the one that is spoken here.
    pub scheme: Option<Scheme>,
    /// Client connections at once, over all threads; more wait in the backlog. `None`: as many as all listeners may have.
    pub connections: Option<usize>,
}

impl From<SocketAddr> for Listener {
    /// One like all others.
    fn from(address: SocketAddr) -> Self {
        Self {
            address,
            proxy_protocol: Vec::new(),
            trusted: None,
            allow: Vec::new(),
            deny: Vec::new(),
            scheme: None,
            connections: None,
        }
    }
}

impl FromStr for Listener {
    type Err = AddrParseError;

    fn from_str(address: &str) -> Result<Self, AddrParseError> {
        address.parse::<SocketAddr>().map(Self::from)
    }
}

/// Where and how exchanges are logged.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLog {
    /// Where to; `None`: off.
    pub target: Option<LogTarget>,
    /// In which form.
    pub format: LogFormat,
    /// How many octets may wait for the writer, over all threads; what does not fit is dropped and counted. Each thread
    /// may have 128 KiB in any case.
    pub queue_bytes: usize,
}

/// Where a log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// A file, appended to, reopened by SIGUSR1.
    File(PathBuf),
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// hipache's line, exactly.
    Hipache,
    /// One JSON object a line.
    Json,
}

/// What clients may send, and how long they may take.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientLimits {
    /// The longest request line, in octets; more is 414.
    pub request_line_bytes: usize,
    /// The largest request head, in octets; more is 431.
    pub head_bytes: usize,
    /// The most header fields in a request; more is 431.
    pub headers: usize,
    /// The largest request body, in octets, its chunks not counted; more is 413. `None`: no limit.
    pub body_bytes: Option<u64>,
    /// From the first octet of a request to the end of its head.
    pub head_timeout: Duration,
    /// Between two requests of a connection, and before the first.
    pub keep_alive_timeout: Duration,
    /// How long a client may be silent in a body, or not take what we send.
    pub idle_timeout: Duration,
    /// The fewest octets a second that a client sends of a body, or takes of an answer, while it is what is waited for;
    /// fewer over a [`Self::min_rate_window`] end the exchange: 408 before an answer began. 0: no limit.
    pub min_rate: u64,
    /// How long a client may be slower than that.
    pub min_rate_window: Duration,
    /// How long a tunnel (WebSocket) may be silent both ways.
    pub tunnel_timeout: Duration,
    /// The most octets of an unread request body that are read and thrown away to keep a connection.
    pub drain_bytes: u64,
    /// Client connections at once, over all threads; more wait in the backlog. `None`: half of the files that the process
    /// may have open, so that each can have a connection to an endpoint.
    pub connections: Option<usize>,
    /// Connections of one client address at once, over all threads; IPv6 by /64, trusted peers without limit; more are 503
    /// and closed. `None`: no limit.
    pub connections_per_address: Option<usize>,
    /// Requests of one connection; the last one's answer ends it. `None`: no limit.
    pub requests_per_connection: Option<usize>,
}

/// How origins are reached.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamLimits {
    /// A TCP connect.
    pub connect_timeout: Duration,
    /// From the end of the request to the head of the response.
    pub response_timeout: Duration,
    /// Silence in a response body, or an origin that does not take what we send.
    pub idle_timeout: Duration,
    /// How long an unused connection is kept.
    pub keep_alive_timeout: Duration,
    /// Unused connections kept for one address, by each thread.
    pub idle_per_endpoint: usize,
    /// Unused connections kept for all addresses together, by each thread; what does not fit is closed after its exchange.
    pub idle_connections: usize,
    /// Connections to one address in use at once, over all threads; unused ones come on top. `None`: no limit.
    pub connections: Option<usize>,
    /// Requests that may wait for one of those, for one address, over all threads; more are 503.
    pub queue: usize,
    /// How long they may wait; more is 503.
    pub queue_timeout: Duration,
    /// The largest response head, in octets; more is 502.
    pub head_bytes: usize,
    /// The most header fields in a response; more is 502.
    pub headers: usize,
    /// 1xx answers forwarded before a final one; more is 502.
    pub informational: usize,
    /// Further endpoints tried after the first one failed (`retryOnError`).
    pub retries: usize,
    /// Retries allowed for each hundred requests …
    pub retry_budget_percent: u32,
    /// … and never fewer than this many a second.
    pub retry_budget_floor: u32,
    /// The largest request body that is kept for a replay, in octets.
    pub replay_bytes: usize,
    /// Names of endpoints are resolved again when their TTL is over, but not sooner than this …
    pub resolve_min: Duration,
    /// … and not later than this.
    pub resolve_interval: Duration,
    /// The name servers to ask; none: the system's.
    pub resolvers: Vec<SocketAddr>,
    /// Endpoints may be there although they are link-local, a metadata service, or denied …
    pub allow: Vec<IpNet>,
    /// … and none may be here, nor at a listener of ours, whatever is allowed.
    pub deny: Vec<IpNet>,
    /// Folders below which endpoints may be Unix sockets; absolute.
    pub unix: Vec<PathBuf>,
}

/// When an endpoint is out, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthRules {
    /// How long a dead mark of ours holds (`deadBackendTTL`).
    pub dead_ttl: Duration,
    /// A 500 counts as death too, while an active checker runs (`deadBackendOn500`).
    pub dead_on_500: bool,
    /// Endpoints of frontends that have a check are checked.
    pub active_checks: bool,
    /// How they are, where a frontend does not say it.
    pub check: CheckRules,
}

/// How endpoints are checked, and how many at once.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRules {
    /// From the start of one check of an endpoint to the next one.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Back after passing so many in a row.
    pub rise: NonZeroU8,
    /// Out after failing so many in a row.
    pub fall: NonZeroU8,
    /// Intervals are longer by chance, up to so much of them.
    pub jitter_percent: u32,
    /// Checks at once, over all frontends; more wait.
    pub at_once: usize,
    /// The most octets of an answer's body that are searched for the wanted text.
    pub body_bytes: usize,
}

impl Config {
    /// True when it listens at the same addresses as the other; what is other there may change while running.
    pub fn listens_as(&self, other: &Self) -> bool {
        self.listen.iter().map(|listener| listener.address).eq(other.listen.iter().map(|other| other.address))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)).into()],
            dual_stack: true,
            workers: 0,
            trusted: Vec::new(),
            forwarded: false,
            debug_headers: false,
            via: true,
            error_pages: None,
            access_log: AccessLog::default(),
            client: ClientLimits::default(),
            upstream: UpstreamLimits::default(),
            health: HealthRules::default(),
            memory: None,
            drain: Duration::from_secs(30),
        }
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { target: Some(LogTarget::Stdout), format: LogFormat::Hipache, queue_bytes: 4 << 20 }
    }
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            request_line_bytes: 16 << 10,
            head_bytes: 64 << 10,
            headers: 128,
            body_bytes: None,
            head_timeout: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(75),
            idle_timeout: Duration::from_secs(30),
            min_rate: 128,
            min_rate_window: Duration::from_secs(30),
            tunnel_timeout: Duration::from_secs(3600),
            drain_bytes: 256 << 10,
            connections: None,
            connections_per_address: None,
            requests_per_connection: None,
        }
    }
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(60),
            idle_per_endpoint: 4096,
            idle_connections: 16384,
            connections: None,
            queue: 1024,
            queue_timeout: Duration::from_secs(5),
            head_bytes: 64 << 10,
            headers: 256,
            informational: 16,
            retries: 3,
            retry_budget_percent: 20,
            retry_budget_floor: 10,
            replay_bytes: 64 << 10,
            resolve_min: Duration::from_secs(1),
            resolve_interval: Duration::from_secs(30),
            resolvers: Vec::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            unix: Vec::new(),
        }
    }
}

impl Default for HealthRules {
    fn default() -> Self {
        let (dead_ttl, check) = (Duration::from_secs(30), CheckRules::default());
        Self { dead_ttl, dead_on_500: true, active_checks: true, check }
    }
}

impl Default for CheckRules {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(3),
            timeout: Duration::from_secs(3),
            rise: NonZeroU8::MIN.saturating_add(1),
            fall: NonZeroU8::MIN.saturating_add(2),
            jitter_percent: 10,
            at_once: 128,
            body_bytes: 64 << 10,
        }
    }
}
