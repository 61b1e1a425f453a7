//! How a node stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ControlStatus, NodeStatus, Others};

/// `/v1/status`: how this node stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of portico.
    pub version: String,
    /// The name of this node.
    pub node: String,
    /// How long this process has run, in milliseconds.
    pub uptime_ms: u64,
    /// Whether `/readyz` says 200, and why not.
    pub ready: Readiness,
    /// The registry.
    pub registry: RegistryStatus,
    /// The proxy; `null` when this process has none.
    pub proxy: Option<ProxyStatus>,
    /// Where this node listens.
    pub listeners: Vec<Listener>,
    /// All nodes that share the registry, this one among them.
    #[serde(default)]
    pub nodes: Vec<NodeStatus>,
    /// Whether other nodes are heard of.
    #[serde(default)]
    pub others: Others,
    /// How what is launched stands; left out where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlStatus>,
}

/// `/readyz`: whether this node should get traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The one bit.
    pub ready: bool,
    /// Why not; empty when ready.
    pub reasons: Vec<String>,
    /// `live`, `connecting` or `lost`: for information, a lost registry does not make a node unready.
    pub registry: String,
    /// True while the routes are the last known good ones from disk.
    pub from_cache: bool,
    /// True while the registry says much less than is served and is not believed yet: for information, too.
    #[serde(default)]
    pub held: bool,
}

/// How a node stands with its registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryStatus {
    /// `embedded`, `memory` or `redis`.
    pub driver: String,
    /// Its URL, the password hidden.
    pub url: String,
    /// `live`, `connecting` or `lost`.
    pub link: String,
    /// What the last attempt to reach it said, while lost.
    pub error: Option<String>,
    /// How changes arrive: `in process`, `client tracking`, `keyspace events`, `reconcile only`.
    pub follows_by: String,
    /// How long ago the routes were last known to be what the registry says, in milliseconds; `null`: never yet.
    pub age_ms: Option<u64>,
    /// True while the routes are the last known good ones from disk.
    pub from_cache: bool,
    /// True when the registry takes no writes from this node.
    pub read_only: bool,
    /// The view of the registry's that is not believed yet; `null`: what it says is served.
    pub held: Option<HeldView>,
    /// The revision of the newest snapshot.
    pub revision: u64,
    /// How many facts it has.
    pub facts: usize,
    /// How many of each kind, under its name: `{"frontend": 3}`; kinds of which there is none included.
    #[serde(default)]
    pub facts_by_kind: BTreeMap<String, usize>,
    /// How many entries are set aside; `portico verify` lists them.
    pub quarantined: usize,
}

/// A view that suddenly lost most of a large table, and is held before it is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldView {
    /// For how long it has been held, in milliseconds.
    pub for_ms: u64,
    /// How long until it is believed, in milliseconds.
    pub left_ms: u64,
    /// How many frontends that are served it would remove, or take back to what they were.
    pub removes: usize,
    /// How many are served.
    pub of: usize,
    /// Whether the registry is an older copy of itself (a replica that lagged and was promoted).
    #[serde(default)]
    pub older: bool,
}

/// `/v1/registry/accept`: the held view was believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The revision it is served at.
    pub revision: u64,
    /// How many frontends it removed.
    pub removed: usize,
    /// Whether this node's proxy routes by it already.
    pub live: bool,
}

/// How a node's proxy stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyStatus {
    /// The revision new requests are routed by.
    pub serving: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// How many endpoints are out; `portico verify` lists them.
    pub dead_endpoints: usize,
    /// How many endpoints it checks actively, each as often as frontends want it checked.
    #[serde(default)]
    pub checked_endpoints: u64,
    /// How many of those are out because they failed.
    #[serde(default)]
    pub failing_endpoints: usize,
}

/// A socket this node listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `http` or `admin`.
    pub role: String,
    /// `address:port`.
    pub address: String,
}
