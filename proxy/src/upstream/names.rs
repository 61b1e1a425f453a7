//! Name servers, asked for the addresses of a name: those of the system (`/etc/resolv.conf`, behind `/etc/hosts`), or those of
//! `upstream.resolvers`.
//!
//! In: a name. Out: its addresses and how long they hold, that it has none, or that nobody could say. Nothing is kept here between
//! two questions: what is known of a name, and when it is asked for again, is `resolve`'s.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{Resolver, TokioResolver};

/// Which files say what the system knows and whom it asks.
const SYSTEM: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// How long a server of `upstream.resolvers` may take, asked twice; of the system's ones `/etc/resolv.conf` says so.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How old what these files said may be.
const SYSTEM_AGE: Duration = Duration::from_secs(5);

/// What was said of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// These are its addresses, for that long.
    Addresses(Vec<IpAddr>, Duration),
    /// There is no such name, or it has no address.
    Nothing,
    /// Nobody could say, and why.
    Failed(Box<str>),
}

/// The name servers that are asked.
#[derive(Debug)]
pub(crate) struct Names {
    servers: Box<[SocketAddr]>,
    current: Mutex<Current>,
}

/// What asks them.
#[derive(Debug)]
struct Current {
    /// `None`: the system's files name nobody; the system is asked as a whole.
    resolver: Option<Arc<TokioResolver>>,
    /// When the system's files were changed last, and when that was looked at.
    changed: [Option<SystemTime>; 2],
    looked: Instant,
}

impl Names {
    /// Asks these, or with none of them the system's.
    pub(crate) fn new(servers: &[SocketAddr]) -> Self {
        let current = Current { resolver: build(servers), changed: changed(), looked: Instant::now() };
        Self { servers: servers.into(), current: Mutex::new(current) }
    }

    /// What is said of `name` now.
    pub(crate) async fn look_up(&self, name: &str) -> Found {
        let Some(resolver) = self.resolver() else { return of_system(name).await };
        let Ok(asked) = Name::from_ascii(name) else { return Found::Nothing };
        match resolver.lookup_ip(asked).await {
            Ok(found) => {
                let answers = found.as_lookup().answers();
                let ttl = answers.iter().map(|record| record.ttl).min().unwrap_or_default();
                let ips: Vec<IpAddr> = found.iter().collect();
                if ips.is_empty() {
                    return Found::Nothing;
                }
                Found::Addresses(ips, Duration::from_secs(ttl.into()))
            }
            Err(error) => refused(&error),
        }
    }

    /// Built again when the system's files were changed. Never on the request path.
    fn resolver(&self) -> Option<Arc<TokioResolver>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if self.servers.is_empty() && current.looked.elapsed() >= SYSTEM_AGE {
            current.looked = Instant::now();
            let changed = changed();
            if changed != current.changed {
                current.changed = changed;
                current.resolver = build(&self.servers);
            }
        }
        current.resolver.clone()
    }
}

fn changed() -> [Option<SystemTime>; 2] {
    SYSTEM.map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
}

fn build(servers: &[SocketAddr]) -> Option<Arc<TokioResolver>> {
    let provider = TokioRuntimeProvider::default();
    let builder = if servers.is_empty() {
        Resolver::builder(provider)
    } else {
        let configured = ResolverConfig::from_name_servers(servers.iter().map(named).collect());
        let mut options = ResolverOpts::default();
        options.timeout = TIMEOUT;
        Ok(Resolver::builder_with_config(configured, provider).with_options(options))
    };
    let built = builder.and_then(|mut builder| {
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.cache_size = 0;
        builder.build()
    });
    built
        .inspect_err(|error| {
            tracing::warn!(%error, "/etc/resolv.conf names no server; names are looked up as the system does, without their TTL");
        })
        .ok()
        .map(Arc::new)
}

/// A server for UDP, and TCP where an answer is too long for that.
fn named(server: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    NameServerConfig::new(server.ip(), true, connections.into())
}

/// An error that says something of the name, or of those who were asked.
fn refused(error: &NetError) -> Found {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(found))
            if matches!(found.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
        {
            Found::Nothing
        }
        other => Found::Failed(other.to_string().into()),
    }
}

/// As the system looks names up, which says nothing of how long that holds.
async fn of_system(name: &str) -> Found {
    match tokio::net::lookup_host((name, 0)).await {
        Ok(found) => Found::Addresses(found.map(|socket| socket.ip()).collect(), Duration::MAX),
        Err(error) => Found::Failed(error.to_string().into()),
    }
}
