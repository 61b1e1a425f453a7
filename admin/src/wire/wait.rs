//! Nodes, and how far a revision has come among them.

use serde::{Deserialize, Serialize};

/// `/v1/wait`, and `wait` in the answer to a write with `?wait=`: who serves a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Which.
    pub revision: u64,
    /// Whether every node that lives serves it, or a later one, at each door that was asked for.
    pub served: bool,
    /// How many doors do.
    pub doors: usize,
    /// How long that was waited for, in milliseconds.
    pub waited_ms: u64,
    /// How long it would have been, in milliseconds: what was asked for, or less where a request may not take that long.
    pub timeout_ms: u64,
    /// The doors of nodes that live and do not serve it.
    pub laggards: Vec<Laggard>,
    /// Nodes that were not heard of for their lease: they are not waited for.
    pub lost: Vec<LostNode>,
    /// Whether other nodes are heard of.
    pub others: Others,
}

/// A door that does not serve a revision yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Laggard {
    /// Of which node.
    pub node: String,
    /// `proxy` or `dns`.
    pub door: String,
    /// The revision it serves.
    pub serving: u64,
}

/// A node that was not heard of for its lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostNode {
    /// Which.
    pub node: String,
    /// How long it was not heard of, in milliseconds.
    pub heard_ms: u64,
}

/// Whether other nodes are heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// There are none: the registry is this process' own.
    #[default]
    None,
    /// They are.
    Heard,
    /// Not now: the registry cannot be reached.
    Away,
    /// They are not: the registry takes no writes from this node.
    Unknown,
}

/// A node as this one knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// Whether it is the one that is asked.
    pub this: bool,
    /// The revision its proxy serves; `null`: it has none.
    pub proxy: Option<u64>,
    /// The revision its DNS serves; `null`: it has none.
    pub dns: Option<u64>,
    /// Where the world reaches its proxy.
    pub addresses: Vec<String>,
    /// How long ago it said so, in milliseconds.
    pub heard_ms: u64,
    /// Whether that is longer than its lease.
    pub lost: bool,
    /// Whether it takes its leave.
    pub draining: bool,
    /// The oldest revision of a table that its proxy may still pick an endpoint from which has left since; 0: nobody knows; `null`: it has
    /// no proxy.
    #[serde(default)]
    pub oldest: Option<u64>,
    /// The endpoints that left every frontend while something is in flight at them by this node.
    #[serde(default)]
    pub leaving: Vec<LeavingStatus>,
}

/// An endpoint that is in no frontend any more while something is in flight at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingStatus {
    /// Its URL.
    pub endpoint: String,
    /// Requests in flight at it, without tunnels.
    pub in_flight: u64,
    /// Connections through it that were upgraded, as WebSockets are.
    pub tunnels: u64,
}
