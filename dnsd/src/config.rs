//! Settings of the DNS data path: addresses, zone files, limits. Start-up configuration, not facts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use model::DomainName;

use crate::files::ZoneFile;
use crate::forward::Upstream;
pub use crate::guard::{SECRET, Secret};
use crate::transfer::{Allowed, MayUpdate, Secondary};

/// The largest message taken over UDP, in octets; what is longer is cut, and so malformed. Questions have some hundred.
pub const UDP_MESSAGE: usize = 4096;
/// The most datagrams taken, and answered, by one system call.
pub const BATCH: usize = 32;
/// How many octets of answers wait for a TCP client at most, before no further question of its is read.
pub const TCP_ANSWERS: usize = 64 << 10;
/// How many messages wait at most for the thread that answers later; more are refused at once (SERVFAIL).
pub const LATER_QUEUE: usize = 1024;
/// How many messages that thread works at, at once: a forwarded question has a socket for each time it is asked upstream, which is
/// [`UPSTREAMS`] times, or [`FORWARD_ATTEMPTS`] where there are fewer, and once more beside; nearly always one.
pub const LATER_AT_ONCE: usize = 512;
/// How many answers that are made later a TCP connection waits for at most, before no further question of its is read.
pub const LATER_PER_CONNECTION: usize = 64;
/// The most upstreams that are asked.
pub const UPSTREAMS: usize = 8;
/// How long an upstream is waited for at most before another one is asked too, or the same again.
pub const FORWARD_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a forwarded question may take in all: clients wait for five seconds, and then ask again.
pub const FORWARD_TOTAL: Duration = Duration::from_secs(4);
/// How often upstreams are asked one question, where there are fewer of them.
pub const FORWARD_ATTEMPTS: usize = 4;

/// The most zones that ranges of addresses take.
pub const REVERSE_ZONES: usize = 1024;

/// How long a secondary is told nothing more of a zone after it was told of it.
pub const NOTIFY_PAUSE: Duration = Duration::from_secs(1);
/// How long a secondary may take to answer.
pub const NOTIFY_ANSWER: Duration = Duration::from_secs(1);
/// How long is waited before one that did not answer is told again; twice as long each time.
pub const NOTIFY_RETRY: Duration = Duration::from_secs(2);
/// How often it is told in vain, before it is left to look by itself.
pub const NOTIFY_TRIES: u32 = 5;

/// The most record sets that one update changes: what the registry takes at once.
pub const UPDATE_EDITS: usize = 1000;
/// The most facts that an update hangs on and does not change; further ones are looked at, and may change until it is written.
pub const UPDATE_GUARDS: usize = 8;
/// How many updates are remembered, for ten minutes each, so that none is made twice.
pub const UPDATE_REPLAYS: usize = 20_000;
/// How often an update is begun anew because somebody else changed the same sets.
pub const UPDATE_TRIES: usize = 3;
/// How long an update waits at most for its turn, for each answer of the registry, and until what was written is served.
pub const UPDATE_WAIT: Duration = Duration::from_secs(5);
/// How many updates are made, or wait for their turn, at once; more are refused at once (SERVFAIL), so that forwarding has its places.
pub const UPDATES_AT_ONCE: usize = 16;
/// How many updates wait for the registry.
pub const UPDATE_QUEUE: usize = 16;
/// The longest [`Config::nsid`], in octets: an answer without a record has room for it beside the longest name and all other options.
pub const NSID: usize = 100;

/// What cookies (RFC 7873) are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieUse {
    /// Nothing: they are not answered.
    Off,
    /// Who sends one is told one; who shows it is not limited.
    On,
    /// As well, and over UDP whoever does not show one is told to, or to come over TCP.
    Required,
}

/// How DNS is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where, over UDP and TCP alike; empty: nowhere.
    pub listen: Vec<SocketAddr>,
    /// Threads that answer over UDP, for each address; 0: one a core.
    pub threads: usize,
    /// The apex of the zone that is derived from the registry; `None`: there is none.
    pub zone: Option<DomainName>,
    /// How long answers about a service may be kept where it does not say so, in whole seconds.
    pub ttl_service: Duration,
    /// How long those about hosts, name servers and the zone itself may be kept, and records that are facts, where neither they nor their
    /// zone's SOA say it; in whole seconds.
    pub ttl_host: Duration,
    /// How long it may be remembered that something is not there, in whole seconds.
    pub negative_ttl: Duration,
    /// Where the derived zone's name servers are, `ns1` at the first; empty: where this process listens.
    pub name_servers: Vec<IpAddr>,
    /// Ranges of addresses whose zones tell whose each address is.
    pub reverse: Vec<IpNet>,
    /// Zones that are read from files.
    pub zone_files: Vec<ZoneFile>,
    /// The largest zone file, in octets.
    pub zone_file_bytes: usize,
    /// Who is asked for names that no zone holds; empty: nobody.
    pub forward: Vec<Upstream>,
    /// For which clients.
    pub forward_allow: Vec<IpNet>,
    /// Whether upstreams know the names of private addresses; else those are not asked for.
    pub forward_private: bool,
    /// What answers of upstreams may take that are kept, in octets; 0: none is kept.
    pub cache_bytes: usize,
    /// What the system may keep of datagrams that wait for a thread, for each socket, in octets; the system's own limit
    /// (`net.core.rmem_max`) stands above it.
    pub receive_buffer_bytes: usize,
    /// TCP connections at once; more are closed at once.
    pub tcp_connections: usize,
    /// TCP connections at once from one address; more are closed at once.
    pub tcp_connections_per_address: usize,
    /// How long a TCP connection may be without a question (RFC 7766 §6.2.3).
    pub tcp_idle: Duration,
    /// How long a TCP client may take to send a question from its first octet on, and to take answers.
    pub tcp_message: Duration,
    /// Where the keys are that messages are signed with; `None`: there are none.
    pub key_file: Option<PathBuf>,
    /// Who may have whole zones; empty: nobody.
    pub transfer_allow: Vec<Allowed>,
    /// How many zones are handed over at once; whoever asks for more is told to come back.
    pub transfers: usize,
    /// Who is told of changes.
    pub notify: Vec<Secondary>,
    /// Who may change zones of the registry; empty: nobody.
    pub update_allow: Vec<MayUpdate>,
    /// Who may ask; empty: everybody.
    pub allow: Vec<IpNet>,
    /// Who may not, also of those.
    pub deny: Vec<IpNet>,
    /// What cookies are for.
    pub cookies: CookieUse,
    /// What cookies are made with (the first one) and checked with (all of them); empty: drawn by each process.
    pub cookie_secret: Vec<Secret>,
    /// What who asks for it is told of who answers (RFC 5001), [`NSID`] octets at most; `None`: nothing.
    pub nsid: Option<String>,
    /// Answers of a kind over UDP to a network (/24, /56), in a second; 0: as many as are asked for.
    pub rate_limit: u32,
    /// One of so many answers over that limit is sent cut; 0: none, 1: each.
    pub rate_limit_slip: u32,
    /// Who is not limited.
    pub rate_limit_allow: Vec<IpNet>,
    /// What is counted in, in octets.
    pub rate_limit_table_bytes: usize,
    /// How long the registry may be lost until its names are told no more; `None`: for ever.
    pub max_age: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8053))],
            threads: 0,
            // It is a name, and short.
            zone: DomainName::parse("svc.internal").ok(),
            ttl_service: Duration::from_secs(5),
            ttl_host: Duration::from_secs(30),
            negative_ttl: Duration::from_secs(1),
            name_servers: Vec::new(),
            reverse: Vec::new(),
            zone_files: Vec::new(),
            zone_file_bytes: 64 << 20,
            forward: Vec::new(),
            forward_allow: vec![
                IpNet::new_assert(Ipv4Addr::new(127, 0, 0, 0).into(), 8),
                IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128),
            ],
            forward_private: false,
            cache_bytes: 4 << 20,
            receive_buffer_bytes: 4 << 20,
            tcp_connections: 1024,
            tcp_connections_per_address: 64,
            tcp_idle: Duration::from_secs(10),
            tcp_message: Duration::from_secs(5),
            key_file: None,
            transfer_allow: Vec::new(),
            transfers: 16,
            notify: Vec::new(),
            update_allow: Vec::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            cookies: CookieUse::On,
            cookie_secret: Vec::new(),
            nsid: None,
            rate_limit: 0,
            rate_limit_slip: 2,
            rate_limit_allow: Vec::new(),
            rate_limit_table_bytes: 2 << 20,
            max_age: None,
        }
    }
}
