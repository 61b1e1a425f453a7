//! A node's word about itself.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Address;
use crate::fact::FactKey;
use crate::revision::Revision;

/// The name of one running portico process, unique in the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub Box<str>);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node's whole word about itself. Kept beside the facts; never moves the revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What its proxy says; `None`: it runs none.
    pub proxy: Option<Arc<ProxyReport>>,
    /// What its DNS says; `None`: it runs none.
    pub dns: Option<DnsReport>,
    /// Where it speaks HTTP to the world.
    pub addresses: Vec<IpAddr>,
    /// True once it takes its leave: nobody waits for it any more.
    pub draining: bool,
}

impl Report {
    /// The revision that is served at this door; `None`: it has no such door.
    pub fn serving(&self, door: Door) -> Option<Revision> {
        match door {
            Door::Proxy => self.proxy.as_ref().map(|proxy| proxy.serving),
            Door::Dns => self.dns.map(|dns| dns.serving),
        }
    }
}

/// Where a node answers: each door serves a revision of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// HTTP.
    Proxy,
    /// DNS.
    Dns,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Proxy, Self::Dns];

    /// `proxy` or `dns`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Dns => "dns",
        }
    }
}

/// What a node's proxy says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyReport {
    /// The revision of the table that new requests are routed by.
    pub serving: Revision,
    /// The oldest revision of a table that an exchange may still pick an endpoint from which the served one has no more; else what it
    /// serves. 0: nobody knows.
    pub oldest: Revision,
    /// Requests in flight.
    pub in_flight: u64,
    /// The endpoints that are out at this node.
    pub dead: Vec<DeadEndpoint>,
    /// How many endpoints it checks actively, each as often as frontends want it checked.
    pub checked: u64,
    /// The endpoints that the served table has no more while something is in flight at them; at most [`MAX_LEAVING`]. While there are more,
    /// `oldest` stays older than what removed those that are not named.
    pub leaving: Vec<LeavingEndpoint>,
}

/// How many leaving endpoints a report names.
pub const MAX_LEAVING: usize = 256;

/// An endpoint that was taken out of every route while something was in flight at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavingEndpoint {
    /// Which, whatever frontends it was of.
    pub address: Address,
    /// Requests in flight at it, without tunnels.
    pub in_flight: u64,
    /// Connections through it that were upgraded (WebSockets): they end when a side ends them.
    pub tunnels: u64,
}

/// What a node's DNS says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DnsReport {
    /// The revision of the zones that questions are answered from.
    pub serving: Revision,
    /// For how long others may keep what it says of a service that states no TTL of its own; whole seconds.
    pub ttl: Duration,
}

/// An endpoint that is out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadEndpoint {
    /// Of which frontend.
    pub frontend: FactKey,
    /// Which.
    pub address: Address,
    /// Why, in a few words: `connect refused`, `502 from the endpoint`, `marked by another`.
    pub reason: Box<str>,
    /// True when it is out because its active check failed: it is back when it passes again.
    pub by_check: bool,
    /// When this node will try it again, in milliseconds from now; `None`: when its marker, or its check, says so.
    pub back_in_ms: Option<u64>,
}
