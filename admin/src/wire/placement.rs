//! Where instances of a service run and would start, and why not elsewhere.

use serde::{Deserialize, Serialize};

/// `/v1/services/{service}/placement`: what each host is to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The revision of the facts that it follows from.
    pub revision: u64,
    /// Which service.
    pub service: String,
    /// How many instances are wanted; `null`: one on every host.
    pub wanted: Option<u32>,
    /// All hosts: first those that the next instance would start on, the best one first; then those that are none, by name.
    pub hosts: Vec<PlacementHost>,
}

/// What a host is to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementHost {
    /// Its name.
    pub host: String,
    /// How many instances stay there.
    pub stay: u32,
    /// Where it stands among the hosts that the next instance could start on, from 1; `null`: it is none of them.
    pub rank: Option<u32>,
    /// Why it is none of them; empty: it is one.
    pub why: String,
}
