//! A node's word about itself.

use std::fmt;

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

/// What a node's proxy says of itself. Kept beside the facts; never moves the revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
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
