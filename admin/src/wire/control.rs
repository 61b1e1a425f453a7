//! Who controls, what engines say, what is not done; and what would be done.

use serde::{Deserialize, Serialize};

use super::PowerDoc;

/// In `/v1/status`: how what is launched stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlStatus {
    /// The node that controls; `null`: none does.
    pub controller: Option<String>,
    /// Whether that is this one.
    pub this: bool,
    /// The engines as this node hears them; empty where it hears none.
    pub engines: Vec<EngineStatus>,
    /// The services of which not all is so that is wanted, by name.
    pub undone: Vec<Undone>,
    /// How many more of these there are.
    #[serde(default)]
    pub more: usize,
}

/// How a host's engine stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Which host.
    pub host: String,
    /// Whether it answers.
    pub answers: bool,
    /// For how long it does not, in milliseconds; `null`: it does, or never did.
    pub silent_ms: Option<u64>,
    /// What the last attempt to reach it said; empty: it answered.
    pub error: String,
    /// What it calls itself; empty: not known.
    pub version: String,
    /// How many containers of ours it has, as far as is known.
    pub containers: usize,
    /// Whether the host runs, where it is started and stopped; left out of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerDoc>,
}

/// A service of which not all is so that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// Which.
    pub service: String,
    /// Whether its version failed.
    pub failed: bool,
    /// What is missing, or why it failed.
    pub why: String,
}

/// What a controller would do first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// What starts where.
    pub start: Vec<ForeseenInstance>,
    /// What leaves, and why.
    pub leave: Vec<ForeseenInstance>,
    /// What fits nowhere, and why.
    pub unplaced: Vec<Unplaced>,
}

/// An instance that would start, or leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeseenInstance {
    /// Of which service.
    pub service: String,
    /// Its name.
    pub instance: String,
    /// On which host.
    pub host: String,
    /// Why it leaves; left out of one that starts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// A service of which something fits nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unplaced {
    /// Which.
    pub service: String,
    /// How many instances.
    pub missing: u32,
    /// Why each host takes no more.
    pub hosts: Vec<UnplacedAt>,
}

/// Why a host takes no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnplacedAt {
    /// Which.
    pub host: String,
    /// Why.
    pub why: String,
}
