//! A node's word about itself.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

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
    /// The revision its DNS answers at; `None`: it runs none.
    pub dns: Option<Revision>,
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
            Door::Dns => self.dns,
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
    /// Requests in flight.
    pub in_flight: u64,
    /// The endpoints that are out at this node.
    pub dead: Vec<DeadEndpoint>,
    /// How many endpoints it checks actively, each as often as frontends want it checked.
    pub checked: u64,
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
